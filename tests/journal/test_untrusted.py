"""Journals made by somebody else: opening one runs nothing, fills nothing and leaves its folder
nowhere. Every hostile folder is opened by every reader of this room in a child with little memory.
"""

from __future__ import annotations

import ast
import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from events.envelope import SEQ_FIRST, decode_envelope, encode_envelope
from events.registry import PayloadError, UnknownKindError
from events.upcast import current_event
from journal import verify
from journal.block import (
    CODEC_RAW,
    CODEC_ZSTD,
    GROUP_END,
    RAW_BYTES_MAX,
    BlockHeader,
    chain_next,
    compress,
    pack_header,
    pack_word,
)
from journal.errors import BadSessionName, JournalError
from journal.ledger import record_hash
from journal.session_folder import desk_folder, parse_session_name
from journal.verify import verify_session
from journal.writer import JournalWriter
from tests.architecture.source import ROOMS
from tests.journal.journals import UID, Said, build, make_group, make_groups, snapshot
from tests.journal.test_block import bomb

ROOT = Path(__file__).resolve().parents[2]
MEMORY_BYTES = 640 << 20
CPU_S = 60
SPARSE_BYTES = 32 << 20
HUGE_BYTES = 64 << 30

CHILD = """
import resource, sys
from pathlib import Path
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]), int(sys.argv[2])))
from journal.close import close_session
from journal.errors import JournalError
from journal.ledger import read_ledger
from journal.manifest import read_manifest
from journal.reader import JournalReader
from journal.recovery import check_verdict, inspect_session
from journal.seal import seal_session
from journal.verify import verify_session
from journal.writer import JournalWriter

def read(folder):
    count = 0
    with JournalReader(folder) as reader:
        for block in reader.iter_blocks():
            count += len(block)
    return count

def judge(folder):
    report = verify_session(folder, ledger=folder / "ledger.axl")
    return "ok" if report.ok else report.problems[0].code

OPENERS = {
    "verify": judge,
    "recovery": lambda folder: check_verdict(inspect_session(folder)),
    "reader": read,
    "manifest": read_manifest,
    "ledger": lambda folder: len(read_ledger(folder / "ledger.axl")),
    "seal": lambda folder: len(seal_session(folder)),
    "close": lambda folder: close_session(folder, None).head_seq,
}
for name in sys.argv[3:]:
    for opener, call in OPENERS.items():
        try:
            answer = call(Path(name))
        except JournalError as error:
            answer = error.code
        print(Path(name).name, opener, answer, flush=True)
if "balloon" in sys.argv[3:][-1]:
    print(len(bytearray(1 << 30)))
"""


def forged(stored: bytes, raw_bytes: int, count: int, after: bytes, codec: int) -> bytes:
    """A block whose CRCs are good, whatever it claims."""
    header = BlockHeader(
        uid=bytes.fromhex(UID),
        segment=1,
        offset=0,
        first_seq=SEQ_FIRST,
        count=count,
        durable_through=0,
        hash_before=bytes(32),
        hash_after=after,
        raw_bytes=raw_bytes,
        stored_bytes=len(stored),
        payload_crc=zlib.crc32(stored),
        codec=codec,
    )
    return pack_header(header) + stored


def good(folder: Path) -> Path:
    return build(folder, [make_groups([2, 1])])


def zstd_bomb(folder: Path) -> None:
    good(folder).write_bytes(forged(bomb(True), RAW_BYTES_MAX, 1, bytes(32), CODEC_ZSTD))


def honest_zstd_of_tiny_entries(folder: Path) -> None:
    """As many entries as a block may hold, in a few KiB on the disk."""
    tiny = msgspec.msgpack.encode((1, "x", 1, 1, 1, None))
    words = pack_word(len(tiny) | GROUP_END) + tiny
    count = RAW_BYTES_MAX // len(words)
    codec, stored = compress(words * count)
    data = forged(stored, count * len(words), count, chain_next(bytes(32), tiny), codec)
    good(folder).write_bytes(data)


def huge_lengths(folder: Path) -> None:
    """An entry whose length word claims 2 GiB, in a raw block that claims its limit."""
    raw = struct.pack("<I", 0x7FFFFFFF) + bytes(40)
    good(folder).write_bytes(forged(raw, len(raw), 1, bytes(32), CODEC_RAW))


def claimed_gigabytes(folder: Path) -> None:
    """A header whose payload would be 4 GiB: refused by its own fields."""
    data = bytearray(forged(b"x" * 50, 50, 1, bytes(32), CODEC_RAW))
    data[52:60] = struct.pack("<II", 0xFFFFFFFF, 0xFFFFFFFF)
    data[128:132] = struct.pack("<I", zlib.crc32(bytes(data[:128])))
    good(folder).write_bytes(data)


