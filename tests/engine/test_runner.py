"""A small market end to end: the journal holds the groups, and equal runs are equal anywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine import runner as runner_module
from engine.checkpoint import StateError
from engine.core import Core, CoreFault
from engine.decide import DECIDE
from engine.lookup import Lookup
from engine.opening import session_opened
from engine.resume import EngineFault
from engine.rulebook import iso_day
from engine.runner import (
    Runner,
    RunReport,
    carried_from,
    code_digest,
    nearest_checkpoint,
    own_code_digest,
)
from engine.state import State
from engine.work import Item, Outcome
from events.envelope import chain_hash, decode_envelope, payload_digest
from events.registry import BY_KIND
from events.session import OperatorCommand
from journal.block import Entry
from journal.checkpointer import EVERY_NS, Counts
from journal.checkpoints import CHECKPOINTS_NAME, CheckpointFile
from journal.reader import read_entries
from journal.verify import verify_session
from journal.writer import JournalWriter
from tests.engine.fabricated import (
    DAY,
    SmallMarket,
    relaxed,
    run_small,
    small_facts,
    small_rows,
    small_run,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> RunReport:
    """One run of the small market, journaled."""
    return run_small(tmp_path_factory.mktemp("runner"))


@pytest.fixture(scope="module")
def entries(report: RunReport) -> list[Entry]:
    """The entries of that run's journal."""
    return list(read_entries(report.folder))


def test_the_journal_holds_the_groups(report: RunReport, entries: list[Entry]) -> None:
    """Byte for byte the journal is the facts with their derivations, as the core alone gives them,
    and each group's last entry ends it."""
    groups = small_run().groups
    datas = [data for group in groups for data in (group.fact_data, *group.datas)]
    assert [entry.data for entry in entries] == datas
    ends = [n == len(g.datas) for g in groups for n in range(len(g.datas) + 1)]
    assert [entry.group_end for entry in entries] == ends
    assert report.facts == len(groups)
    assert report.facts + report.derivations == len(entries) == report.head_seq


def test_the_report_says_what_the_journal_holds(report: RunReport, entries: list[Entry]) -> None:
    """Counts, digest and head hash of the report are those of the entries."""
    envelopes = [decode_envelope(entry.data) for entry in entries]
    kinds = [one.kind for one in envelopes]
    assert report.decisions == kinds.count("DecisionMade") > 0
    assert report.trades == kinds.count("IntentApproved") > 0
    assert report.facts == sum(one.is_fact for one in envelopes)
    assert report.digest == small_run().digest
    chain = bytes(32)
    for entry in entries:
        chain = chain_hash(chain, entry.data)
    assert report.head_hash == chain.hex()
    account = report.state.account
    assert report.pnl_paise == account.realised_paise - account.charges_paise
    assert report.ticks == report.state.feed.ticks > 1_000


def test_a_session_ends_with_its_summary(entries: list[Entry]) -> None:
    """The facts of a session begin with what it was opened with and end with its close; its last
    entry sums it up."""
    kinds = [decode_envelope(entry.data) for entry in entries]
    facts = [one.kind for one in kinds if one.is_fact]
    assert facts[:5] == [
        "SessionOpened", "CarriedOver", "ArtifactLoaded", "InstrumentsLoaded", "FeedStatus",
    ]  # fmt: skip
    assert facts[-2:] == ["FeedStatus", "SessionClosed"]
    assert kinds[-1].kind == "SessionSummarised"


def test_the_folder_is_named_by_the_session(report: RunReport) -> None:
    """Day, mode and the head of the identity's digest; the identity holds no path."""
    opened = session_opened(SmallMarket(), relaxed(), small_rows(), own_code_digest())
    uid = payload_digest(opened)[:12]
    assert report.folder.name == f"2026-11-20-backtest-{uid}"
    assert report.state.uid == uid
    assert iso_day(DAY) == "2026-11-20"


def test_the_same_again_is_the_same(report: RunReport, tmp_path: Path) -> None:
    """A second run elsewhere has the same uid, digest and head hash; a second one in the same home
    gets a folder of its own and the same hashes."""
    for parent in (tmp_path, report.folder.parent):
        again = run_small(parent)
        assert again.folder != report.folder
        assert again.state.uid == report.state.uid
        assert (again.digest, again.head_hash) == (report.digest, report.head_hash)


