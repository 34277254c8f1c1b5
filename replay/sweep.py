"""Sessions times configurations: what would have been decided under each.

Lives here: the plan of a sweep, its runs in a pool of processes, their table. May import: events,
journal, engine, replay, polars (for the table alone). Always holds: a run depends on the session's
facts, the configuration and the code, never on the other runs or on who ran it, so that one worker
or many, stopped or not, give the same table; a finished run is on the disk before it counts, and a
part of one has no name that is read.
Start reading at ``plan_sweep``, then ``run_sweep``.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from engine import config as settings
from engine.config import Config, ConfigError
from engine.core import Core
from engine.runner import own_code_digest
from events.base import Event
from events.decision import DecisionMade
from events.orders import IntentApproved
from events.session import InstrumentsLoaded, SessionOpened, Setting
from replay.session import PROGRESS_SEQS, ReplayError, facts_of_session, told_as_replay_error
from replay.whatif import FACT_POLICY, mapped_facts

if TYPE_CHECKING:
    from multiprocessing.sharedctypes import Synchronized

    import polars

RUNS_MAX: Final = 1_000
"""A day has some ten thousand decisions, and the table is made in memory."""

TABLE_NAME: Final = "decisions.parquet"
RUN_SUFFIX: Final = ".run"
ROWS_VERSION: Final = 1
"""Of what a run keeps; another version's runs are not taken up again."""

FOLDER_MODE: Final = 0o700
TELL_S: Final = 0.25
"""How often a sweep says how far it is, at least."""
_ID_CHARS: Final = 16

Value = int | bool | str


class SweepError(Exception):
    """A sweep that cannot be planned or run; one line that says what to do."""


class DecisionRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One decision of a run. ``seq`` counts as in a derived session, ``ts`` is ns UTC, ``symbol``
    names the contract, ``lots`` are those of the intent (0 without one)."""

    seq: int
    ts: int
    cycle: int
    underlying: str
    outcome: str
    stage: str
    reason: str
    family: str | None
    strategy_id: str | None
    regime: str
    day_type: str
    contract: int | None
    symbol: str | None
    lots: int


class RunFigures(msgspec.Struct, frozen=True):
    """What a run came to. ``pnl_paise`` is net of charges, of closed positions."""

    facts: int
    derivations: int
    decisions: int
    trades: int
    pnl_paise: int
    digest: str


class SweepRun(msgspec.Struct, frozen=True):
    """One session under one configuration: ``run`` and ``configuration`` count from 1 in the
    table's order, ``settings`` are the grid's values in the grid's order."""

    run: int
    id: str
    session: str
    configuration: int
    settings: dict[str, Value]


class FinishedRun(msgspec.Struct, frozen=True):
    """A run with its figures; ``resumed`` where an earlier sweep had finished it."""

    plan: SweepRun
    figures: RunFigures
    resumed: bool


class _Kept(msgspec.Struct, frozen=True):
    """A finished run as it stands on the disk."""

    version: int
    id: str
    figures: RunFigures
    rows: tuple[DecisionRow, ...]


class _Job(msgspec.Struct, frozen=True):
    """What a worker is given."""

    plan: SweepRun
    source: Path
    head_seq: int
    config: Config
    target: Path


class SweepSource(msgspec.Struct, frozen=True):
    """A recorded session and the end up to which it is swept (a hash of 32 bytes)."""

    folder: Path
    head_seq: int
    head_hash: bytes


class SweepPlan(msgspec.Struct, frozen=True):
    """Every run of a sweep, in the order of its table, and where it keeps them."""

    folder: Path
    jobs: tuple[_Job, ...]

    @property
    def runs(self) -> tuple[SweepRun, ...]:
        return tuple(job.plan for job in self.jobs)

    @property
    def entries(self) -> int:
        """Recorded entries of all runs together."""
        return sum(job.head_seq for job in self.jobs)

    @property
    def table_path(self) -> Path:
        return self.folder / TABLE_NAME


# --- the plan --------------------------------------------------------------------------------


