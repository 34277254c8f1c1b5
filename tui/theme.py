"""Roles as styles: a colour-blind-safe palette, with 16-colour terminals and no colour in mind.

Lives here: the one table from role to style. May import: rich, tui.view.text. Always holds: every
role has a style on its own ground, whatever the terminal's is; a role differs from the others in
text or shape as well, so that the screen reads the same without colour. Source of the hues: Okabe
and Ito, Color Universal Design.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from rich.style import Style

from tui.view.text import Role

BACKGROUND: Final = "#101418"
FOREGROUND: Final = "#d8dee6"

_SPECS: Final[dict[Role, str]] = {
    "text": FOREGROUND,
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
    "LIVE": "bold #ffffff on #8b1a00",
    "PAPER": "bold #000000 on #56b4e9",
    "SIM": "bold #000000 on #009e73",
    "BACKTEST": "bold #000000 on #cc79a7",
    "REPLAY": "bold #000000 on #e69f00",
    "MODE ?": "bold #000000 on #999999",
    "alert": "bold #ffffff on #a84300",
}

_GROUND: Final = Style.parse(f"{FOREGROUND} on {BACKGROUND}")

STYLES: Final = MappingProxyType(
    {role: _GROUND + Style.parse(spec) for role, spec in _SPECS.items()}
)
FADED: Final = MappingProxyType({role: style + Style(dim=True) for role, style in STYLES.items()})
"""The same roles on a body whose source is silent."""
CURSOR: Final = Style(color="#ffffff", bgcolor="#33475b", bold=True)
"""The row under the cursor, white whatever its roles; without colour ``>`` marks it."""
