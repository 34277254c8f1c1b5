"""How old what a reader sees is, while the projector follows an engine that writes fast.

Lives here: the paced writer, the projector beside it, the reader that looks again and again. May
import: the bench, the rooms. Always holds: the entries are those of a synthetic day with a decision
each second, written in its own groups to a journal of their own, as many as make the wanted rows a
second; writer, projector and reader are a thread, a process and a thread; the age of a look is the
time since the oldest entry that it does not see was handed to the writer; a look that does not open
ends the command.
Run from the checkout: ``python -m bench.published [--rows N] [--seconds S] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from time import perf_counter, sleep
from typing import Final

import duckdb
import msgspec

from adapters.markets.synthetic import SyntheticMarket
from bench.day import make
from bench.measure import ROOT, common_options, machine, say, write_report
from events.envelope import decode_envelope
from journal.reader import JournalReader
from journal.writer import JournalWriter
from projections import tables
from projections.duck.projector import ensure_projection
from projections.duck.publish import published_path

AGE_P99_MAX_S: Final = 3.0
LOOK_EVERY_S: Final = 0.1
PIECE_S: Final = 0.05
"""The writer hands over what is due so often."""


class Report(msgspec.Struct, frozen=True):
    """Ages in seconds of wall time."""

    machine: str
    rows_a_s: int
    seconds: float
    entries: int
    looks: int
    age_p50_s: float
    age_p99_s: float
    age_max_s: float


def measure(options: argparse.Namespace) -> Report:
    """Make the entries, then write, follow and look."""
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        say("making the entries")
        folder = make(Path(scratch), SyntheticMarket(options.seed, "small")).folder
        rows_an_entry = rows_of(folder)
        wanted = int(options.rows * options.seconds / rows_an_entry)
        groups = list(groups_of(folder, wanted))
        entries = sum(map(len, groups))
        say(f"writing {entries} entries, {rows_an_entry:.1f} rows each, in {options.seconds:g} s")
        target = Path(scratch) / "live" / folder.name
        ages = followed(target, groups, entries / options.seconds)
    ages.sort()
    return Report(
        machine=machine(),
        rows_a_s=int(entries * rows_an_entry / options.seconds),
        seconds=options.seconds,
        entries=entries,
        looks=len(ages),
        age_p50_s=round(ages[len(ages) // 2], 2),
        age_p99_s=round(ages[max(len(ages) * 99 // 100 - 1, 0)], 2),
        age_max_s=round(ages[-1], 2),
    )


def rows_of(folder: Path) -> float:
    """Rows of all tables an entry of a session makes, ticks apart."""
    with duckdb.connect(str(ensure_projection(folder)), read_only=True) as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM base.{table.name}").fetchall()[0][0]
            for table in tables.TABLES
        ]
        entries = connection.execute("SELECT count(*) FROM base.entries").fetchall()[0][0]
    return sum(counts) / entries


def groups_of(folder: Path, entries: int) -> Iterator[list[bytes]]:
    """The first groups of a session, as many as hold so many entries; the end of it left out."""
    taken = 0
    with JournalReader(folder) as reader:
        data = (entry.data for entry in reader)
        for _, members in groupby(data, key=lambda one: decode_envelope(one).cause):
            group = list(members)
            if taken + len(group) > entries or decode_envelope(group[0]).kind == "SessionClosed":
                return
            taken += len(group)
            yield group


def followed(folder: Path, groups: list[list[bytes]], entries_a_s: float) -> list[float]:
    """Write, follow, look; the age of each look."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    handed: list[float] = []
    over = threading.Event()
    folder.parent.mkdir(parents=True)
    with JournalWriter.create(folder, folder.name.rsplit("-", 1)[1]) as writer:
        writer.append(groups[0])
        handed.extend([perf_counter()] * len(groups[0]))
        command = [
            sys.executable,
            "-P",
            "-m",
            "projections.duck.projector",
            str(folder),
            "--follow",
        ]
        with subprocess.Popen(command, env=environment) as projector:
            try:
                _until_published(folder)
                paced = threading.Thread(
                    target=_write, args=(writer, groups[1:], entries_a_s, handed, over)
                )
                paced.start()
                ages = list(_looks(published_path(folder), handed, over))
                paced.join()
            finally:
                projector.terminate()
    return ages


def _until_published(folder: Path) -> None:
    for _ in range(600):
        if published_path(folder).exists():
            return
        sleep(0.05)
    raise SystemExit("the projector published nothing in 30 s: no figure")


def _write(
    writer: JournalWriter,
    groups: list[list[bytes]],
    entries_a_s: float,
    handed: list[float],
    over: threading.Event,
) -> None:
    """Hand over what is due, a piece at a time."""
    begun, done = perf_counter(), 0
    for group in groups:
        while done > (perf_counter() - begun) * entries_a_s:
            sleep(PIECE_S)
        writer.append(group)
        handed.extend([perf_counter()] * len(group))
        done += len(group)
    over.set()


def _looks(path: Path, handed: list[float], over: threading.Event) -> Iterator[float]:
    """The age of what each look sees, while the writer writes."""
    while not over.is_set():
        with duckdb.connect(str(path), read_only=True) as connection:
            seen = connection.execute("SELECT applied_seq FROM v1.status").fetchall()[0][0]
        now = perf_counter()
        # ``handed`` begins at seq 1: its place ``seen`` is the first entry that is not seen.
        yield now - handed[seen] if seen < len(handed) else 0.0
        sleep(LOOK_EVERY_S)


def show(report: Report) -> None:
    """Print a report with what follows from it."""
    print(f"{report.machine}")
    print(
        f"{report.rows_a_s:,} rows a second for {report.seconds:g} s ({report.entries:,} entries); "
        f"{report.looks} looks: age p50 {report.age_p50_s} s, p99 {report.age_p99_s} s, "
        f"longest {report.age_max_s} s"
    )
    met = report.age_p99_s < AGE_P99_MAX_S
    print(f"target of {AGE_P99_MAX_S:g} s at the p99: {'met' if met else 'not met'}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command's options; a bad one ends the program with exit code 2 and one line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.published", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--rows", type=int, default=10_000, help="rows a second")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=7)
    common_options(parser)
    options = parser.parse_args(arguments)
    if options.rows < 1 or options.seconds <= 0:
        parser.error("--rows and --seconds must be above 0")
    return options


def main(arguments: Sequence[str]) -> int:
    """0 once everything was measured, whatever the figures."""
    options = parse(arguments)
    report = measure(options)
    show(report)
    write_report(report, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
