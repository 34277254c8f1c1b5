"""Every golden session projects to the same tables however it is cut, and to the same files."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from projections.duck.export import export_session
from projections.duck.projector import Projector, ProjectorOptions, ensure_projection
from scripts.goldens import GOLDENS
from tests.projections.duck.test_projector import contents, tick_digests

QUICK = "trades"
NAMES = [
    pytest.param(name, marks=() if name == QUICK else pytest.mark.slow)
    for name in sorted(path.name for path in GOLDENS.iterdir() if path.is_dir())
]
SMALL_STEPS = ProjectorOptions(batch_rows=70, tick_rows=110, publish_ms=0)


def copied(name: str, parent: Path) -> Path:
    """A golden session in a folder of its own name, as an engine keeps it."""
    return Path(shutil.copytree(GOLDENS / name, parent / name))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_in_small_steps_or_in_one_the_tables_are_the_same(name: str, tmp_path: Path) -> None:
    """Content digests of every table, and the sealed tick file's bytes; built anew from the journal
    they are the same again."""
    whole = copied(name, tmp_path / "whole")
    cut = copied(name, tmp_path / "cut")
    of_whole = ensure_projection(whole)
    with Projector(cut, options=SMALL_STEPS) as projector:
        of_cut = projector.run()
    assert contents(of_cut) == contents(of_whole)
    assert tick_digests(of_cut) == tick_digests(of_whole)
    before = contents(of_whole), tick_digests(of_whole)
    again = ensure_projection(whole, anew=True)
    assert (contents(again), tick_digests(again)) == before
    assert before[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_twice_the_same_parquet(name: str, tmp_path: Path) -> None:
    """Every contract's file, from two copies in two folders, byte for byte."""
    digests = []
    for turn in ("one", "two"):
        files = export_session(copied(name, tmp_path / turn), tmp_path / f"out-{turn}")
        digests.append({one.contract: one.sha256 for one in files})
        for one in files:
            assert hashlib.sha256(one.file.read_bytes()).hexdigest() == one.sha256
    assert digests[0] == digests[1]
