"""A desk of three sealed sessions, changed in every way a hand can change files: each is found, and
named with its place. What can only be found with a head that was kept elsewhere is shown too.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from journal.block import (
    FLAG_SEALED,
    HEADER_BYTES,
    BlockHeader,
    compress,
    expand,
    pack_header,
    parse_header,
)
from journal.close import close_session
from journal.log import WriterOptions
from journal.manifest import Manifest, write_manifest
from journal.verify import Problem, verify_desk
from tests.journal.journals import FAST, Group, build, flat, make_group, make_groups

UIDS = ("a" * 12, "b" * 12, "c" * 12)
NAMES = tuple(f"2025-09-{day:02d}-paper-{uid}" for day, uid in enumerate(UIDS, start=1))
SMALL = WriterOptions(segment_size_bytes=130)
LEDGER = "ledger.axl"

Files = dict[str, bytes | None]


class Case(NamedTuple):
    """A change of some files (None: gone), and where a finding must point: a file (or a word of
    its message), and in a segment the offset of the block."""

    what: str
    files: Files
    where: str
    offset: int | None = None


def groups_of(number: int) -> list[Group]:
    return make_groups([2, 1, 3, 1], bytes((65 + number,)) * 9)


def make_desk(desk: Path) -> None:
    """Three closed sessions of three segments, and their ledger."""
    for number, (name, uid) in enumerate(zip(NAMES, UIDS, strict=True)):
        close_groups(desk, name, uid, groups_of(number))


def close_groups(desk: Path, name: str, uid: str, groups: list[Group]) -> None:
    folder = desk / "sessions" / name
    build(folder, [[group] for group in groups], options=SMALL, uid=uid)
    manifest = Manifest(name, uid, name[:10], "paper", "axiom", "3", "x", "h", 1, 2)
    write_manifest(folder, manifest, files=FAST)
    close_session(folder, desk / LEDGER, files=FAST)
    for lock in folder.glob("*.lock"):
        lock.unlink()


def contents(desk: Path) -> dict[str, bytes]:
    return {
        path.relative_to(desk).as_posix(): path.read_bytes()
        for path in sorted(desk.rglob("*"))
        if path.is_file()
    }


def blocks_of(data: bytes) -> list[BlockHeader]:
    blocks, at = [], 0
    while at < len(data):
        blocks.append(parse_header(data[at:]))
        at = blocks[-1].end_offset
    return blocks


def block_at(data: bytes, at: int) -> int | None:
    """The offset of the block that the byte at ``at`` is in; None behind the last."""
    starts = [block.offset for block in blocks_of(data) if block.offset <= at < block.end_offset]
    return starts[0] if starts else None


# -- the changes -------------------------------------------------------------------------------


def edits(desk: dict[str, bytes]) -> Iterator[Case]:
    """One byte changed to another value; two values for each byte of a segment."""
    for name, data in desk.items():
        sparse = 13 if name.endswith("watermark") else 1
        for at in range(0, len(data), sparse):
            for bits in (1 << at % 8, 0xFF) if name.endswith(".axs") else (1 << at % 8,):
                changed = data[:at] + bytes((data[at] ^ bits,)) + data[at + 1 :]
                place = block_at(data, at) if name.endswith(".axs") else None
                yield Case("edit", {name: changed}, name, place)


def insertions(desk: dict[str, bytes]) -> Iterator[Case]:
    """Bytes put in between."""
    for name, data in desk.items():
        if name.endswith(".axs") or name == LEDGER:
            for at in range(len(data) + (name != LEDGER)):
                place = block_at(data, at) if name.endswith(".axs") else None
                yield Case("insert", {name: data[:at] + b"\x7f" + data[at:]}, name, place)


def deletions(desk: dict[str, bytes]) -> Iterator[Case]:
    """A byte taken out."""
    for name, data in desk.items():
        if name.endswith(".axs") or name == LEDGER:
            for at in range(len(data) - (name == LEDGER)):
                place = block_at(data, at) if name.endswith(".axs") else None
                yield Case("delete", {name: data[:at] + data[at + 1 :]}, name, place)


def swaps(desk: dict[str, bytes]) -> Iterator[Case]:
    """Two runs of bytes exchanged within a file, near ones and far ones."""
    for name, data in desk.items():
        if not (name.endswith(".axs") or name == LEDGER):
            continue
        for size, gap in ((1, 0), (8, 8), (64, 5)):
            for at in range(0, len(data) - 2 * size - gap - 1, size):
                one, two = data[at : at + size], data[at + size + gap : at + 2 * size + gap]
                middle = data[at + size : at + size + gap]
                changed = data[:at] + two + middle + one + data[at + 2 * size + gap :]
                if changed != data:
                    first = next(
                        i for i, (a, b) in enumerate(zip(data, changed, strict=True)) if a != b
                    )
                    place = block_at(data, first) if name.endswith(".axs") else None
                    yield Case("swap", {name: changed}, name, place)


def cuts(desk: dict[str, bytes]) -> Iterator[Case]:
    """A session's file cut at every length: at a block's edge too the end is missed."""
    for name, data in desk.items():
        if name != LEDGER:
            for length in range(0, len(data), 29 if name.endswith("watermark") else 1):
                last = name.endswith(".axs") and length in {b.offset for b in blocks_of(data)}
                yield Case("cut", {name: data[:length]}, name.split("/")[1] if last else name)


def forged_entries(desk: dict[str, bytes]) -> Iterator[Case]:
    """An entry's byte changed and every length and CRC of its block put right."""
    for name, data in desk.items():
        if not name.endswith(".axs"):
            continue
        for block in blocks_of(data):
            raw = expand(block, data[block.offset + HEADER_BYTES : block.end_offset])
            for at in range(len(raw)):
                changed = reforged(block, raw[:at] + bytes((raw[at] ^ 2,)) + raw[at + 1 :])
                whole = data[: block.offset] + changed + data[block.end_offset :]
                yield Case("forge", {name: whole}, name, block.offset)


