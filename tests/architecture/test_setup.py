"""What a fresh clone meets first: the search for a Python, make's words, the checks' exit code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

FINDER = ROOT / "scripts/find-python"
TOOLS = ("awk", "cksum", "cut", "dirname", "env", "grep", "make", "mkdir", "rm", "sh", "touch")


def program(folder: Path, name: str, script: str) -> Path:
    """A shell script on a planted PATH."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def run(words: list[str], path: Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command that sees nothing but ``path``."""
    home = path / "home"
    home.mkdir(exist_ok=True)
    return subprocess.run(
        words,
        cwd=cwd,
        env={"PATH": str(path), "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def find(path: Path, *candidates: str) -> subprocess.CompletedProcess[str]:
    """Run the search on a planted PATH."""
    return run(["/bin/sh", str(FINDER), *candidates], path)


def test_a_shim_that_exists_but_does_not_run_is_passed_over(tmp_path: Path) -> None:
    """A version manager's name on the PATH proves nothing: the next candidate is taken."""
    program(tmp_path, "python3.13", "echo 'command not found' >&2; exit 127")
    program(tmp_path, "python3.12", "exit 3")  # the probe's answer for one that is too old
    program(tmp_path, "python3.11", "echo /here/python3.11")
    found = find(tmp_path)
    assert (found.returncode, found.stdout) == (0, "/here/python3.11\n")


def test_the_newest_named_python_comes_first_and_the_asked_one_before_it(tmp_path: Path) -> None:
    """``make PYTHON=…`` is tried before the usual names; an empty wish is no wish."""
    for name in ("python3.13", "python3.11", "python3", "mine"):
        program(tmp_path, name, f"echo /here/{name}")
    assert find(tmp_path, "").stdout == "/here/python3.13\n"
    assert find(tmp_path, "mine").stdout == "/here/mine\n"
    assert find(tmp_path, "absent").stdout == "/here/python3.13\n"


def test_a_python_without_ensurepip_names_the_package(tmp_path: Path) -> None:
    """Debian splits venv off: the one line says which package brings it."""
    program(tmp_path, "python3.12", "echo 3.12; exit 4")
    found = find(tmp_path)
    assert (found.returncode, found.stdout) == (2, "")
    assert "apt install python3.12-venv" in found.stderr
    assert found.stderr.count("\n") == 1


def test_no_python_at_all_names_the_packages(tmp_path: Path) -> None:
    """Nothing found: one line with what to install, exit 2."""
    found = find(tmp_path)
    assert (found.returncode, found.stdout) == (2, "")
    assert "apt install python3 python3-venv" in found.stderr
    assert found.stderr.count("\n") == 1


def test_the_probe_accepts_this_python() -> None:
    """The question that is really asked, asked of a real interpreter."""
    found = subprocess.run(
        ["/bin/sh", str(FINDER), sys.executable], capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()).samefile(sys.executable)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH with make and its like, and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(shutil.which(name) or pytest.skip(f"no {name} here"))
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that setting up reads, alone in a folder with a space in its name."""
    folder = tmp_path / "a checkout"
    for name in ("Makefile", "pyproject.toml", "scripts/find-python", "locks/run.txt", ".ci/run"):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return folder


def test_make_alone_lists_its_targets(tools: Path, checkout: Path) -> None:
    """``make`` with no word is help; the contract's three targets are in it."""
    listed = run(["make"], tools, checkout)
    assert (listed.returncode, listed.stderr) == (0, "")
    for target in ("demo", "test", "install", "lock"):
        assert f"  make {target} " in listed.stdout


def test_make_without_python_says_what_to_install(tools: Path, checkout: Path) -> None:
    """One line about the package, make's own word after it, and nothing is left behind."""
    ended = run(["make", "install"], tools, checkout)
    assert ended.returncode == 2
    assert "apt install python3 python3-venv" in ended.stderr.splitlines()[0]
    assert not (checkout / ".venv").exists()


FAKE_PYTHON = """
case "$*" in
    *"-m venv"*) mkdir -p .venv/bin && cp inside .venv/bin/python ;;
    *) echo python3.13 ;;
esac
"""
FAKE_INSIDE = """#!/bin/sh
echo "$*" >> log
case "$*" in *sound*) echo sound ;; esac
"""


def test_an_environment_is_made_again_only_when_it_must(tools: Path, checkout: Path) -> None:
    """A lock newer than the stamp installs again, a lost Python makes all anew, else nothing."""
    program(tools, "python3.13", FAKE_PYTHON)
    (checkout / "inside").write_text(FAKE_INSIDE)
    (checkout / "inside").chmod(0o755)
    (tools / "cp").symlink_to(shutil.which("cp") or "/bin/cp")

    def installs() -> int:
        ended = run(["make", "install"], tools, checkout)
        assert ended.returncode == 0, ended.stderr
        return (checkout / "log").read_text().count("--require-hashes")

    assert [installs(), installs()] == [1, 1]
    (stamp,) = (checkout / ".venv").glob(".installed-run-*")
    os.utime(stamp, (0, 0))
    assert [installs(), installs()] == [2, 2]
    (checkout / ".venv/bin/python").unlink()
    assert [installs(), installs()] == [3, 3]
    moved = checkout.rename(checkout.with_name("moved"))
    assert run(["make", "install"], tools, moved).returncode == 0
    assert (moved / "log").read_text().count("--require-hashes") == 4


FAKE_MAKE = """
echo "make $1"
case "$1" in {failing}) exit 2 ;; esac
"""


EVERY_STEP = ["dev", "lint", "types", "test", "release-check"]


@pytest.mark.parametrize(
    ("failing", "slow", "code", "ran"),
    [
        ("none", 0, 0, EVERY_STEP),
        ("lint", 0, 2, EVERY_STEP),
        ("test", 0, 2, EVERY_STEP),
        ("release-check", 0, 2, EVERY_STEP),
        ("none", 1, 1, EVERY_STEP),
        ("none", 5, 5, EVERY_STEP),
        ("dev", 0, 2, ["dev"]),
    ],
)
def test_the_checks_run_to_the_end_and_tell_the_truth(
    tools: Path, checkout: Path, failing: str, slow: int, code: int, ran: list[str]
) -> None:
    """Any failing step fails the run, no slow test at all too; the closing line stays last."""
    (tools / "make").unlink()
    program(tools, "make", FAKE_MAKE.format(failing=failing))
    (checkout / ".venv/bin").mkdir(parents=True)
    program(checkout / ".venv/bin", "python", f"echo '3 passed in 1s'; exit {slow}")
    (tools / "bash").symlink_to(shutil.which("bash") or pytest.skip("no bash here"))
    ended = run(["bash", ".ci/run"], tools, checkout)
    lines = ended.stdout.splitlines()
    assert ended.returncode == code
    assert [line.split()[1] for line in lines if line.startswith("make ")] == ran
    if ran == EVERY_STEP:
        assert lines[-1] == "3 passed in 1s"