def grid_of(tree: Mapping[str, Any]) -> dict[str, tuple[Value, ...]]:
    """``section.setting`` to its values, from sections of lists as TOML gives them, in that order.

    Raises ``SweepError`` for anything but one list of different values a setting.
    """
    grid: dict[str, tuple[Value, ...]] = {}
    for section, names in tree.items():
        if not isinstance(names, Mapping):
            raise SweepError(f"the grid's {section} stands in no section: write [section] above it")
        for name, values in names.items():
            grid[f"{section}.{name}"] = _values(f"{section}.{name}", values)
    if not grid:
        raise SweepError("the grid is empty: write [section] and a setting with a list of values")
    return grid


def _values(key: str, values: object) -> tuple[Value, ...]:
    if not isinstance(values, list) or not values:
        raise SweepError(f"the grid's {key} must be a list of values, as in {key} = [1, 2]")
    for value in values:
        if not isinstance(value, int | str):
            raise SweepError(f"the grid's {key} holds {value!r}: numbers, words, true and false")
    if len({(type(value), value) for value in values}) < len(values):
        raise SweepError(f"the grid's {key} has a value twice")
    return tuple(values)


def plan_sweep(
    sources: Sequence[SweepSource],
    grid: Mapping[str, tuple[Value, ...]],
    folder: Path,
    change: Callable[[Config], Config] = lambda recorded: recorded,
) -> SweepPlan:
    """Plan every session under every combination of the grid (the last setting runs fastest), each
    laid over ``change`` of the session's own configuration.

    ``folder`` is where sweeps are kept; the plan's own is below it, named by all that its table
    depends on, so that the same sweep finds its finished runs again. Makes nothing. Raises
    ``SweepError`` (too many runs, a combination that is no configuration), ``ReplayError``, and
    the journal's errors.
    """
    combinations = math.prod(len(values) for values in grid.values())
    if combinations * len(sources) > RUNS_MAX:
        raise SweepError(
            f"{len(sources)} sessions x {combinations} configurations are "
            f"{len(sources) * combinations} runs; a sweep has at most {RUNS_MAX}: make the grid "
            "smaller or sweep fewer sessions at a time"
        )
    jobs: list[_Job] = []
    for source in sources:
        base = change(_recorded_config(source.folder))
        for number, values in enumerate(itertools.product(*grid.values()), 1):
            jobs.append(_job(len(jobs) + 1, source, base, number, _named(grid, values)))
    place = folder / _digest([job.plan.id for job in jobs])
    return SweepPlan(
        place, tuple(_placed(job, place / f"{job.plan.id}{RUN_SUFFIX}") for job in jobs)
    )


def _placed(job: _Job, target: Path) -> _Job:
    return msgspec.structs.replace(job, target=target)


def _job(
    run: int, source: SweepSource, base: Config, number: int, values: dict[str, Value]
) -> _Job:
    try:
        config = settings.from_settings(
            tuple(Setting(key, value) for key, value in values.items()), base
        )
    except ConfigError as error:
        told = ", ".join(f"{key} = {value}" for key, value in values.items())
        raise SweepError(f"the grid's {told}: {error}") from error
    flat = settings.digest(settings.flatten(config))
    parts = [source.folder.name, source.head_seq, source.head_hash.hex(), flat]
    identity = _digest([*parts, list(values.items()), own_code_digest(), FACT_POLICY, ROWS_VERSION])
    plan = SweepRun(run, identity, source.folder.name, number, values)
    return _Job(plan, source.folder, source.head_seq, config, Path())


def _named(grid: Iterable[str], values: Iterable[Value]) -> dict[str, Value]:
    return dict(zip(grid, values, strict=True))


def _recorded_config(folder: Path) -> Config:
    opened = next((e for _, _, e in facts_of_session(folder)), None)
    if not isinstance(opened, SessionOpened):
        raise ReplayError(f"{folder} holds no session: nothing to sweep")
    with told_as_replay_error():
        return settings.of_session(opened.settings)


def _digest(parts: Iterable[object]) -> str:
    return hashlib.sha256(msgspec.json.encode(list(parts))).hexdigest()[:_ID_CHARS]


# --- the runs --------------------------------------------------------------------------------


