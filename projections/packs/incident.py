"""The incident bundle: a window of a session, redacted, that proves what it can by itself.

Lives here: the choice of the window, its lines, their hashes, its page for people. May import:
events, journal, projections. Always holds: every entry of the window has its line; what was taken
out is listed; a hash from which what was taken out could be guessed is not given.
Start reading at ``write_incident_bundle``; ``_publish`` says which hashes are given.

The chain's hash is SHA-256 over the one before and the entry. Who has both hashes and all of an
entry but an account's id can try every id. So behind a redacted entry no hash is given until a
frame of ticks that is left out has gone into it: whoever cannot know that frame cannot try.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from events import governance
from events.envelope import GENESIS_HASH
from events.registry import spec_of
from journal.reader import JournalReader
from projections.packs.compliance import digests_of
from projections.packs.entries import Fields, Item, items_of, named
from projections.packs.files import README, PackError, PackFolder
from projections.packs.redaction import Redaction, Redactor, tally
from projections.why import ist_iso

ENTRIES: Final = "entries.jsonl"
REDACTIONS: Final = "redactions.json"
OPENING: Final = "opening"
FRAME: Final = "frame"
BLIND_BYTES: Final = 64
"""A frame that is left out hides what stands before it if it is at least so long."""

_LEARNED: Final = frozenset(
    {
        "SessionOpened", "CarriedOver", "ConfigChanged", "OperatorCommand", "SessionAmended",
        "AuthStatus", "ApprovalClosed", "IncidentResolved", "OrderSendStarted", "SettingsDeferred",
    }
)  # fmt: skip
"""Kinds that name accounts, addresses or people."""

_NO_TIME: Final = (1 << 63) - 1


class Window(msgspec.Struct, frozen=True):
    """Which entries: session times ns UTC, both ends included; ``incident_id`` where it is around
    one, ``around_ns`` each way."""

    from_ts: int | None = None
    to_ts: int | None = None
    incident_id: str | None = None
    around_ns: int = 0


class IncidentBundle(msgspec.Struct, frozen=True):
    """A bundle that was written; ``redacted`` as ``redactions.json`` lists it."""

    session: str
    files: dict[str, dict[str, Any]]
    entries: int
    first_seq: int
    last_seq: int
    redacted: list[dict[str, Any]]
    head_hash: str
    pack_sha256: str


class _Mark(msgspec.Struct, frozen=True):
    """An entry of the window before it is written: where, what of it is left out or changed,
    whether it hides what stands before it, and whether the hash behind it is given."""

    seq: int
    ts: int
    kind: str
    omitted: str | None
    changes: tuple[Redaction, ...]
    blind: bool
    given: bool = True


class _Session(msgspec.Struct):
    """What the walks through the session found."""

    opened: Item | None = None
    raised: Item | None = None
    resolved: Item | None = None
    uid: str | None = None
    head_seq: int = 0
    head: bytes = GENESIS_HASH
    before: bytes = GENESIS_HASH


def write_incident_bundle(
    folder: Path, target: Path, window: Window, *, frames: bool = False
) -> IncidentBundle:
    """Write a window of a session, running or closed, into a new or empty folder.

    ``frames``: with the bytes of the ticks, which makes it large. Raises ``PackError`` where there
    is no such incident or no entry in the window, and the journal's errors.
    """
    redactor, found = Redactor(), _Session()
    window = _resolved(folder, window, redactor, found)
    marks, ends = _publish(list(_marks(folder, window, redactor, found, frames=frames)))
    if not marks or found.opened is None:
        begin, end = (
            ist_iso(ts) if ts is not None else "its end" for ts in (window.from_ts, window.to_ts)
        )
        raise PackError(f"no entry of {folder.name} lies between {begin} and {end} IST")
    redacted = tally((one.kind, change) for one in marks for change in one.changes)
    pack = PackFolder(target)
    pack.json_lines(ENTRIES, _lines(folder, marks, redactor, found))
    pack.json(REDACTIONS, {"redacted": redacted, "omitted": _omitted(marks)})
    pack.text(README, _readme(folder.name, marks, found))
    pack.verifiers()
    first, last = marks[0], marks[-1]
    digest = pack.close(
        {
            "kind": "incident",
            "session": folder.name,
            "uid": found.uid,
            "head_seq": found.head_seq,
            "head_hash": found.head.hex() if ends else None,
            "entries": ENTRIES,
            "first_seq": first.seq,
            "last_seq": last.seq,
            "from_ist": ist_iso(first.ts),
            "to_ist": ist_iso(last.ts),
            "hash_before": found.before.hex() if ends else None,
            "frames": frames,
            "incident": _incident(found, redactor),
            "digests": digests_of(found.opened),
        }
    )
    return IncidentBundle(
        folder.name, pack.files, len(marks), first.seq, last.seq, redacted, found.head.hex(), digest
    )


# -- the window -----------------------------------------------------------------------------------


def _resolved(folder: Path, window: Window, redactor: Redactor, found: _Session) -> Window:
    """The window by its times, after one walk: who is named where, and when the incident was."""
    with JournalReader(folder) as reader:
        found.uid = reader.session_uid
    for item in items_of(folder, verified=True):
        kind = item.envelope.kind
        if kind in _LEARNED:
            redactor.learn(named(item.event))
        if kind == "SessionOpened" and found.opened is None:
            found.opened = item
        if kind in ("IncidentRaised", "IncidentResolved"):
            event: Any = item.event
            if event.incident_id == window.incident_id:
                if kind == "IncidentRaised":
                    found.raised = found.raised or item
                else:
                    found.resolved = item
    if window.incident_id is None:
        return window
    if found.raised is None:
        raise PackError(
            f"no incident {window.incident_id} in {folder.name}: 'axiom query {folder.name} "
            '"SELECT incident_id, code, ts_ist FROM v1.incidents_raised"\' lists them'
        )
    at = found.raised.envelope.ts
    return replace(window, from_ts=at - window.around_ns, to_ts=at + window.around_ns)


def _marks(
    folder: Path, window: Window, redactor: Redactor, found: _Session, *, frames: bool
) -> Iterator[_Mark]:
    """The window's entries; what a fact led to has its time, so groups are whole."""
    begin = window.from_ts if window.from_ts is not None else 0
    end = window.to_ts if window.to_ts is not None else _NO_TIME
    inside = False
    for item in items_of(folder):
        if begin <= item.envelope.ts <= end:
            if not inside:
                inside, found.before = True, found.head
            yield _mark(item, redactor, frames=frames)
        found.head_seq, found.head = item.seq, _after(found.head, item)


