"""One position, asked for by a person, at a broker: it goes as by any exit, nothing else goes."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec.structs import replace

from engine import commands
from engine.apply import Entry
from engine.checkpoint import decode_state, encode_state
from engine.core import Core
from engine.orders.asked import KEPT_ASKED, asked
from engine.state import State
from events.base import Event
from events.broker import OrderSendStarted
from events.feed import TimerTick
from events.governance import CommandAnswered
from events.orders import ExitSignalled, OrderChanged, PositionChanged
from events.session import OperatorCommand
from tests.engine.orders.test_protocol import FAULTS, LAGS_MS
from tests.engine.orders.told import Told
from tests.engine.orders.world import GOOD, WIRES, Found, Wire, World

NEVER_MS = 900_000
"""The kill switch of a world, after its end."""

AGAIN_MS = 3_000


def exit_of(position_id: str, command_id: str = "x1") -> OperatorCommand:
    """A person's word on a position."""
    return OperatorCommand(commands.EXIT, "ana", "news", position_id, None, command_id, "SOCKET")


class Asking(World):
    """A world in which a person asks for what is held, and once more under the same id, for he got
    no answer; ``said`` is what the core derived. Its kill switch is never pressed."""

    def __init__(self, asked_ms: int = 2_000, leg: bool = False, **schedule: Any) -> None:
        self.asked_ms, self.leg = asked_ms, leg
        self.said: list[Event] = []
        super().__init__(**{**schedule, "flatten_ms": NEVER_MS})

    def _plan(self, *given: Any) -> None:
        super()._plan(*given)
        for after_ms in (self.asked_ms, self.asked_ms + AGAIN_MS):
            self.at(after_ms, self._asked)

    def _asked(self) -> None:
        state = self.core.state
        held = [one.position_id for one in state.positions]
        held += [one.authority for one in state.orders]
        self._living(exit_of((held[0][:16] if held else "none") + ("S" if self.leg else "")))

    def _append(self, event: Event) -> tuple[Event, list[Any]]:
        fact, derived = super()._append(event)
        self.said.extend(one.entry.event for one in derived)
        if isinstance(event, OrderSendStarted):
            self.said.append(event)
        return fact, derived


def ran(**schedule: Any) -> tuple[Found, list[Any]]:
    """What was found, and what was said and sent."""
    world = Asking(**schedule)
    said = world.said
    return world.run(), said


def of(said: list[Any], kind: type) -> list[Any]:
    return [one for one in said if isinstance(one, kind)]


def answers(said: list[Any]) -> list[str]:
    """The codes of the answers to a person."""
    return [one.reason for one in of(said, CommandAnswered)]


# --- the way out ---------------------------------------------------------------------------------


def test_it_leaves_as_by_any_exit_and_entries_go_on() -> None:
    """The command's own group has the signal; the resting stop is cancelled before the sale leaves;
    the day's halts and the kill switch stay as they were. The same command again is one command."""
    found, said = ran()
    assert found.problems == ()
    assert [one.reason for one in of(said, ExitSignalled)] == ["EXIT_PROTECT", "EXIT_ASKED"]
    sends = [(one.action, one.side, one.order_type) for one in of(said, OrderSendStarted)]
    assert sends == [
        ("PLACE", "BUY", "LIMIT"), ("PLACE", "SELL", "SL"), ("CANCEL", "SELL", "SL"),
        ("PLACE", "SELL", "LIMIT"),
    ]  # fmt: skip
    (closed,) = [one for one in of(said, PositionChanged) if one.status == "CLOSED"]
    assert closed.exit_reason == "EXIT_ASKED"
    assert answers(said) == ["CMD_ACCEPTED", "CMD_ID_REUSED"]
    assert (found.state.account.halts, found.state.desk.kill) == ((), 0)


