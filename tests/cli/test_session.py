"""How a session in real time stops its sources, also where the process may have no more threads."""

from __future__ import annotations

import threading
from typing import Any, NoReturn, cast

import pytest

from adapters.session.clock import SessionClock
from adapters.session.inbox import SessionInbox
from cli.session import _stop_beside
from events.feed import FeedStatus

LAST = FeedStatus(0, "LOST", False, 0)


class World:
    """Sources that say a last word when they are stopped."""

    def __init__(self, inbox: SessionInbox) -> None:
        self._inbox = inbox
        self.stopped_by: list[str] = []

    def stop(self) -> None:
        self.stopped_by.append(threading.current_thread().name)
        self._inbox.post(LAST)


@pytest.mark.parametrize("threads", [True, False])
def test_the_sources_last_word_is_taken(monkeypatch: pytest.MonkeyPatch, threads: bool) -> None:
    """E11: on a thread of their own; where none can be started, on the engine's."""
    inbox = SessionInbox(SessionClock(0))
    world = World(inbox)

    def refused(*_: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    if not threads:
        monkeypatch.setattr(threading.Thread, "start", refused)
    stopped = _stop_beside(cast("Any", world), inbox)
    last = None
    while last is None:
        last = inbox.take(SessionClock(0).now_ns() + 1_000_000_000)
    while not stopped():
        inbox.take(0)
    assert last[1] == LAST
    here = threading.current_thread().name
    assert world.stopped_by == ["stop-sources" if threads else here]
