"""A desk in memory: the core, the simulated exchange and the wire between them, on a virtual clock.

Lives here: ``World``, which runs a short piece of a market's day with any crash, any behaviour of
the wire and any lag of the books; what it found. May be used by every test of orders. Always holds:
no thread, no sleep, no randomness; nothing that was not appended survives a crash, and what was not
durable may or may not; the exchange keeps its own ledger and is the truth.
Start reading at ``World.run``.
"""

from __future__ import annotations

import functools
import heapq
import itertools
from collections.abc import Callable
from typing import Any, Final

import msgspec

from adapters.exchange_sim.errors import KiteError
from adapters.exchange_sim.exchange import Exchange
from adapters.exchange_sim.spec import Behaviour
from adapters.kite.reports import basket_paise, net_positions_of, report_of, trade_of, update_of
from engine.config import Config
from engine.core import Core
from engine.history import HistoryQuery
from engine.opening import fresh_account, opening_facts, session_opened
from engine.orders.outbox import Context, Query
from engine.orders.outward import BrokerOutward
from engine.ports import Authority, MarginQuery
from engine.rulebook import Rulebook
from engine.schedule import facts_of
from engine.state import State
from events.base import Event
from events.broker import (
    AuthStatus,
    BrokerFunds,
    BrokerPosition,
    BrokerSnapshot,
    MarginObserved,
    OrderLookup,
    OrderSendResult,
    OrderSendStarted,
    QuotesObserved,
)
from events.feed import FeedFrame, HistoryLoaded, TimerTick
from events.governance import ApprovalRequested, MarginWanted
from events.orders import IntentApproved
from events.session import OperatorCommand, SessionOpened, SessionResumed
from tests.engine.fabricated import SmallMarket, frame_of, relaxed, small_rows

MS: Final = 1_000_000
SECOND: Final = 1_000 * MS
ENTRIES: Final = (IntentApproved, ApprovalRequested)
HEARTBEAT: Final = frame_of(b"\x00")
CONTEXT: Final = Context("127.0.0.1", 0)
FUNDS: Final = BrokerFunds(1_000_000_000_000, 1_000_000_000_000, 0)
"""More than any entry here costs."""


class Wire(msgspec.Struct, frozen=True):
    """How the wire treats one message: whether it arrives, whether its answer does, and when."""

    name: str
    arrives: bool = True
    answered: bool = True
    refused: bool = False
    not_sent: bool = False
    delay_ms: int = 40
    timeout_ms: int = 3_000


GOOD: Final = Wire("good")
LOST_ANSWER: Final = Wire("answer lost", answered=False)
LOST: Final = Wire("message lost", arrives=False, answered=False)
REFUSED: Final = Wire("refused", arrives=False, refused=True)
NOT_SENT: Final = Wire("not sent", arrives=False, not_sent=True)
SLOW: Final = Wire("slow and unanswered", answered=False, delay_ms=2_500)
WIRES: Final = (GOOD, LOST_ANSWER, LOST, REFUSED, NOT_SENT, SLOW)


class Crash(Exception):  # noqa: N818 - named for the condition
    """The engine dies here."""


class Found(msgspec.Struct, frozen=True):
    """What a run came to: problems in words, steps taken, the state and the exchange's ledger."""

    problems: tuple[str, ...]
    steps: int
    state: State
    ledger: tuple[tuple[str, str, str, int], ...]
    facts: int
    facts_list: tuple[tuple[int, Event], ...]


@functools.cache
def begun(settings: tuple[tuple[str, str, Any], ...] = ()) -> tuple[State, int, tuple[Any, ...]]:
    """The small market's session up to just before its first entry: the state, the time of the tick
    that leads to it, and every frame of the day."""
    config = _config(settings)
    market = SmallMarket(cadence_ms=5_000)
    core = Core()
    frames = tuple(market.frames())
    for ts, event in _facts(market, config):
        before = core.state
        if isinstance(event, TimerTick):
            derived = core.step(before.seq + 1, ts, event)
            if any(isinstance(one.entry.event, ENTRIES) for one in derived):
                return before, ts, frames
            for one in derived:
                if isinstance(one.entry.event, MarginWanted):
                    core.step(core.state.seq + 1, ts, _margin_of(one.entry.event, ts))
        else:
            core.step(before.seq + 1, ts, event)
        if core.state.now == market.open_ns and not core.state.desk.nets_ns:
            _reconciled(core)
    raise AssertionError("the small market does not trade")


