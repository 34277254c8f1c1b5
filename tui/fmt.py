"""Numbers, times and foreign text as they stand on a screen.

Lives here: formatting only. May import: the standard library's pure parts, rich's cell widths.
Always holds: rupees come from integer paise in Indian grouping and never through a float; a missing
value is ``-``; text from outside is shown as text, one cell a character, without control codes;
every time is IST.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

from rich.cells import cell_len

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000
IST_OFFSET_NS: Final = 19_800 * NS_PER_S
"""IST is UTC + 5:30 the whole year."""
DAY_NS: Final = 86_400 * NS_PER_S
MISSING: Final = "-"
ELLIPSIS: Final = "…"
BLOCKS: Final = "▁▂▃▄▅▆▇█"
MONTHS: Final = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


# --- text --------------------------------------------------------------------------------------


def clean(text: str) -> str:
    """Text from outside as plain single-width characters.

    Control and format characters (escape sequences, bidirectional overrides, zero-width marks) and
    anything that is not one cell wide become ``·``: a journaled string can neither move the cursor
    nor shift a column.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_clean_char, text))


def _clean_char(char: str) -> str:
    if char in "\t\n\r ":
        return " "
    if unicodedata.category(char)[0] in "CZ" or cell_len(char) != 1:
        return "·"
    return char


def fit(text: str, width: int, align: str = "<") -> str:
    """Text in exactly ``width`` cells, cut with an ellipsis. ``align`` is ``<``, ``>`` or ``^``.

    The text must be ``clean``: then a character is a cell.
    """
    if len(text) > width:
        return text[: width - 1] + ELLIPSIS if width > 0 else ""
    return f"{text:{align}{width}}"


# --- money and quantities ----------------------------------------------------------------------


def group_indian(number: int) -> str:
    """Digits in Indian grouping: the last three, then pairs. ``1234567`` is ``12,34,567``."""
    digits = str(abs(number))
    head, tail = digits[:-3], digits[-3:]
    pairs: list[str] = []
    while head:
        pairs.append(head[-2:])
        head = head[:-2]
    sign = "-" if number < 0 else ""
    return sign + ",".join([*reversed(pairs), tail])


def price(paise: int | None) -> str:
    """A price in rupees with paise, grouped: ``24,512.35``."""
    if paise is None:
        return MISSING
    whole, rest = divmod(abs(paise), 100)
    sign = "-" if paise < 0 else ""
    return f"{sign}{group_indian(whole)}.{rest:02d}"


def rupees(paise: int | None) -> str:
    """An amount with its sign of currency: ``₹1,23,456.50``, ``-₹12.00``."""
    if paise is None:
        return MISSING
    return ("-₹" if paise < 0 else "₹") + price(abs(paise))


def gain(paise: int | None) -> str:
    """A result, always signed: ``+₹120.00``, ``-₹3.50``, ``₹0.00``; ``?`` when not known."""
    if paise is None:
        return "?"
    return ("+" if paise > 0 else "") + rupees(paise)


def lots(quantity_units: int, lot_units: int) -> str:
    """Lots with the quantity behind: ``2 (130)``; a broken or unknown lot says units only."""
    if lot_units <= 0 or quantity_units % lot_units:
        return f"{quantity_units} u"
    return f"{quantity_units // lot_units} ({quantity_units})"


def percent(part: int, whole: int) -> str:
    """A share in whole percent, rounded half up; ``<1%`` and ``>99%`` are not none and not all."""
    if whole <= 0:
        return MISSING
    rounded = (200 * part + whole) // (2 * whole)
    if 0 < part < whole and rounded in (0, 100):
        return "<1%" if rounded == 0 else ">99%"
    return f"{rounded}%"


def milli(value: int | None) -> str:
    """A number in thousandths: ``710`` is ``0.710``."""
    if value is None:
        return MISSING
    whole, rest = divmod(abs(value), 1000)
    return f"{'-' if value < 0 else ''}{whole}.{rest:03d}"


