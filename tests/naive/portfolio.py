"""What is held and entering, naively: premium, net greeks, the corners of the stress.

Lives here: ``held_of`` and N6's rows of it. May import: events. Always holds: a working entry
counts as filled; every price in a corner is Black-76 anew; what is not known of one leg leaves all
unknown. Start reading at ``held_of``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.naive import chain
from tests.naive.black import Greeks, Model, nearest
from tests.naive.book import Book
from tests.naive.sight import Row, Sight, most

CORNERS = ((-1, -1), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 1))


@dataclass
class Held:
    """Legs as (contract, units, premium); the rest None where one leg's is not known."""

    legs: list[tuple[int, int, int]]
    net: list[int] | None
    corners: list[int] | None

    def premium(self, book: Book, field: str, wanted: object) -> int:
        """The premium of the legs whose instrument has such a value."""
        return sum(p for i, _, p in self.legs if getattr(book.rows[i], field) == wanted)


def held_of(book: Book) -> Held:
    """The book as it stands."""
    legs = []
    for held in [*book.positions.values(), *book.shorts.values()]:
        if held.units:
            legs.append((held.contract, held.units, held.value))
    for order in book.orders.values():
        left = order.units - order.filled
        if order.role == "ENTRY" and left > 0:
            legs.append((order.contract, left, left * order.limit))
    net, corners = [0, 0, 0, 0], [0] * 6
    for contract, units, _ in legs:
        found = valued(book, contract)
        if found is None:
            return Held(legs, None, None)
        model, vol, worth = found
        row = book.rows[contract]
        strike = float(row.strike_paise)
        greeks = exposure(model.forward, model.greeks(strike, row.kind, vol), units)
        for i, value in enumerate(greeks):
            net[i] += value
        for i, result in enumerate(corners_of(book, model, strike, row.kind, vol, worth)):
            corners[i] += result * units // 1_000
    return Held(legs, net, corners)


def valued(book: Book, contract: int) -> tuple[Model, float, float] | None:
    """What prices a contract, its volatility and its worth."""
    row, quote = book.rows[contract], book.at(contract)
    if quote is None or not book.is_fresh(quote):
        return None
    one = next((u for u in book.underlyings if u.name == row.underlying), None)
    expiry = None
    if one is not None:
        expiry = next((e for e in one.expiries if e.day == row.expiry), None)
    if one is None or expiry is None:
        return None
    seen = next((s for s in one.chain if s.expiry is expiry), None)
    seen = seen or chain.look_at(book, one, expiry, None)
    if seen.forward is None or seen.t <= 0.0:
        return None
    vol, worth = seen.vol, float(quote.bid or quote.ltp)
    if quote.two_sided:
        worth = (quote.bid + quote.ask) / 2
        place = expiry.strikes.index(row.strike_paise)
        vol = chain.vol_of(book, seen, contract, chain.tick_of(book, expiry, place)) or vol
    return (seen.model, vol, worth) if vol is not None else None


def exposure(forward: float, greeks: Greeks, units: int) -> list[int]:
    """Delta of 1 %, gamma of 1 %², vega, theta of so many units, paise."""
    step = forward * 0.01
    return [
        nearest(greeks.delta * step * units),
        nearest(greeks.gamma * step * step * units),
        nearest(greeks.vega * units),
        nearest(greeks.theta * units),
    ]


def corners_of(
    book: Book, model: Model, strike: float, right: str, vol: float, cost: float
) -> list[int]:
    """The result of a unit in every corner, thousandths of a paisa; it loses its cost at most."""
    config, results = book.config.risk, []
    for up, wilder in CORNERS:
        moved = Model(model.forward * (1 + up * config.stress_move_bps / 10_000), model.t, model.df)
        worth = moved.price(strike, right, vol * (1 + wilder * config.stress_vol_bps / 10_000))
        results.append(nearest(max(worth - cost, -cost) * 1_000))
    return results


# --- N6 ------------------------------------------------------------------------------------------


def exposure_row(sight: Sight) -> Row | None:
    held = held_of(sight.book)
    if not held.legs:
        return None
    premium = held.premium(sight.book, "underlying", sight.one.name)
    limit = sight.book.capital * sight.book.config.risk.exposure_underlying_bps_max // 10_000
    return most("exposure", premium, limit, "RISK_EXPOSURE")


def net_row(name: str, place: int) -> Callable[[Sight], Row | None]:
    def row(sight: Sight) -> Row | None:
        held = held_of(sight.book)
        if not held.legs:
            return None
        seen = None
        if held.net is not None:
            seen = abs(held.net[place])
            if name == "theta":
                seen = max(-held.net[place], 0)
        bps = getattr(sight.book.config.risk, f"net_{name}_bps_max")
        limit, code = sight.book.capital * bps // 10_000, f"RISK_NET_{name.upper()}"
        return most(f"net_{name}", seen, limit, code, "RISK_GREEKS_UNKNOWN")

    return row


def stress_row(sight: Sight) -> Row | None:
    held = held_of(sight.book)
    if not held.legs:
        return None
    loss = max(-min(held.corners), 0) if held.corners is not None else None
    limit = sight.book.capital * sight.book.config.risk.stress_loss_bps_max // 10_000
    return most("stress", loss, limit, "RISK_STRESS", "RISK_GREEKS_UNKNOWN")


TABLE: dict[str, Callable[[Sight], Row | None]] = {
    "exposure": exposure_row,
    "net_delta": net_row("delta", 0),
    "net_gamma": net_row("gamma", 1),
    "net_vega": net_row("vega", 2),
    "net_theta": net_row("theta", 3),
    "stress": stress_row,
}
