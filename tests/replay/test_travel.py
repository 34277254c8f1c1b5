"""Time travel: the state at any entry is the one the engine had, however the way there begins."""

from __future__ import annotations

import functools
import shutil
import sys
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

import engine.runner
import replay.travel
from adapters.markets.synthetic import SyntheticMarket
from adapters.rulebook.load import load_rows
from engine.checkpoint import state_hash
from engine.config import DEFAULTS
from engine.core import Core
from engine.rulebook import Rulebook
from engine.runner import resume_market, run_market
from engine.state import EMPTY, State
from events.envelope import decode_envelope
from events.session import OperatorCommand, SessionOpened, TailCut
from journal.checkpointer import EVERY_NS
from journal.checkpoints import CHECKPOINTS_NAME
from journal.close import close_session
from journal.errors import JournalMissing
from journal.reader import JournalReader
from journal.writer import JournalWriter
from replay.session import ReplayError
from replay.travel import Moment, applicable, state_at, state_at_time, state_before
from tests.engine.cut import ENTRY_BLOCKS, account, cut_again, cut_session, market, whole
from tests.engine.fabricated import run_small, small_rows, small_run
from tests.journal.journals import FAST
from tests.replay.journals import UID, Line, groups_of, lines, record, short_run, write

OTHER_CODE = "0" * 64


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The short session as it was derived. Read only."""
    return record(tmp_path_factory.mktemp("sound") / "session", lines())


@functools.cache
def engine_states() -> dict[int, State]:
    """The state of the deciding engine after each group, by the seq of the group's last entry."""
    core = Core()
    states = {0: core.state}
    for group in short_run().groups:
        core.step(group.fact.seq, group.fact.ts, group.fact.event)
        states[core.state.seq] = core.state
    return states


def some(count: int, seqs: list[int]) -> list[int]:
    """``count`` of the seqs, always the same, the first and the last among them."""
    chosen = Random(3).sample(seqs, count)
    return sorted({seqs[0], *chosen, seqs[-1]})


def test_the_state_after_a_group_is_the_engines_own(sound: Path) -> None:
    """Recorded entries lead to the state that deciding led to, byte for byte."""
    states = engine_states()
    chosen = some(40, sorted(states))
    for seq in chosen:
        moment = state_at(sound, seq)
        assert state_hash(moment.state) == state_hash(states[seq]), f"seq {seq}"
        assert (moment.state.seq, moment.other_code) == (seq, False)
    sys.stdout.write(f"travelled to {len(chosen)} of {len(states)} group ends\n")


def test_within_a_group_the_state_is_of_what_was_applied(sound: Path) -> None:
    """After a derivation the state has seen it and none behind it."""
    entries = short_run().entries
    chosen = some(20, [entry.seq for entry in entries if entry.seq != entry.cause])
    for seq in chosen:
        core = Core()
        for entry in entries[:seq]:
            core.take(entry)
        assert state_hash(state_at(sound, seq).state) == state_hash(core.state), f"seq {seq}"


def test_a_time_means_the_last_entry_at_or_before_it(sound: Path) -> None:
    """Whole groups share their time, so the state is that after the last group up to there."""
    entries = short_run().entries
    times = sorted({entry.ts for entry in entries})
    for ts in some(12, times):
        last = max(entry.seq for entry in entries if entry.ts <= ts)
        assert state_at_time(sound, ts).state.seq == last
        assert state_at_time(sound, ts + 1).state.seq == last
    assert state_at_time(sound, times[-1] + 10**15).state.seq == entries[-1].seq


def test_the_state_before_a_decision_derives_its_group_again(sound: Path) -> None:
    """The state before a group and its fact are all the engine needs to decide the same."""
    groups = [group for group in short_run().groups if group.derived]
    for place in some(12, list(range(len(groups)))):
        group = groups[place]
        before = state_before(sound, group.entries[-1].seq)
        assert before.fact == group.fact
        core = Core(before.moment.state)
        derived = core.step(group.fact.seq, group.fact.ts, group.fact.event)
        assert tuple(one.data for one in derived) == group.datas
        assert core.state == engine_states()[core.state.seq]


def test_before_the_first_fact_there_is_the_empty_state(sound: Path) -> None:
    """Nothing is known before the session is opened."""
    before = state_before(sound, 1)
    assert before.moment.state == state_at(sound, 0).state == EMPTY
    assert before.fact.kind == "SessionOpened"


def test_progress_is_told_by_seq(tmp_path: Path) -> None:
    """Every so many entries, in order."""
    told: list[int] = []
    given = lines(small_run())
    state_at(record(tmp_path / "s", given), len(given), on_progress=told.append)
    assert told
    assert told == sorted(set(told))


