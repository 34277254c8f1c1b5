"""A synthetic day replayed: how many times real time, where the time goes, how large it is.

Lives here: the making of the day, its sizes, timed replays, a sampler of where time goes. May
import: the bench, the rooms. Always holds: the day is journaled by ``run_market`` with a decision
each second and sealed before it is replayed; a replay that is not identical has no figure; a replay
is a process of its own; sampling is another run than the timed ones.
Run from the checkout: ``python -m bench.day [PROFILE] [--reps R] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import collections
import signal
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final

import msgspec

from adapters.markets.synthetic import PROFILES, SyntheticMarket
from adapters.rulebook.load import load_rows
from bench.measure import (
    ROOT,
    Cost,
    common_options,
    cost_of,
    in_process,
    machine,
    peak_mb,
    say,
    write_report,
)
from engine.config import Config
from engine.runner import RunReport, run_market
from events.envelope import decode_envelope
from journal.block import compress
from journal.reader import JournalReader
from journal.seal import SEALED_BLOCK_BYTES, SEALED_LEVEL, seal_session
from journal.segment import SEALED_SUFFIX
from replay.session import COMPARED_BYTES, ReplayReport, replay_session

NS_PER_S: Final = 1_000_000_000
MB: Final = 1_000_000
TARGETS: Final = {"default": 200.0, "full": 120.0}
"""Seconds of the market replayed in a CPU second, by profile."""

FRAME_BYTES_MAX: Final = 35.0
DERIVATIONS_MB_MAX: Final = 30.0
"""What a tick, and the default day's derivations, may take in a sealed journal."""

SAMPLE_S: Final = 0.002
PLACES_SHOWN: Final = 14


class Sizes(msgspec.Struct, frozen=True):
    """A sealed session. ``frame_bytes_a_tick`` and ``derivations_mb`` are of either kind of entry
    compressed without the other; sealed blocks hold both, so the two do not add up to the file."""

    sealed_mb: float
    frame_bytes_a_tick: float
    derivations_mb: float


class Replay(msgspec.Struct, frozen=True):
    """One replay of the whole session, found identical."""

    machine: str
    ticks: int
    facts: int
    derivations: int
    cost: Cost
    peak_mb: int


class Report(msgspec.Struct, frozen=True):
    """All that is said of one call. ``where`` is the share of samples by module."""

    profile: str
    seed: int
    machine: str
    market_s: float
    ticks: int
    derivations: int
    made_cpu_s: float
    sizes: Sizes
    runs: int
    replay_cpu_s: float
    times_real_time: float
    ticks_per_cpu_s: int
    peak_mb: int
    where: list[tuple[str, float]]


# --- the day -------------------------------------------------------------------------------------


def make(parent: Path, market: SyntheticMarket) -> RunReport:
    """The day journaled under ``parent``, closed and sealed."""
    report = run_market(parent, market, Config(), load_rows())
    seal_session(report.folder)
    return report


def sizes_of(folder: Path, ticks: int) -> Sizes:
    """What the sealed files take, and the frames and the derivations each alone."""
    frames, derivations = _Packed(), _Packed()
    with JournalReader(folder) as reader:
        for entry in reader:
            envelope = decode_envelope(entry.data)
            if envelope.kind == "FeedFrame":
                frames.add(entry.data)
            elif not envelope.is_fact:
                derivations.add(entry.data)
    sealed = sum(path.stat().st_size for path in folder.glob(f"*{SEALED_SUFFIX}"))
    return Sizes(
        round(sealed / MB, 2),
        round(frames.size() / ticks, 2),
        round(derivations.size() / MB, 2),
    )


