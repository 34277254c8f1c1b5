"""From fill to protected: what the meter says of the core's own derivations, and what the journal
says when it is asked as docs/OPERATING.md asks it."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from adapters.session.protection import Protected, ProtectionMeter
from events.base import Event
from events.orders import OrderChanged, PositionChanged
from projections.tables import BY_NAME
from tests.engine.orders.told import Told

MS = 1_000_000
PAGE = Path(__file__).resolve().parents[3] / "docs" / "OPERATING.md"
TABLES: dict[str, type[Event]] = {"position_events": PositionChanged, "order_events": OrderChanged}


class Metered(Told):
    """A desk whose derivations are heard, and kept with their time."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.meter = ProtectionMeter()
        self.kept: list[tuple[int, Event]] = []

    def tell(self, event: Event, after_ms: int = 10) -> list[Event]:
        said = super().tell(event, after_ms)
        for one in said:
            self.meter.heard(self.now, one)
            self.kept.append((self.now, one))
        return said

    def figures(self) -> Protected:
        return self.meter.figures(self.now)

    def queried(self) -> list[int | None]:
        """The documented SELECT over what was kept, in tables with the contract's columns."""
        (sql,) = re.findall(r"```sql\n(.*?fill_to_stop_ms.*?)```", PAGE.read_text(), re.DOTALL)
        with duckdb.connect() as base:
            base.execute("CREATE SCHEMA v1")
            for name, kind in TABLES.items():
                columns = [column.name for column in BY_NAME[name].columns]
                types = ", ".join(
                    f"{one} BIGINT" if one in ("seq", "ts", "opened_ts") else f"{one} VARCHAR"
                    for one in columns
                )
                base.execute(f"CREATE TABLE v1.{name} ({types})")
                for seq, (ts, event) in enumerate(self.kept):
                    if isinstance(event, kind):
                        row = {"seq": seq, "ts": ts, "order_role": getattr(event, "role", None)}
                        values = [row.get(one, getattr(event, one, None)) for one in columns]
                        marks = ", ".join("?" * len(columns))
                        base.execute(f"INSERT INTO v1.{name} VALUES ({marks})", values)
            return [found[1] for found in base.execute(sql).fetchall()]


def filled() -> Metered:
    """A desk whose entry was filled this very moment."""
    desk = Metered()
    desk.tick()
    (message,) = desk.send()
    desk.answer(message)
    assert desk.figures() == Protected(None, None)
    entry = desk.order("ENTRY")
    desk.update(desk.report(entry, "COMPLETE", entry.quantity_units))
    return desk


@pytest.mark.parametrize("wait_ms", [10, 700, 4_900])
def test_it_is_from_the_fill_to_the_stop_that_is_taken(wait_ms: int) -> None:
    """While the stop is on its way the longest grows; once the broker has it that is the figure,
    and the journal says the same. Reports of the stop afterwards change nothing."""
    desk = filled()
    (position,) = desk.state.positions
    assert position.opened_ns == desk.now
    assert (desk.figures(), desk.queried()) == (Protected(None, 0), [None])
    (message,) = desk.send()
    desk.now += (wait_ms - 11) * MS
    assert desk.figures() == Protected(None, wait_ms - 10)
    desk.answer(message)
    assert desk.figures() == Protected(wait_ms, wait_ms)
    assert desk.queried() == [wait_ms]
    desk.update(desk.report(desk.order("PROTECT"), "TRIGGER PENDING"))
    desk.tick()
    assert desk.figures() == Protected(wait_ms, wait_ms)


def test_a_stop_that_is_refused_afterwards_protected_nothing() -> None:
    """Taken, then refused by the exchange: the wait goes on from the fill to the next one's."""
    desk = filled()
    began_ns = desk.now
    (message,) = desk.send()
    desk.answer(message)
    assert desk.figures() == Protected(11, 11)
    desk.update(desk.report(desk.order("PROTECT"), "REJECTED"))
    assert desk.figures().last is None
    assert desk.figures().longest == (desk.now - began_ns) // MS > 11
    assert desk.queried() == [None]
    while not (messages := [one for one in desk.send() if one.order_type == "SL"]):
        desk.tick()
    desk.answer(messages[0])
    waited_ms = (desk.now - began_ns) // MS
    assert waited_ms > 1_000
    assert desk.figures() == Protected(waited_ms, waited_ms)
    assert desk.queried() == [waited_ms]


def test_one_that_is_sold_before_its_stop_waits_no_more() -> None:
    """A position that is over does not grow for ever; the journal says that it had none."""
    desk = filled()
    (position,) = desk.state.positions
    assert desk.figures().longest == 0
    names = PositionChanged.__struct_fields__
    values = {name: getattr(position, name, None) for name in names}
    closed = PositionChanged(**{**values, "status": "CLOSED"})  # type: ignore[arg-type]
    desk.meter.heard(desk.now, closed)
    desk.now += 60_000 * MS
    assert desk.figures() == Protected(None, None)
