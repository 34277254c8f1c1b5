"""``axiom at``: the engine's whole state at an entry or a time of a session.

Lives here: the verb, and the state as text. May import: everything, when it runs. Always holds: the
state is the recorded one (entries are applied, nothing is decided anew); text shows every field,
and says of a long list how to see its rows; JSON holds everything.
Start reading at ``command``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import EXIT_GOOD, told_as_user_error
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from pathlib import Path

    from engine.state import State
    from replay.travel import Moment

_ROWS_MAX: Final = 6
"""Rows of a list that are shown inside a larger thing; a list that was asked for is shown whole."""
_BYTES_MAX: Final = 12
_INDENT: Final = "  "


@click.command("at", epilog="Example: axiom at latest 11:30 --path account.realised_paise")
@click.argument("session")
@click.argument("place", metavar="SEQ|TIME")
@click.option(
    "--path", metavar="P", help="One value of it: account.realised_paise, quotes[NIFTYFUT]."
)
@recorded_options
def command(session: str, place: str, path: str | None, common: Common) -> int:
    """The engine's whole state after entry SEQ of a SESSION, or after the last entry at or before
    TIME (IST).

    It is what the engine knew then: recorded entries are applied as they stand, from the nearest
    checkpoint on.
    """
    from replay.select import PathError, parse_path, select

    folder = common.session(session)
    with told_as_user_error(PathError):
        steps = parse_path(path) if path is not None else ()
    moment = _travel(folder, place)
    with told_as_user_error(PathError):
        value = select(moment.state, steps)
    _say_how(moment)
    if common.json:
        from cli.output import write_json

        write_json(value)
    else:
        from cli.output import show

        show("\n".join(state_text(moment.state, value, path or "")))
    return EXIT_GOOD


def _travel(folder: Path, place: str) -> Moment:
    from cli.output import parse_place
    from cli.run import session_progress
    from journal.errors import JournalError
    from replay.session import ReplayError
    from replay.travel import state_at, state_at_time

    seq, ts = parse_place(place, folder)
    with (
        told_as_user_error(ReplayError, JournalError),
        session_progress("at", folder) as move,
    ):
        if seq is not None:
            return state_at(folder, seq, on_progress=move)
        assert ts is not None, "a place is a seq or a time"
        return state_at_time(folder, ts, on_progress=move)


def _say_how(moment: Moment) -> None:
    """Where that is, and how the way there began, on standard error."""
    from cli.output import ist_time, say

    state = moment.state
    applied = state.seq - moment.began_seq
    begun = f"the checkpoint at {moment.began_seq}" if moment.began_seq else "the session's start"
    say(f"after entry {state.seq}, {ist_time(state.now)} IST; {applied:,} entries from {begun}")
    if moment.other_code:
        say("recorded by other code: its checkpoints are not used, its entries are as they stand")
    if moment.discarded:
        say(f"checkpoints in doubt, passed over: {len(moment.discarded)}")
        for line in moment.discarded:
            say(f"  {line}")


# --- text ----------------------------------------------------------------------------------------


def state_text(state: State, value: Any, path: str = "") -> Iterator[str]:
    """A value of a state as lines; ``path`` is where it stands, empty for the whole."""
    import msgspec

    from replay.select import names_of

    if isinstance(value, msgspec.Struct):
        yield from _fields(value, path, "")
    elif isinstance(value, tuple) and value:
        yield _rows(value, names_of(state, path))
    else:
        yield _plain(value, path)


def _fields(value: Any, path: str, indent: str) -> Iterator[str]:
    """The fields of a record, one a line, and what is inside them below, further in."""
    import msgspec

    width = max(map(len, value.__struct_fields__))
    for name in value.__struct_fields__:
        inner, below = getattr(value, name), f"{path}.{name}" if path else name
        if isinstance(inner, msgspec.Struct):
            yield f"{indent}{name}"
            yield from _fields(inner, below, indent + _INDENT)
        elif _is_rows(inner) and len(inner) <= _ROWS_MAX:
            for place, row in enumerate(inner):
                yield f"{indent}{name}[{place}]"
                yield from _fields(row, f"{below}[{place}]", indent + _INDENT)
        else:
            yield f"{indent}{name:<{width}}  {_plain(inner, below)}"


def _is_rows(value: Any) -> bool:
    import msgspec

    return (
        isinstance(value, tuple)
        and bool(value)
        and all(isinstance(row, msgspec.Struct) for row in value)
    )


def _plain(value: Any, path: str) -> str:
    """A value on one line: times with their IST, long things by their size."""
    from cli.output import cell, ist_time

    if isinstance(value, tuple):
        if not value:
            return "none"
        if len(value) > _ROWS_MAX or any(isinstance(one, tuple) or _deep(one) for one in value):
            return f"{len(value)} of them (--path {path}, --path {path}[0])"
        return ", ".join(_plain(one, path) for one in value)
    if isinstance(value, bytes):
        short = value[:_BYTES_MAX].hex() + ("…" if len(value) > _BYTES_MAX else "")
        return f"{len(value)} bytes {short}".rstrip()
    if isinstance(value, int) and path.endswith(("_ns", "now")) and value > 0:
        return f"{value} ({ist_time(value)} IST)"
    return cell(value)


def _deep(value: Any) -> bool:
    import msgspec

    return isinstance(value, msgspec.Struct)


def _rows(value: Sequence[Any], names: Sequence[str]) -> str:
    """A list that was asked for, as a table with the place and the name of each row."""
    import msgspec

    from cli.output import table

    first = next((row for row in value if isinstance(row, msgspec.Struct)), None)
    columns = ("value",) if first is None else first.__struct_fields__
    rows = []
    for place, row in enumerate(value):
        head = (place, names[place]) if names else (place,)
        rows.append([*head, *_cells(row, columns)])
    return table(("place", "name", *columns) if names else ("place", *columns), rows)


def _cells(row: Any, columns: Sequence[str]) -> list[object]:
    import msgspec

    if isinstance(row, msgspec.Struct):
        return [_short(getattr(row, name)) for name in columns]
    return [_short(row), *(None for _ in columns[1:])]


def _short(value: Any) -> object:
    """A cell of a table: a number as it is, anything with an inside by its size."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, tuple):
        return f"{len(value)} of them" if _is_rows(value) else _plain(value, "…")
    return "…" if _deep(value) else value
