"""What every benchmark here shares: costs, fresh processes, the machine they are true of.

Lives here: CPU and wall time of a piece of work, one run in a process of its own, the description
of the machine, the scratch folder. May import: msgspec, the standard library. Always holds: CPU
time is of all threads of the process, that of child processes is kept apart; no figure leaves here
without the machine beside it. Start reading at ``cost_of``.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import msgspec

ROOT: Final = Path(__file__).resolve().parents[1]


class Cost(msgspec.Struct, frozen=True):
    """Seconds that a piece of work took.

    ``cpu_s`` is of all threads of this process, ``children_cpu_s`` of the child processes that
    ended meanwhile.
    """

    cpu_s: float
    wall_s: float
    children_cpu_s: float


def cost_of(work: Callable[[], object]) -> Cost:
    """Do the work and say what it cost."""
    gc.collect()
    children, wall, cpu = _children_s(), perf_counter(), process_time()
    work()
    cpu, wall = process_time() - cpu, perf_counter() - wall
    return Cost(cpu, wall, _children_s() - children)


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peak_mb() -> int:
    """The most memory this process ever held (MB)."""
    # Linux's own count for a process begins with what its parent held, also after exec.
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        status = ""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    if found is not None:
        return int(found[1]) // 1024
    unit = 1024 if sys.platform == "linux" else 1024 * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def resident_mb() -> int:
    """What this process holds now (MB); where the system does not tell, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak_mb()
    return pages * resource.getpagesize() // (1024 * 1024)


def machine() -> str:
    """Processor, cores, system and Python: what a figure is true of."""
    return (
        f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def in_process(python: str, module: str, arguments: Sequence[str]) -> bytes:
    """Standard output of a module run in a fresh process. Raises ``SystemExit`` with its last
    line of standard error when it fails."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [python, "-m", module, *arguments], cwd=ROOT, env=environment, capture_output=True
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        said = f"{module} {' '.join(arguments)} ended with {done.returncode}: {lines[-1]}"
        raise SystemExit(said)
    return done.stdout


def say(line: str) -> None:
    """Progress, on standard error."""
    print(line, file=sys.stderr, flush=True)


def write_report(report: msgspec.Struct, path: Path | None) -> None:
    """A report as JSON, where a path was asked for."""
    if path is not None:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def common_options(parser: argparse.ArgumentParser) -> None:
    """The options that every benchmark has."""
    parser.add_argument("--folder", type=Path, help="where journals are written (a real disk)")
    parser.add_argument("--json", type=Path, help="write the report here too")
