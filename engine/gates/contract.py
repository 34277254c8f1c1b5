"""N10: which contract: expiry, strikes around the money, each with its filters and score.

May import: events, engine. Always holds: every contract looked at is selected or rejected with its
first filter and all others; the order of ``CONTRACT_FILTERS`` is the order of precedence; a filter
whose input is not known rejects, but for the change of open interest outside LIVE.
Start reading at ``judge``.
"""

from __future__ import annotations

import functools
from typing import Final

import msgspec
from msgspec.structs import replace

from engine.chain import contract_age_ns, iv_of, span, tick_of
from engine.charges import charge_lines, charges_paise
from engine.exact import floor
from engine.features.interest import reference
from engine.gates.rows import UNKNOWN, at_least, is_true, stage_of
from engine.gates.score import MONEYNESS, score_of, score_rows
from engine.options import CALL, PUT, Greeks, Pricer, pricer_for
from engine.orders.contracts import barred_contracts
from engine.policy import unknown_blocks
from engine.rulebook import DayRules, venue_of
from engine.state import ExpiryState, Quote, State
from engine.strategies import family_named
from engine.strategies.signal import UP
from engine.view import View, spread_bps
from events.decision import ContractsScreened, StageVerdict
from events.gates import CONTRACT_FILTERS
from events.reasons import N10
from events.session import Instrument

NONE: Final = -1
ONE_SIDED, STALE, SPREAD, VOLUME, OI, IV, DELTA, PREMIUM, REWARD, *_NEWER = (
    1 << place for place in range(len(CONTRACT_FILTERS))
)
DEPTH, OI_FALL, IV_BOUNDS, SKEW, SCORE, CHANGED = _NEWER
CRORE_PAISE: Final = 10_000_000
UNDEFINED_WITHOUT_IV: Final = IV | DELTA | IV_BOUNDS | SKEW | SCORE
UNDEFINED_WITHOUT_QUOTE: Final = SPREAD | PREMIUM | REWARD | DEPTH | UNDEFINED_WITHOUT_IV
NOT_ASKED_BPS: Final = 10_000
"""The whole of it: at this limit no fall is too much, so what is not known need not be."""
VIX_AGE_NS: Final = 60_000_000_000
"""INDIA VIX is the measure of a contract's volatility while it is no older; it prints each 15 s."""
VIX_SCALE: Final = 10_000.0
"""INDIA VIX in paise as it is quoted (1390 is 13.90) over the volatility (0.139)."""


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
        risk = self.risk_lot_paise
        return gain * 1000 // risk if risk > 0 and gain > 0 else 0


class Pick(msgspec.Struct, frozen=True, gc=False):
    """One contract looked at: filters failed as bits, score, and what it was judged on.

    ``greeks`` are those of a contract that is shown; of the others delta alone is asked.
    """

    contract: int
    mask: int
    score_milli: int
    plan: Plan | None
    vol: float | None
    greeks: Greeks | None
    parts: tuple[int, ...] = ()


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
    return _costs(state.rules, exchange)


@functools.lru_cache(maxsize=16)
def _costs(rules: DayRules, exchange: str) -> Costs:
    """Asked by every screening and the same all day, so what was found is kept by its rules."""
    found: list[int] = []
    unsure = False
    for side in ("BUY", "SELL"):
        fixed = charge_lines(rules, exchange, side, 0, 1)
        crore = charge_lines(rules, exchange, side, CRORE_PAISE, 1)
        found += [charges_paise(fixed), charges_paise(crore) - charges_paise(fixed)]
        unsure = unsure or any(line.unsure for line in crore)
    return Costs(found[0], found[1], found[2], found[3], unsure)


def judge(
    view: View, direction: str, family: str
) -> tuple[StageVerdict, ContractsScreened | None, Pick | None]:
    """Verdict of N10, the screening, and the contract selected (best rejected one with a plan
    where none was: only an assumed evaluation may use that)."""
    near = expiry_for(view, family)
    if near is None or near.forward_paise is None or view.state.rules is None:
        row = is_true("expiry", False, "EXPIRY_NONE", UNKNOWN)
        return stage_of(N10, (row,)), None, None
    charges = f":{venue_of(view.umap.exchange)}"
    if any(one.startswith("charge.") and one.endswith(charges) for one in view.state.rules.missing):
        # Without every charge no reward can be reckoned, and no fill could be booked.
        row = at_least("contract", None, 1, "CONTRACT_NONE_LEFT", None, ("CHARGES_MISSING",))
        return stage_of(N10, (is_true("expiry", True, "EXPIRY_NONE"), row)), None, None
    sight = _sight(view, near, direction)
    picks = _screen(view, sight)
    passed = [one for one in picks if one.mask == 0]
    best = max(passed, key=_rank) if passed else None
    marks = (_top_filter(picks),) if picks and not passed else ()
    marks = (*marks, "UNSURE_CHARGES") if sight.costs.unsure else marks
    marks = (*marks, "OI_CHANGE_UNKNOWN") if sight.units_before is None else marks
    rows = (
        is_true("expiry", True, "EXPIRY_NONE"),
        at_least("contract", len(passed), 1, "CONTRACT_NONE_LEFT", None, marks),
    )
    screened = _screened(view, picks, direction, family, best)
    shown = _with_greeks(view, sight, best or _best_rejected(picks))
    evidence = score_rows(shown.parts) if shown is not None else ()
    return stage_of(N10, rows, evidence), screened, shown


