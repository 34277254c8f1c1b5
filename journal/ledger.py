"""The desk's ledger of sessions: which sessions there were, and how each ended.

Lives here: records, reading, appending. May import: files, errors. Always holds: every line
carries the hash of the line before, so a record that is changed, dropped or exchanged shows; a
record is synced before ``append_record`` returns; appenders take turns by a lock.
Start reading at ``append_record``. Layout in FORMAT.md.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from journal.errors import LedgerCorrupt, write_failure
from journal.files import OS_FILES, Files

LEDGER_NAME: Final = "ledger.axl"
LEDGER_GENESIS: Final = bytes(32)
STATE_CLOSED: Final = "closed"
_HASH_DIGITS: Final = 64
_SIZE_BYTES_MAX: Final = 16 * 1024 * 1024
"""Some fifty thousand sessions."""


class Numbered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of a chained file. ``number`` counts from 1."""

    number: int


_Line = TypeVar("_Line", bound=Numbered)


class LedgerRecord(Numbered, frozen=True, forbid_unknown_fields=True):
    """One session's end. ``session`` is the folder's name; hashes are lower-case hex;
    ``cut_bytes`` were torn and removed when a dead session was closed."""

    session: str
    uid: str
    head_seq: int
    head_hash: str
    state: str
    cut_bytes: int


_decoder: Final = msgspec.json.Decoder(LedgerRecord)


def record_hash(previous: bytes, body: bytes) -> bytes:
    """SHA-256(hash of the record before || this record's JSON bytes)."""
    return hashlib.sha256(previous + body).digest()


def parse_ledger(data: bytes, path: Path) -> tuple[tuple[LedgerRecord, ...], bytes, int]:
    """As ``parse_lines``, of the desk's ledger."""
    return parse_lines(data, path, _decoder)


def parse_lines(
    data: bytes, path: Path, decoder: msgspec.json.Decoder[_Line]
) -> tuple[tuple[_Line, ...], bytes, int]:
    """(records, last hash, bytes of whole lines) of ``settled`` bytes. A last line without its
    newline was torn, so never acknowledged, and is left out. Raises ``LedgerCorrupt``."""
    whole = data.rfind(b"\n") + 1
    records: list[_Line] = []
    previous, offset = LEDGER_GENESIS, 0
    while offset < whole:
        end = data.index(b"\n", offset)
        digest, _, body = data[offset:end].partition(b" ")
        previous = record_hash(previous, body)
        number = len(records) + 1
        if digest != previous.hex().encode("ascii"):
            raise LedgerCorrupt(
                f"record {number} does not continue the chain", path=path, offset=offset
            )
        try:
            record = decoder.decode(body)
        except msgspec.MsgspecError as error:
            raise LedgerCorrupt(f"record {number}: {error}", path=path, offset=offset) from error
        if record.number != number:
            raise LedgerCorrupt(
                f"record {number} is numbered {record.number}", path=path, offset=offset
            )
        records.append(record)
        offset = end + 1
    return tuple(records), previous, whole


def settled(data: bytes, path: Path) -> bytes:
    """A ledger's bytes with the newline of a last record that is whole but for it.

    The line is written and synced before its newline: a death between the two leaves the line
    alone, or with the zero of a newline that never reached the disk. Its hash says that it is
    whole, so it counts. Raises ``LedgerCorrupt`` where any other byte stands in the newline's
    place: no write leaves that. Anything else behind the last newline is a line that was torn.
    """
    start = data.rfind(b"\n") + 1
    if start == len(data):
        return data
    last = data[data.rfind(b"\n", 0, max(start - 1, 0)) + 1 : start]
    before = last[:_HASH_DIGITS] if last else LEDGER_GENESIS.hex().encode("ascii")
    if _continues(before, data[start:]):
        return data + b"\n"
    if not _continues(before, data[start:-1]):
        return data
    if data[-1]:
        raise LedgerCorrupt(
            "the last record is whole and not followed by its newline",
            path=path,
            offset=len(data) - 1,
        )
    return data[:-1] + b"\n"


def _continues(before: bytes, line: bytes) -> bool:
    """Is ``line`` a whole record behind the one whose hash (hex) is ``before``?"""
    digest, space, body = line.partition(b" ")
    try:
        expected = record_hash(bytes.fromhex(before.decode("ascii")), body)
    except ValueError:
        return False  # the record before is damaged, which the walk over the lines tells
    return bool(space) and digest == expected.hex().encode("ascii")


def read_ledger(path: Path, *, files: Files = OS_FILES) -> tuple[LedgerRecord, ...]:
    """The records, oldest first; none when there is no ledger. Raises ``LedgerCorrupt``."""
    return parse_ledger(settled(held_bytes(path, files), path), path)[0]


