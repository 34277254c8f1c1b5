"""The journal of a story as the screen's port: every wish is answered at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from events.envelope import Envelope
from tui.entries import Page, Wish, read_page


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
