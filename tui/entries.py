"""Pages of a session's journal for a person who reads it, in one thread of its own.

Lives here: what can be wished for, the page that answers, and the thread that reads it. May import:
msgspec, events, journal's reader and errors. Always holds: the screen never waits, it asks and
later finds a page; the last wish wins; a page is bounded whatever is asked; entries stay undecoded
but for their envelope. Start reading at ``EntryReader``.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

import msgspec

from events.envelope import Envelope, EnvelopeError, decode_envelope
from journal.errors import JournalError
from journal.reader import JournalReader

PAGE_ROWS: Final = 300
STEP_SEQS: Final = 2_000
"""How far a search backwards reaches at first; it doubles while too little was found."""
SEARCH_SEQS_MAX: Final = 4_000_000


class Wish(msgspec.Struct, frozen=True):
    """A page around ``seq`` of entries up to ``last_seq``; ``kinds`` are words of kinds (none: all;
    with ``!`` in front: not these). With ``ts`` the place is the first entry at that time, with
    ``find`` the next entry after ``seq`` of such a kind."""

    seq: int
    last_seq: int
    kinds: tuple[str, ...] = ()
    ts: int | None = None
    find: str | None = None


class Page(msgspec.Struct, frozen=True):
    """Entries in order. ``at_seq`` is the wished place; ``unreadable`` counts what was no envelope;
    ``fault`` is the reader's line where it had to stop."""

    wish: Wish
    at_seq: int
    entries: tuple[Envelope, ...]
    unreadable: int
    fault: str | None


class Entries(Protocol):
    """The journal of the session that is shown, a page at a time."""

    def ask(self, wish: Wish) -> None:
        """Wish for a page; returns at once."""
        ...

    def page(self) -> Page | None:
        """The last page that was read, None before the first."""
        ...


def takes_kind(kinds: tuple[str, ...], kind: str) -> bool:
    """Whether a kind is one of those asked for: any word in it, and none of the excluded."""
    name = kind.casefold()
    if any(word[1:].casefold() in name for word in kinds if word.startswith("!") and word[1:]):
        return False
    wanted = [word.casefold() for word in kinds if not word.startswith("!")]
    return not wanted or any(word in name for word in wanted)


ReadFrom = Callable[[int], Iterator[bytes]]
"""Entries' bytes from a seq on."""


