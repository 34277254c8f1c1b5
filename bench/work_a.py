"""WORK-A: ticks to journaled gate results, Axiom next to a plain loop and to NautilusTrader.

Lives here: the command, the peers as a table, one run of one peer, medians and their print. May
import: the bench, msgspec, the standard library. Always holds: every run is a process of its own on
one and the same Python; rates are ticks per CPU second of all threads; runs are interleaved, so
that ratios are of the same minutes; a peer whose answers differ makes the command fail.
Run from the checkout: ``python -m bench.work_a [--ticks N] [--reps R] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import msgspec

from bench import nautilus_env, work_a_axiom, work_a_plain
from bench.work_a_data import Answers, Day, differences, frames_of, make_day

ROOT: Final = Path(__file__).resolve().parents[1]
TARGET: Final = 10.0
"""Axiom's rate over NautilusTrader's, with frames of 200, that the project asks of itself."""

Timed = tuple[float, float, Answers]
"""CPU seconds of all threads, wall seconds, answers."""


class Run(msgspec.Struct, frozen=True):
    """One run of one peer. ``peak_mb`` is of the whole process, its data included."""

    peer: str
    python: str
    ticks: int
    cpu_s: float
    wall_s: float
    peak_mb: int
    answers: Answers


class Row(msgspec.Struct, frozen=True):
    """A peer's median run. ``to_nautilus`` is None where that one did not run."""

    peer: str
    what: str
    runs: int
    cpu_s: float
    wall_s: float
    ticks_per_cpu_s: int
    to_plain: float
    to_nautilus: float | None
    peak_mb: int
    differs: list[str]


class Report(msgspec.Struct, frozen=True):
    """All that is said of one call."""

    ticks: int
    seed: int
    python: str
    machine: str
    rows: list[Row]
    answers: Answers
    left_out: str | None


# --- the peers -----------------------------------------------------------------------------------


def timed(work: Callable[[], object], answers: Callable[[], Answers]) -> Timed:
    """Measure ``work`` alone; what it found is asked for afterwards."""
    gc.collect()
    wall, cpu = perf_counter(), process_time()
    work()
    cpu, wall = process_time() - cpu, perf_counter() - wall
    return cpu, wall, answers()


def run_plain(day: Day, folder: Path) -> Timed:
    """The plain loop; the ticks are in memory before."""
    ticks, minutes = work_a_plain.flatten(day), day.minutes
    found: list[Answers] = []
    return timed(lambda: found.append(work_a_plain.run(ticks, minutes)), lambda: found[0])


def axiom(per_frame: int) -> Callable[[Day, Path], Timed]:
    """Axiom on frames of a size; the frames' bytes are in memory before."""

    def run(day: Day, folder: Path) -> Timed:
        market = work_a_axiom.WorkAMarket(frames_of(day, per_frame), day.minutes, day.seed)
        folders: list[Path] = []
        return timed(
            lambda: folders.append(work_a_axiom.run(folder, market).folder),
            lambda: work_a_axiom.answers(folders[0]),
        )

    return run


def nautilus(handler: bool) -> Callable[[Day, Path], Timed]:
    """NautilusTrader; its own quote and trade objects are in memory before."""

    def run(day: Day, folder: Path) -> Timed:
        from bench import nautilus_work_a

        engine, strategy = nautilus_work_a.make_engine(day, handler=handler)
        minutes = day.minutes
        return timed(lambda: nautilus_work_a.run(engine, minutes), strategy.answers)

    return run


class Peer(msgspec.Struct, frozen=True):
    """How a peer is run and what it is; ``often`` is False for one run whatever was asked."""

    what: str
    run: Callable[[Day, Path], Timed]
    often: bool = True


PLAIN: Final = "plain loop"
NAUTILUS: Final = "nautilus"
AXIOM: Final = "axiom, frames of 200"
PEERS: Final[dict[str, Peer]] = {
    PLAIN: Peer("slots objects, ticks in memory, no journal", run_plain),
    AXIOM: Peer("frame bytes to a durable journal", axiom(200)),
    "axiom, frames of 20": Peer("the same ticks in smaller frames", axiom(20)),
    NAUTILUS: Peer("ticks in memory, quotes from its cache", nautilus(False), often=False),
    "nautilus, handler": Peer("the same with a quote handler", nautilus(True), often=False),
}
NEEDS_NAUTILUS: Final = (NAUTILUS, "nautilus, handler")


def work(peer: str, ticks: int, seed: int, folder: str | None) -> Run:
    """One run of one peer in this process."""
    with tempfile.TemporaryDirectory(prefix="axiom-bench-", dir=folder) as scratch:
        cpu, wall, answers = PEERS[peer].run(make_day(ticks, seed), Path(scratch))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Run(peer, platform.python_version(), ticks, cpu, wall, peak, answers)


# --- the command ---------------------------------------------------------------------------------