def many_sync_marks(folder: Path) -> None:
    marks, offset = [], 0
    for _ in range(15_000):
        header = BlockHeader(
            uid=bytes.fromhex(UID),
            segment=1,
            offset=offset,
            first_seq=1,
            count=0,
            durable_through=0,
            hash_before=bytes(32),
            hash_after=bytes(32),
        )
        marks.append(pack_header(header))
        offset += len(marks[-1])
    build(folder, []).write_bytes(b"".join(marks))


def grown(name: str, size: int) -> Callable[[Path], None]:
    """A file of a session that claims ``size`` bytes and holds next to none."""

    def grow(folder: Path) -> None:
        good(folder)
        with (folder / name).open("ab") as file:
            file.truncate(size)

    return grow


def nested_manifest(folder: Path) -> None:
    good(folder)
    (folder / "manifest.json").write_bytes(b"[" * 500_000)


def newline_ledger(folder: Path) -> None:
    good(folder)
    (folder / "ledger.axl").write_bytes(b"\n" * (12 << 20))


def nested_ledger(folder: Path) -> None:
    """A record with a good hash whose JSON is a hundred thousand brackets."""
    good(folder)
    body = b"[" * 100_000
    line = record_hash(bytes(32), body).hex().encode() + b" " + body + b"\n"
    (folder / "ledger.axl").write_bytes(line)


def linked(name: str, target: str) -> Callable[[Path], None]:
    def link(folder: Path) -> None:
        good(folder)
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return link


def piped(name: str) -> Callable[[Path], None]:
    def pipe(folder: Path) -> None:
        good(folder)
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return pipe


def foldered(name: str) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        good(folder)
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()

    return make


HOSTILE: dict[str, Callable[[Path], None]] = {
    "zstd_bomb": zstd_bomb,
    "tiny_entries": honest_zstd_of_tiny_entries,
    "huge_lengths": huge_lengths,
    "claimed_gigabytes": claimed_gigabytes,
    "sync_marks": many_sync_marks,
    "sparse_segment": grown("000001.axj", SPARSE_BYTES),
    "huge_watermark": grown("watermark", HUGE_BYTES),
    "huge_manifest": grown("manifest.json", HUGE_BYTES),
    "huge_ledger": grown("ledger.axl", HUGE_BYTES),
    "nested_manifest": nested_manifest,
    "newline_ledger": newline_ledger,
    "nested_ledger": nested_ledger,
    "segment_to_device": linked("000001.axj", "/dev/zero"),
    "segment_to_secret": linked("000001.axj", "/etc/passwd"),
    "segment_to_itself": linked("000001.axj", "000001.axj"),
    "watermark_to_device": linked("watermark", "/dev/zero"),
    "manifest_to_device": linked("manifest.json", "/dev/zero"),
    "ledger_to_device": linked("ledger.axl", "/dev/zero"),
    "segment_pipe": piped("000001.axj"),
    "watermark_pipe": piped("watermark"),
    "manifest_pipe": piped("manifest.json"),
    "ledger_pipe": piped("ledger.axl"),
    "segment_folder": foldered("000001.axj"),
    "watermark_folder": foldered("watermark"),
    "seal_lock_pipe": piped("seal.lock"),
}
"""What a stranger may send, by name."""

INTACT = {"sync_marks", "sparse_segment", "seal_lock_pipe"}
"""Odd, and not wrong: empty blocks may be many, trailing zeros are nobody's, locks are no part."""


