"""``axiom flatten --emergency``: an account is made flat without the engine, from its own books.

Lives here: ``Emergency``. May import: adapters.kite, engine.ports, events. Always holds: nothing is
sold but what the broker's books show, once every order of the account is known to be over and the
books have stood still; a message whose fate is not known is searched by its tag and never sent
again; it ends FLAT only where believed books show no position and no working order, twice.
Start reading at ``Emergency.run``, then ``Emergency._turn``.

A round: cancel all that works, wait until it is over, read the positions, sell each at the bid less
a collar, wait a little, and again with a wider collar. Every re-pricing is a cancel to a terminal
state and a new order, never a modification: what is then sold is what was then read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from adapters.kite import flatten_plan as plan
from adapters.kite.calls import Reply
from adapters.kite.errors import CANCEL, PLACE
from adapters.kite.flatten_plan import Freeze, Held, Left, Symbol, Terms
from adapters.kite.order_form import BUY, SELL
from engine.ports import Authority, ExitAuthority
from events.base import Event
from events.broker import (
    BrokerReport,
    BrokerSnapshot,
    ObservedQuote,
    OrderSendResult,
    OrderSendStarted,
    QuotesObserved,
)

FLAT: Final = "FLAT"
INCOMPLETE: Final = "FLATTEN_INCOMPLETE"

NS_PER_MS: Final = 1_000_000

FATAL: Final = ("TOKEN", "IP", "PERMISSION", "ACCOUNT", "ADDRESS")
"""Faults after which no further message can do anything."""

PERMANENT: Final = (
    "CLOSED", "FREEZE", "HOLDING", "INPUT", "INSTRUMENT", "LOT", "ORDER_TYPE", "PRODUCT", "TICK",
)  # fmt: skip
"""Faults after which this contract's order would be refused again."""

PRICE: Final = ("CIRCUIT", "PRICE_BAND")
"""Faults of a limit that went too far: the next one is at the best price itself."""

REJECTS_MAX: Final = 5


class Broker(Protocol):
    """What the emergency needs of ``KiteOrders``."""

    def snapshot(self, trigger: str, now_ns: int) -> BrokerSnapshot: ...

    def quotes(self, names: Sequence[tuple[int, str]], now_ns: int) -> QuotesObserved: ...

    def dump(self) -> Reply[bytes]: ...

    def send(self, message: OrderSendStarted, authority: Authority) -> OrderSendResult: ...


class Limits(msgspec.Struct, frozen=True):
    """Milliseconds. ``still``: how long the books must not have moved before anything is sold.
    ``lost``: after which an order whose fate is not known is left to a person; ``refused_rate`` the
    same for one that the broker answered with 429, which is then taken as not placed."""

    whole: int = 180_000
    poll: int = 500
    still: int = 1_000
    reprice: int = 3_000
    cancel_again: int = 3_000
    lost: int = 30_000
    refused_rate: int = 5_000
    no_bid: int = 30_000
    unreachable: int = 60_000
    withdraw: int = 10_000


class Outside(msgspec.Struct, frozen=True):
    """What the emergency is given. ``note`` keeps a fact and returns once it is kept, or told of;
    ``say`` is heard by a person; ``clock`` is ns UTC, ``pause`` waits seconds."""

    note: Callable[[Event], None]
    say: Callable[[str], None]
    clock: Callable[[], int]
    pause: Callable[[float], object]
    freeze: Freeze
    who: str = ""
    code_digest: str = ""
    algo_id: str | None = None


class Sent(msgspec.Struct):
    """An order of ours. ``over`` is: known to be terminal, or known never to have been."""

    tag: str
    held: Held
    units: int
    sent_ns: int
    broker_order_id: str | None = None
    fault: str | None = None
    over: bool = False


class Ending(msgspec.Struct, frozen=True):
    """How it ended. ``known`` is false where the positions could not be read at all; ``orders``
    are the broker's ids of what still works, ``doubtful`` the tags of orders whose fate is unknown,
    ``unclear`` contracts whose orders filled more than their positions show."""

    outcome: str
    why: str
    known: bool
    left: tuple[Left, ...]
    orders: tuple[str, ...]
    doubtful: tuple[str, ...]
    unclear: tuple[str, ...]
    cancelled: int
    sold: int
    messages: int


class Stopped(Exception):  # noqa: N818 - named for what it is
    """There is no going on: the fault that says why."""


def authority_for(tag: str, side: str) -> ExitAuthority:
    """The one place where the emergency makes an authority: of a position that the broker's books
    show, or of the end of an order. It opens nothing."""
    return ExitAuthority(tag, covers=side == BUY)


