"""A sweep gives one table, whoever works on it and however often it is killed, and its rows are the
decisions that a derived session under the same configuration holds."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars
import pytest

from engine.config import merge
from events.decision import DecisionMade
from events.envelope import decode_envelope
from events.orders import IntentApproved
from events.session import InstrumentsLoaded
from events.upcast import current_event
from journal.reader import JournalReader
from replay.session import replay_session
from replay.sweep import (
    RUNS_MAX,
    SweepError,
    SweepPlan,
    SweepSource,
    grid_of,
    plan_sweep,
    run_job,
    run_sweep,
)
from replay.whatif import whatif
from tests.engine.fabricated import SmallMarket, relaxed, run_small

ROOT = Path(__file__).resolve().parents[2]
GRID: dict[str, Any] = {
    "risk": {"trades_day_max": [1, 3]},
    "contract": {"delta_milli_max": [450, 650]},
}
CONFIG = relaxed(contract={"delta_milli_min": 400, "delta_milli_max": 650})


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[SweepSource]:
    """Two small recorded sessions."""
    parent = tmp_path_factory.mktemp("sessions")
    found = []
    for minutes in (5, 6):
        report = run_small(parent, SmallMarket(minutes=minutes, names=("NIFTY",)), CONFIG)
        found.append(SweepSource(report.folder, report.head_seq, bytes.fromhex(report.head_hash)))
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, sources: list[SweepSource]) -> SweepPlan:
    """The sweep of both sessions, run by one worker and never disturbed."""
    plan = plan_sweep(sources, grid_of(GRID), tmp_path_factory.mktemp("alone"))
    run_sweep(plan, workers=1)
    return plan


def test_one_worker_or_two_make_the_same_table(
    alone: SweepPlan, sources: list[SweepSource], tmp_path: Path
) -> None:
    """Byte for byte, every run in its order, and each is told as it is finished."""
    told: list[int] = []
    entries: list[int] = []
    plan = plan_sweep(sources, grid_of(GRID), tmp_path)
    runs = run_sweep(plan, workers=2, on_run=told.append, on_entries=entries.append)
    assert told == list(range(9))
    assert entries == sorted(entries)
    assert entries[-1] == plan.entries == 4 * sum(one.head_seq for one in sources)
    assert plan.table_path.read_bytes() == alone.table_path.read_bytes()
    assert [run.plan.run for run in runs] == list(range(1, 9))
    assert [tuple(run.plan.settings.values()) for run in runs] == [
        (1, 450), (1, 650), (3, 450), (3, 650)
    ] * 2  # fmt: skip
    assert len({run.figures.digest for run in runs}) > 2, "the grid must make a difference"
    table = polars.read_parquet(plan.table_path)
    assert table.height == sum(run.figures.decisions for run in runs) > 0
    assert table.sort("run", "seq").equals(table)
    again = run_sweep(plan, workers=2)
    assert all(run.resumed for run in again)
    assert [run.figures for run in again] == [run.figures for run in runs]


def recorded_rows(folder: Path) -> list[tuple[object, ...]]:
    """The decisions of a session, read by brute force."""
    rows: list[tuple[object, ...]] = []
    lots: dict[str, int] = {}
    symbols: list[str] = []
    with JournalReader(folder) as reader:
        envelopes = [decode_envelope(entry.data) for entry in reader]
    events = [(envelope, current_event(envelope)) for envelope in envelopes]
    for _, event in events:
        if isinstance(event, IntentApproved):
            lots[event.intent_id] = event.lots
        if isinstance(event, InstrumentsLoaded):
            symbols = [row.tradingsymbol for row in event.rows]
    for envelope, event in events:
        if isinstance(event, DecisionMade):
            fields = msgspec.structs.asdict(event)
            contract = event.contract
            rows.append(
                (
                    *(envelope.seq, envelope.ts, event.cycle, event.underlying, event.outcome),
                    *(event.stage, event.reason, fields["regime"], contract),
                    symbols[contract] if contract is not None else None,
                    lots.get(event.intent_id or "", 0),
                )
            )
    return rows


COLUMNS = ["seq", "ts", "cycle", "underlying", "outcome", "stage", "reason", "regime", "contract",
           "symbol", "lots"]  # fmt: skip


def test_rows_are_those_of_a_derived_session(
    alone: SweepPlan, sources: list[SweepSource], tmp_path: Path
) -> None:
    """Runs of the first session against the journals that whatif makes of it: same decisions,
    same seqs, same digest; and the recorded configuration gives the recorded decisions."""
    table = polars.read_parquet(alone.table_path)
    finished = {run.plan.run: run for run in run_sweep(alone, workers=1)}
    trades = 0
    for run in alone.runs[1:3]:
        tree: dict[str, dict[str, object]] = {}
        for key, value in run.settings.items():
            section, _, name = key.partition(".")
            tree.setdefault(section, {})[name] = value
        derived = whatif(sources[0].folder, tmp_path / str(run.run), lambda c, t=tree: merge(c, t))  # type: ignore[misc]
        mine = table.filter(polars.col("run") == run.run).select(COLUMNS).rows()
        assert mine == recorded_rows(derived.session)
        assert finished[run.run].figures.digest == replay_session(derived.session).digest
        trades += sum(row[4] == "TRADE" for row in mine)
    assert trades > 0
    same = {"contract": {"delta_milli_max": [650]}}
    plan = plan_sweep(sources[:1], grid_of(same), tmp_path / "same")
    run_sweep(plan, workers=1)
    mine = polars.read_parquet(plan.table_path).select(COLUMNS).rows()
    assert mine == recorded_rows(sources[0].folder)


def test_times_and_settings_are_typed(alone: SweepPlan) -> None:
    """ns UTC as an integer beside the time in India; a setting has its own type."""
    table = polars.read_parquet(alone.table_path)
    assert table.schema["ts"] == polars.Int64
    assert table.schema["ts_ist"] == polars.Datetime("ns", "Asia/Kolkata")
    assert table.schema["risk.trades_day_max"] == polars.Int64
    first = table.row(0, named=True)
    assert first["ts_ist"].timestamp() * 1_000_000_000 == first["ts"]
    assert table.columns[:5] == [
        "run", "session", "configuration", "risk.trades_day_max", "contract.delta_milli_max"
    ]  # fmt: skip


SWEEP = """
import sys
from pathlib import Path
import msgspec
from replay.sweep import SweepSource, grid_of, plan_sweep, run_sweep
import json
if __name__ == "__main__":
    grid = grid_of(json.loads(sys.argv[2]))
    ends = [part.split(":") for part in sys.argv[3:]]
    sources = [SweepSource(Path(a), int(b), bytes.fromhex(c)) for a, b, c in ends]
    plan = plan_sweep(sources, grid, Path(sys.argv[1]))
    run_sweep(plan, workers=2, on_run=lambda count: print(count, flush=True))