def reforged(block: BlockHeader, raw: bytes) -> bytes:
    codec, stored = compress(raw)
    header = msgspec.structs.replace(
        block,
        raw_bytes=len(raw),
        stored_bytes=len(stored),
        payload_crc=zlib.crc32(stored),
        codec=codec,
        flags=block.flags | FLAG_SEALED,
    )
    return pack_header(header) + stored


def whole_files(desk: dict[str, bytes]) -> Iterator[Case]:
    """A file put in the place of another, exchanged with it, given another number, or gone."""
    segments = [name for name in desk if name.endswith(".axs")]
    for one, two in itertools.permutations(segments, 2):
        yield Case("copy over", {two: desk[one]}, two)
        if one < two:
            yield Case("exchange", {one: desk[two], two: desk[one]}, one)
    for one in segments:
        yield Case("remove", {one: None}, one.split("/")[1])
        for number in (2, 4, 9):
            renamed = f"{one.rpartition('/')[0]}/{number:06d}.axs"
            if renamed not in desk:
                yield Case("renumber", {one: None, renamed: desk[one]}, one.split("/")[1])
                yield Case("double", {renamed: desk[one]}, one.split("/")[1])
    for kind in ("watermark", "manifest.json"):
        for one, two in itertools.permutations(NAMES, 2):
            source, target = f"sessions/{one}/{kind}", f"sessions/{two}/{kind}"
            yield Case(f"copy over {kind}", {target: desk[source]}, target)


def sessions(desk: dict[str, bytes]) -> Iterator[Case]:
    """A session gone, exchanged, copied over another, or under a name that is not its own."""
    of = {
        name: {path: data for path, data in desk.items() if f"/{name}/" in path} for name in NAMES
    }

    def under(source: str, target: str) -> Files:
        return {path.replace(source, target): data for path, data in of[source].items()}

    for name in NAMES:
        gone: Files = dict.fromkeys(of[name])
        yield Case("session gone", gone, name)
        for other in (f"2025-10-01-paper-{name[-12:]}", f"2025-10-01-paper-{'d' * 12}"):
            yield Case("session renamed", {**gone, **under(name, other)}, other)
    for one, two in itertools.permutations(NAMES, 2):
        yield Case("session over another", under(one, two), two)
        if one < two:
            yield Case("sessions exchanged", {**under(one, two), **under(two, one)}, one)


