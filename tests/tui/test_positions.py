"""Positions, risk and execution: what stands there, and what each of their keys does."""

from __future__ import annotations

import json

import msgspec
import pytest

from events import session
from tests.projections.live.story import CALL, INSTRUMENTS, Story
from tests.projections.live.trouble import compared
from tests.tui import desk
from tests.tui.screen import SIZES, HandClock, Screen, on_screen, view_of
from tests.tui.test_halt import came, in_live
from tests.tui.test_tools import HandMemory, said
from tui.given import Given, fate
from tui.ports import Command
from tui.store import Frame, Published, Store
from tui.view.execution import approvals_table, fills_table, left_span, orders_table
from tui.view.plot import plot, share_bar
from tui.view.positions import exit_label, exit_of, positions_table
from tui.view.risk import limits, limits_table
from tui.view.waiting import needs_text


def frame_of(story: Story, *, live: bool = True) -> Frame:
    clock = HandClock()
    store = Store(clock, live=live)
    store.publish(Published(view_of(story), "FOLLOWING" if live else "ENDED", clock.now, None))
    return store.frame()


# --- limits --------------------------------------------------------------------------------------


def test_limits_are_shares_of_the_capital_and_counts_of_the_day() -> None:
    """By hand: of a capital of 1,00,000 5 % may be lost; the net result counts against it."""
    frame = frame_of(desk.a_desk())
    found = {one.name: one for one in limits(frame)}
    net = frame.view.money.net_paise
    assert net is not None
    assert net < 0
    loss = found["daily loss"]
    assert (loss.used, loss.limit, loss.age_ns) == (-net, 500_000, None)
    assert found["profit lock"].used == 0
    assert (found["trades today"].used, found["trades today"].limit) == (1, 6)
    assert (found["losses in a row"].used, found["losses in a row"].limit) == (1, 3)


def test_the_engines_own_figures_come_with_their_age() -> None:
    """What only the engine measures is the gate's observed and limit of the last decision."""
    frame = frame_of(desk.a_desk())
    premium = next(one for one in limits(frame) if one.name == "premium held")
    assert (premium.used, premium.limit, premium.where) == (1_625_000, 4_000_000, "NIFTY")
    assert premium.age_ns == 0


def test_the_next_to_trip_stands_first() -> None:
    """Ordered by the share that is left, whatever the unit; the title names it and what is left."""
    frame = frame_of(desk.a_desk())
    shares = [one.share_milli for one in limits(frame) if one.share_milli is not None]
    assert shares == sorted(shares, reverse=True)
    assert limits_table(frame).title == "LIMITS  next to trip: drawdown, 86% used, ₹800.00 left"


def test_an_unknown_result_is_no_zero() -> None:
    """With a position that has no mark the loss of the day is unknown, and its bar says so."""
    story = Story("SIM", rate=1).setting_up()
    story.fact(session.ConfigChanged(desk.LIMITS, "ana", "limits"))
    story.at(0).entry()
    table = limits_table(frame_of(story))
    row = next(row for row in table.rows if row.key == ("limit", "daily loss"))
    assert row.cells[1][0] == "[????????????]"
    assert row.cells[3][0] == "?"


@pytest.mark.parametrize(
    ("used", "limit", "bar"),
    [
        (0, 100, "[░░░░░░░░]"), (1, 100, "[█░░░░░░░]"), (50, 100, "[████░░░░]"),
        (99, 100, "[███████░]"), (100, 100, "[████████]"), (300, 100, "[████████]"),
        (0, 0, "[░░░░░░░░]"), (1, 0, "[████████]"), (-5, 100, "[░░░░░░░░]"),
    ],
)  # fmt: skip
def test_a_bar_is_full_only_at_its_limit(used: int, limit: int, bar: str) -> None:
    """Something used shows, and nothing below the limit looks full."""
    assert share_bar(used, limit, 10) == bar