def open_all(*folders: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-P", "-c", CHILD, str(MEMORY_BYTES), str(CPU_S), *map(str, folders)),
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def test_s04_hostile_journals_are_named_in_little_memory(tmp_path: Path) -> None:
    """S04: bombs, huge lengths, sparse files, nested JSON, links, pipes and devices: every opener
    of the room answers each with a code, in a child with 640 MiB of address space."""
    for name, make in HOSTILE.items():
        make(tmp_path / name)
    done = open_all(*(tmp_path / name for name in HOSTILE))
    assert done.returncode == 0, done.stderr[-2000:]
    answers = [line.split() for line in done.stdout.splitlines()]
    assert len(answers) == 7 * len(HOSTILE)
    verdicts = {name: answer for name, opener, answer in answers if opener == "verify"}
    assert {name for name, answer in verdicts.items() if answer == "ok"} == INTACT
    recoveries = {name: answer for name, opener, answer in answers if opener == "recovery"}
    for name in ("zstd_bomb", "tiny_entries", "huge_lengths", "claimed_gigabytes"):
        assert recoveries[name] == "JOURNAL_CORRUPT"
    sys.stdout.write(f"S04: {len(answers)} openings of {len(HOSTILE)} hostile folders\n")


def test_canary_the_child_really_has_little_memory(tmp_path: Path) -> None:
    """A child that does ask for a gigabyte dies of it: the limit above is a limit."""
    good(tmp_path / "balloon")
    done = open_all(tmp_path / "balloon")
    assert done.returncode != 0
    assert "MemoryError" in done.stderr


def test_s04_payloads_that_are_no_payloads_are_named() -> None:
    """S04: nesting without end, NaN, extension types and other shapes are a named refusal when an
    entry is decoded; the envelope itself is read without looking inside."""
    hostile = (
        b"\x91" * 100_000 + b"\xc0",
        b"\x81" * 50_000,
        msgspec.msgpack.encode(float("nan")),
        b"\xc7\x04\x01abcd",
        b"\xdd\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xffx",
        msgspec.msgpack.encode([1, 2, 3]),
    )
    for payload in hostile:
        data = msgspec.msgpack.encode((1, "TimerTick", 1, 1, 1, msgspec.Raw(payload)))
        try:
            envelope = decode_envelope(data)
        except ValueError:
            continue
        with pytest.raises(PayloadError, match="PAYLOAD_INVALID"):
            current_event(envelope)


@pytest.mark.parametrize("kind", ["os:system", "builtins.eval", "subprocess.Popen", "__class__"])
def test_s05_a_kind_is_a_word_of_a_closed_list(tmp_path: Path, kind: str) -> None:
    """S05: a kind that names code is an unknown kind: listed by the verifier, refused by name
    where it would be decoded, and nothing is imported for it."""
    before = set(sys.modules)
    data = encode_envelope(1, kind, 1, 1, 1, Said(1, b"echo"))
    build(tmp_path / "s", [[(data,)]])
    assert verify_session(tmp_path / "s").entries == 1
    with pytest.raises(UnknownKindError, match="KIND_UNKNOWN"):
        current_event(decode_envelope(data))
    assert set(sys.modules) == before


RUNS_DATA = {
    "eval", "exec", "compile", "__import__", "import_module", "pickle", "cPickle", "marshal",
    "shelve", "dill", "yaml", "loads_pickle", "literal_eval",
}  # fmt: skip
MAY_IMPORT_BY_NAME = {"cli/main.py", "cli/rooms.py"}
"""The command line finds its verbs by its own table; no name comes from a file of a session."""


def words_that_run_data(source: str) -> set[str]:
    """Names and imports in a source that could turn bytes into code."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            is_regex = isinstance(node.value, ast.Name) and node.value.id == "re"
            found |= set() if is_regex else {node.attr}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.name.split(".")[0] for alias in node.names}
            found.add(getattr(node, "module", None) or "")
    return found & RUNS_DATA


def test_s05_nothing_in_the_tree_turns_bytes_into_code() -> None:
    """S05: no pickle, eval, exec or import by a string in any room."""
    found = {
        path.relative_to(ROOT).as_posix(): words
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if (words := words_that_run_data(path.read_text()))
    }
    assert {path: words for path, words in found.items() if path not in MAY_IMPORT_BY_NAME} == {}


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from marshal import loads", "eval('1')", "importlib.import_module(kind)"],
)
def test_canary_code_that_runs_data_is_found(source: str) -> None:
    """The search above finds what it is for."""
    assert words_that_run_data(source)


NAMES = ("../x", "/etc", "a/b", "..", ".", "", "A", "a\0b", "a" * 65, "ä", "a b", "a\n")


@pytest.mark.parametrize("name", NAMES)
def test_s04_no_name_leaves_its_folder(tmp_path: Path, name: str) -> None:
    """S04: desks and sessions with separators, dots, NUL, other letters or too many are refused
    before they meet a path."""
    with pytest.raises(BadSessionName):
        desk_folder(tmp_path, name)
    with pytest.raises(BadSessionName):
        parse_session_name(f"2025-08-29-paper-{UID}{name}x")


def test_s04_a_ledger_cannot_point_outside(tmp_path: Path) -> None:
    """S04: a ledger whose records name other folders makes nobody look there."""
    outside = tmp_path / "outside"
    good(outside)
    desk = tmp_path / "desk"
    (desk / "sessions").mkdir(parents=True)
    lines, previous = [], bytes(32)
    for number, name in enumerate((str(outside), "../../outside", "../outside"), start=1):
        body = json.dumps({"number": number, "session": name, "state": "closed"}).encode()
        previous = record_hash(previous, body)
        lines.append(previous.hex().encode() + b" " + body + b"\n")
    (desk / "ledger.axl").write_bytes(b"".join(lines))
    problems = verify.verify_ledger(desk / "ledger.axl", desk / "sessions")
    assert [problem.code for problem in problems] == ["SESSION_MISSING"] * 3


def test_s04_the_look_of_a_stranger_changes_nothing(tmp_path: Path) -> None:
    """S04: refusing a link leaves the file it points to as it was."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"mine")
    linked("000001.axj", str(secret))(tmp_path / "s")
    before = snapshot(tmp_path / "s").keys()
    assert not verify_session(tmp_path / "s").ok
    with pytest.raises(JournalError):
        resume_and_append(tmp_path / "s")
    assert secret.read_bytes() == b"mine"
    assert snapshot(tmp_path / "s").keys() == before | {"writer.lock"}


def resume_and_append(folder: Path) -> None:
    JournalWriter.resume(folder)[0].append(make_group(1, 1))
