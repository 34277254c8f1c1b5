"""What leaves a position at a broker, priced: below the bid or above the ask, further each time.

Lives here: the limits of exits and of what buys a sold leg back, and their re-pricing. May import:
events, engine. Always holds: pure; no price is made up where nobody quotes one.
Start reading at ``leaving_paise``.
"""

from __future__ import annotations

from typing import Final

from engine.books import MS
from engine.orders.legs import LIMIT, MODIFY, PASSING
from engine.orders.past import refused_before
from engine.orders.wishes import on_tick, tick, to_cancel, to_send
from engine.state import Leg, Order, State
from engine.times import own_times
from events.base import Event

BPS: Final = 10_000


def leaving_paise(state: State, order: Order, step: int) -> int | None:
    """The limit after so many re-pricings, in paise: of a sale below the bid, of a purchase above
    the ask; None without one.

    One that was refused before goes out at the bid or the ask itself: a price band ends beyond it.
    From the day's hard deadline on every other one goes as far as the schedule goes.
    """
    quote = state.quotes[order.contract]
    if quote is None:
        return None
    best = quote.bid_paise if order.side == "SELL" else quote.ask_paise
    if best <= 0:
        return None
    away = best * _collar_bps(state, order, step) // BPS
    if order.side == "SELL":
        return max(on_tick(state, order.contract, best - away), tick(state, order.contract))
    return best + away + -(best + away) % tick(state, order.contract)


def _collar_bps(state: State, order: Order, step: int) -> int:
    settings = state.config.orders
    if step == 0 and refused_before(state, order):
        return 0
    late = state.now >= own_times(state, order.underlying).deadline_ns
    steps = settings.exit_steps_max if late else min(step, settings.exit_steps_max)
    return min(settings.exit_collar_bps + settings.exit_step_bps * steps, BPS)


def repriced(state: State, order: Order, leg: Leg) -> list[Event]:
    """The next price of what works unfilled for long enough; after so many it is replaced."""
    settings = state.config.orders
    if leg.broker_status in PASSING or state.now - leg.priced_ns < settings.exit_reprice_ms * MS:
        return []
    price = leaving_paise(state, order, leg.steps + 1)
    if price is None or price == leg.limit_paise:
        return []
    if leg.modified >= settings.modifications_max:
        return [to_cancel(order, "ORDER_REPLACED")]
    return [to_send(order, MODIFY, LIMIT, order.quantity_units, price, 0)]