def test_a_curve_has_its_width_and_its_ends() -> None:
    """The least value stands lowest, the greatest fills the height, each row is whole."""
    rows = plot((0, 5, 10), 5, 2)
    assert [len(row) for row in rows] == [5, 5]
    assert rows[1].startswith("▁")
    assert rows[0][2] == "█"
    assert plot((), 4, 2) == ("    ", "    ")
    assert plot((7, 7), 4, 1) == ("▁▁  ",)


# --- positions -----------------------------------------------------------------------------------


def test_a_sold_leg_stands_under_its_long() -> None:
    """Long, leg, then what is closed; the leg is marked at the ask with its own net."""
    rows = positions_table(frame_of(desk.a_desk())).rows
    assert [row.cells[0][0].split("26NOV")[0] for row in rows] == [
        "NIFTY", "└ BANKNIFTY", "NIFTY",
    ]  # fmt: skip
    leg = rows[1]
    assert (leg.cells[1][0], leg.cells[3][0]) == ("-1 (-30)", "46.20")
    assert leg.cells[5][0] == "+₹37.00"  # (48.10 - 46.20) x 30 - 20.00 charges


@pytest.mark.parametrize(("lot", "shown"), [(65, "2 (130)"), (26, "5 (130)"), (75, "130 u")])
def test_quantities_are_lots_of_the_days_instruments(lot: int, shown: str) -> None:
    """The same units are other lots under another lot size, on every pane; a broken lot is told."""
    rows = tuple(
        msgspec.structs.replace(row, lot_units=lot) if place == CALL else row
        for place, row in enumerate(INSTRUMENTS)
    )
    story = Story("SIM", rate=1).setting_up()
    story.fact(session.InstrumentsLoaded("j" * 64, rows))
    story.at(0).quotes(bid=11_230)
    story.entry()
    frame = frame_of(story)
    assert positions_table(frame).rows[0].cells[1][0] == shown
    assert orders_table(frame).rows[0].cells[5][0] == shown
    assert fills_table(frame).rows[0].cells[3][0] == shown


@pytest.mark.parametrize("size", SIZES)
def test_the_id_under_the_cursor_is_told_whole(size: tuple[int, int]) -> None:
    """At either size: the id that axiom exit takes, of a pair the long's; a closed one's too; what
    is copied and exported carries the ids."""
    memory = HandMemory()
    ports = msgspec.structs.replace(desk.with_control(desk.Control()), memory=memory)
    view = view_of(desk.a_desk())
    long, leg = (row.position_id for row in view.positions)
    closed = view.closed_positions[0].position_id

    async def use(screen: Screen) -> None:
        await screen.press("3")
        assert f"  ID {long} a pair, by its long: trend-1, opened 09:23:20" in screen.text()
        await screen.press("down")
        assert f"  ID {leg} sold against {long}, the id" in screen.text()
        await screen.press("Y")
        assert json.loads(screen.app._clipboard)["ID"] == leg
        await screen.press("down")
        assert f"  ID {closed}: trend-1, closed" in screen.text()
        await screen.press("e")
        await said(screen, "Exported 3 rows")
        rows = memory.files["positions-held.csv"].splitlines()
        assert [row.rpartition(",")[2] for row in rows] == ["ID", long, leg, closed]

    on_screen(view, use, size=size, live=True, state="FOLLOWING", ports=ports)


def test_closing_by_hand_needs_the_word() -> None:
    """x says what it comes to; only the mode's word sends it, about that position alone; a closed
    row cannot be closed."""
    control = desk.Control()
    long = view_of(desk.a_desk()).positions[0].position_id

    async def use(screen: Screen) -> None:
        await screen.press("3", "x")
        said = "EXIT: buys back 1 (30), sells 2 (130) NIFTY26NOV24500CE, cancels 1 order. Type SIM:"
        assert said in screen.lines()[-1]
        await screen.press(*"no", "enter")
        assert "that is not SIM" in screen.lines()[-1]
        await screen.press("G", "x")
        assert "not open" in screen.lines()[-1]
        assert control.given == []
        await screen.press("g", "x", *"SIM", "enter")
        command = await came(screen, control)
        assert (command.verb, command.subject, command.word) == ("EXIT", long, "SIM")

    on_screen(use=use, **in_live(control))


