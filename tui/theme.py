"""Roles as styles: two colour-blind-safe palettes, with 16-colour terminals and no colour in mind.

Lives here: the one table from theme and role to style. May import: rich, textual's theme,
tui.view.text. Always holds: every role has a style on its own ground, whatever the terminal's is,
with enough contrast to be read; a role differs from the others in text or shape as well, so that
the screen reads the same without colour. Source of the hues: Okabe and Ito, Color Universal Design;
the light set is darkened from them until it can be read on white.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec
from rich.style import Style
from textual.theme import Theme

from tui.view.text import Role

DARK: Final = "axiom-dark"
LIGHT: Final = "axiom-light"

_MODES: Final[dict[Role, str]] = {
    "LIVE": "bold #ffffff on #8b1a00",
    "PAPER": "bold #000000 on #56b4e9",
    "SIM": "bold #000000 on #009e73",
    "BACKTEST": "bold #000000 on #cc79a7",
    "REPLAY": "bold #000000 on #e69f00",
    "MODE ?": "bold #000000 on #999999",
    "alert": "bold #ffffff on #a84300",
}
"""The same on every ground: what a mode looks like is not a matter of taste."""

_DARK: Final[dict[Role, str]] = {
    "text": "#d8dee6",
    "dim": "#8a949e",
    "title": "bold #ffffff",
    "header": "#8a949e underline",
    "ok": "#009e73",
    "degraded": "#56b4e9",
    "warn": "#e69f00",
    "bad": "bold #d55e00",
    "unknown": "#a3a3a3",
    "up": "#56b4e9",
    "down": "#d55e00",
    "key": "bold #f0e442",
    **_MODES,
}
_LIGHT: Final[dict[Role, str]] = {
    "text": "#1b2229",
    "dim": "#5b6570",
    "title": "bold #000000",
    "header": "#5b6570 underline",
    "ok": "#00674b",
    "degraded": "#005a8f",
    "warn": "#8a5200",
    "bad": "bold #a63c00",
    "unknown": "#5f5f5f",
    "up": "#005a8f",
    "down": "#a63c00",
    "key": "bold #6b4e00",
    **_MODES,
}


class Look(msgspec.Struct, frozen=True):
    """The styles of one theme. ``faded`` are the same roles on a body whose source is silent;
    ``cursor`` is the row under the cursor, one colour whatever its roles: without colour ``>``
    marks it."""

    styles: Mapping[Role, Style]
    faded: Mapping[Role, Style]
    cursor: Style


def _look(specs: dict[Role, str], background: str, cursor: Style) -> Look:
    ground = Style.parse(f"{specs['text']} on {background}")
    styles = {role: ground + Style.parse(spec) for role, spec in specs.items()}
    faded = {role: style + Style(dim=True) for role, style in styles.items()}
    return Look(MappingProxyType(styles), MappingProxyType(faded), cursor)


_DARK_GROUND: Final = "#101418"
_LIGHT_GROUND: Final = "#fafafa"

LOOKS: Final[Mapping[bool, Look]] = MappingProxyType(
    {
        True: _look(_DARK, _DARK_GROUND, Style(color="#ffffff", bgcolor="#33475b", bold=True)),
        False: _look(_LIGHT, _LIGHT_GROUND, Style(color="#000000", bgcolor="#c3d7eb", bold=True)),
    }
)
"""By whether the theme is dark, as the terminal library tells it of an app's current one."""

THEMES: Final[Mapping[str, Theme]] = MappingProxyType(
    {
        DARK: Theme(
            DARK, primary="#56b4e9", foreground=_DARK["text"], background=_DARK_GROUND,
            surface="#20303f", dark=True,
        ),
        LIGHT: Theme(
            LIGHT, primary="#005a8f", foreground=_LIGHT["text"], background=_LIGHT_GROUND,
            surface="#dfe8f1", dark=False,
        ),
    }
)  # fmt: skip


def other_theme(name: str) -> str:
    """The theme that a switch leads to."""
    return LIGHT if name == DARK else DARK
