"""The journal's fault catalogue: J01 to J19, each shown by a test that names it first."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.catalogue import named

FAULTS = {
    "J01": "a write torn at any byte",
    "J02": "a tail longer than may be cut",
    "J03": "a bit flipped in what was acknowledged",
    "J04": "holes and reordering in an unsynced batch",
    "J05": "no space: on a write, a new segment, a lock",
    "J06": "a short write or read",
    "J07": "an error at a sync",
    "J08": "an error at a read",
    "J09": "a roll or rename that half survives",
    "J10": "kill -9 at any step",
    "J11": "two writers",
    "J12": "a clock that jumps",
    "J13": "reading while writing",
    "J14": "a segment missing, doubled, or another's",
    "J15": "a block in the wrong place",
    "J16": "a checkpoint that does not fit the journal",
    "J17": "an unknown kind, or a newer version",
    "J18": "journals and shapes of earlier days",
    "J19": "a slow disk",
}


def test_every_fault_is_named_by_a_test() -> None:
    """Each number of the catalogue stands in some test's first line, and no other number does."""
    counts = named("J", FAULTS)
    sys.stdout.write(f"tests by fault: {counts}\n")
    assert [number for number, count in counts.items() if count == 0] == []
    assert counts.keys() == FAULTS.keys()


@pytest.mark.parametrize("says", ["Nothing", "Text\n\n    J01: too late", "J99: no such fault"])
def test_canary_a_fault_without_a_test_is_found(tmp_path: Path, says: str) -> None:
    """A test that names no fault, names it too late, or names one that is not there, is told."""
    (tmp_path / "test_x.py").write_text(f'def test_x():\n    """{says}"""\n    assert f()\n')
    counts = named("J", FAULTS, tmp_path)
    assert counts["J01"] == 0
    assert ("J99" in counts) == ("J99" in says)
