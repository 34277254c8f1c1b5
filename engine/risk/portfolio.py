"""What is held, as one book: premium, greeks in rupees, and its result in the corners of a stress.

Lives here: the legs of positions and working entries, their greeks, the full revaluation. May
import: events, engine. Always holds: a working entry counts as if it were filled; greeks are paise
of result for a stated move: delta a 1 % move of the underlying, gamma the change of that delta by a
1 % move, vega a volatility point, theta a calendar day; every price in a stress is Black-76 anew; a
long loses its premium at most; without a forward or a volatility there is no figure (None); of
nothing held nothing is reckoned.
Start reading at ``book_of``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.books import ENTRY
from engine.chain import contract_age_ns, expiry_now, tick_of
from engine.exact import floor, log
from engine.options import CALL, Greeks, Pricer, pricer_for
from engine.state import ExpiryState, State

BPS: Final = 10_000.0
ONE_PERCENT: Final = 0.01
CORNERS: Final = ((-1, -1), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 1))
"""Signs of the move of the underlying and of the change of every volatility. Where nothing moves a
straddle loses, which gains in the four others."""


class Leg(msgspec.Struct, frozen=True, gc=False):
    """Units of a contract that are held or may be, with the premium in them (paise); of a sold leg
    both are negative."""

    contract: int
    units: int
    premium_paise: int


class Exposure(msgspec.Struct, frozen=True, gc=False):
    """Greeks of a book or of a lot, in paise of result; see the module for the moves."""

    delta_paise: int
    gamma_paise: int
    vega_paise: int
    theta_paise: int


FLAT: Final = Exposure(0, 0, 0, 0)
NO_RESULT: Final = (0,) * len(CORNERS)


class Book(msgspec.Struct, frozen=True, gc=False):
    """Everything held and entering, with its net greeks and its result in each corner (paise); both
    None where those of one leg are not known."""

    legs: tuple[Leg, ...]
    net: Exposure | None
    corners: tuple[int, ...] | None


NOTHING_HELD: Final = Book((), FLAT, NO_RESULT)


class Valued(msgspec.Struct, frozen=True, gc=False):
    """A contract with what prices it now, and its price in paise."""

    pricer: Pricer
    strike_paise: float
    log_strike: float
    right: str
    vol: float
    worth_paise: float


def book_of(state: State) -> Book:
    """The book as it stands; the same one while nothing is held and nothing enters."""
    if not state.positions and not state.orders:
        return NOTHING_HELD
    legs = legs_of(state)
    found = [valued(state, leg.contract) for leg in legs]
    known = [one for one in found if one is not None]
    if len(known) < len(legs):
        return Book(legs, None, None)
    net, corners = FLAT, list(NO_RESULT)
    for leg, one in zip(legs, known, strict=True):
        log_moneyness = one.pricer.log_forward - one.log_strike
        greeks = one.pricer.greeks(one.strike_paise, one.right, one.vol, log_moneyness)
        net = _sum(net, exposure_of(one.pricer.forward_paise, greeks, leg.units))
        for place, result in enumerate(corners_milli(state, one, one.worth_paise)):
            corners[place] += result * leg.units // 1_000
    return Book(legs, net, tuple(corners))


def legs_of(state: State) -> tuple[Leg, ...]:
    """Everything held and every entry that works, in order of the books."""
    held = tuple(
        Leg(one.contract, one.quantity_units, one.value_paise)
        for one in (*state.positions, *state.shorts)
        if one.quantity_units != 0
    )
    working = tuple(
        Leg(one.contract, left, left * one.limit_paise)
        for one in state.orders
        if one.role == ENTRY and (left := one.quantity_units - one.filled_units) > 0
    )
    return (*held, *working)


def premium_of_underlying(state: State, book: Book, underlying: str) -> int:
    """Premium held or entering in an underlying, in paise."""
    return sum(
        leg.premium_paise
        for leg in book.legs
        if state.instruments[leg.contract].underlying == underlying
    )


def premium_of_expiry(state: State, book: Book, expiry: int) -> int:
    """Premium held or entering that ends on a day (yyyymmdd), of all underlyings, in paise."""
    return sum(
        leg.premium_paise for leg in book.legs if state.instruments[leg.contract].expiry == expiry
    )


def worst_loss_paise(corners: tuple[int, ...]) -> int:
    """The loss in the worst corner, at least 0."""
    return max(-min(corners), 0)


# --- one contract --------------------------------------------------------------------------------


def valued(state: State, contract: int) -> Valued | None:
    """A contract at its quote's mid; None where quote, forward or volatility are not known.

    One whose price carries no volatility (deep in the money, or a tick away from nothing) has that
    of the money: its delta is next to one or to none with any.
    """
    place, quote = _place_of(state, contract), state.quotes[contract]
    oldest_ns = state.now - contract_age_ns(state)
    if place is None or quote is None or not quote.is_fresh(oldest_ns):
        return None
    near, emap = _expiry_of(state, place), state.underlyings[place.u].expiries[place.expiry]
    if near.forward_paise is None or near.t_years <= 0.0:
        return None
    tick = tick_of(state, emap, place.strike)
    pricer = pricer_for(near.forward_paise, near.t_years, near.df, tick)
    strike, log_strike = float(emap.strikes_paise[place.strike]), emap.log_strikes[place.strike]
    vol, worth = near.atm_iv, float(quote.bid_paise or quote.ltp_paise)
    if quote.two_sided:
        worth = (quote.bid_paise + quote.ask_paise) * 0.5
        start = state.vols[contract] or vol
        moneyness = pricer.log_forward - log_strike
        vol = pricer.implied_vol(worth, strike, place.right, start, moneyness).vol or vol
    if vol is None:
        return None
    return Valued(pricer, strike, log_strike, place.right, vol, worth)


class _Place(msgspec.Struct, frozen=True, gc=False):
    """Where an option stands: its underlying's place, its expiry's and its strike's."""

    u: int
    expiry: int
    strike: int
    right: str


