"""An environment of its own for the comparison with NautilusTrader, which needs Python 3.12.

Lives here: finding a Python that really runs, making a virtual environment from it in the cache
folder, installing what all peers need. May import: the standard library. Always holds: an
environment counts only once its mark is written, after everything was installed; nothing is
installed anywhere else; whatever is missing becomes one sentence, not a failure.
Start reading at ``prepare``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

VERSIONS: Final = ("3.13", "3.12")
"""Pythons that NautilusTrader 1.231 runs on, the preferred first."""

NAUTILUS: Final = "nautilus_trader==1.231.*"
PACKAGES: Final = (NAUTILUS, "msgspec>=0.22", "zstandard>=0.23")
"""Also what Axiom's engine and journal need: all peers run on this one environment."""

MARK: Final = ".complete"
PROBE: Final = "import sys, ensurepip, venv; print('%d.%d' % sys.version_info[:2])"
PROBE_S: Final = 20
INSTALL_S: Final = 900


class NoEnvironmentError(Exception):
    """There is no environment with NautilusTrader; the message is one line that says why."""


def prepare(python: str | None = None) -> Path:
    """The interpreter of the environment, made at the first call (about 100 MB are downloaded).

    ``python`` names the one to make it from. Raises ``NoEnvironmentError``.
    """
    found, version = find_python(python)
    folder = cache_folder() / f"nautilus-1.231-python{version}"
    interpreter = folder / "bin" / "python"
    if (folder / MARK).exists() and runs(str(interpreter)):
        return interpreter
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _call([found, "-I", "-m", "venv", str(folder)], f"{found} could not make {folder}")
    install = [str(interpreter), "-I", "-m", "pip", "install", "--quiet", "--no-input"]
    _call(
        [*install, "--only-binary", ":all:", *PACKAGES], f"{NAUTILUS} could not be installed by pip"
    )
    (folder / MARK).touch()
    return interpreter


def cache_folder() -> Path:
    """Where the environment is kept: the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "axiom-bench"


def find_python(python: str | None = None) -> tuple[str, str]:
    """(path, version) of a Python that runs and can make an environment.

    Raises ``NoEnvironmentError``.
    """
    for version, candidate in [(None, python)] if python else candidates():
        found = runs(str(candidate))
        if found in VERSIONS and version in (None, found):
            return str(candidate), found
    wanted = " or ".join(VERSIONS)
    if python:
        raise NoEnvironmentError(f"{python} is no Python {wanted} with venv and ensurepip")
    raise NoEnvironmentError(
        f"no Python {wanted} with venv and ensurepip was found; name one with --python"
    )


def candidates() -> Iterator[tuple[str, str]]:
    """(version, path) to try: names on the PATH, then a version manager's own installations.

    A name on the PATH proves nothing: a manager's shim answers for versions it does not have.
    """
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for version in VERSIONS:
        on_path = shutil.which(f"python{version}")
        if on_path is not None:
            yield version, on_path
        for path in sorted((root / "versions").glob(f"{version}*/bin/python"), reverse=True):
            yield version, str(path)


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
