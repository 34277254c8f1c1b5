"""Writing invented sessions to disk, whole or in parts."""

from __future__ import annotations

from pathlib import Path

from journal.writer import JournalWriter
from tests.projections.builders import SessionMaker

UID = "0123456789ab"
CYCLES = 40
"""Length of the session that most tests share."""


def groups_of(cycles: int, packets: int = 20) -> list[list[bytes]]:
    """The groups of an invented session."""
    return list(SessionMaker(cycles=cycles, packets=packets).groups())


def write_session(parent: Path, *, cycles: int, name: str = "") -> Path:
    """A closed session in its folder."""
    folder = parent / (name or f"2025-08-29-backtest-{UID}")
    with JournalWriter.create(folder, UID) as writer:
        for group in groups_of(cycles):
            writer.append(group)
    return folder