@pytest.mark.parametrize("seq", [-1, 10**9])
def test_a_seq_that_is_not_there_is_refused(sound: Path, seq: int) -> None:
    """The message names the entry, and the last that there is."""
    with pytest.raises(ReplayError, match=f"no entry {seq}"):
        state_before(sound, seq)
    if seq > 0:
        with pytest.raises(ReplayError, match=f"ends at entry {len(lines())}"):
            state_at(sound, seq)


def test_a_time_before_the_session_is_refused(sound: Path) -> None:
    """There was no state."""
    with pytest.raises(ReplayError, match="the session begins at 09:00:00 IST"):
        state_at_time(sound, lines()[0].ts - 1)


def test_an_empty_or_missing_folder_is_refused(tmp_path: Path) -> None:
    """There is no journal; or there is one without an entry, whose state is the empty one."""
    with pytest.raises(JournalMissing):
        state_at(tmp_path / "nowhere", 1)
    JournalWriter.create(tmp_path / "s", UID, files=FAST).close(final=False)
    with pytest.raises(ReplayError, match="ends at entry 0"):
        state_at(tmp_path / "s", 1)


# --- checkpoints ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small market's session with its checkpoints, as the runner wrote both. Read only."""
    return run_small(tmp_path_factory.mktemp("kept")).folder