def run_sweep(
    plan: SweepPlan,
    *,
    workers: int,
    on_run: Callable[[int], None] | None = None,
    on_entries: Callable[[int], None] | None = None,
) -> tuple[FinishedRun, ...]:
    """Run what is not finished yet, in ``workers`` processes, and write the table.

    ``on_run`` is told how many runs are finished, ``on_entries`` now and then how many recorded
    entries are behind all runs together (``plan.entries`` at the end). A sweep that was stopped,
    however, goes on from its finished runs. Raises ``SweepError``, and what a run raises:
    ``ReplayError``, the journal's errors.
    """
    plan.folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    finished = {job.plan.run: kept for job in plan.jobs if (kept := _read(job)) is not None}
    resumed = frozenset(finished)
    left = [job for job in plan.jobs if job.plan.run not in finished]
    behind = plan.entries - sum(job.head_seq for job in left)
    tell_run, tell_entries = on_run or _silent, on_entries or _silent
    tell_run(len(finished))
    for job in _in_pool(left, workers, lambda entries: tell_entries(behind + entries)):
        kept = _read(job)
        if kept is None:
            raise SweepError(f"{job.target} was taken away while the sweep ran: run it again")
        finished[job.plan.run] = kept
        tell_run(len(finished))
    _write_table(plan, finished)
    return tuple(
        FinishedRun(run, finished[run.run].figures, run.run in resumed) for run in plan.runs
    )


def _silent(_: int) -> None:
    """Nobody listens."""


def _in_pool(jobs: Sequence[_Job], workers: int, tell: Callable[[int], None]) -> Iterator[_Job]:
    """The jobs as they are done. Spawned, never forked: a fork would share our descriptors."""
    if not jobs:
        return
    context = multiprocessing.get_context("spawn")
    behind: Synchronized[int] = context.Value("q", 0)
    pool = ProcessPoolExecutor(
        max_workers=min(workers, len(jobs)),
        mp_context=context,
        initializer=_begin_worker,
        initargs=(behind,),
    )
    try:
        doing: dict[Future[None], _Job] = {pool.submit(run_job, job): job for job in jobs}
        while doing:
            done, _ = wait(doing, timeout=TELL_S, return_when=FIRST_COMPLETED)
            tell(behind.value)
            for future in done:
                future.result()
                yield doing.pop(future)
    except BrokenProcessPool as error:
        raise SweepError(
            "a worker process died, perhaps for want of memory: give the same command again, "
            "with fewer --workers"
        ) from error
    except BaseException:
        for child in multiprocessing.active_children():
            child.terminate()  # what it was at would be thrown away anyhow
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker(behind: Synchronized[int]) -> None:
    """In a worker: where it tells how far it is; and that it ends with its parent, for whose work
    it would wait for ever after a kill. The keyboard's interrupt is the parent's to answer."""
    global _behind
    _behind = behind
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a worker is begun with this"

    def watch(sentinel: int) -> None:
        connection.wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()


_behind: Synchronized[int] | None = None
"""Entries that the workers of a sweep have behind them, all together; None outside a worker."""


def _told(facts: Iterator[tuple[int, int, Event]], job: _Job) -> Iterator[tuple[int, Event]]:
    """The facts; on the way the entries behind them are told, in the end all of the session's."""
    told = 0
    for seq, ts, event in facts:
        yield ts, event
        if seq - told >= PROGRESS_SEQS:
            told += _tell(seq - told)
    _tell(job.head_seq - told)


def _tell(entries: int) -> int:
    if _behind is not None:
        with _behind.get_lock():
            _behind.value += entries
    return entries


def run_job(job: _Job) -> None:
    """One run, in this process: re-derive the session under its configuration and keep its rows.

    The file has its name only when it is whole and on the disk.
    """
    figures, rows = _derive(job)
    kept = _Kept(ROWS_VERSION, job.plan.id, figures, tuple(rows))
    _write_whole(job.target, msgspec.msgpack.encode(kept))