class Emergency:
    """One run. ``name`` begins every tag (letters and digits, at most 14). ``include_short`` also
    buys back what is short."""

    def __init__(
        self,
        broker: Broker,
        outside: Outside,
        name: str,
        *,
        include_short: bool = False,
        limits: Limits | None = None,
    ) -> None:
        self._broker, self._outside, self._name = broker, outside, name
        self._include_short = include_short
        self._limits = limits or Limits()
        self._messages = 0
        self._cancelled: dict[str, int] = {}
        self._sent: list[Sent] = []
        self._seen: dict[str, BrokerReport] = {}
        self._books: BrokerSnapshot | None = None
        self._print: tuple[object, ...] | None = None
        self._doubt: Sequence[str] = ()
        self._moved_ns = 0
        self._terms: dict[Symbol, Terms | None] = {}
        self._step: dict[Symbol, int | None] = {}
        self._rejects: dict[Symbol, int] = {}
        self._blocked: dict[Symbol, str] = {}
        self._no_bid_ns: dict[Symbol, int] = {}
        self._failing_ns: int | None = None

    # --- the way through it -----------------------------------------------------------------------

    def run(self) -> Ending:
        """Until the account is flat, nothing can be done any more, or the time is over."""
        self._outside.say("reading the broker's books")
        until = self._now() + self._limits.whole * NS_PER_MS
        try:
            while True:
                why = self._turn()
                if why is not None:
                    return self.ended(why)
                if self._now() >= until:
                    self._withdraw()
                    return self.ended("TIME")
                self._outside.pause(self._limits.poll / 1000)
        except Stopped as stopped:
            return self.ended(str(stopped))

    def _withdraw(self) -> None:
        """Cancel what still works, so that a person who sells by hand sells no more than is held.
        Raises ``Stopped``."""
        until = self._now() + self._limits.withdraw * NS_PER_MS
        while self._now() < until:
            books = self._read()
            if books is not None:
                self._settle(books)
                rest = plan.working(books)
                if not rest:
                    return
                self._cancel(rest)
            self._outside.pause(self._limits.poll / 1000)

    def ended(self, why: str) -> Ending:
        """How it stands now, by the last books that were believed."""
        books = self._books
        open_now = () if books is None else plan.held(books)
        left = [
            plan.left_of(one, self._blocked.get(one.symbol, self._why_held(one, open_now, why)))
            for one in open_now
        ]
        return Ending(
            FLAT if why == FLAT else INCOMPLETE,
            why,
            books is not None,
            tuple(left),
            () if books is None else tuple(o.broker_order_id for o in plan.working(books)),
            tuple(one.tag for one in self._sent if not one.over and one.broker_order_id is None),
            () if books is None else tuple(" ".join(one) for one in plan.disagreeing(books)),
            len(self._cancelled),
            len(self._sent),
            self._messages,
        )

    def _why_held(self, one: Held, open_now: Sequence[Held], why: str) -> str:
        legs = self._legs(open_now)
        if one.units < 0:
            return why if one in legs else "SHORT"
        under = any(plan.kind_of(leg) == plan.kind_of(one) for leg in legs)
        return "COVERS_SHORT" if under else why

    def _turn(self) -> str | None:
        """One look at the books and what follows from it; why it is over, or None."""
        books = self._read()
        if books is None:
            return None
        self._settle(books)
        rest = plan.working(books)
        if rest:
            most = plan.excess(books)
            self._cancel([one for one in rest if one in most or not self._is_young(one)])
            return None
        if self._now() - self._moved_ns < self._limits.still * NS_PER_MS:
            return None
        doubtful = [one for one in self._sent if not one.over]
        odd = plan.disagreeing(books)
        open_now = plan.held(books)
        if not (open_now or doubtful or odd):
            return FLAT
        ready = self._ready(open_now, odd)
        if ready:
            self._close(ready)
            return None
        waits = odd or any(one.held.symbol not in self._blocked for one in doubtful)
        return None if waits else self._stuck(open_now)

    def _stuck(self, open_now: Sequence[Held]) -> str:
        whys = {
            self._blocked.get(one.symbol) or self._why_held(one, open_now, "LEFT")
            for one in open_now
        }
        return " ".join(sorted(whys)) or "ORDER_UNKNOWN"

    def _ready(self, open_now: Sequence[Held], odd: Sequence[Symbol]) -> list[Held]:
        """What may be closed now. The leg of a pair is bought back before what it stands on is
        sold: alone it could lose without an end."""
        legs = self._legs(open_now)
        under = {plan.kind_of(one) for one in legs}
        wanted = [one for one in open_now if one in legs or one.units > 0]
        return [
            one
            for one in wanted
            if self._may_close(one, odd) and (one.units < 0 or plan.kind_of(one) not in under)
        ]

    def _legs(self, open_now: Sequence[Held]) -> Sequence[Held]:
        """Shorts that are bought back: those of pairs, and any where that was asked for."""
        if self._include_short:
            return [one for one in open_now if one.units < 0]
        return plan.paired(open_now)

    def _may_close(self, one: Held, odd: Sequence[Symbol]) -> bool:
        unclear = any(not sent.over and sent.held.symbol == one.symbol for sent in self._sent)
        return not unclear and one.symbol not in odd and one.symbol not in self._blocked

    def _is_young(self, one: BrokerReport) -> bool:
        """An order of ours that has not waited for its re-pricing yet."""
        mine = self._mine(one)
        if mine is None:
            return False
        return self._now() - mine.sent_ns < self._limits.reprice * NS_PER_MS

    # --- the books --------------------------------------------------------------------------------

    def _read(self) -> BrokerSnapshot | None:
        """Books that can be believed; None where these cannot. Raises ``Stopped``."""
        now = self._now()
        books = self._broker.snapshot("FLATTEN", now)
        doubt = plan.doubts(books, self._seen)
        for text in books.failed:
            fault = [*text.split(), "", ""][1]
            if fault in FATAL:
                self._outside.note(books)
                raise Stopped(fault)
        if doubt:
            self._moved_ns = max(self._moved_ns, now)
            if doubt != self._doubt:
                self._outside.say(f"the books are not believed: {'; '.join(doubt)}")
                self._doubt = doubt
            since = self._first_failure(now)
            if now - since >= self._limits.unreachable * NS_PER_MS:
                self._outside.note(books)
                raise Stopped("BOOKS")
            return None
        self._failing_ns, self._doubt = None, ()
        found = plan.print_of(books)
        if found != self._print:
            self._outside.note(books)
            self._print, self._moved_ns = found, now
        self._books = books
        self._seen = {one.broker_order_id: one for one in books.orders or ()}
        return books

    def _first_failure(self, now: int) -> int:
        if self._failing_ns is None:
            self._failing_ns = now
        return self._failing_ns

    def _mine(self, report: BrokerReport) -> Sent | None:
        for one in self._sent:
            if one.broker_order_id == report.broker_order_id or one.tag in report.tags:
                return one
        return None

    def _settle(self, books: BrokerSnapshot) -> None:
        """Find our orders in the book by id or tag: which are over, and which are given up."""
        for report in books.orders or ():
            mine = self._mine(report)
            if mine is None or mine.over:
                continue
            mine.broker_order_id = report.broker_order_id
            if report.status in plan.ENDS:
                mine.over = True
                self._judge(mine, report)
        listed = {one.broker_order_id for one in books.orders or ()}
        for one in self._sent:
            if not one.over and one.broker_order_id not in listed:
                self._miss(one)

    def _judge(self, mine: Sent, report: BrokerReport) -> None:
        symbol = mine.held.symbol
        self._outside.say(
            f"order {report.broker_order_id}: {report.status}, {report.filled_units} of"
            f" {mine.units} units of {report.tradingsymbol}"
        )
        if report.status != "REJECTED":
            self._rejects.pop(symbol, None)
            return
        self._step[symbol] = None
        self._rejects[symbol] = self._rejects.get(symbol, 0) + 1
        if self._rejects[symbol] >= REJECTS_MAX:
            self._block(symbol, "REJECTED")

    def _miss(self, one: Sent) -> None:
        """An order of ours that the book does not show: searched again and again, never re-sent."""
        waited = (self._now() - one.sent_ns) // NS_PER_MS
        if one.fault == "RATE" and waited >= self._limits.refused_rate:
            one.over = True
        elif waited >= self._limits.lost:
            self._block(one.held.symbol, f"ORDER_UNKNOWN {one.tag}")

    def _block(self, symbol: Symbol, why: str) -> None:
        if symbol not in self._blocked:
            self._outside.say(f"{' '.join(symbol)} is left to a person: {why}")
            self._blocked[symbol] = why

    # --- cancelling -------------------------------------------------------------------------------

    def _cancel(self, orders: Sequence[BrokerReport]) -> None:
        """Ask for the end of every working order, again after a while where it still works."""
        for one in orders:
            last = self._cancelled.get(one.broker_order_id)
            if last is not None and self._now() - last < self._limits.cancel_again * NS_PER_MS:
                continue
            self._cancelled[one.broker_order_id] = self._now()
            self._outside.say(f"cancel {one.broker_order_id}: {one.side} {one.tradingsymbol}")
            tag = f"{self._name}c{self._messages + 1}"
            self._send(
                OrderSendStarted(
                    self._messages + 1, CANCEL, one.broker_order_id, tag, tag, one.broker_order_id,
                    one.variety, one.exchange, one.tradingsymbol, one.side, one.product,
                    one.order_type, one.validity, one.quantity_units, None, None, None, None, None,
                    self._outside.code_digest, "", None, None, self._outside.who,
                ),
                SELL,
            )  # fmt: skip

    # --- selling ----------------------------------------------------------------------------------

    def _close(self, ready: Sequence[Held]) -> None:
        """Sell what was read, if the books still say so after the prices are there: asking for
        them takes a second, in which a person may have sold by hand."""
        if self._learn(ready):
            return
        quoted, before = self._quoted(ready), self._print
        if self._read() is None or self._print != before:
            return
        for one, quote in quoted:
            terms = self._terms[one.symbol]
            assert terms is not None, "an unknown size is blocked"
            step = self._step.get(one.symbol, 0)
            price = plan.limit_paise(one.side, quote, terms, step)
            if price is None:
                self._no_price(one)
                continue
            self._no_bid_ns.pop(one.symbol, None)
            for units in plan.slices(abs(one.units), terms):
                if not self._place(one, units, price):
                    break
                self._step[one.symbol] = 0 if step is None else step + 1

    def _learn(self, ready: Sequence[Held]) -> bool:
        """Lots, ticks and freeze quantities of contracts that were not seen before; whether there
        were any."""
        new = [one for one in ready if one.symbol not in self._terms]
        if not new:
            return False
        reply = self._broker.dump()
        if reply.data is None:
            self._outside.say("the broker's instrument list was not had: strictest sizes are used")
        self._terms.update(plan.terms_of(new, reply.data, self._outside.freeze))
        for one in new:
            if self._terms[one.symbol] is None:
                self._block(one.symbol, "SIZE_UNKNOWN")
        return True

    def _quoted(self, ready: Sequence[Held]) -> list[tuple[Held, ObservedQuote]]:
        """Each with its quote; one without a row counts as one without a price."""
        names = [(place, f"{one.exchange}:{one.tradingsymbol}") for place, one in enumerate(ready)]
        answer = self._broker.quotes(names, self._now())
        self._outside.note(answer)
        fault = (answer.fault or "").split(" ")[0]
        if fault in FATAL:
            raise Stopped(fault)
        by_place = {row.instrument: row for row in answer.rows}
        found = []
        for place, one in enumerate(ready):
            if place in by_place:
                found.append((one, by_place[place]))
            else:
                self._no_price(one)
        return found

    def _no_price(self, one: Held) -> None:
        since = self._no_bid_ns.setdefault(one.symbol, self._now())
        name = "NO_BID" if one.units > 0 else "NO_OFFER"
        self._outside.say(f"{one.tradingsymbol}: {name}")
        if self._now() - since >= self._limits.no_bid * NS_PER_MS:
            self._block(one.symbol, name)

    def _place(self, one: Held, units: int, price_paise: int) -> bool:
        """One order; false where no further one of this contract should follow now."""
        number = self._messages + 1
        tag = f"{self._name}n{number}"
        sent = Sent(tag, one, units, self._now())
        self._outside.say(
            f"{one.side} {units} units of {one.exchange} {one.tradingsymbol} ({one.product}) at"
            f" {price_paise / 100:.2f}, tag {tag}"
        )
        self._sent.append(sent)
        result = self._send(
            OrderSendStarted(
                number, PLACE, f"E{number}", tag, tag, None, "regular", one.exchange,
                one.tradingsymbol, one.side, one.product, "LIMIT", "DAY", units, price_paise, None,
                None, self._outside.algo_id, None, self._outside.code_digest, "", None, None,
                self._outside.who,
            ),
            one.side,
        )  # fmt: skip
        sent.broker_order_id, sent.fault = result.broker_order_id, result.fault
        if result.outcome == "ACCEPTED":
            return True
        sent.over = result.outcome in ("REFUSED", "NOT_SENT")
        if result.fault in PERMANENT and sent.over:
            self._block(one.symbol, result.fault or "")
        elif result.fault in PRICE:
            self._step[one.symbol] = None
        return False

    def _send(self, message: OrderSendStarted, side: str) -> OrderSendResult:
        """The one way out. The start is kept before the message leaves. Raises ``Stopped``."""
        self._messages += 1
        self._outside.note(message)
        result = self._broker.send(message, authority_for(message.tag, side))
        self._outside.note(result)
        if result.outcome != "ACCEPTED":
            said = f": {result.message}" if result.message else ""
            self._outside.say(f"  {result.outcome} {result.fault}{said}")
        if result.fault in FATAL and result.outcome in ("REFUSED", "NOT_SENT"):
            for one in self._sent:
                one.over = one.over or one.tag == message.tag
            raise Stopped(result.fault or "")
        return result

    def _now(self) -> int:
        return self._outside.clock()
