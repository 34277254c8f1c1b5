"""The ledger of sessions: a chain of how each session ended."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from journal.errors import LedgerCorrupt
from journal.ledger import LedgerRecord, append_record, ledger_bytes, read_ledger
from journal.verify import read_ledger as read_alone
from journal.verify import verify_ledger
from tests.journal.journals import FAST

NAMES = [f"2025-08-{day:02d}-paper-0123456789ab" for day in range(1, 6)]


def fill(path: Path) -> list[LedgerRecord]:
    return [
        append_record(
            path,
            session=name,
            uid="0123456789ab",
            head_seq=at,
            head_hash=bytes([at]) * 32,
            files=FAST,
        )
        for at, name in enumerate(NAMES, start=1)
    ]


def test_records_are_read_as_appended(tmp_path: Path) -> None:
    """Records come back in order, the stand-alone reader agrees, and the file is private."""
    path = tmp_path / "ledger.axl"
    assert read_ledger(path) == ()
    records = fill(path)
    assert read_ledger(path) == tuple(records)
    alone, problems, notes = read_alone(path)
    assert [record["session"] for record in alone] == NAMES
    assert (problems, notes) == ([], [])
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_same_end_is_recorded_once(tmp_path: Path) -> None:
    """Closing again adds nothing; another end of the same session is refused."""
    path = tmp_path / "ledger.axl"
    first = fill(path)[0]
    again = append_record(
        path, session=NAMES[0], uid=first.uid, head_seq=1, head_hash=bytes([1]) * 32
    )
    assert again == first
    assert len(read_ledger(path)) == 5
    with pytest.raises(LedgerCorrupt, match="ended at seq 1"):
        append_record(path, session=NAMES[0], uid=first.uid, head_seq=2, head_hash=bytes(32))


def test_every_change_of_a_byte_shows(tmp_path: Path) -> None:
    """J: one changed byte anywhere is refused by both readers, also in the last newline."""
    path = tmp_path / "ledger.axl"
    fill(path)
    whole = path.read_bytes()
    for at in (*range(0, len(whole), 4), len(whole) - 1):
        damaged = bytearray(whole)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        assert read_alone(path)[1], at
        with pytest.raises(LedgerCorrupt):
            read_ledger(path)


@pytest.mark.parametrize("records", [1, 5])
@pytest.mark.parametrize("bit", range(8))
def test_a_changed_last_newline_is_damage(tmp_path: Path, records: int, bit: int) -> None:
    """Each bit of the last newline: both readers refuse it with its place, nothing may be appended,
    and the record is not lost to the next session."""
    path = tmp_path / "ledger.axl"
    fill(path)
    lines = path.read_bytes().splitlines(keepends=True)[:records]
    damaged = bytearray(b"".join(lines))
    damaged[-1] ^= 1 << bit
    path.write_bytes(damaged)
    for refused in (read_ledger, fill, ledger_bytes):
        with pytest.raises(LedgerCorrupt, match=f"newline.*offset {len(damaged) - 1}"):
            refused(path)
    assert path.read_bytes() == damaged
    (problem,) = read_alone(path)[1]
    assert (problem.code, problem.offset) == ("LEDGER_CORRUPT", len(damaged) - 1)


def test_a_dropped_or_exchanged_record_shows(tmp_path: Path) -> None:
    """A line taken from the middle, doubled, or exchanged with its neighbour breaks the chain."""
    path = tmp_path / "ledger.axl"
    fill(path)
    lines = path.read_bytes().splitlines(keepends=True)
    for changed in (
        lines[:1] + lines[2:],
        lines[1:],
        lines[:2] + lines[1:],
        [lines[1], lines[0], *lines[2:]],
    ):
        path.write_bytes(b"".join(changed))
        with pytest.raises(LedgerCorrupt):
            read_ledger(path)
        assert read_alone(path)[1]


def test_a_torn_last_line_is_replaced(tmp_path: Path) -> None:
    """An append cut at any byte was never acknowledged: the next append takes its place. Cut at
    its newline it is whole by its hash, and counts."""
    path = tmp_path / "ledger.axl"
    records = fill(path)
    whole = path.read_bytes()
    start = whole.rstrip(b"\n").rfind(b"\n") + 1
    for length in range(start, len(whole)):
        path.write_bytes(whole[:length])
        expected = 5 if length == len(whole) - 1 else 4
        assert read_ledger(path) == tuple(records[:expected])
        alone, problems, notes = read_alone(path)
        assert (len(alone), problems, len(notes)) == (expected, [], int(length > start))
        assert fill(path) == records
        assert path.read_bytes() == whole


@pytest.mark.parametrize("lost", [b"", b"\0"])
def test_a_newline_that_never_reached_the_disk_is_written_first(
    tmp_path: Path, lost: bytes
) -> None:
    """The record counts, also in a copy, and the next append goes behind it."""
    path = tmp_path / "ledger.axl"
    records = fill(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + lost)
    assert ledger_bytes(path) == whole
    added = append_record(path, session="later", uid="0" * 12, head_seq=1, head_hash=b"")
    assert read_ledger(path) == (*records, added)
    assert path.read_bytes().startswith(whole)


def test_appenders_take_turns(tmp_path: Path) -> None:
    """Threads (as processes would) that append at once make one chain with every record."""
    path = tmp_path / "ledger.axl"

    def work(turn: int) -> None:
        for at in range(5):
            append_record(path, session=f"s{turn}-{at}", uid="0" * 12, head_seq=1, head_hash=b"")

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = read_ledger(path)
    assert [record.number for record in records] == list(range(1, 21))
    assert len({record.session for record in records}) == 20


def test_a_missing_session_shows(tmp_path: Path) -> None:
    """A session in the ledger whose folder is gone is named; a name that leaves the folder is
    never looked for."""
    path = tmp_path / "ledger.axl"
    fill(path)
    for name in NAMES:
        (tmp_path / "sessions" / name).mkdir(parents=True)
    assert verify_ledger(path, tmp_path / "sessions") == ()
    (tmp_path / "sessions" / NAMES[2]).rmdir()
    append_record(path, session="../..", uid="0" * 12, head_seq=1, head_hash=b"")
    problems = verify_ledger(path, tmp_path / "sessions")
    assert [problem.code for problem in problems] == ["SESSION_MISSING", "SESSION_MISSING"]
    assert NAMES[2] in problems[0].message