def test_the_row_of_a_sold_leg_closes_its_pair() -> None:
    """Either row of a pair names the long, which is what the engine knows the pair by; at 80
    columns there is room for the word that is typed."""
    control = desk.Control()
    story = desk.a_desk()
    long = view_of(story).positions[0].position_id

    async def use(screen: Screen) -> None:
        await screen.press("3", "down", "x")
        said = "EXIT: buys back 1 (30), sells 2 (130) NIFTY26NOV24500CE. Type SIM: "
        assert said in screen.lines()[-1]
        await screen.press(*"SIM")
        assert f"{said} SIM" in screen.lines()[-1].replace("  ", " ").replace(": SIM", ":  SIM")
        await screen.press("enter")
        command = await came(screen, control)
        assert (command.verb, command.subject) == ("EXIT", long)

    on_screen(use=use, size=(80, 24), **in_live(control, story))


def test_only_the_row_s_own_orders_are_cancelled_for_it() -> None:
    """Its stop, the rest of its entry, the sale of its leg; no order of another, none that is
    over; a long without a leg buys nothing back."""
    story = Story("SIM", rate=1).setting_up()
    story.at(0).quotes(bid=11_230)
    one, other = story.entry(), story.entry()
    for name, role in (("P", "PROTECT"), ("", "ENTRY"), ("S", "SHORT"), ("X1", "EXIT")):
        desk.at_broker(story, f"B{one}{name}", f"{one}{name}", role, "SELL", CALL, 65, 12_000)
    desk.at_broker(story, f"B{other}P", f"{other}P", "PROTECT", "SELL", CALL, 65, 12_000)
    desk.changed(story, f"B{one}", one, "ENTRY", "BUY", CALL, 65, 12_000, "FILLED", "ORDER_FILLED")
    view = view_of(story)
    rows = {row.position_id: row for row in view.positions}
    leaving = exit_of(view, rows[one])
    assert (leaving.position_id, leaving.cancelled, leaving.bought_back) == (one, 2, "")
    assert exit_label(leaving, 80) == "EXIT: sells 2 (130) NIFTY26NOV24500CE, cancels 2 orders."
    assert exit_label(leaving, 50) == "EXIT: sells 2 (130) NIFTY26NOV24500CE."
    assert exit_of(view, rows[other]).cancelled == 1


def test_a_position_leads_to_its_decision() -> None:
    """Enter on a row opens the decision that made it; on a limit there is nothing to open."""

    async def use(screen: Screen) -> None:
        await screen.press("3", "enter")
        assert "GATES  NIFTY 09:23:20.000" in screen.text()
        await screen.press("escape", "tab", "enter")
        assert "nothing to open" in screen.lines()[-1]

    on_screen(use=use, **in_live(desk.Control()))


# --- execution -----------------------------------------------------------------------------------


def test_an_order_of_unknown_fate_stands_first_and_says_what_to_do() -> None:
    """Above every other order; the text under the table tells where to look and which key."""
    table = orders_table(frame_of(desk.a_desk()))
    assert table.title == "ORDERS  2 open of 6  1 UNKNOWN"
    assert table.rows[0].key == ("order", desk.UNKNOWN)

    async def use(screen: Screen) -> None:
        await screen.press("6")
        assert "Look in the broker's own order book, then" in screen.text()
        await screen.press("down", "down")
        assert "The broker said: Insufficient funds: [need] 1,20,000" in screen.text()

    on_screen(use=use, **in_live(desk.Control()))


def test_a_message_without_an_answer_is_sent() -> None:
    """From its start to its answer an order is neither working nor wanted."""
    story = desk.a_desk()
    desk.at_broker(story, "O5", "I5", "ENTRY", "BUY", CALL, 65, 12_000, outcome="")
    rows = {row.key: row for row in orders_table(frame_of(story)).rows}
    assert rows["order", "O5"].cells[1][0] == "~ SENT"


