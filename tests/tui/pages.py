"""The journal of a story as the screen's ports: every wish is answered at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from events.envelope import Envelope
from tui.clock import Clock
from tui.entries import Page, Wish, read_page
from tui.travel import Goal, Traveller


class StoryEntries:
    """Pages of envelopes in memory."""

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self.envelopes = envelopes
        self.wishes: list[Wish] = []
        self._page: Page | None = None

    def read(self, seq: int) -> Iterator[bytes]:
        for envelope in self.envelopes[seq - 1 :]:
            yield msgspec.msgpack.encode(envelope)

    def ask(self, wish: Wish) -> None:
        if not self.wishes or self.wishes[-1] != wish:
            self.wishes.append(wish)
            self._page = read_page(self.read, wish)

    def page(self) -> Page | None:
        return self._page


class StoryTravel(Traveller):
    """Time travel that has always arrived; playing goes on by ``turn``."""

    def __init__(self, envelopes: Sequence[Envelope], clock: Clock) -> None:
        entries = StoryEntries(envelopes)

        def follow(seq: int) -> Iterator[bytes]:
            yield from entries.read(seq)
            while True:
                yield b""

        super().__init__(entries.read, follow, clock)

    def begin(self) -> None:
        while not self._survey.complete:
            self._look_ahead()

    def go(self, goal: Goal) -> None:
        super().go(goal)
        self.turn()

    def play(self, speed: int | None) -> None:
        super().play(speed)
        self.turn()

    def leave(self) -> None:
        super().leave()
        self.turn()

    def turn(self) -> None:
        """One piece of the thread's work."""
        self._turn()
