"""The stand-alone verifier: it finds every change, says where, and agrees with recovery."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.envelope import encode_envelope
from journal import verify
from journal.block import CODEC_ZSTD, RAW_BYTES_MAX, BlockHeader, pack_header, parse_header
from journal.close import close_session
from journal.log import SessionLog, WriterOptions
from journal.manifest import Manifest, write_manifest
from journal.recovery import Verdict, inspect_session
from journal.seal import seal_session
from journal.verify import verify_session
from journal.watermark import WatermarkFile
from tests.journal.journals import (
    FAST,
    UID,
    Said,
    build,
    chain_of,
    flat,
    make_group,
    make_groups,
    read_all,
    snapshot,
    write_session,
)
from tests.journal.test_block import bomb

SCRIPT = Path(verify.__file__)
NAME = f"2025-08-29-paper-{UID}"
OTHER = f"2025-09-01-paper-{'f' * 12}"
SMALL = WriterOptions(segment_size_bytes=400)
GROUPS = make_groups([1, 3, 2, 4] * 3, b"verify me " * 3)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The verifier as a stranger would run it: one file, no path to our packages."""
    return subprocess.run(
        (sys.executable, str(SCRIPT), *arguments),
        capture_output=True,
        text=True,
        check=False,
        env={},
        cwd="/",
    )


def sealed_desk(desk: Path) -> Path:
    """A desk with one sealed session, its manifest and its ledger."""
    folder = desk / "sessions" / NAME
    write_session(folder, [GROUPS], options=SMALL)
    write_manifest(folder, Manifest(NAME, UID, "2025-08-29", "paper", "axiom", "3", "x", "h", 1, 2))
    close_session(folder, desk / "ledger.axl")
    return folder


def block_starts(data: bytes) -> list[int]:
    starts, at = [], 0
    while at < len(data):
        starts.append(at)
        at = parse_header(data[at:]).end_offset
    return starts


def test_a_changed_byte_anywhere_is_named_with_its_place(tmp_path: Path) -> None:
    """One byte changed anywhere in any file of a sealed session: a problem that names the file,
    and in a segment the block's offset and a seq."""
    folder = sealed_desk(tmp_path)
    files = {path for path in folder.iterdir() if path.stat().st_size}
    assert {path.suffix for path in files} == {".axs", ".json", ""}
    for path in files:
        whole = path.read_bytes()
        starts = block_starts(whole) if path.suffix == ".axs" else []
        for at in range(0, len(whole), 5 if path.suffix == ".axs" else 17):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << at % 8
            path.write_bytes(damaged)
            report = verify_session(folder, ledger=tmp_path / "ledger.axl")
            assert not report.ok, (path.name, at)
            first = report.problems[0]
            assert first.file == path.name
            if starts:
                assert first.offset == max(start for start in starts if start <= at)
                assert first.seq is not None
        path.write_bytes(whole)
    assert verify_session(folder, ledger=tmp_path / "ledger.axl").ok


