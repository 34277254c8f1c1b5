"""Kite's words for numbers and times: rupees from paise, naive IST stamps, forms read strictly.

Lives here: conversions at the edge. May import: engine.rulebook, errors. Always holds: inside it is
paise, units and ns UTC; floats and text appear only in what goes out. Start reading at ``rupees``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from adapters.exchange_sim.errors import FIELD_INVALID, FIELD_MISSING, input_error
from engine.rulebook import IST_OFFSET_NS, NS_PER_DAY, day_from_days, hhmmss_of, iso_day, ist_ns

Form = Mapping[str, Any]
"""A form or a JSON object as it came in; values are text or JSON's own."""

Data = dict[str, Any]
"""An object of an answer's ``data``."""

STAMP: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d:\d\d:\d\d))?")

PRICE_MAX_PAISE: Final = 0x7FFF_FFFF
"""No price is more: on the wire it is a signed 32-bit number of paise."""

QUANTITY_MAX: Final = 100_000_000


def rupees(paise: int) -> float:
    """Paise as the broker gives money: a float with two decimals."""
    return paise / 100


def rupees_text(paise: int) -> str:
    """``1234.50``, as money stands inside the broker's sentences."""
    sign = "-" if paise < 0 else ""
    return f"{sign}{abs(paise) // 100}.{abs(paise) % 100:02d}"


def average_rupees(value_paise: int, units: int) -> float:
    """The average price of a value, rounded to four decimals; 0 for nothing."""
    return round(value_paise / (100 * units), 4) if units else 0.0


def stamp(ns: int) -> str:
    """``2026-11-20 09:15:00``: a naive IST time, as REST gives it."""
    return f"{iso_day(day_from_days((ns + IST_OFFSET_NS) // NS_PER_DAY))} {hhmmss_of(ns)}"


def maybe_stamp(ns: int | None) -> str | None:
    """The stamp of a time that may not have come."""
    return None if ns is None else stamp(ns)


def read_stamp(form: Form, field: str) -> int:
    """The time (ns UTC) of ``yyyy-mm-dd HH:MM:SS``, or of a day alone, in IST. Raises
    ``KiteError``."""
    found = STAMP.fullmatch(text(form, field))
    if found is None:
        raise input_error(FIELD_INVALID.format(field=field))
    year, month, day, hhmmss = found.groups()
    try:
        return ist_ns(int(year + month + day), hhmmss or "00:00:00")
    except ValueError as error:
        raise input_error(FIELD_INVALID.format(field=field)) from error


def text(form: Form, field: str) -> str:
    """A field that must be there. Raises ``KiteError``."""
    value = form.get(field)
    if value is None or str(value).strip() == "":
        raise input_error(FIELD_MISSING.format(field=field))
    return str(value).strip()


def choice(form: Form, field: str, choices: tuple[str, ...], default: str | None = None) -> str:
    """A field that is one of a few words. Raises ``KiteError``."""
    if default is not None and form.get(field) in (None, ""):
        return default
    word = text(form, field)
    if word not in choices:
        raise input_error(FIELD_INVALID.format(field=field))
    return word


def units(form: Form, field: str, default: int | None = None) -> int:
    """A quantity in whole units, not negative. Raises ``KiteError``."""
    if default is not None and form.get(field) in (None, ""):
        return default
    number = decimal(form, field)
    if number != int(number) or not 0 <= number <= QUANTITY_MAX:
        raise input_error(FIELD_INVALID.format(field=field))
    return int(number)


def price_e4(form: Form, field: str) -> int:
    """A price in ten-thousandths of a rupee, so that a fraction of a paisa is seen; 0 if absent.

    Raises ``KiteError`` on a negative, endless or unreadable number.
    """
    if form.get(field) in (None, ""):
        return 0
    number = decimal(form, field)
    if not 0 <= number <= PRICE_MAX_PAISE // 100:
        raise input_error(FIELD_INVALID.format(field=field))
    scaled = number * 10_000
    # What is finer than a ten-thousandth is on no tick: made visible, never rounded away.
    return int(scaled) if scaled == int(scaled) else int(scaled) | 1


def decimal(form: Form, field: str) -> Decimal:
    """A finite decimal number. Raises ``KiteError``."""
    try:
        number = Decimal(text(form, field))
    except InvalidOperation as error:
        raise input_error(FIELD_INVALID.format(field=field)) from error
    if not number.is_finite():
        raise input_error(FIELD_INVALID.format(field=field))
    return number


def flag(form: Form, field: str) -> bool:
    """Whether a field says yes, in any spelling that clients send (``True``, ``true``, ``1``)."""
    return str(form.get(field, "")).strip().lower() in ("true", "1", "yes")
