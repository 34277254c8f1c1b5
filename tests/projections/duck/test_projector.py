"""projections/duck/projector.py: incremental equals rebuilt, killed or not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from events.envelope import decode_envelope
from journal.errors import JournalLocked, JournalMissing
from journal.reader import JournalReader
from journal.writer import JournalWriter
from projections.duck import contracts
from projections.duck.projector import (
    Projector,
    ProjectorOptions,
    ensure_projection,
    main,
)
from projections.duck.publish import (
    DIGEST_NAME,
    WORK_FOLDER,
    note_digest,
    published_path,
    read_status,
    ticks_folder,
)
from projections.duck.query import run_query
from projections.duck.store import Digest, ProjectionError, digests
from tests.projections.duck.journals import CYCLES, UID, groups_of, write_session

ROOT = Path(__file__).parents[3]


def contents(published: Path) -> dict[str, Digest]:
    """The digests of all tables of a published file."""
    with duckdb.connect(str(published), read_only=True) as connection:
        return digests(connection)


def tick_digests(published: Path) -> list[str]:
    return [item.sha256 for item in read_status(published).tick_files]


def count(published: Path, sql: str) -> int:
    with duckdb.connect(str(published), read_only=True) as connection:
        found = connection.execute(sql).fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.slow
@pytest.mark.parametrize("batch_rows", [1, 333, 10_000])
def test_batches_do_not_change_the_projection(
    tmp_path: Path, published: Path, batch_rows: int
) -> None:
    """Tables and the sealed tick file are equal whatever the size of a batch, tick files too."""
    cycles = 8 if batch_rows == 1 else CYCLES
    folder = write_session(tmp_path, cycles=cycles)
    options = ProjectorOptions(batch_rows=batch_rows, tick_rows=10 * batch_rows, publish_ms=10**6)
    with Projector(folder, options=options) as projector:
        found = projector.run()
    other = published
    if batch_rows == 1:
        other = ensure_projection(write_session(tmp_path / "other", cycles=cycles))
    assert contents(found) == contents(other)
    assert tick_digests(found) == tick_digests(other)


@pytest.mark.slow
def test_growing_equals_rebuilt(tmp_path: Path, published: Path) -> None:
    """A projection caught up thrice while the session grew is that of the whole session."""
    folder = tmp_path / f"2025-08-29-backtest-{UID}"
    groups = groups_of(CYCLES)
    step = len(groups) // 3
    with JournalWriter.create(folder, UID) as writer:
        for begin in range(0, len(groups), step):
            for group in groups[begin : begin + step]:
                writer.append(group)
            writer.wait_durable(writer.head_seq)
            ensure_projection(folder)
    assert contents(ensure_projection(folder)) == contents(published)
    assert tick_digests(published_path(folder)) == tick_digests(published)
    assert len(list(ticks_folder(published_path(folder)).iterdir())) == 1


def test_changed_journal_changes_the_digest(tmp_path: Path, published: Path) -> None:
    """Canary: the digests see a session that is one cycle longer."""
    other = ensure_projection(write_session(tmp_path, cycles=CYCLES + 1))
    assert contents(other) != contents(published)


def test_checkpoint_is_the_journal_s_end(session_folder: Path, published: Path) -> None:
    """The checkpoint names the last seq and the chain hash of the journal, and says closed."""
    with JournalReader(session_folder) as reader:
        entries = list(reader)
        end = reader.position
    point = read_status(published).checkpoint
    assert (point.seq, point.hash, point.closed) == (end.seq, end.chain, True)
    assert point.ts == decode_envelope(entries[-1].data).ts
    assert count(published, "SELECT count(*) FROM base.entries") == len(entries)


def test_current_projection_is_not_built_again(session_folder: Path, published: Path) -> None:
    """A projection that stands at the journal's end is given back untouched and in silence."""
    before = published.stat()
    said: list[str] = []
    assert ensure_projection(session_folder, said.append) == published
    assert published.stat().st_ino == before.st_ino
    assert said == []


CHANGE = "UPDATE base.decisions SET reason = 'SIGNAL_NONE'"


