"""How long until an urgent group is durable while the engine is busy, beside the disk's own sync.

Lives here: the busy engine thread, the urgent groups, the probe of the disk. May import: the bench,
the rooms. Always holds: latencies are wall time; the probe syncs a file in the same folder, in
turns with the journal, so that both meet the same disk. Measured twice: the engine's thread is busy
until it hands the group over and then waits, as the runner does; and it goes on, while another
thread waits.
Run from the checkout: ``python -m bench.latency [--groups N] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import os
import queue
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from adapters.rulebook.load import load_rows
from bench import work_a_axiom
from bench.measure import common_options, machine, write_report
from bench.work_a_data import BURST, make_day
from engine import runner
from engine.core import Core, encode_fact
from engine.opening import fresh_account, opening_facts, session_opened
from engine.schedule import facts_of
from events.base import Event
from events.feed import FeedFrame
from events.session import OperatorCommand
from journal.seal import SWITCH_INTERVAL_S
from journal.writer import JournalWriter

UID: Final = "0123456789ab"
TURN: Final = 25
"""Urgent groups, then syncs of the probe, in one turn."""

FRAME_S: Final = 0.01
"""A frame of 200 packets each 10 ms: 20,000 ticks a second."""

EVERY_FRAMES: Final = 3
"""Frames from one urgent group to the next."""

URGENT: Final = (0, OperatorCommand("HALT", "bench", "an urgent group", None, None, "", "NONE"))
DAY_BURSTS: Final = 400
DAY_MINUTES: Final = 20
PROBE_BYTES: Final = 4096
DEADLINE_S: Final = 30.0
TARGET: Final = 4.0
"""The journal's 99th percentile over the disk's, at most."""


class Latency(msgspec.Struct, frozen=True):
    """Of one series, in ms."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


class Report(msgspec.Struct, frozen=True):
    """All that is said of one call. ``busy`` is the share of wall time that the engine's thread
    was on a processor during the journal's turns. ``urgent``: the engine waits, as the runner does;
    ``beside``: it goes on. The ratios are of the 99th percentiles to the disk's."""

    machine: str
    frames: int
    busy: float
    urgent: Latency
    beside: Latency
    disk: Latency
    ratio_p99: float
    ratio_beside_p99: float


def latency_of(seconds: Sequence[float]) -> Latency:
    """The percentiles of a series that is not empty."""
    ordered = sorted(seconds)
    last = len(ordered) - 1

    def at(share: float) -> float:
        return round(ordered[min(int(len(ordered) * share), last)] * 1e3, 3)

    return Latency(len(ordered), at(0.5), at(0.9), at(0.99), round(ordered[last] * 1e3, 3))


class Waiter:
    """A thread that waits for urgent groups, as the sender of an order does, and times them."""

    def __init__(self, writer: JournalWriter) -> None:
        self.seconds: list[float] = []
        self._writer = writer
        self._asked: queue.SimpleQueue[tuple[int, float] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="waiter")
        self._thread.start()

    def ask(self, seq: int, began: float) -> None:
        """Wait for ``seq``, which was handed over at ``began``."""
        self._asked.put((seq, began))

    def close(self) -> None:
        """Let the last wait end, then the thread."""
        self._asked.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            seq, began = asked
            if not self._writer.wait_durable(seq, DEADLINE_S):
                return
            self.seconds.append(time.perf_counter() - began)


class Engine:
    """Frames through the core as fast as the processor lets it; each 10 ms one is journaled."""

    def __init__(self, writer: JournalWriter, facts: Sequence[tuple[int, Event]]) -> None:
        self.frames = 0
        self.seconds: list[float] = []
        self.busy_s = self.wall_s = 0.0
        self._writer = writer
        self._facts = facts
        self._frames = [(ts, one) for ts, one in facts if isinstance(one, FeedFrame)]
        self._core, self._seq, self._at = Core(), 0, 0

    def turn(self, groups: int, waiter: Waiter | None) -> None:
        """Work on until ``groups`` urgent groups were handed over: to the waiter, or waited for."""
        wall, cpu = time.perf_counter(), time.thread_time()
        due, since, handed = wall, 0, 0
        while handed < groups:
            self._work()
            now = time.perf_counter()
            if now >= due:
                due = max(due + FRAME_S, now)
                self._append(*self._frames[self.frames % len(self._frames)])
                self.frames += 1
                since += 1
            if since == EVERY_FRAMES:
                self._urgent(waiter)
                handed, since = handed + 1, 0
        self.busy_s += time.thread_time() - cpu
        self.wall_s += time.perf_counter() - wall

    def _urgent(self, waiter: Waiter | None) -> None:
        began = time.perf_counter()
        seq = self._append(*URGENT)
        if waiter is not None:
            waiter.ask(seq, began)
        elif self._writer.wait_durable(seq, DEADLINE_S):
            self.seconds.append(time.perf_counter() - began)

    def _work(self) -> None:
        """One fact through the core; the day again from its start when it is over."""
        if self._at == len(self._facts):
            self._core, self._seq, self._at = Core(), 0, 0
        ts, event = self._facts[self._at]
        self._seq += 1 + len(self._core.step(self._seq + 1, ts, event))
        self._at += 1

    def _append(self, ts: int, event: Event) -> int:
        return self._writer.append((encode_fact(self._writer.head_seq + 1, ts, event),))


