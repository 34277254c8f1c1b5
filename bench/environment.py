"""Environments of their own for peers that the project itself does not install.

Lives here: finding a Python that really runs, making a virtual environment from it in the user's
cache folder, installing a peer's packages there. May import: the standard library. Always holds: an
environment counts only once its mark is written, after everything was installed; nothing is
installed anywhere else; whatever is missing becomes one sentence, not a failure.
Start reading at ``prepare``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

ENGINE: Final = ("msgspec>=0.22", "zstandard>=0.23")
"""What Axiom's engine and journal need: all peers of a comparison run on one environment."""


class Environment(NamedTuple):
    """What to make: ``versions`` of Python that will do, the preferred first; empty is: the one
    that runs this."""

    name: str
    versions: tuple[str, ...]
    packages: tuple[str, ...]


NAUTILUS: Final = Environment(
    "nautilus-1.231", ("3.13", "3.12"), ("nautilus_trader==1.231.*", *ENGINE)
)
LMDB: Final = Environment("lmdb", (), ("lmdb>=1.6", *ENGINE))

MARK: Final = ".complete"
PROBE: Final = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"
PROBE_S: Final = 20
INSTALL_S: Final = 900


class NoEnvironmentError(Exception):
    """There is no such environment; the message is one line that says why."""


def prepare(wanted: Environment, python: str | None = None) -> Path:
    """The interpreter of an environment, made at the first call (NautilusTrader: about 100 MB).

    ``python`` names the one to make it from. Raises ``NoEnvironmentError``.
    """
    found, version = find_python(wanted, python)
    folder = cache_folder() / f"{wanted.name}-python{version}"
    interpreter = folder / "bin" / "python"
    if (folder / MARK).exists() and runs(str(interpreter)):
        return interpreter
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NoEnvironmentError(f"{folder.parent} cannot be made: {error.strerror}") from error
    _call([found, "-I", "-m", "venv", str(folder)], f"{found} could not make {folder}")
    install = [str(interpreter), "-I", "-m", "pip", "install", "--quiet", "--no-input"]
    failed = f"{wanted.packages[0]} could not be installed by pip"
    _call([*install, "--only-binary", ":all:", *wanted.packages], failed)
    (folder / MARK).touch()
    return interpreter


def cache_folder() -> Path:
    """Where environments are kept: the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "axiom-bench"


def find_python(wanted: Environment, python: str | None = None) -> tuple[str, str]:
    """(path, version) of a Python that runs and can make the environment.

    Raises ``NoEnvironmentError``.
    """
    own = "{}.{}".format(*sys.version_info)
    versions = wanted.versions or (own,)
    if python:
        tried: Iterable[str] = (python,)
    else:
        tried = candidates(versions) if wanted.versions else (sys.executable,)
    for candidate in tried:
        found = runs(candidate)
        if found is not None and found in versions:
            return candidate, found
    which = " or ".join(versions)
    if python:
        raise NoEnvironmentError(f"{python} is no Python {which} with venv and ensurepip")
    raise NoEnvironmentError(
        f"no Python {which} with venv and ensurepip was found; name one with --python"
    )


MANAGED: Final = (
    ("PYENV_ROOT", ".pyenv", "versions/{version}*/bin/python"),
    ("ASDF_DATA_DIR", ".asdf", "installs/python/{version}*/bin/python"),
    ("MISE_DATA_DIR", ".local/share/mise", "installs/python/{version}*/bin/python"),
    ("UV_PYTHON_INSTALL_DIR", ".local/share/uv/python", "cpython-{version}*/bin/python"),
)
"""Version managers: the variable that names their folder, where it is without one, and where an
installation's interpreter stands inside."""


def candidates(versions: tuple[str, ...]) -> Iterator[str]:
    """Interpreters to try: names on the PATH, then the version managers' own installations.

    A name on the PATH proves nothing: a manager's shim answers for versions it does not have.
    """
    roots = [
        (Path(os.environ.get(variable) or Path.home() / usual), pattern)
        for variable, usual, pattern in MANAGED
    ]
    for version in versions:
        on_path = shutil.which(f"python{version}")
        if on_path is not None:
            yield on_path
        for root, pattern in roots:
            for path in sorted(root.glob(pattern.format(version=version)), reverse=True):
                yield str(path)


def runs(python: str) -> str | None:
    """The version that an interpreter says of itself, None where it does not run."""
    try:
        done = subprocess.run(
            [python, "-I", "-c", PROBE], capture_output=True, text=True, timeout=PROBE_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _call(command: list[str], failed: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoEnvironmentError(f"{failed}: {error}") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise NoEnvironmentError(f"{failed}: {lines[-1]}")
