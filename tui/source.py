"""From a session's journal to the store, in one thread of its own.

Lives here: the reader's loop, and where it begins. May import: journal's reader and errors,
projections.live, tui.ports, tui.store. Always holds: the screen never waits for a disk; entries
arrive in order and none is skipped; a fold goes on from a kept state only where that fits this
journal's own chain, and is then the same as one from the start; a journal that refuses to be read
ends the loop with its own line, and what was shown stays. Start reading at ``Source.run``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from journal.errors import JournalError
from journal.reader import JournalReader, Position, chain_at
from projections.live.model import LiveModel
from projections.live.packing import NotPacked
from projections.live.saved import SavedUnfitError, head_of, model_of, saved_bytes
from tui.clock import Clock
from tui.ports import States
from tui.store import LinkState, Published, Store

PUBLISH_EVERY_NS: Final = 100_000_000
POLL_S: Final = 0.02
KEEP_EVERY_NS: Final = 60_000_000_000
KEEP_LOADING_EVERY_NS: Final = 5_000_000_000
KEEP_ENTRIES_MIN: Final = 20_000
"""What is folded again within a second is not worth keeping."""
UNFIT: Final = "The state that was kept of this session is not used: {why}. It is read anew."


class EntryLike(Protocol):
    """What of an entry is used here: its whole envelope."""

    @property
    def data(self) -> bytes: ...


Batches = Iterator[Sequence[EntryLike] | None]
"""Batches of entries in order; None whenever the source is idle."""


class Reading:
    """A session's journal from a place on: to its end, or with its tail."""

    def __init__(
        self, folder: Path, stop: threading.Event, *, live: bool, from_seq: int = 1
    ) -> None:
        self._reader = JournalReader(folder, from_seq=from_seq)
        self._stop = stop
        self._live = live
        self.uid = self._reader.session_uid

    def batches(self) -> Batches:
        """All that comes. Raises ``JournalError``."""
        with self._reader as reader:
            if self._live:
                yield from reader.follow_blocks(poll_s=POLL_S, stop=self._stop.is_set)
            else:
                for batch in reader.iter_blocks():
                    if self._stop.is_set():
                        return
                    yield batch

    def position(self) -> Position:
        """The end of the last batch."""
        return self._reader.position

    def end_seq(self) -> int:
        """The last entry of the session by now, 0 where that is not known."""
        return self._reader.end_seq()


class Source:
    """Folds batches into a model and publishes its view, at most ten times a second."""

    def __init__(self, store: Store, clock: Clock, states: States | None = None) -> None:
        self.stop = threading.Event()
        self._store = store
        self._clock = clock
        self._states = states
        self._model = LiveModel()
        self._entry_mono_ns = clock.mono_ns()
        self._published_mono_ns = 0
        self._dirty = True
        self._behind: LinkState = "LOADING"
        self._end_seq = 0
        self._said: str | None = None
        self._last: tuple[LinkState, str | None] = ("LOADING", None)
        self._reading: Reading | None = None
        self._session = ""
        self._kept_seq = 0
        self._kept_mono_ns = clock.mono_ns()

    def start(self, folder: Path, *, live: bool) -> threading.Thread:
        """Read a session's folder in a thread that ends when ``stop`` is set."""
        thread = threading.Thread(
            target=self.read, args=(folder,), kwargs={"live": live}, name="journal-reader",
            daemon=True,
        )  # fmt: skip
        thread.start()
        return thread

    def read(self, folder: Path, *, live: bool) -> None:
        """A session's folder to its end, from the state that was kept of it where there is one."""
        self._session = folder.name
        try:
            self._recall(folder)
            reading = Reading(folder, self.stop, live=live, from_seq=self._model.seq + 1)
        except JournalError as error:
            self._publish("FAILED", str(error))
            return
        self._reading = reading
        self._end_seq = reading.end_seq()
        self.run(reading.batches())
        self._keep(ended=True)

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
            self._keep()

    def _publish(self, state: LinkState, fault: str | None) -> None:
        self._published_mono_ns = self._clock.mono_ns()
        self._dirty = False
        self._last = state, fault
        if state == "LOADING" and self._reading is not None:
            self._end_seq = self._reading.end_seq()
        self._store.publish(
            Published(
                self._model.view(), state, self._entry_mono_ns, fault, self._end_seq, self._said
            )
        )

    # --- what is kept ----------------------------------------------------------------------------

    def _recall(self, folder: Path) -> None:
        """Go on from what was kept of this session, or say why not. Raises ``JournalError``."""
        if self._states is None:
            return
        try:
            data = self._states.load(self._session)
            if data is None:
                return
            with JournalReader(folder) as reader:
                uid = reader.session_uid or ""
            saved = head_of(data, release=self._states.release(), uid=uid)
            if chain_at(folder, saved.seq) != saved.chain:
                raise SavedUnfitError("the journal is another one there")
            self._model = model_of(saved)
            self._kept_seq = saved.seq
        except (OSError, SavedUnfitError) as error:
            self._said = UNFIT.format(why=error)

    def _keep(self, *, ended: bool = False) -> None:
        """Keep the state now and then: often while a long session is caught up with."""
        if self._states is None or self._reading is None:
            return
        now = self._clock.mono_ns()
        every = KEEP_LOADING_EVERY_NS if self._behind == "LOADING" else KEEP_EVERY_NS
        due = ended or now - self._kept_mono_ns >= every
        if not due or self._model.seq - self._kept_seq < KEEP_ENTRIES_MIN:
            return
        position = self._reading.position()
        if position.seq != self._model.seq or self._reading.uid is None:
            return  # an entry that was no envelope: from its start it is read, always
        self._kept_mono_ns, self._kept_seq = now, position.seq
        try:
            release = self._states.release()
            self._states.keep(
                self._session,
                saved_bytes(
                    self._model, release=release, uid=self._reading.uid, chain=position.chain
                ),
            )
        except (OSError, NotPacked) as error:
            self._said = f"The state of this session is not kept: {error}"
            self._states = None
            self._publish(*self._last)
