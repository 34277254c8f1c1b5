"""The determinism matrix: every golden gives one digest, wherever and however it is replayed.

Lives here: the axes, the Pythons found on this machine, the running and the comparing of cells.
May import: scripts.goldens. Always holds: a cell is a process of its own with a made environment;
what cannot be run here is named with its reason, never left out silently; the digest that all must
give is the one that the pins and waivers expect.

    python -m scripts.matrix                every cell: 5 hash seeds x 3 zones x 2 locales x 1 and 2
                                            processes x every Python 3.11 or newer
    python -m scripts.matrix --slice        a few cells that hold each value of each axis once
    python -m scripts.matrix --own          the Python that runs this alone

Start reading at ``run_cells``.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import locale
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from scripts.goldens import GOLDENS, ROOT, WAIVERS, GoldenError, expected, load_pins, load_waivers

HASH_SEEDS: Final = ("0", "1", "42", "1000003", "4294967295")
ZONES: Final = ("UTC0", "IST-5:30", "NST3:30NDT")
"""In POSIX words, which need no zone files: none, this market's, and one with half hours and a
summer time."""
COMMA_LOCALES: Final = ("de_DE.UTF-8", "fr_FR.UTF-8", "hi_IN.UTF-8", "tr_TR.UTF-8")
PLAIN_LOCALES: Final = ("C.UTF-8", "C.utf8", "POSIX")
PROCESSES: Final = (1, 2)

OLDEST: Final = (3, 11)
NEWEST_TRIED: Final = 16
NEEDS: Final = ("msgspec", "zstandard")
"""What a replay imports from outside the standard library."""
LOCK: Final = ROOT / "locks" / "run.txt"
ENVIRONMENTS: Final = ROOT / "build" / "matrix"
CELL: Final = ("-P", "-m", "scripts.matrix_cell")

PROBE_S: Final = 20
INSTALL_S: Final = 300
CELL_S: Final = 300


class Python(NamedTuple):
    """An interpreter that can replay: its version and its program."""

    version: str
    program: str


class Cell(NamedTuple):
    """One way to replay."""

    python: Python
    hash_seed: str
    zone: str
    locale: str
    processes: int

    def __str__(self) -> str:
        return (
            f"Python {self.python.version}, hash seed {self.hash_seed}, zone {self.zone}, "
            f"locale {self.locale}, {self.processes} process(es)"
        )


# --- the axes ------------------------------------------------------------------------------------


def locales() -> tuple[tuple[str, str], str | None]:
    """The two locales to run under, and a note where none here has a decimal comma."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        for name in COMMA_LOCALES:
            if _is_locale(name):
                return ("C", name), None
        plain = next(name for name in PLAIN_LOCALES if _is_locale(name))
    finally:
        locale.setlocale(locale.LC_ALL, before)
    return ("C", plain), f"no locale with a decimal comma is installed: C and {plain} instead"


def _is_locale(name: str) -> bool:
    try:
        locale.setlocale(locale.LC_ALL, name)
    except locale.Error:
        return False
    return True


def candidates() -> Iterator[str]:
    """Programs that may be a Python: this one, names anywhere on the PATH, a version manager's."""
    yield sys.executable
    minors = range(NEWEST_TRIED, OLDEST[1] - 1, -1)
    for folder in map(Path, os.get_exec_path()):
        for name in (*(f"python{OLDEST[0]}.{minor}" for minor in minors), "python3"):
            if (folder / name).is_file():
                yield str(folder / name)
    manager = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for folder in sorted(manager.glob("versions/3.*/bin")):
        yield str(folder / "python3")


PROBE: Final = """
import json, os, sys
print(json.dumps([sys.version_info[:3], os.path.realpath(sys.executable)]))
"""


