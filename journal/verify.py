"""A verifier of Axiom's journal that stands alone: this file, Python and ``zstandard``.

Lives here: a second reading of FORMAT.md, written apart from the writer and the reader so that
one mistake is not made twice. May import: the standard library and zstandard, nothing of ours.
Always holds: it only reads; every problem has a code, a file, and where there is one an offset
and a seq; lengths are checked before anything is allocated.
Run: ``python verify.py FOLDER [--ledger FILE] [--head HASH]`` where FOLDER is a session or a desk;
exit 0 intact, 1 problems, 2 could not look. Start reading at ``verify_session``, then
``verify_desk``.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import os
import re
import stat
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

try:
    import zstandard
except ModuleNotFoundError:
    if __name__ != "__main__":
        raise
    sys.stderr.write(
        "cannot look: this Python lacks the package zstandard: run pip install zstandard\n"
    )
    sys.exit(2)

MAGIC = b"\x89AXJ\r\n\x1a\n"
VERSION = 1
HEADER = struct.Struct("<8sHBBI6sHQQQIIII32s32s")
HEADER_BYTES = HEADER.size + 4
ENTRY_BYTES_MAX = 16 * 1024 * 1024
RAW_BYTES_MAX = ENTRY_BYTES_MAX + 4
FINAL, SEALED = 1, 2
MARK_SLOT = struct.Struct("<4sBB6sQQ32s")
MARK_SLOT_BYTES = MARK_SLOT.size + 4
MARK_OFFSETS = (0, 4096)
MARK_FILE_BYTES = MARK_OFFSETS[1] + MARK_SLOT_BYTES
LEDGER_BYTES_MAX = 16 * 1024 * 1024
SMALL_BYTES_MAX = 1024 * 1024
SEGMENT = re.compile(r"([0-9]{6})\.(axj|axs)")
SESSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-[a-z]{1,16}-([0-9a-f]{12})(-[1-9][0-9]{0,5})?")
GENESIS = bytes(32)
PROBLEMS_MAX = 100
SCAN_BYTES = 1024 * 1024
TAIL_CUT_FACT = "TailCut"
CUTS = "cuts.axl"


@dataclass(frozen=True)
class Problem:
    """Something that is not as it was written. ``offset`` is bytes in ``file``."""

    code: str
    message: str
    file: str
    offset: int | None = None
    seq: int | None = None

    def __str__(self) -> str:
        offset = "" if self.offset is None else f" offset {self.offset}"
        seq = "" if self.seq is None else f" seq {self.seq}"
        return f"{self.code} {self.file}{offset}{seq}: {self.message}"


@dataclass(frozen=True)
class VerifyReport:
    """What a session holds and what is wrong with it. ``head_hash`` is lower-case hex."""

    ok: bool
    session_uid: str | None
    entries: int
    head_seq: int
    head_hash: str
    closed: bool
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class DeskReport:
    """What a desk's ledger says and what is wrong with it; ``hashes`` (hex) holds the one of each
    record, so the last is the ledger's head. ``sessions`` are those that are there, by name."""

    ok: bool
    hashes: tuple[str, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    sessions: tuple[tuple[str, VerifyReport], ...]


class Header(NamedTuple):
    """A block header's fields as they stand on the disk."""

    magic: bytes
    version: int
    flags: int
    codec: int
    segment: int
    uid: bytes
    reserved: int
    offset: int
    first_seq: int
    durable_through: int
    entry_count: int
    raw_bytes: int
    stored_bytes: int
    payload_crc: int
    hash_before: bytes
    hash_after: bytes

    @property
    def last_seq(self) -> int:
        return self.first_seq + self.entry_count - 1

    @property
    def end_offset(self) -> int:
        return self.offset + HEADER_BYTES + self.stored_bytes


class Mark(NamedTuple):
    """A whole slot of the watermark."""

    magic: bytes
    version: int
    closed: int
    uid: bytes
    write_count: int
    seq: int
    chain: bytes


class Bad(Exception):  # noqa: N818 (a finding, not an error of ours)
    """One finding. ``torn``: it looks like a write that was cut short."""

    def __init__(self, code: str, message: str, *, torn: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.torn = torn


@dataclass
class State:
    """Where the walk through the session stands."""

    folder: Path
    mark: Mark | None = None
    uid: bytes | None = None
    seq: int = 0
    chain: bytes = GENESIS
    fact: int = 0
    group_open: bool = False
    final: bool = False
    probes: dict[int, bytes | None] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(self, code: str, message: str, file: str, offset: int | None = None) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(Problem(code, message, file, offset, self.seq + 1))


def verify_session(folder: Path, *, ledger: Path | None = None) -> VerifyReport:
    """Check one session: blocks, chain, seqs, group marks, watermark, manifest, and its record in
    ``ledger`` (None, or a file that is not there: only a note). Raises ``OSError`` when the
    folder cannot be read."""
    state = State(folder)
    names = sorted(path.name for path in folder.iterdir())
    state.mark = _read_mark(state, names)
    cuts = _read_cuts(state, names)
    # Where the chain is looked at: at the watermark, and where a tail was cut.
    seqs = [cut["after_seq"] for cut in cuts] + ([] if state.mark is None else [state.mark.seq])
    state.probes = {seq: GENESIS if seq == 0 else None for seq in seqs}
    numbers = _segment_numbers(state, names)
    state.uid = _likely_uid(state, numbers)
    for index, (number, kinds) in enumerate(numbers):
        _verify_segment(state, number, kinds, last=index == len(numbers) - 1)
    if numbers:
        any_live = any("axs" not in kinds for _, kinds in numbers)
        _check_end(state, sealed="axs" in numbers[-1][1], any_live=any_live)
    _check_cuts(state, cuts)
    _check_manifest(state, names)
    _check_ledger(state, ledger)
    if state.group_open:
        state.notes.append("the last group is incomplete")
    return VerifyReport(
        not state.problems,
        state.uid.hex() if state.uid is not None else None,
        state.seq,
        state.seq,
        state.chain.hex(),
        state.final,
        tuple(state.problems),
        tuple(state.notes),
    )


# -- segments ----------------------------------------------------------------------------------


def _segment_numbers(state: State, names: Sequence[str]) -> list[tuple[int, set[str]]]:
    kinds: dict[int, set[str]] = {}
    for name in names:
        match = SEGMENT.fullmatch(name)
        if match:
            kinds.setdefault(int(match[1]), set()).add(match[2])
    if not kinds:
        state.problem("JOURNAL_MISSING", "no segment here", str(state.folder))
    for expected, number in enumerate(sorted(kinds), start=1):
        if number != expected:
            state.problem("SEGMENT_GAP", "this segment is missing", f"{expected:06d}")
            break
    return sorted(kinds.items())


def _likely_uid(state: State, numbers: list[tuple[int, set[str]]]) -> bytes | None:
    """Whose session this is, by most of what says so (the first blocks, the watermark, the folder's
    name): so a file of another session is named, wherever it was put."""
    says: list[bytes] = []
    for number, kinds in numbers:
        name = f"{number:06d}.{'axs' if 'axs' in kinds else 'axj'}"
        try:
            with _open(state.folder / name) as file:
                header = _header_at(file, 0, number, name.endswith(".axs"))
        except (OSError, Bad):
            continue
        if header is not None:
            says.append(header.uid)
    if state.mark is not None:
        says.append(state.mark.uid)
    match = SESSION.fullmatch(state.folder.resolve().name)
    if match is not None:
        says.append(bytes.fromhex(match[1]))
    return max(dict.fromkeys(says), key=says.count, default=None)


def _verify_segment(state: State, number: int, kinds: set[str], *, last: bool) -> None:
    name = f"{number:06d}.{'axs' if 'axs' in kinds else 'axj'}"
    try:
        if kinds == {"axj", "axs"}:
            _verify_both(state, number)
        with _open(state.folder / name) as file:
            _walk(state, file, name, number, last=last)
    except OSError as error:
        state.problem("JOURNAL_READ_FAILED", f"cannot be read: {error.strerror}", name)


def _open(path: Path) -> BinaryIO:
    """Open a regular file for reading. A link could leave the folder; a pipe or a device under a
    file's name would never end. Raises ``OSError``."""
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):  # as far as the system knows them
        flags |= getattr(os, name, 0)
    handle = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(handle, "rb")


def _read_small(path: Path) -> bytes:
    """The first MiB of a file that is small when it is what it says. Raises ``OSError``."""
    with _open(path) as file:
        return file.read(SMALL_BYTES_MAX)


def _verify_both(state: State, number: int) -> None:
    """A seal that died before its last step leaves both files; they must tell the same."""
    ends = []
    for kind in ("axj", "axs"):
        name = f"{number:06d}.{kind}"
        twin = State(state.folder, None, state.uid, state.seq, state.chain, state.fact)
        twin.group_open = state.group_open
        with _open(state.folder / name) as file:
            _walk(twin, file, name, number, last=False)
        ends.append((twin.seq, twin.chain, twin.final))
        if kind == "axj":
            state.problems += twin.problems
    if ends[0] != ends[1]:
        state.problem("SEGMENT_GAP", "the live and the sealed file differ", f"{number:06d}")
    else:
        state.notes.append(f"segment {number:06d} is there live and sealed; both agree")


def _walk(state: State, file: BinaryIO, name: str, number: int, *, last: bool) -> None:
    """Walk one file's blocks; after a finding go on at the next block that can be read."""
    offset = 0
    while len(state.problems) < PROBLEMS_MAX:
        try:
            header = _header_at(file, offset, number, name.endswith(".axs"))
            if header is None:
                return
            _check_place(state, header)
            _check_payload(state, header, file)
            offset = header.end_offset
        except Bad as bad:
            following = _next_header(state, file, offset, number, name)
            if bad.torn and last and name.endswith(".axj") and _is_tail(state, following):
                _note_tail(state, file, offset)
                return
            state.problem(bad.code, str(bad), name, offset)
            if following is None:
                return
            offset = following.offset
            state.seq, state.chain = following.first_seq - 1, following.hash_before
            state.group_open, state.fact = False, 0


def _header_at(file: BinaryIO, offset: int, number: int, sealed: bool) -> Header | None:
    file.seek(offset)
    data = file.read(HEADER_BYTES)
    if not data:
        return None
    if len(data) < HEADER_BYTES:
        raise Bad("JOURNAL_CORRUPT", "the file ends inside a block header", torn=True)
    if data[:8] != MAGIC:
        raise Bad("JOURNAL_CORRUPT", "no block begins here", torn=True)
    if zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise Bad("JOURNAL_CORRUPT", "the header's CRC does not match", torn=True)
    header = Header._make(HEADER.unpack(data[:-4]))
    if header.version > VERSION:
        raise Bad("VERSION_TOO_NEW", f"format version {header.version}, this verifier knows 1")
    _check_fields(header)
    if header.offset != offset:
        raise Bad("JOURNAL_CORRUPT", f"this block belongs at offset {header.offset}")
    if header.segment != number:
        raise Bad("SEGMENT_GAP", f"this block belongs to segment {header.segment:06d}")
    if bool(header.flags & SEALED) != sealed:
        raise Bad("JOURNAL_CORRUPT", "a live block in a sealed file, or the reverse")
    return header


def _check_fields(header: Header) -> None:
    empty = header.entry_count == 0
    sane = (
        header.version == VERSION
        and header.flags <= FINAL | SEALED
        and header.codec <= 1
        and header.reserved == 0
        and header.segment >= 1
        and header.first_seq >= 1
        and header.durable_through <= header.last_seq
        and header.raw_bytes <= RAW_BYTES_MAX
        and header.stored_bytes <= header.raw_bytes
        and (header.codec == 0) == (header.stored_bytes == header.raw_bytes)
        and header.entry_count * 11 <= header.raw_bytes
        and empty == (header.raw_bytes == 0)
        and (not empty or header.hash_before == header.hash_after)
        and (empty or not header.flags & FINAL)
    )
    if not sane:
        raise Bad("JOURNAL_CORRUPT", "the header's fields contradict one another")


def _check_place(state: State, header: Header) -> None:
    if state.uid is None:
        state.uid = header.uid
    if header.uid != state.uid:
        raise Bad("SEGMENT_GAP", f"this block belongs to session {header.uid.hex()}")
    if state.final:
        raise Bad("JOURNAL_CORRUPT", "a block after the final one")
    if header.first_seq != state.seq + 1:
        raise Bad("JOURNAL_CHAIN_BROKEN", f"the block begins at seq {header.first_seq}")
    if header.hash_before != state.chain:
        raise Bad("JOURNAL_CHAIN_BROKEN", "the block does not continue the chain")
    if header.flags & FINAL:
        state.final = True


def _check_payload(state: State, header: Header, file: BinaryIO) -> None:
    stored = file.read(header.stored_bytes)
    if len(stored) < header.stored_bytes:
        raise Bad("JOURNAL_CORRUPT", "the file ends inside a block's payload", torn=True)
    if zlib.crc32(stored) != header.payload_crc:
        raise Bad("JOURNAL_CORRUPT", "the payload's CRC does not match", torn=True)
    chain, seq, fact, group_open = state.chain, state.seq, state.fact, state.group_open
    probes = state.probes
    for data, group_end in _entries(_expand(header, stored)):
        seq += 1
        cause, kind = _read_envelope(data, seq)
        fact = _check_group(cause, kind, seq, fact, group_open)
        group_open = not group_end
        chain = hashlib.sha256(chain + data).digest()
        if seq in probes:
            probes[seq] = chain
    if seq != header.last_seq:
        raise Bad("JOURNAL_CORRUPT", "more or fewer entries than the header says")
    if chain != header.hash_after:
        raise Bad("JOURNAL_CHAIN_BROKEN", "the entries do not give the hash in the header")
    state.chain, state.seq, state.fact, state.group_open = chain, seq, fact, group_open


def _expand(header: Header, stored: bytes) -> bytes:
    if header.codec == 0:
        return stored
    try:
        if zstandard.frame_content_size(stored) != header.raw_bytes:
            raise Bad("JOURNAL_CORRUPT", "the zstd frame declares another size")
        expander = zstandard.ZstdDecompressor(max_window_size=1 << 25)
        return expander.decompress(stored, max_output_size=header.raw_bytes, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Bad("JOURNAL_CORRUPT", f"the zstd frame does not decompress: {error}") from error


def _entries(raw: bytes) -> Iterator[tuple[bytes, bool]]:
    at = 0
    while at < len(raw):
        word = int.from_bytes(raw[at : at + 4], "little")
        length = word & 0x7FFFFFFF
        data = raw[at + 4 : at + 4 + length]
        if not 7 <= length <= ENTRY_BYTES_MAX or len(data) < length:
            raise Bad("JOURNAL_CORRUPT", f"an entry of {length} bytes does not fit its block")
        yield data, bool(word >> 31)
        at += 4 + length


# -- envelopes and groups ----------------------------------------------------------------------


def _read_envelope(data: bytes, seq: int) -> tuple[int, str]:
    """(cause, kind) of an envelope that must carry ``seq``."""
    try:
        if data[0] != 0x96:
            raise ValueError("not an array of six")
        found, at = _read_int(data, 1)
        kind, at = _read_text(data, at)
        _, at = _read_int(data, at)
        _, at = _read_int(data, at)
        cause, at = _read_int(data, at)
        if at >= len(data):
            raise ValueError("no payload")
    except (ValueError, IndexError) as error:
        raise Bad("JOURNAL_CORRUPT", f"entry {seq} is not an envelope: {error}") from error
    if found != seq:
        raise Bad("JOURNAL_CHAIN_BROKEN", f"the envelope that should be {seq} says {found}")
    return cause, kind


_INT_BYTES = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_INT_LEAST = {0xCC: 1 << 7, 0xCD: 1 << 8, 0xCE: 1 << 16, 0xCF: 1 << 32}


def _read_int(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned MessagePack integer in its shortest form."""
    first = data[at]
    if first < 0x80:
        return first, at + 1
    size = _INT_BYTES.get(first, 0)
    if not size or at + 1 + size > len(data):
        raise ValueError("not an unsigned integer")
    value = int.from_bytes(data[at + 1 : at + 1 + size], "big")
    if value < _INT_LEAST[first]:
        raise ValueError("an integer that is not in its shortest form")
    return value, at + 1 + size


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    first = data[at]
    if first & 0xE0 == 0xA0:
        start, size = at + 1, first & 0x1F
    elif first == 0xD9:
        start, size = at + 2, data[at + 1]
    else:
        raise ValueError("the kind is not a short string")
    text = data[start : start + size].decode("utf-8")
    return text, start + size


def _check_group(cause: int, kind: str, seq: int, fact: int, group_open: bool) -> int:
    """The group mark must say what the causes say; returns the fact of this entry's group."""
    if cause == seq:
        if group_open and kind != TAIL_CUT_FACT:
            raise Bad("JOURNAL_GROUP_MARK", f"fact {seq} follows an entry without a group end")
        return seq
    if cause > seq:
        raise Bad("JOURNAL_GROUP_MARK", f"entry {seq} names a later cause {cause}")
    if fact and (cause != fact or not group_open):
        raise Bad("JOURNAL_GROUP_MARK", f"entry {seq} names {cause}, its group is {fact}")
    return fact or cause


# -- the end -----------------------------------------------------------------------------------


def _next_header(
    state: State, file: BinaryIO, offset: int, number: int, name: str
) -> Header | None:
    """The next header of this session behind ``offset`` that stands in its own place."""
    at = offset + 1
    while True:
        file.seek(at)
        data = file.read(SCAN_BYTES)
        found = data.find(MAGIC)
        while found >= 0:
            try:
                header = _header_at(file, at + found, number, name.endswith(".axs"))
            except Bad:
                header = None
            if header is not None and header.uid == (state.uid or header.uid):
                return header
            found = data.find(MAGIC, found + 1)
        if len(data) < SCAN_BYTES:
            return None
        at += SCAN_BYTES - len(MAGIC) + 1


def _is_tail(state: State, following: Header | None) -> bool:
    """Nothing at or behind this place was ever acknowledged, as far as anything says."""
    if state.mark is None or state.mark.closed or state.mark.seq > state.seq:
        return False
    return following is None or following.durable_through <= state.seq


def _note_tail(state: State, file: BinaryIO, offset: int) -> None:
    size = file.seek(0, 2)
    state.notes.append(f"a torn tail of {size - offset} bytes, never acknowledged")


def _check_end(state: State, *, sealed: bool, any_live: bool) -> None:
    mark, name = state.mark, "watermark"
    if sealed and not state.final:
        state.problem("SEGMENT_GAP", "the session ends in a sealed segment, not final", name)
    if mark is None:
        if any_live:
            state.problem("JOURNAL_WATERMARK_DAMAGED", "the acknowledged end is unknown", name)
        else:
            state.notes.append("no watermark; the segments are sealed and speak for themselves")
        return
    if state.uid is not None and mark.uid != state.uid:
        state.problem("JOURNAL_WATERMARK_DAMAGED", "it belongs to another session", name)
    elif mark.seq > state.seq or (mark.closed and not state.final):
        state.problem("JOURNAL_CORRUPT", f"the end before acknowledged seq {mark.seq} is cut", name)
    elif mark.chain != state.probes[mark.seq]:
        state.problem("JOURNAL_CHAIN_BROKEN", f"another hash at seq {mark.seq}", name)
    elif state.final and not (mark.closed and mark.seq == state.seq):
        state.notes.append("the watermark is older than the final block")
    elif mark.seq < state.seq:
        state.notes.append(f"{state.seq - mark.seq} entries are not acknowledged yet")


def _read_mark(state: State, names: Sequence[str]) -> Mark | None:
    if "watermark" not in names:
        return None
    try:
        data = _read_small(state.folder / "watermark")
    except OSError as error:
        state.problem("JOURNAL_READ_FAILED", f"cannot be read: {error.strerror}", "watermark")
        return None
    if len(data) > MARK_FILE_BYTES:
        message = f"larger than its {MARK_FILE_BYTES} bytes"
        state.problem("JOURNAL_WATERMARK_DAMAGED", message, "watermark")
    slots = [slot for at in MARK_OFFSETS if (slot := _parse_slot(data[at : at + 64])) is not None]
    if not slots:
        state.problem("JOURNAL_WATERMARK_DAMAGED", "neither slot is whole", "watermark")
        return None
    mark = max(slots, key=lambda slot: slot.write_count)
    if mark.closed and not _is_closed_file(data, slots):
        state.problem("JOURNAL_WATERMARK_DAMAGED", "a slot or the space between", "watermark")
    return mark


def _parse_slot(data: bytes) -> Mark | None:
    if len(data) < MARK_SLOT_BYTES or zlib.crc32(data[:60]) != int.from_bytes(data[60:], "little"):
        return None
    mark = Mark._make(MARK_SLOT.unpack(data[:60]))
    return mark if mark.magic == b"AXWM" and mark.version == 1 and mark.closed <= 1 else None


def _is_closed_file(data: bytes, slots: list[Mark]) -> bool:
    """After closing, both slots are whole and nothing stands between or behind them."""
    return (
        len(slots) == 2
        and len(data) == MARK_OFFSETS[1] + MARK_SLOT_BYTES
        and not any(data[MARK_SLOT_BYTES : MARK_OFFSETS[1]])
    )


def _check_manifest(state: State, names: Sequence[str]) -> None:
    """The manifest derives nothing, but a changed byte in it should show too."""
    if "manifest.json" not in names:
        state.notes.append("no manifest: the program and machine that wrote it are not known")
        return
    try:
        data = _read_small(state.folder / "manifest.json")
        fields = json.loads(data)
        digest = fields.pop("digest")
        body = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        whole = json.dumps({**fields, "digest": digest}, sort_keys=True, separators=(",", ":"))
        good = (
            hashlib.sha256(body.encode()).hexdigest() == digest and data == whole.encode() + b"\n"
        )
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        good = False
    if not good:
        state.problems.append(Problem("MANIFEST_CHANGED", "not as it was written", "manifest.json"))
    elif state.uid is not None and fields.get("uid") != state.uid.hex():
        state.problems.append(Problem("MANIFEST_CHANGED", "another session's", "manifest.json"))


# -- the ledger, and what was cut --------------------------------------------------------------


def _read_cuts(state: State, names: Sequence[str]) -> list[dict[str, Any]]:
    """The notes of torn tails that were cut, as far as they are as they were written."""
    if CUTS not in names:
        return []
    records, problems, notes = read_ledger(state.folder / CUTS)
    shape = {"after_seq": int, "cut_bytes": int, "after_hash": str, "uid": str}
    for number, record in enumerate(records, start=1):
        if any(type(record.get(name)) is not kind for name, kind in shape.items()):
            message = f"record {number} is no note of a cut"
            return _no_cuts(state, [Problem("LEDGER_CORRUPT", message, CUTS)])
    state.notes += notes
    return records if not problems else _no_cuts(state, problems)


def _no_cuts(state: State, problems: list[Problem]) -> list[dict[str, Any]]:
    state.problems += problems
    return []


def _check_cuts(state: State, cuts: list[dict[str, Any]]) -> None:
    """A tail is cut behind an entry that stays, so every note must fit this chain."""
    for cut in cuts:
        seq, said = cut["after_seq"], cut["after_hash"]
        have = state.probes.get(seq)
        if have is None or said != have.hex() or state.uid is None or cut["uid"] != state.uid.hex():
            message = f"it says that seq {seq} of {cut['uid']} has the hash {said}"
            state.problem("LEDGER_DIFFERS", message, CUTS)
        else:
            size = cut["cut_bytes"]
            state.notes.append(f"{size} bytes behind seq {seq} were a torn tail, and are cut")


def read_ledger(path: Path) -> tuple[list[dict[str, Any]], list[Problem], list[str]]:
    """(records, problems, notes) of a ledger of sessions, or of a session's file of cuts, whose
    lines are chained alike; each record with its ``hash`` (hex)."""
    records: list[dict[str, Any]] = []
    notes: list[str] = []
    try:
        with _open(path) as file:
            data = file.read(LEDGER_BYTES_MAX + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        return records, [Problem("LEDGER_CORRUPT", message, path.name)], notes
    if len(data) > LEDGER_BYTES_MAX:
        message = f"larger than {LEDGER_BYTES_MAX} bytes, which no ledger is"
        return records, [Problem("LEDGER_CORRUPT", message, path.name, LEDGER_BYTES_MAX)], notes
    try:
        data = _last_line(data, notes)
    except Bad as bad:
        at = len(data) - 1
        return records, [Problem(bad.code, str(bad), path.name, at)], notes
    whole = data.rfind(b"\n") + 1
    previous, offset = GENESIS, 0
    while offset < whole:
        end, number = data.index(b"\n", offset), len(records) + 1
        digest, _, body = data[offset:end].partition(b" ")
        previous = hashlib.sha256(previous + body).digest()
        try:
            good = digest.decode("ascii") == previous.hex()
            record = json.loads(body) if good else {}
            good = good and record["number"] == number
        except (ValueError, KeyError, TypeError, RecursionError):
            good = False
        if not good:
            message = f"record {number} does not continue the chain"
            return records, [Problem("LEDGER_CORRUPT", message, path.name, offset)], notes
        records.append({**record, "hash": previous.hex()})
        offset = end + 1
    return records, [], notes


def _last_line(data: bytes, notes: list[str]) -> bytes:
    """A line is synced before its newline is written. So a last line without one is torn, unless
    its hash says that it is whole: then it counts, and a byte other than zero in the newline's
    place is no write's doing."""
    lines = data.split(b"\n")
    tail = lines[-1]
    if not tail:
        return data
    previous = lines[-2][:64] if len(lines) > 1 else GENESIS.hex().encode()
    for line, end in ((tail, b""), (tail[:-1], tail[-1:])):
        digest, _, body = line.partition(b" ")
        try:
            expected = hashlib.sha256(bytes.fromhex(previous.decode()) + body).hexdigest()
        except ValueError:
            break
        if digest != expected.encode():
            continue
        if end not in (b"", b"\0"):
            raise Bad("LEDGER_CORRUPT", "the last record is whole, the byte behind it is changed")
        notes.append("the newline of the ledger's last record was never written")
        return data[: len(data) - len(end)] + b"\n"
    notes.append(f"the ledger's last {len(tail)} bytes were never acknowledged")
    return data


def _check_ledger(state: State, ledger: Path | None) -> None:
    if ledger is None or not ledger.exists():
        state.notes.append("no ledger of sessions was given or found")
        return
    records, problems, notes = read_ledger(ledger)
    state.problems += problems
    state.notes += notes
    name = state.folder.resolve().name
    mine = [record for record in records if record.get("session") == name]
    for record in mine:
        said = (record.get("uid"), record.get("head_seq"), record.get("head_hash"))
        have = (state.uid.hex() if state.uid else None, state.seq, state.chain.hex())
        if said != have:
            state.problem(
                "LEDGER_DIFFERS",
                f"the ledger says uid {said[0]}, seq {said[1]}, hash {said[2]}; "
                f"the session ends at seq {have[1]} with {have[2]}",
                ledger.name,
            )
        elif not state.final:
            state.problem(
                "LEDGER_DIFFERS", "closed by the ledger, open by its journal", ledger.name
            )
    if not mine and not problems:
        state.notes.append("the ledger has no record of this session")
        _check_name(state, ledger, records)


def _check_name(state: State, ledger: Path, records: list[dict[str, object]]) -> None:
    """A session under a name that is not its own: renamed, or put in another's place."""
    folder = state.folder.resolve()
    uid = state.uid.hex() if state.uid else None
    match = SESSION.fullmatch(folder.name)
    if match is not None and uid is not None and match[1] != uid:
        state.problem("SESSION_RENAMED", f"it holds session {uid}", folder.name)
        return
    names = [str(record.get("session")) for record in records if record.get("uid") == uid]
    if names and not any((folder.parent / name).is_dir() for name in names):
        state.problem("SESSION_RENAMED", f"the ledger knows it as {names[-1]}", folder.name)


def missing_sessions(ledger: Path, sessions: Path) -> tuple[Problem, ...]:
    """The closed sessions that a ledger names and that are not in ``sessions``."""
    records, _, _ = read_ledger(ledger)
    return tuple(_missing(records, ledger, sessions))


def _missing(records: list[dict[str, object]], ledger: Path, sessions: Path) -> Iterator[Problem]:
    last = {str(record.get("session")): record for record in records}
    for name, record in last.items():
        here = SESSION.fullmatch(name) is not None and (sessions / name).is_dir()
        if record.get("state") == "closed" and not here:
            message = f"{name} is in the ledger and not here"
            yield Problem("SESSION_MISSING", message, ledger.name)


def verify_ledger(ledger: Path, sessions: Path) -> tuple[Problem, ...]:
    """The ledger's own chain, and that every session it names is in ``sessions``."""
    records, problems, _ = read_ledger(ledger)
    return (*problems, *_missing(records, ledger, sessions))


def verify_desk(desk: Path) -> DeskReport:
    """Check a desk: its ledger, that every session in it is there, and each session that is.
    Raises ``OSError`` when the folder cannot be read."""
    ledger, sessions = desk / "ledger.axl", desk / "sessions"
    reports = tuple(
        (path.name, verify_session(path, ledger=ledger))
        for path in sorted(sessions.iterdir())
        if SESSION.fullmatch(path.name) and path.is_dir()
    )
    problems: list[Problem] = []
    notes: list[str] = []
    hashes: list[str] = []
    if ledger.exists():
        records, problems, notes = read_ledger(ledger)
        problems += _missing(records, ledger, sessions)
        hashes = [str(record["hash"]) for record in records]
    else:
        notes.append("no ledger of sessions was found")
    good = not problems and all(report.ok for _, report in reports)
    return DeskReport(good, tuple(hashes), tuple(problems), tuple(notes), reports)


# -- the program -------------------------------------------------------------------------------


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _tell(problems: Sequence[Problem], notes: Sequence[str]) -> None:
    for problem in problems:
        _say(f"PROBLEM {problem}")
    for note in notes:
        _say(f"note {note}")


def _tell_session(name: str, report: VerifyReport, *, good: bool) -> None:
    _say(
        f"{'OK' if good else 'BAD'} {name} session {report.session_uid} "
        f"entries {report.entries} {'closed' if report.closed else 'open'} head {report.head_hash}"
    )


def _run_session(folder: Path, ledger: Path, head: str | None) -> bool:
    report = verify_session(folder, ledger=ledger)
    problems = list(report.problems)
    if ledger.exists():
        problems += missing_sessions(ledger, folder.resolve().parent)
    if head is not None and head.lower() != report.head_hash:
        message = f"expected {head.lower()}, found {report.head_hash}"
        problems.append(Problem("HEAD_DIFFERS", message, folder.name))
    _tell(problems, report.notes)
    _tell_session(str(folder), report, good=not problems)
    return not problems


def _run_desk(folder: Path, head: str | None) -> bool:
    report = verify_desk(folder)
    problems = list(report.problems)
    if head is not None and head.lower() not in report.hashes:
        problems.append(Problem("HEAD_DIFFERS", "no record has this hash", "ledger.axl"))
    _tell(problems, report.notes)
    for name, session in report.sessions:
        _tell(session.problems, session.notes)
        _tell_session(name, session, good=session.ok)
    good = report.ok and not problems
    last = report.hashes[-1] if report.hashes else GENESIS.hex()
    _say(f"{'OK' if good else 'BAD'} {folder} ledger records {len(report.hashes)} head {last}")
    return good


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Verify a journal session, or a whole desk.")
    parser.add_argument("folder", type=Path, help="a session's folder, or a desk's")
    parser.add_argument("--ledger", type=Path, help="default: the desk's, two folders up")
    parser.add_argument("--head", help="the head hash you kept elsewhere (hex); a desk's ledger's")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    ledger = options.ledger or folder.resolve().parent.parent / "ledger.axl"
    try:
        if (folder / "ledger.axl").is_file():
            return 0 if _run_desk(folder, options.head) else 1
        return 0 if _run_session(folder, ledger, options.head) else 1
    except OSError as error:
        sys.stderr.write(f"cannot look: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