@pytest.mark.slow
@pytest.mark.parametrize("closed", [True, False])
def test_a_published_file_that_was_changed_is_not_believed(tmp_path: Path, closed: bool) -> None:
    """A table that somebody changed in place is built again, also beside the projector's own file,
    and so is one whose digest is not known."""
    folder = tmp_path / f"2025-08-29-backtest-{UID}"
    groups = list(groups_of(CYCLES))
    with JournalWriter.create(folder, UID) as writer:
        for group in groups if closed else groups[:-1]:
            writer.append(group)
    path = ensure_projection(folder)
    expected = contents(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute(CHANGE)
    assert contents(path) != expected
    said: list[str] = []
    assert contents(ensure_projection(folder, said.append)) == expected
    assert len(said) == 1
    (folder / WORK_FOLDER / DIGEST_NAME).unlink()
    assert contents(ensure_projection(folder, said.append)) == expected
    assert len(said) == 2
    ensure_projection(folder, said.append)
    assert len(said) == 2


@pytest.mark.slow
def test_anew_takes_nothing_of_what_is_there(tmp_path: Path, published: Path) -> None:
    """A table that was changed together with its digest is believed until it is built anew; a
    projector that runs elsewhere is not waited for then."""
    folder = write_session(tmp_path, cycles=CYCLES)
    path = ensure_projection(folder)
    with duckdb.connect(str(path)) as connection:
        connection.execute(CHANGE)
    note_digest(path, folder / WORK_FOLDER / DIGEST_NAME)
    assert contents(ensure_projection(folder)) != contents(published)
    assert contents(ensure_projection(folder, anew=True)) == contents(published)
    with Projector(folder), pytest.raises(JournalLocked):
        ensure_projection(folder, anew=True)


@pytest.mark.parametrize("name", [WORK_FOLDER, "published"])
def test_a_folder_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    """Nothing is written where a symbolic link in the session's folder points."""
    folder = write_session(tmp_path / "home", cycles=2)
    (tmp_path / "away").mkdir()
    (folder / name).symlink_to(tmp_path / "away")
    with pytest.raises(ProjectionError, match="symbolic link"):
        ensure_projection(folder)
    assert not list((tmp_path / "away").iterdir())


def test_missing_projection_is_built_and_said(tmp_path: Path) -> None:
    """A session without a projection gets one, and the caller hears of it."""
    folder = write_session(tmp_path, cycles=3)
    said: list[str] = []
    path = ensure_projection(folder, said.append)
    assert said == [f"building the projection of {folder.name}"]
    assert count(path, "SELECT count(*) FROM v1.decisions") == 6


@pytest.mark.slow
def test_projection_of_another_journal_is_rebuilt(tmp_path: Path) -> None:
    """J16: a published file whose (seq, chain hash) is not of this journal is thrown away."""
    ours = write_session(tmp_path / "a", cycles=3)
    theirs = write_session(tmp_path / "b", cycles=4)
    foreign = ensure_projection(theirs)
    ensure_projection(ours)
    published_path(ours).unlink()
    foreign.rename(published_path(ours))
    note_digest(published_path(ours), ours / WORK_FOLDER / DIGEST_NAME)
    said: list[str] = []
    path = ensure_projection(ours, said.append)
    assert "does not match its journal" in said[0]
    assert count(path, "SELECT count(*) FROM v1.decisions") == 6


@pytest.mark.slow
def test_damaged_work_is_rebuilt(tmp_path: Path) -> None:
    """J16: whatever stands in the place of the projection's files, the next projection is right."""
    folder = write_session(tmp_path, cycles=3)
    path = ensure_projection(folder)
    good, data = contents(path), path.read_bytes()
    for damage in (b"", b"no database", data[: len(data) // 2]):
        (folder / WORK_FOLDER / "work.duckdb").write_bytes(damage)
        path.unlink()
        assert contents(ensure_projection(folder)) == good


def test_lost_tick_file_is_made_again(tmp_path: Path) -> None:
    """A projection that names a tick file which is gone is not current."""
    folder = write_session(tmp_path, cycles=3)
    path = ensure_projection(folder)
    (file,) = read_status(path).tick_files
    (ticks_folder(path) / file.file).unlink()
    ensure_projection(folder)
    assert read_status(path).tick_files == (file,)
    assert (ticks_folder(path) / file.file).exists()


def unsealed(tmp_path: Path) -> tuple[Path, Path]:
    """A closed session whose projection was published while it ran, in several tick files."""
    folder = tmp_path / f"2025-08-29-backtest-{UID}"
    with JournalWriter.create(folder, UID) as writer:
        for group in groups_of(CYCLES):
            writer.append(group)
        writer.wait_durable(writer.head_seq)
        options = ProjectorOptions(batch_rows=100, tick_rows=50)
        return folder, ensure_projection(folder, options=options)


@pytest.mark.slow
def test_killed_after_sealing_it_leaves_the_published_file_its_ticks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the sealed tick file and its publishing, the next projector does not take away
    the files that the published one still names, until it has published the sealed one."""
    folder, published = unsealed(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("projections.duck.projector.publish", _killed)
        with pytest.raises(_KillError):
            ensure_projection(folder)
    sql = "SELECT count(*) FROM v1.ticks"
    before = run_query(published, sql).rows
    assert before > ((0,),)
    with Projector(folder) as projector:
        assert run_query(published, sql).rows == before
        projector.run()
    assert run_query(published, sql).rows == before
    assert len(list(ticks_folder(published).iterdir())) == 1


@pytest.mark.slow
def test_files_that_are_merged_while_a_reader_opens_are_found_merged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The projector seals between the reader's look for the files and its view of them: the reader
    sees the sealed state."""
    folder, published = unsealed(tmp_path)
    view, seen = contracts.ticks_view, []

    def sealed_meanwhile(names: list[str], schema: str) -> str:
        seen.append(len(names))
        if len(seen) == 1:
            ensure_projection(folder)
        return view(names, schema)

    with monkeypatch.context() as patch:
        patch.setattr(contracts, "ticks_view", sealed_meanwhile)
        found = run_query(published, "SELECT count(*) FROM v1.ticks").rows
    assert seen[0] > 1 and seen[1:] == [1]
    assert found == run_query(published, "SELECT count(*) FROM v1.ticks").rows > ((0,),)


class _KillError(Exception):
    pass


def _killed(*_: object) -> float:
    raise _KillError


def test_files_are_private(tmp_path: Path) -> None:
    """Folders are 0700 and files 0600 even where the umask allows everything."""
    before = os.umask(0)
    try:
        folder = write_session(tmp_path, cycles=3)
        ensure_projection(folder)
    finally:
        os.umask(before)
    for path in (folder / "published").rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert (folder / WORK_FOLDER).stat().st_mode & 0o777 == 0o700


def test_second_projector_is_refused(tmp_path: Path) -> None:
    """Two projectors never write one projection; a reader then takes the published file."""
    folder = write_session(tmp_path, cycles=3)
    path = ensure_projection(folder)
    with Projector(folder):
        with pytest.raises(JournalLocked):
            Projector(folder)
        assert ensure_projection(folder) == path
        (path.parent / "ticks").rename(path.parent / "away")
        (path.parent / "ticks").mkdir()
        assert ensure_projection(folder) == path  # not current, and yet the other's to mend


def test_no_session_is_one_error(tmp_path: Path) -> None:
    """A folder that is absent or holds no journal is refused with a named error."""
    with pytest.raises(ProjectionError, match="no such session folder"):
        ensure_projection(tmp_path / "nothing")
    with pytest.raises(JournalMissing):
        ensure_projection(tmp_path)


# --- as a process ------------------------------------------------------------------------------


def spawn(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "projections.duck.projector", str(folder), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def lives(process: subprocess.Popen[bytes], for_s: float) -> bool:
    """Wait for the process to end, at most so long; True when it has not."""
    try:
        process.wait(for_s)
    except subprocess.TimeoutExpired:
        return True
    return False


def wait_while_alive(process: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; the process must not end before, nor take for ever."""
    deadline = time.monotonic() + 30
    while not condition():
        assert lives(process, 0.01), "the projector ended early"
        assert time.monotonic() < deadline, "waited in vain"


def applied(folder: Path) -> int:
    """The published checkpoint, 0 where there is none yet."""
    path = published_path(folder)
    return read_status(path).checkpoint.seq if path.exists() else 0


@pytest.mark.slow
def test_follows_a_running_writer_to_its_end(tmp_path: Path, published: Path) -> None:
    """A spawned projector follows from before the first entry, publishes on the way, and ends."""
    folder = tmp_path / f"2025-08-29-backtest-{UID}"
    groups = groups_of(CYCLES)
    half = len(groups) // 2
    process = spawn(folder, "--follow")
    with JournalWriter.create(folder, UID) as writer:
        for group in groups[:half]:
            writer.append(group)
        head = writer.head_seq
        wait_while_alive(process, lambda: applied(folder) >= head - 50)
        for group in groups[half:]:
            writer.append(group)
    assert process.wait(30) == 0
    assert contents(published_path(folder)) == contents(published)
    assert tick_digests(published_path(folder)) == tick_digests(published)


SMALL_STEPS = """
import sys
from pathlib import Path
from projections.duck.projector import Projector, ProjectorOptions
options = ProjectorOptions(batch_rows=100, tick_rows=150, publish_ms=0)
with Projector(Path(sys.argv[1]), options=options) as projector:
    sys.stdout.write("begins")
    sys.stdout.flush()
    projector.run(follow=True)
"""
"""Applies, writes tick files and publishes as often as it can, to be killed in the middle."""


def killed_once(folder: Path, after_ms: float) -> bool:
    """SIGKILL a projector of small steps so long after it began; False where it ended before."""
    command = [sys.executable, "-P", "-c", SMALL_STEPS, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(6) == b"begins"
        alive = lives(process, after_ms / 1000)
        process.kill()
    return alive


def check_gapless(path: Path) -> int:
    """Every seq is there once up to the checkpoint, which is given back; 0 for no tables yet."""
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            found = connection.execute(
                "SELECT count(*), coalesce(max(seq), 0), (SELECT applied_seq FROM base.checkpoint) "
                "FROM base.entries"
            ).fetchone()
    except duckdb.CatalogException:
        return 0
    assert found is not None
    assert found[0] == found[1] == found[2]
    return int(found[2])


@pytest.mark.slow
@pytest.mark.parametrize("kills", [15])
def test_killed_at_any_time_it_loses_and_doubles_nothing(
    tmp_path: Path, published: Path, kills: int
) -> None:
    """After each SIGKILL the tables hold every seq once up to the checkpoint; in the end, all."""
    folder = write_session(tmp_path, cycles=CYCLES)
    work, delay_ms, hits = folder / WORK_FOLDER / "work.duckdb", 60.0, 0
    for number in range(20 * kills):
        alive = killed_once(folder, delay_ms * (1 + number % 13 / 13))
        reached = check_gapless(work) if work.exists() else 0
        if published_path(folder).exists():
            check_gapless(published_path(folder))
        hits += alive and reached > 0
        if hits == kills:
            break
        if not alive:  # it had time for the whole session: begin again, and come earlier
            shutil.rmtree(published_path(folder).parent)
            shutil.rmtree(folder / WORK_FOLDER, ignore_errors=True)
            delay_ms /= 1.5
        elif not reached:
            delay_ms *= 1.5  # a busy machine needs longer to begin
    assert hits == kills, f"{hits} kills came between the first batch and the last"
    assert contents(ensure_projection(folder)) == contents(published)
    assert tick_digests(published_path(folder)) == tick_digests(published)


@pytest.mark.slow
def test_told_to_stop_it_publishes_what_it_has(tmp_path: Path) -> None:
    """SIGTERM ends a following projector with what is applied published, exit 0."""
    folder = tmp_path / f"2025-08-29-backtest-{UID}"
    with JournalWriter.create(folder, UID) as writer:
        for group in groups_of(3):
            writer.append(group)
        writer.wait_durable(writer.head_seq)
        process = spawn(folder, "--follow")
        wait_while_alive(process, lambda: applied(folder) == writer.head_seq)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_bad_folder_is_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Called with a folder that holds no session, the command says so in one line."""
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    before = os.umask(0o077)
    try:
        assert main([str(tmp_path / "nothing")]) == 2
    finally:
        os.umask(before)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("projector: ")
