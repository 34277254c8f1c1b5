"""The journal alone: what an envelope costs to append, read, seal and verify, in CPU time.

Lives here: one measurement, printed as JSON. May import: the rooms. Always holds: every figure is
CPU time of this process (threads included) unless its name says wall; what is read back is
checked against what was written.
Run from the checkout: ``python -m bench.journal_bench [--envelopes N] [--folder DIR]``.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from events.envelope import encode_envelope
from journal.log import WriterOptions
from journal.reader import JournalReader
from journal.seal import seal_session
from journal.verify import verify_session
from journal.writer import JournalWriter

UID = "0123456789ab"
GROUP_SIZE = 4
SIZES = (150, 4000, 40_000)
"""Bytes of an envelope."""

WAITS = 1000
"""Groups that are acknowledged one by one."""


class Blob(msgspec.Struct, frozen=True, array_like=True):
    """Bytes of a size, and a number that makes them differ."""

    number: int
    content: bytes


def make_groups(count: int, size: int) -> list[tuple[bytes, ...]]:
    """``count`` envelopes of about ``size`` bytes in groups of four."""
    content = bytes((at * 37 + at // 7) & 0x3F for at in range(max(size - 40, 0)))
    groups = []
    for first in range(1, count, GROUP_SIZE):
        seqs = range(first, first + GROUP_SIZE)
        groups.append(
            tuple(
                encode_envelope(seq, "Bench", 1, first, first, Blob(seq, content)) for seq in seqs
            )
        )
    return groups


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds of this process for ``work``."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def append_all(
    folder: Path, groups: Sequence[Sequence[bytes]], options: WriterOptions
) -> dict[str, float]:
    """Append everything and close; µs an envelope on the caller's thread, in all, and wall."""
    count = len(groups) * GROUP_SIZE
    writer = JournalWriter.create(folder, UID, options=options)
    wall, cpu, caller = time.perf_counter(), time.process_time(), time.thread_time()
    append = writer.append
    for group in groups:
        append(group)
    caller = time.thread_time() - caller
    writer.close()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "append_caller_us": caller / count * 1e6,
        "append_all_us": cpu / count * 1e6,
        "append_wall_us": wall / count * 1e6,
    }


def read_all(folder: Path, expected: int, *, verify_chain: bool) -> None:
    """Read every block; the count must be right."""
    with JournalReader(folder, verify_chain=verify_chain) as reader:
        found = sum(len(block) for block in reader.iter_blocks())
    assert found == expected, (found, expected)


def measure(folder: Path, count: int, size: int) -> Iterator[tuple[str, float]]:
    """The figures for one size of envelope."""
    groups = make_groups(count, size)
    count = len(groups) * GROUP_SIZE
    yield "envelope_bytes", len(groups[-1][0])
    yield from append_all(folder, groups, WriterOptions()).items()
    yield "read_us", cpu_of(lambda: read_all(folder, count, verify_chain=True)) / count * 1e6
    yield (
        "read_unchained_us",
        cpu_of(lambda: read_all(folder, count, verify_chain=False)) / count * 1e6,
    )
    live = sum(path.stat().st_size for path in folder.glob("*.axj"))
    yield "seal_us", cpu_of(lambda: seal_session(folder)) / count * 1e6
    sealed = sum(path.stat().st_size for path in folder.glob("*.axs"))
    yield "read_sealed_us", cpu_of(lambda: read_all(folder, count, verify_chain=True)) / count * 1e6
    yield "verify_us", cpu_of(lambda: verify_session(folder)) / count * 1e6
    yield "live_bytes_each", live / count
    yield "sealed_bytes_each", sealed / count


def acknowledge_one_by_one(folder: Path, count: int) -> dict[str, float]:
    """Wall time from append to durable, each group waited for: median and 99th percentile, ms."""
    writer = JournalWriter.create(folder, UID)
    waits = []
    for group in make_groups(count, 200):
        begin = time.perf_counter()
        writer.wait_durable(writer.append(group))
        waits.append((time.perf_counter() - begin) * 1e3)
    writer.close()
    waits.sort()
    return {"wait_ms_p50": waits[len(waits) // 2], "wait_ms_p99": waits[len(waits) * 99 // 100]}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.journal_bench", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--envelopes", type=int, default=200_000, help="of the smallest size")
    parser.add_argument("--folder", type=Path, help="where journals are written (a real disk)")
    options = parser.parse_args(arguments)
    count = options.envelopes
    if count < 2000:
        parser.error("--envelopes must be at least 2000")
    with tempfile.TemporaryDirectory(prefix="axiom-bench-", dir=options.folder) as name:
        root = Path(name)
        report: dict[str, object] = {}
        for size in SIZES:
            figures = measure(root / str(size), count * 150 // size, size)
            report[f"envelopes_of_{size}_bytes"] = {key: round(v, 3) for key, v in figures}
        waits = acknowledge_one_by_one(root / "waits", WAITS * GROUP_SIZE)
        report["acknowledged_one_by_one"] = {key: round(v, 3) for key, v in waits.items()}
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
