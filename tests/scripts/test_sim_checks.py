"""The checks of simulated days: a good day passes every one, and each fails on what it is for."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable

import pytest

from engine.rulebook import ist_ns
from events.base import Event
from events.broker import (
    AuthStatus,
    BrokerReport,
    BrokerSnapshot,
    BrokerUpdate,
    OrderSendResult,
    OrderSendStarted,
)
from events.feed import FeedFrame, FeedStatus, FramesDropped, HealthObserved
from events.governance import IncidentRaised, IncidentResolved
from events.market import FeedHealthChanged
from events.orders import FillApplied, OrderChanged, PositionChanged
from events.session import Instrument, InstrumentsLoaded, SessionResumed
from scripts.sim_checks import CHECKS, Day, dropped, never_short, not_judged, open_at_end

START = ist_ns(20_261_120, "09:15:00")
SECOND = 1_000_000_000
CALL = "NIFTY26NOV22500CE"
KEY = f"NFO:{CALL}:MIS"
ROWS = (
    Instrument(1, "NSE", "NIFTY 50", "NIFTY", "INDEX", 0, 0, 1, 5, "exchange"),
    Instrument(2, "NFO", CALL, "NIFTY", "CE", 20_261_126, 2_250_000, 65, 5, "exchange"),
)
FRAME = FeedFrame(0, "kite.v3", 1, False, 1, None, b"\0")
END_S = 3_600


def at(second: float) -> int:
    return START + int(second * SECOND)


def raised(code: str, subject: str) -> IncidentRaised:
    return IncidentRaised("I1", code, 1, subject, ())


def resolved(code: str, subject: str) -> IncidentResolved:
    return IncidentResolved("I1", code, subject, None)


def report(order_id: str, side: str, status: str, units: int) -> BrokerReport:
    return BrokerReport(
        order_id, None, None, status, None, None, (), "regular", "NFO", CALL, side, "MIS", "LIMIT",
        "DAY", 65, units, units * 100, 100, 0, None, None,
    )  # fmt: skip


def started(number: int, tag: str, side: str) -> OrderSendStarted:
    return OrderSendStarted(
        number, "PLACE", f"P{number}", tag, tag, None, "regular", "NFO", CALL, side, "MIS", "LIMIT",
        "DAY", 65, 100, None, None, None, None, "", "", None, None, None,
    )  # fmt: skip


def changed(number: int, side: str, status: str) -> OrderChanged:
    return OrderChanged(f"P{number}", "a", "ENTRY", 1, side, status, None, 65, 65, 100)


def position(status: str) -> PositionChanged:
    units = 65 if status == "OPEN" else 0
    return PositionChanged("p1", "NIFTY", "s", 1, status, units, 1, 0, 0, 0, 0, 0, 0, None)


def traded(number: int, second: float, side: str) -> list[tuple[int, Event]]:
    """An order of ours from its message to its fill."""
    tag, order_id = f"tag{number}", f"b{number}"
    return [
        (at(second), started(number, tag, side)),
        (at(second), OrderSendResult(number, f"P{number}", "ACCEPTED", order_id, None, None, 200,
                                     None, 1)),
        (at(second + 1), BrokerUpdate("SOCKET", report(order_id, side, "COMPLETE", 65))),
        (at(second + 1), changed(number, side, "FILLED")),
        (at(second + 1), FillApplied(f"P{number}", 1, 1, side, 65, 100, 0, (), 0, 1)),
        (at(second + 1), position("OPEN" if side == "BUY" else "CLOSED")),
    ]  # fmt: skip


def order_row(number: int, side: str, tag: str | None = None) -> dict[str, object]:
    return {
        "order_id": f"b{number}", "tag": f"tag{number}" if tag is None else tag,
        "tradingsymbol": CALL, "transaction_type": side,
    }  # fmt: skip


def trade_row(number: int, side: str, moment: str = "09:20:00") -> dict[str, object]:
    return {
        "fill_timestamp": f"2026-11-20 {moment}",
        "order_id": f"b{number}", "exchange": "NFO", "tradingsymbol": CALL, "product": "MIS",
        "quantity": 65, "transaction_type": side,
    }  # fmt: skip


def update_row(number: int, second: float) -> dict[str, object]:
    return {
        "ts": at(second), "heard": 1, "order_id": f"b{number}", "status": "COMPLETE",
        "filled_quantity": 65,
    }  # fmt: skip


def good() -> Day:
    """A quiet hour with a purchase and its sale, a login that died and came back, frames that were
    lost and told, a silence that was told."""
    entries: list[tuple[int, Event]] = [(at(0), InstrumentsLoaded("", ROWS))]
    entries += [(at(0), AuthStatus("OK", "demo", None, None))]
    entries += [(at(0), FeedStatus(0, "CONNECTED", True, 2))]
    entries += [(at(second), FRAME) for second in range(0, END_S, 30) if not 600 <= second < 700]
    entries += [(at(650), FeedHealthChanged(0, "GAP", "FEED_GAP", 7_000, 6_000))]
    entries += traded(1, 100, "BUY") + traded(2, 200, "SELL")
    entries += [
        (at(900), AuthStatus("EXPIRED", "demo", None, "TOKEN")),
        (at(900), raised("AUTH_LOST", "login")),
        (at(960), AuthStatus("OK", "demo", None, None)),
        (at(960), resolved("AUTH_LOST", "login")),
        (at(1_000), FramesDropped(0, 7, 700, at(998), at(999))),
        (at(1_000), raised("FRAMES_DROPPED", "feed")),
        (at(1_060), resolved("FRAMES_DROPPED", "feed")),
        (at(1_200), HealthObserved("RECEIVE_LAG_MS", "BAD", 2_000, 1_000)),
        (at(1_200), raised("PROCESS_UNHEALTHY", "process")),
        (at(1_260), resolved("PROCESS_UNHEALTHY", "process")),
        (at(END_S), BrokerSnapshot("AFTER_CLOSE", at(END_S), (), (), (), None, ())),
    ]
    entries.sort(key=lambda one: one[0])
    account = {
        "now_ns": at(END_S), "logins": 1, "faults": ["09:29:50 token_expiry: begins"],
        "orders": [order_row(1, "BUY"), order_row(2, "SELL"), order_row(3, "BUY", "")],
        "trades": [trade_row(1, "BUY"), trade_row(2, "SELL"), trade_row(3, "BUY")],
        "updates": [update_row(1, 101), update_row(2, 201)],
    }  # fmt: skip
    return Day(1, 0, "", 0, False, 1, (), entries, account, {"frames_dropped": 7})


def test_a_good_day_passes() -> None:
    """Nothing is said of it, killed exchange or not, and nothing is excused."""
    for killed in (False, True):
        found = good()
        found.exchange_killed = killed
        said = {check.__name__: list(check(found)) for check in CHECKS}
        assert {name: texts for name, texts in said.items() if texts} == {}
        assert (not_judged(found), open_at_end(found), dropped(found)) == ([], [], 7)


def test_a_leg_that_its_long_covers_is_no_short() -> None:
    """A pair at the exchange is short of one contract and of nothing else."""
    found = copy.deepcopy(good())
    pair(long_units=65)(found)
    assert list(never_short(found)) == []


# --- what spoils it ------------------------------------------------------------------------------

Spoil = Callable[[Day], None]


def without(kind: type[Event], code: str = "") -> Spoil:
    """The day without the events of a kind (of a code)."""

    def spoil(found: Day) -> None:
        found.entries = [
            (ts, one)
            for ts, one in found.entries
            if not isinstance(one, kind) or (code and getattr(one, "code", code) != code)
        ]

    return spoil


def added(second: float, *events: Event) -> Spoil:
    """The day with something more at a time."""

    def spoil(found: Day) -> None:
        found.entries += [(at(second), one) for one in events]
        found.entries.sort(key=lambda one: one[0])

    return spoil


def both(*spoils: Spoil) -> Spoil:
    def spoil(found: Day) -> None:
        for one in spoils:
            one(found)

    return spoil


def account(name: str, *rows: object) -> Spoil:
    """The exchange's books with more rows."""

    def spoil(found: Day) -> None:
        found.account[name] = [*found.account[name], *rows]

    return spoil