def _place_of(state: State, contract: int) -> _Place | None:
    """Where an option stands; None for anything that is none."""
    row = state.instruments[contract]
    for u, umap in enumerate(state.underlyings):
        if umap.name != row.underlying:
            continue
        for e, emap in enumerate(umap.expiries):
            if emap.expiry == row.expiry:
                legs = emap.calls if row.kind == CALL else emap.puts
                return _Place(u, e, legs.index(contract), row.kind) if contract in legs else None
    return None


def _expiry_of(state: State, place: _Place) -> ExpiryState:
    """The expiry as the cycle sees it; one that it does not look at is looked at for this."""
    for one in state.markets[place.u].expiries:
        if one.place == place.expiry:
            return one
    return expiry_now(state, place.u, place.expiry)


def candidate(
    pricer: Pricer, strike_paise: int, right: str, vol: float, entry_paise: int
) -> Valued:
    """A contract that may be entered: worth what it costs."""
    strike = float(strike_paise)
    return Valued(pricer, strike, log(strike), right, vol, float(entry_paise))


def exposure_of(forward_paise: float, greeks: Greeks, units: int) -> Exposure:
    """The greeks of units of a contract, in paise of result."""
    step = forward_paise * ONE_PERCENT
    scale = float(units)
    return Exposure(
        floor(greeks.delta * step * scale + 0.5),
        floor(greeks.gamma * step * step * scale + 0.5),
        floor(greeks.vega_paise * scale + 0.5),
        floor(greeks.theta_paise * scale + 0.5),
    )


def _sum(one: Exposure, other: Exposure) -> Exposure:
    return Exposure(
        one.delta_paise + other.delta_paise,
        one.gamma_paise + other.gamma_paise,
        one.vega_paise + other.vega_paise,
        one.theta_paise + other.theta_paise,
    )


def corners_milli(state: State, one: Valued, entry_paise: float) -> tuple[int, ...]:
    """Result of a unit in every corner, in thousandths of a paisa: its price there less
    ``entry_paise``, and never less than all of that."""
    return tuple(_corner(state, one, entry_paise, up, wilder) for up, wilder in CORNERS)


def worst_of_long_milli(state: State, one: Valued, entry_paise: float) -> int:
    """The least of ``corners_milli`` by one price: an option is worth least where the underlying
    has moved against it and volatility has fallen."""
    return _corner(state, one, entry_paise, -1 if one.right == CALL else 1, -1)


def _corner(state: State, one: Valued, entry_paise: float, up: int, wilder: int) -> int:
    """Black-76 at the moved forward and the changed volatility; intrinsic value where that is all.

    The pricer of the moved forward shares everything but the forward with the one of now.
    """
    config, now = state.config.risk, one.pricer
    moved = 1.0 + up * config.stress_move_bps / BPS
    forward = now.forward_paise * moved
    log_forward = now.log_forward + (log(moved) if up else 0.0)
    pricer = Pricer(forward, now.t_years, now.sqrt_t, now.df, now.rate, now.tick_paise, log_forward)
    deviation = one.vol * (1.0 + wilder * config.stress_vol_bps / BPS) * now.sqrt_t
    value = pricer.intrinsic(one.strike_paise, one.right)
    if deviation > 0.0:
        value += pricer.time_value(one.strike_paise, deviation, log_forward - one.log_strike)[0]
    return floor(max(now.df * value - entry_paise, -entry_paise) * 1_000.0 + 0.5)
