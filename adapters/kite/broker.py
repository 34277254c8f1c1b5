"""The broker's REST behind the engine's ports: what may be asked, and what may be sent.

Lives here: ``KiteReads`` (books, lookups, quotes, whether the login is taken) and ``KiteOrders``,
which adds ``send``. May import: adapters.kite, engine.ports, events. Always holds: nothing raises
for what the broker or the network does; a book with one row that cannot be read was not received;
only ``KiteOrders`` reaches the client's order calls, and a client made for ``KiteReads`` refuses
every request but a GET. Start reading at ``KiteOrders.send``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from adapters.kite.calls import IPV4, Caller, Reply, Timeouts
from adapters.kite.credentials import CredentialError, Credentials, planned_expiry
from adapters.kite.errors import CANCEL, MODIFY, NOT_SENT, PLACE, READ, REFUSED, UNKNOWN, Verdict
from adapters.kite.order_form import BUY, SELL, Form, check_fit, form_of
from adapters.kite.rate import OTHER, QUOTE, Pause, ReadLimits
from adapters.kite.rate_file import OrderBudget, since_start_ns
from adapters.kite.reports import (
    DamagedData,
    basket_paise,
    funds_of,
    id_of,
    may_be,
    net_positions_of,
    quote_of,
    report_of,
    rows_of,
    trade_of,
)
from adapters.kite.roots import REST_ROOT
from engine.ports import Authority, ExitAuthority, MarginQuery
from events.broker import (
    AuthStatus,
    BrokerReport,
    BrokerSnapshot,
    BrokerTrade,
    MarginObserved,
    ObservedQuote,
    OrderLookup,
    OrderSendResult,
    OrderSendStarted,
    QuotesObserved,
)

QUOTE_NAMES_MAX: Final = 500
"""Instruments in one quote request (kite.trade, "Market quotes and instruments")."""

PATIENCE_NS: Final = 2_000_000_000
"""How long a message waits for its place in the budget; the engine then decides anew."""

ACCEPTED: Final = "ACCEPTED"
FOUND, ABSENT, FAILED = "FOUND", "ABSENT", "FAILED"
SEGMENT: Final = "equity"
"""Whose margins: derivatives are paid from the equity segment."""

_NS_PER_S: Final = 1_000_000_000

Got = TypeVar("Got")


def _never() -> bool:
    return False


class KiteReads:
    """What may be asked of the broker. It has no way to send, and its client refuses to.

    For one thread at a time. ``pause`` waits so many seconds; ``clock`` is any clock of ns that
    goes forward.
    """

    _MAY_WRITE = False

    def __init__(
        self,
        login: Callable[[], Credentials],
        *,
        root: str = REST_ROOT,
        timeouts: Timeouts | None = None,
        local_address: str = IPV4,
        pause: Callable[[float], object] = time.sleep,
        clock: Callable[[], int] = since_start_ns,
    ) -> None:
        self._login = login
        self._caller = Caller(
            login,
            may_write=self._MAY_WRITE,
            root=root,
            timeouts=timeouts,
            local_address=local_address,
        )
        self._limits = ReadLimits()
        self._pause = pause
        self._clock = clock

    def snapshot(self, trigger: str, now_ns: int) -> BrokerSnapshot:
        """Order book, trades, positions and funds, each None where it was not received."""
        failed: list[str] = []

        def book(name: str, ask: Callable[[Any], Got]) -> Got | None:
            reply = self.read(OTHER, ask)
            if reply.verdict is not None:
                failed.append(f"{name} {fault_of(reply)}")
            return reply.data

        return BrokerSnapshot(
            trigger=trigger,
            asked_ts=now_ns,
            orders=book("orders", _orders),
            trades=book("trades", _trades),
            positions=book("positions", lambda client: net_positions_of(client.positions())),
            funds=book("funds", lambda client: funds_of(client.margins(SEGMENT))),
            failed=tuple(failed),
        )

    def lookup(
        self, order_id: str, tag: str, broker_order_id: str | None, now_ns: int
    ) -> OrderLookup:
        """Search the order book by the broker's id or by our tag, then the trades.

        A row that cannot be read fails the search unless it is seen to be another order; two
        orders under one tag fail it too, with ``TAG_TWICE``.
        """

        def told(outcome: str, report: BrokerReport | None, fault: str | None) -> OrderLookup:
            return OrderLookup(
                order_id=order_id,
                tag=tag,
                asked_ts=now_ns,
                outcome=outcome,
                report=report,
                fault=fault,
            )

        orders = self.read(OTHER, lambda client: _ours(client.orders(), tag, broker_order_id))
        if orders.verdict is not None or orders.data is None:
            return told(FAILED, None, fault_of(orders))
        if len(orders.data) > 1:
            return told(FAILED, None, "TAG_TWICE")
        if orders.data:
            return told(FOUND, orders.data[0], None)
        trades = self.read(OTHER, _trades)
        if trades.verdict is not None or trades.data is None:
            return told(FAILED, None, fault_of(trades))
        if broker_order_id is None or all(
            row.broker_order_id != broker_order_id for row in trades.data
        ):
            return told(ABSENT, None, None)
        # It has traded and is not listed yet: its own history has it.
        history = self.read(OTHER, lambda client: _last(client.order_history(broker_order_id)))
        if history.verdict is not None:
            return told(FAILED, None, fault_of(history))
        return told(FOUND, history.data, None)

    def quotes(self, names: Sequence[tuple[int, str]], now_ns: int) -> QuotesObserved:
        """Quotes of (instrument, ``EXCHANGE:SYMBOL``). What the broker leaves out has no row; that
        and what cannot be read is said in ``fault``, beside the rows that were had."""
        rows: list[ObservedQuote] = []
        fault: str | None = None
        for start in range(0, len(names), QUOTE_NAMES_MAX):
            part = names[start : start + QUOTE_NAMES_MAX]
            reply = self.read(QUOTE, partial(_quotes, part))
            if reply.data is None:
                return QuotesObserved(asked_ts=now_ns, rows=tuple(rows), fault=fault_of(reply))
            found, damage = reply.data
            rows += found
            fault = fault or damage
        return QuotesObserved(asked_ts=now_ns, rows=tuple(rows), fault=fault)

    def margin(self, query: MarginQuery, now_ns: int) -> MarginObserved:
        """What the account must have for the two orders of a pair, beside what it holds: the
        basket's final figure, in which the bought leg covers the sold one."""
        reply = self.read(OTHER, partial(_margin, query))
        fault = None if reply.verdict is None else fault_of(reply)
        pair = query.contract, query.sold_contract, query.quantity_units
        return MarginObserved(now_ns, *pair, reply.data, fault)

    def auth(self, now_ns: int) -> AuthStatus:
        """Whether the broker takes this login, and for which account. One for another account than
        the login was made for is REFUSED."""
        try:
            login = self._login()
        except CredentialError:
            return AuthStatus("EXPIRED", None, None, "TOKEN")
        expires = login.expires_ns or planned_expiry(now_ns)
        reply = self.read(OTHER, lambda client: id_of(client.profile(), "user_id", "profile"))
        if reply.verdict is None:
            if login.user_id not in (None, reply.data):
                return AuthStatus("REFUSED", reply.data, expires, "ACCOUNT")
            return AuthStatus("OK", reply.data, expires, None)
        status = "UNKNOWN"
        if reply.verdict.fault == "TOKEN":
            status = "EXPIRED"
        elif reply.verdict.outcome == REFUSED:
            status = "REFUSED"
        return AuthStatus(status, login.user_id, expires, fault_of(reply))

    def refused_login(self) -> AuthStatus:
        """What is known of the login once an answer said that it is not taken."""
        try:
            login = self._login()
        except CredentialError:
            return AuthStatus("EXPIRED", None, None, "TOKEN")
        return AuthStatus("EXPIRED", login.user_id, login.expires_ns, "TOKEN")

    def dump(self) -> Reply[bytes]:
        """All instruments as the broker's CSV, unread. Some ten megabytes."""
        # The client's own method makes a hundred thousand dictionaries of it.
        return self.read(OTHER, lambda client: _bytes(client._get("market.instruments.all")))

    def read(self, kind: str, ask: Callable[[Any], Got]) -> Reply[Got]:
        """One read at its turn. ``kind`` is QUOTE, HISTORICAL or OTHER."""
        while wait := self._limits.reserve(kind, self._clock()):
            self._pause(wait / _NS_PER_S)
        return self._caller.call(READ, ask)

    def rest(self, seconds: float) -> None:
        """Do nothing for so long, or until who owns the thread wants it back."""
        self._pause(seconds)

    def close(self) -> None:
        """End its connections."""
        self._caller.close()