def field(name: str, value: object) -> Spoil:
    return lambda found: setattr(found, name, value)


def unsold(found: Day) -> None:
    """The exchange knows of no sale."""
    found.account["trades"] = [one for one in found.account["trades"] if one["order_id"] != "b2"]


def crossed(moment: str, *, told: bool = True) -> Spoil:
    """A hand sells all there is, at a moment before our sale (which leaves at 09:18:20)."""

    def spoil(found: Day) -> None:
        by_hand = {**trade_row(8, "SELL", moment), "quantity": 130}
        bought, sold, others = found.account["trades"]
        late = {**sold, "fill_timestamp": "2026-11-20 09:18:21"}
        found.account["trades"] = [bought, others, by_hand, late]
        found.account["orders"].append(order_row(8, "SELL", ""))
        if told:
            added(202, raised("POSITION_SHORT", KEY))(found)

    return spoil


def pair(long_units: int, leg_units: int = 65, kind: str = "CE") -> Spoil:
    """The leg of a pair is sold, and so much of its long is held."""

    def spoil(found: Day) -> None:
        long = {**trade_row(8, "BUY"), "tradingsymbol": f"NIFTY26N2425000{kind}",
                "quantity": long_units}  # fmt: skip
        leg = {**trade_row(9, "SELL"), "tradingsymbol": "NIFTY26N2425200CE", "quantity": leg_units}
        found.account["trades"] = [*found.account["trades"], long, leg]
        found.account["orders"] += [order_row(8, "BUY", "aa"), order_row(9, "SELL", "aaS")]

    return spoil


