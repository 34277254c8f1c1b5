"""N10, naively: the expiry, every contract with its filters and score, the sold leg.

Lives here: ``screen``, ``sold_leg`` and their rows. May import: events. Always holds: a contract is
asked every filter by its name; without an input the filter fails. Start reading at ``screen``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from events.gates import CONTRACT_FILTERS
from tests.naive import chain
from tests.naive.black import Greeks, nearest
from tests.naive.book import MINUTE, Quote
from tests.naive.sight import Row, Sight, holds, least

FILTERS = CONTRACT_FILTERS[:-1]
"""The last is of sessions in real time."""

WEIGHTS = (500, 200, 100, 100, 100)
PARTS = ("score_aim", "score_spread", "score_reward", "score_depth", "score_volume")


@dataclass
class Plan:
    """Prices in paise a unit, charges of a lot."""

    entry: int
    stop: int
    target: int
    trail: int
    charges: int
    lot: int

    @property
    def reward_milli(self) -> int:
        risk = (self.entry - self.stop) * self.lot + self.charges
        gain = (self.target - self.entry) * self.lot - self.charges
        return max(gain, 0) * 1_000 // risk if risk > 0 else 0


@dataclass
class Pick:
    """A contract looked at."""

    contract: int
    failed: list[str]
    score: int = -1
    plan: Plan | None = None
    vol: float | None = None
    greeks: Greeks | None = None
    parts: tuple[int, ...] = ()

    @property
    def mask(self) -> int:
        return sum(1 << CONTRACT_FILTERS.index(name) for name in self.failed)

    @property
    def first(self) -> int:
        return min((CONTRACT_FILTERS.index(name) for name in self.failed), default=-1)


@dataclass
class Screen:
    """A screening: the expiry, its picks in order of the strikes, the one selected."""

    seen: Any
    family: str
    direction: str
    picks: list[Pick] = field(default_factory=list)
    best: Pick | None = None
    lacks: bool = False
    past_known: bool = False

    @property
    def passed(self) -> list[Pick]:
        return [one for one in self.picks if not one.failed]


def screen(sight: Sight, family: str, direction: str) -> Screen | None:
    """The screening of the expiry that is traded; None without one."""
    one, book = sight.one, sight.book
    seen = one.chain[0] if one.chain else None
    if seen is not None and seen.expiry.day == book.opened.day and len(one.chain) > 1:
        seen = one.chain[1]
    if seen is None or seen.forward is None or not book.rules_known:
        return None
    found = Screen(seen, family, direction)
    if book.rules.lacks_charges(one.exchange):
        found.lacks = True
        return found
    past = past_interest(sight, seen.expiry.day)
    found.past_known = past is not None
    right = "CE" if direction == "UP" else "PE"
    window = book.config.contract.window_strikes
    for strike in chain.strikes_around(seen.expiry, seen.money, window):
        contract = seen.expiry.legs.get((strike, right), -1)
        if contract >= 0:
            was = past.get(contract, -1) if past is not None else -1
            found.picks.append(judged(sight, seen, contract, was))
    if found.passed:
        found.best = max(found.passed, key=lambda one: (one.score, -one.contract))
    return found


def past_interest(sight: Sight, expiry: int) -> dict[int, int] | None:
    """The open interest by contract of a quarter to half an hour before the last bar."""
    for bar_ts, day, units in reversed(sight.one.interest):
        if bar_ts <= sight.one.declared_ts - 15 * MINUTE:
            recent = bar_ts >= sight.one.declared_ts - 30 * MINUTE
            return units if recent and day == expiry and units else None
    return None


def shown(found: Screen | None) -> Pick | None:
    """The selected one, else the best rejected one that has a plan: what an assumption uses."""
    if found is None or found.best is not None:
        return found.best if found is not None else None
    planned = [one for one in found.picks if one.plan is not None]
    return min(planned, key=lambda o: (len(o.failed), -o.score, o.contract), default=None)


def judged(sight: Sight, seen: Any, contract: int, was: int) -> Pick:
    """A contract with every filter."""
    book, config, row = sight.book, sight.book.config.contract, sight.book.rows[contract]
    quote = book.at(contract)
    failed = traded(sight, quote, was)
    if quote is None or not quote.two_sided:
        names = "ONE_SIDED SPREAD PREMIUM REWARD DEPTH IV_UNKNOWN DELTA IV_BOUNDS SKEW SCORE"
        return Pick(contract, [*failed, *(f"CONTRACT_{name}" for name in names.split())])
    plan = plan_of(sight, contract, quote)
    units = min(quote.bid_units, quote.ask_units)
    if quote.spread_bps > config.spread_bps_max:
        failed.append("CONTRACT_SPREAD")
    if quote.ask < config.premium_paise_min or quote.ask > config.premium_paise_max:
        failed.append("CONTRACT_PREMIUM")
    if plan.reward_milli < config.reward_milli_min:
        failed.append("CONTRACT_REWARD")
    if units < config.depth_lots_min * row.lot_units:
        failed.append("CONTRACT_DEPTH")
    vol = chain.vol_of(book, seen, contract, seen.tick)
    if vol is None:
        names = "IV_UNKNOWN DELTA IV_BOUNDS SKEW SCORE"
        failed += [f"CONTRACT_{name}" for name in names.split()]
        return Pick(contract, failed, -1, plan)
    greeks = seen.model.greeks(float(row.strike_paise), row.kind, vol)
    delta = abs(nearest(greeks.delta * 1_000))
    if delta < config.delta_milli_min or delta > config.delta_milli_max:
        failed.append("CONTRACT_DELTA")
    failed += volatile(sight, seen, vol)
    parts = parts_of(sight, seen, contract, quote, delta, plan)
    score = sum(w * p for w, p in zip(WEIGHTS, parts, strict=True)) // 1_000
    if score < config.score_milli_min:
        failed.append("CONTRACT_SCORE")
    return Pick(contract, failed, score, plan, vol, greeks, parts)


def traded(sight: Sight, quote: Quote | None, was: int) -> list[str]:
    """The filters that need no price."""
    config, failed = sight.book.config.contract, []
    volume, oi = (quote.volume, quote.oi) if quote is not None else (0, 0)
    if quote is None or not sight.book.is_fresh(quote):
        failed.append("CONTRACT_STALE")
    if volume < config.volume_units_min:
        failed.append("CONTRACT_VOLUME")
    if oi < config.oi_units_min:
        failed.append("CONTRACT_OI")
    fell = was >= 0 and (was - oi) * 10_000 > config.oi_fall_bps_max * was
    if quote is None or (config.oi_fall_bps_max < 10_000 and fell):
        failed.append("CONTRACT_OI_FALL")
    return failed


def volatile(sight: Sight, seen: Any, vol: float) -> list[str]:
    """The filters of its volatility."""
    book, config, failed = sight.book, sight.book.config.contract, []
    vix, features = book.at(book.vix), sight.one.features
    measure = seen.vol
    if vix is not None and vix.ltp > 0 and book.now - vix.seen <= MINUTE:
        measure = vix.ltp / 10_000
    rank = features.implied.days_rank_milli if features is not None else None
    high = rank is not None and rank > config.iv_rank_milli_max
    ratio = nearest(vol / measure * 1_000) if measure else -1
    if high or ratio < config.iv_ratio_milli_min or ratio > config.iv_ratio_milli_max:
        failed.append("CONTRACT_IV_BOUNDS")
    if seen.vol is None or nearest((vol - seen.vol) * 10_000) > config.skew_bps_max:
        failed.append("CONTRACT_SKEW")
    return failed


def parts_of(
    sight: Sight, seen: Any, contract: int, quote: Quote, delta: int, plan: Plan
) -> tuple[int, ...]:
    """The score's five parts, 0 to 1000."""
    config, row = sight.book.config.contract, sight.book.rows[contract]
    if config.strike_by == "MONEYNESS":
        inside = seen.forward - row.strike_paise
        inside = inside if row.kind == "CE" else -inside
        away = abs(inside * 10_000 // seen.forward - config.moneyness_aim_bps)
    else:
        away = abs(delta - config.delta_aim_milli)
    units, lot = min(quote.bid_units, quote.ask_units), row.lot_units
    depth = units * 1_000 // lot if lot > 0 else 0
    return (
        max(1_000 - 2 * away, 0),
        max(1_000 - quote.spread_bps * 1_000 // config.spread_bps_max, 0),
        min(plan.reward_milli // 2, 1_000),
        min(depth // 10, 1_000),
        min(quote.volume * 1_000 // (10 * max(config.volume_units_min, 1)), 1_000),
    )


def plan_of(sight: Sight, contract: int, quote: Quote) -> Plan:
    """Entry at the ask; the stop in ticks downwards, the target upwards."""
    config, row = sight.book.config.plan, sight.book.rows[contract]
    entry, tick, lot = quote.ask, max(row.tick_paise, 1), row.lot_units
    stop = (entry - entry * config.stop_bps // 10_000) // tick * tick
    target = -(-(entry + entry * config.target_bps // 10_000) // tick) * tick
    cost = sight.book.rules.both_ways(sight.one.exchange, entry * lot, stop * lot)
    return Plan(entry, max(stop, tick), target, entry * config.trail_bps // 10_000, cost, lot)


# --- the sold leg --------------------------------------------------------------------------------


@dataclass
class Sold:
    """A contract to sell against the pick."""

    contract: int
    limit: int
    width: int
    debit: int
    stop: int
    target: int
    margin_lot: int
    charges_lot: int
    reward_milli: int


def protected(sight: Sight, pick: Pick) -> int:
    """The most that an entry may pay, in ticks."""
    assert pick.plan is not None
    entry, tick = pick.plan.entry, max(sight.book.rows[pick.contract].tick_paise, 1)
    most = entry + entry * sight.book.config.paper.entry_collar_bps // 10_000
    return most // tick * tick


def sold_leg(sight: Sight, pick: Pick) -> Sold | None:
    """The contract nearest to the width wanted, of those that may be sold."""
    book, row, config = sight.book, sight.book.rows[pick.contract], sight.book.config.defined_risk
    expiry = next((e for e in sight.one.expiries if e.day == row.expiry), None)
    if expiry is None:
        return None
    wanted, found = row.strike_paise * config.width_bps // 10_000, []
    for (strike, right), contract in expiry.legs.items():
        width = strike - row.strike_paise if row.kind == "CE" else row.strike_paise - strike
        if right == row.kind and wanted <= 2 * width <= 4 * wanted:
            found.append((abs(width - wanted), width, contract))
    for _, width, contract in sorted(found):
        quote = book.at(contract)
        if quote is not None and may_be_sold(sight, contract, quote):
            return reckoned(sight, pick, contract, quote, width)
    return None


def may_be_sold(sight: Sight, contract: int, quote: Quote) -> bool:
    book, config = sight.book, sight.book.config
    taken = [*book.positions.values(), *book.shorts.values(), *book.orders.values()]
    if any(one.contract == contract for one in taken):
        return False
    if not quote.two_sided or not book.is_fresh(quote):
        return False
    if quote.spread_bps > config.defined_risk.sold_spread_bps_max:
        return False
    if quote.volume < config.contract.volume_units_min or quote.oi < config.contract.oi_units_min:
        return False
    least_units = config.contract.depth_lots_min * book.rows[contract].lot_units
    return min(quote.bid_units, quote.ask_units) >= least_units


def reckoned(sight: Sight, pick: Pick, contract: int, quote: Quote, width: int) -> Sold:
    book, config, plan = sight.book, sight.book.config.defined_risk, pick.plan
    assert plan is not None
    tick = max(book.rows[contract].tick_paise, 1)
    limit = quote.bid - quote.bid * config.sale_collar_bps // 10_000
    limit = max(-(-limit // tick) * tick, tick)
    debit, turnover = plan.entry - quote.bid, quote.bid * plan.lot
    worst = protected(sight, pick) - limit
    cost = plan.charges + book.rules.both_ways(sight.one.exchange, turnover, turnover)
    loss, gain = worst * plan.lot + cost, (width - worst) * plan.lot - cost
    return Sold(
        contract, limit, width, worst,
        debit - debit * config.stop_bps // 10_000,
        debit + (width - debit) * config.target_bps // 10_000,
        book.kept_margin(contract, plan.lot), cost,
        max(gain, 0) * 1_000 // loss if loss > 0 else 0,
    )  # fmt: skip


# --- rows ----------------------------------------------------------------------------------------


def expiry_row(sight: Sight) -> Row:
    return holds("expiry", sight.screen is not None, "EXPIRY_NONE", known=False)


def contract_row(sight: Sight) -> Row | None:
    found: Screen | None = sight.screen
    if found is None:
        return None
    if found.lacks:
        marks: tuple[str, ...] = ("CHARGES_MISSING",)
        return least("contract", None, 1, "CONTRACT_NONE_LEFT", marks=marks)
    marks = ()
    if found.picks and not found.passed:
        firsts = [one.first for one in found.picks]
        marks = (CONTRACT_FILTERS[max(sorted(set(firsts)), key=firsts.count)],)
    if sight.book.rules.charges_unsure(sight.one.exchange):
        marks = (*marks, "UNSURE_CHARGES")
    if not found.past_known:
        marks = (*marks, "OI_CHANGE_UNKNOWN")
    return least("contract", len(found.passed), 1, "CONTRACT_NONE_LEFT", marks=marks)


def paired(sight: Sight) -> bool:
    """Whether a second leg is asked: of its family, where there is something to buy."""
    assert sight.signal is not None
    return sight.signal.family == "DEFINED_RISK" and shown(sight.screen) is not None


def sold_row(sight: Sight) -> Row | None:
    if not paired(sight):
        return None
    return holds("sold_leg", sight.sold is not None, "SPREAD_NO_LEG")


def reward_row(sight: Sight) -> Row | None:
    if not paired(sight) or sight.sold is None:
        return None
    limit = sight.book.config.defined_risk.pair_reward_milli_min
    return least("pair_reward", sight.sold.reward_milli, limit, "SPREAD_REWARD")


def part_row(place: int) -> Callable[[Sight], Row | None]:
    def row(sight: Sight) -> Row | None:
        pick = shown(sight.screen)
        if pick is None or not pick.parts:
            return None
        return least(PARTS[place], pick.parts[place], 0, "")

    return row


TABLE: dict[str, Callable[[Sight], Row | None]] = {
    "expiry": expiry_row,
    "contract": contract_row,
    "sold_leg": sold_row,
    "pair_reward": reward_row,
    **{gate: part_row(place) for place, gate in enumerate(PARTS)},
}
