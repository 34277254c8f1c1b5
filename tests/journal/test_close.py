"""Closing: one end, sealed and recorded, whoever closes and however often."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from journal.close import close_session
from journal.errors import JournalCorrupt, JournalError, JournalLocked, LedgerCorrupt
from journal.ledger import read_ledger
from journal.log import WriterOptions
from journal.verify import verify_session
from journal.writer import JournalWriter
from tests.journal.journals import (
    UID,
    FastFiles,
    build,
    chain_of,
    flat,
    make_group,
    make_groups,
    read_all,
    write_session,
)
from tests.journal.test_seal import DyingFiles

NAME = f"2025-08-29-paper-{UID}"
GROUPS = make_groups([2, 1, 3] * 3)
SMALL = WriterOptions(segment_size_bytes=300)


NO_MANIFEST = "no manifest: the program and machine that wrote it are not known"


def test_an_orderly_session_is_sealed_and_recorded(tmp_path: Path) -> None:
    """After closing the folder is sealed, the ledger has its head, and verify agrees; again
    changes nothing."""
    folder, ledger = tmp_path / "sessions" / NAME, tmp_path / "ledger.axl"
    head = write_session(folder, [GROUPS], options=SMALL)
    closed = close_session(folder, ledger)
    assert (closed.head_seq, closed.head_hash, closed.tail) == (*head, None)
    (record,) = read_ledger(ledger)
    assert (record.session, record.uid, record.head_hash) == (NAME, UID, head[1].hex())
    report = verify_session(folder, ledger=ledger)
    assert (report.ok, report.closed, report.notes) == (True, True, (NO_MANIFEST,))
    files = {path: path.read_bytes() for path in folder.iterdir()}
    assert close_session(folder, ledger) == closed
    assert len(read_ledger(ledger)) == 1
    assert files == {path: path.read_bytes() for path in folder.iterdir()}


def test_a_dead_predecessor_is_closed(tmp_path: Path) -> None:
    """A session whose writer died is recovered, closed, sealed and recorded with what was cut."""
    folder, ledger = tmp_path / "sessions" / NAME, tmp_path / "ledger.axl"
    path = build(folder, [GROUPS], [make_group(19, 3)])
    path.write_bytes(path.read_bytes()[:-5])
    closed = close_session(folder, ledger)
    assert (closed.head_seq, closed.head_hash) == (18, chain_of(flat(GROUPS)))
    assert closed.tail is not None
    assert closed.tail.cut_bytes == read_ledger(ledger)[0].cut_bytes > 0
    assert read_all(folder) == flat(GROUPS)
    assert verify_session(folder, ledger=ledger).ok


def test_a_running_or_damaged_session_is_left_alone(tmp_path: Path) -> None:
    """A session with a writer is refused with its pid, a damaged one by name; no record."""
    ledger = tmp_path / "ledger.axl"
    with JournalWriter.create(tmp_path / "s", UID) as writer:
        writer.append(make_group(1, 1))
        with pytest.raises(JournalLocked):
            close_session(tmp_path / "s", ledger)
    path = build(tmp_path / "d", [GROUPS])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(JournalCorrupt):
        close_session(tmp_path / "d", ledger)
    assert read_ledger(ledger) == ()


def test_dying_at_every_step_of_closing(tmp_path: Path) -> None:
    """J10: a death before any step of closing is finished by the next closing, to the same folder
    and exactly one record, and every state between verifies without a problem."""
    build(tmp_path / "dead", [GROUPS], [make_group(19, 1)], options=SMALL)
    steps, finished = 0, False
    deaths: set[bool] = set()
    sealed: dict[str, bytes] = {}
    while not finished:
        folder, ledger = tmp_path / str(steps) / NAME, tmp_path / str(steps) / "ledger.axl"
        shutil.copytree(tmp_path / "dead", folder)
        try:
            close_session(folder, ledger, files=DyingFiles(steps))
            finished = True
        except (OSError, JournalError) as error:
            deaths.add("dead" in f"{error} {error.__cause__}")
        report = verify_session(folder, ledger=ledger)
        assert report.ok, (steps, report.problems)
        closed = close_session(folder, ledger, files=FastFiles())
        assert closed.head_seq == 19
        assert len(read_ledger(ledger)) == 1
        report = verify_session(folder, ledger=ledger)
        assert (report.ok, report.closed, report.notes) == (True, True, (NO_MANIFEST,)), steps
        files = {path.name: path.read_bytes() for path in folder.glob("*.axs")}
        assert files == (sealed or files)
        sealed = files
        steps += 1
    assert steps > 30
    assert deaths == {True}


def test_an_exchanged_or_shortened_session_shows(tmp_path: Path) -> None:
    """A session replaced by another good one, or by an earlier, shorter form of itself, is intact
    by its own chain and still betrayed by the ledger; so is an attempt to close it again."""
    folder, ledger = tmp_path / "sessions" / NAME, tmp_path / "ledger.axl"
    write_session(folder, [GROUPS])
    close_session(folder, ledger)
    for other in (GROUPS[:4], make_groups([2, 1, 3] * 3, b"other")):
        shutil.rmtree(folder)
        write_session(folder, [other])
        close_session(folder, None)
        assert verify_session(folder).ok
        report = verify_session(folder, ledger=ledger)
        assert [problem.code for problem in report.problems] == ["LEDGER_DIFFERS"]
        with pytest.raises(LedgerCorrupt):
            close_session(folder, ledger)


def test_a_session_in_which_nothing_was_said(tmp_path: Path) -> None:
    """A session without an entry closes, seals, reads and verifies; so does one that died so."""
    for name, folder in (("orderly", tmp_path / "a"), ("dead", tmp_path / "b")):
        if name == "orderly":
            JournalWriter.create(folder, UID).close()
        else:
            build(folder, [])
        closed = close_session(folder, tmp_path / "ledger.axl")
        assert (closed.head_seq, closed.head_hash) == (0, bytes(32))
        assert [path.name for path in folder.glob("*.ax?")] == ["000001.axs"]
        assert read_all(folder) == []
        report = verify_session(folder, ledger=tmp_path / "ledger.axl")
        assert (report.ok, report.closed, report.entries) == (True, True, 0)


def test_a_copied_folder_needs_no_ledger(tmp_path: Path) -> None:
    """Without its ledger (or with one that does not know it) a session verifies, with a note."""
    write_session(tmp_path / NAME, [GROUPS])
    close_session(tmp_path / NAME, None)
    for ledger in (None, tmp_path / "ledger.axl"):
        report = verify_session(tmp_path / NAME, ledger=ledger)
        assert report.ok
        assert "ledger" in report.notes[1]