def assert_equal_ways(folder: Path, count: int) -> None:
    """The state from a checkpoint is that from the start, byte for byte, at ``count`` random
    entries, and at five of them for its time too."""
    with JournalReader(folder) as reader:
        entries = [(decode_envelope(entry.data), entry.seq) for entry in reader]
    chosen = sorted(Random(60).choices(range(1, len(entries) + 1), k=count))
    core, near = Core(), 0
    for place, seq in enumerate(chosen):
        for envelope, _ in entries[core.state.seq : seq]:
            core.take(applicable(envelope))
        moment = state_at(folder, seq)
        assert moment.discarded == ()
        assert state_hash(moment.state) == state_hash(core.state), f"seq {seq}"
        near += moment.began_seq > 0
        if place % (count // 5) == 0:
            last = max(s for e, s in entries if e.ts <= core.state.now)
            by_time = state_at_time(folder, core.state.now)
            assert by_time.state == state_at(folder, last, from_start=True).state
    sys.stdout.write(f"{count} entries of {len(entries)}, {near} from a checkpoint\n")
    assert near > count * 8 // 10


def test_from_a_checkpoint_or_from_the_start(kept: Path) -> None:
    """The same state at 100 random entries (fixed seed); the slow test asks 1,000."""
    assert_equal_ways(kept, 100)


@pytest.mark.slow
def test_from_a_checkpoint_or_from_the_start_a_thousand_times(tmp_path: Path) -> None:
    """The same state at 1,000 random entries of a generated day of three underlyings, sealed."""
    rulebook = Rulebook(load_rows())
    synthetic = SyntheticMarket(7, "small", cadence_ms=5_000, rulebook=rulebook)
    report = run_market(tmp_path, synthetic, DEFAULTS, rulebook.rows_for(synthetic.day))
    close_session(report.folder, None)
    assert_equal_ways(report.folder, 1_000)


def test_only_what_is_behind_the_checkpoint_is_applied(kept: Path) -> None:
    """Within a minute of session time the way is short: that is what checkpoints are for."""
    end = state_at(kept, len(lines(small_run())))
    assert 0 < end.state.seq - end.began_seq < end.state.seq // 10
    assert state_at(kept, 5).began_seq == 0
    assert state_at(kept, end.state.seq, from_start=True).began_seq == 0


def test_what_is_in_doubt_is_counted_and_changes_nothing(kept: Path, tmp_path: Path) -> None:
    """Damaged, foreign or deleted checkpoints: the same state, by a longer way."""
    end = state_at(kept, len(lines(small_run())))
    copy = shutil.copytree(kept, tmp_path / "copy")
    path = copy / CHECKPOINTS_NAME
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    damaged = state_at(copy, end.state.seq)
    assert damaged.state == end.state
    assert 0 < damaged.began_seq < end.began_seq
    assert [line.partition(":")[0] for line in damaged.discarded] == [f"seq {end.began_seq}"]
    path.write_bytes(b"something else")
    assert state_at(copy, end.state.seq) == Moment(
        end.state, 0, (f"{CHECKPOINTS_NAME}: not a file of checkpoints",), False
    )
    path.unlink()
    assert state_at(copy, end.state.seq) == Moment(end.state, 0, (), False)


def test_checkpoints_of_another_journal_are_of_no_use(kept: Path, tmp_path: Path) -> None:
    """The same session uid and code, another fact in the journal: its chain is another one."""
    given = lines(small_run())
    since = given[-1].ts - 3 * EVERY_NS
    place = min(p for p, line in enumerate(given) if line.kind == "TimerTick" and line.ts > since)
    halt = Line.of(
        OperatorCommand("HALT", "a test", "to see", None, None, "", "NONE"), given[place].ts, True
    )
    other = [*given[:place], halt, *given[place + 1 :]]
    folder = write(tmp_path / "s", groups_of(other), small_run().core.state.uid)
    shutil.copy(kept / CHECKPOINTS_NAME, folder)
    moment = state_at(folder, len(other))
    assert moment.state == state_at(folder, len(other), from_start=True).state
    assert moment.state != state_at(kept, len(other)).state
    assert 0 < moment.began_seq <= place
    assert len(moment.discarded) == 3
    assert all("another chain" in line for line in moment.discarded)


def test_checkpoints_of_other_code_are_not_used(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are its states, not those of this code; the answer says so and is found without."""
    end = len(lines(small_run()))
    state = state_at(kept, end).state
    for module in (engine.runner, replay.travel):
        monkeypatch.setattr(module, "own_code_digest", lambda: OTHER_CODE)
    assert state_at(kept, end) == Moment(state, 0, (), True)


def test_a_session_that_died_is_travelled_to_its_end(tmp_path: Path) -> None:
    """Resumed twice, it goes on with its checkpoints: none of what was cut off is used, and those
    behind each resumption lead to the same states as the start does."""
    folder = cut_session(tmp_path, len(whole().entries) // 3)
    report = resume_market(folder, market(), small_rows(), account(), options=ENTRY_BLOCKS)
    cut_again(folder, 2 * report.head_seq // 3)
    report = resume_market(folder, market(), small_rows(), account(), options=ENTRY_BLOCKS)
    assert report.checkpoints.written > 0
    began = set()
    for seq in some(30, list(range(1, report.head_seq + 1))):
        moment = state_at(folder, seq)
        assert moment == replace(
            state_at(folder, seq, from_start=True), began_seq=moment.began_seq
        ), f"seq {seq}"
        began.add(moment.began_seq)
    assert len(began) > 2
    assert max(began) > 2 * report.head_seq // 3


# --- what cannot be travelled --------------------------------------------------------------------


def of_other_code(given: list[Line]) -> list[Line]:
    """The entries as if other code had recorded them."""
    opened = given[0].event
    assert isinstance(opened, SessionOpened)
    other = replace(opened, code_digest=OTHER_CODE)
    return [Line.of(other, given[0].ts, True), *given[1:]]


def test_a_session_of_other_code_is_said_to_be_one(tmp_path: Path) -> None:
    """Its entries are applied as they stand, and the answer says whose they are."""
    given = of_other_code(lines())
    moment = state_at(record(tmp_path / "s", given), len(given))
    assert moment.other_code
    assert moment.state.account == short_run().core.state.account


def test_an_entry_that_cannot_be_read_or_applied_is_named(tmp_path: Path) -> None:
    """A version from the future, and an entry that makes no sense where it stands."""
    given = lines()
    tick = next(p for p, line in enumerate(given) if line.kind == "TimerTick")
    other = [*given[:tick], given[tick]._replace(version=99), *given[tick + 1 :]]
    with pytest.raises(ReplayError, match=f"VERSION_TOO_NEW: seq {tick + 1}"):
        state_at(record(tmp_path / "newer", other), len(given))
    fill = next(line for line in given if line.kind == "FillApplied")
    senseless = [*given[:4], fill, *given[4:]]
    with pytest.raises(ReplayError, match=r"ENGINE_FAULT.* entry 5 \(FillApplied\)"):
        state_at(record(tmp_path / "senseless", senseless), len(given))


def test_a_cut_group_is_travelled_like_any_other(tmp_path: Path) -> None:
    """A session that a crash ended inside a group, closed by a TailCut of other code."""
    run = short_run()
    group = next(g for g in run.groups if len(g.derived) > 2)
    whole = lines()[: group.derived[0].seq]
    cut = TailCut(len(whole), 0, "OTHER_CODE")
    given = [*whole, Line.of(cut, group.fact.ts, True)]
    assert state_at(record(tmp_path / "s", given), len(given)).state.seq == len(given)