def _config(settings: tuple[tuple[str, str, Any], ...]) -> Config:
    tree: dict[str, dict[str, Any]] = {"orders": {"reconciled_age_s_max": 80_000}}
    for section, name, value in settings:
        tree.setdefault(section, {})[name] = value
    return relaxed(**tree)


def _facts(market: SmallMarket, config: Config) -> Any:
    opened = session_opened(market, config, small_rows(), "c" * 64, "SIM")
    opened = msgspec.structs.replace(opened, rate=1)
    assert isinstance(opened, SessionOpened)
    carried = fresh_account(config, market.day)
    for event in opening_facts(opened, carried, market, small_rows()):
        yield market.anchor_ns, event
    yield market.anchor_ns, AuthStatus("OK", "demo", None, None)
    yield from facts_of(market.frames(), market.cycle_rule, market.open_ns, market.close_ns)


def _margin_of(wish: MarginWanted, ts: int) -> MarginObserved:
    """A broker who asks next to nothing for a pair."""
    pair = wish.contract, wish.sold_contract, wish.quantity_units
    return MarginObserved(ts, *pair, 1, None)


def _reconciled(core: Core) -> None:
    now = core.state.now
    empty = BrokerSnapshot("START", now, (), (), (), FUNDS, ())
    core.step(core.state.seq + 1, now, empty)


