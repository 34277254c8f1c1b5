"""``axiom journal``: the entries of a session as they stand, and sealing.

Lives here: ``info``, ``cat``, ``tail``, ``seal``. May import: ``cli``, events, journal. Always
holds: everything but ``seal`` only reads; an entry of a kind or version that this release does not
know is shown with its values and without their names; what is shown was acknowledged.
Start reading at ``shown_entry``.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import UserError, told_as_user_error
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from events.base import Event
    from journal.block import Entry
    from journal.segment import SegmentFiles

_TEXT_PAYLOAD_MAX: Final = 300
_TEXT_BYTES_MAX: Final = 24
_FOLLOW_POLL_S: Final = 0.05
_KIND_WIDTH: Final = 18


@click.group(name="journal")
def command() -> None:
    """Look at the entries of a session's journal; seal it.

    \b
    Examples:
        axiom journal info latest
        axiom journal cat latest --kind DecisionMade --from 100 --to 200
        axiom journal tail latest --follow
        axiom journal seal latest
    """


# --- info --------------------------------------------------------------------------------------


@command.command(name="info")
@click.argument("session")
@recorded_options
def info(session: str, common: Common) -> None:
    """Segments, entries by kind, and sizes of a SESSION.

    \b
    Example:
        axiom journal info latest --json
    """
    from cli.output import pairs, show, table, write_json
    from events.envelope import EnvelopeError
    from journal.errors import JournalError

    folder = common.session(session)
    with told_as_user_error(JournalError, EnvelopeError):
        document = _describe(folder)
    if common.json:
        write_json(document)
        return
    scalars = [(name, value) for name, value in document.items() if not isinstance(value, list)]
    show(pairs(scalars))
    for name in ("segments", "kinds"):
        rows = document[name]
        show("\n" + table(list(rows[0]), [list(row.values()) for row in rows]) if rows else "")


def _describe(folder: Path) -> dict[str, Any]:
    """What a session's files hold. ``bytes`` are on disk, ``raw_bytes`` before compression."""
    from cli.recorded import state_and_end
    from journal.reader import JournalReader
    from journal.segment import list_segments

    state, _ = state_and_end(folder)
    kinds: dict[str, list[int]] = {}
    with JournalReader(folder, verify_chain=False) as reader:
        for entry in reader:
            counts = kinds.setdefault(_kind_of(entry.data), [0, 0])
            counts[0] += 1
            counts[1] += len(entry.data)
        uid, end = reader.session_uid, reader.position
    segments = [_segment(segment) for segment in list_segments(folder)]
    rows = sorted(kinds.items(), key=lambda item: (-item[1][1], item[0]))
    return {
        "session": folder.name,
        "uid": uid,
        "state": state,
        "entries": end.seq,
        "head_hash": end.chain.hex(),
        "bytes": sum(row["bytes"] for row in segments),
        "raw_bytes": sum(counts[1] for counts in kinds.values()),
        "segments": segments,
        "kinds": [{"kind": k, "entries": n, "raw_bytes": size} for k, (n, size) in rows],
    }


def _kind_of(data: bytes) -> str:
    from events.envelope import decode_envelope

    return decode_envelope(data).kind


def _segment(segment: SegmentFiles) -> dict[str, Any]:
    from journal.segment import SegmentSource, first_header

    source = SegmentSource(segment.path, segment.number)
    try:
        header = first_header(source)
        size = source.size()
    finally:
        source.close()
    return {
        "segment": segment.number,
        "file": segment.path.name,
        "sealed": segment.sealed,
        "first_seq": None if header is None else header.first_seq,
        "bytes": size,
    }


# --- cat and tail ------------------------------------------------------------------------------


@command.command(name="cat")
@click.argument("session")
@click.option("--from", "begin", metavar="SEQ", type=click.IntRange(min=1), help="From this seq.")
@click.option("--to", "end", metavar="SEQ", type=click.IntRange(min=1), help="To this seq.")
@click.option("--kind", metavar="K", help="Only entries of this kind, such as DecisionMade.")
@recorded_options
def cat(session: str, begin: int | None, end: int | None, kind: str | None, common: Common) -> None:
    """Show a SESSION's entries, one a line; with --json one array of whole entries.

    \b
    Example:
        axiom journal cat latest --kind DecisionMade --to 500
    """
    from events.envelope import EnvelopeError
    from journal.errors import JournalError
    from journal.reader import JournalReader

    folder = common.session(session)
    wanted = None if kind is None else _known_kind(kind)
    if begin is not None and end is not None and begin > end:
        raise UserError(f"entries from {begin} to {end}: the end lies before the beginning")
    with (
        told_as_user_error(JournalError, EnvelopeError),
        JournalReader(folder, from_seq=begin or 1) as reader,
    ):
        _show_entries(_until(reader, end), wanted, common)


