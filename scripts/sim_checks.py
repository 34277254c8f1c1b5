"""What must hold of a simulated day: its journal against the exchange's own books.

Lives here: ``Day``, what was seen of one day, and every check of it. May import: events, the table
of reasons, the kinds of faults' moments. Always holds: nothing is started or asked here; a check
gives a sentence for each thing that is wrong, and what it could not judge is named by
``not_judged``; a kill of the exchange takes nothing out of the checks, they are made of the moment
before it.
Start reading at ``Day``, then ``CHECKS``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from engine.rulebook import hhmmss_of, ist_ns
from engine.shorts import MARK
from events.base import Event
from events.broker import (
    AuthStatus,
    BrokerReport,
    BrokerSnapshot,
    BrokerUpdate,
    OrderLookup,
    OrderSendResult,
    OrderSendStarted,
)
from events.feed import FeedFrame, FeedStatus, FramesDropped, HealthObserved, TimerTick
from events.governance import IncidentRaised, IncidentResolved
from events.market import FeedHealthChanged
from events.orders import FillApplied, OrderChanged, PositionChanged
from events.reasons import BY_CODE
from events.session import InstrumentsLoaded, SessionResumed

NS_PER_S: Final = 1_000_000_000
GAP_NS: Final = 61 * NS_PER_S
"""A silence of the feed that has to be told, in market time: a little more than the engine's own
limit in these days (``sim_days.toml``)."""

MOVING_NS: Final = 300 * NS_PER_S
"""What moved so shortly before the exchange was killed may not have been heard of."""

TOLD_S: Final = 60
TOLD_REAL_S: Final = 8
"""A dead login is told within so many market seconds, or real ones where the market is faster: an
engine that was killed takes its time to be back."""

HEARD_S: Final = 60
HEARD_REAL_S: Final = 3
"""So long, as above, another's sale may stay unheard, and an order of ours be on its way back."""

LOSSES: Final = ("token_expiry", "second_login")
"""The faults that end a login."""

NO_LOGIN: Final = ("EXPIRED", "REFUSED")
TOLD_OF_ALL: Final = ("BROKER_UNREACHABLE", "AUTH_LOST", "CLOSED_UNRECONCILED")
"""Incidents that tell a person, while they are open, not to trust any position that is shown."""

TOLD_OF_ONE: Final = ("POSITION_DIFFERS", "POSITION_SHORT")
"""Incidents that tell it of the contract in their subject."""

UNKNOWN_CODES: Final = ("ORDER_UNKNOWN", "ORDER_UNKNOWN_LONG")
OF_POSITION: Final = (
    "EXIT_NO_BID", "EXIT_REFUSED", "POSITION_UNPROTECTED", "POSITION_BLIND", "FLATTEN_INCOMPLETE",
)  # fmt: skip
"""Incidents that are over with the position in their subject."""

FINAL: Final = ("FILLED", "CANCELLED", "REJECTED")
CLOSING: Final = " CLOSING"

KEPT: Final = frozenset(
    one.__name__
    for one in (
        AuthStatus, BrokerSnapshot, BrokerUpdate, FeedFrame, FeedHealthChanged, FeedStatus,
        FillApplied, FramesDropped, HealthObserved, IncidentRaised, IncidentResolved,
        InstrumentsLoaded, OrderChanged, OrderLookup, OrderSendResult, OrderSendStarted,
        PositionChanged, SessionResumed, TimerTick,
    )
)  # fmt: skip
"""The kinds that the checks look at."""

Of = TypeVar("Of", bound=Event)
Key = tuple[str, str, str]
"""Exchange, tradingsymbol, product."""

Subject = tuple[str, str]
"""An incident's code and what it is about."""


class Day(msgspec.Struct):
    """What was seen of one day: of the processes, of the journal (ts and event), and of the
    exchange. ``account`` holds its books, of the moment before where it was killed; ``answer`` is
    the engine's own document, None where it gave none; ``speed`` market seconds a second."""

    seed: int
    code: int
    said: str
    kills: int
    exchange_killed: bool
    speed: int = 1
    folders: tuple[Path, ...] = ()
    entries: list[tuple[int, Event]] = []
    account: dict[str, Any] = {}
    answer: dict[str, Any] | None = None
    verdicts: list[str] = []

    def of(self, kind: type[Of]) -> list[Of]:
        """The journal's events of a kind."""
        return [event for _, event in self.entries if isinstance(event, kind)]

    @property
    def until_ns(self) -> int:
        """The moment of the exchange's books; of an exchange that was not killed, after all."""
        return int(self.account["now_ns"]) if self.exchange_killed else 1 << 62

    def symbol(self, contract: int) -> str:
        """The tradingsymbol of an instrument's index."""
        return self.of(InstrumentsLoaded)[0].rows[contract].tradingsymbol