def test_approving_asks_once_and_refusing_does_not() -> None:
    """a asks for a yes with what is bought and up to what; r turns it down at once."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        await screen.press("6", "a")
        asked = "Approve BUY 1 (65) NIFTY26NOV24500CE up to 129.50? y:"
        assert asked in screen.lines()[-1]
        await screen.press("n", "enter")
        assert "nothing was approved" in screen.lines()[-1]
        assert control.given == []
        await screen.press("a", "y", "enter")
        first = await came(screen, control)
        assert (first.verb, first.subject) == ("APPROVE", "r0000000000a")
        await screen.press("r")
        second = await came(screen, control, 2)
        assert (second.verb, second.subject) == ("REJECT", "r0000000000a")

    on_screen(use=use, size=(80, 24), **in_live(control))


def test_approvals_count_down_and_go() -> None:
    """The time that is left, marked when it is short; over when it is over; a closed one goes."""
    story = Story("SIM", rate=1).setting_up()
    desk.asked(story, "r1", left_s=100)
    desk.asked(story, "r2", left_s=10)
    frame = frame_of(story)
    rows = approvals_table(frame).rows
    assert [row.cells[0][0] for row in rows] == ["00:10▲", "01:40"]
    assert left_span(0) == ("over ✗", "bad")
    from events.governance import ApprovalClosed

    closed = ApprovalClosed("r2", "EXPIRED", "APPROVAL_EXPIRED", None, None)
    story.derive(closed, len(story.envelopes))
    assert len(approvals_table(frame_of(story)).rows) == 1


@pytest.mark.slow
def test_an_unknown_order_is_resolved_by_its_number_or_as_lapsed() -> None:
    """u asks what the verb asks, then the word; LAPSED says that it did not happen; the order that
    is meant is the one under the cursor, by its own id."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        await screen.press("6", "u", "enter")
        assert "nothing was done" in screen.lines()[-1]
        await screen.press("u")
        asked = "BANKNIFTY26NOV52000PE: the broker's order number or LAPSED:"
        assert asked in screen.lines()[-1]
        await screen.press(*"251120000000123", "enter")
        assert (
            "RESOLVE: It is this order of the broker: 251120000000123. Type SIM:"
            in (screen.lines()[-1])
        )
        await screen.press(*"SIM", "enter")
        first = await came(screen, control)
        assert (first.verb, first.subject) == ("RESOLVE", desk.UNKNOWN)
        assert (first.value, first.word) == ("ORDER:251120000000123", "SIM")
        await screen.press("u", *"lapsed", "enter", *"SIM", "enter")
        assert (await came(screen, control, 2)).value == "LAPSED"
        await screen.press("u", *"holds", "space", "5", "enter")
        assert "Nothing was done. What can be said of it: BANKNIFTY" in screen.lines()[-1]
        assert len(control.given) == 2

    on_screen(use=use, **in_live(control))


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [("6", "down"), ("3",)])
def test_what_the_broker_holds_of_a_position_is_said(
    keys: tuple[str, ...], size: tuple[int, int]
) -> None:
    """As axiom resolve --holds: of the row's position, with the units, a reason and the word; none
    of them may be missing. On an order of the position and on the position itself."""
    control = desk.Control()
    story = desk.a_desk()
    long = view_of(story).positions[0].position_id
    for _ in range(2):
        compared(story, 65, differ=True)

    async def use(screen: Screen) -> None:
        await screen.press(*keys, "u")
        asked = "NIFTY26NOV24500CE: units that the broker holds (its books: 65):"
        assert asked in screen.lines()[-1]
        await screen.press(*"all", "enter")
        assert "Nothing was done. What can be said of it: NIFTY26NOV24500CE:" in screen.lines()[-1]
        await screen.press("u", *"65", "enter")
        assert "Why, for the journal:" in screen.lines()[-1]
        await screen.press("enter")
        assert "HOLDS needs a reason" in screen.lines()[-1]
        await screen.press("u", *"65", "enter", *"sold", "enter")
        said = "RESOLVE: Of its position the broker holds so many units: 65. Type SIM:"
        assert said in screen.lines()[-1]
        await screen.press(*"no", "enter")
        assert "that is not SIM" in screen.lines()[-1]
        assert control.given == []
        await screen.press("u", *"65", "enter", *"sold", "enter", *"SIM", "enter")
        command = await came(screen, control)
        assert command == Command("RESOLVE", long, "HOLDS:65", "sold", "SIM")

    on_screen(use=use, size=size, **in_live(control, story))


