"""WORK-A: ticks to journaled gate results, Axiom next to a plain loop and to NautilusTrader.

Lives here: the command, the peers as a table, one run of one peer, medians and their print. May
import: the bench, msgspec, the standard library. Always holds: every run is a process of its own on
one and the same Python; rates are ticks per CPU second of all threads; runs are interleaved, so
that ratios are of the same minutes; a peer whose answers differ makes the command fail.
Run from the checkout: ``python -m bench.work_a [--ticks N] [--reps R] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench import environment, work_a_axiom, work_a_plain
from bench.measure import (
    Cost,
    common_options,
    cost_of,
    in_process,
    machine,
    peak_mb,
    say,
    write_report,
)
from bench.work_a_data import MINUTES, Answers, Day, check_size, differences, make_day

Done = tuple[Cost, Answers]


class Run(msgspec.Struct, frozen=True):
    """One run of one peer. ``peak_mb`` is of the whole process, its data included."""

    peer: str
    machine: str
    ticks: int
    cost: Cost
    peak_mb: int
    answers: Answers


class Row(msgspec.Struct, frozen=True):
    """A peer's median run. ``to_nautilus`` is None where that one did not run; ``sealing_cpu_s`` is
    of the child processes that seal segments meanwhile, and is in no rate."""

    peer: str
    what: str
    runs: int
    cpu_s: float
    wall_s: float
    sealing_cpu_s: float
    ticks_per_cpu_s: int
    to_plain: float
    to_nautilus: float | None
    peak_mb: int
    differs: list[str]


class Report(msgspec.Struct, frozen=True):
    """All that is said of one call."""

    ticks: int
    seed: int
    machine: str
    rows: list[Row]
    answers: Answers
    left_out: str | None


# --- the peers -----------------------------------------------------------------------------------


def run_plain(day: Day, folder: Path) -> Done:
    """The plain loop; the ticks are in memory before."""
    ticks, minutes = work_a_plain.flatten(day), day.minutes
    found: list[Answers] = []
    return cost_of(lambda: found.append(work_a_plain.run(ticks, minutes))), found[0]


def axiom(per_frame: int, *, keep_states: bool = False) -> Callable[[Day, Path], Done]:
    """Axiom on frames of a size; the frames' bytes are in memory before."""

    def run(day: Day, folder: Path) -> Done:
        market = work_a_axiom.market_of(day, per_frame)
        folders: list[Path] = []
        run_axiom = functools.partial(work_a_axiom.run, keep_states=keep_states)
        cost = cost_of(lambda: folders.append(run_axiom(folder, market)))
        return cost, work_a_axiom.answers(folders[0])

    return run


def replay(day: Day, folder: Path) -> Done:
    """Axiom's replay of the sealed journal that it made of frames of 200."""
    session = work_a_axiom.run(folder, work_a_axiom.market_of(day, 200))
    work_a_axiom.seal(session)
    return cost_of(lambda: work_a_axiom.replay(session)), work_a_axiom.answers(session)


def nautilus(handler: bool) -> Callable[[Day, Path], Done]:
    """NautilusTrader; its own quote and trade objects are in memory before."""

    def run(day: Day, folder: Path) -> Done:
        from bench import nautilus_work_a

        engine, strategy = nautilus_work_a.make_engine(day, handler=handler)
        minutes = day.minutes
        return cost_of(lambda: nautilus_work_a.run(engine, minutes)), strategy.answers()

    return run


class Peer(msgspec.Struct, frozen=True):
    """How a peer is run and what it does."""

    what: str
    run: Callable[[Day, Path], Done]


PLAIN: Final = "plain loop"
AXIOM: Final = "axiom, frames of 200"
REPLAY: Final = "axiom, replay"
NAUTILUS: Final = "nautilus"
HANDLER: Final = "nautilus, handler"
PEERS: Final[dict[str, Peer]] = {
    PLAIN: Peer("slots objects, ticks in memory, no journal", run_plain),
    AXIOM: Peer("frame bytes to a durable journal", axiom(200)),
    "axiom, states kept": Peer(
        "the same with a checkpoint of the state each minute", axiom(200, keep_states=True)
    ),
    "axiom, frames of 20": Peer("the same ticks in smaller frames", axiom(20)),
    REPLAY: Peer("from the sealed journal: verified, derived again, compared", replay),
    NAUTILUS: Peer("ticks in memory, quotes from its cache", nautilus(False)),
    HANDLER: Peer("the same with a quote handler", nautilus(True)),
}
NEEDS_NAUTILUS: Final = (NAUTILUS, HANDLER)
TARGETS: Final = ((AXIOM, 10.0), (REPLAY, 15.0))
"""Rates over NautilusTrader's that the project asks of itself."""


def work(peer: str, options: argparse.Namespace) -> Run:
    """One run of one peer in this process."""
    with tempfile.TemporaryDirectory(prefix="axiom-bench-", dir=options.folder) as scratch:
        day = make_day(options.ticks, options.seed, options.minutes)
        cost, answers = PEERS[peer].run(day, Path(scratch))
    return Run(peer, machine(), options.ticks, cost, peak_mb(), answers)


# --- the command ---------------------------------------------------------------------------------


