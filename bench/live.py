"""An engine in real time: its processor, and how long a frame takes to the disk, beside the disk.

Lives here: one ``axiom run --mode sim`` on a market of about 500 instruments, and what it said of
itself; a probe of the disk while it ran. May import: the bench. Always holds: the engine measures
itself, in its own process, from the first frame to the last; the exchange and the projector are
processes of their own and not in its figure; the probe syncs a file in the same folder, a few times
a second, so that both meet the same disk.
Run from the checkout: ``python -m bench.live [--for 2m] [--market M] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.latency import Disk, Latency, latency_of
from bench.measure import ROOT, common_options, machine, say, write_report

PROBE_S: Final = 0.25
CPU_PERCENT_MAX: Final = 10.0
P99_MS_MAX: Final = 20.0


class Report(msgspec.Struct, frozen=True):
    """What the engine said of its session. ``load`` is the machine's, over the last minute, before
    and after; ``disk`` is a write of 4 KB and its sync, meanwhile."""

    machine: str
    market: str
    length: str
    load: tuple[float, float]
    ticks: int
    facts: int
    decisions: int
    cpu_percent: float
    p50_ms: float
    p99_ms: float
    frames_dropped: int
    identical: bool
    disk: Latency

    @property
    def met(self) -> bool:
        """Both targets, and a replay that derives the same."""
        fast = self.cpu_percent < CPU_PERCENT_MAX and self.p99_ms < P99_MS_MAX
        return fast and self.identical


def measure(folder: Path, market: str, length: str, words: Sequence[str] = ()) -> Report:
    """One session under ``folder``. Raises ``SystemExit`` where the engine ends otherwise."""
    disk, done = Disk(folder / "probe"), threading.Event()

    def probe() -> None:
        while not done.wait(PROBE_S):
            disk.turn(1)

    before = os.getloadavg()[0]
    prober = threading.Thread(target=probe, name="probe")
    prober.start()
    run = ["run", "--mode", "sim", "--market", market, "--for", length, "--headless", *words]
    try:
        said = _axiom(folder, *run)
    finally:
        done.set()
        prober.join()
        disk.close()
    verdict = _axiom(folder, "replay", said["session"])
    return Report(
        machine(), market, length, (round(before, 2), round(os.getloadavg()[0], 2)),
        said["ticks"], said["facts"], said["decisions"], said["cpu_percent"],
        said["latency_ms"]["p50"], said["latency_ms"]["p99"], said["frames_dropped"],
        verdict["identical"], latency_of(disk.seconds),
    )  # fmt: skip


def _axiom(folder: Path, *words: str) -> Any:
    command = [sys.executable, "-P", "-m", "cli.main", *words, "--home", str(folder / "home")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--json"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"axiom {words[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and say; exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="bench.live", description=__doc__)
    parser.add_argument("--for", dest="length", default="2m", help="of real time")
    parser.add_argument("--market", default="synthetic:full")
    common_options(parser)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        report = measure(Path(scratch), given.market, given.length)
    say(
        f"{report.market} for {report.length}: {report.ticks:,} ticks in "
        f"{report.facts:,} facts, engine {report.cpu_percent} % of a core, frame to disk p50 "
        f"{report.p50_ms} ms, p99 {report.p99_ms} ms (the disk: {report.disk.p50_ms}, "
        f"{report.disk.p99_ms}), load {report.load[0]} to {report.load[1]}, replay "
        f"{'identical' if report.identical else 'NOT identical'}"
    )
    write_report(report, given.json)
    return 0 if report.met else 1


if __name__ == "__main__":
    sys.exit(main())