def _after(chain: bytes, item: Item) -> bytes:
    return hashlib.sha256(chain + item.data).digest()


def _mark(item: Item, redactor: Redactor, *, frames: bool) -> _Mark:
    one = item.envelope
    omitted: str | None = None
    changes: tuple[Redaction, ...] = ()
    if one.kind == "SessionOpened":
        # The session's name is a digest over it: with all else told, its account could be tried.
        omitted, changes = OPENING, (Redaction("", (), OPENING),)
    elif one.kind == "FeedFrame" and not frames:
        omitted = FRAME
    else:
        _, changes = redactor.redact(named(item.event))
    blind = omitted == FRAME and len(item.data) >= BLIND_BYTES
    return _Mark(one.seq, one.ts, one.kind, omitted, changes, blind)


def _lines(
    folder: Path, marks: list[_Mark], redactor: Redactor, found: _Session
) -> Iterator[Fields]:
    """The lines of the marked entries, in a walk of their own: a day of them is larger than memory.
    The stand-ins are those of the walk before."""
    chain, place = found.before, 0
    for item in items_of(folder, verified=True):
        if item.seq < marks[0].seq:
            continue
        if place == len(marks):
            return
        chain = _after(chain, item)
        yield _shown(item, marks[place], chain, redactor)
        place += 1


# -- which hashes are given -----------------------------------------------------------------------


def _publish(marks: list[_Mark]) -> tuple[list[_Mark], bool]:
    """Marks with ``given`` settled, and whether the hash before them and the head may be told.

    Behind a redacted entry nothing is given until a frame that is left out. Where none follows, the
    head would be as good as the hash behind it: then nothing is given from the last such frame
    before it on, and where there is none before it either, the head is not told.
    """
    given, hidden = [True] * len(marks), False
    for place, mark in enumerate(marks):
        hidden = not mark.blind if hidden else bool(mark.changes)
        given[place] = not hidden
    ends = not hidden
    if hidden:
        for place in range(len(marks) - 1, -1, -1):
            blind = given[place] and marks[place].blind
            given[place] = False
            if blind:
                ends = True
                break
    return [replace(mark, given=told) for mark, told in zip(marks, given, strict=True)], ends


