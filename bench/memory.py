"""What writer, reader and replay hold in memory over a long day: it must not grow with it.

Lives here: three phases, each a process of its own, and their memory by fifths of the day. May
import: the bench, the rooms. Always holds: the day is made while it is journaled and never stands
in memory; figures are of the whole process, the interpreter included.
Run from the checkout: ``python -m bench.memory [--ticks N] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from adapters.rulebook.load import load_rows
from bench import work_a_axiom
from bench.measure import (
    common_options,
    in_process,
    machine,
    peak_mb,
    resident_mb,
    say,
    write_report,
)
from bench.work_a_data import BURST, CLOSE_NS, MINUTES, OPEN_NS, bursts, check_size, frames_of
from engine.runner import run_market
from journal.reader import JournalReader
from journal.seal import seal_session
from replay.session import replay_session

LIMIT_MB: Final = 300
"""What a phase may hold at most."""

FIFTHS: Final = 5


class Phase(msgspec.Struct, frozen=True):
    """One phase: the most it held in each fifth of the day, and at all (MB)."""

    name: str
    machine: str
    fifths_mb: list[int]
    peak_mb: int


class Report(msgspec.Struct, frozen=True):
    """All that is said of one call."""

    ticks: int
    seed: int
    machine: str
    phases: list[Phase]


class Watch:
    """Looks at the process's memory now and then."""

    def __init__(self, whole: int) -> None:
        self.fifths_mb = [0] * FIFTHS
        self._whole = whole

    def look(self, done: int) -> None:
        """Note what is held now, at ``done`` of the whole."""
        fifth = min(max(done, 0) * FIFTHS // self._whole, FIFTHS - 1)
        self.fifths_mb[fifth] = max(self.fifths_mb[fifth], resident_mb())


def write(folder: Path, ticks: int, seed: int) -> Watch:
    """The engine over the whole day, journaled; sealed at the end by another process."""
    watch = Watch(CLOSE_NS - OPEN_NS)
    frames = frames_of(bursts(ticks, seed, MINUTES), BURST)
    market = work_a_axiom.WorkAMarket(frames, MINUTES, seed)
    run_market(
        folder,
        market,
        work_a_axiom.CONFIG,
        load_rows(),
        on_progress=lambda now: watch.look(now - OPEN_NS),
    )
    return watch


def read(folder: Path, ticks: int, seed: int) -> Watch:
    """Every entry of the journal, verified."""
    session = _session(folder)
    watch = Watch(_head_seq(session))
    with JournalReader(session) as reader:
        for block in reader.iter_blocks():
            watch.look(block[-1].seq)
    return watch


def replay(folder: Path, ticks: int, seed: int) -> Watch:
    """Everything derived again and compared."""
    session = _session(folder)
    watch = Watch(_head_seq(session))
    report = replay_session(session, on_progress=watch.look)
    assert report.identical and report.ticks == ticks, report.first_divergence
    return watch


def _session(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if path.is_dir())


def _head_seq(session: Path) -> int:
    """The last seq, by the headers alone."""
    with JournalReader(session, from_seq=1 << 62) as reader:
        for _ in reader:
            raise AssertionError("an entry past every seq")
        return reader.position.seq


PHASES: Final[dict[str, Callable[[Path, int, int], Watch]]] = {
    "write": write,
    "read": read,
    "replay": replay,
}


def phase(name: str, options: argparse.Namespace) -> Phase:
    """One phase in this process."""
    watch = PHASES[name](options.session, options.ticks, options.seed)
    return Phase(name, machine(), watch.fifths_mb, peak_mb())


def measure(options: argparse.Namespace) -> Report:
    """The phases one after the other over the same journal, sealed after it was written."""
    phases = []
    with tempfile.TemporaryDirectory(prefix="axiom-bench-", dir=options.folder) as scratch:
        for name in PHASES:
            say(f"  {name}")
            arguments = [f"--phase={name}", f"--session={scratch}"]
            arguments += [f"--ticks={options.ticks}", f"--seed={options.seed}"]
            said = in_process(sys.executable, "bench.memory", arguments)
            phases.append(msgspec.json.decode(said, type=Phase))
            if name == "write":
                seal_session(_session(Path(scratch)))
    return Report(options.ticks, options.seed, machine(), phases)


def show(report: Report) -> None:
    """Print a report with what follows from it."""
    print(f"memory over {report.ticks:,} ticks, seed {report.seed}; {report.machine}")
    print(f"{'MB':10}" + "".join(f"{f'fifth {i + 1}':>10}" for i in range(FIFTHS)) + f"{'peak':>8}")
    for one in report.phases:
        fifths = "".join(f"{held:10}" for held in one.fifths_mb)
        print(f"{one.name:10}{fifths}{one.peak_mb:8}")
    for one in report.phases:
        verdict = "met" if one.peak_mb < LIMIT_MB else "not met"
        print(f"target of {one.name} under {LIMIT_MB} MB: {verdict}, {one.peak_mb}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command's options; a bad one ends the program with exit code 2 and one line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.memory", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--ticks", type=int, default=5_000_000, help=f"a multiple of {BURST}")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    parser.add_argument("--session", type=Path, help=argparse.SUPPRESS)
    common_options(parser)
    options = parser.parse_args(arguments)
    try:
        check_size(options.ticks, MINUTES)
    except ValueError as error:
        parser.error(f"--ticks: {error}")
    return options


def main(arguments: Sequence[str]) -> int:
    """0 when the day was journaled, read and replayed identical."""
    options = parse(arguments)
    if options.phase is not None:
        print(msgspec.json.encode(phase(options.phase, options)).decode())
        return 0
    report = measure(options)
    show(report)
    write_report(report, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
