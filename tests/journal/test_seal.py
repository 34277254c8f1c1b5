"""Sealing: fewer bytes, the same chain, and no moment at which an entry is nowhere."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from journal.block import FLAG_SEALED, HEADER_BYTES, parse_header
from journal.errors import ChainBroken, JournalClosed, JournalCorrupt, JournalError, JournalMissing
from journal.files import How
from journal.log import SessionLog, WriterOptions
from journal.recovery import inspect_session, repair
from journal.seal import seal_session, spawn_seal
from journal.verify import verify_session
from journal.watermark import WatermarkFile
from journal.writer import JournalWriter
from tests.journal.journals import (
    UID,
    FastFiles,
    build,
    chain_of,
    files_of,
    flat,
    make_group,
    make_groups,
    read_all,
    write_session,
)

ROOT = Path(__file__).resolve().parents[2]
SMALL = WriterOptions(segment_size_bytes=300)
GROUPS = make_groups([1, 3, 2, 4] * 10, b"seal me " * 4)


class DyingFiles(FastFiles):
    """A disk whose process dies before step ``steps``: nothing works from then on."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENODEV, "the process is dead")

    def open(self, path: Path, how: How) -> int:
        if how != "read":
            self._step()
        return super().open(path, how)

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
        self._step()
        super().write(handle, offset, data)

    def sync(self, handle: int) -> None:
        self._step()

    def sync_dir(self, folder: Path) -> None:
        self._step()

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        super().rename(source, target)

    def unlink(self, path: Path) -> None:
        self._step()
        super().unlink(path)


def test_sealed_bytes_depend_on_the_entries_alone(tmp_path: Path) -> None:
    """However the entries were batched, cut into blocks, coded, interrupted or timed, the sealed
    files are the same, byte for byte; other entries give others."""
    folders = []
    for number, (options, batches, pause) in enumerate(
        (
            (SMALL, [GROUPS], False),
            (SMALL, [[group] for group in GROUPS], False),
            (WriterOptions(segment_size_bytes=300, block_size_bytes=50), [GROUPS], False),
            (WriterOptions(segment_size_bytes=300, codec="zstd", linger_ms=0), [GROUPS], False),
            (WriterOptions(segment_size_bytes=300, sync="at_close"), [GROUPS], False),
            (SMALL, [GROUPS[:17], GROUPS[17:]], True),
        )
    ):
        folder = tmp_path / str(number)
        if pause:
            write_session(folder, batches[:1], final=False, options=options)
            writer, _ = JournalWriter.resume(folder, options=options)
            for group in batches[1]:
                writer.append(group)
            writer.close()
        else:
            write_session(folder, batches, options=options)
        seal_session(folder)
        folders.append({path.name: path.read_bytes() for path in folder.glob("*.axs")})
    assert len(folders[0]) > 3
    assert all(sealed == folders[0] for sealed in folders)
    other = tmp_path / "other"
    write_session(other, [make_groups([1, 3, 2, 4] * 10, b"seal me!")], options=SMALL)
    seal_session(other)
    assert (other / "000001.axs").read_bytes() != folders[0]["000001.axs"]


def test_a_sealed_session_reads_the_same(tmp_path: Path) -> None:
    """Sealing changes no entry, no mark, no hash; the live files are gone; again does nothing."""
    head = write_session(tmp_path / "s", [GROUPS], options=SMALL)
    live = sum(path.stat().st_size for path in files_of(tmp_path / "s", ".axj"))
    before = verify_session(tmp_path / "s")
    assert len(seal_session(tmp_path / "s")) == len(list((tmp_path / "s").glob("*.axs")))
    assert not list((tmp_path / "s").glob("*.axj"))
    assert sum(path.stat().st_size for path in files_of(tmp_path / "s", ".axs")) < live
    assert read_all(tmp_path / "s") == flat(GROUPS)
    after = verify_session(tmp_path / "s")
    assert (after.ok, after.closed, after.head_hash) == (True, True, head[1].hex())
    assert before.head_hash == after.head_hash
    assert seal_session(tmp_path / "s") == ()
    header = parse_header((tmp_path / "s" / "000001.axs").read_bytes()[:HEADER_BYTES])
    assert header.flags & FLAG_SEALED
    assert header.durable_through == header.last_seq


def test_only_finished_segments_are_sealed(tmp_path: Path) -> None:
    """Beside a running writer all segments but the last are sealed, and the writer goes on."""
    writer = JournalWriter.create(tmp_path / "s", UID, options=SMALL)
    for group in GROUPS[:20]:
        last = writer.append(group)
    assert writer.wait_durable(last, 60)
    sealed = seal_session(tmp_path / "s")
    assert sealed
    assert len(list((tmp_path / "s").glob("*.axj"))) == 1
    for group in GROUPS[20:]:
        writer.append(group)
    writer.close()
    assert read_all(tmp_path / "s") == flat(GROUPS)
    assert verify_session(tmp_path / "s").ok


def test_a_segment_is_announced_when_it_is_finished(tmp_path: Path) -> None:
    """``on_roll`` gets the path of every segment but the last, in order."""
    rolled: list[str] = []
    options = WriterOptions(segment_size_bytes=300, on_roll=lambda path: rolled.append(path.name))
    write_session(tmp_path / "s", [GROUPS], options=options)
    names = [path.name for path in files_of(tmp_path / "s", ".axj")]
    assert rolled == names[:-1]