# -- what is written ------------------------------------------------------------------------------


def _shown(item: Item, mark: _Mark, chain: bytes, redactor: Redactor) -> Fields:
    one, whole = item.envelope, not mark.changes and mark.omitted is None
    values = named(item.event) if mark.omitted is None else None
    if mark.changes and values is not None:
        values, _ = redactor.redact(values)
    return {
        "seq": one.seq,
        "kind": one.kind,
        "version": one.version,
        "ts": one.ts,
        "ts_ist": ist_iso(one.ts),
        "cause": one.cause,
        "hash": chain.hex() if mark.given else None,
        "omitted": mark.omitted,
        "upcast": one.version != spec_of(one).version,
        "redacted": [
            {"field": change.field, "place": list(change.place), "what": change.what}
            for change in mark.changes
        ],
        "values": values,
        "sha256": item.sha256 if whole else None,
        "data": base64.b64encode(item.data).decode("ascii") if whole else None,
    }


def _omitted(marks: list[_Mark]) -> list[Fields]:
    counts: dict[str, int] = {}
    for mark in marks:
        if mark.omitted is not None:
            counts[mark.omitted] = counts.get(mark.omitted, 0) + 1
    return [{"what": what, "entries": counts[what]} for what in sorted(counts)]


def _incident(found: _Session, redactor: Redactor) -> Fields | None:
    """What it was, and when it ended, in or behind the window."""
    if found.raised is None:
        return None
    event = found.raised.event
    assert isinstance(event, governance.IncidentRaised)
    ended = found.resolved
    return {
        "incident_id": event.incident_id,
        "code": event.code,
        "severity": event.severity,
        "subject": redactor.text(event.subject)[0],
        "raised_seq": found.raised.seq,
        "raised_ist": ist_iso(found.raised.envelope.ts),
        "resolved_seq": ended.seq if ended else None,
        "resolved_ist": ist_iso(ended.envelope.ts) if ended else None,
    }


def _readme(name: str, marks: list[_Mark], found: _Session) -> str:
    about = ""
    if found.raised is not None:
        event = found.raised.event
        assert isinstance(event, governance.IncidentRaised)
        about = f"Incident {event.incident_id}, {event.code}, seq {found.raised.seq}.\n"
    return _README.format(
        name=name,
        about=about,
        begin=ist_iso(marks[0].ts),
        end=ist_iso(marks[-1].ts),
        entries=len(marks),
        first=marks[0].seq,
        last=marks[-1].seq,
    )


_README: Final = """\
Incident bundle of {name}

{about}{entries} entries of its journal, seq {first} to {last}, {begin} to {end} IST.

What is here

  entries.jsonl      one line (JSON) an entry, with its values
  redactions.json    what was taken out, and what was left out
  verify.py          checks this bundle; journal_verify.py, beside it, checks a whole session
  pack.json          every file with its SHA-256

What was taken out

Accounts, addresses, names of people and whatever looks like a key or a token stand as [account 1],
[person 2] and so on, the same word always for the same one; each such place is listed with its
entry. The session's opening is left out, and so are the frames of ticks unless they were asked for.
Free text that a person wrote is kept but for words that are known or look like one of these: read
it before you hand this on. Orders, prices and results are not taken out.

How to check it

  python verify.py .                              needs Python alone
  python verify.py . --session SESSION_FOLDER     needs zstandard, and the session

The first checks every file, that no entry of the window is missing, and of each entry that stands
here whole that its values are those of its bytes. Each entry of a journal carries the chain on:
hash = SHA-256(hash before, entry). Where both hashes are given, an entry proves that it stands at
that place of the chain. Where they are not, only the session can prove it. Behind an entry from
which something was taken out none is given until a frame that is left out has followed: with them,
one could try every account until the hash fits.

The second lays every entry, the redacted ones too, beside the session's own: all that was left must
be the same, and the chain must pass through each hash that is given. What was taken out cannot be
proved to anybody without the session.

Do not give one reader this window with and without its frames: together they undo that protection.
"""