def read_page(read: ReadFrom, wish: Wish) -> Page:
    """The page that a wish asks for. Raises ``JournalError``."""
    at = wish.seq
    if wish.ts is not None:
        at = seq_at(read, wish.ts, wish.last_seq)
    elif wish.find is not None:
        found = _Taker(read, Wish(0, wish.last_seq, (wish.find,))).forward(wish.seq + 1, 1)
        at = found[0].seq if found else wish.seq
    at = min(max(at, 1), max(wish.last_seq, 1))
    taker = _Taker(read, wish)
    # Half of it on either side; near an end the other side has the room.
    after = taker.forward(at, PAGE_ROWS)
    before = taker.backward(at - 1, PAGE_ROWS - min(len(after), PAGE_ROWS // 2))
    after = after[: PAGE_ROWS - len(before)]
    return Page(wish, at, (*before, *after), taker.unreadable, None)


class _Taker:
    """Takes the entries of a wish off a reader."""

    def __init__(self, read: ReadFrom, wish: Wish) -> None:
        self._read = read
        self._wish = wish
        self.unreadable = 0

    def forward(self, seq: int, rows: int) -> list[Envelope]:
        """From ``seq`` on."""
        found: list[Envelope] = []
        for envelope in self._between(seq, min(self._wish.last_seq, seq + SEARCH_SEQS_MAX)):
            found.append(envelope)
            if len(found) >= rows:
                break
        return found

    def backward(self, seq: int, rows: int) -> list[Envelope]:
        """The last ones up to ``seq``."""
        step, end = max(rows, STEP_SEQS if self._wish.kinds else 1), seq
        found: list[Envelope] = []
        while end >= 1 and len(found) < rows and seq - end < SEARCH_SEQS_MAX:
            start = max(end - step + 1, 1)
            part = deque(self._between(start, end), maxlen=rows - len(found))
            found[:0] = part
            end, step = start - 1, step * 2
        return found

    def _between(self, first: int, last: int) -> Iterator[Envelope]:
        if first > last:
            return
        for data in self._read(first):
            try:
                envelope = decode_envelope(data)
            except EnvelopeError:
                self.unreadable += 1
                continue
            if envelope.seq > last:
                return
            if takes_kind(self._wish.kinds, envelope.kind):
                yield envelope
            if envelope.seq == last:
                return


def seq_at(read: ReadFrom, ts: int, last_seq: int) -> int:
    """The first entry at or after a session time, by halving; the last one where there is none."""
    low, high = 1, max(last_seq, 1)
    while low < high:
        middle = (low + high) // 2
        envelope = entry_at(read, middle)
        if envelope is None or envelope.ts >= ts:
            high = middle
        else:
            low = middle + 1
    return low


def entry_at(read: ReadFrom, seq: int) -> Envelope | None:
    """One entry; None where there is none or it cannot be read."""
    for data in read(seq):
        try:
            return decode_envelope(data)
        except EnvelopeError:
            return None
    return None


def reader_of(folder: Path) -> ReadFrom:
    """The entries of a session's folder. What is read was already checked on its way in."""

    def read(seq: int) -> Iterator[bytes]:
        with JournalReader(folder, from_seq=seq, verify_chain=False) as reader:
            for entry in reader:
                yield entry.data

    return read


class Tail:
    """The end of a session that grows: each entry is read once, whatever is asked how often."""

    def __init__(self, follow: ReadFrom) -> None:
        self._follow = follow
        self._more: Iterator[bytes] | None = None
        self._kinds: tuple[str, ...] = ()
        self._kept: deque[Envelope] = deque(maxlen=PAGE_ROWS)
        self._unreadable = 0
        self._last_seq = 0
        self._ahead: Envelope | None = None

    def page(self, read: ReadFrom, wish: Wish) -> Page:
        """The last entries up to the wish's. Raises ``JournalError``."""
        if wish.last_seq < self._last_seq:
            return read_page(read, wish)  # the past is looked at: the end goes on where it was
        self._last_seq = wish.last_seq
        if self._more is None or self._kinds != wish.kinds:
            first = read_page(read, wish)
            self._kept.clear()
            self._kept.extend(first.entries)
            self._kinds, self._unreadable = wish.kinds, first.unreadable
            self._more, self._ahead = self._follow(wish.last_seq + 1), None
        self._go_on(self._more, wish)
        return Page(wish, wish.last_seq, tuple(self._kept)[-PAGE_ROWS:], self._unreadable, None)

    def _go_on(self, more: Iterator[bytes], wish: Wish) -> None:
        """Take what has been written since, up to the wish's last entry and no further."""
        while True:
            envelope = self._ahead
            if envelope is None:
                data = next(more, b"")
                if not data:
                    return
                try:
                    envelope = decode_envelope(data)
                except EnvelopeError:
                    self._unreadable += 1
                    continue
            if envelope.seq > wish.last_seq:
                self._ahead = envelope
                return
            self._ahead = None
            if takes_kind(wish.kinds, envelope.kind):
                self._kept.append(envelope)


def follower_of(folder: Path) -> ReadFrom:
    """As ``reader_of``, but at the end there is an empty entry each time, and it goes on."""

    def follow(seq: int) -> Iterator[bytes]:
        with JournalReader(folder, from_seq=seq, verify_chain=False) as reader:
            while True:
                for entry in reader:
                    yield entry.data
                yield b""

    return follow


class EntryReader:
    """One thread that answers the last wish. ``stop`` ends it."""

    def __init__(self, read: ReadFrom, follow: ReadFrom) -> None:
        self._read = read
        self._follow = follow
        self._tail = Tail(follow)
        self._wish: Wish | None = None
        self._page: Page | None = None
        self._wake = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="journal-pages", daemon=True)

    def ask(self, wish: Wish) -> None:
        """See ``Entries.ask``. The thread begins with the first wish."""
        if self._wish == wish:
            return
        self._wish = wish
        self._wake.set()
        if not self._thread.is_alive() and not self._ended:
            self._thread.start()

    def page(self) -> Page | None:
        """See ``Entries.page``."""
        return self._page

    def stop(self) -> None:
        """End the thread."""
        self._ended = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._ended:
                return
            wish = self._wish
            if wish is not None:
                self._page = self._answer(wish)

    def _answer(self, wish: Wish) -> Page:
        try:
            if wish.ts is None and wish.find is None and wish.seq >= wish.last_seq:
                return self._tail.page(self._read, wish)
            return read_page(self._read, wish)
        except JournalError as error:
            self._tail = Tail(self._follow)
            return Page(wish, wish.seq, (), 0, str(error))