KILLED = field("exchange_killed", value=True)
LATE_S = END_S - 10

SPOILT: tuple[tuple[str, str, Spoil], ...] = (
    ("ended_well", "the exit code", field("code", 1)),
    ("ended_well", "a traceback", field("said", "Traceback (most recent call last)")),
    ("ended_well", "the projector", field("said", "the projection failed (x)")),
    ("ended_well", "a replay", field("verdicts", ["replay of x: exit 1"])),
    ("incidents_coded", "a code nobody knows", added(5, raised("MADE_UP", "x"))),
    ("trouble_told", "lost frames", without(IncidentRaised, "FRAMES_DROPPED")),
    ("trouble_told", "a dead login", without(IncidentRaised, "AUTH_LOST")),
    ("trouble_told", "a bad health", without(IncidentRaised, "PROCESS_UNHEALTHY")),
    ("login_loss_told", "nothing of it", without(IncidentRaised, "AUTH_LOST")),
    ("login_loss_told", "another kind", both(
        without(IncidentRaised, "AUTH_LOST"), account("faults", "09:40:00 second_login: begins"))),
    ("unknown_told", "never", added(300, changed(9, "BUY", "UNKNOWN"))),
    ("unknown_told", "and taken back", added(
        300, changed(9, "BUY", "UNKNOWN"), raised("ORDER_UNKNOWN", "P9"),
        resolved("ORDER_UNKNOWN", "P9"))),
    ("open_still_holds", "whole books", added(5, raised("BROKER_UNREACHABLE", "books"))),
    ("open_still_holds", "the books of the end", added(
        END_S, raised("CLOSED_UNRECONCILED", "books"))),
    ("open_still_holds", "a login that lives", without(IncidentResolved, "AUTH_LOST")),
    ("open_still_holds", "a position that is gone", added(150, raised("POSITION_BLIND", "p1"))),
    ("open_still_holds", "an order that ended", added(100, raised("ORDER_UNKNOWN", "P1"))),
    ("tags_used_once", "twice", account("orders", order_row(4, "BUY", "tag1"))),
    ("messages_kept", "never journaled", account("orders", order_row(4, "BUY", "tag4"))),
    ("messages_kept", "never answered", without(OrderSendResult)),
    ("messages_kept", "accepted and nowhere", both(
        added(50, started(5, "tag5", "BUY")),
        added(51, OrderSendResult(5, "P5", "ACCEPTED", "b5", None, None, 200, None, 1)))),
    ("never_short", "sold twice", account("trades", trade_row(2, "SELL"), trade_row(2, "SELL"))),
    ("never_short", "a leg without its long", pair(long_units=0, leg_units=260)),
    ("never_short", "a leg larger than its long", pair(long_units=65, leg_units=325)),
    ("never_short", "a leg beside a long of the other kind",
     pair(long_units=650, leg_units=260, kind="PE")),
    ("never_short", "long after a hand sold", crossed("09:16:50")),
    ("never_short", "crossed and not told", crossed("09:18:00", told=False)),
    ("never_short", "sent after it was heard", both(
        crossed("09:18:00"), added(150, BrokerUpdate("SOCKET", report("b8", "SELL", "COMPLETE",
                                                                      130))))),
    ("positions_agree", "silently", unsold),
    ("positions_agree", "told and long over", both(
        unsold, added(60, raised("BROKER_UNREACHABLE", "books")),
        added(70, resolved("BROKER_UNREACHABLE", "books")))),
    ("positions_agree", "told of another contract", both(
        unsold, added(60, raised("POSITION_DIFFERS", "NFO:OTHER:MIS")))),
    ("positions_agree", "before a kill", both(unsold, KILLED)),
    ("positions_agree", "told after a kill alone", both(
        unsold, KILLED, lambda found: found.account.update(now_ns=at(LATE_S)),
        added(END_S, raised("BROKER_UNREACHABLE", "books")))),
    ("updates_kept", "nowhere", without(BrokerUpdate)),
    ("updates_kept", "before a kill", both(without(BrokerUpdate), KILLED)),
    ("drops_counted", "told of more", field("answer", {"frames_dropped": 6})),
    ("drops_counted", "no figures", field("answer", None)),
    ("drops_counted", "of another life", added(2_000, SessionResumed(1, "", 0))),
    ("gaps_told", "silently", without(FeedHealthChanged)),
)  # fmt: skip