class Disk:
    """A file beside the journal, to see what the disk itself does."""

    def __init__(self, path: Path) -> None:
        self.seconds: list[float] = []
        self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def turn(self, syncs: int) -> None:
        """Append and sync, again and again."""
        for _ in range(syncs):
            began = time.perf_counter()
            os.write(self._handle, bytes(PROBE_BYTES))
            os.fdatasync(self._handle)
            self.seconds.append(time.perf_counter() - began)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


def facts_of_a_day() -> list[tuple[int, Event]]:
    """A short WORK-A day as facts, in frames of 200."""
    market = work_a_axiom.market_of(make_day(BURST * DAY_BURSTS, 7, DAY_MINUTES), BURST)
    rows, config = load_rows(), work_a_axiom.CONFIG
    opened = session_opened(market, config, rows, runner.own_code_digest())
    carried = fresh_account(config, market.day)
    opening = opening_facts(opened, carried, market, rows)
    facts = [(market.anchor_ns, event) for event in opening]
    facts.extend(facts_of(market.frames(), market.cycle_rule, market.open_ns, market.close_ns))
    return facts  # fmt: skip


def measure(parent: Path, groups: int) -> Report:
    """Journal and disk in turns until ``groups`` urgent groups were timed."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    disk = Disk(parent / "probe")
    try:
        with JournalWriter.create(parent / "journal", UID) as writer:
            engine, waiter = Engine(writer, facts_of_a_day()), Waiter(writer)
            for _ in range(0, groups, TURN):
                engine.turn(TURN, None)
                engine.turn(TURN, waiter)
                writer.wait_durable(writer.head_seq, DEADLINE_S)
                disk.turn(TURN)
            waiter.close()
    finally:
        disk.close()
        sys.setswitchinterval(before)
    timed = min(len(waiter.seconds), len(engine.seconds))
    assert timed >= groups, "an urgent group was not durable in time"
    urgent, beside = latency_of(engine.seconds), latency_of(waiter.seconds)
    own = latency_of(disk.seconds)
    return Report(
        machine(),
        engine.frames,
        round(engine.busy_s / engine.wall_s, 2),
        urgent,
        beside,
        own,
        round(urgent.p99_ms / own.p99_ms, 2),
        round(beside.p99_ms / own.p99_ms, 2),
    )


def show(report: Report) -> None:
    """Print a report with what follows from it."""
    print(f"urgent groups while the engine works; {report.machine}")
    print(
        f"{report.frames:,} frames of {BURST} journaled, one each {FRAME_S * 1e3:.0f} ms; the "
        f"engine's thread had a processor {report.busy:.0%} of the time"
    )
    print(f"{'wall ms':34}{'count':>7}{'p50':>9}{'p90':>9}{'p99':>9}{'max':>9}")
    for name, one in (
        ("urgent group, the engine waits", report.urgent),
        ("urgent group, the engine goes on", report.beside),
        (f"the disk: {PROBE_BYTES} bytes, fdatasync", report.disk),
    ):
        print(f"{name:34}{one.count:7,}{one.p50_ms:9.2f}{one.p90_ms:9.2f}", end="")
        print(f"{one.p99_ms:9.2f}{one.max_ms:9.2f}")
    verdict = "met" if report.ratio_p99 < TARGET else "not met"
    print(
        f"target of p99 under {TARGET:.0f} times the disk's: {verdict}, {report.ratio_p99:.2f}"
        f" ({report.ratio_beside_p99:.2f} where the engine goes on)"
    )


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command's options; a bad one ends the program with exit code 2 and one line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.latency", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--groups", type=int, default=1_000, help=f"a multiple of {TURN}")
    common_options(parser)
    options = parser.parse_args(arguments)
    if options.groups < TURN or options.groups % TURN:
        parser.error(f"--groups must be a multiple of {TURN}")
    return options


def main(arguments: Sequence[str]) -> int:
    """0 when every urgent group became durable."""
    options = parse(arguments)
    with tempfile.TemporaryDirectory(prefix="axiom-bench-", dir=options.folder) as scratch:
        report = measure(Path(scratch), options.groups)
    show(report)
    write_report(report, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
