"""The engine's fault catalogue: each fault that this release can meet is shown by a test."""

from __future__ import annotations

import sys

from tests.catalogue import named

FAULTS = {
    "E01": "a crash between intent, send and acknowledgement",
    "E02": "a restart while a position is open",
    "E03": "settings changed within a session",
    "E04": "another hash seed, zone, locale, folder or number of processes",
    "E05": "code that drifts from its golden sessions",
    "E06": "an exception in a rule of the core",
    "E07": "a fact on which the engine fails at every restart",
    "E08": "runaway orders",
    "E09": "another build than the one that recorded",
    "E10": "the kill switch with a full disk, a dead feed, a frozen screen",
    "E11": "an engine at its limits, stuck or gone: fail-closed, and told",
    "E12": "midnight, and the zone of the host",
    "E13": "numbers at and over their bounds",
}


def test_every_fault_of_the_engine_is_named_by_a_test() -> None:
    """Each number stands in some test's first line."""
    counts = named("E", FAULTS)
    sys.stdout.write(f"tests by fault: {counts}\n")
    assert [number for number, count in counts.items() if count == 0] == []
    assert counts.keys() == FAULTS.keys()