def rewritten(desk: dict[str, bytes], tmp_path: Path) -> Iterator[Case]:
    """A session written anew with an entry edited, put in, taken out, exchanged or cut off at the
    end: every hash, CRC and watermark in it is right, and only the ledger remembers."""
    for number, (name, uid) in enumerate(zip(NAMES, UIDS, strict=True)):
        for index, groups in enumerate(other_histories(groups_of(number))):
            made = tmp_path / f"{number}-{index}"
            close_groups(made, name, uid, groups)
            files: Files = {p: d for p, d in contents(made).items() if p != LEDGER}
            absent = [path for path in desk if f"/{name}/" in path and path not in files]
            yield Case("rewrite", {**dict.fromkeys(absent), **files}, name)
            shutil.rmtree(made)


def other_histories(groups: list[Group]) -> Iterator[list[Group]]:
    sizes = [len(group) for group in groups]
    content = flat(groups)[0][-9:]
    for at in range(len(groups)):
        yield make_groups(sizes[:at] + sizes[at + 1 :], content)
        yield make_groups([*sizes[:at], 1, *sizes[at:]], content)
        yield groups[: at or 1] if at else make_groups([1], content)
        first = int(groups[at][0][1])
        edited = make_group(first, sizes[at], content[:-1] + b"!")
        yield [*groups[:at], edited, *groups[at + 1 :]]
    for one, two in itertools.combinations(range(len(sizes)), 2):
        exchanged = list(sizes)
        exchanged[one], exchanged[two] = exchanged[two], exchanged[one]
        if exchanged != sizes:
            yield make_groups(exchanged, content)


def ledgers(desk: dict[str, bytes]) -> Iterator[Case]:
    """The ledger's lines moved, doubled, taken out, renumbered, or written anew with every hash of
    the chain put right and another end for a session."""
    lines = desk[LEDGER].splitlines(keepends=True)
    for order in itertools.permutations(range(3)):
        if order != (0, 1, 2):
            yield Case("lines moved", {LEDGER: b"".join(lines[i] for i in order)}, LEDGER)
    for at in range(3):
        doubled = b"".join((*lines[: at + 1], *lines[at:]))
        yield Case("line doubled", {LEDGER: doubled}, LEDGER)
        if at < 2:
            yield Case("line gone", {LEDGER: b"".join(lines[:at] + lines[at + 1 :])}, LEDGER)
    records = [json.loads(line.partition(b" ")[2]) for line in lines]
    for at, record in enumerate(records):
        for key, value in (
            ("number", 7), ("uid", "e" * 12), ("head_seq", 6), ("head_hash", "0" * 64),
            ("session", f"2025-09-09-paper-{'e' * 12}"),
        ):  # fmt: skip
            changed = [*records[:at], {**record, key: value}, *records[at + 1 :]]
            yield Case(f"record's {key}", {LEDGER: ledger_of(changed)}, LEDGER)


def ledger_of(records: list[dict[str, object]]) -> bytes:
    """Records as a ledger whose hashes are right."""
    previous, lines = bytes(32), []
    for record in records:
        body = json.dumps(record, separators=(",", ":")).encode()
        previous = hashlib.sha256(previous + body).digest()
        lines.append(previous.hex().encode() + b" " + body + b"\n")
    return b"".join(lines)


BY_BYTE = (edits, insertions, deletions, swaps, cuts, forged_entries)
BY_FILE = (whole_files, sessions, ledgers)


def all_cases(desk: dict[str, bytes], tmp_path: Path, every: int) -> Iterator[Case]:
    """Every ``every``-th of the many changes within a file, every fourth (or all) of the rest."""
    for kind in BY_BYTE:
        yield from itertools.islice(kind(desk), 0, None, every)
    coarse = itertools.chain(*(kind(desk) for kind in BY_FILE), rewritten(desk, tmp_path))
    yield from itertools.islice(coarse, 0, None, min(every, 4))