def test_j09_dying_at_every_step_of_a_seal(tmp_path: Path) -> None:
    """J09, J10: a sealer that dies before any step leaves a folder that reads and verifies the
    same, and the next sealer finishes."""
    write_session(tmp_path / "whole", [GROUPS[:8]], options=SMALL)
    originals = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    steps = 0
    deaths: set[bool] = set()
    while True:
        folder = tmp_path / str(steps)
        folder.mkdir(mode=0o700)
        for name, data in originals.items():
            (folder / name).write_bytes(data)
        files = DyingFiles(steps)
        try:
            seal_session(folder, files=files)
            died = False
        except (OSError, JournalError) as error:
            deaths.add("dead" in f"{error} {error.__cause__}")
            died = True
        report = verify_session(folder)
        assert report.ok, (steps, report.problems)
        assert read_all(folder) == flat(GROUPS[:8])
        seal_session(folder)
        assert not list(folder.glob("*.axj")) + list(folder.glob("*.tmp"))
        assert read_all(folder) == flat(GROUPS[:8])
        if not died:
            break
        steps += 1
    assert steps > 15
    assert deaths == {True}


def test_j09_dying_at_every_step_of_a_session(tmp_path: Path) -> None:
    """J10: a writer that dies before any step of create, append, sync, roll and finish leaves a
    journal that opens with all that was acknowledged (or none, when nothing was)."""
    steps = 0
    finished = False
    while not finished:
        folder = tmp_path / str(steps)
        folder.mkdir(mode=0o700)
        acknowledged = 0
        files = DyingFiles(steps)
        try:
            mark = WatermarkFile.create(folder, bytes.fromhex(UID), files)
            log = SessionLog(folder, bytes.fromhex(UID), mark, SMALL, files)
            for group in GROUPS[:12]:
                log.add_group(group)
                log.sync()
                acknowledged = log.durable_seq
            log.finish()
            finished = True
        except (OSError, JournalError):
            steps += 1
        alive = FastFiles()
        try:
            _, tail = repair(inspect_session(folder, files=alive), alive)
            assert tail.head_seq >= acknowledged
        except JournalMissing:
            assert acknowledged == 0
        except JournalClosed:
            assert acknowledged == len(flat(GROUPS[:12]))
        else:
            assert read_all(folder) == flat(GROUPS[:12])[: tail.head_seq]
    assert steps > 40


def test_two_files_that_differ_are_left_alone(tmp_path: Path) -> None:
    """A sealed file beside a live one that ends otherwise is refused; neither is touched, and
    the verifier says so."""
    options = WriterOptions(segment_size_bytes=300)
    build(tmp_path / "s", [GROUPS], options=options)
    build(tmp_path / "t", [make_groups([1, 3, 2, 4] * 10, b"other me" * 4)], options=options)
    seal_session(tmp_path / "t")
    sealed = (tmp_path / "t" / "000001.axs").read_bytes()
    (tmp_path / "s" / "000001.axs").write_bytes(sealed)
    live = (tmp_path / "s" / "000001.axj").read_bytes()
    with pytest.raises(ChainBroken):
        seal_session(tmp_path / "s")
    assert (tmp_path / "s" / "000001.axs").read_bytes() == sealed
    assert (tmp_path / "s" / "000001.axj").read_bytes() == live
    assert "SEGMENT_GAP" in {problem.code for problem in verify_session(tmp_path / "s").problems}


def test_a_damaged_segment_is_not_sealed(tmp_path: Path) -> None:
    """A flip in a live segment stops its sealing by name; the live file stays."""
    write_session(tmp_path / "s", [GROUPS], options=SMALL)
    path = tmp_path / "s" / "000001.axj"
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 30] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalCorrupt):
        seal_session(tmp_path / "s")
    assert path.read_bytes() == data
    with pytest.raises(JournalMissing):
        seal_session(tmp_path)


def test_large_entries_are_cut_into_blocks_of_eight_mebibytes(tmp_path: Path) -> None:
    """Sealed blocks hold at most 8 MiB raw unless one entry alone is larger."""
    sizes = (5, 2, 2, 9, 1)
    groups = []
    for seq, size in enumerate(sizes, start=1):
        groups.append(make_group(seq, 1, os.urandom(1024) * size * 1024))
    write_session(tmp_path / "s", [groups])
    (path,) = seal_session(tmp_path / "s")
    data, at, counts = path.read_bytes(), 0, []
    while at < len(data):
        header = parse_header(data[at : at + HEADER_BYTES])
        counts.append(header.count)
        at = header.end_offset
    assert counts == [2, 1, 1, 1, 0]
    assert read_all(tmp_path / "s") == flat(groups)
    assert verify_session(tmp_path / "s").head_hash == chain_of(flat(groups)).hex()


def test_sealing_in_another_process(tmp_path: Path) -> None:
    """The child seals what the caller would; its exit codes are 0, 1 for damage, 2 for nothing."""
    write_session(tmp_path / "s", [GROUPS], options=SMALL)
    assert spawn_seal(tmp_path / "s").wait(60) == 0
    assert not list((tmp_path / "s").glob("*.axj"))
    assert read_all(tmp_path / "s") == flat(GROUPS)
    write_session(tmp_path / "bad", [GROUPS], options=SMALL)
    data = bytearray((tmp_path / "bad" / "000001.axj").read_bytes())
    data[200] ^= 1
    (tmp_path / "bad" / "000001.axj").write_bytes(data)
    for arguments, code in (((tmp_path / "bad",), 1), ((tmp_path / "none",), 2), ((), 2)):
        done = subprocess.run(
            (sys.executable, "-P", "-m", "journal.seal", *map(str, arguments)),
            env={"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert len(done.stderr.splitlines()) == 1