"""


def test_a_killed_sweep_goes_on(
    alone: SweepPlan, sources: list[SweepSource], tmp_path: Path
) -> None:
    """Kill -9 in the middle leaves no process behind; the next sweep takes the finished runs and
    gives the table of the undisturbed one."""
    program = tmp_path / "program.py"
    program.write_text(SWEEP)
    words = [f"{one.folder}:{one.head_seq}:{one.head_hash.hex()}" for one in sources]
    grid = msgspec.json.encode(GRID).decode()
    child = subprocess.Popen(
        (sys.executable, "-P", str(program), str(tmp_path / "sweeps"), grid, *words),
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) >= 2:
            break
    child.kill()
    child.communicate(timeout=60)  # the workers hold the pipe too: it ends when they have ended
    plan = plan_sweep(sources, grid_of(GRID), tmp_path / "sweeps")
    assert not plan.table_path.exists()
    left = sorted(plan.folder.glob("*.run"))[0]
    left.write_bytes(left.read_bytes()[:-9])  # and one that a broken disk cut
    runs = run_sweep(plan, workers=2)
    assert 1 <= sum(run.resumed for run in runs) < len(runs)
    assert plan.table_path.read_bytes() == alone.table_path.read_bytes()


def test_workers_are_spawned(
    sources: list[SweepSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never forked, whatever this platform would do by itself: a fork shares our descriptors."""
    asked: list[str | None] = []
    whole = multiprocessing.get_context

    def noted(method: str | None = None) -> Any:
        asked.append(method)
        return whole(method)

    monkeypatch.setattr(multiprocessing, "get_context", noted)
    grid = grid_of({"risk": {"trades_day_max": [1]}})
    run_sweep(plan_sweep(sources[:1], grid, tmp_path), workers=1)
    assert asked[0] == "spawn"
    assert "fork" not in asked