# -- the search --------------------------------------------------------------------------------


def apply(desk: Path, files: Files) -> None:
    for name, data in files.items():
        path = desk / name
        if data is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        else:
            path.unlink()
    for folder in (desk / "sessions").iterdir():
        if not any(folder.iterdir()):
            folder.rmdir()


def restore(desk: Path, before: dict[str, bytes], files: Files) -> None:
    for name in files:
        path = desk / name
        if name in before:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(before[name])
        else:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def found(desk: Path) -> list[tuple[str, Problem]]:
    """(where, problem) for all that is wrong, ``where`` as a path from the desk."""
    report = verify_desk(desk)
    problems = [(problem.file, problem) for problem in report.problems]
    for name, session in report.sessions:
        problems += [(f"sessions/{name}/{problem.file}", problem) for problem in session.problems]
    return problems


def is_located(case: Case, problems: list[tuple[str, Problem]]) -> bool:
    return any(
        case.where in f"{where} {problem.message}"
        and (case.offset is None or problem.offset == case.offset)
        for where, problem in problems
    )


def search(tmp_path: Path, every: int) -> Counter[str]:
    """Try the cases; how many of each kind were found and located (all must be)."""
    desk = tmp_path / "desk"
    make_desk(desk)
    assert found(desk) == []
    before = contents(desk)
    tried: Counter[str] = Counter()
    for case in all_cases(before, tmp_path, every):
        apply(desk, case.files)
        problems = found(desk)
        assert is_located(case, problems), (case, problems)
        restore(desk, before, case.files)
        tried[case.what] += 1
    assert contents(desk) == before
    assert found(desk) == []
    sys.stdout.write(f"tampering: {tried.total()} cases found and located: {dict(tried)}\n")
    return tried


def test_j14_a_slice_of_all_tampering_is_found(tmp_path: Path) -> None:
    """J14, S10: one in sixty of the cases below that change bytes, a quarter of the others."""
    assert search(tmp_path, 61).total() > 300


@pytest.mark.slow
def test_j14_all_tampering_is_found_and_located(tmp_path: Path) -> None:
    """J14, S10: edits, insertions, deletions, swaps, cuts, forged blocks, exchanged, renumbered,
    doubled and missing files, missing, renamed, exchanged and rewritten sessions, changed ledgers:
    at least ten thousand cases, each found, and named with its file and block."""
    tried = search(tmp_path, 1)
    assert tried.total() >= 10_000
    assert len(tried) > 15


def test_canary_an_untouched_desk_is_not_found(tmp_path: Path) -> None:
    """A case that changes nothing is not located: the search above can fail."""
    make_desk(tmp_path / "desk")
    name = f"sessions/{NAMES[0]}/000001.axs"
    case = Case("nothing", {name: contents(tmp_path / "desk")[name]}, name)
    apply(tmp_path / "desk", case.files)
    assert not is_located(case, found(tmp_path / "desk"))


def test_what_needs_a_witness(tmp_path: Path) -> None:
    """Not found by the files alone, found by a head that was kept elsewhere: the ledger without
    its newest records, with their sessions or without, and a desk that was written anew."""
    desk = tmp_path / "desk"
    make_desk(desk)
    head = verify_desk(desk).hashes[-1]
    lines = (desk / LEDGER).read_bytes().splitlines(keepends=True)
    (desk / LEDGER).write_bytes(b"".join(lines[:2]))
    cut = verify_desk(desk)
    assert cut.ok
    assert "the ledger has no record of this session" in dict(cut.sessions)[NAMES[2]].notes
    assert head not in cut.hashes
    shutil.rmtree(desk / "sessions" / NAMES[2])
    assert verify_desk(desk).ok
    assert head not in verify_desk(desk).hashes
    shutil.rmtree(desk)
    for number, (name, uid) in enumerate(zip(NAMES, UIDS, strict=True)):
        close_groups(desk, name, uid, make_groups([1 + number], b"another past"))
    assert verify_desk(desk).ok
    assert head not in verify_desk(desk).hashes