def open_incidents(found: Day, until_ns: int) -> list[Subject]:
    """The incidents that are open at a moment."""
    left: dict[Subject, None] = {}
    for ts, event in found.entries:
        if ts > until_ns:
            break
        if isinstance(event, IncidentRaised):
            left[event.code, event.subject] = None
        elif isinstance(event, IncidentResolved):
            left.pop((event.code, event.subject), None)
    return list(left)


def open_at_end(found: Day) -> list[Subject]:
    """The incidents that nothing has resolved."""
    return open_incidents(found, 1 << 62)


# --- the processes -------------------------------------------------------------------------------


def ended_well(found: Day) -> Iterator[str]:
    """Exit code 0, nothing of a traceback, every journal whole and replayed identical, and the
    projection came to the journal's end."""
    if found.code != 0:
        yield f"exit code {found.code}: {found.said.strip()[-300:]}"
    if "Traceback" in found.said:
        yield f"a traceback: {found.said[found.said.index('Traceback') :][:1500]}"
    if "the projection failed" in found.said:
        yield f"{found.said[found.said.index('the projection failed') :][:200]}"
    yield from found.verdicts


# --- incidents -----------------------------------------------------------------------------------


def incidents_coded(found: Day) -> Iterator[str]:
    """Every incident's code is in the table of reasons."""
    for one in found.of(IncidentRaised):
        if one.code not in BY_CODE:
            yield f"incident {one.incident_id} has the code {one.code}, which nobody knows"


def trouble_told(found: Day) -> Iterator[str]:
    """Lost frames, a dead login and a bad health are each an incident right behind their fact."""
    left: dict[Subject, None] = {}
    owed: tuple[int, str, str] | None = None
    for ts, event in found.entries:
        if isinstance(event, IncidentRaised):
            left[event.code, event.subject] = None
        elif isinstance(event, IncidentResolved):
            left.pop((event.code, event.subject), None)
        if owed is not None and not isinstance(event, _DERIVED):
            if all(code != owed[1] for code, _ in left):
                yield f"{hhmmss_of(owed[0])}: {owed[2]}, and {owed[1]} was not raised"
            owed = None
        code = _trouble(event)
        if code is not None:
            owed = ts, code, type(event).__name__


_DERIVED: Final = (
    IncidentRaised, IncidentResolved, FeedHealthChanged, FillApplied, OrderChanged, PositionChanged,
)  # fmt: skip


def _trouble(event: Event) -> str | None:
    """The incident that a fact must lead to."""
    if isinstance(event, FramesDropped):
        return "FRAMES_DROPPED"
    if isinstance(event, AuthStatus) and event.status in NO_LOGIN:
        return "AUTH_LOST"
    if isinstance(event, HealthObserved) and event.status == "BAD":
        return "PROCESS_UNHEALTHY"
    return None


def login_loss_told(found: Day) -> Iterator[str]:
    """Each end of a login at the exchange is told in time, or comes too late in the day to be."""
    within_ns = max(TOLD_S, TOLD_REAL_S * found.speed) * NS_PER_S
    last_ns = min(found.entries[-1][0], found.until_ns) if found.entries else 0
    if not last_ns:
        return
    for line in found.account["faults"]:
        moment, _, what = line.partition(" ")
        if what not in tuple(f"{kind}: begins" for kind in LOSSES):
            continue
        at_ns = _moment_ns(moment, last_ns)
        if at_ns + within_ns > last_ns:
            continue
        told = any(code == "AUTH_LOST" for code, _ in open_incidents(found, at_ns))
        raised = any(
            isinstance(event, IncidentRaised) and event.code == "AUTH_LOST"
            for ts, event in found.entries
            if at_ns <= ts <= at_ns + within_ns
        )
        if not (told or raised):
            yield f"the login ended at {moment} ({what.partition(':')[0]}) and nobody was told"


def _moment_ns(moment: str, of_day_ns: int) -> int:
    """``HH:MM:SS`` of the day in which ``of_day_ns`` (ns UTC) lies."""
    now, then = (
        sum(int(part) * unit for part, unit in zip(text.split(":"), (3_600, 60, 1), strict=True))
        for text in (hhmmss_of(of_day_ns), moment)
    )
    return of_day_ns - of_day_ns % NS_PER_S + (then - now) * NS_PER_S