class KiteOrders(KiteReads):
    """A broker that can be sent orders. ``budget`` and ``silence`` are the account's, shared by
    every object that sends for it in this process; ``halted`` is asked last of all before an entry
    leaves, so that a halt also holds what was on its way. For one thread at a time."""

    _MAY_WRITE = True

    def __init__(
        self,
        login: Callable[[], Credentials],
        budget: OrderBudget,
        silence: Silence | None = None,
        halted: Callable[[], bool] = _never,
        **options: Any,
    ) -> None:
        super().__init__(login, **options)
        self._budget = budget
        self._silence = silence or Silence()
        self._halted = halted

    def send(self, message: OrderSendStarted, authority: Authority) -> OrderSendResult:
        """Send one message whose start is durable. Never again by itself, whatever comes of it.

        Raises ``AuthorityMisfit`` and ``UnsendableMessage``, before anything leaves.
        """
        check_fit(message, authority)
        form = form_of(message)
        started = self._clock()
        is_exit = isinstance(authority, ExitAuthority)
        if not self._turn(is_exit):
            return not_sent(message, "BUDGET", self._since_us(started))
        if not is_exit and message.action != CANCEL and self._halted():
            return not_sent(message, "HALTED", self._since_us(started))
        reply = self._caller.call(message.action, lambda client: self._ask(client, message, form))
        if reply.verdict is not None and reply.verdict.fault == "RATE":
            self._silence.refused(self._clock())
        elif reply.http_status is not None:
            self._silence.answered()
        return _result(message, reply, self._since_us(started))

    def _since_us(self, started_ns: int) -> int:
        return (self._clock() - started_ns) // 1000

    def _turn(self, is_exit: bool) -> bool:
        """Wait for a place in the account's budget; False where it takes too long."""
        until = self._clock() + PATIENCE_NS
        while True:
            now = self._clock()
            wait = self._silence.wait_ns(now, is_exit) or self._budget.reserve(is_exit)
            if wait == 0:
                return True
            if wait is None or now + wait > until:
                return False
            self._pause(wait / _NS_PER_S)

    @staticmethod
    def _ask(client: Any, message: OrderSendStarted, form: Form) -> str:
        """The one place that reaches the client's order calls. Gives the broker's order id."""
        if message.action == PLACE:
            found = client.place_order(**form)
        elif message.action == MODIFY:
            found = client.modify_order(**form)
        else:
            assert message.action == CANCEL
            found = client.cancel_order(**form)
        order_id = id_of({"order_id": found}, "order_id", "answer")
        if message.broker_order_id not in (None, order_id):
            raise DamagedData("answer.order_id")
        return order_id


