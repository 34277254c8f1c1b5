"""Read the rulebook: package rows, calendars of other years, and a desk's dated overlay.

Lives here: TOML to ``RuleRow``, and where each row came from. May import: events, engine.rulebook;
tomllib, holidays (lazily). Always holds: what is given out is canonical (sorted, no two rows of one
name and scope overlap), so equal rules have an equal digest; in an overlay a later row supersedes
an earlier one on its days; a fault is one line that names the file and the row.
Start reading at ``load_all``.
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

import msgspec
from msgspec.structs import replace

from engine.rulebook import add_days, days_from_day, digest_payload, row_key, seconds_of
from events.session import RuleRow

OPEN_ENDED: Final = 99_991_231
"""``valid_to`` of a row that is in force until further notice."""

_FILES: Final = (
    "sessions.toml", "calendar.toml", "events.toml", "contracts.toml", "charges.toml", "rates.toml",
    "broker.toml",
)  # fmt: skip
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
_OVERLAY_FIELDS: Final = (*_FIELDS, ("who", str, False), ("added", str, False))
"""A desk's rows also say who added them and when (ISO, UTC); hand-written ones may say neither."""

PACKAGE: Final = "package"
LIBRARY: Final = "library"
OVERLAY: Final = "overlay"


class RulebookError(ValueError):
    """A rulebook file that cannot be used; the message is one line that says where and what."""


class LoadedRow(msgspec.Struct, frozen=True):
    """A row and where it came from: ``origin`` is package, library or overlay.

    ``who`` added it and ``added`` when (ISO, UTC), for rows of an overlay that say so.
    """

    row: RuleRow
    origin: str
    who: str | None = None
    added: str | None = None


def load_rows(overlay: Path | None = None, years: Iterable[int] = ()) -> tuple[RuleRow, ...]:
    """The rows of ``load_all`` alone. Raises ``RulebookError``."""
    return tuple(one.row for one in load_all(overlay, years))


def load_all(overlay: Path | None = None, years: Iterable[int] = ()) -> tuple[LoadedRow, ...]:
    """All rows, canonical: the package's, then the holidays of further calendar years, then the
    overlay, each of whose rows replaces what stood for its name and scope on its days.

    ``years`` without an own calendar here come from the ``holidays`` package (XNSE), marked unsure.
    Raises ``RulebookError``.
    """
    rows = [LoadedRow(row, PACKAGE) for row in package_rows()]
    covered = {one.row.valid_from // 10_000 for one in rows if one.row.name == "calendar.covered"}
    for year in sorted(set(years) - covered):
        rows.extend(LoadedRow(row, LIBRARY) for row in _library_year(year))
    _refuse_overlaps([one.row for one in rows], "the package's rows")
    if overlay is not None:
        rows = _overlaid(rows, read_overlay(overlay))
    return tuple(sorted(rows, key=lambda one: row_key(one.row)))


def package_rows() -> tuple[RuleRow, ...]:
    """The rows that the package brings, file by file. Raises ``RulebookError``."""
    package = importlib.resources.files("adapters.rulebook")
    texts = ((name, package.joinpath(name).read_text("utf-8")) for name in _FILES)
    return tuple(row for name, text in texts for row in parse_rows(text, name))


def digest(rows: tuple[RuleRow, ...]) -> str:
    """SHA-256 (hex) of the rows' canonical bytes; their order does not matter."""
    return hashlib.sha256(digest_payload(rows)).hexdigest()


def parse_rows(text: str, where: str) -> tuple[RuleRow, ...]:
    """The rows of one TOML text (``[[row]]`` tables). Raises ``RulebookError``."""
    return tuple(_row(table, place, _FIELDS) for table, place in _tables(text, where))


def _tables(text: str, where: str) -> list[tuple[Any, str]]:
    """The ``[[row]]`` tables of a text, each with its place in words."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulebookError(f"{where}: not TOML: {error}") from error
    tables = document.get("row", [])
    if set(document) - {"row"} or not isinstance(tables, list):
        raise RulebookError(f"{where}: holds something other than [[row]] tables")
    return [(table, f"{where}, row {n}") for n, table in enumerate(tables, 1)]


def _row(table: Any, where: str, fields: tuple[tuple[str, Any, bool], ...]) -> RuleRow:
    if not isinstance(table, dict):
        raise RulebookError(f"{where}: is not a table")
    words = tuple(name for name, _, _ in fields)
    for word in table:
        if word not in words:
            raise RulebookError(f"{where}: unknown key {word!r} (keys: {', '.join(words)})")
    for word, kind, needed in fields:
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


def read_overlay(path: Path) -> tuple[LoadedRow, ...]:
    """The rows of a desk's overlay, in the order in which they were added: a later one supersedes
    an earlier one. Raises ``RulebookError``."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RulebookError(f"{path}: cannot be read as a rulebook overlay: {error}") from error
    return tuple(
        LoadedRow(
            _row(table, place, _OVERLAY_FIELDS), OVERLAY, table.get("who"), table.get("added")
        )
        for table, place in _tables(text, path.name)
    )


def _refuse_overlaps(rows: list[RuleRow], where: str) -> None:
    ordered = sorted(rows, key=row_key)
    for one, two in itertools.pairwise(ordered):
        if (one.name, one.scope) == (two.name, two.scope) and one.valid_to >= two.valid_from:
            raise RulebookError(
                f"{where}: two rows of {one.name} for {one.scope} are in force on {two.valid_from}"
            )


def _overlaid(rows: list[LoadedRow], overlay: tuple[LoadedRow, ...]) -> list[LoadedRow]:
    """Rows with the overlay's days cut out of what stood there, and the overlay in its place."""
    for new in overlay:
        kept: list[LoadedRow] = []
        for one in rows:
            kept.extend((one,) if not clash(one.row, new.row) else _remains(one, new.row))
        rows = [*kept, new]
    return rows


def clash(row: RuleRow, new: RuleRow) -> bool:
    """Whether two rows rule the same for the same scope on some day."""
    same = (row.name, row.scope) == (new.name, new.scope)
    return same and row.valid_from <= new.valid_to and new.valid_from <= row.valid_to


def _remains(one: LoadedRow, new: RuleRow) -> tuple[LoadedRow, ...]:
    """What is left of a row before and after the days of the one that replaces it."""
    row = one.row
    left: list[LoadedRow] = []
    if row.valid_from < new.valid_from:
        left.append(_redated(one, row.valid_from, add_days(new.valid_from, -1)))
    if row.valid_to > new.valid_to:
        left.append(_redated(one, add_days(new.valid_to, 1), row.valid_to))
    return tuple(left)


def _redated(one: LoadedRow, valid_from: int, valid_to: int) -> LoadedRow:
    row = replace(one.row, valid_from=valid_from, valid_to=valid_to)
    return replace(one, row=row)


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
