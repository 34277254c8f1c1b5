"""The account's day in money: the result with open positions, its high, the worst of the trades.

Lives here: figures that gates and the risk machine share, and their reducers. May import: events,
engine. Always holds: a long is marked at its bid less what selling it there costs; a contract whose
quote is missing or too old has no mark, and then the day has no result (None), never a guess; one
that nobody bids for is worth nothing; a sold leg is marked at its ask, and has none without one.
Start reading at ``result_paise``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from engine.books import ENTRY, free_funds_paise, open_risk_paise
from engine.chain import contract_age_ns
from engine.charges import charge_lines, charges_paise
from engine.orders.route import to_broker
from engine.rulebook import RuleMissingError
from engine.shorts import margin_since_paise
from engine.state import Fire, Position, State
from events.broker import BrokerSnapshot

FIRES_MAX: Final = 64
TAIL: Final = 20
"""CVaR is the mean of the worst one in so many."""

NS_PER_S: Final = 1_000_000_000


def share_of(capital_paise: int, bps: int) -> int:
    """A share of the capital in paise, rounded down."""
    return capital_paise * bps // 10_000


def closed_result_paise(state: State) -> int:
    """The day's result of what is closed, less all charges so far."""
    return state.account.realised_paise - state.account.charges_paise


def result_paise(state: State) -> int | None:
    """The day's result if everything were sold at its bid now; None where a mark is not known."""
    total = closed_result_paise(state)
    if not state.positions:
        return total
    oldest_ns = state.now - contract_age_ns(state)
    for position in (*state.positions, *state.shorts):
        open_paise = _open_paise(state, position, oldest_ns)
        if open_paise is None:
            return None
        total += open_paise
    return total


def _open_paise(state: State, position: Position, oldest_ns: int) -> int | None:
    quote, units = state.quotes[position.contract], position.quantity_units
    if units == 0:
        return 0
    if quote is None or not quote.is_fresh(oldest_ns) or state.rules is None:
        return None
    side, price = ("SELL", quote.sell_paise) if units > 0 else ("BUY", quote.ask_paise)
    if units < 0 and price <= 0:
        return None
    try:
        exchange = state.instruments[position.contract].exchange
        lines = charge_lines(state.rules, exchange, side, price, abs(units))
    except RuleMissingError:
        return None
    return price * units - position.value_paise - charges_paise(lines)


def worst_result_paise(state: State) -> int:
    """The day's result if everything open and working were closed at its stop."""
    return closed_result_paise(state) - open_risk_paise(state)


def underlying_result_paise(state: State, underlying: str) -> int:
    """The day's closed result of an underlying, net of charges."""
    return sum(one.paise for one in state.risk.results if one.underlying == underlying)


def tail_of(closed_paise: Sequence[int]) -> int:
    """Mean loss of the worst twentieth of closed positions, one at least, in paise, rounded up; 0
    where they won, or there are none."""
    worst = sorted(closed_paise)[: -(-len(closed_paise) // TAIL)]
    total_paise = sum(net_paise for net_paise in worst)
    return max(-(total_paise // len(worst)), 0) if worst else 0


def cvar_paise(state: State) -> int | None:
    """That mean loss; None while fewer positions were closed than ``risk.cvar_trades_min``: the
    worst of a few is no tail."""
    enough = len(state.risk.closed_paise) >= state.config.risk.cvar_trades_min
    return state.risk.tail_paise if enough else None


def fires_of(state: State, strategy_id: str, underlying: str) -> int:
    """Entries that a strategy got approved in an underlying within the configured window."""
    since_ns = state.now - state.config.risk.repeat_window_s * NS_PER_S
    mine = (one for one in state.risk.fires if one.strategy_id == strategy_id)
    return sum(1 for one in mine if one.underlying == underlying and one.at_ns > since_ns)


def fires_today(state: State, strategy_id: str, underlying: str) -> int:
    """Entries of the day that a strategy got approved in an underlying: those of earlier days are
    not carried over, and a person's ``resume`` after a repeated fire counts anew."""
    return sum(
        1
        for one in state.risk.fires
        if one.strategy_id == strategy_id and one.underlying == underlying
    )


def entering(state: State) -> int:
    """Entries that work and have no fill: each is a trade of the day before its first one."""
    return sum(1 for one in state.orders if one.role == ENTRY and one.filled_units == 0)


def funds_paise(state: State) -> int | None:
    """What may be spent: the account's own reckoning, and no more than a broker says, less what his
    figure cannot know of yet. None where he has not said."""
    ours = free_funds_paise(state)
    if not to_broker(state):
        return ours
    risk = state.risk
    if not risk.funds_ns:
        return None
    entering = sum(
        one.limit_paise * (one.quantity_units - one.filled_units)
        for one in state.orders
        if one.role == ENTRY
    )
    since = sum(one.value_paise for one in state.positions if one.opened_ns >= risk.funds_ns)
    # What is sold against them since keeps money too; what it brought is not counted on.
    since += margin_since_paise(state, risk.funds_ns)
    return min(ours, risk.funds_paise - entering - since)


# --- reducers ------------------------------------------------------------------------------------


def with_funds(state: State, event: BrokerSnapshot) -> State:
    """What the broker says may be spent, where its books have it."""
    if event.funds is None:
        return state
    risk = replace(state.risk, funds_paise=event.funds.net_paise, funds_ns=event.asked_ts)
    return replace(state, risk=risk)


def with_high(state: State) -> State:
    """The day's highest result after something that may have raised it."""
    result = result_paise(state)
    if result is None or result <= state.risk.high_paise:
        return state
    return replace(state, risk=replace(state.risk, high_paise=result))


def with_tail(state: State) -> State:
    """The mean loss of the worst closed positions after another was closed."""
    tail = tail_of(state.risk.closed_paise)
    return replace(state, risk=replace(state.risk, tail_paise=tail))


def with_fire(state: State, strategy_id: str, underlying: str, ts: int) -> State:
    """An entry was approved. The slices of one entry come at one time and count once."""
    fire = Fire(strategy_id, underlying, ts)
    if fire in state.risk.fires:
        return state
    fires = (*state.risk.fires, fire)[-FIRES_MAX:]
    return replace(state, risk=replace(state.risk, fires=fires))