class Silence:
    """The pause after a 429, shared by the threads that send."""

    def __init__(self) -> None:
        self._pause = Pause()
        self._one = threading.Lock()

    def refused(self, now_ns: int) -> None:
        """The broker said 429."""
        with self._one:
            self._pause.refused(now_ns)

    def answered(self) -> None:
        """The broker said anything else."""
        with self._one:
            self._pause.answered()

    def wait_ns(self, now_ns: int, is_exit: bool) -> int:
        """How long to be silent yet."""
        with self._one:
            return self._pause.wait_ns(now_ns, is_exit)


def fault_of(reply: Reply[Any]) -> str:
    """The fault of a failed reply; of an answer that cannot be read, with the field."""
    assert reply.verdict is not None
    if reply.error_class == DamagedData.__name__:
        return f"{reply.verdict.fault} {reply.message}"
    return reply.verdict.fault


# --- what is asked of the client -----------------------------------------------------------------


def _orders(client: Any) -> tuple[BrokerReport, ...]:
    return rows_of(client.orders(), "orders", report_of)


def _trades(client: Any) -> tuple[BrokerTrade, ...]:
    return rows_of(client.trades(), "trades", trade_of)


def _ours(data: object, tag: str, broker_order_id: str | None) -> tuple[BrokerReport, ...]:
    """The orders of one tag or id. Raises ``DamagedData`` for a row that may be one and cannot be
    read."""
    found: list[BrokerReport] = []
    for row in rows_of(data, "orders", lambda row: row):
        try:
            report = report_of(row)
        except DamagedData:
            if may_be(row, tag, broker_order_id):
                raise
            continue
        if report.broker_order_id == broker_order_id or tag in report.tags:
            found.append(report)
    return tuple(found)