class _Packed:
    """Entries compressed as a sealed segment's blocks are."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._waiting = self._stored = 0

    def add(self, data: bytes) -> None:
        self._parts.append(data)
        self._waiting += len(data)
        if self._waiting >= SEALED_BLOCK_BYTES:
            self._cut()

    def size(self) -> int:
        """Bytes of all blocks; the last one ends here."""
        if self._parts:
            self._cut()
        return self._stored

    def _cut(self) -> None:
        self._stored += len(compress(b"".join(self._parts), SEALED_LEVEL)[1])
        self._parts, self._waiting = [], 0


# --- replaying it --------------------------------------------------------------------------------


def replay(folder: Path) -> Replay:
    """Replay the whole session in this process. A replay that is not identical raises."""
    found: list[ReplayReport] = []
    cost = cost_of(lambda: found.append(replay_session(folder)))
    report = found[0]
    assert report.identical and report.comparison == COMPARED_BYTES, report.first_divergence
    return Replay(
        machine(), report.ticks, report.facts, report.derivations, cost, peak_mb()
    )  # fmt: skip


def sample(folder: Path) -> list[tuple[str, float]]:
    """Replay once more and say which module was at work, as shares of all samples.

    A sample each two milliseconds of CPU time belongs to the innermost of our own functions: time
    in a library is its caller's.
    """
    seen: collections.Counter[str] = collections.Counter()

    def note(signum: int, frame: FrameType | None) -> None:
        while frame is not None:
            path = Path(frame.f_code.co_filename)
            if path.is_relative_to(ROOT) and path.suffix == ".py":
                seen[path.relative_to(ROOT).as_posix()] += 1
                return
            frame = frame.f_back

    before = signal.signal(signal.SIGPROF, note)
    signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S)
    try:
        replay_session(folder)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    total = max(seen.total(), 1)
    return [(name, round(count / total, 3)) for name, count in seen.most_common()]


# --- the command ---------------------------------------------------------------------------------


def measure(options: argparse.Namespace) -> Report:
    """Make the day, replay it in processes of its own, and put all figures together."""
    market = SyntheticMarket(options.seed, options.profile)
    with tempfile.TemporaryDirectory(prefix="axiom-bench-", dir=options.folder) as scratch:
        say(f"  making the {options.profile} day")
        made: list[RunReport] = []
        cost = cost_of(lambda: made.append(make(Path(scratch), market)))
        folder = made[0].folder
        runs: list[Replay] = []
        for turn in range(options.reps):
            say(f"  replay {turn + 1}")
            said = in_process(sys.executable, "bench.day", [f"--replay={folder}"])
            runs.append(msgspec.json.decode(said, type=Replay))
        say("  sampling one more")
        said = in_process(sys.executable, "bench.day", [f"--sample={folder}"])
        where = msgspec.json.decode(said, type=list[tuple[str, float]])
        sizes = sizes_of(folder, made[0].ticks)
    seconds = statistics.median(run.cost.cpu_s for run in runs)
    market_s = (market.close_ns - market.open_ns) / NS_PER_S
    return Report(
        profile=options.profile,
        seed=options.seed,
        machine=runs[0].machine,
        market_s=market_s,
        ticks=runs[0].ticks,
        derivations=runs[0].derivations,
        made_cpu_s=round(cost.cpu_s, 2),
        sizes=sizes,
        runs=len(runs),
        replay_cpu_s=round(seconds, 2),
        times_real_time=round(market_s / seconds, 1),
        ticks_per_cpu_s=int(runs[0].ticks / seconds),
        peak_mb=max(run.peak_mb for run in runs),
        where=where,
    )


def show(report: Report) -> None:
    """Print a report with what follows from it."""
    sizes = report.sizes
    print(f"synthetic:{report.profile}, seed {report.seed}; {report.machine}")
    print(
        f"{report.ticks:,} ticks, {report.derivations:,} derivations, a decision each second of "
        f"{report.market_s:,.0f} s; made in {report.made_cpu_s:.1f} CPU s"
    )
    print(
        f"replayed identical in {report.replay_cpu_s:.2f} CPU s (median of {report.runs}), "
        f"{report.ticks_per_cpu_s:,} ticks/CPU s, peak {report.peak_mb} MB"
    )
    print(
        f"sealed {sizes.sealed_mb:.1f} MB; alone: frames {sizes.frame_bytes_a_tick:.1f} bytes a "
        f"tick, derivations {sizes.derivations_mb:.1f} MB"
    )
    print("where the time of a replay goes:")
    for name, share in report.where[:PLACES_SHOWN]:
        print(f"  {share:6.1%}  {name}")
    for name, met, found in verdicts(report):
        print(f"target of {name}: {'met' if met else 'not met'}, {found}")


def verdicts(report: Report) -> Iterator[tuple[str, bool, float]]:
    """Each target that the profile has: its words, whether it is met, the figure."""
    times, sizes = TARGETS.get(report.profile), report.sizes
    if times is not None:
        found = report.times_real_time
        yield f"{times:.0f} times real time in a CPU second", found >= times, found
    found = sizes.frame_bytes_a_tick
    yield f"{FRAME_BYTES_MAX:.0f} bytes a tick at most", found <= FRAME_BYTES_MAX, found
    if report.profile == "default":
        found = sizes.derivations_mb
        name = f"{DERIVATIONS_MB_MAX:.0f} MB of derivations at most"
        yield name, found <= DERIVATIONS_MB_MAX, found


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command's options; a bad one ends the program with exit code 2 and one line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.day", description=(__doc__ or "").split("\n", 1)[0]
    )
    names = [profile.name for profile in PROFILES]
    parser.add_argument("profile", nargs="?", choices=names, default="default")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--reps", type=int, default=3, help="timed replays")
    parser.add_argument("--replay", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--sample", type=Path, help=argparse.SUPPRESS)
    common_options(parser)
    options = parser.parse_args(arguments)
    if options.reps < 1:
        parser.error("--reps must be at least 1")
    return options


def main(arguments: Sequence[str]) -> int:
    """0 when every replay was identical; one that was not ends the command."""
    options = parse(arguments)
    if options.replay is not None:
        print(msgspec.json.encode(replay(options.replay)).decode())
        return 0
    if options.sample is not None:
        print(msgspec.json.encode(sample(options.sample)).decode())
        return 0
    report = measure(options)
    show(report)
    write_report(report, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