_UNITS: Final[dict[str, Callable[[int], str]]] = {
    "paise": rupees,
    "milli": milli,
    "milli-nat": lambda value: f"{milli(value)} nat",
    "ms": lambda value: f"{group_indian(value)} ms",
    "s": lambda value: f"{group_indian(value)} s",
    "bps": lambda value: f"{group_indian(value)} bps",
    "bars": lambda value: f"{value} bars",
    "lots": lambda value: f"{value} lots",
    "flag": lambda value: {0: "no", 1: "yes"}.get(value, str(value)),
}


def measure(value: int | None, unit: str) -> str:
    """A gate's number in its unit of the catalogue; an unknown unit shows the bare number."""
    if value is None:
        return MISSING
    show = _UNITS.get(unit)
    return group_indian(value) if show is None else show(value)


# --- time --------------------------------------------------------------------------------------


def clock(ts: int | None) -> str:
    """Time of day IST, ``HH:MM:SS``."""
    if ts is None:
        return MISSING
    seconds = (ts + IST_OFFSET_NS) // NS_PER_S % 86_400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def clock_ms(ts: int | None) -> str:
    """Time of day IST with milliseconds, for events."""
    if ts is None:
        return MISSING
    return f"{clock(ts)}.{ts // NS_PER_MS % 1000:03d}"


def day_text(day: int) -> str:
    """A yyyymmdd day as ``20-Nov-2026``; whatever is no date as its digits."""
    month = day // 100 % 100
    if not 1 <= month <= 12:
        return str(day)
    return f"{day % 100:02d}-{MONTHS[month - 1]}-{day // 10_000}"


def age(age_ns: int | None) -> str:
    """An age: ``0.8s``, ``42s``, ``12m``, ``3h``, ``2d``; below zero counts as now."""
    if age_ns is None:
        return MISSING
    tenths = max(age_ns, 0) // (NS_PER_S // 10)
    if tenths < 100:
        return f"{tenths // 10}.{tenths % 10}s"
    seconds = tenths // 10
    for limit, size, unit in ((60, 1, "s"), (3600, 60, "m"), (86_400, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86_400}d"


def countdown(left_ns: int) -> str:
    """Time left as ``HH:MM:SS``."""
    seconds = max(left_ns, 0) // NS_PER_S
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


# --- charts ------------------------------------------------------------------------------------


def resample(values: tuple[int, ...], width: int) -> tuple[int, ...]:
    """At most ``width`` values that keep the order; each is the last of its equal part."""
    count = len(values)
    if width <= 0:
        return ()
    if count <= width:
        return values
    return tuple(values[(place + 1) * count // width - 1] for place in range(width))


def spark(values: tuple[int, ...], width: int) -> str:
    """Values as blocks of eight heights between their least and greatest; flat is the lowest."""
    shown = resample(values, width)
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    span = high - low
    top = len(BLOCKS) - 1
    if span == 0:
        return BLOCKS[0] * len(shown)
    return "".join(BLOCKS[(value - low) * top // span] for value in shown)


def plot(values: tuple[int, ...], width: int, height: int) -> tuple[str, ...]:
    """Values as columns of blocks over ``height`` rows, top row first; the least has one eighth."""
    shown = resample(values, width)
    if not shown:
        return (" " * width,) * height
    low = min(shown)
    top, steps = max(shown) - low, height * len(BLOCKS) - 1
    levels = [1 + (0 if top == 0 else (value - low) * steps // top) for value in shown]
    rows: list[str] = []
    for row in reversed(range(height)):
        fill = (min(max(level - row * len(BLOCKS), 0), len(BLOCKS)) for level in levels)
        rows.append("".join(BLOCKS[count - 1] if count else " " for count in fill))
    return tuple(rows)


def heat(counts: tuple[int, ...], width: int) -> str:
    """Counts as blocks against the greatest, merged to ``width`` parts; none is a blank."""
    size = len(counts)
    if not size or width <= 0:
        return ""
    width = min(width, size)
    merged = [
        sum(counts[place * size // width : (place + 1) * size // width]) for place in range(width)
    ]
    top = max(merged)
    if top == 0:
        return " " * width
    last = len(BLOCKS) - 1
    return "".join(BLOCKS[count * last // top] if count else " " for count in merged)