class World:
    """One schedule. ``crash_at`` is the step at which the engine dies (-1: never), ``keep`` whether
    what was appended and not yet durable survives; ``wires`` are those of the messages in order,
    the last one for all that follow. ``restored``: the next engine is on another machine, with a
    copy of the journal from before the entry. ``pairs``: a leg may be sold against what is held."""

    def __init__(
        self,
        wires: tuple[Wire, ...] = (GOOD,),
        crash_at: int = -1,
        keep: bool = True,
        listing_lag_ms: int = 0,
        updates: bool = True,
        flatten_ms: int = 12_000,
        by_hand_ms: int | None = None,
        run_ms: int = 70_000,
        settings: tuple[tuple[str, str, Any], ...] = (),
        behaviour: Behaviour | None = None,
        halt: str | None = None,
        books: str = "good",
        faults: tuple[tuple[str, Any], ...] = (),
        restored: bool = False,
        square_off_ms: int | None = None,
        pairs: bool = False,
    ) -> None:
        state, self.start_ns, frames = begun(settings)
        self.core = Core(state)
        self.states: list[State] = [state]
        self.facts: list[tuple[int, Event]] = []
        self.durable = 0
        self.wires, self.crash_at, self.keep = wires, crash_at, keep
        self.updates, self.restored, self.pairs = updates, restored, pairs
        self.problems: list[str] = []
        self.steps = 0
        self.crashed = False
        self._messages = 0
        self._number = itertools.count()
        self._end_ns = self.start_ns + (run_ms + 5_000) * MS
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self.now = self.start_ns
        plain = behaviour or Behaviour()
        spec = msgspec.structs.replace(plain, listing_lag_ms=listing_lag_ms)
        market = SmallMarket(cadence_ms=5_000)
        self.exchange = Exchange(
            market.instruments(), Rulebook(small_rows()), market.day, None, spec
        )
        for name, value in faults:
            setattr(self.exchange.faults, name, value)
        self.books = books
        self.others = by_hand_ms is not None or square_off_ms is not None
        last = max((f for f in frames if f.ts <= self.start_ns), key=lambda f: f.ts)
        self.exchange.on_frame(last.ts, last.data)
        self._plan(frames, run_ms, flatten_ms, halt, square_off_ms, by_hand_ms)
        self._outward = self._new_outward()
        self._dead_ns = 0
        self._ledger: tuple[tuple[str, str, str, int], ...] = ()
        self._counted = 0

    def _plan(
        self,
        frames: tuple[Any, ...],
        run_ms: int,
        flatten_ms: int,
        halt: str | None,
        square_off_ms: int | None,
        by_hand_ms: int | None,
    ) -> None:
        """Everything that will come by itself: frames, beats, the tick of the entry, the end, and
        what others do."""
        for frame in frames:
            if self.start_ns < frame.ts <= self.start_ns + run_ms * MS:
                self._at(frame.ts, functools.partial(self._frame, frame.data))
        for beat in range(500, run_ms, 500):
            self._at(self.start_ns + beat * MS, self._beat)
        self._at(self.start_ns, functools.partial(self.arrive, TimerTick(self.start_ns, 0)))
        command = OperatorCommand("HALT", "t", "end", None, halt or "FLATTEN", "c1", "NONE")
        self._at(self.start_ns + flatten_ms * MS, functools.partial(self.arrive, command))
        if square_off_ms is not None:
            at = self.start_ns + square_off_ms * MS
            self._at(at, lambda: self.exchange.square_off(self.now))
        if by_hand_ms is not None:
            self._at(self.start_ns + by_hand_ms * MS, self._by_hand)

    def _new_outward(self) -> BrokerOutward:
        return BrokerOutward(lambda: self.core.state, self, lambda: CONTEXT)

    def _at(self, due_ns: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (due_ns, next(self._number), action))

    def forget_margins(self) -> None:
        """The broker has said nothing yet of what he asks for a pair."""
        state = self.core.state
        desk = msgspec.structs.replace(state.desk, margins=())
        self.core = Core(msgspec.structs.replace(state, desk=desk))
        self.states = [self.core.state]

    def at(self, after_ms: int, action: Callable[[], None]) -> None:
        """Something that happens so long after the beginning."""
        self._at(self.start_ns + after_ms * MS, action)

    # --- the run ---------------------------------------------------------------------------------

    def run(self) -> Found:
        """Everything in order of time, with the crash on the way; then what was found."""
        while self._heap and self._heap[0][0] <= self._end_ns:
            due, _, action = heapq.heappop(self._heap)
            self.now = max(self.now, due)
            self._deliver_updates()
            try:
                action()
            except Crash:
                self._resume()
            self._check_ledger()
        self._check_rest()
        found = Found(
            tuple(self.problems), self.steps, self.core.state, self.exchange.ledger(),
            len(self.facts), tuple(self.facts),
        )  # fmt: skip
        # Thousands of worlds are made one after the other: nothing of one waits for the collector.
        self.__dict__.clear()
        return found

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self.crash_at:
            raise Crash

    def arrive(self, event: Event) -> None:
        """One fact, as the live driver takes it: append, what starts, settle, release."""
        groups = [self._append(event)]
        while True:
            started = self._outward.starts(self.now, *groups[-1])
            if not started:
                break
            for one in started:
                groups.append(self._append(one))
        self.durable = len(self.facts)
        self._step()
        for fact, derived in groups:
            self._outward.release(self.now, fact, derived)

    def _append(self, event: Event) -> tuple[Event, list[Any]]:
        self._step()
        seq = self.core.state.seq + 1
        self._check_entry(event)
        derived = self.core.step(seq, max(self.now, self.core.state.now), event)
        self.facts.append((self.now, event))
        self.states.append(self.core.state)
        self._step()
        return event, derived

    def _resume(self) -> None:
        """The next engine: what is kept of the journal, then the session goes on after a while."""
        kept = len(self.facts) if self.keep else self.durable
        if self.restored:  # a copy from before the first order
            kept = 0
        del self.facts[kept:], self.states[kept + 1 :]
        self.core = Core(self.states[-1])
        self.crashed = True
        self._outward = self._new_outward()
        self._dead_ns = self.now
        self._at(self.now + 800 * MS, self._again)

    def _again(self) -> None:
        self._dead_ns = 0
        self.arrive(SessionResumed(self.core.state.seq, "0" * 64, 0))
        self.arrive(AuthStatus("OK", "demo", None, None))

    def _living(self, event: Event) -> None:
        """An arrival at an engine that may be dead: then it is lost."""
        if not self._dead_ns:
            self.arrive(event)

    # --- the market ------------------------------------------------------------------------------

    def _frame(self, data: bytes) -> None:
        self.exchange.on_frame(self.now, data)
        self._living(frame_of(data))

    def _beat(self) -> None:
        self.exchange.advance(self.now)
        self._living(HEARTBEAT)

    def _by_hand(self) -> None:
        for exchange, symbol, product, units in self.exchange.ledger():
            if units > 0 or (units < 0 and self.pairs):
                self.exchange.close_by_hand(self.now, exchange, symbol, product, abs(units))

    def _deliver_updates(self) -> None:
        for data in self.exchange.take_updates(self.now):
            if self.updates:
                self._at(
                    self.now + 5 * MS, functools.partial(self._living, update_of("SOCKET", data))
                )

    # --- the worker ------------------------------------------------------------------------------

    def send(self, message: OrderSendStarted, authority: Authority) -> None:
        """A message leaves: what the wire makes of it."""
        self._step()
        wire = self.wires[min(self._messages, len(self.wires) - 1)]
        self._messages += 1
        if wire.arrives:
            self._at(
                self.now + wire.delay_ms * MS, functools.partial(self._at_exchange, message, wire)
            )
        elif wire.refused:
            self._answer(message, "REFUSED", None, "MARGIN", wire.delay_ms)
        elif wire.not_sent:
            self._answer(message, "NOT_SENT", None, "CONNECT", wire.delay_ms)
        if not wire.answered and not wire.refused:
            self._answer(message, "UNKNOWN", None, "TIMEOUT", wire.timeout_ms)

    def _at_exchange(self, message: OrderSendStarted, wire: Wire) -> None:
        try:
            broker_id = _carry_out(self.exchange, self.now, message)
        except KiteError as error:
            if wire.answered:
                self._answer(message, "REFUSED", None, "INPUT", 5, str(error))
            return
        if wire.answered:
            self._answer(message, "ACCEPTED", broker_id, None, 5)

    def _answer(
        self,
        message: OrderSendStarted,
        outcome: str,
        broker_id: str | None,
        fault: str | None,
        after_ms: int,
        text: str | None = None,
    ) -> None:
        result = OrderSendResult(
            message.message_no, message.order_id, outcome, broker_id, fault, None, None, text, 1
        )
        life = len(self.facts) if not self.crashed else -1

        def arrive() -> None:
            # An answer to an engine that has died since is lost with its connection.
            if (life == -1) == self.crashed or not self.crashed:
                self._living(result)

        self._at(self.now + after_ms * MS, arrive)

    def ask_auth(self) -> None:
        """Whether the exchange takes the login."""
        told = AuthStatus("OK", "demo", None, None)
        self._at(self.now + 40 * MS, functools.partial(self._living, told))

    def ask_snapshot(self, trigger: str) -> None:
        """The books, as they are a moment later."""
        asked = self.now

        def answer() -> None:
            now = self.now
            if self.books == "none":
                nothing = BrokerSnapshot(trigger, asked, None, None, None, None, ("TOKEN",))
                self._at(now + 20 * MS, functools.partial(self._living, nothing))
                return
            snapshot = BrokerSnapshot(
                trigger,
                asked,
                tuple(report_of(one) for one in self.exchange.orders(now)),
                tuple(trade_of(one) for one in self.exchange.trades(now)),
                None if self.books == "no positions" else self._nets(now),
                FUNDS,
                (),
            )
            self._at(now + 20 * MS, functools.partial(self._living, snapshot))

        self._at(self.now + 20 * MS, answer)

    def _nets(self, now: int) -> tuple[BrokerPosition, ...]:
        return net_positions_of(self.exchange.positions(now))

    def ask_lookup(self, query: Query) -> None:
        """Search orders and trades for one of ours."""
        asked = self.now

        def answer() -> None:
            reports = [report_of(one) for one in self.exchange.orders(self.now)]
            found = [
                one
                for one in reports
                if query.tag in one.tags or one.broker_order_id == query.broker_order_id
            ]
            report = found[0] if found else None
            outcome = "FOUND" if report is not None else "ABSENT"
            lookup = OrderLookup(query.order_id, query.tag, asked, outcome, report, None)
            self._at(self.now + 20 * MS, functools.partial(self._living, lookup))

        self._at(self.now + 20 * MS, answer)

    def ask_margin(self, query: MarginQuery) -> None:
        """What the exchange's own calculator says of the pair, while the wire holds."""
        asked = self.now
        legs = ((query.tradingsymbol, "BUY", query.limit_paise),
                (query.sold_tradingsymbol, "SELL", query.sold_limit_paise))  # fmt: skip
        items = [
            {
                "exchange": query.exchange, "tradingsymbol": symbol, "transaction_type": side,
                "variety": "regular", "product": query.product, "order_type": "LIMIT",
                "quantity": query.quantity_units, "price": paise / 100,
            }
            for symbol, side, paise in legs
        ]  # fmt: skip

        def answer() -> None:
            told = self.exchange.basket_margins(self.now, items, consider_positions=True)
            pair = query.contract, query.sold_contract, query.quantity_units
            observed = MarginObserved(asked, *pair, basket_paise(told), None)
            self._at(self.now + 20 * MS, functools.partial(self._living, observed))

        self._at(self.now + 20 * MS, answer)

    def ask_quotes(self, names: tuple[tuple[int, str], ...]) -> None:
        """None: the wire to the quotes is down too."""
        self._at(
            self.now + 20 * MS,
            functools.partial(self._living, QuotesObserved(self.now, (), "NETWORK")),
        )

    def ask_history(self, query: HistoryQuery) -> None:
        """No candles here: the wire to them is down."""
        window = (query.from_ns, query.to_ns)
        nothing = HistoryLoaded(
            query.instrument, query.bar_ms, "WORLD", *window, (), (), (), (), (), (), "NETWORK"
        )
        self._at(self.now + 20 * MS, functools.partial(self._living, nothing))

    # --- the checks, simpler than what they check ------------------------------------------------

    def _check_ledger(self) -> None:
        if self.exchange.ledger() != self._ledger:
            self._ledger = self.exchange.ledger()
            self._check_never_short()
        if self._messages != self._counted:
            self._check_once()

    def _check_never_short(self) -> None:
        """A contract may be sold only as the leg of a pair, and never more of it than is held of
        its kind: whatever happens next, what is sold is covered."""
        kinds: dict[str, int] = {}
        for exchange, symbol, product, units in self.exchange.ledger():
            if units < 0 and not self.pairs:
                self._problem(f"short {units} of {exchange}:{symbol}:{product}")
            kinds[symbol[-2:]] = kinds.get(symbol[-2:], 0) + units
        for kind, units in kinds.items():
            if units < 0 and not self.others:  # a hand may sell the long alone
                self._problem(f"bare {units} of {kind}")

    def _check_once(self) -> None:
        """One order an intent, one entry in one underlying: by the exchange's own book."""
        self._counted = self._messages
        entries: dict[str, int] = {}
        for row in self.exchange.orders(self.now):
            opens = "X" not in (row.get("tag") or "X")
            if opens:
                entries[row["tag"]] = entries.get(row["tag"], 0) + 1
        for tag, count in entries.items():
            if count > 1:
                self._problem(f"{count} orders of one intent {tag}")
        whole = {tag[:15] for tag in entries}
        if len(whole) > 1:
            self._problem(f"{len(whole)} entries in one underlying")

    def _check_entry(self, event: Event) -> None:
        """An entry starts only while nothing that blocks entries holds."""
        if not isinstance(event, OrderSendStarted) or "X" in event.authority:
            return
        state = self.core.state
        desk = state.desk
        if event.action == "PLACE" and (state.account.halts or desk.kill or desk.differences):
            self._problem(f"entry {event.order_id} was sent against a block")

    def _check_rest(self) -> None:
        """At rest our books are the exchange's own."""
        self.exchange.advance(self.now)
        self._counted = -1
        self._check_ledger()
        state = self.core.state
        ours: dict[str, int] = {}
        for position in (*state.positions, *state.shorts):
            symbol = state.instruments[position.contract].tradingsymbol
            ours[symbol] = ours.get(symbol, 0) + position.quantity_units
        for holding in state.desk.holdings:
            ours[holding.tradingsymbol] = ours.get(holding.tradingsymbol, 0) + holding.net_units
        if not self.others:
            for holding in state.desk.holdings:
                self._problem(f"{holding.net_units} units of ours taken for somebody else's")
        theirs = {symbol: units for _, symbol, _, units in self.exchange.ledger() if units}
        if {symbol: units for symbol, units in ours.items() if units} != theirs:
            self._problem(f"books differ at rest: ours {ours}, the exchange's {theirs}")

    def _problem(self, text: str) -> None:
        if text not in self.problems:
            self.problems.append(text)


def _carry_out(exchange: Exchange, now: int, message: OrderSendStarted) -> str:
    """A message as the REST adapter would send it."""
    form: dict[str, Any] = {
        "exchange": message.exchange,
        "tradingsymbol": message.tradingsymbol,
        "transaction_type": message.side,
        "quantity": str(message.quantity_units),
        "product": message.product,
        "order_type": message.order_type,
        "validity": message.validity,
        "tag": message.tag,
    }
    if message.limit_paise:
        form["price"] = f"{message.limit_paise / 100:.2f}"
    if message.trigger_paise:
        form["trigger_price"] = f"{message.trigger_paise / 100:.2f}"
    if message.action == "PLACE":
        return str(exchange.place(now, message.variety, form)["order_id"])
    order_id = message.broker_order_id or ""
    if message.action == "CANCEL":
        return str(exchange.cancel(now, message.variety, order_id)["order_id"])
    fields = ("quantity", "price", "trigger_price", "order_type")
    change: dict[str, Any] = {name: form[name] for name in fields if name in form}
    return str(exchange.modify(now, message.variety, order_id, change)["order_id"])


def is_frame(event: Event) -> bool:
    """Whether a fact is a frame."""
    return isinstance(event, FeedFrame)
