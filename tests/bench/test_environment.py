"""The peers' environments: which Python is found, and one sentence where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench import environment
from bench.environment import LMDB, NAUTILUS, NoEnvironmentError, candidates, find_python, prepare

SAYS = "#!/bin/sh\necho {version}\n"


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home and a PATH without any Python."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable, _, _ in environment.MANAGED:
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def make_python(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    path.chmod(0o755)
    return path


def test_a_shim_that_does_not_run_is_passed_over(bare: Path) -> None:
    """A manager's own installation is used where its shim on the PATH answers for nothing."""
    make_python(bare / "bin/python3.13", "#!/bin/sh\nexit 127\n")
    real = make_python(bare / ".pyenv/versions/3.12.1/bin/python", SAYS.format(version="3.12"))
    assert find_python(NAUTILUS) == (str(real), "3.12")


def test_the_preferred_version_comes_first(bare: Path) -> None:
    """3.13 from any manager before 3.12 from the PATH."""
    make_python(bare / "bin/python3.12", SAYS.format(version="3.12"))
    newer = make_python(
        bare / ".local/share/uv/python/cpython-3.13.2-linux/bin/python",
        SAYS.format(version="3.13"),
    )
    assert find_python(NAUTILUS) == (str(newer), "3.13")
    assert next(iter(candidates(("3.12",)))).endswith("bin/python3.12")


def test_no_python_is_one_sentence(bare: Path) -> None:
    """Neither a missing Python nor a wrong one named is a traceback."""
    with pytest.raises(NoEnvironmentError, match=r"^no Python 3\.13 or 3\.12 with venv .*--python"):
        find_python(NAUTILUS)
    old = make_python(bare / "old", SAYS.format(version="3.9"))
    with pytest.raises(NoEnvironmentError, match=r"is no Python 3\.13 or 3\.12"):
        find_python(NAUTILUS, str(old))


def test_an_installation_that_fails_is_one_sentence_and_no_environment(bare: Path) -> None:
    """What could not be installed is made again the next time: there is no mark."""
    script = '#!/bin/sh\n[ "$2" = -c ] && echo 3.13 && exit 0\necho no such thing >&2\nexit 1\n'
    broken = make_python(bare / "broken", script)
    with pytest.raises(NoEnvironmentError, match=r"could not make .*: no such thing$"):
        prepare(NAUTILUS, str(broken))
    assert not list((bare / "cache").rglob(environment.MARK))


def test_an_environment_without_a_wish_is_of_the_running_python(bare: Path) -> None:
    """LMDB is measured on the Python that runs the bench."""
    path, version = find_python(LMDB)
    assert path == sys.executable
    assert version == f"{sys.version_info[0]}.{sys.version_info[1]}"