def in_process(python: str, peer: str, options: argparse.Namespace) -> Run:
    """One run of one peer in a fresh process. Raises ``SystemExit`` with its last line."""
    command = [python, "-m", "bench.work_a", "--peer", peer]
    command += ["--ticks", str(options.ticks), "--seed", str(options.seed)]
    if options.folder is not None:
        command += ["--folder", str(options.folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise SystemExit(f"work_a: {peer} failed with exit code {done.returncode}: {lines[-1]}")
    return msgspec.json.decode(done.stdout, type=Run)


def measure(python: str, peers: Sequence[str], options: argparse.Namespace) -> list[Run]:
    """All runs, one round of all peers after the other."""
    runs: list[Run] = []
    for turn in range(options.reps):
        for peer in peers:
            if turn < (options.reps if PEERS[peer].often else options.nautilus_reps):
                print(f"  run {turn + 1}: {peer}", file=sys.stderr, flush=True)
                runs.append(in_process(python, peer, options))
    return runs


def report_of(runs: Sequence[Run], seed: int, left_out: str | None) -> Report:
    """Medians, ratios and whether the answers are the plain loop's."""
    peers = list(dict.fromkeys(run.peer for run in runs))
    cpu = {peer: statistics.median(r.cpu_s for r in runs if r.peer == peer) for peer in peers}
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
                wall_s=round(statistics.median(run.wall_s for run in mine), 3),
                ticks_per_cpu_s=int(mine[0].ticks / cpu[peer]),
                to_plain=round(cpu[PLAIN] / cpu[peer], 3),
                to_nautilus=round(cpu[NAUTILUS] / cpu[peer], 2) if NAUTILUS in cpu else None,
                peak_mb=max(run.peak_mb for run in mine),
                differs=[line for run in mine for line in differences(run.answers, want)],
            )
        )
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return Report(runs[0].ticks, seed, runs[0].python, machine, rows, want, left_out)


def show(report: Report) -> None:
    """Print a report as a table with what follows from it."""
    print(f"WORK-A: {report.ticks:,} ticks, seed {report.seed}, Python {report.python},", end=" ")
    print(f"{report.machine}; rates are per CPU second of all threads, medians")
    print(f"{'peer':22}{'runs':>5}{'CPU s':>9}{'wall s':>9}{'ticks/CPU s':>13}", end="")
    print(f"{'x plain':>9}{'x nautilus':>12}{'MB':>7}  answers")
    for row in report.rows:
        ratio = "-" if row.to_nautilus is None else f"{row.to_nautilus:.2f}"
        print(f"{row.peer:22}{row.runs:5}{row.cpu_s:9.2f}{row.wall_s:9.2f}", end="")
        print(f"{row.ticks_per_cpu_s:13,}{row.to_plain:9.3f}{ratio:>12}{row.peak_mb:7,}", end="  ")
        print("differ: " + "; ".join(row.differs) if row.differs else "same")
    found = report.answers
    print(
        f"answers: pass {found.passed:,}, warm-up {found.warm_up:,}, stale {found.stale:,},", end=""
    )
    print(f" spread {found.wide:,}; {found.bars:,} bars; verdicts {found.verdicts_sha256[:16]}")
    if report.left_out is not None:
        print(f"NautilusTrader did not run: {report.left_out}")
        return
    ratio_now = next(row.to_nautilus for row in report.rows if row.peer == AXIOM) or 0.0
    verdict = "met" if ratio_now >= TARGET else "not met"
    print(f"target of {TARGET:.0f} times NautilusTrader with frames of 200: {verdict}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command's options; a bad one ends the program with exit code 2 and one line."""
    parser = argparse.ArgumentParser(prog="python -m bench.work_a", description=__doc__)
    parser.add_argument("--ticks", type=int, default=1_000_000, help="a multiple of 200")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--reps", type=int, default=3, help="runs of each peer")
    parser.add_argument("--nautilus-reps", type=int, default=1)
    parser.add_argument("--handler", action="store_true", help="NautilusTrader's other form too")
    parser.add_argument("--without-nautilus", action="store_true")
    parser.add_argument("--python", help="Python 3.12 or 3.13 to make the environment from")
    parser.add_argument("--folder", help="where journals are written (a real disk)")
    parser.add_argument("--json", type=Path, help="write the report here too")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.reps < 1:
        parser.error("--reps must be at least 1")
    try:
        make_day(options.ticks, 0, 0)
    except ValueError as error:
        parser.error(f"--ticks: {error}")
    return options


def choose(options: argparse.Namespace) -> tuple[str, list[str], str | None]:
    """(interpreter for all, peers, why NautilusTrader is left out or None)."""
    peers = [peer for peer in PEERS if options.handler or peer != "nautilus, handler"]
    left_out = "it was not asked for" if options.without_nautilus else None
    if left_out is None:
        try:
            return str(nautilus_env.prepare(options.python)), peers, None
        except nautilus_env.NoEnvironmentError as error:
            left_out = str(error)
    return sys.executable, [peer for peer in peers if peer not in NEEDS_NAUTILUS], left_out


def main(arguments: Sequence[str]) -> int:
    """0 when all answers are the same, 1 when a peer's differ."""
    options = parse(arguments)
    if options.peer is not None:
        done = work(options.peer, options.ticks, options.seed, options.folder)
        print(msgspec.json.encode(done).decode())
        return 0
    python, peers, left_out = choose(options)
    report = report_of(measure(python, peers, options), options.seed, left_out)
    show(report)
    if options.json is not None:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return 1 if any(row.differs for row in report.rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
