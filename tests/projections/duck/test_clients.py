"""docs/SQL.md: what it says to people without Python works, with a client of the release before."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "SQL.md"
CLIENT = Path(sys.executable).with_name("duckdb")
pytestmark = pytest.mark.skipif(not CLIENT.is_file(), reason="no DuckDB command line is installed")


def commands() -> list[str]:
    """Every command of the page's blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def run(line: str, folder: Path) -> str:
    """What a command of the page answers on a session; raises where it fails."""
    match = re.fullmatch(r'duckdb (.*?)"(.*)"', line)
    assert match is not None, line
    words = [*match[1].split(), match[2]]
    here = [word.replace("SESSION", str(folder)) for word in words]
    done = subprocess.run([CLIENT, *here], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (line, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def folder(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session's folder with its published file alone, which nobody may write."""
    copy = tmp_path_factory.mktemp("client") / "session"
    shutil.copytree(published.parent, copy / "published")
    (copy / "published" / published.name).chmod(stat.S_IRUSR)
    return copy


def test_the_client_is_of_an_earlier_release() -> None:
    """The program writes with another one: what is tested is the promise to the one before."""
    said = subprocess.run([CLIENT, "--version"], capture_output=True, text=True, check=True).stdout
    assert not said.lstrip("v").startswith(duckdb.__version__)


@pytest.mark.parametrize("line", commands())
def test_every_command_of_the_page_answers(line: str, folder: Path) -> None:
    """It runs as it stands, and there are rows."""
    assert len(run(line, folder).splitlines()) > 1


def test_the_client_sees_what_the_program_sees(folder: Path) -> None:
    """The same counts of every view, to the row."""
    with duckdb.connect(str(folder / "published" / "session.duckdb"), read_only=True) as ours:
        listed = "SELECT name FROM v1.contracts WHERE form = 'VIEW' AND name <> 'ticks' ORDER BY 1"
        names = [row[0] for row in ours.execute(listed).fetchall()]
        sql = " UNION ALL ".join(f"SELECT '{one}' n, count(*) c FROM v1.{one}" for one in names)
        mine = [f"{name},{count}" for name, count in ours.execute(f"{sql} ORDER BY 1").fetchall()]
    line = f'duckdb -readonly SESSION/published/session.duckdb -csv -noheader "{sql} ORDER BY 1"'
    assert run(line, folder).splitlines() == mine
    assert len(names) > 60