def test_another_plan_takes_up_nothing(sources: list[SweepSource], tmp_path: Path) -> None:
    """Another grid, session, end, chain or base is another sweep; a run kept under a name that is
    not its own is not read."""
    grid = grid_of({"risk": {"trades_day_max": [1, 3]}})
    plans = [
        plan_sweep(sources[:1], grid, tmp_path),
        plan_sweep(sources[1:], grid, tmp_path),
        plan_sweep(sources[:1], grid_of({"risk": {"trades_day_max": [3, 1]}}), tmp_path),
        plan_sweep([msgspec.structs.replace(sources[0], head_seq=9)], grid, tmp_path),
        plan_sweep([msgspec.structs.replace(sources[0], head_hash=bytes(32))], grid, tmp_path),
        plan_sweep(
            sources[:1], grid, tmp_path, lambda c: merge(c, {"risk": {"loss_streak_max": 2}})
        ),
    ]
    assert len({plan.folder for plan in plans}) == len(plans)
    plan = plans[0]
    plan.folder.mkdir(parents=True)
    run_job(plan.jobs[0])
    plan.jobs[1].target.write_bytes(plan.jobs[0].target.read_bytes())
    assert [run.resumed for run in run_sweep(plan, workers=1)] == [True, False]


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "empty"),
    ({"risk": {}}, "empty"),
    ({"trades_day_max": [1]}, "no section"),
    ({"risk": {"trades_day_max": 3}}, "list of values"),
    ({"risk": {"trades_day_max": []}}, "list of values"),
    ({"risk": {"trades_day_max": [1, 1]}}, "twice"),
    ({"risk": {"trades_day_max": [1.5]}}, "holds 1.5"),
    ({"risk": {"trades_day_max": [[1]]}}, "holds"),
]


@pytest.mark.parametrize(("tree", "word"), BAD)
def test_a_bad_grid_is_refused(tree: dict[str, Any], word: str) -> None:
    """One line that says which setting."""
    with pytest.raises(SweepError, match=word):
        grid_of(tree)


BAD_PLANS: list[tuple[dict[str, Any], str]] = [
    ({"risk": {"no_such": [1]}}, "risk.no_such = 1: unknown setting"),
    ({"risk": {"trades_day_max": [1, -1]}}, "trades_day_max = -1: setting out of bounds"),
    ({"contract": {"delta_milli_max": [650, 3]}}, "delta_milli_max = 3: "),
    ({"risk": {"trades_day_max": list(range(RUNS_MAX + 1))}}, f"at most {RUNS_MAX}"),
]


@pytest.mark.parametrize(("tree", "word"), BAD_PLANS)
def test_a_plan_that_cannot_be_run_is_refused(
    sources: list[SweepSource], tmp_path: Path, tree: dict[str, Any], word: str
) -> None:
    """Before anything is run or made, with the combination that is wrong."""
    with pytest.raises(SweepError, match=word):
        plan_sweep(sources, grid_of(tree), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_run_that_fails_fails_the_sweep(
    sources: list[SweepSource], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker's error is the sweep's; no table is made."""
    gone = [msgspec.structs.replace(sources[0], folder=tmp_path / "gone")]
    plan = plan_sweep(sources[:1], grid_of({"risk": {"trades_day_max": [1]}}), tmp_path / "sweeps")
    jobs = tuple(msgspec.structs.replace(job, source=gone[0].folder) for job in plan.jobs)
    failing: Callable[[], object] = lambda: run_sweep(  # noqa: E731
        msgspec.structs.replace(plan, jobs=jobs), workers=1
    )
    with pytest.raises(Exception, match="JOURNAL_MISSING"):
        failing()
    assert not plan.table_path.exists()