@command.command(name="tail")
@click.argument("session")
@click.option(
    "-n", "count", type=click.IntRange(min=1), default=10, show_default=True, help="How many."
)
@click.option("--follow", is_flag=True, help="Go on with what is appended until it is closed.")
@recorded_options
def tail(session: str, count: int, follow: bool, common: Common) -> None:
    """Show a SESSION's last entries, and with --follow those that an engine appends.

    \b
    Example:
        axiom journal tail latest -n 3 --follow
    """
    from cli.recorded import state_and_end
    from events.envelope import EnvelopeError
    from journal.errors import JournalError
    from journal.reader import JournalReader

    folder = common.session(session)
    with told_as_user_error(JournalError, EnvelopeError):
        first = max(1, state_and_end(folder)[1].seq - count + 1)
        with JournalReader(folder, from_seq=first) as reader:
            entries = reader.follow(poll_s=_FOLLOW_POLL_S, stop=_never) if follow else reader
            _show_entries((entry for entry in entries if entry is not None), None, common)


def _never() -> bool:
    return False


def _until(entries: Iterable[Entry], end: int | None) -> Iterator[Entry]:
    for entry in entries:
        if end is not None and entry.seq > end:
            return
        yield entry


def _known_kind(kind: str) -> str:
    """The kind as the registry spells it. ``UserError`` for one that no release knows."""
    import difflib

    from events.registry import BY_KIND

    by_lower = {name.lower(): name for name in BY_KIND}
    if kind.lower() in by_lower:
        return by_lower[kind.lower()]
    close = difflib.get_close_matches(kind.lower(), list(by_lower), n=3, cutoff=0.4)
    like = " or ".join(by_lower[name] for name in close) or f"one of {', '.join(BY_KIND)}"
    raise UserError(f"no entry is of kind '{kind}'; did you mean {like}?")


def _show_entries(entries: Iterable[Entry], kind: str | None, common: Common) -> None:
    from cli.output import JsonArray, show
    from events.envelope import decode_envelope

    chosen = (
        shown_entry(entry.data)
        for entry in entries
        if kind is None or decode_envelope(entry.data).kind == kind
    )
    if not common.json:
        for row in chosen:
            show(_line(row))
        return
    with JsonArray() as array:
        for row in chosen:
            array.add(row)


def shown_entry(data: bytes) -> dict[str, Any]:
    """An entry as recorded: its own version's names, or bare values where no release knows them."""
    import msgspec

    from events.envelope import decode_envelope
    from projections.why import ist_iso

    envelope = decode_envelope(data)
    shape = _shapes().get((envelope.kind, envelope.version))
    payload: Any
    try:
        payload = msgspec.msgpack.decode(envelope.payload, type=Any if shape is None else shape)
    except msgspec.ValidationError:
        payload = msgspec.msgpack.decode(envelope.payload)
    return {
        "seq": envelope.seq,
        "ts": envelope.ts,
        "ts_ist": ist_iso(envelope.ts),
        "kind": envelope.kind,
        "version": envelope.version,
        "cause": envelope.cause,
        "payload": payload,
    }


@functools.cache
def _shapes() -> dict[tuple[str, int], type[Event]]:
    from events.registry import shapes

    return shapes()


def _line(row: dict[str, Any]) -> str:
    """One entry as a line: a long payload is cut, the JSON form has all of it."""
    from cli.output import clean, plain

    text = json.dumps(plain(_short(row["payload"])), ensure_ascii=False)
    if len(text) > _TEXT_PAYLOAD_MAX:
        text = f"{text[:_TEXT_PAYLOAD_MAX]}… ({len(text)} characters)"
    kind = f"{row['kind']}.v{row['version']}" if row["version"] > 1 else row["kind"]
    cause = "fact" if row["cause"] == row["seq"] else f"<-{row['cause']}"
    return clean(
        f"{row['seq']:>8}  {row['ts_ist'][11:]}  {kind:<{_KIND_WIDTH}}  {cause:<9}  {text}"
    )


