"""N10 and N11 of a family with two legs: what is sold against the contract, and money for it.

May import: events, engine. Always holds: the sold strike lies beyond the bought one, in the same
expiry; the sold leg is quoted, traded and deep enough by the filters of the bought one, but for its
own widest spread; nothing of it is held or working; the pair is reckoned at the worst prices that
its two orders allow; the long is sized as if it stood alone, as it does until the leg is sold.
Start reading at ``with_sold_leg``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.books import mid_paise
from engine.chain import contract_age_ns
from engine.gates.contract import Costs, Pick, Plan, costs_of
from engine.gates.rows import at_least, at_most, is_true, stage_of
from engine.gates.sizing import protected_paise
from engine.options import CALL
from engine.orders.contracts import barred_contracts
from engine.orders.margin import asked_paise, is_wished
from engine.orders.route import to_broker
from engine.risk.day import funds_paise
from engine.shorts import leg_id, margin_paise
from engine.state import ExpiryMap, Quote
from engine.view import View, spread_bps
from events.decision import StageVerdict
from events.governance import MarginWanted
from events.orders import IntentApproved, SpreadApproved
from events.reasons import N10, N11

BPS: Final = 10_000


class Sold(msgspec.Struct, frozen=True, gc=False):
    """A contract to sell against a pick: prices in paise a unit, ``margin_paise`` and
    ``charges_paise`` of a lot, the charges those of all four orders."""

    contract: int
    bid_paise: int
    limit_paise: int
    width_paise: int
    debit_paise: int
    stop_paise: int
    target_paise: int
    margin_paise: int
    charges_paise: int
    lot_units: int

    @property
    def reward_milli(self) -> int:
        """The most that the pair can gain over the most that it can lose, after charges."""
        loss = self.debit_paise * self.lot_units + self.charges_paise
        gain = (self.width_paise - self.debit_paise) * self.lot_units - self.charges_paise
        return max(gain, 0) * 1_000 // loss if loss > 0 else 0


def with_sold_leg(
    view: View, ready: StageVerdict, pick: Pick | None
) -> tuple[StageVerdict, Sold | None]:
    """N10 with the sold leg behind its selection; nothing is added where nothing was selected."""
    if pick is None or pick.plan is None:
        return ready, None
    sold = _leg(view, pick, pick.plan)
    rows = (*ready.rows, is_true("sold_leg", sold is not None, "SPREAD_NO_LEG"))
    if sold is not None:
        least = view.state.config.defined_risk.pair_reward_milli_min
        rows = (*rows, at_least("pair_reward", sold.reward_milli, least, "SPREAD_REWARD"))
    return stage_of(N10, rows, ready.evidence), sold


def with_margin(
    view: View, sized: StageVerdict, lots: int, pick: Pick, sold: Sold
) -> tuple[StageVerdict, int]:
    """N11 with the lots that the free funds carry while the leg's margin is kept beside the whole
    premium of the long, by our own estimate; the credit of the sale is not counted on. At a broker
    he is asked as well: what he wants for those lots, before anything is bought."""
    funds = funds_paise(view.state)
    cost = protected_paise(view, pick) * sold.lot_units + sold.charges_paise + sold.margin_paise
    found = None if funds is None else max(funds, 0) // max(cost, 1)
    row = at_least("lots_by_margin", found, 1, "SIZE_MARGIN", unknown="SIZE_FUNDS_UNKNOWN")
    lots = min(lots, found or 0)
    rows = (*sized.rows, row)
    if to_broker(view.state):
        wants = asked_paise(view.state, _wish(view, lots, pick, sold, 0))
        known = funds is not None and lots > 0
        rows = (
            *rows,
            at_most("broker_margin", wants if known else None, max(funds or 0, 0), "SIZE_MARGIN",
                    unknown="SIZE_MARGIN_UNKNOWN"),
        )  # fmt: skip
    return stage_of(N11, rows, sized.evidence), lots


def margin_wanted(
    view: View, lots: int, pick: Pick, sold: Sold, gates_seq: int
) -> MarginWanted | None:
    """The wish to ask the broker about a pair, unless that was wished a moment ago."""
    wish = _wish(view, lots, pick, sold, gates_seq)
    return None if lots <= 0 or is_wished(view.state, wish) else wish


def _wish(view: View, lots: int, pick: Pick, sold: Sold, gates_seq: int) -> MarginWanted:
    return MarginWanted(
        view.umap.name, pick.contract, sold.contract, lots * sold.lot_units,
        protected_paise(view, pick), sold.limit_paise, gates_seq,
    )  # fmt: skip


def approved(view: View, intent: IntentApproved, sold: Sold) -> SpreadApproved:
    """The sale that goes with an approved entry."""
    return SpreadApproved(
        intent.intent_id,
        leg_id(intent.intent_id),
        intent.underlying,
        intent.strategy_id,
        sold.contract,
        intent.quantity_units,
        sold.limit_paise,
        mid_paise(view.state, sold.contract),
        sold.width_paise,
        sold.debit_paise,
        sold.stop_paise,
        sold.target_paise,
        sold.margin_paise * intent.lots,
        intent.gates_seq,
    )


# --- which ---------------------------------------------------------------------------------------


def _leg(view: View, pick: Pick, plan: Plan) -> Sold | None:
    """The contract whose distance is nearest to the width, of those that may be sold."""
    state, row = view.state, view.state.instruments[pick.contract]
    emap = next((one for one in view.umap.expiries if one.expiry == row.expiry), None)
    if emap is None or state.rules is None:
        return None
    wanted = row.strike_paise * state.config.defined_risk.width_bps // BPS
    costs = costs_of(state, view.umap.exchange)
    for width, contract in _beyond(emap, row.kind, row.strike_paise, wanted):
        quote = state.quotes[contract]
        if quote is not None and _may_be_sold(view, contract, quote):
            return _reckoned(view, pick, plan, costs, width, contract, quote)
    return None


def _beyond(emap: ExpiryMap, kind: str, strike: int, wanted: int) -> list[tuple[int, int]]:
    """(width, contract) of the strikes beyond a bought one within half and twice the width wanted,
    the nearest to it first."""
    legs = emap.calls if kind == CALL else emap.puts
    found: list[tuple[int, int]] = []
    for place, other in enumerate(emap.strikes_paise):
        width = other - strike if kind == CALL else strike - other
        if legs[place] >= 0 and wanted <= 2 * width and width <= 2 * wanted:
            found.append((width, legs[place]))
    return sorted(found, key=lambda one: (abs(one[0] - wanted), one[0]))


def _may_be_sold(view: View, contract: int, quote: Quote) -> bool:
    state, config = view.state, view.state.config.contract
    lot = state.instruments[contract].lot_units
    held = any(one.contract == contract for one in (*state.positions, *state.shorts))
    working = any(one.contract == contract for one in state.orders)
    return (
        not held
        and not working
        and quote.two_sided
        and quote.is_fresh(state.now - contract_age_ns(state))
        and spread_bps(quote) <= state.config.defined_risk.sold_spread_bps_max
        and quote.volume_units >= config.volume_units_min
        and quote.oi_units >= config.oi_units_min
        and min(quote.bid_units, quote.ask_units) >= config.depth_lots_min * lot
        and contract not in barred_contracts(state)
    )


def _reckoned(
    view: View, pick: Pick, plan: Plan, costs: Costs, width: int, contract: int, quote: Quote
) -> Sold:
    state, config = view.state, view.state.config
    tick = max(state.instruments[contract].tick_paise, 1)
    limit = quote.bid_paise - quote.bid_paise * config.defined_risk.sale_collar_bps // BPS
    limit = max(limit + -limit % tick, tick)
    debit = plan.entry_paise - quote.bid_paise
    gain = width - debit
    turnover = quote.bid_paise * plan.lot_units
    return Sold(
        contract,
        quote.bid_paise,
        limit,
        width,
        protected_paise(view, pick) - limit,
        debit - debit * config.defined_risk.stop_bps // BPS,
        debit + gain * config.defined_risk.target_bps // BPS,
        margin_paise(state, contract, plan.lot_units),
        plan.charges_lot_paise + costs.both_ways(turnover, turnover),
        plan.lot_units,
    )