def test_the_signal_s_cause_is_the_command() -> None:
    """It is derived from the fact of the command itself, behind its answer."""
    desk, entry = Told.bought()
    said = desk.tell(exit_of(entry.authority))
    kinds = [type(one).__name__ for one in said]
    assert kinds[:3] == ["CommandAnswered", "ExitSignalled", "OrderChanged"]
    (signal,) = of(said, ExitSignalled)
    assert (signal.position_id, signal.reason) == (entry.authority, "EXIT_ASKED")
    assert signal.quantity_units == entry.quantity_units


@pytest.mark.parametrize(
    ("subject", "code"),
    [("0123456789abcdef", "CMD_SUBJECT_UNKNOWN"), ("I1", "CMD_SUBJECT_UNKNOWN")],
)
def test_what_is_not_held_is_refused(subject: str, code: str) -> None:
    """Nothing is signalled and nothing kept."""
    desk, _ = Told.bought()
    before = desk.state.desk.leaving, desk.state.orders
    said = desk.tell(exit_of(subject))
    assert answers(said) == [code]
    assert of(said, ExitSignalled) == []
    assert (desk.state.desk.leaving, desk.state.orders) == before


def test_an_entry_without_a_fill_is_no_position() -> None:
    """Its id is the position's later, and is not known before."""
    desk, entry = Told.working()
    assert answers(desk.tell(exit_of(entry.authority))) == ["CMD_SUBJECT_UNKNOWN"]
    assert desk.state.desk.leaving == ()


def test_what_leaves_already_is_refused() -> None:
    """Asked for before, or leaving by the kill switch; what is closed is not known any more."""
    desk, entry = Told.bought()
    desk.tell(exit_of(entry.authority))
    said = desk.tell(exit_of(entry.authority, "x2"))
    assert answers(said) == ["CMD_EXITING"]
    assert of(said, ExitSignalled) == []
    desk, entry = Told.bought()
    desk.tell(OperatorCommand("HALT", "t", "", None, "FLATTEN", "h1", "SOCKET"))
    assert answers(desk.tell(exit_of(entry.authority))) == ["CMD_EXITING"]
    found, said = ran(asked_ms=2_000)
    core = Core(found.state)
    (signal,) = [one for one in of(said, ExitSignalled) if one.reason == "EXIT_ASKED"]
    derived = core.step(core.state.seq + 1, core.state.now, exit_of(signal.position_id, "x3"))
    assert answers([one.entry.event for one in derived]) == ["CMD_SUBJECT_UNKNOWN"]


def test_it_works_while_entries_are_halted() -> None:
    """A halt of any level below the one that closes everything stands in no exit's way."""
    for level in (None, "CANCEL"):
        desk, entry = Told.bought()
        desk.tell(OperatorCommand("HALT", "t", "", None, level, "h1", "SOCKET"))
        said = desk.tell(exit_of(entry.authority))
        assert answers(said) == ["CMD_ACCEPTED"]
        assert len(of(said, ExitSignalled)) == 1


def test_nothing_else_is_touched() -> None:
    """Of two positions the one that was named leaves; the other keeps its stop and has no order
    more than before."""
    desk, entry = Told.bought()
    state = desk.state
    other = replace(state.positions[0], position_id="00000000000000ff", contract=18)
    stop = next(one for one in state.orders if one.role == "PROTECT")
    quotes = list(state.quotes)
    quotes[18] = quotes[entry.contract]
    beside = replace(stop, order_id="B00000000000000ffX9", authority="00000000000000ffX9",
                     contract=18)  # fmt: skip
    both = replace(
        state, positions=(*state.positions, other), orders=(*state.orders, beside),
        quotes=tuple(quotes),
    )  # fmt: skip
    core = Core(both)
    said = [one.entry.event for one in core.step(both.seq + 1, both.now, exit_of(entry.authority))]
    assert {one.position_id for one in of(said, ExitSignalled)} == {entry.authority}
    assert {one.authority[:16] for one in of(said, OrderChanged)} == {entry.authority}
    after = {one.order_id: one for one in core.state.orders}
    assert after[beside.order_id] == beside
    assert core.state.account.halts == both.account.halts