def _derive(job: _Job) -> tuple[RunFigures, list[DecisionRow]]:
    core, seq, facts, rows = Core(), 1, 0, list[DecisionRow]()
    symbols: tuple[str, ...] = ()
    digest = hashlib.sha256()
    with told_as_replay_error():
        facts_of_run = mapped_facts(job.source, lambda _: job.config, until_seq=job.head_seq)
        for ts, event in _told(facts_of_run, job):
            derived = core.step(seq, ts, event)
            if isinstance(event, InstrumentsLoaded):
                symbols = tuple(one.tradingsymbol for one in event.rows)
            for one in derived:
                digest.update(one.data)
            made = [(one.entry.seq, one.entry.event) for one in derived]
            rows.extend(_rows(ts, made, symbols))
            facts, seq = facts + 1, seq + 1 + len(derived)
    state = core.state
    pnl_paise = state.account.realised_paise - state.account.charges_paise
    figures = RunFigures(
        facts, seq - 1 - facts, state.decisions, state.trades, pnl_paise, digest.hexdigest()
    )
    return figures, rows


def _rows(
    ts: int, made: Sequence[tuple[int, Event]], symbols: Sequence[str]
) -> Iterator[DecisionRow]:
    """The decisions of one group, each with the lots of its intent."""
    lots = {one.intent_id: one.lots for _, one in made if isinstance(one, IntentApproved)}
    for seq, one in made:
        if isinstance(one, DecisionMade):
            yield DecisionRow(
                seq,
                ts,
                one.cycle,
                one.underlying,
                one.outcome,
                one.stage,
                one.reason,
                one.family,
                one.strategy_id,
                one.regime,
                one.day_type,
                one.contract,
                symbols[one.contract] if one.contract is not None else None,
                lots.get(one.intent_id, 0) if one.intent_id is not None else 0,
            )


def _read(job: _Job) -> _Kept | None:
    """A finished run; None where there is none that is whole and of this plan."""
    try:
        kept = msgspec.msgpack.decode(job.target.read_bytes(), type=_Kept)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None
    return kept if (kept.version, kept.id) == (ROWS_VERSION, job.plan.id) else None


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


# --- the table -------------------------------------------------------------------------------


def _write_table(plan: SweepPlan, finished: Mapping[int, _Kept]) -> None:
    """All rows in the order of runs and seqs, as one Parquet file; the same bytes for the same
    rows, and replaced as a whole."""
    import polars

    frames = [run_frame(run, finished[run.run].rows) for run in plan.runs]
    table = polars.concat(frames, rechunk=True)
    partial = plan.folder / f"{TABLE_NAME}.{os.getpid()}.tmp"
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(handle, "wb") as file:
        table.write_parquet(file, compression="zstd", statistics=True, row_group_size=100_000)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, plan.table_path)


def run_frame(run: SweepRun, rows: Sequence[DecisionRow]) -> polars.DataFrame:
    """The rows of one run with the run's own columns in front: ``run``, ``session``,
    ``configuration``, one column a setting of the grid; ``ts_ist`` is the time in India."""
    import polars

    names = DecisionRow.__struct_fields__
    columns = zip(*map(msgspec.structs.astuple, rows), strict=True) if rows else [()] * len(names)
    types = {name: _column_type(name) for name in names}
    frame = polars.DataFrame(dict(zip(names, map(list, columns), strict=True)), schema=types)
    ist = polars.from_epoch(polars.col("ts"), time_unit="ns").dt.replace_time_zone("UTC")
    own = [
        polars.lit(run.run, polars.Int64).alias("run"),
        polars.lit(run.session, polars.String).alias("session"),
        polars.lit(run.configuration, polars.Int64).alias("configuration"),
        *(polars.lit(value).cast(_value_type(value)).alias(k) for k, value in run.settings.items()),
    ]
    stamped = frame.with_columns(ist.dt.convert_time_zone("Asia/Kolkata").alias("ts_ist"), *own)
    order = ["run", "session", "configuration", *run.settings, "seq", "ts", "ts_ist", *names[2:]]
    return stamped.select(order)


_INTEGERS: Final = frozenset(("seq", "ts", "cycle", "contract", "lots"))


def _column_type(name: str) -> Any:
    import polars

    return polars.Int64 if name in _INTEGERS else polars.String


def _value_type(value: Value) -> Any:
    import polars

    if isinstance(value, bool):
        return polars.Boolean
    return polars.Int64 if isinstance(value, int) else polars.String
