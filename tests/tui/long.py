"""A session with a list longer than any screen, and a count of what is made of it."""

from __future__ import annotations

from types import ModuleType

import pytest

from events import session
from events.wire import kite
from tests.projections.live.story import INSTRUMENTS, Story

STRIKES = 250


class LongStory(Story):
    """A story that knows its second after the open."""

    seconds = 0.0

    def at(self, seconds: float) -> LongStory:
        self.seconds = seconds
        super().at(seconds)
        return self


def a_long_list() -> LongStory:
    """Calls and puts of 250 further strikes, each with a packet at a second of its own."""
    rows = [
        session.Instrument(
            number << 8 | kite.Segment.NFO, "NFO", f"NIFTY{number}", "NIFTY",
            "CE" if number % 2 else "PE", 20261123, (20_000 + 25 * (number // 2)) * 100, 65, 5,
            "exchange",
        )
        for number in range(100, 100 + 2 * STRIKES)
    ]  # fmt: skip
    story = LongStory()
    story.setting_up().at(1).fact(session.InstrumentsLoaded("i" * 64, (*INSTRUMENTS, *rows)))
    for second, row in enumerate(rows):
        story.at(2 + second / 50).frame(
            kite.encode_full(
                row.token, 10_000, 65, 10_000, 1_000, 0, 0, 1, 1, 1, 1, 0, 5_000, 0, 0, 9,
                ((650, 9_995, 3),), ((650, 10_005, 3),),
            )
        )  # fmt: skip
    story.quotes()
    return story


def count_calls(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[object]:
    """A list that gets an entry whenever this function of a module is called."""
    calls: list[object] = []
    original = getattr(module, name)

    def counted(*args: object) -> object:
        calls.append(args)
        return original(*args)

    monkeypatch.setattr(module, name, counted)
    return calls
