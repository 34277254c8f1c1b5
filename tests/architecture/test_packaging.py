"""The traps of generic package names, the wheel's contents, and locks that name no place."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.source import (
    ROOMS,
    ROOT,
    imports,
    module_name,
    python_files,
    repository_files,
)

DISTRIBUTION = "axiom-trading"
LOCKS = ("run", "dev")
ADDRESS = re.compile(r"://|^\s*-|^\s*(\.|/|~)|@ |localhost", re.MULTILINE)
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9._-]*)==(?P<version>\S+)(?P<rest>.*)$")


# --- other people's packages with our names


def clashes(distributions: Iterable[importlib.metadata.Distribution]) -> list[str]:
    """Installed distributions, ours apart, that ship a top-level module named like a room."""
    found = set()
    for distribution in distributions:
        name = canonicalize_name(distribution.metadata["Name"] or "")
        for file in distribution.files or ():
            top = file.parts[0].removesuffix(".py")
            if top in ROOMS and name != DISTRIBUTION:
                found.add(f"{name} ships {top}")
    return sorted(found)


def test_no_installed_package_is_called_like_a_room() -> None:
    """Nothing in this environment brings another ``events``, ``journal`` or ``replay``."""
    installed = list(importlib.metadata.distributions())
    assert len(installed) > 10
    assert clashes(installed) == []


@pytest.mark.parametrize("shipped", ["events/__init__.py", "replay.py"])
def test_canary_a_package_called_like_a_room_is_found(tmp_path: Path, shipped: str) -> None:
    """A planted distribution with a room's name is reported with its own name."""
    info = tmp_path / "intruder-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Intruder\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"{shipped},,\nintruder-1.0.dist-info/METADATA,,\n")
    top = shipped.split("/")[0].removesuffix(".py")
    planted = importlib.metadata.distributions(path=[str(tmp_path)])
    assert clashes(planted) == [f"intruder ships {top}"]


# --- tests that would hide what they test


def without_init(files: Iterable[Path]) -> list[str]:
    """Folders under ``tests`` that hold Python at some depth and have no ``__init__.py``."""
    folders = {
        parent for path in files for parent in path.parents if parent.parts[:1] == ("tests",)
    }
    known = set(files)
    return sorted(f.as_posix() for f in folders if f / "__init__.py" not in known)


def test_every_folder_of_tests_is_a_package() -> None:
    """No folder of tests can be taken for a room."""
    assert without_init(python_files("tests")) == []


def test_canary_a_folder_without_init_is_found() -> None:
    """A planted folder, at any depth, is named."""
    files = [Path("tests/__init__.py"), Path("tests/events/deep/test_a.py")]
    assert without_init(files) == ["tests/events", "tests/events/deep"]


@pytest.mark.parametrize("with_init", [True, False])
def test_why_tests_itself_is_a_package(tmp_path: Path, with_init: bool) -> None:
    """Without it ``tests/events`` is imported as ``events``, and the room cannot be reached."""
    (tmp_path / "events").mkdir()
    (tmp_path / "events/__init__.py").write_text("ROOM = True\n")
    (tmp_path / "tests/events").mkdir(parents=True)
    (tmp_path / "tests/events/__init__.py").touch()
    (tmp_path / "tests/events/test_room.py").write_text(
        "def test_room():\n    from events import ROOM\n    assert ROOM\n"
    )
    if with_init:
        (tmp_path / "tests/__init__.py").touch()
    ended = _pytest(tmp_path)
    assert (ended.returncode == 0) is with_init
    assert ("cannot import name 'ROOM'" in ended.stdout) is not with_init


def _pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of a planted tree with pytest's own defaults."""
    words = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder), "tests"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=folder,
        env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


# --- the wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as ``pip install .`` builds it, by the locked backend and without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return folder / done.stdout.split()[-1]


