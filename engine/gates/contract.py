"""N10: which contract: expiry, strikes around the money, each with its filters and score.

May import: events, engine. Always holds: every contract looked at is selected or rejected with its
first filter and all others; the order of ``CONTRACT_FILTERS`` is the order of precedence.
Start reading at ``judge``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.chain import contract_age_ns, iv_of, span, tick_of
from engine.exact import floor
from engine.gates.rows import UNKNOWN, at_least, is_true, stage_of
from engine.options import CALL, PUT, Greeks, Pricer, pricer_for
from engine.orders.contracts import barred_contracts
from engine.rulebook import charge_lines, charges_paise, venue_of
from engine.state import ExpiryState, Quote, State
from engine.strategies.signal import UP
from engine.view import View, spread_bps
from events.decision import ContractsScreened, StageVerdict
from events.gates import CONTRACT_FILTERS
from events.reasons import N10
from events.session import Instrument

NONE: Final = -1
ONE_SIDED, STALE, SPREAD, VOLUME, OI, IV, DELTA, PREMIUM, REWARD, CHANGED = (
    1 << place for place in range(len(CONTRACT_FILTERS))
)
DELTA_AIM_MILLI: Final = 500
CRORE_PAISE: Final = 10_000_000
UNDEFINED_WITHOUT_QUOTE: Final = SPREAD | IV | DELTA | PREMIUM | REWARD


class Plan(msgspec.Struct, frozen=True, gc=False):
    """Entry at the ask with its stop, target and trail, and the cost of a lot both ways (paise)."""

    entry_paise: int
    stop_paise: int
    target_paise: int
    trail_paise: int
    charges_lot_paise: int
    lot_units: int

    @property
    def risk_lot_paise(self) -> int:
        return (self.entry_paise - self.stop_paise) * self.lot_units + self.charges_lot_paise

    @property
    def reward_milli(self) -> int:
        gain = (self.target_paise - self.entry_paise) * self.lot_units - self.charges_lot_paise
        return max(gain, 0) * 1000 // self.risk_lot_paise if self.risk_lot_paise > 0 else 0


class Pick(msgspec.Struct, frozen=True, gc=False):
    """One contract looked at: filters failed as bits, score, and what it was judged on."""

    contract: int
    mask: int
    score_milli: int
    plan: Plan | None
    vol: float | None
    greeks: Greeks | None


class Costs(msgspec.Struct, frozen=True, gc=False):
    """A venue's charges as fixed paise an order and paise a crore of paise of turnover."""

    buy_fixed: int
    buy_crore: int
    sell_fixed: int
    sell_crore: int
    unsure: bool

    def both_ways(self, buy_turnover: int, sell_turnover: int) -> int:
        """Charges of a buy and a sell of so much, in paise, rounded up."""
        rate = buy_turnover * self.buy_crore + sell_turnover * self.sell_crore
        return self.buy_fixed + self.sell_fixed - (-rate // CRORE_PAISE)


def costs_of(state: State, exchange: str) -> Costs:
    """The venue's charges in the form the screening uses; exact lines are made at the fill."""
    assert state.rules is not None
    found: list[int] = []
    unsure = False
    for side in ("BUY", "SELL"):
        fixed = charge_lines(state.rules, exchange, side, 0, 1)
        crore = charge_lines(state.rules, exchange, side, CRORE_PAISE, 1)
        found += [charges_paise(fixed), charges_paise(crore) - charges_paise(fixed)]
        unsure = unsure or any(line.unsure for line in crore)
    return Costs(found[0], found[1], found[2], found[3], unsure)


def judge(
    view: View, direction: str, family: str
) -> tuple[StageVerdict, ContractsScreened | None, Pick | None]:
    """Verdict of N10, the screening, and the contract selected (best rejected one with a plan
    where none was: only an assumed evaluation may use that)."""
    near = view.near
    if near is None or near.forward_paise is None or view.state.rules is None:
        row = is_true("expiry", False, "EXPIRY_NONE", UNKNOWN)
        return stage_of(N10, (row,)), None, None
    charges = f":{venue_of(view.umap.exchange)}"
    if any(one.startswith("charge.") and one.endswith(charges) for one in view.state.rules.missing):
        # Without every charge no reward can be reckoned, and no fill could be booked.
        row = at_least("contract", None, 1, "CONTRACT_NONE_LEFT", None, ("CHARGES_MISSING",))
        return stage_of(N10, (is_true("expiry", True, "EXPIRY_NONE"), row)), None, None
    picks, unsure = _screen(view, near, direction)
    passed = [one for one in picks if one.mask == 0]
    best = max(passed, key=_rank) if passed else None
    marks = (_top_filter(picks),) if picks and not passed else ()
    marks = (*marks, "UNSURE_CHARGES") if unsure else marks
    rows = (
        is_true("expiry", True, "EXPIRY_NONE"),
        at_least("contract", len(passed), 1, "CONTRACT_NONE_LEFT", None, marks),
    )
    screened = _screened(view, picks, direction, family, best)
    return stage_of(N10, rows), screened, best or _best_rejected(picks)


def _rank(pick: Pick) -> tuple[int, int]:
    return pick.score_milli, -pick.contract


def _best_rejected(picks: list[Pick]) -> Pick | None:
    planned = [one for one in picks if one.plan is not None]
    return (
        min(planned, key=lambda one: (one.mask.bit_count(), -one.score_milli, one.contract))
        if planned
        else None
    )


def _first_place(mask: int) -> int:
    return (mask & -mask).bit_length() - 1 if mask else NONE


def _top_filter(picks: list[Pick]) -> str:
    """The first filter that rejected most contracts, the earlier of two equally frequent."""
    counts = [0] * len(CONTRACT_FILTERS)
    for one in picks:
        counts[_first_place(one.mask)] += 1
    return CONTRACT_FILTERS[max(range(len(counts)), key=lambda place: (counts[place], -place))]


def _screened(
    view: View, picks: list[Pick], direction: str, family: str, best: Pick | None
) -> ContractsScreened:
    return ContractsScreened(
        view.state.cycle,
        view.umap.name,
        family,
        direction,
        CONTRACT_FILTERS if view.state.changes else CONTRACT_FILTERS[:-1],
        tuple(one.contract for one in picks),
        tuple(_first_place(one.mask) for one in picks),
        tuple(one.mask for one in picks),
        tuple(one.score_milli for one in picks),
        best.contract if best is not None else None,
    )


def _screen(view: View, near: ExpiryState, direction: str) -> tuple[list[Pick], bool]:
    state, emap = view.state, view.umap.expiries[near.place]
    right, legs = (CALL, emap.calls) if direction == UP else (PUT, emap.puts)
    assert near.forward_paise is not None
    costs = costs_of(state, view.umap.exchange)
    picks: list[Pick] = []
    vols = list(state.vols)
    tick = tick_of(state, emap, near.atm_place)
    pricer = pricer_for(near.forward_paise, near.t_years, near.df, tick)
    oldest_ns = state.now - contract_age_ns(state)
    neighbour = near.atm_iv or 0.0
    for place in span(emap, near.atm_place, state.config.contract.window_strikes):
        i = legs[place]
        if i >= 0:
            quote = state.quotes[i]
            if quote is None or not quote.two_sided:
                picks.append(_unquoted(state, i, quote, oldest_ns))
            else:
                # A smile is smooth: the neighbour's root is the nearest start there is.
                vols[i] = neighbour
                vol = iv_of(pricer, emap, place, right, quote, vols, i)
                strike = emap.strikes_paise[place]
                picks.append(_judged(state, costs, pricer, i, strike, right, quote, vol, oldest_ns))
                neighbour = vol or neighbour
    barred = barred_contracts(state)
    if barred:
        picks = [
            msgspec.structs.replace(one, mask=one.mask | CHANGED) if one.contract in barred else one
            for one in picks
        ]
    return picks, costs.unsure


def _unquoted(state: State, i: int, quote: Quote | None, oldest_ns: int) -> Pick:
    """Without two sides every filter that needs a price fails with it."""
    config = state.config.contract
    mask = ONE_SIDED | UNDEFINED_WITHOUT_QUOTE
    if quote is None or not quote.is_fresh(oldest_ns):
        mask |= STALE
    if quote is None or quote.volume_units < config.volume_units_min:
        mask |= VOLUME
    if quote is None or quote.oi_units < config.oi_units_min:
        mask |= OI
    return Pick(i, mask, NONE, None, None, None)


def _judged(
    state: State,
    costs: Costs,
    pricer: Pricer,
    i: int,
    strike_paise: int,
    right: str,
    quote: Quote,
    vol: float | None,
    oldest_ns: int,
) -> Pick:
    config = state.config.contract
    spread = spread_bps(quote)
    plan = _plan(state, costs, quote.ask_paise, state.instruments[i])
    mask = 0
    if not quote.is_fresh(oldest_ns):
        mask |= STALE
    if spread > config.spread_bps_max:
        mask |= SPREAD
    if quote.volume_units < config.volume_units_min:
        mask |= VOLUME
    if quote.oi_units < config.oi_units_min:
        mask |= OI
    if not config.premium_paise_min <= quote.ask_paise <= config.premium_paise_max:
        mask |= PREMIUM
    if plan.reward_milli < config.reward_milli_min:
        mask |= REWARD
    if vol is None:
        return Pick(i, mask | IV | DELTA, NONE, plan, None, None)
    greeks = pricer.greeks(float(strike_paise), right, vol)
    delta = abs(floor(greeks.delta * 1000.0 + 0.5))
    if not config.delta_milli_min <= delta <= config.delta_milli_max:
        mask |= DELTA
    score = max(0, 1000 - abs(delta - DELTA_AIM_MILLI) * 2 - spread * 2)
    return Pick(i, mask, score, plan, vol, greeks)


def _plan(state: State, costs: Costs, entry: int, row: Instrument) -> Plan:
    """Levels in the contract's own tick, the stop rounded down and the target up."""
    config, lot, tick = state.config.plan, row.lot_units, max(row.tick_paise, 1)
    stop = entry - entry * config.stop_bps // 10_000
    target = entry + entry * config.target_bps // 10_000
    stop -= stop % tick
    target += -target % tick
    charges = costs.both_ways(entry * lot, stop * lot)
    return Plan(entry, max(stop, tick), target, entry * config.trail_bps // 10_000, charges, lot)
