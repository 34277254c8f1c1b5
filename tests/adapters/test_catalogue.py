"""The fault catalogue of feed, broker and security: each fault is shown by a test."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.catalogue import named

FEED = {
    "F01": "a silent or half-open socket",
    "F02": "a tick twice",
    "F03": "a tick of an earlier second",
    "F04": "a malformed frame",
    "F05": "plausible garbage",
    "F06": "an old first tick after a reconnect",
    "F07": "a stamp of the future, of no time, of another unit",
    "F08": "a token that ends",
    "F09": "a storm of reconnects",
    "F10": "a subscription that is applied in part",
    "F11": "a burst",
    "F12": "instruments of yesterday, a lot that changes",
    "F13": "holidays, half days, auctions, locked circuits",
}
BROKER = {
    "B01": "accepted, and the answer lost",
    "B02": "every class of error",
    "B03": "an update twice",
    "B04": "updates in any order, a fill after the end",
    "B05": "a rejection",
    "B06": "too many requests",
    "B07": "a part filled, then silence",
    "B08": "updates that are lost",
    "B09": "books that answer while updates arrive",
    "B10": "books that fail, or are empty",
    "B11": "a person at the same account",
    "B12": "pending for minutes",
    "B13": "messages that cross",
    "B14": "tags and ids that are lost",
    "B15": "a broker's clock that is off",
    "B16": "square-off by the broker",
}

SECURITY = {
    "S01": "a secret in a journal, a log, an error, a screen, a core file",
    "S02": "a path in a name",
    "S03": "SQL that does more than ask",
    "S04": "a journal of a stranger's",
    "S05": "a journal as code",
    "S06": "files that others may read",
    "S07": "a socket on this machine",
    "S08": "a login's way back, a clipboard, a process's arguments",
    "S09": "a dependency that was swapped",
    "S10": "a history that was changed",
}


@pytest.mark.parametrize(("letter", "faults"), [("F", FEED), ("B", BROKER), ("S", SECURITY)])
def test_every_fault_is_named_by_a_test(letter: str, faults: dict[str, str]) -> None:
    """Each number stands in some test's first line, and no test names one that is not here."""
    counts = named(letter, faults)
    sys.stdout.write(f"tests by fault: {counts}\n")
    assert [number for number, count in counts.items() if count == 0] == []
    assert counts.keys() == faults.keys()


def test_a_fault_without_a_test_is_noticed(tmp_path: Path) -> None:
    """Canary: where no test names it, it counts nothing."""
    (tmp_path / "test_none.py").write_text('def test_other() -> None:\n    """F02: one."""\n')
    assert named("F", FEED, tmp_path)["F01"] == 0
    assert named("F", FEED, tmp_path)["F02"] == 1
