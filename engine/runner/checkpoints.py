"""The state of each minute, handed over to the thread that keeps it.

Lives here: when a checkpoint is due, and what is handed over. May import: engine.checkpoint, the
journal's checkpointer. Always holds: the engine's thread makes no bytes and meets no disk here; a
state is handed over as it was at its group's end, with the chain there.
Start reading at ``MinuteStates``.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from engine.checkpoint import checked_bytes
from engine.state import State
from journal.checkpointer import Checkpointer, Counts
from journal.checkpoints import CheckpointKey
from journal.files import OS_FILES, Files
from journal.writer import JournalWriter, OnHashed

EVERY_NS: Final = 60_000_000_000
"""Of session time: what a crash or a look into the past has to apply again at the most."""


class MinuteStates:
    """Keeps the state after the first group of each minute but the first, where there is a
    checkpointer. ``now`` is the session time so far, 0 before the first fact."""

    def __init__(self, checkpointer: Checkpointer | None = None, now: int = 0) -> None:
        self._checkpointer = checkpointer
        self._due_ns = _minute_after(now) if now else 0

    @property
    def counts(self) -> Counts:
        """What became of them."""
        return Counts() if self._checkpointer is None else self._checkpointer.counts

    def check(self) -> None:
        """Raise ``StateError`` for a state that did not read back from its bytes as itself."""
        if self._checkpointer is not None:
            self._checkpointer.check()

    def hand_over(self, state: State) -> OnHashed | None:
        """What to tell the chain after the group that led to ``state``; None where none is due.

        Raises as ``check``.
        """
        if state.now < self._due_ns or self._checkpointer is None:
            return None
        first = self._due_ns == 0
        self._due_ns = _minute_after(state.now)
        self.check()
        return None if first else functools.partial(_offer, self._checkpointer, state)


def _offer(checkpointer: Checkpointer, state: State, seq: int, chain: bytes) -> None:
    assert seq == state.seq, "a state belongs to the end of its group"
    checkpointer.offer(seq, state.now, chain, functools.partial(checked_bytes, state))


def _minute_after(now: int) -> int:
    return now - now % EVERY_NS + EVERY_NS


@contextmanager
def checkpointer_of(
    writer: JournalWriter, key: CheckpointKey, files: Files, keep: bool = True
) -> Iterator[Checkpointer | None]:
    """The checkpointer of the session of ``writer``; none where states are not to be kept, and none
    on a disk that is not the real one, where a thread that writes when it likes would make every
    run another."""
    if not keep or files is not OS_FILES:
        yield None
        return
    with Checkpointer(writer.folder, key, writer.head_seq, files) as checkpointer:
        yield checkpointer
