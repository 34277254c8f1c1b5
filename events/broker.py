"""Facts that come from the broker, and what was asked of it.

Lives here: the start and the result of every order message, order reports, whole books, lookups,
quotes asked for by name. May import: events.base. Always holds: what the broker said stands here as
it said it, with its own ids and words; money is integer paise, and an average price is kept as the
value of what was filled, so that no rounding is lost; a list that was not received is None, never
empty; no secret and no address of a person stands in any of them.
"""

from __future__ import annotations

from events.base import Event, Record


class OrderSendStarted(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A message to the broker is about to leave; durable before it does.

    ``action`` is PLACE, MODIFY or CANCEL; ``order_id`` is ours, ``authority`` the intent or exit
    behind it, ``tag`` the client's word that the broker's books show (at most 20 letters and
    digits). ``message_no`` counts the session's messages from 1. Prices None: not part of the
    message. ``protection_bps`` goes with a MARKET order. The rest is kept for the audit:
    ``strategy_digest`` is that of the settings in force, ``egress`` the address the message leaves
    from as it was checked, ``clock_offset_us`` how far the wall clock is ahead of a time server: as
    it was measured at the start, and what it moved since; ``approver`` who approved.
    """

    message_no: int
    action: str
    order_id: str
    authority: str
    tag: str
    broker_order_id: str | None
    variety: str
    exchange: str
    tradingsymbol: str
    side: str
    product: str
    order_type: str
    validity: str
    quantity_units: int
    limit_paise: int | None
    trigger_paise: int | None
    protection_bps: int | None
    algo_id: str | None
    strategy_id: str | None
    code_digest: str
    settings_digest: str
    egress: str | None
    clock_offset_us: int | None
    approver: str | None


class OrderSendResult(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What became of a message, as far as its own answer tells.

    ``outcome`` is ACCEPTED (the broker has it), REFUSED (it certainly did nothing), NOT_SENT (it
    never left this machine) or UNKNOWN (anything else: it may be live). ``fault`` is the row of the
    adapter's error table, ``error_class``, ``http_status`` and ``message`` are the broker's own.
    """

    message_no: int
    order_id: str
    outcome: str
    broker_order_id: str | None
    fault: str | None
    error_class: str | None
    http_status: int | None
    message: str | None
    elapsed_us: int


class BrokerReport(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One order as the broker shows it. ``status`` is its own word; ``fault`` is the row of the
    adapter's error table that its message fits, None where none does.

    ``filled_units`` is cumulative and ``filled_value_paise`` the sum of price times units behind
    it. Prices 0: none. Times ns UTC, None where not told or not a time.
    """

    broker_order_id: str
    exchange_order_id: str | None
    parent_order_id: str | None
    status: str
    status_message: str | None
    fault: str | None
    tags: tuple[str, ...]
    variety: str
    exchange: str
    tradingsymbol: str
    side: str
    product: str
    order_type: str
    validity: str
    quantity_units: int
    filled_units: int
    filled_value_paise: int
    limit_paise: int
    trigger_paise: int
    order_ts: int | None
    exchange_update_ts: int | None


class BrokerUpdate(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An order report that came by itself. ``source`` is SOCKET or POSTBACK.

    Duplicates, reorderings and losses are the rule: it may tell less than what is known already.
    """

    source: str
    report: BrokerReport


class BrokerTrade(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One trade of the broker's trade book."""

    trade_id: str
    broker_order_id: str
    exchange: str
    tradingsymbol: str
    side: str
    product: str
    quantity_units: int
    price_paise: int
    fill_ts: int | None


class BrokerPosition(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One row of the broker's net positions; its key is exchange, tradingsymbol and product."""

    exchange: str
    tradingsymbol: str
    product: str
    net_units: int
    overnight_units: int
    buy_units: int
    sell_units: int
    buy_value_paise: int
    sell_value_paise: int
    last_paise: int


class BrokerFunds(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The segment's money: ``net_paise`` may be spent, ``utilised_paise`` is blocked."""

    net_paise: int
    cash_paise: int
    utilised_paise: int


class BrokerSnapshot(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The broker's books as received. ``trigger`` is START, RECONNECT, PERIODIC, BEFORE_CLOSE,
    AFTER_CLOSE, COMMAND or FLATTEN; ``asked_ts`` is when the first of the requests began.

    A book that was not received is None and named in ``failed`` with its fault: an absent report
    is not flat.
    """

    trigger: str
    asked_ts: int
    orders: tuple[BrokerReport, ...] | None
    trades: tuple[BrokerTrade, ...] | None
    positions: tuple[BrokerPosition, ...] | None
    funds: BrokerFunds | None
    failed: tuple[str, ...]


class OrderLookup(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The broker's books were searched for one order of ours, by its tag or the broker's id.

    ``outcome`` is FOUND, ABSENT (orders and trades were both received and neither has it) or
    FAILED. ABSENT does not mean that it is not there: a book may lag.
    """

    order_id: str
    tag: str
    asked_ts: int
    outcome: str
    report: BrokerReport | None
    fault: str | None


class ObservedQuote(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The best of a book as a request showed it; price 0 is: no level."""

    instrument: int
    ltp_paise: int
    bid_units: int
    bid_paise: int
    ask_units: int
    ask_paise: int
    stamp_ts: int | None


class QuotesObserved(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Quotes that were asked for while the feed was silent; they are no ticks and close no bar."""

    asked_ts: int
    rows: tuple[ObservedQuote, ...]
    fault: str | None


class MarginObserved(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What the broker asks for a pair, by request: premium and margin together, the positions that
    are held beside it. ``required_paise`` None: he did not say, and ``fault`` tells why."""

    asked_ts: int
    contract: int
    sold_contract: int
    quantity_units: int
    required_paise: int | None
    fault: str | None


class AuthStatus(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Whether the broker takes this login. ``status`` is OK, EXPIRED, REFUSED or UNKNOWN.

    ``account`` is the broker's user id, ``expires_ts`` the planned end (06:00 IST), ``fault`` the
    row of the error table behind anything but OK.
    """

    status: str
    account: str | None
    expires_ts: int | None
    fault: str | None