@pytest.mark.parametrize(("check", "how", "spoil"), SPOILT)
def test_each_check_can_fail(check: str, how: str, spoil: Spoil) -> None:
    """The canary of every check, by name; what else the same trouble breaks may be said too."""
    found = copy.deepcopy(good())
    spoil(found)
    (wanted,) = [one for one in CHECKS if one.__name__ == check]
    assert list(wanted(found)) != [], how


def test_every_check_has_a_canary() -> None:
    """And every canary a check."""
    assert {check for check, _, _ in SPOILT} == {one.__name__ for one in CHECKS}
    sys.stdout.write(f"{len(CHECKS)} checks, {len(SPOILT)} canaries\n")


EXCUSED: tuple[tuple[str, Spoil], ...] = (
    (f"{CALL} BROKER_UNREACHABLE", both(unsold, added(60, raised("BROKER_UNREACHABLE", "books")))),
    (f"{CALL} POSITION_DIFFERS", both(unsold, added(60, raised("POSITION_DIFFERS", KEY)))),
    (f"{CALL} ORDER_UNKNOWN", both(unsold, added(60, raised("ORDER_UNKNOWN", "P2")))),
    (f"{CALL} CROSSED 65", crossed("09:18:00")),
    (f"{CALL} MOVING", both(unsold, KILLED, account("updates", update_row(2, LATE_S)))),
)


@pytest.mark.parametrize(("named", "spoil"), EXCUSED)
def test_what_is_excused_is_named(named: str, spoil: Spoil) -> None:
    """Positions that are apart and told pass the check, and stand in the day's line."""
    found = good()
    spoil(found)
    (check,) = [one for one in CHECKS if one.__name__ == "positions_agree"]
    assert list(check(found)) == []
    assert named in not_judged(found)
