"""A desk for the screen's tests: days by heart, sessions to find, a demo that ends when told.

Nothing here reads a file or starts a process.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from textual.worker import WorkerCancelled

from tests.tui.screen import Screen
from tui.ports import Day, Opened

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

    def replay(self, session: str) -> str:
        self.asked.append(f"replay {session}")
        return "identical" if session.endswith("b") else "diverged"


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