def _last(data: object) -> BrokerReport:
    """The newest row of an order's history; earlier ones leave fields out."""
    rows = rows_of(data, "history", lambda row: row)
    if not rows:
        raise DamagedData("history")
    return report_of(rows[-1])


def _margin(query: MarginQuery, client: Any) -> int:
    legs = (
        (BUY, query.tradingsymbol, query.limit_paise),
        (SELL, query.sold_tradingsymbol, query.sold_limit_paise),
    )
    orders = [
        {
            "exchange": query.exchange, "tradingsymbol": symbol, "transaction_type": side,
            "variety": "regular", "product": query.product, "order_type": "LIMIT",
            "quantity": query.quantity_units, "price": paise / 100,
        }
        for side, symbol, paise in legs
    ]  # fmt: skip
    return basket_paise(client.basket_order_margins(orders, consider_positions=True))


def _quotes(
    names: Sequence[tuple[int, str]], client: Any
) -> tuple[list[ObservedQuote], str | None]:
    data = client.quote([name for _, name in names])
    if not isinstance(data, dict):
        raise DamagedData("quotes")
    rows: list[ObservedQuote] = []
    fault = None
    for instrument, name in names:
        if name not in data:
            fault = fault or f"DATA {name} is absent"
            continue
        try:
            rows.append(quote_of(instrument, data[name]))
        except DamagedData as damage:
            fault = fault or f"DATA {name} {damage.field}"
    return rows, fault


def _bytes(data: object) -> bytes:
    if not isinstance(data, bytes):
        raise DamagedData("instruments")
    return data


# --- what is said of a message -------------------------------------------------------------------


def not_sent(message: OrderSendStarted, fault: str, elapsed_us: int = 0) -> OrderSendResult:
    """The result of a message that never left this machine."""
    return _result(message, Reply(None, Verdict(NOT_SENT, fault), None, None, None), elapsed_us)


def unknown(message: OrderSendStarted, fault: str) -> OrderSendResult:
    """The result of a message of which nothing is known but that it was begun."""
    return _result(message, Reply(None, Verdict(UNKNOWN, fault), None, None, None), 0)


def _result(message: OrderSendStarted, reply: Reply[str], elapsed_us: int) -> OrderSendResult:
    return OrderSendResult(
        message_no=message.message_no,
        order_id=message.order_id,
        outcome=ACCEPTED if reply.verdict is None else reply.verdict.outcome,
        broker_order_id=reply.data,
        fault=None if reply.verdict is None else reply.verdict.fault,
        error_class=reply.error_class,
        http_status=None if reply.verdict is None else reply.http_status,
        message=reply.message,
        elapsed_us=elapsed_us,
    )
