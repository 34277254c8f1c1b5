"""From a session's journal to the store, in one thread of its own.

Lives here: the reader's loop. May import: journal's reader and errors, projections.live, tui.store.
Always holds: the screen never waits for a disk; entries arrive in order and none is skipped; a
journal that refuses to be read ends the loop with its own line, and what was shown stays.
Start reading at ``Source.run``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from journal.errors import JournalError
from journal.reader import JournalReader
from projections.live.model import LiveModel
from tui.clock import Clock
from tui.store import LinkState, Published, Store

PUBLISH_EVERY_NS: Final = 100_000_000
POLL_S: Final = 0.02


class EntryLike(Protocol):
    """What of an entry is used here: its whole envelope."""

    @property
    def data(self) -> bytes: ...


Batches = Iterator[Sequence[EntryLike] | None]
"""Batches of entries in order; None whenever the source is idle."""


def read_journal(folder: Path, stop: threading.Event, *, live: bool) -> Batches:
    """Batches of a session's journal: to its end, or with its tail. Raises ``JournalError``."""
    with JournalReader(folder) as reader:
        if live:
            yield from reader.follow_blocks(poll_s=POLL_S, stop=stop.is_set)
        else:
            for batch in reader.iter_blocks():
                if stop.is_set():
                    return
                yield batch


class Source:
    """Folds batches into a model and publishes its view, at most ten times a second."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.stop = threading.Event()
        self._store = store
        self._clock = clock
        self._model = LiveModel()
        self._entry_mono_ns = clock.mono_ns()
        self._published_mono_ns = 0
        self._dirty = True
        self._behind: LinkState = "LOADING"

    def start(self, folder: Path, *, live: bool) -> threading.Thread:
        """Read a session's folder in a thread that ends when ``stop`` is set."""
        batches = read_journal(folder, self.stop, live=live)
        thread = threading.Thread(
            target=self.run, args=(batches,), name="journal-reader", daemon=True
        )
        thread.start()
        return thread

    def run(self, batches: Batches) -> None:
        """Take batches to their end."""
        try:
            for batch in batches:
                self._take(batch)
        except JournalError as error:
            self._publish("FAILED", str(error))
            return
        self._publish("ENDED", None)

    def _take(self, batch: Sequence[EntryLike] | None) -> None:
        now = self._clock.mono_ns()
        if batch is None:
            self._behind = "FOLLOWING"  # idle once: the tail has been reached
        else:
            self._entry_mono_ns = now
            self._dirty = True
            for entry in batch:
                self._model.fold_bytes(entry.data)
        due = now - self._published_mono_ns >= PUBLISH_EVERY_NS
        if self._dirty and (due or batch is None):
            self._publish(self._behind, None)

    def _publish(self, state: LinkState, fault: str | None) -> None:
        self._published_mono_ns = self._clock.mono_ns()
        self._dirty = False
        self._store.publish(Published(self._model.view(), state, self._entry_mono_ns, fault))
