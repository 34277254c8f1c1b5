"""Derivations from approval to position.

Lives here: intents, exit signals, orders, fills, positions. May import: events.base. Always holds:
an entry order has an ``IntentApproved``, an exit order an ``ExitSignalled``, and there is no third
way; filled quantity is cumulative; quantities are integer units.
"""

from __future__ import annotations

from events.base import Event, Record


class ChargeLine(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One charge of a fill in paise, with the rulebook row's name and whether it is unsure."""

    name: str
    paise: int
    unsure: bool


class IntentApproved(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An entry that passed all eleven stages. ``intent_id`` is its content's id (16 characters).

    ``reference_paise`` is the contract's mid at the decision, from which ``FillApplied`` measures
    its slippage; None in what was upcast from version 1, which did not keep it. ``risk_paise`` is
    the loss at the stop with charges both ways.
    """

    intent_id: str
    underlying: str
    strategy_id: str
    contract: int
    side: str
    quantity_units: int
    lots: int
    limit_paise: int
    reference_paise: int | None
    stop_paise: int
    target_paise: int
    trail_paise: int
    risk_paise: int
    gates_seq: int
    due_ts: int


class SpreadApproved(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The leg that is sold against an approved entry, in the same decision: a debit spread.

    ``leg_id`` is the intent's id and an ``S``. It is sold for ``limit_paise`` or more, once and as
    far as the long is held. ``debit_paise`` is the most that a unit of the pair may cost,
    ``width_paise`` the most that it can be worth. ``stop_paise`` and ``target_paise`` are values of
    a unit of the pair. ``margin_paise`` is kept for the leg, by our own estimate.
    """

    intent_id: str
    leg_id: str
    underlying: str
    strategy_id: str
    contract: int
    quantity_units: int
    limit_paise: int
    reference_paise: int
    width_paise: int
    debit_paise: int
    stop_paise: int
    target_paise: int
    margin_paise: int
    gates_seq: int


class ExitSignalled(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An exit rule fired for a position. ``reason`` is its code (``EXIT_STOP`` and so on).

    It depends on no entry gate. ``trigger_paise`` is the level, ``seen_paise`` the bid that met it;
    where the position is a sold leg, level and value are those of a unit of the pair.
    """

    exit_id: str
    position_id: str
    contract: int
    reason: str
    quantity_units: int
    trigger_paise: int | None
    seen_paise: int | None
    due_ts: int


class OrderChanged(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An order's state: WORKING, PARTIAL, FILLED, CANCELLED, REJECTED or UNKNOWN.

    ``authority`` is the id of the intent or of the exit that allows it. ``filled_units`` is
    cumulative.
    """

    order_id: str
    authority: str
    role: str
    contract: int
    side: str
    status: str
    reason: str | None
    quantity_units: int
    filled_units: int
    limit_paise: int | None


class FillApplied(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A fill with its price, its distance from the mid it was decided at, and its charges."""

    order_id: str
    fill_no: int
    contract: int
    side: str
    quantity_units: int
    price_paise: int
    slippage_paise: int
    charges: tuple[ChargeLine, ...]
    charges_paise: int
    quote_seq: int


class PositionChanged(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A position after a fill: OPEN or CLOSED. ``realised_paise`` is gross of the charges."""

    position_id: str
    underlying: str
    strategy_id: str
    contract: int
    status: str
    quantity_units: int
    average_paise: int
    opened_ts: int
    stop_paise: int
    target_paise: int
    trail_paise: int
    realised_paise: int
    charges_paise: int
    exit_reason: str | None


class PositionSettled(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A long that was left at expiry, settled in cash at the index's closing value.

    ``source`` is CLOSING_PRINT (a print after the closing auction of the day) or PREVIOUS_CLOSE
    (the close that the next day's prints bring), ``source_seq`` the fact that brought it.
    ``payoff_paise`` is of one unit, ``realised_paise`` gross of ``tax_paise``, the tax of the
    exercise. ``unsure`` says that a rule behind it has no first-hand source.
    """

    position_id: str
    underlying: str
    exchange: str
    tradingsymbol: str
    expiry: int
    reason: str
    quantity_units: int
    index_paise: int
    source: str
    source_seq: int
    payoff_paise: int
    realised_paise: int
    tax_paise: int
    unsure: bool


class RiskStateChanged(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The account's day so far, said when a count, a lock or a halt changes.

    Money in paise; ``realised_paise`` is gross of ``charges_paise``.
    """

    status: str
    reason: str
    realised_paise: int
    charges_paise: int
    trades_today: int
    loss_streak: int
    open_risk_paise: int
    cooldown_until_ns: int


class SessionSummarised(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The day in one event, at its close."""

    cycles: int
    decisions: int
    trades: int
    frames: int
    ticks: int
    rejected_frames: int
    realised_paise: int
    charges_paise: int
    open_positions: int
