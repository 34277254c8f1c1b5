"""What verbs say and how they read a time: one JSON document, aligned tables, IST.

Lives here: the writers of standard output and standard error, times and seqs as people give them.
May import: click, msgspec, ``cli``, ``engine.rulebook``'s calendar. Always holds: text from a
journal reaches the terminal without control characters; JSON is ASCII, so that no locale can break
it; bytes are lower-case hex. Start reading at ``write_json`` and ``table``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import msgspec

from cli.errors import UserError

_INDENT: Final = 2
_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_NS_PER_US: Final = 1_000
_IST: Final = timezone(timedelta(hours=5, minutes=30))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TIME_OF_DAY: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]{1,9})?)?")
_LARGEST_SEQ: Final = (1 << 63) - 1


# --- JSON --------------------------------------------------------------------------------------


def write_json(document: object) -> None:
    """The one JSON document of a verb, on standard output. Structs become objects, bytes hex."""
    click.echo(json.dumps(plain(document), indent=_INDENT, allow_nan=False))


class JsonArray:
    """An array on standard output whose rows are written as they come.

    Left by an error it is not closed: half an answer must not pass for a whole one.
    """

    def __init__(self) -> None:
        self._rows = 0

    def add(self, row: object) -> None:
        """Write one row."""
        click.echo("[" if self._rows == 0 else ",")
        click.echo(json.dumps(plain(row), allow_nan=False), nl=False)
        self._rows += 1

    def __enter__(self) -> JsonArray:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            click.echo("[]" if self._rows == 0 else "\n]")


def plain(value: Any) -> Any:
    """A value as JSON holds it: structs as objects with their fields, bytes as hex."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


# --- text --------------------------------------------------------------------------------------


def show(text: str) -> None:
    """A line or a block on standard output; what its encoding lacks becomes a question mark."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    click.echo(text.encode(encoding, "replace").decode(encoding))


def say(line: str) -> None:
    """A message to the person, on standard error."""
    click.echo(clean(line), err=True)


def clean(text: str) -> str:
    """Text without a character that could move the cursor or colour the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cell(value: object) -> str:
    """One value of a table; None is a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list | tuple | dict):
        return clean(json.dumps(plain(value), ensure_ascii=False))
    return clean(str(value))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under their headings, aligned: a column of numbers to the right, anything else left."""
    values = [list(row) for row in rows]
    heads = [clean(name) for name in columns]
    texts = [heads, *([cell(value) for value in row] for row in values)]
    widths = [max(len(row[place]) for row in texts) for place in range(len(heads))]
    right = [_is_number_column(values, place) for place in range(len(heads))]
    lines = [_aligned(row, widths, right) for row in texts]
    return "\n".join(
        [lines[0], _aligned(["-" * width for width in widths], widths, right), *lines[1:]]
    )


def _is_number_column(rows: Sequence[Sequence[object]], place: int) -> bool:
    values = [row[place] for row in rows if row[place] is not None]
    return bool(values) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )


def _aligned(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = (
        text.rjust(width) if to_right else text.ljust(width)
        for text, width, to_right in zip(texts, widths, right, strict=True)
    )
    return "  ".join(parts).rstrip()


def pairs(rows: Iterable[tuple[str, object]]) -> str:
    """Names and values, one a line, the values under one another."""
    listed = list(rows)
    width = max(len(name) for name, _ in listed)
    return "\n".join(f"{name.ljust(width)}  {cell(value)}" for name, value in listed)


# --- times and seqs ----------------------------------------------------------------------------


class Place(NamedTuple):
    """A place in a session: a seq, or a time (ns UTC on the session clock); one of them is None."""

    seq: int | None
    ts: int | None


def parse_place(text: str, folder: Path) -> Place:
    """``SEQ|TIME`` of the session in ``folder``: digits are a seq, anything else a time on its day.

    Raises ``UserError``, also where a time is given and the session cannot be read.
    """
    if text.isascii() and text.isdecimal():
        if not 1 <= int(text) <= _LARGEST_SEQ:
            raise UserError(f"{text} is not a seq: the first entry of a session is 1")
        return Place(int(text), None)
    from cli.recorded import first_fact

    return Place(None, parse_time(text, first_fact(folder).day))


def parse_time(text: str, day: int) -> int:
    """ns UTC of ``HH:MM[:SS]`` IST on ``day`` (yyyymmdd), or of an ISO time, which is IST where it
    names no offset. Raises ``UserError``."""
    try:
        return _time_of_day(text, day) if "T" not in text and "-" not in text else _iso(text)
    except ValueError as error:
        raise UserError(
            f"'{clean(text)}' is not a time: write HH:MM[:SS] or 2026-11-20T11:30:00, in IST"
        ) from error


def _time_of_day(text: str, day: int) -> int:
    from engine.rulebook import ist_ns

    match = _TIME_OF_DAY.fullmatch(text)
    if match is None:
        raise ValueError(text)
    hour, minute, second, fraction = match.groups()
    whole = ist_ns(day, f"{int(hour):02d}:{minute}:{second or '00'}")
    return whole + int((fraction or ".0")[1:].ljust(9, "0"))


def _iso(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if ":" not in text:
        raise ValueError(text)  # a day, or an hour without its minutes, is no moment
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=_IST)
    return (moment - _EPOCH) // timedelta(microseconds=1) * _NS_PER_US


def ist_time(ts: int) -> str:
    """The IST time of day of ``ts`` (ns UTC): ``HH:MM:SS``, with milliseconds where it has any."""
    from engine.rulebook import hhmmss_of

    ms = ts % _NS_PER_S // _NS_PER_MS
    return hhmmss_of(ts) + (f".{ms:03d}" if ms else "")
