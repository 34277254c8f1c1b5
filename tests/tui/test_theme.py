"""The palette: readable, and never the only sign."""

from __future__ import annotations

import pytest
from rich.color import Color, ColorSystem
from rich.color_triplet import ColorTriplet

from tui.theme import DARK, LIGHT, LOOKS, other_theme

LEAST_CONTRAST = 4.5
"""WCAG 2.1, success criterion 1.4.3, for text of normal size."""


def luminance(colour: ColorTriplet) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    parts = [channel / 255 for channel in colour]
    r, g, b = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: Color, other: Color) -> float:
    """Contrast ratio, 1 to 21."""
    light, dark = sorted((luminance(c.get_truecolor()) for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_role_can_be_read() -> None:
    """In both themes each role has a ground of its own and enough contrast on it."""
    poor = {}
    for dark, look in LOOKS.items():
        for role, style in (*look.styles.items(), ("cursor", look.cursor)):
            assert style.color is not None
            assert style.bgcolor is not None
            ratio = contrast(style.color, style.bgcolor)
            if ratio < LEAST_CONTRAST:
                poor[dark, role] = round(ratio, 2)
    assert poor == {}


def test_both_themes_have_the_same_roles() -> None:
    """A switch of the theme leaves no role without a style."""
    assert set(LOOKS[True].styles) == set(LOOKS[False].styles) == set(LOOKS[True].faded)
    assert other_theme(DARK) == LIGHT
    assert other_theme(LIGHT) == DARK


@pytest.mark.parametrize("dark", [True, False])
def test_sixteen_colours_are_enough(dark: bool) -> None:
    """Brought down to sixteen colours every role can still be told from its ground, and the four
    modes and REPLAY have four grounds and more."""
    grounds = {}
    for role, style in LOOKS[dark].styles.items():
        assert style.color is not None
        assert style.bgcolor is not None
        front = style.color.downgrade(ColorSystem.STANDARD).number
        ground = style.bgcolor.downgrade(ColorSystem.STANDARD).number
        assert front != ground, role
        grounds[role] = ground
    assert len({grounds[mode] for mode in ("LIVE", "PAPER", "SIM", "REPLAY")}) == 4


def test_the_measure_of_contrast_is_right() -> None:
    """Canary: black on white is 21, a colour on itself 1."""
    black, white = Color.parse("#000000"), Color.parse("#ffffff")
    assert round(contrast(black, white), 2) == 21.0
    assert contrast(white, white) == 1.0
