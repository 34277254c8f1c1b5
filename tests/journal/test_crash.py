"""Every fault at every step of a session, every disk it may leave, and the mistakes this finds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from journal import recovery
from journal.block import BlockTorn
from journal.log import SessionLog
from journal.reader import JournalReader
from journal.recovery import Damage, Found, SegmentScan, Verdict
from journal.segment import SegmentSource
from journal.simulated import Fault, Mode, SimulatedFiles
from journal.watermark import Watermark
from tests.journal.crash import faults, judge, judge_reopening, rotten, steps_of_a_session

ALL = tuple(Mode)
FAILING = (Mode.EIO, Mode.ENOSPC)


def judged(modes: tuple[Mode, ...], every: int = 1, thin: int = 1) -> tuple[int, int, list[str]]:
    """(faults, disks, what is wrong) over a session."""
    wrong: list[str] = []
    count = disks = 0
    for fault in faults(steps_of_a_session(), modes, every):
        cases, found = judge(fault, thin=thin)
        count, disks, wrong = count + 1, disks + cases, wrong + found
    return count, disks, wrong


def told(what: str, count: int, disks: int) -> None:
    sys.stdout.write(f"{what}: {count} faults, {disks} disks opened\n")


@pytest.mark.parametrize("mode", ALL, ids=lambda mode: mode.name)
def test_a_slice_of_all_faults_loses_nothing(mode: Mode) -> None:
    """J04, J05, J06, J07, J08, J09, J10, J19: a session fails at every seventh step in every mode
    (at every second by a crash); what was acknowledged or read is there, and nothing else is."""
    every = 2 if mode is Mode.CRASH else 7
    count, disks, wrong = judged((mode,), every, thin=10)
    told(mode.name, count, disks)
    assert wrong == []
    assert count > 10


@pytest.mark.slow
@pytest.mark.parametrize("mode", ALL, ids=lambda mode: mode.name)
def test_every_fault_at_every_step_loses_nothing(mode: Mode) -> None:
    """J04, J05, J06, J07, J08, J09, J10, J19: every step, every mode, every survivor that the
    model of the disk allows."""
    count, disks, wrong = judged((mode,))
    told(mode.name, count, disks)
    assert wrong == []
    assert disks > 1_000


def reopened(every: int, thin: int) -> tuple[int, int, list[str]]:
    """As ``judged``, for a second crash while what the first one left is opened."""
    wrong: list[str] = []
    disks = 0
    found = list(faults(steps_of_a_session(), (Mode.CRASH,)))[::every]
    for fault in found:
        cases, more = judge_reopening(fault, thin=thin)
        disks, wrong = disks + cases, wrong + more
    return len(found), disks, wrong


@pytest.mark.slow
def test_a_crash_while_reopening_loses_nothing() -> None:
    """J10: the machine crashes again at each step of opening what a crash left (a slice)."""
    count, disks, wrong = reopened(every=17, thin=23)
    told("reopening", count, disks)
    assert wrong == []
    assert disks > 100


@pytest.mark.slow
def test_every_crash_while_reopening_loses_nothing() -> None:
    """J10: the same for every fourth step of the session, with more of what may survive."""
    count, disks, wrong = reopened(every=4, thin=7)
    told("reopening", count, disks)
    assert wrong == []


def test_j03_what_rots_is_refused() -> None:
    """J03: a bit turned anywhere in the acknowledged part of a session at rest is refused."""
    found = dict(rotten())
    sys.stdout.write(f"J03: {len(found)} rotten disks\n")
    assert {place: wrong for place, wrong in found.items() if wrong} == {}
    assert len(found) > 300


# -- mistakes that this must find --------------------------------------------------------------


def no_sync(patch: pytest.MonkeyPatch) -> None:
    def sync_segment(self: SessionLog) -> None:
        self.durable_seq, self.durable_hash = self.head_seq, self.head_hash

    patch.setattr(SessionLog, "_sync_segment", sync_segment)


def retry_after_a_failed_sync(patch: pytest.MonkeyPatch) -> None:
    once = SimulatedFiles.sync

    def twice(self: SimulatedFiles, handle: int) -> None:
        try:
            once(self, handle)
        except OSError:
            once(self, handle)

    patch.setattr(SimulatedFiles, "sync", twice)


def no_directory_sync(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SimulatedFiles, "sync_dir", lambda self, folder: None)


def mark_before_the_sync(patch: pytest.MonkeyPatch) -> None:
    def sync(self: SessionLog) -> None:
        self.flush()
        self._publish(closed=False)
        self._sync_segment()

    patch.setattr(SessionLog, "sync", sync)


def what_is_kept_is_not_written_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recovery, "_write_again", lambda handle, scan, files: None)


def reader_past_the_watermark(patch: pytest.MonkeyPatch) -> None:
    within = JournalReader._limit

    def limit(self: JournalReader) -> int:
        self._source.refresh()
        try:
            header = self._source.header_at(self._offset, self._uid)
        except BlockTorn:
            header = None
        return within(self) if header is None else max(within(self), header.last_seq)

    patch.setattr(JournalReader, "_limit", limit)


def cut_at_the_first_bad_block(patch: pytest.MonkeyPatch) -> None:
    def verdict_for(found: Found) -> Verdict:
        return Verdict.OPEN if found.damage is Damage.NONE else Verdict.CUT

    patch.setattr(recovery, "verdict_for", verdict_for)


def resume_past_corruption(patch: pytest.MonkeyPatch) -> None:
    scan_once = recovery.scan_segment

    def scan_on(
        source: SegmentSource,
        uid: bytes,
        end_seq: int,
        chain: bytes,
        mark: Watermark | None,
        *,
        full: bool = True,
    ) -> SegmentScan:
        scan = scan_once(source, uid, end_seq, chain, mark, full=full)
        behind = list(source.blocks_behind(scan.end_offset, uid))
        if scan.damage is Damage.NONE or not behind:
            return scan
        last = behind[-1]
        return msgspec.structs.replace(
            scan,
            damage=Damage.NONE,
            end_offset=last.end_offset,
            end_seq=last.last_seq,
            end_hash=last.hash_after,
            mark_hash=mark.chain if mark is not None else None,
        )

    patch.setattr(recovery, "scan_segment", scan_on)


def by_faults(*modes: Mode) -> Callable[[], Iterator[str]]:
    def found() -> Iterator[str]:
        for fault in faults(steps_of_a_session(), modes):
            yield from judge(fault, thin=4)[1]

    return found


def by_rot() -> Iterator[str]:
    for place, wrong in rotten():
        yield from (f"{place}: {what}" for what in wrong)


MUTANTS: dict[Callable[[pytest.MonkeyPatch], None], tuple[Callable[[], Iterator[str]], str]] = {
    no_sync: (by_faults(Mode.CRASH), "promised entries"),
    retry_after_a_failed_sync: (by_faults(*FAILING), "promised entries"),
    no_directory_sync: (by_faults(Mode.CRASH), "promised entries are gone"),
    mark_before_the_sync: (by_faults(Mode.CRASH), "promised entries"),
    what_is_kept_is_not_written_again: (by_faults(*FAILING), "after the next power cut"),
    reader_past_the_watermark: (by_faults(Mode.CRASH), "promised entries"),
    cut_at_the_first_bad_block: (by_rot, "opened with"),
    resume_past_corruption: (by_rot, "does not read"),
}
"""A mistake, the search that finds it, and a word of what it then says."""


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_canary_a_mutant_dies(
    mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """J03, J07, J09, J13: a writer, a recovery or a reader with this mistake is caught."""
    search, word = MUTANTS[mutant]
    mutant(monkeypatch)
    found = next((wrong for wrong in search() if word in wrong), None)
    assert found is not None
    sys.stdout.write(f"{mutant.__name__}: {found}\n")


def test_canary_a_fault_that_does_not_happen_is_told(tmp_path: Path) -> None:
    """A fault beyond the last step is a fault that never happened, and the judge says so."""
    beyond = Fault(len(steps_of_a_session()) - 1, Mode.SHORT)
    assert any("did not happen" in wrong for wrong in judge(beyond)[1])
