"""The way to a state: how long it takes at a random entry of a day, and what keeping them costs.

Lives here: ``state_at`` and the whole command ``axiom at`` timed at random entries, the size and
the cost of checkpoints. May import: the bench, the rooms. Always holds: every state that is timed
is compared with the one that applying all entries from the start gives, and a difference has no
figure; a command is a process of its own, started, imported and printed anew each time.
Run from the checkout: ``python -m bench.travel_bench [PROFILE] [--json FILE]``.
Start reading at ``measure``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from adapters.markets.synthetic import PROFILES, SyntheticMarket
from bench.day import make
from bench.latency import Latency, latency_of
from bench.measure import common_options, cost_of, in_process, machine, say, write_report
from engine.checkpoint import checked_bytes, decode_state, encode_state, state_hash
from engine.core import Core
from engine.runner import RunReport
from events.envelope import decode_envelope
from journal.checkpoints import CHECKPOINTS_NAME, base_of, pack_state
from journal.reader import JournalReader
from replay.travel import applicable, state_at

P99_MS_MAX: Final = 1_000.0
"""What ``axiom at`` may take on the default day."""

COST_TURNS: Final = 40


class Series(msgspec.Struct, frozen=True):
    """Wall time (what a person waits for) and CPU time (of the process, whoever else was there)."""

    wall: Latency
    cpu: Latency


class Kept(msgspec.Struct, frozen=True):
    """The checkpoints of the day. ``cpu_ms`` is of one: encoded, proven to read back, compressed;
    ``share`` what all of them are of the day's CPU time."""

    count: int
    dropped: int
    file_mb: float
    raw_kb: float
    stored_kb: float
    cpu_ms: float
    share: float


class Report(msgspec.Struct, frozen=True):
    """All that is said of one call. ``started`` is a process that imports the engine and ends;
    ``load`` is how many wanted a processor meanwhile, this bench included."""

    profile: str
    seed: int
    machine: str
    load: float
    entries: int
    made_cpu_s: float
    journal_mb: float
    kept: Kept
    function: Series
    from_start: Series
    command: Series
    started: Series


def measure(options: argparse.Namespace) -> Report:
    """Make the day, travel in it, and put all figures together."""
    with tempfile.TemporaryDirectory(prefix="axiom-bench-", dir=options.folder) as scratch:
        say(f"  making the {options.profile} day")
        made: list[RunReport] = []
        market = SyntheticMarket(options.seed, options.profile)
        cost = cost_of(lambda: made.append(make(Path(scratch), market)))
        return report_of(made[0], cost.cpu_s, options)


def report_of(made: RunReport, made_cpu_s: float, options: argparse.Namespace) -> Report:
    """Travel in a finished session."""
    folder, chance = made.folder, Random(options.seed)
    seqs = [chance.randint(1, made.head_seq) for _ in range(options.count)]
    few = seqs[: options.commands]
    kept = kept_of(made, made_cpu_s)
    say("  the same states from the start")
    expected = hashes_at(folder, sorted({*seqs}))
    say(f"  {len(seqs)} states, {len(few)} commands")
    segments = sum(path.stat().st_size for path in folder.glob("0*.ax?"))
    return Report(
        profile=options.profile,
        seed=options.seed,
        machine=machine(),
        load=round(os.getloadavg()[0], 1),
        entries=made.head_seq,
        made_cpu_s=round(made_cpu_s, 2),
        journal_mb=round(segments / 1e6, 2),
        kept=kept,
        function=series([partial(check, folder, seq, expected[seq]) for seq in seqs]),
        from_start=series([lambda: state_at(folder, made.head_seq, from_start=True)] * 2),
        command=series([partial(command, folder, seq) for seq in few]),
        started=series([start] * len(few)),
    )


def hashes_at(folder: Path, seqs: Sequence[int]) -> dict[int, str]:
    """The hash of the state after each of these entries (ascending), in one pass from the start."""
    core, found = Core(), {}
    left = iter(seqs)
    due = next(left)
    with JournalReader(folder) as reader:
        for entry in reader:
            core.take(applicable(decode_envelope(entry.data)))
            if entry.seq == due:
                found[due] = state_hash(core.state)
                due = next(left, 0)
    return found


def check(folder: Path, seq: int, expected: str) -> None:
    """The state at an entry, by way of a checkpoint."""
    moment = state_at(folder, seq)
    assert state_hash(moment.state) == expected, f"another state after entry {seq}"