def expiry_for(view: View, family: str) -> ExpiryState | None:
    """The expiry that a family trades: the nearest in view, but on its last day the next one,
    unless the strategy is meant for that day or there is no other in view."""
    near, opened = view.near, view.state.opened
    ends_today = near is not None and opened is not None and near.expiry == opened.day
    if ends_today and len(view.market.expiries) > 1 and not family_named(family).expiry_day:
        return view.market.expiries[1]
    return near


def _rank(pick: Pick) -> tuple[int, int]:
    return pick.score_milli, -pick.contract


def _best_rejected(picks: list[Pick]) -> Pick | None:
    planned = [one for one in picks if one.plan is not None]
    return (
        min(planned, key=lambda one: (one.mask.bit_count(), -one.score_milli, one.contract))
        if planned
        else None
    )


def _with_greeks(view: View, sight: Sight, pick: Pick | None) -> Pick | None:
    """A contract that is shown with all its greeks: a screening needs but the delta of the rest."""
    if pick is None or pick.vol is None:
        return pick
    strike = float(view.state.instruments[pick.contract].strike_paise)
    return replace(pick, greeks=sight.pricer.greeks(strike, sight.right, pick.vol))


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


class Sight(msgspec.Struct, frozen=True, gc=False):
    """What every contract of a screening is judged against.

    ``vol_measure`` is INDIA VIX where it is fresh, else the volatility at the money, None where
    neither is known; ``units_before`` the side's open interest a quarter of an hour ago by strike
    (-1: not seen), None where nothing is remembered of the expiry.
    """

    state: State
    near: ExpiryState
    right: str
    costs: Costs
    pricer: Pricer
    oldest_ns: int
    vol_measure: float | None
    ranks_high: bool
    units_before: tuple[int, ...] | None
    unknown_blocks: bool


def _sight(view: View, near: ExpiryState, direction: str) -> Sight:
    state, emap = view.state, view.umap.expiries[near.place]
    assert near.forward_paise is not None
    vix, features = view.vix, view.market.features
    vixed = vix is not None and vix.ltp_paise > 0 and vix.is_fresh(state.now - VIX_AGE_NS)
    rank = features.implied.days_rank_milli if features is not None else None
    tape, half = state.tapes[view.u], len(emap.strikes_paise)
    before = reference(tape.interest, tape.declared_ts)
    known = before is not None and before.expiry == near.expiry and len(before.units) == 2 * half
    first = 0 if direction == UP else half
    return Sight(
        state,
        near,
        CALL if direction == UP else PUT,
        costs_of(state, view.umap.exchange),
        pricer_for(near.forward_paise, near.t_years, near.df, tick_of(state, emap, near.atm_place)),
        state.now - contract_age_ns(state),
        vix.ltp_paise / VIX_SCALE if vix is not None and vixed else near.atm_iv,
        rank is not None and rank > state.config.contract.iv_rank_milli_max,
        before.units[first : first + half] if before is not None and known else None,
        unknown_blocks(state),
    )


def _screen(view: View, sight: Sight) -> list[Pick]:
    state, emap, near = view.state, view.umap.expiries[sight.near.place], sight.near
    legs = emap.calls if sight.right == CALL else emap.puts
    picks: list[Pick] = []
    vols = list(state.vols)
    neighbour = near.atm_iv or 0.0
    for place in span(emap, near.atm_place, state.config.contract.window_strikes):
        i = legs[place]
        if i >= 0:
            quote = state.quotes[i]
            if quote is None or not quote.two_sided:
                picks.append(_unquoted(sight, i, place, quote))
            else:
                # A smile is smooth: the neighbour's root is the nearest start there is.
                vols[i] = neighbour
                vol = iv_of(sight.pricer, emap, place, sight.right, quote, vols, i)
                moneyness = sight.pricer.log_forward - emap.log_strikes[place]
                picks.append(_judged(sight, i, place, moneyness, quote, vol))
                neighbour = vol or neighbour
    barred = barred_contracts(state)
    if barred:
        picks = [
            replace(one, mask=one.mask | CHANGED) if one.contract in barred else one
            for one in picks
        ]
    return picks


