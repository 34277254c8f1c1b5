"""The engine's side of the receive path, in a process of its own: a ticker, an inbox, a journal.

Lives here: one run against a sender, and its cost. May import: the bench, the rooms. Always holds:
what is measured begins before the handshake and ends when the journal is closed; a frame's time is
that of the day it was made for, so that what is journaled can be compared.
Start reading at ``receive``. ``bench.receive`` calls it; it is no command for a person.
"""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters.kite.credentials import Credentials
from adapters.kite.secret import Secret
from adapters.kite.subscription import FULL, Subscription
from adapters.kite.ticker import Outlet, Ticker
from adapters.rulebook.load import load_rows
from bench import work_a_axiom
from bench.measure import Cost, cost_of
from bench.work_a_data import INSTRUMENTS, token_of
from engine.runner import RunReport, run_market
from events.base import Event
from events.feed import FeedFrame

INBOX_FRAMES: Final = 1_024
"""A running engine's inbox drops whole frames when it is full; here the sender waits instead, by
way of the socket, so that every packet is measured."""

DEADLINE_S: Final = 60.0


class Received(msgspec.Struct, frozen=True):
    """What a run took, and the digest of what it derived."""

    cost: Cost
    ticker_cpu_s: float
    digest: str


class Inbox:
    """Frames from the ticker's thread to the engine's."""

    def __init__(self) -> None:
        self.frames: queue.Queue[bytes] = queue.Queue(INBOX_FRAMES)
        self.ticker_cpu_s = 0.0

    def post(self, event: Event) -> None:
        """Keep a frame; nothing else is journaled here."""
        if isinstance(event, FeedFrame) and event.length_bytes > 1:
            self.frames.put(event.data)
        self.ticker_cpu_s = time.thread_time()  # the last fact comes with the end of the thread

    def of_the_day(self, times: Sequence[int]) -> Iterator[tuple[int, bytes]]:
        """Each frame as it comes, with its time in the day."""
        for ts in times:
            yield ts, self.frames.get(timeout=DEADLINE_S)


def receive(root: str, times: Sequence[int], minutes: int, seed: int, folder: Path) -> Received:
    """Connect, subscribe, journal as many frames as there are times, close."""
    inbox, reports = Inbox(), list[RunReport]()
    login = Credentials(Secret("demo"), Secret("demo"), None, None, None, "environment")
    ticker = Ticker(
        lambda: login, lambda: 0, Outlet(inbox.post, _no_order, _tell), seed=seed, root=root
    )
    market = work_a_axiom.WorkAMarket(inbox.of_the_day(times), minutes, seed)

    def work() -> None:
        ticker.start(Subscription(token_of(i), FULL, False) for i in range(INSTRUMENTS))
        reports.append(
            run_market(folder, market, work_a_axiom.CONFIG, load_rows(), keep_states=False)
        )
        assert ticker.stop(), "the ticker did not end"

    cost = cost_of(work)
    assert ticker.failure is None, ticker.failure
    assert ticker.link.counts.connects == 1, "the connection was lost"
    return Received(cost, inbox.ticker_cpu_s, reports[0].digest)


def _no_order(order: dict[str, Any]) -> None:
    raise AssertionError("the sender knows no orders")


def _tell(kind: str, text: str) -> None:
    print(f"{kind}: {text}", file=sys.stderr)


def main(arguments: Sequence[str]) -> int:
    """One run: root, file of times, minutes, seed, folder; its result as JSON."""
    root, times, minutes, seed, folder = arguments
    ticks = msgspec.msgpack.decode(Path(times).read_bytes(), type=list[int])
    found = receive(root, ticks, int(minutes), int(seed), Path(folder))
    sys.stdout.buffer.write(msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