def append_record(
    path: Path,
    *,
    session: str,
    uid: str,
    head_seq: int,
    head_hash: bytes,
    state: str = STATE_CLOSED,
    cut_bytes: int = 0,
    files: Files = OS_FILES,
) -> LedgerRecord:
    """Append the end of a session, once: the same end again returns the record that is there.

    Raises ``LedgerCorrupt`` (also when the ledger holds another end of this session),
    ``WriteFailed``.
    """
    try:
        handle = files.open(path, "lock")
    except OSError as error:
        raise write_failure("the ledger does not open", error, path) from error
    try:
        files.lock(handle, wait=True)
        records, previous, whole = parse_ledger(settle(handle, path, files), path)
        record = LedgerRecord(
            len(records) + 1, session, uid, head_seq, head_hash.hex(), state, cut_bytes
        )
        known = _known(records, record, path)
        if known is not None:
            return known
        body = msgspec.json.encode(record)
        files.truncate(handle, whole)
        line = record_hash(previous, body).hex().encode("ascii") + b" " + body
        write_line(handle, whole, line, files)
        files.sync_dir(path.parent)
        return record
    except OSError as error:
        raise write_failure("the ledger", error, path) from error
    finally:
        files.close(handle)


def settle(handle: int, path: Path, files: Files) -> bytes:
    """The bytes as ``settled``, on the disk too. Call with the lock."""
    held = _read_whole(handle, path, files)
    data = settled(held, path)
    if data != held:
        files.write(handle, len(data) - 1, b"\n")
        files.sync(handle)
    return data


def write_line(handle: int, offset: int, line: bytes, files: Files) -> int:
    """Write a line at the end, synced; returns the offset behind it.

    The newline says that the line is whole, so it is written when the line surely is: a disk may
    keep the last sector of a write and lose one before it.
    """
    files.write(handle, offset, line)
    files.sync(handle)
    files.write(handle, offset + len(line), b"\n")
    files.sync(handle)
    return offset + len(line) + 1


class LedgerCopy(msgspec.Struct, frozen=True):
    """What became of a copy of a ledger, and how many records it holds now. ``held_back``: the
    next record does not fit what is there; ``ahead``: the copy has more records; ``diverged``:
    neither is the beginning of the other, and the copy stays as it is."""

    state: Literal["absent", "unchanged", "extended", "held_back", "ahead", "diverged"]
    records: int


def ledger_bytes(path: Path, *, files: Files = OS_FILES) -> bytes:
    """The whole lines of a ledger, the chain checked; empty when there is none. Raises
    ``LedgerCorrupt``."""
    data = settled(held_bytes(path, files), path)
    return data[: parse_ledger(data, path)[2]]


def extend_ledger(
    data: bytes,
    path: Path,
    agrees: Callable[[LedgerRecord], bool],
    *,
    files: Files = OS_FILES,
) -> LedgerCopy:
    """Append to the ledger at ``path`` the records that ``data`` has more, while they agree with
    what is there. Raises ``LedgerCorrupt``, ``WriteFailed``."""
    if not data:
        held_records = len(read_ledger(path, files=files))
        return LedgerCopy("ahead" if held_records else "absent", held_records)
    coming = parse_ledger(data, path)[0]
    try:
        handle = files.open(path, "lock")
        try:
            files.lock(handle, wait=True)
            held = settle(handle, path, files)
            records, _, whole = parse_ledger(held, path)
            if not data.startswith(held[:whole]):
                longer = held.startswith(data)
                return LedgerCopy("ahead" if longer else "diverged", len(records))
            count = len(records)
            while count < len(coming) and agrees(coming[count]):
                count += 1
            added = data.split(b"\n")[len(records) : count]
            files.truncate(handle, whole)
            for line in added:
                whole = write_line(handle, whole, line, files)
            files.sync_dir(path.parent)
        finally:
            files.close(handle)
    except OSError as error:
        raise write_failure("the ledger", error, path) from error
    if count < len(coming):
        return LedgerCopy("held_back", count)
    return LedgerCopy("extended" if added else "unchanged", count)


def _known(
    records: tuple[LedgerRecord, ...], record: LedgerRecord, path: Path
) -> LedgerRecord | None:
    for old in records:
        if old.session == record.session and old.state == record.state:
            if (old.uid, old.head_seq, old.head_hash) != (
                record.uid,
                record.head_seq,
                record.head_hash,
            ):
                raise LedgerCorrupt(
                    f"record {old.number} says that {old.session} ended at seq {old.head_seq} "
                    f"with {old.head_hash}",
                    path=path,
                    seq=record.head_seq,
                )
            return old
    return None


def held_bytes(path: Path, files: Files) -> bytes:
    """The bytes of a chained file as they stand; empty when there is none. Raises
    ``LedgerCorrupt``."""
    try:
        handle = files.open(path, "read")
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise LedgerCorrupt(f"does not open: {error.strerror}", path=path) from error
    try:
        return _read_whole(handle, path, files)
    finally:
        files.close(handle)


def _read_whole(handle: int, path: Path, files: Files) -> bytes:
    size = files.size(handle)
    if size > _SIZE_BYTES_MAX:
        raise LedgerCorrupt(f"{size} bytes: no desk has that many sessions", path=path)
    return files.read(handle, 0, size)