def _unquoted(sight: Sight, i: int, place: int, quote: Quote | None) -> Pick:
    """Without two sides every filter that needs a price fails with it."""
    mask = ONE_SIDED | UNDEFINED_WITHOUT_QUOTE | _traded(sight, place, quote)
    return Pick(i, mask, NONE, None, None, None)


def _traded(sight: Sight, place: int, quote: Quote | None) -> int:
    """The filters of age, volume and open interest, which need no price."""
    config = sight.state.config.contract
    if quote is None:
        mask = STALE | (VOLUME if config.volume_units_min > 0 else 0)
        return mask | (OI if config.oi_units_min > 0 else 0) | OI_FALL
    mask = 0 if quote.is_fresh(sight.oldest_ns) else STALE
    if quote.volume_units < config.volume_units_min:
        mask |= VOLUME
    if quote.oi_units < config.oi_units_min:
        mask |= OI
    was = sight.units_before[place] if sight.units_before is not None else NONE
    if config.oi_fall_bps_max >= NOT_ASKED_BPS:
        return mask
    if was < 0:
        return mask | OI_FALL if sight.unknown_blocks else mask
    return (
        mask | OI_FALL if (was - quote.oi_units) * 10_000 > config.oi_fall_bps_max * was else mask
    )


def _judged(
    sight: Sight, i: int, place: int, log_moneyness: float, quote: Quote, vol: float | None
) -> Pick:
    state = sight.state
    config, row = state.config.contract, state.instruments[i]
    spread = spread_bps(quote)
    plan = _plan(state, sight.costs, quote.ask_paise, row)
    reward = plan.reward_milli
    shown_units = min(quote.bid_units, quote.ask_units)
    mask = _traded(sight, place, quote)
    if spread > config.spread_bps_max:
        mask |= SPREAD
    if not config.premium_paise_min <= quote.ask_paise <= config.premium_paise_max:
        mask |= PREMIUM
    if reward < config.reward_milli_min:
        mask |= REWARD
    if shown_units < config.depth_lots_min * row.lot_units:
        mask |= DEPTH
    if vol is None:
        return Pick(i, mask | UNDEFINED_WITHOUT_IV, NONE, plan, None, None)
    delta = abs(floor(sight.pricer.delta(sight.right, vol, log_moneyness) * 1000.0 + 0.5))
    if not config.delta_milli_min <= delta <= config.delta_milli_max:
        mask |= DELTA
    mask |= _volatile(sight, vol)
    score, parts = score_of(
        config,
        delta,
        _moneyness_bps(sight, row.strike_paise) if config.strike_by == MONEYNESS else 0,
        spread,
        reward,
        shown_units * 1000 // row.lot_units if row.lot_units > 0 else 0,
        quote.volume_units,
    )
    if score < config.score_milli_min:
        mask |= SCORE
    return Pick(i, mask, score, plan, vol, None, parts)


def _volatile(sight: Sight, vol: float) -> int:
    """The filters of a volatility beside its measure, its own past and the money's."""
    config, atm_iv = sight.state.config.contract, sight.near.atm_iv
    mask = IV_BOUNDS if sight.ranks_high else 0
    ratio = floor(vol / sight.vol_measure * 1000.0 + 0.5) if sight.vol_measure else NONE
    if not config.iv_ratio_milli_min <= ratio <= config.iv_ratio_milli_max:
        mask |= IV_BOUNDS
    if atm_iv is None or floor((vol - atm_iv) * 10_000.0 + 0.5) > config.skew_bps_max:
        mask |= SKEW
    return mask


def _moneyness_bps(sight: Sight, strike_paise: int) -> int:
    """How far a strike is in the money of the forward, of it; negative is out."""
    forward = sight.near.forward_paise
    assert forward is not None
    inside = forward - strike_paise if sight.right == CALL else strike_paise - forward
    return inside * 10_000 // forward


def _plan(state: State, costs: Costs, entry: int, row: Instrument) -> Plan:
    """Levels in the contract's own tick, the stop rounded down and the target up."""
    config, lot, tick = state.config.plan, row.lot_units, max(row.tick_paise, 1)
    stop = entry - entry * config.stop_bps // 10_000
    target = entry + entry * config.target_bps // 10_000
    stop -= stop % tick
    target += -target % tick
    charges = costs.both_ways(entry * lot, stop * lot)
    return Plan(entry, max(stop, tick), target, entry * config.trail_bps // 10_000, charges, lot)
