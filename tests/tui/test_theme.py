"""The palette: readable, and never the only sign."""

from __future__ import annotations

from rich.color import Color
from rich.color_triplet import ColorTriplet

from tui.theme import CURSOR, STYLES

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
    """Each role has a ground of its own and enough contrast on it."""
    poor = {}
    for role, style in (*STYLES.items(), ("cursor", CURSOR)):
        assert style.color is not None
        assert style.bgcolor is not None
        ratio = contrast(style.color, style.bgcolor)
        if ratio < LEAST_CONTRAST:
            poor[role] = round(ratio, 2)
    assert poor == {}


def test_the_measure_of_contrast_is_right() -> None:
    """Canary: black on white is 21, a colour on itself 1."""
    black, white = Color.parse("#000000"), Color.parse("#ffffff")
    assert round(contrast(black, white), 2) == 21.0
    assert contrast(white, white) == 1.0