def test_the_rest_of_its_own_entry_is_cancelled() -> None:
    """A part is bought and the rest still works: the rest is cancelled first, and what it was
    filled with meanwhile goes too."""
    desk, entry = Told.working()
    lot = desk.state.instruments[entry.contract].lot_units
    desk.update(desk.report(entry, "OPEN", lot))
    for message in desk.send():
        desk.answer(message)
    stop = desk.order("PROTECT")
    desk.update(desk.report(stop, "TRIGGER PENDING"))
    desk.tell(exit_of(entry.authority))
    cancels = desk.send()
    assert {one.authority for one in cancels if one.action == "CANCEL"} == {
        entry.authority, stop.authority,
    }  # fmt: skip
    for message in cancels:
        desk.answer(message)
    desk.update(desk.report(stop, "CANCELLED"))
    desk.update(desk.report(desk.order("ENTRY"), "CANCELLED", 2 * lot))
    for _ in range(12):
        desk.tick()
    (sale,) = [one for one in desk.send() if one.side == "SELL"]
    assert sale.quantity_units == 2 * lot


# --- faults around it ----------------------------------------------------------------------------


def test_an_exit_that_is_refused_is_tried_again() -> None:
    """No level is met and no time is over: the word alone stands, until nothing is held."""
    desk, entry = Told.bought()
    desk.tell(exit_of(entry.authority))
    (cancel,) = desk.send()
    desk.answer(cancel)
    desk.update(desk.report(desk.order("PROTECT"), "CANCELLED"))
    (sale,) = desk.send()
    desk.answer(sale, "REFUSED", None, "MARGIN")
    for _ in range(4):
        desk.tick()
    assert desk.reasons()["EXIT_ASKED"] == 2
    (again,) = [one for one in desk.send() if one.action == "PLACE"]
    assert (again.side, again.quantity_units) == ("SELL", entry.quantity_units)
    assert again.authority != sale.authority


def test_a_part_of_it_sold_and_the_rest_refused_goes_on() -> None:
    """What a partial fill left is signalled again, for as much as is held."""
    desk, entry = Told.bought()
    lot = desk.state.instruments[entry.contract].lot_units
    desk.tell(exit_of(entry.authority))
    for message in desk.send():
        desk.answer(message)
    desk.update(desk.report(desk.order("PROTECT"), "CANCELLED"))
    for message in desk.send():
        desk.answer(message)
    sale = desk.order("EXIT")
    desk.update(desk.report(sale, "OPEN", lot))
    desk.update(desk.report(sale, "CANCELLED", lot))
    for _ in range(14):
        desk.tick()
    left = entry.quantity_units - lot
    asked_for = [one for one in desk.said(ExitSignalled) if one.reason == "EXIT_ASKED"]
    assert [one.quantity_units for one in asked_for] == [entry.quantity_units, left]
    assert "EXIT_PROTECT" not in [one.reason for one in desk.said(ExitSignalled)[1:]]


def test_a_stop_that_fires_first_is_the_end_of_it() -> None:
    """The resting stop was filled while its cancel was under way: nothing more is sold, and the
    position ended by its stop."""
    desk, entry = Told.bought()
    desk.tell(exit_of(entry.authority))
    for message in desk.send():
        desk.answer(message)
    stop = desk.order("PROTECT")
    desk.update(desk.report(stop, "COMPLETE", stop.quantity_units))
    for _ in range(5):
        desk.tick()
    assert [one for one in desk.send() if one.action == "PLACE"] == []
    (closed,) = [one for one in desk.said(PositionChanged) if one.status == "CLOSED"]
    assert closed.exit_reason == "EXIT_PROTECT"
    assert desk.state.positions == ()
    assert [one for one in desk.state.orders if one.contract == entry.contract] == []


