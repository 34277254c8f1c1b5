"""``axiom export``: Parquet of every contract, into a folder that holds nothing else."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Call, contents


def test_every_contract_is_written(axiom: Call, built: Path, tmp_path: Path) -> None:
    """Ticks, bars, decisions and gates among them; rows and digest are those of the files."""
    answer = axiom("export", "latest", "--to", tmp_path / "out" / "day", "--json")
    assert answer.code == 0
    files = {row["contract"]: row for row in answer.document["files"]}
    assert {"ticks", "bars", "decisions", "gates"} <= set(files)
    for row in files.values():
        path = Path(row["file"])
        assert pq.read_metadata(path).num_rows == row["rows"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]
    assert files["decisions"]["rows"] == 192
    assert len(list((tmp_path / "out" / "day").iterdir())) == len(files)


def test_a_copied_session_exports_the_same_bytes(axiom: Call, built: Path, tmp_path: Path) -> None:
    """From its folder alone, with its projection built anew."""
    copy = shutil.copytree(built, tmp_path / "copy" / built.name)
    shutil.rmtree(copy / "published")
    assert axiom("export", built, "--to", tmp_path / "a").code == 0
    assert axiom("export", copy, "--to", tmp_path / "b", "--home", tmp_path / "none").code == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize(
    ("there", "said"),
    [("file in it", "is not empty"), ("file", "is not a folder"), ("link", "is not a folder")],
)
def test_a_target_in_use_is_refused(
    axiom: Call, built: Path, tmp_path: Path, there: str, said: str
) -> None:
    """One line, exit 2; what was there is there."""
    target = tmp_path / "target"
    if there == "file in it":
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    elif there == "file":
        target.write_text("mine")
    else:
        target.symlink_to(tmp_path / "nowhere")
    before = contents(tmp_path)
    assert said in axiom("export", "latest", "--to", target).refusal
    assert contents(tmp_path) == before


def test_a_target_that_cannot_be_made_is_refused(axiom: Call, built: Path, tmp_path: Path) -> None:
    """A folder below a file is no place."""
    (tmp_path / "file").touch()
    assert axiom("export", "latest", "--to", tmp_path / "file" / "below").refusal