def _short(payload: Any) -> Any:
    """The payload with long bytes as their length and beginning."""
    import msgspec

    if not isinstance(payload, msgspec.Struct):
        return payload
    return {name: _short_bytes(getattr(payload, name)) for name in payload.__struct_fields__}


def _short_bytes(value: Any) -> Any:
    if isinstance(value, bytes) and len(value) > _TEXT_BYTES_MAX:
        return f"{len(value)} bytes {value[:_TEXT_BYTES_MAX].hex()}…"
    return value


# --- seal --------------------------------------------------------------------------------------


@command.command(name="seal")
@click.argument("session")
@click.option(
    "--close",
    "finish",
    is_flag=True,
    help="Also end a session whose engine died: cut its torn tail, record its close as crashed.",
)
@recorded_options
def seal(session: str, finish: bool, common: Common) -> None:
    """Seal a SESSION's finished segments, and enter a closed session in its desk's ledger.

    Of a session that is not closed every segment but the last is sealed, also beside a running
    engine. Sealing again changes nothing. A journal that an engine would refuse to go on with is
    refused by the same name, exit code 1, and stays as it is.

    \b
    Example:
        axiom journal seal latest
    """
    from cli.output import show, write_json
    from cli.recorded import CLOSED, CRASHED, OPEN, RUNNING, SEALED, state_and_end
    from journal.errors import JournalError
    from journal.recovery import check_verdict, inspect_session
    from journal.seal import seal_session

    folder = common.session(session)
    with told_as_user_error(JournalError):
        before = _sealed_files(folder)
        state, _ = state_and_end(folder)
        if state != RUNNING:
            check_verdict(inspect_session(folder))
        if finish and state in (OPEN, CRASHED):
            _close_crashed(folder, common)
        elif state in (CLOSED, SEALED):
            _close(folder, common)
        else:
            seal_session(folder)
        state, end = state_and_end(folder)
        made = [name for name in _sealed_files(folder) if name not in before]
    why_none = None if made else _WHY_NONE[state]
    if common.json:
        write_json({"session": folder.name, "state": state, "sealed": made, "entries": end.seq,
                    "head_hash": end.chain.hex(), "why_none": why_none})  # fmt: skip
    else:
        sealed = f"{len(made)} segments sealed now" if made else f"nothing sealed: {why_none}"
        show(f"{folder.name} is {state}: {sealed}; {end.seq} entries")


_WHY_NONE: Final = {
    "running": "its engine still writes the only segment that is not sealed",
    "open": "its last segment is not finished; --close ends the session as it is,"
    " 'axiom backtest MARKET --resume' goes on with it",
    "crashed": "its last segment is not finished; --close cuts its torn tail and ends it,"
    " 'axiom backtest MARKET --resume' goes on with it",
    "closed": "every segment was sealed before",
    "sealed": "every segment was sealed before",
}
"""Why a session in a state has nothing to seal, and what else there is."""


def _close(folder: Path, common: Common) -> None:
    """Close the files and seal them."""
    from journal.close import close_session

    close_session(folder, _ledger(folder, common))


def _close_crashed(folder: Path, common: Common) -> None:
    """End a session whose engine died: with ``TailCut`` and ``SessionClosed`` in its journal, where
    this engine can take it up, else by its files alone, which is said."""
    from cli.output import say
    from cli.recorded import first_fact, state_and_end
    from engine.resume import EngineFault, Running
    from engine.runner import Desk, close_crashed, own_code_digest
    from events.registry import schema_digest
    from journal.errors import JournalClosed

    if state_and_end(folder)[1].seq == 0:
        _close(folder, common)  # nothing was said in it
        return
    try:
        opened = first_fact(folder)
        ours = Running(own_code_digest(), schema_digest(), opened.rulebook_digest, opened.day)
        close_crashed(Desk(folder.parent, _ledger(folder, common)), folder, ours)
    except JournalClosed:
        _close(folder, common)  # its engine died right behind its final block
    except (EngineFault, UserError) as error:
        _close(folder, common)
        say(f"closed without a close in its journal: {error}")


def _ledger(folder: Path, common: Common) -> Path | None:
    """The desk's ledger, for a session that lies in its desk."""
    from cli.paths import sessions_folder
    from journal.session_folder import ledger_path

    own = folder.resolve().parent == sessions_folder(common.home, common.desk).resolve()
    return ledger_path(common.home, common.desk) if own else None


def _sealed_files(folder: Path) -> list[str]:
    from journal.segment import list_segments

    return [s.sealed_path.name for s in list_segments(folder) if s.sealed]