def test_another_seed_or_setting_is_another_session(report: RunReport, tmp_path: Path) -> None:
    """Identity follows the inputs: another seed, another threshold, another uid and digest."""
    seeded = run_small(tmp_path, SmallMarket(minutes=2, seed=9))
    small = run_small(tmp_path, SmallMarket(minutes=2))
    strict = run_small(tmp_path, SmallMarket(minutes=2), relaxed(warmup={"bars_min": 1}))
    uids = {one.state.uid for one in (report, seeded, small, strict)}
    assert len(uids) == len({one.digest for one in (report, seeded, small, strict)}) == 4


SCRIPT = """
import json, sys
from pathlib import Path
from tests.engine.fabricated import run_small
report = run_small(Path(sys.argv[1]))
print(json.dumps([report.state.uid, report.digest, report.head_hash]))
"""


@pytest.mark.parametrize(
    ("seed", "zone", "locale"), [("1", "Asia/Tokyo", "C"), ("4242", "America/Lima", "de_DE.UTF-8")]
)
def test_another_process_in_another_place_derives_the_same(
    report: RunReport, tmp_path: Path, seed: str, zone: str, locale: str
) -> None:
    """Hash seed, time zone, locale and working directory change nothing: uid, digest, head hash."""
    env = {
        **os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale,
        "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "home")],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [report.state.uid, report.digest, report.head_hash]


def test_an_urgent_group_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a group with an approval, an exit or an operator's command the runner waits until it is
    durable; a disk that does not answer in time stops the session with what to do."""
    folder = tmp_path / "2026-11-20-backtest-0123456789ab"
    folder.mkdir(mode=0o700)
    waited: list[int] = []
    with JournalWriter.create(folder, "0123456789ab") as writer:
        driven = Runner(writer)
        real = writer.wait_durable

        def noting(seq: int, timeout_s: float | None = None) -> bool:
            waited.append(seq)
            return real(seq, timeout_s)

        monkeypatch.setattr(writer, "wait_durable", noting)
        for ts, event in small_facts(SmallMarket(minutes=4), relaxed()):
            before = len(waited)
            derived = driven.group(ts, event)
            kinds = [one.entry.kind for one in derived] + [type(event).__name__]
            urgent = any(BY_KIND[kind].urgent for kind in kinds)
            assert len(waited) - before == urgent
            if urgent:
                assert waited[-1] == writer.head_seq
        assert waited
        monkeypatch.setattr(writer, "wait_durable", lambda seq, timeout=None: False)
        with pytest.raises(EngineFault, match="check the disk"):
            driven.fact(
                driven.core.state.now,
                OperatorCommand("HALT", "a test", "to see", None, None, "", "NONE"),
            )


def test_groups_that_are_appended_together_are_settled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two urgent groups behind one another wait for the disk once, for the second; then nothing is
    left to wait for."""
    waited: list[int] = []
    real = JournalWriter.wait_durable

    def counted(writer: JournalWriter, seq: int, timeout_s: float | None = None) -> bool:
        waited.append(seq)
        return real(writer, seq, timeout_s)

    monkeypatch.setattr(JournalWriter, "wait_durable", counted)
    command = OperatorCommand("HALT", "a test", "to see", None, None, "", "NONE")
    with JournalWriter.create(tmp_path / "one", "ab" * 6) as writer:
        runner = Runner(writer)
        for _ in range(2):
            runner.append(0, command)
        assert not waited
        for _ in range(2):
            runner.settle()
        assert waited == [writer.head_seq]
        assert writer.durable_seq == writer.head_seq >= 2


def test_it_tells_when_it_opens_and_how_far_it_is(tmp_path: Path) -> None:
    """``on_open`` is told the folder when the opening facts are in the journal; ``on_progress``
    session times that only grow."""
    opened: list[Path] = []
    times: list[int] = []
    report = runner_module.run_market(
        tmp_path, SmallMarket(minutes=8), relaxed(), small_rows(),
        on_open=opened.append, on_progress=times.append,
    )  # fmt: skip
    assert opened == [report.folder]
    assert times == sorted(times)
    assert len(times) == report.facts // 256 > 0


def test_each_minute_s_state_is_kept_beside_the_journal(report: RunReport) -> None:
    """Every minute of session time that has a fact has the state after its first group, as deciding
    led to it; the first minute has none, and none was dropped."""
    core = Core()
    expected: dict[int, State] = {}
    minutes = {SmallMarket().anchor_ns // EVERY_NS}
    for group in small_run().groups:
        core.step(group.fact.seq, group.fact.ts, group.fact.event)
        if group.fact.ts // EVERY_NS not in minutes:
            minutes.add(group.fact.ts // EVERY_NS)
            expected[core.state.seq] = core.state
    assert len(expected) == SmallMarket().minutes + 1
    assert report.checkpoints == Counts(len(expected), 0, None)
    last = 0
    for seq, state in expected.items():
        for asked, found in ((seq - 1, last), (seq, seq)):
            near = nearest_checkpoint(report.folder, report.state.uid, seq=asked)
            assert (near.seq, near.discarded) == (found, ())
        assert near.state == state
        assert nearest_checkpoint(report.folder, report.state.uid, ts=state.now).state == state
        last = seq


def test_checkpoints_have_no_part_in_the_session(
    report: RunReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that has no room for them changes no digest and no hash, and with them gone the
    journal verifies to the same head."""

    def no_room(*_: object) -> CheckpointFile:
        raise OSError("no room")

    monkeypatch.setattr(CheckpointFile, "open", no_room)
    without = run_small(tmp_path)
    assert (without.digest, without.head_hash) == (report.digest, report.head_hash)
    assert without.checkpoints == Counts(0, report.checkpoints.written, "no room")
    monkeypatch.undo()
    copy = shutil.copytree(report.folder, tmp_path / "copy")
    (copy / CHECKPOINTS_NAME).unlink()
    verified = verify_session(copy)
    assert (verified.ok, verified.head_hash) == (True, report.head_hash)
    assert nearest_checkpoint(copy, report.state.uid).state is None


def test_a_state_without_canonical_bytes_stops_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Canary: a programming error in the state is not passed over at its checkpoint."""

    def refuse(state: State) -> bytes:
        raise StateError("not in canonical form")

    monkeypatch.setattr(runner_module, "checked_bytes", refuse)
    with pytest.raises(EngineFault, match="no canonical bytes: not in canonical form"):
        run_small(tmp_path)


def test_the_fact_that_broke_the_engine_is_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENGINE_FAULT: the fact on which the core failed came, so it is journaled and durable, alone
    in a group that is not ended."""

    def broken(state: State, item: Item, look: Lookup, seq: int) -> Outcome:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setitem(DECIDE, "TimerTick", broken)
    with pytest.raises(CoreFault, match=r"ENGINE_FAULT: .*\(TimerTick\)"):
        run_small(tmp_path)
    (folder,) = tmp_path.iterdir()
    entries = list(read_entries(folder))
    kinds = [decode_envelope(one.data).kind for one in entries]
    assert kinds.count("TimerTick") == 1
    assert kinds[-1] == "TimerTick"
    assert [one.group_end for one in entries[-2:]] == [True, False]
    assert verify_session(folder).ok


def test_the_next_day_carries_from_the_one_before(report: RunReport) -> None:
    """Capital has moved by the day's result, halts stay, counts of the day begin anew, and the
    session before is named with its head hash."""
    account = replace(report.state.account, halts=("GOV_HALTED",))
    halted = RunReport(**{
        name: getattr(report, name) for name in report.__struct_fields__ if name != "state"
    }, state=replace(report.state, account=account))  # fmt: skip
    carried = carried_from(halted, DAY + 3)
    assert carried.capital_paise == account.capital_paise + report.pnl_paise
    assert (carried.previous_session, carried.previous_head_hash) == (
        report.state.uid, report.head_hash,
    )  # fmt: skip
    assert carried.halts == ("GOV_HALTED",)
    assert (carried.trades_today, carried.loss_streak, carried.realised_paise) == (0, 0, 0)


def test_the_code_digest_follows_the_core_alone(tmp_path: Path) -> None:
    """A changed, new or renamed file of the core changes it; the runner, other rooms, files that
    are no Python and the place it lies in do not."""
    for name in ("engine/core.py", "engine/runner.py", "events/feed.py", "cli/main.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    before = code_digest(tmp_path)
    for name in ("engine/runner.py", "cli/main.py", "engine/notes.txt"):
        (tmp_path / name).write_text("x = 2\n")
    assert code_digest(tmp_path) == before
    (tmp_path / "engine/core.py").write_text("x = 2\n")
    assert code_digest(tmp_path) != before
    (tmp_path / "engine/core.py").write_text("x = 1\n")
    assert code_digest(tmp_path) == before
    (tmp_path / "events/feed.py").rename(tmp_path / "events/feeds.py")
    assert code_digest(tmp_path) != before
    assert own_code_digest() == code_digest(ROOT)