def test_the_program_says_where_and_exits_1(tmp_path: Path) -> None:
    """As a subprocess: 0 and one line for an intact session; after a change of one byte 1, with
    file, offset and seq; 2 for a folder that is not there."""
    folder = sealed_desk(tmp_path)
    good = run(str(folder))
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("OK ")
    assert chain_of(flat(GROUPS)).hex() in good.stdout
    path = folder / "000002.axs"
    whole = path.read_bytes()
    for at in (0, 70, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        bad = run(str(folder))
        assert (bad.returncode, bad.stderr) == (1, "")
        start = max(start for start in block_starts(whole) if start <= at)
        assert f"000002.axs offset {start} seq " in bad.stdout
        assert "PROBLEM" in bad.stdout.splitlines()[0]
        assert bad.stdout.splitlines()[-1].startswith("BAD ")
    for arguments in ((str(tmp_path / "none"),), (str(path),)):
        refused = run(*arguments)
        assert refused.returncode == 2
        assert len(refused.stderr.splitlines()) == 1
    assert run().returncode == 2


def test_a_head_kept_elsewhere_is_compared(tmp_path: Path) -> None:
    """``--head`` with the right hash passes, with another fails: a wholly rewritten session."""
    folder = sealed_desk(tmp_path)
    head = chain_of(flat(GROUPS)).hex()
    assert run(str(folder), "--head", head.upper()).returncode == 0
    other = run(str(folder), "--head", "0" * 64)
    assert other.returncode == 1
    assert "HEAD_DIFFERS" in other.stdout


def test_a_desk_is_verified_whole(tmp_path: Path) -> None:
    """Given a desk, every session and the ledger are checked; a session that is gone is named."""
    folder = sealed_desk(tmp_path)
    assert run(str(tmp_path)).returncode == 0
    shutil.rmtree(folder)
    gone = run(str(tmp_path))
    assert gone.returncode == 1
    assert f"SESSION_MISSING ledger.axl: {NAME}" in gone.stdout


def test_a_ledger_has_a_head_to_keep(tmp_path: Path) -> None:
    """The program prints the ledger's head; later any head it once had passes and another fails;
    beside a session it names the others that are gone."""
    folder = sealed_desk(tmp_path)
    head = run(str(tmp_path)).stdout.split()[-1]
    build(folder.parent / OTHER, [GROUPS], uid="f" * 12)
    close_session(folder.parent / OTHER, tmp_path / "ledger.axl")
    assert run(str(tmp_path), "--head", head).returncode == 0
    other = run(str(tmp_path), "--head", "0" * 64)
    assert (other.returncode, "HEAD_DIFFERS" in other.stdout) == (1, True)
    shutil.rmtree(folder.parent / OTHER)
    beside = run(str(folder))
    assert beside.returncode == 1
    assert f"SESSION_MISSING ledger.axl: {OTHER}" in beside.stdout


def test_one_file_in_an_empty_folder_is_enough(tmp_path: Path) -> None:
    """Copied alone into an empty folder, run there in isolated mode, it verifies a session: the
    standard library and the decompressor are all it has."""
    folder = sealed_desk(tmp_path / "desk")
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(SCRIPT, alone / "check.py")
    done = subprocess.run(
        (sys.executable, "-I", "-B", "check.py", str(folder)),
        capture_output=True,
        text=True,
        check=False,
        env={},
        cwd=alone,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert chain_of(flat(GROUPS)).hex() in done.stdout
    assert [path.name for path in alone.iterdir()] == ["check.py"]


def test_it_stands_alone() -> None:
    """It imports the standard library and zstandard, nothing of ours; and it opens no file for
    writing."""
    tree = ast.parse(SCRIPT.read_text())
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add((node.module or "").split(".")[0])
    assert modules - set(sys.stdlib_module_names) == {"zstandard"}
    calls = {
        node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert not calls & {"write_bytes", "write_text", "unlink", "rename", "replace", "truncate"}


def test_it_changes_nothing(tmp_path: Path) -> None:
    """Looking at a damaged, unsealed session leaves every byte as it was."""
    path = build(tmp_path / "s", [GROUPS], [make_group(31, 3)])
    path.write_bytes(path.read_bytes()[:-3])
    before = snapshot(tmp_path / "s")
    verify_session(tmp_path / "s")
    assert snapshot(tmp_path / "s") == before


def test_a_cut_sealed_file_shows_at_every_length(tmp_path: Path) -> None:
    """The last sealed segment cut anywhere, also at a block's edge, is a problem."""
    folder = sealed_desk(tmp_path)
    path = max(folder.glob("*.axs"))
    whole = path.read_bytes()
    for length in (*range(0, len(whole), 3), *block_starts(whole)):
        path.write_bytes(whole[:length])
        assert not verify_session(folder).ok, length


def test_an_open_session_is_judged_by_its_watermark(tmp_path: Path) -> None:
    """Unacknowledged entries and a torn tail are notes; the acknowledged part is not negotiable."""
    path = build(tmp_path / "s", [GROUPS], [make_group(31, 3)])
    whole = path.read_bytes()
    report = verify_session(tmp_path / "s")
    assert (report.ok, report.closed, report.entries) == (True, False, 33)
    assert "3 entries are not acknowledged yet" in report.notes
    path.write_bytes(whole[:-1])
    report = verify_session(tmp_path / "s")
    assert (report.ok, report.entries) == (True, 30)
    assert any("torn tail" in note for note in report.notes)
    acknowledged = build(tmp_path / "t", [GROUPS]).stat().st_size
    path.write_bytes(whole[: acknowledged - 1])
    assert [problem.code for problem in verify_session(tmp_path / "s").problems] == [
        "JOURNAL_CORRUPT",
        "JOURNAL_CORRUPT",
    ]


def test_several_problems_are_all_named(tmp_path: Path) -> None:
    """Damage in two places gives both places; what lies between is still checked."""
    batches = [[group] for group in GROUPS]
    path = build(tmp_path / "s", batches)
    data = bytearray(path.read_bytes())
    starts = block_starts(bytes(data))
    for block in (2, 7):
        data[starts[block] + 140] ^= 1
    path.write_bytes(data)
    report = verify_session(tmp_path / "s")
    assert [problem.offset for problem in report.problems] == [starts[2], starts[7]]


def write_raw(folder: Path, *groups: tuple[bytes, ...]) -> None:
    FAST.make_folder(folder)
    mark = WatermarkFile.create(folder, bytes.fromhex(UID), FAST)
    log = SessionLog(folder, bytes.fromhex(UID), mark, WriterOptions(), FAST)
    for group in groups:
        log.add_group(group)
    log.finish()
    log.close()


def entry(seq: int, cause: int, kind: str = "Said") -> bytes:
    return encode_envelope(seq, kind, 1, 1, cause, Said(seq, b""))


def test_group_marks_must_say_what_the_causes_say(tmp_path: Path) -> None:
    """A fact inside a group, a derivation after a group's end, of another cause, or of a later
    one is a problem; a ``TailCut`` may follow the group that it closes."""
    bad = {
        "fact inside": ((entry(1, 1), entry(2, 2)),),
        "after the end": ((entry(1, 1),), (entry(2, 1),)),
        "other cause": ((entry(1, 1),), (entry(2, 2), entry(3, 1))),
        "later cause": ((entry(1, 2),), (entry(2, 2),)),
    }
    for number, groups in enumerate(bad.values()):
        write_raw(tmp_path / str(number), *groups)
        report = verify_session(tmp_path / str(number))
        assert report.problems[0].code == "JOURNAL_GROUP_MARK"
    write_raw(tmp_path / "cut", (entry(1, 1), entry(2, 1), entry(3, 3, "TailCut")), (entry(4, 4),))
    assert verify_session(tmp_path / "cut").ok


@pytest.mark.parametrize(
    "data",
    [
        b"\x95\x01\xa1x\x01\x01\x01\x00",
        b"\x96\x02\xa1x\x01\x01\x01\x00",
        b"\x96\xcc\x01\xa1x\x01\x01\x01\x00",
        b"\x96\x01\x01\x01\x01\x01\x00",
        b"\x96\x01\xa1\xff\x01\x01\x01\x00",
        b"\x96\x01\xa1x\x01\x01\xa1x",
        b"\x96\x01\xa1x\x01\x01\x01",
    ],
)
def test_what_is_no_envelope_is_named(tmp_path: Path, data: bytes) -> None:
    """An array of another size, another seq, a long integer, a missing payload: all are named."""
    write_raw(tmp_path / "s", (data,))
    assert verify_session(tmp_path / "s").problems[0].code in (
        "JOURNAL_CORRUPT",
        "JOURNAL_CHAIN_BROKEN",
    )


def test_odd_folders_are_problems_not_errors(tmp_path: Path) -> None:
    """An empty folder, a lone watermark, a gap in numbers, a foreign file of a segment's name."""
    assert [p.code for p in verify_session(tmp_path).problems] == ["JOURNAL_MISSING"]
    write_session(tmp_path / "s", [GROUPS], options=SMALL)
    (tmp_path / "s" / "000001.axj").rename(tmp_path / "s" / "000099.axj")
    codes = {problem.code for problem in verify_session(tmp_path / "s").problems}
    assert "SEGMENT_GAP" in codes
    (tmp_path / "s" / "000001.axj").write_bytes(b"not a journal" * 1000)
    assert not verify_session(tmp_path / "s").ok


def test_a_bomb_is_a_problem_and_not_a_gigabyte(tmp_path: Path) -> None:
    """S04: a forged block whose zstd frame would give 1 GiB is named; the verifier never holds
    more than a few times the largest block."""
    build(tmp_path / "s", [])
    stored = bomb(True)
    header = BlockHeader(
        uid=bytes.fromhex(UID),
        segment=1,
        offset=0,
        first_seq=1,
        count=1,
        durable_through=0,
        hash_before=bytes(32),
        hash_after=bytes(32),
        raw_bytes=RAW_BYTES_MAX,
        stored_bytes=len(stored),
        payload_crc=zlib.crc32(stored),
        codec=CODEC_ZSTD,
    )
    (tmp_path / "s" / "000001.axj").write_bytes(pack_header(header) + stored)
    tracemalloc.start()
    report = verify_session(tmp_path / "s")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "declares another size" in report.problems[0].message
    assert peak < 64 << 20


def mutate(data: bytes, how: str, at: int, amount: int) -> bytes:
    """One kind of damage at a place."""
    at %= len(data)
    if how == "flip":
        return data[:at] + bytes([data[at] ^ (1 << amount % 8)]) + data[at + 1 :]
    if how == "cut":
        return data[:at]
    if how == "zero":
        end = min(at + amount, len(data))
        return data[:at] + bytes(end - at) + data[end:]
    return data + bytes(range(amount % 256)) * 2


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    how=st.sampled_from(("flip", "cut", "zero", "junk")),
    at=st.integers(0, 10_000),
    amount=st.integers(1, 300),
    acknowledged=st.integers(0, 5),
    second=st.booleans(),
)
def test_two_readings_of_the_format_agree(
    tmp_path_factory: pytest.TempPathFactory,
    how: str,
    at: int,
    amount: int,
    acknowledged: int,
    second: bool,
) -> None:
    """Whatever happens to an open journal, recovery opens it exactly when the verifier finds no
    problem, and both find the same end (written apart, so a shared mistake is unlikely)."""
    folder = tmp_path_factory.mktemp("j") / "s"
    batches = [GROUPS[:2], GROUPS[2:4], GROUPS[4:5], GROUPS[5:8], GROUPS[8:]]
    unsynced = [group for batch in batches[acknowledged:] for group in batch]
    options = WriterOptions(block_size_bytes=150)
    path = build(folder, batches[:acknowledged], unsynced, options=options)
    data = mutate(path.read_bytes(), how, at, amount)
    path.write_bytes(mutate(data, "flip", at * 7, at) if second and data else data)
    inspection = inspect_session(folder, files=FAST)
    report = verify_session(folder)
    opens = inspection.verdict in (Verdict.OPEN, Verdict.CUT)
    assert report.ok == opens, (inspection.verdict, report.problems)
    if opens:
        assert report.head_seq == inspection.scan.end_seq
        assert report.head_hash == inspection.scan.end_hash.hex()


def test_a_sealed_copy_alone_is_enough(tmp_path: Path) -> None:
    """The sealed segments of a session without anything else verify and read, with notes."""
    write_session(tmp_path / "s", [GROUPS], options=SMALL)
    seal_session(tmp_path / "s")
    (tmp_path / "copy").mkdir()
    for path in (tmp_path / "s").glob("*.axs"):
        shutil.copy(path, tmp_path / "copy")
    report = verify_session(tmp_path / "copy")
    assert (report.ok, report.closed, len(report.notes)) == (True, True, 3)
    assert read_all(tmp_path / "copy") == flat(GROUPS)


def test_without_the_decompressor_it_says_which_package(tmp_path: Path) -> None:
    """A Python that lacks zstandard: one line that names it, exit 2."""
    (tmp_path / "zstandard.py").write_text("raise ModuleNotFoundError('zstandard')")
    done = subprocess.run(
        (sys.executable, "-B", str(SCRIPT), str(tmp_path)),
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install zstandard" in done.stderr
    assert done.stderr.count("\n") == 1