def command(folder: Path, seq: int) -> None:
    """The whole of ``axiom at``, its document read back."""
    document = msgspec.json.decode(in_process(sys.executable, "cli.main", _words(folder, seq)))
    assert document["seq"] == seq, f"entry {document['seq']}, not {seq}"


def _words(folder: Path, seq: int) -> list[str]:
    return ["at", str(folder), str(seq), "--json"]


def start() -> None:
    """A process that imports what the way to a state needs, and ends."""
    in_process(sys.executable, "replay.travel", [])


def series(work: Sequence[Callable[[], object]]) -> Series:
    """Each piece of work once, one after the other."""
    costs = [cost_of(one) for one in work]
    return Series(
        latency_of([cost.wall_s for cost in costs]),
        latency_of([cost.cpu_s + cost.children_cpu_s for cost in costs]),
    )


def kept_of(made: RunReport, made_cpu_s: float) -> Kept:
    """The day's checkpoints, and what making one like them costs."""
    state, counts = made.state, made.checkpoints
    raw = encode_state(state)
    base = base_of(raw)

    def work() -> None:
        for _ in range(COST_TURNS):
            pack_state(checked_bytes(state), base)

    assert decode_state(raw) == state
    each_s = cost_of(work).cpu_s / COST_TURNS
    size = (made.folder / CHECKPOINTS_NAME).stat().st_size
    return Kept(
        count=counts.written,
        dropped=counts.dropped,
        file_mb=round(size / 1e6, 2),
        raw_kb=round(len(raw) / 1e3, 1),
        stored_kb=round(size / max(counts.written, 1) / 1e3, 1),
        cpu_ms=round(each_s * 1e3, 2),
        share=round(each_s * counts.written / made_cpu_s, 4),
    )


def show(report: Report) -> None:
    """Print a report with what follows from it."""
    kept = report.kept
    print(f"synthetic:{report.profile}, seed {report.seed}; {report.machine}")
    print(
        f"{report.entries:,} entries, {report.journal_mb:.1f} MB sealed, made in "
        f"{report.made_cpu_s:.1f} CPU s"
    )
    print(
        f"{kept.count} checkpoints ({kept.dropped} dropped), {kept.file_mb:.1f} MB: "
        f"{kept.stored_kb:.1f} KB each of {kept.raw_kb:.0f} KB; {kept.cpu_ms:.2f} CPU ms each, "
        f"{kept.share:.1%} of the day"
    )
    print(f"{'ms':<34}{'count':>6}{'p50':>9}{'p99':>9}{'max':>9}{'CPU p50':>9}{'CPU p99':>9}")
    for name, row in rows(report):
        print(
            f"{name:<34}{row.wall.count:>6}{row.wall.p50_ms:>9.0f}{row.wall.p99_ms:>9.0f}"
            f"{row.wall.max_ms:>9.0f}{row.cpu.p50_ms:>9.0f}{row.cpu.p99_ms:>9.0f}"
        )
    met = report.command.wall.p99_ms < P99_MS_MAX
    said = f"{report.command.wall.p99_ms:.0f} ms"
    print(
        f"target of p99 under {P99_MS_MAX:.0f} ms a command: {'met' if met else 'not met'}, {said}"
    )


def rows(report: Report) -> Iterator[tuple[str, Series]]:
    """What was timed, by name."""
    yield "state_at, a random entry", report.function
    yield "state_at, the last, from the start", report.from_start
    yield "axiom at --json, a random entry", report.command
    yield "of which starting, importing", report.started


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command's options; a bad one ends the program with exit code 2 and one line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.travel_bench", description=(__doc__ or "").split("\n", 1)[0]
    )
    names = [profile.name for profile in PROFILES]
    parser.add_argument("profile", nargs="?", choices=names, default="default")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--count", type=int, default=300, help="states to travel to")
    parser.add_argument("--commands", type=int, default=100, help="commands to run, of these")
    common_options(parser)
    options = parser.parse_args(arguments)
    if not 1 <= options.commands <= options.count:
        parser.error("--commands must be from 1 to --count")
    return options


def main(arguments: Sequence[str]) -> int:
    """0 when every state was the same by both ways; one that was not ends the command."""
    options = parse(arguments)
    report = measure(options)
    show(report)
    write_report(report, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
