"""A desk for the screen's tests: days by heart, sessions to find, a demo that ends when told.

Nothing here reads a file or starts a process.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec
from textual.worker import WorkerCancelled

from tests.tui.screen import Screen
from tui.ports import Day, Opened, Parity

DAYS = (
    Day("2026-11-20-sim-a", "2026-11-20", "SIM", "running", None, None, None, (), None),
    Day(
        "2026-11-19-paper-b", "2026-11-19", "PAPER", "closed", 13_860, 6, 348_598,
        (("day type NIFTY", "TREND_DAY"), ("day type SENSEX", "TREND_DAY"), ("ticks", "9,50,120"),
         ("closed", "END_OF_DAY")), None,
    ),
    Day(
        "2026-11-18-paper-c", "2026-11-18", "PAPER", "crashed", 210, 1, -136_250,
        (("day type NIFTY", "RANGE_DAY"),), None,
    ),
    Day(
        "2026-11-17-live-d", "2026-11-17", "LIVE", "damaged", None, None, None, (),
        "axiom verify 2026-11-17-live-d tells what it is",
    ),
)  # fmt: skip

CODE, OLD = "c0de" * 16, "01d0" * 16
KEPT = tuple(
    msgspec.structs.replace(day, entries=entries, head=head, parity=parity)
    for day, entries, head, parity in zip(
        DAYS,
        (1_900, 1_013_000, 412, None),
        ("aa", "bb", "cc", None),
        (
            Parity("identical", True, 1_204, "a0", CODE, CODE),
            Parity("identical", True, 1_013_000, "bb", CODE, CODE),
            Parity("diverged", False, 412, "cc", CODE, CODE, 97),
            None,
        ),
        strict=True,
    )
)
"""The same with verdicts that were kept: one of a session that has grown since."""


async def answered(screen: Screen) -> None:
    """Until the workers have answered; an answer may have ended the app."""
    with contextlib.suppress(WorkerCancelled):
        await screen.app.workers.wait_for_complete()
    await screen.pilot.pause()
    if screen.app.return_value is None:
        await screen.settle()


class Desk:
    """A library that counts what it is asked."""

    def __init__(self, days: tuple[Day, ...] = DAYS, newest: Opened | None = None) -> None:
        self.given = days
        self.next = newest
        self.asked: list[str] = []
        self.broken = False

    def days(self) -> tuple[Day, ...]:
        self.asked.append("days")
        if self.broken:
            raise OSError("the disk went away")
        return self.given

    def find(self, session: str) -> Opened:
        self.asked.append(session)
        for day in self.given:
            if day.session == session and day.state != "damaged":
                return opened(session, running=day.state == "running")
        raise LookupError(f"desk 'main' has no session '{session}'")

    def newest(self) -> Opened | None:
        self.asked.append("newest")
        if self.broken:
            raise OSError("the disk went away")
        return self.next

    def replay(self, session: str) -> Parity:
        self.asked.append(f"replay {session}")
        word = "identical" if session.endswith("b") else "diverged"
        verdict = next(
            one.parity or Parity(word) for one in (*KEPT, *DAYS) if one.session == session
        )
        return msgspec.structs.replace(verdict, word=word)


def opened(session: str, *, running: bool) -> Opened:
    """A session that was found."""
    return Opened(session, Path("/desk") / session, running)


class Demo:
    """A process that says what it is told and ends when it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.ended: int | None = None
        self.stopped = False

    def lines(self) -> tuple[str, ...]:
        return tuple(self.said)

    def code(self) -> int | None:
        return self.ended

    def stop(self) -> None:
        self.stopped = True


class Starts:
    """A starter of one demo; ``fault`` is why it cannot be started."""

    def __init__(self, fault: str | None = None) -> None:
        self.child = Demo()
        self.count = 0
        self.fault = fault

    def demo(self) -> Demo:
        if self.fault is not None:
            raise OSError(self.fault)
        self.count += 1
        return self.child