def test_the_word_is_in_the_state_that_is_written_down() -> None:
    """A checkpoint behind the command keeps it, also where no exit order is left to tell of it."""
    desk, entry = Told.bought()
    desk.tell(exit_of(entry.authority))
    kept = decode_state(encode_state(desk.state))
    bare = replace(kept, orders=())
    core = Core(bare)
    tick = TimerTick(bare.now + 1_000_000_000, 0)
    said = [one.entry.event for one in core.step(bare.seq + 1, tick.due_ts, tick)]
    assert [one.reason for one in of(said, ExitSignalled)][:1] == ["EXIT_ASKED"]


def test_a_journal_that_is_read_again_knows_the_word() -> None:
    """Its entries, taken as they stand up to the middle of the exit, lead to the same state."""
    desk, entry = Told.bought()
    begin = desk.state
    word = exit_of(entry.authority)
    derived = desk.core.step(begin.seq + 1, begin.now, word)
    again = Core(begin)
    again.take(Entry(begin.seq + 1, "OperatorCommand", begin.now, begin.seq + 1, word))
    for one in derived:
        again.take(one.entry)
    assert again.state == desk.state
    assert again.state.desk.leaving == (entry.authority,)


def test_words_on_what_is_long_gone_are_forgotten() -> None:
    """So many are kept: a state does not grow with its day."""
    state: State = Told().state
    for number in range(KEPT_ASKED + 5):
        state = asked(state, exit_of(f"{number:016x}"))
    assert len(state.desk.leaving) == KEPT_ASKED
    assert state.desk.leaving[-1] == f"{KEPT_ASKED + 4:016x}"


ASKED_MS = (520, 700, 1_400)
"""With its stop on the way, just resting, and at rest; the entry is filled at 505 ms."""


def schedules(wires: tuple[Wire, ...] = WIRES) -> Iterator[dict[str, Any]]:
    """Every schedule: the message that meets the wire, the lag of the books, the updates' faults,
    when the person asks, each crash point."""
    for place, wire, lag, faults, asked_ms in itertools.product(
        range(5), wires, LAGS_MS, FAULTS, ASKED_MS
    ):
        for crash_at in range(-1, 80, 5):
            yield {
                "wires": (*(GOOD,) * place, wire, GOOD),
                "listing_lag_ms": lag,
                "faults": faults,
                "asked_ms": asked_ms,
                "crash_at": crash_at,
                "keep": crash_at % 2 == 0,
            }


def wrong(schedule: dict[str, Any]) -> list[str]:
    """What a schedule came to that it must not."""
    found, said = ran(**schedule)
    problems = list(found.problems)
    if found.state.account.halts or found.state.desk.kill:
        problems.append("entries are halted")
    unknown = [
        o for o in found.state.orders if o.leg is not None and o.leg.status in ("UNKNOWN", "SENT")
    ]
    held = {o.position_id for o in found.state.positions if o.quantity_units}
    if held & {*found.state.desk.leaving} and not unknown:
        problems.append("what a person asked for is still held")
    if answers(said).count("CMD_ACCEPTED") > 1 + (schedule.get("crash_at", -1) > 0):
        problems.append("one command was carried out twice")
    return [f"{schedule}: {problem}" for problem in problems]


def run_all(given: Iterator[dict[str, Any]]) -> tuple[int, list[str]]:
    count, problems = 0, list[str]()
    for schedule in given:
        count += 1
        problems.extend(wrong(schedule))
        if len(problems) > 20:
            break
    return count, problems


def test_a_sample_of_the_enumeration_holds() -> None:
    """Whatever the wire, the books and a crash do: never short, nothing halted, our books at rest
    those of the exchange, and what was asked for is gone unless the fate of an order is unknown."""
    count, problems = run_all(itertools.islice(schedules(), 0, None, 433))
    sys.stdout.write(f"{count} schedules\n")
    assert count > 30
    assert problems == []


@pytest.mark.slow
@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
def test_the_whole_enumeration_holds(wire: Wire) -> None:
    """Over 18,000 schedules in all, each crash point with each wire, lag and fault."""
    count, problems = run_all(schedules((wire,)))
    sys.stdout.write(f"{count} schedules\n")
    assert problems == []