def unknown_told(found: Day) -> Iterator[str]:
    """An order that is still UNKNOWN in the end is an incident that is still open."""
    left = set(open_at_end(found))
    for order_id, one in _last_orders(found).items():
        if one.status == "UNKNOWN" and not any((c, order_id) in left for c in UNKNOWN_CODES):
            yield f"order {order_id} is UNKNOWN and nobody was told"


def _last_orders(found: Day) -> dict[str, OrderChanged]:
    return {one.order_id: one for one in found.of(OrderChanged)}


def open_still_holds(found: Day) -> Iterator[str]:
    """An incident that is open in the end is about something that is still so."""
    orders = _last_orders(found)
    held = {one.position_id: one.status == "OPEN" for one in found.of(PositionChanged)}
    asked = [one for one in found.of(BrokerSnapshot) if _was_asked(one)]
    whole = bool(asked) and None not in (asked[-1].orders, asked[-1].positions, asked[-1].trades)
    logins = found.of(AuthStatus)
    over = {
        "BROKER_UNREACHABLE": whole,
        "AUTH_LOST": bool(logins) and logins[-1].status == "OK",
        "CLOSED_UNRECONCILED": whole and any(one.trigger == "AFTER_CLOSE" for one in asked[-3:]),
    }
    for code, subject in open_at_end(found):
        ended = subject in orders and orders[subject].status in FINAL
        if (
            over.get(code, False)
            or (code in OF_POSITION and not held.get(subject, True))
            or (code in (*UNKNOWN_CODES, "ORDER_PENDING_LONG") and ended)
        ):
            yield f"{code} about {subject} is open, and over"


def _was_asked(one: BrokerSnapshot) -> bool:
    return not one.failed or not all(text.endswith(CLOSING) for text in one.failed)


# --- messages ------------------------------------------------------------------------------------


def tags_used_once(found: Day) -> Iterator[str]:
    """No two orders at the exchange carry one tag."""
    tags = Counter(order["tag"] for order in found.account["orders"] if order["tag"])
    for tag, times in tags.items():
        if times > 1:
            yield f"{times} orders carry the tag {tag}"


def messages_kept(found: Day) -> Iterator[str]:
    """What reached the exchange was journaled before; what was started is answered, unless the
    engine died on the way; what was accepted is there."""
    started = {one.tag for one in found.of(OrderSendStarted) if one.action == "PLACE"}
    there = {order["order_id"] for order in found.account["orders"]}
    for order in found.account["orders"]:
        if order["tag"] and order["tag"] not in started:
            yield f"order {order['order_id']} carries the tag {order['tag']}, never journaled"
    unanswered: dict[int, OrderSendStarted] = {}
    for ts, event in found.entries:
        if isinstance(event, SessionResumed):
            unanswered.clear()
        elif isinstance(event, OrderSendStarted):
            unanswered[event.message_no] = event
        elif isinstance(event, OrderSendResult):
            unanswered.pop(event.message_no, None)
            accepted = event.outcome == "ACCEPTED" and ts <= found.until_ns
            if accepted and event.broker_order_id not in there:
                yield f"message {event.message_no} was accepted and its order is nowhere"
    for number, one in unanswered.items():
        yield f"message {number} ({one.action} {one.order_id}) was never answered"


def never_short(found: Day) -> Iterator[str]:
    """No trade of ours left the exchange's ledger short, but where somebody else sold what our
    order was there for a moment before, and that is told: until it is heard of nobody can know.
    The sold leg of a pair is short of its own contract, and must be covered by longs of its kind.
    """
    for order_id, symbol, units, crossed in _shorts(found):
        if not crossed:
            yield f"short {units} of {symbol} after order {order_id} of ours"


def _shorts(found: Day) -> Iterator[tuple[str, str, int, bool]]:
    """Each sale of ours that left the ledger short: its order, symbol, the units short, and whether
    another's sale crossed it."""
    tags = {one["order_id"]: one["tag"] for one in found.account["orders"] if one["tag"]}
    net: Counter[Key] = Counter()
    kinds: Counter[str] = Counter()
    others: dict[Key, list[dict[str, Any]]] = {}
    for trade in found.account["trades"]:
        key, units = _key(trade), trade["quantity"]
        kind = _kind(trade["tradingsymbol"])
        if trade["transaction_type"] == "BUY":
            net[key] += units
            kinds[kind] += units
            continue
        net[key] -= units
        kinds[kind] -= units
        leg = _is_leg(tags.get(trade["order_id"], ""))
        if trade["order_id"] not in tags:
            others.setdefault(key, []).append(trade)
        elif (kinds[kind] if leg else net[key]) < 0:
            crossed = any(_crosses(found, tags, trade, one) for one in others.get(key, ()))
            told = any(
                one.code == "POSITION_SHORT" and one.subject == ":".join(key)
                for one in found.of(IncidentRaised)
            )
            yield trade["order_id"], key[1], -net[key], crossed and told