def versions(programs: Iterable[str]) -> dict[str, str]:
    """Version to program, newest first, for what really runs and is new enough."""
    found: dict[tuple[int, int, int], str] = {}
    for program in programs:
        try:
            done = subprocess.run(
                [program, "-I", "-c", PROBE],
                capture_output=True,
                text=True,
                timeout=PROBE_S,
                stdin=subprocess.DEVNULL,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            continue  # a name on the PATH proves nothing: this one is no Python
        (major, minor, micro), _ = json.loads(done.stdout)
        if (major, minor) >= OLDEST:
            found.setdefault((major, minor, micro), program)
    return {".".join(map(str, version)): found[version] for version in sorted(found, reverse=True)}


def pythons(own_only: bool = False) -> tuple[list[Python], list[str]]:
    """The Pythons that can replay, this one first, and a note for each that cannot."""
    own = Python(".".join(map(str, sys.version_info[:3])), sys.executable)
    ready, notes = [own], []
    if own_only:
        return ready, ["only the Python that runs this was asked for"]
    for version, program in versions(candidates()).items():
        if version == own.version:
            continue
        made = environment(version, program)
        if isinstance(made, Python):
            ready.append(made)
        else:
            notes.append(f"Python {version} is left out: {made}")
    return ready, notes


def environment(version: str, program: str) -> Python | str:
    """A virtual environment with what a replay needs, made once a lock; or why there is none."""
    wanted = locked(LOCK.read_text(encoding="utf-8"), NEEDS)
    key = hashlib.sha256(wanted.encode()).hexdigest()[:12]
    folder = ENVIRONMENTS / f"{version}-{key}"
    inside, stamp = folder / "bin" / "python", folder / "ready"
    if not stamp.exists():
        problem = _run([program, "-I", "-m", "venv", "--clear", str(folder)])
        if problem is None:
            (folder / "locked.txt").write_text(wanted, encoding="utf-8")
            words = "-I -m pip --disable-pip-version-check --no-input install --quiet --retries 0"
            rules = "--require-hashes --no-deps --only-binary :all: -r"
            problem = _run(
                [str(inside), *words.split(), *rules.split(), str(folder / "locked.txt")]
            )
        if problem is not None:
            return problem
        stamp.touch()
    return Python(version, str(inside))


def _run(words: list[str]) -> str | None:
    """Run a command; None, or its last words where it failed."""
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=INSTALL_S, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    said = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return None if done.returncode == 0 else (said[-1] if said else f"exit {done.returncode}")


def locked(lock: str, names: Sequence[str]) -> str:
    """The entries of a lock file for ``names``, with their hashes. Raises ``ValueError``."""
    entries = re.findall(r"^[a-z0-9._-]+==[^\n]*(?:\n[ \t]+[^\n]*)*", lock, re.MULTILINE)
    kept = [entry for entry in entries if entry.partition("==")[0] in names]
    if len(kept) != len(names):
        raise ValueError(f"the lock names {len(kept)} of {', '.join(names)}")
    return "\n".join(kept) + "\n"


def all_cells(ready: Iterable[Python], two_locales: Sequence[str]) -> list[Cell]:
    """Every combination."""
    axes = itertools.product(ready, HASH_SEEDS, ZONES, two_locales, PROCESSES)
    return [Cell(*values) for values in axes]


def slice_cells(ready: Sequence[Python], two_locales: Sequence[str]) -> list[Cell]:
    """As few cells as hold each value of each axis at least once."""
    count = max(len(HASH_SEEDS), len(ready))
    axes: tuple[Sequence[object], ...] = (ready, HASH_SEEDS, ZONES, two_locales, PROCESSES)
    return [
        Cell(*(axis[place % len(axis)] for axis in axes))  # type: ignore[arg-type]
        for place in range(count)
    ]


# --- running and comparing -----------------------------------------------------------------------


def run_cells(
    cells: Sequence[Cell], goldens: Path = GOLDENS, program: Sequence[str] = CELL, jobs: int = 2
) -> list[dict[str, str] | str]:
    """What each cell gave, in order: the digests by golden, or its last words where it failed."""
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda cell: _run_cell(cell, goldens, program), cells))


def _run_cell(cell: Cell, goldens: Path, program: Sequence[str]) -> dict[str, str] | str:
    words = [cell.python.program, *program, str(goldens), str(cell.processes)]
    made = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": cell.hash_seed,
        "TZ": cell.zone,
        "LC_ALL": cell.locale,
    }
    try:
        done = subprocess.run(
            words,
            cwd=ROOT,
            env=made,
            capture_output=True,
            text=True,
            timeout=CELL_S,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode == 0:
            given: dict[str, str] = json.loads(done.stdout)
            return given
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return str(error)
    said = done.stderr.strip().splitlines()
    return said[-1] if said else f"exit {done.returncode}"


def wanted_digests(goldens: Path = GOLDENS, waivers: Path = WAIVERS) -> dict[str, str]:
    """What the pins and the waivers expect. Raises ``GoldenError``."""
    given = load_waivers(waivers)
    return {pin.name: expected(pin, given)[0] for pin in load_pins(goldens)}


def differences(
    cells: Sequence[Cell], results: Sequence[dict[str, str] | str], wanted: dict[str, str]
) -> list[str]:
    """One line for every cell and golden that is not as wanted."""
    found = []
    for cell, given in zip(cells, results, strict=True):
        if isinstance(given, str):
            found.append(f"{cell}: did not run: {given}")
        elif given.keys() != wanted.keys():
            found.append(f"{cell}: replayed {', '.join(sorted(given)) or 'nothing'}")
        else:
            found += [
                f"{cell}: {name} re-derives to {given[name][:12]}, not to {digest[:12]}"
                for name, digest in wanted.items()
                if given[name] != digest
            ]
    return found


def main(arguments: Sequence[str]) -> int:
    """Run the matrix or a slice; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.matrix")
    parser.add_argument("--slice", action="store_true", help="each value of each axis once")
    parser.add_argument("--own", action="store_true", help="the Python that runs this alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cells at a time")
    given = parser.parse_args(arguments)
    try:
        wanted = wanted_digests()
    except GoldenError as error:
        sys.stderr.write(f"matrix: {error}\n")
        return 1
    two_locales, note = locales()
    ready, notes = pythons(given.own)
    for line in filter(None, (*notes, note)):
        sys.stdout.write(f"note: {line}\n")
    cells = (slice_cells if given.slice else all_cells)(ready, two_locales)
    wrong = differences(cells, run_cells(cells, jobs=given.jobs), wanted)
    for line in wrong:
        sys.stdout.write(f"{line}\n")
    names = ", ".join(python.version for python in ready)
    verdict = f"{len(wrong)} differences" if wrong else "one digest each"
    sys.stdout.write(
        f"{len(cells)} cells ({len(HASH_SEEDS)} hash seeds, {len(ZONES)} zones, "
        f"{len(two_locales)} locales, 1 and 2 processes; Python {names}), {len(wanted)} golden "
        f"sessions: {verdict}\n"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