def test_a_leg_and_what_is_closed_are_held_by_nobody() -> None:
    """The verb takes longs that are held: of a sold leg and of a closed row nothing is asked."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        await screen.press("3", "down", "u")
        assert "this is said of its long" in screen.lines()[-1]
        await screen.press("down", "u")
        assert "not open" in screen.lines()[-1]
        assert control.given == []

    on_screen(use=use, **in_live(control))


@pytest.mark.parametrize(
    ("key", "said"),
    [("a", "No entry waits"), ("r", "No entry waits"), ("u", "No order is UNKNOWN")],
)
def test_without_anything_to_decide_a_key_says_so(key: str, said: str) -> None:
    """Nothing is sent."""
    control = desk.Control()

    async def use(screen: Screen) -> None:
        await screen.press("6", key)
        assert said in screen.lines()[-1]
        assert control.given == []

    on_screen(use=use, **in_live(control, Story("SIM", rate=1).setting_up()))


def test_messages_are_counted_in_the_last_second_and_minute() -> None:
    """The rate falls as time goes on; refusals and unknown answers are named."""
    story = Story("SIM", rate=1).setting_up()
    story.at(0)
    for number in range(3):
        story.at(number * 20)
        desk.at_broker(story, f"O{number}", "I", "ENTRY", "BUY", CALL, 65, 12_000)
    from tui.view.execution import sends_line

    text = "".join(piece for piece, _ in sends_line(frame_of(story)))
    assert "MESSAGES 3  now 1/s  3 in the last minute  refused 0  unknown 0" in text


# --- what waits ----------------------------------------------------------------------------------


def test_what_waits_stands_above_every_pane_of_a_running_session() -> None:
    """Unknown orders, approvals, commands without an answer; in a recorded session none of them."""
    story = desk.a_desk()
    desk.commanded(story, "ARM", "c-9", outcome=None)
    story.at(705).quotes()
    text = needs_text(frame_of(story), 400)
    assert text is not None
    assert "ORDER UNKNOWN 1: BANKNIFTY26NOV52000PE" in text
    assert "APPROVE? 1: BUY 1 (65) NIFTY26NOV24500CE up to 129.50, 00:32 left: key 6" in text
    assert "NO ANSWER to ARM for 5.0s: ctrl+k" in text
    assert needs_text(frame_of(story, live=False), 400) is None


def test_a_halt_is_confirmed_only_by_one_that_is_newer_and_as_strong() -> None:
    """By the journal: after it was given, and of its level or above."""
    story = Story("SIM", rate=1).setting_up()
    desk.commanded(story, "HALT", "c-1", value="FLATTEN")
    before = view_of(story)
    given = Given(1, Command("HALT", None, "CANCEL", "", "SIM"), before.seq, 0, None)
    assert fate(given, 5_000_000_000, before.commands).word == "NOT CONFIRMED"
    assert fate(given, 1_000_000_000, before.commands).word == "SENT"
    desk.commanded(story, "HALT", "c-2")
    assert fate(given, 0, view_of(story).commands).word == "SENT"
    seq = desk.commanded(story, "HALT", "c-3", value="CANCEL")
    found = fate(given, 0, view_of(story).commands)
    assert (found.word, found.seq) == ("CONFIRMED", seq)