def test_the_wheel_holds_the_rooms_and_nothing_else(wheel: Path) -> None:
    """Every file of every room is in it, data and ``py.typed`` too; no tests, no bench."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    ours = {p.as_posix() for p in repository_files() if p.parts[0] in ROOMS}
    assert {f"{room}/py.typed" for room in ROOMS} <= packed
    assert packed == ours


def test_the_wheel_runs_where_the_checkout_is_not(wheel: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere and started from elsewhere, the program answers and finds its rooms."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    start = "import sys; from cli.main import main; sys.exit(main(['--version']))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", start],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("axiom ")


# --- what is declared and what is locked


def project() -> dict[str, Any]:
    """pyproject.toml, parsed."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(text: str) -> dict[str, str]:
    """Name to version of every pin in a lock; raises AssertionError for one without a hash."""
    found = {}
    for entry in re.split(r"\n(?=\S)", text):
        match = PIN.match(entry.splitlines()[0] if entry else "")
        if match:
            assert "--hash=sha256:" in entry, f"{match['name']} has no hash"
            found[match["name"]] = match["version"]
        else:
            assert entry.startswith("#") or not entry.strip(), f"not a pin: {entry[:60]}"
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_hashes_and_no_address(lock: str) -> None:
    """S09: each line is a pin, a hash or a comment: no index, no file, no path, no option."""
    text = (ROOT / f"locks/{lock}.txt").read_text()
    assert len(pins(text)) > 15
    assert not ADDRESS.search(re.sub(r"^    --hash=sha256:[0-9a-f]{64}", "", text, flags=re.M))


@pytest.mark.parametrize(
    "line",
    [
        "--index" + "-url https://example.org/simple",
        "click @ https://example.org/click.whl",
        "./wheels/click.whl",
        "-e .",
        "    # from http://localhost/simple",
    ],
)
def test_canary_an_address_in_a_lock_is_found(line: str) -> None:
    """Each planted way to name a place is found."""
    assert ADDRESS.search(f"click==8.1.0\n{line}\n")


def test_canary_a_pin_without_hash_is_found() -> None:
    """A pin that names a version and no hash is refused."""
    with pytest.raises(AssertionError, match="click has no hash"):
        pins("click==8.1.0\n    # via axiom-trading\n")


@pytest.mark.parametrize(
    ("lock", "groups"), [("run", ["build"]), ("dev", ["build", "dev"])], ids=LOCKS
)
def test_what_is_declared_is_locked(lock: str, groups: list[str]) -> None:
    """Each requirement of pyproject.toml, build backend included, has a pin that satisfies it."""
    declared = [*project()["project"]["dependencies"], *project()["build-system"]["requires"]]
    for group in groups:
        declared += project()["dependency-groups"][group]
    locked = pins((ROOT / f"locks/{lock}.txt").read_text())
    for text in declared:
        requirement = Requirement(text)
        version = locked.get(canonicalize_name(requirement.name))
        assert version is not None, f"{text} is not in locks/{lock}.txt: run make lock"
        assert requirement.specifier.contains(version), f"{text} against {version}"


def test_the_dev_lock_holds_the_run_lock() -> None:
    """The tests run on exactly what the program runs on."""
    run, dev = (pins((ROOT / f"locks/{lock}.txt").read_text()) for lock in LOCKS)
    assert run.items() <= dev.items()


def test_the_program_is_the_one_script() -> None:
    """The distribution, its script and its packages are the fixed ones."""
    assert project()["project"]["name"] == DISTRIBUTION
    assert project()["project"]["scripts"] == {"axiom": "cli.main:main"}
    packages = project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(packages) == sorted(ROOMS)


NOT_IMPORTED_YET: set[str] = set()
"""Dependencies whose importer is still being written. It only shrinks; at the end it is empty."""


def imported_packages() -> set[str]:
    """The top-level names of other people's packages that the rooms import."""
    found = set()
    for path in python_files(*ROOMS):
        tree = ast.parse((ROOT / path).read_text())
        is_package = path.name == "__init__.py"
        for name, _ in imports(tree, module_name(path), is_package=is_package):
            found.add(name.partition(".")[0])
    return found - set(ROOMS) - set(sys.stdlib_module_names)


def test_what_is_imported_is_declared() -> None:
    """No room imports a package that only happens to be there."""
    declared = {Requirement(text).name for text in project()["project"]["dependencies"]}
    assert imported_packages() - declared == set()


def test_what_is_declared_is_imported() -> None:
    """No dependency is installed for nobody."""
    declared = {Requirement(text).name for text in project()["project"]["dependencies"]}
    assert declared - imported_packages() <= NOT_IMPORTED_YET
