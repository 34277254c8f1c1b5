"""LIVE's own start: how far the clock was off is a fact, and what every order is stamped with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.kite.rate_file import OrderBudget
from adapters.session.clock import SessionClock, wall_ns
from cli import on_live
from cli.doctor.clock import ClockError, Measured
from cli.errors import UserError
from cli.machine import MachineSettings
from cli.on_live import LiveWorld, clock_measured
from cli.options import Common
from engine.state import EMPTY
from events.base import Event
from events.feed import ClockStepped
from events.session import OperatorCommand

MS = 1_000_000
BEHIND = Measured(250 * MS, "ntp.example", "NTP")
"""The machine's clock is a quarter of a second behind the time server."""


class Moved(SessionClock):
    """A session clock against which the wall clock has moved."""

    moved_ns = 0

    def offset_ns(self) -> int | None:
        return self.moved_ns


class StubDesk:
    """Keeps what is stored with each order."""

    def __init__(self, *given: Any) -> None:
        *_, self.context, _ = given
        StubDesk.last = self

    last: StubDesk

    def start(self, state: Any) -> None:
        return None

    def on_update(self, order: dict[str, Any]) -> None:
        return None


def common(tmp_path: Path) -> Common:
    return Common(tmp_path, "main", None, json=False)


def test_the_measured_offset_is_a_fact_and_is_on_every_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S10: the first fact says wall minus time server, and by whom, a waiver follows it; an order
    stores that and what the wall clock moved since the start, in microseconds."""

    def begun(world: Any, *_: Any) -> None:
        world.login, world.rest = (lambda: None), "https://api.kite.trade"

    monkeypatch.setattr("cli.world.KiteWorld.__init__", begun)
    monkeypatch.setattr("cli.world.KiteWorld.follow", lambda *_: None)
    monkeypatch.setattr(on_live, "Desk", StubDesk)
    monkeypatch.setattr(on_live, "measured", lambda _: BEHIND)
    word = OperatorCommand("WAIVE", "asha", "a try", "orders.protective_stop", None, "w", "NONE")
    world = LiveWorld(common(tmp_path), MachineSettings(), word)
    world.counted = OrderBudget(tmp_path)
    facts: list[Event] = []
    clock = Moved(wall_ns())
    world.start(facts.append, clock, lambda: EMPTY, lambda: False)
    assert facts == [ClockStepped(-250 * MS, 1_000 * MS, "NTP"), word]
    stored = []
    for moved_ms in (0, 40, 250):
        clock.moved_ns = moved_ms * MS
        stored.append(StubDesk.last.context().clock_offset_us)
    assert stored == [-250_000, -210_000, 0]


def _silent(_: object) -> Measured | None:
    raise ClockError("the time server ntp.example did not answer: timed out")


@pytest.mark.parametrize(
    ("says", "line"), [(lambda _: None, "LIVE_CLOCK: nobody says"), (_silent, "did not answer")]
)
def test_a_clock_of_which_nobody_knows_begins_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: Any, line: str
) -> None:
    """One line, whatever the doctor said a moment before."""
    monkeypatch.setattr(on_live, "measured", says)
    with pytest.raises(UserError, match=line):
        clock_measured(common(tmp_path), MachineSettings())