def measure(python: str, peers: Sequence[str], options: argparse.Namespace) -> list[Run]:
    """All runs, one round of all peers after the other."""
    arguments = [
        f"--ticks={options.ticks}", f"--seed={options.seed}", f"--minutes={options.minutes}"
    ]  # fmt: skip
    if options.folder is not None:
        arguments.append(f"--folder={options.folder}")
    runs: list[Run] = []
    for turn in range(options.reps):
        for peer in peers:
            say(f"  run {turn + 1}: {peer}")
            said = in_process(python, "bench.work_a", ["--peer", peer, *arguments])
            runs.append(msgspec.json.decode(said, type=Run))
    return runs


def report_of(runs: Sequence[Run], seed: int, left_out: str | None) -> Report:
    """Medians, ratios and whether the answers are the plain loop's."""
    peers = list(dict.fromkeys(run.peer for run in runs))
    cpu = {peer: statistics.median(r.cost.cpu_s for r in runs if r.peer == peer) for peer in peers}
    want = next(run.answers for run in runs if run.peer == PLAIN)
    rows = []
    for peer in peers:
        mine = [run for run in runs if run.peer == peer]
        rows.append(
            Row(
                peer=peer,
                what=PEERS[peer].what,
                runs=len(mine),
                cpu_s=round(cpu[peer], 3),
                wall_s=round(statistics.median(run.cost.wall_s for run in mine), 3),
                sealing_cpu_s=round(statistics.median(run.cost.children_cpu_s for run in mine), 3),
                ticks_per_cpu_s=int(mine[0].ticks / cpu[peer]),
                to_plain=round(cpu[PLAIN] / cpu[peer], 3),
                to_nautilus=round(cpu[NAUTILUS] / cpu[peer], 2) if NAUTILUS in cpu else None,
                peak_mb=max(run.peak_mb for run in mine),
                differs=[line for run in mine for line in differences(run.answers, want)],
            )
        )
    return Report(runs[0].ticks, seed, runs[0].machine, rows, want, left_out)


def show(report: Report) -> None:
    """Print a report as a table with what follows from it."""
    print(f"WORK-A: {report.ticks:,} ticks, seed {report.seed}; {report.machine}")
    print("rates are per CPU second of all threads, medians")
    print(
        f"{'peer':22}{'runs':>5}{'CPU s':>9}{'wall s':>9}{'sealing':>9}{'ticks/CPU s':>13}", end=""
    )
    print(f"{'x plain':>9}{'x nautilus':>12}{'MB':>7}  answers")
    for row in report.rows:
        ratio = "-" if row.to_nautilus is None else f"{row.to_nautilus:.2f}"
        print(f"{row.peer:22}{row.runs:5}{row.cpu_s:9.2f}{row.wall_s:9.2f}", end="")
        print(f"{row.sealing_cpu_s:9.2f}{row.ticks_per_cpu_s:13,}{row.to_plain:9.3f}", end="")
        print(f"{ratio:>12}{row.peak_mb:7,}", end="  ")
        print("differ: " + "; ".join(row.differs) if row.differs else "same")
    found = report.answers
    print(
        f"answers: pass {found.passed:,}, warm-up {found.warm_up:,}, stale {found.stale:,},", end=""
    )
    print(f" spread {found.wide:,}; {found.bars:,} bars; verdicts {found.verdicts_sha256[:16]}")
    if report.left_out is not None:
        print(f"NautilusTrader did not run: {report.left_out}")
        return
    for peer, target in TARGETS:
        ratio_now = next(row.to_nautilus for row in report.rows if row.peer == peer) or 0.0
        verdict = "met" if ratio_now >= target else "not met"
        print(f"target of {target:.0f} times NautilusTrader, {peer}: {verdict}, {ratio_now:.2f}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command's options; a bad one ends the program with exit code 2 and one line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.work_a", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--ticks", type=int, default=1_000_000, help="a multiple of 200")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=int, default=MINUTES, help="of the day; fewer to try")
    parser.add_argument("--reps", type=int, default=3, help="runs of each peer")
    parser.add_argument("--handler", action="store_true", help="NautilusTrader's other form too")
    parser.add_argument("--without-nautilus", action="store_true")
    parser.add_argument("--python", help="Python 3.12 or 3.13 to make the environment from")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    common_options(parser)
    options = parser.parse_args(arguments)
    if options.reps < 1:
        parser.error("--reps must be at least 1")
    try:
        check_size(options.ticks, options.minutes)
    except ValueError as error:
        parser.error(f"--ticks, --minutes: {error}")
    return options


def choose(options: argparse.Namespace) -> tuple[str, list[str], str | None]:
    """(interpreter for all, peers, why NautilusTrader is left out or None)."""
    peers = [peer for peer in PEERS if options.handler or peer != HANDLER]
    left_out = "it was not asked for" if options.without_nautilus else None
    if left_out is None:
        try:
            python = environment.prepare(environment.NAUTILUS, options.python)
            return str(python), peers, None
        except environment.NoEnvironmentError as error:
            left_out = str(error)
    return sys.executable, [peer for peer in peers if peer not in NEEDS_NAUTILUS], left_out


def main(arguments: Sequence[str]) -> int:
    """0 when all answers are the same, 1 when a peer's differ."""
    options = parse(arguments)
    if options.peer is not None:
        done = work(options.peer, options)
        print(msgspec.json.encode(done).decode())
        return 0
    python, peers, left_out = choose(options)
    report = report_of(measure(python, peers, options), options.seed, left_out)
    show(report)
    write_report(report, options.json)
    return 1 if any(row.differs for row in report.rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