def _is_leg(tag: str) -> bool:
    """Whether an order sells the leg of a pair, by its tag."""
    return tag.endswith(MARK)


def _kind(symbol: str) -> str:
    """An option's underlying and its side, by its symbol: ``NIFTY PE``."""
    name = re.match("[^0-9]*", symbol)
    return f"{name[0] if name is not None else symbol} {symbol[-2:]}"


def _crosses(found: Day, tags: dict[str, str], ours: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether another's sale was a moment before ours, and ours had left before it was heard of."""
    apart_ns = _stamp_ns(ours["fill_timestamp"]) - _stamp_ns(other["fill_timestamp"])
    heard = next(
        (
            ts
            for ts, event in found.entries
            for report in _reports(event)
            if report.broker_order_id == other["order_id"] and report.filled_units
        ),
        1 << 62,
    )
    tag = tags[ours["order_id"]]
    left = next(
        (
            ts
            for ts, event in found.entries
            if isinstance(event, OrderSendStarted) and (event.tag, event.action) == (tag, "PLACE")
        ),
        1 << 62,
    )
    within_ns = max(HEARD_S, HEARD_REAL_S * found.speed) * NS_PER_S
    return left <= heard and apart_ns <= within_ns


def _stamp_ns(text: str) -> int:
    """``YYYY-MM-DD HH:MM:SS`` of the exchange, in ns UTC."""
    day, _, moment = text.partition(" ")
    return ist_ns(int(day.replace("-", "")), moment)


def _key(trade: dict[str, Any]) -> Key:
    return trade["exchange"], trade["tradingsymbol"], trade["product"]


# --- positions -----------------------------------------------------------------------------------


def positions_agree(found: Day) -> Iterator[str]:
    """At rest, or when the exchange was killed, ours is what its own trades leave to us, or an
    incident that is open then tells it."""
    for symbol, ours, theirs, code in _apart(found):
        if code is None:
            yield f"{symbol}: ours {ours}, the exchange's {theirs}, nobody was told"


def not_judged(found: Day) -> list[str]:
    """Contracts that were apart or short and why that is no fault: the incident that tells it,
    MOVING before a kill, or CROSSED by another's sale."""
    apart = [f"{symbol} {code}" for symbol, _, _, code in _apart(found) if code is not None]
    shorts = (
        f"{symbol} CROSSED {units}" for _, symbol, units, crossed in _shorts(found) if crossed
    )
    return [*apart, *shorts]


def _apart(found: Day) -> Iterator[tuple[str, int, int, str | None]]:
    """Symbol, ours, theirs and what explains it, of each contract on which they differ."""
    theirs, ours, moving = _left_to_us(found), _ours(found), _moving(found)
    left = open_incidents(found, found.until_ns)
    for symbol in sorted({*theirs, *ours}):
        if theirs[symbol] != ours[symbol]:
            told = next((code for code in _told_of(found, symbol, left)), None)
            code = "MOVING" if told is None and symbol in moving else told
            yield symbol, ours[symbol], theirs[symbol], code


def _told_of(found: Day, symbol: str, left: Sequence[Subject]) -> Iterator[str]:
    """The open incidents that say not to trust what is shown of a contract."""
    orders = _last_orders(found)
    for code, subject in left:
        of_one = code in TOLD_OF_ONE and subject.split(":")[1:2] == [symbol]
        order = orders.get(subject) if code in UNKNOWN_CODES else None
        unknown = order is not None and found.symbol(order.contract) == symbol
        if code in TOLD_OF_ALL or of_one or unknown:
            yield code


def _moving(found: Day) -> set[str]:
    """Contracts with an update of the exchange, or a fill of ours, shortly before it was killed."""
    if not found.exchange_killed:
        return set()
    since_ns = found.until_ns - MOVING_NS
    symbols = {order["order_id"]: order["tradingsymbol"] for order in found.account["orders"]}
    late = {one["order_id"] for one in found.account["updates"] if one["ts"] >= since_ns}
    filled = {
        found.symbol(event.contract)
        for ts, event in found.entries
        if isinstance(event, FillApplied) and since_ns <= ts <= found.until_ns
    }
    return filled | {symbols[order_id] for order_id in late if order_id in symbols}


def _left_to_us(found: Day) -> Counter[str]:
    """Units by symbol that are ours by the exchange's trades: what others sell comes out of what
    others hold first, what they buy out of what others are short of, then of our sold legs."""
    own = {order["order_id"] for order in found.account["orders"] if order["tag"]}
    ours: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for trade in found.account["trades"]:
        symbol, units = trade["tradingsymbol"], trade["quantity"]
        buys = trade["transaction_type"] == "BUY"
        if trade["order_id"] in own:
            ours[symbol] += units if buys else -units
        elif buys:
            of_ours = min(max(units - max(-others[symbol], 0), 0), max(-ours[symbol], 0))
            ours[symbol] += of_ours
            others[symbol] += units - of_ours
        else:
            of_ours = min(max(units - max(others[symbol], 0), 0), max(ours[symbol], 0))
            ours[symbol] -= of_ours
            others[symbol] -= units - of_ours
    return ours


def _ours(found: Day) -> Counter[str]:
    """Units by symbol in the engine's books: its fills."""
    ours: Counter[str] = Counter()
    for ts, one in found.entries:
        if isinstance(one, FillApplied) and ts <= found.until_ns:
            units = one.quantity_units if one.side == "BUY" else -one.quantity_units
            ours[found.symbol(one.contract)] += units
    return ours


# --- what came -----------------------------------------------------------------------------------


def updates_kept(found: Day) -> Iterator[str]:
    """What a socket was sent of an order is in the journal, or a later report makes up for it."""
    heard: set[tuple[str, str, int]] = set()
    known: dict[str, int] = {}
    filled: dict[str, int] = {}
    for ts, event in found.entries:
        for report in _reports(event):
            order_id, units = report.broker_order_id, report.filled_units
            heard.add((order_id, report.status, units))
            known[order_id] = max(known.get(order_id, 0), ts)
            filled[order_id] = max(filled.get(order_id, 0), units)
    before_ns = found.until_ns - MOVING_NS if found.exchange_killed else found.until_ns
    for one in found.account["updates"]:
        order_id, units = one["order_id"], one["filled_quantity"]
        later = known.get(order_id, 0) >= one["ts"] and filled[order_id] >= units
        what = (order_id, one["status"], units)
        if one["heard"] and one["ts"] < before_ns and what not in heard and not later:
            yield f"the update {what} was sent and is nowhere"


def _reports(event: Event) -> Sequence[BrokerReport]:
    if isinstance(event, BrokerUpdate):
        return (event.report,)
    if isinstance(event, OrderLookup):
        return (event.report,) if event.report is not None else ()
    return event.orders or () if isinstance(event, BrokerSnapshot) else ()


def drops_counted(found: Day) -> Iterator[str]:
    """The frames that the engine says it dropped are those of the journal, since it was started."""
    if found.answer is None:
        if found.code == 0:
            yield "the engine gave no document of its figures"
        return
    said, told = found.answer["frames_dropped"], dropped(found, of_last_life=True)
    if said != told:
        yield f"the engine dropped {said} frames, and told of {told}"


def dropped(found: Day, *, of_last_life: bool = False) -> int:
    """Frames that were lost by the journal's word."""
    count = 0
    for _, event in found.entries:
        if isinstance(event, SessionResumed) and of_last_life:
            count = 0
        elif isinstance(event, FramesDropped):
            count += event.frames
    return count


def gaps_told(found: Day) -> Iterator[str]:
    """A silence of the feed is told: as a gap, as a lost connection, or as the engine's own."""
    last, told, silent_s = 0, True, 0
    for ts, event in found.entries:
        if isinstance(event, FeedHealthChanged | FeedStatus | SessionResumed):
            told, silent_s = True, 0  # the end of a silence is said behind the frame that ends it
        elif isinstance(event, FeedFrame):
            if silent_s:
                yield f"{silent_s} s without a frame and without a word before {hhmmss_of(last)}"
            silent = bool(last) and ts - last > GAP_NS and not told
            silent_s = (ts - last) // NS_PER_S if silent else 0
            last, told = ts, False


CHECKS: Final[tuple[Callable[[Day], Iterator[str]], ...]] = (
    ended_well, incidents_coded, trouble_told, login_loss_told, unknown_told, open_still_holds,
    tags_used_once, messages_kept, never_short, positions_agree, updates_kept, drops_counted,
    gaps_told,
)  # fmt: skip
