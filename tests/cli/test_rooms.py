"""The check at start: are the rooms ours?"""

from __future__ import annotations

import importlib.machinery
import sys
from pathlib import Path

import pytest

from cli.rooms import ROOMS, TREE, find_intruder


def test_the_rooms_of_this_tree_are_ours() -> None:
    """Where the tests run, nothing stands in the way."""
    assert find_intruder() is None
    assert {p.parent.name for p in TREE.glob("*/py.typed")} == set(ROOMS)


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("replay/__init__.py", True),
        ("replay.py", True),
        ("replay/notes.txt", False),  # a bare folder loses against a package, wherever it stands
    ],
)
def test_canary_an_intruder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, found: bool
) -> None:
    """A foreign package and a stray file earlier on the path are found, with their place."""
    monkeypatch.delitem(sys.modules, "replay", raising=False)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    assert (str(tmp_path) in (find_intruder() or "")) is found


def test_a_missing_room_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an installation is told from a whole one."""
    for name in [m for m in sys.modules if m.partition(".")[0] in ROOMS]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", [importlib.machinery.PathFinder])
    assert "'events' is missing" in (find_intruder() or "")
