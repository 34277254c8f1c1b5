"""Read the rulebook: package rows, calendars of other years, and a desk's dated overlay.

Lives here: TOML to ``RuleRow``. May import: events, engine.rulebook; tomllib, holidays (lazily).
Always holds: what is given out is canonical (sorted, no two rows of one name and scope overlap),
so equal rules have an equal digest; a fault is one line that names the file and the row.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.resources
import itertools
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from engine.rulebook import add_days, days_from_day, digest_payload, row_key, seconds_of
from events.session import RuleRow

OPEN_ENDED: Final = 99_991_231
"""``valid_to`` of a row that is in force until further notice."""

_FILES: Final = ("sessions.toml", "calendar.toml", "contracts.toml", "charges.toml", "rates.toml")
_FIELDS: Final = (
    ("name", str, True),
    ("scope", str, True),
    ("from", int, True),
    ("to", int, False),
    ("value", (int, str), True),
    ("unit", str, True),
    ("source", str, True),
    ("unsure", bool, False),
)
_WORDS: Final = tuple(name for name, _, _ in _FIELDS)


class RulebookError(ValueError):
    """A rulebook file that cannot be used; the message is one line that says where and what."""


def load_rows(overlay: Path | None = None, years: Iterable[int] = ()) -> tuple[RuleRow, ...]:
    """All rows, canonical: the package's, then the holidays of further calendar years, then the
    overlay, each of whose rows replaces what stood for its name and scope on its days.

    ``years`` without an own calendar here come from the ``holidays`` package (XNSE), marked unsure.
    Raises ``RulebookError``.
    """
    package = importlib.resources.files("adapters.rulebook")
    rows: list[RuleRow] = []
    for name in _FILES:
        rows.extend(parse_rows(package.joinpath(name).read_text("utf-8"), name))
    covered = {row.valid_from // 10_000 for row in rows if row.name == "calendar.covered"}
    for year in sorted(set(years) - covered):
        rows.extend(_library_year(year))
    _refuse_overlaps(rows, "the package's rows")
    if overlay is not None:
        rows = _overlaid(rows, _read_overlay(overlay))
    return tuple(sorted(rows, key=row_key))


def digest(rows: tuple[RuleRow, ...]) -> str:
    """SHA-256 (hex) of the rows' canonical bytes; their order does not matter."""
    return hashlib.sha256(digest_payload(rows)).hexdigest()


def parse_rows(text: str, where: str) -> tuple[RuleRow, ...]:
    """The rows of one TOML text (``[[row]]`` tables). Raises ``RulebookError``."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulebookError(f"{where}: not TOML: {error}") from error
    tables = document.get("row", [])
    if set(document) - {"row"} or not isinstance(tables, list):
        raise RulebookError(f"{where}: holds something other than [[row]] tables")
    return tuple(_row(table, f"{where}, row {n}") for n, table in enumerate(tables, 1))


def _row(table: Any, where: str) -> RuleRow:
    if not isinstance(table, dict):
        raise RulebookError(f"{where}: is not a table")
    for word in table:
        if word not in _WORDS:
            raise RulebookError(f"{where}: unknown key {word!r} (keys: {', '.join(_WORDS)})")
    for word, kind, needed in _FIELDS:
        value = table.get(word)
        if value is None:
            if needed:
                raise RulebookError(f"{where}: {word!r} is missing")
        elif not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise RulebookError(f"{where}: {word!r} has a value of the wrong type: {value!r}")
    return _checked(
        RuleRow(
            name=table["name"],
            scope=table["scope"],
            valid_from=table["from"],
            valid_to=table.get("to", OPEN_ENDED),
            value=table["value"],
            unit=table["unit"],
            source=table["source"],
            unsure=table.get("unsure", False),
        ),
        where,
    )


def _checked(row: RuleRow, where: str) -> RuleRow:
    """A row whose days, hours and source make sense."""
    try:
        days_from_day(row.valid_from)
        days_from_day(row.valid_to)
        if row.unit == "ist":
            seconds_of(str(row.value))
    except ValueError as error:
        raise RulebookError(f"{where}: {error}") from error
    if row.valid_to < row.valid_from:
        raise RulebookError(f"{where}: ends on {row.valid_to}, before it begins")
    if not (row.name and row.scope and row.unit and row.source.strip()):
        raise RulebookError(f"{where}: name, scope, unit and source must say something")
    return row


def _read_overlay(path: Path) -> tuple[RuleRow, ...]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulebookError(f"{path}: cannot be read as a rulebook overlay: {error}") from error
    rows = parse_rows(text, path.name)
    _refuse_overlaps(list(rows), path.name)
    return rows


def _refuse_overlaps(rows: list[RuleRow], where: str) -> None:
    ordered = sorted(rows, key=row_key)
    for one, two in itertools.pairwise(ordered):
        if (one.name, one.scope) == (two.name, two.scope) and one.valid_to >= two.valid_from:
            raise RulebookError(
                f"{where}: two rows of {one.name} for {one.scope} are in force on {two.valid_from}"
            )


def _overlaid(rows: list[RuleRow], overlay: tuple[RuleRow, ...]) -> list[RuleRow]:
    """Rows with the overlay's days cut out of what stood there, and the overlay in its place."""
    for new in overlay:
        kept: list[RuleRow] = []
        for row in rows:
            kept.extend((row,) if not _clash(row, new) else _remains(row, new))
        rows = [*kept, new]
    return rows


def _clash(row: RuleRow, new: RuleRow) -> bool:
    same = (row.name, row.scope) == (new.name, new.scope)
    return same and row.valid_from <= new.valid_to and new.valid_from <= row.valid_to


def _remains(row: RuleRow, new: RuleRow) -> tuple[RuleRow, ...]:
    """What is left of a row before and after the days of the one that replaces it."""
    left: list[RuleRow] = []
    if row.valid_from < new.valid_from:
        left.append(_redated(row, row.valid_from, add_days(new.valid_from, -1)))
    if row.valid_to > new.valid_to:
        left.append(_redated(row, add_days(new.valid_to, 1), row.valid_to))
    return tuple(left)


def _redated(row: RuleRow, valid_from: int, valid_to: int) -> RuleRow:
    return RuleRow(
        row.name, row.scope, valid_from, valid_to, row.value, row.unit, row.source, row.unsure
    )


def _library_year(year: int) -> list[RuleRow]:
    """A year's calendar from the ``holidays`` package; late additions are not in it: unsure."""
    import holidays  # a third of a second, and most sessions do not need it

    source = f"python-holidays {importlib.metadata.version('holidays')}, calendar XNSE"
    first, last = year * 10_000 + 101, year * 10_000 + 1231
    rows = [RuleRow("calendar.covered", "*", first, last, str(year), "year", source, True)]
    for date, name in sorted(holidays.financial_holidays("XNSE", years=year).items()):
        day = date.year * 10_000 + date.month * 100 + date.day
        rows.append(RuleRow("calendar.holiday", "*", day, day, name, "holiday", source, True))
    return rows
