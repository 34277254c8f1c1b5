"""N11: how many lots, and whether there is at least one.

May import: events, engine. Always holds: a size is in whole lots; the smallest of all limits
counts; a limit that gives no lot blocks with its own reason; what is held and entering counts
against a limit before the lots do, and where it is past the limit already there is none.
Start reading at ``judge``.
"""

from __future__ import annotations

from typing import Final

from engine.books import open_risk_paise
from engine.gates.contract import Pick, Plan
from engine.gates.rows import UNKNOWN, at_least, is_true, stage_of
from engine.options import pricer_for
from engine.risk.day import funds_paise, share_of, worst_result_paise
from engine.risk.portfolio import (
    Book,
    Leg,
    Valued,
    candidate,
    corners_milli,
    exposure_of,
    premium_of_expiry,
    premium_of_underlying,
    worst_of_long_milli,
)
from engine.risk.states import ALLOWS
from engine.view import View
from events.decision import GateRow, StageVerdict
from events.reasons import N11

SLICES_MAX: Final = 10
"""Orders that one entry may be cut into; the broker's own slicing has the same bound (2026)."""

MANY: Final = 100_000
"""Lots of a limit that an entry does not come near to."""

GREEKS: Final = (
    ("lots_by_delta", "SIZE_DELTA"),
    ("lots_by_gamma", "SIZE_GAMMA"),
    ("lots_by_vega", "SIZE_VEGA"),
    ("lots_by_theta", "SIZE_THETA"),
    ("lots_by_stress", "SIZE_STRESS"),
)


def judge(view: View, pick: Pick, book: Book) -> tuple[StageVerdict, int]:
    """Verdict of N11 and the number of lots (0 unless it passed); ``book`` is what is held and
    entering."""
    state, config, plan = view.state, view.state.config.risk, pick.plan
    assert plan is not None, "a contract without a quote is never sized"
    rows = (*_money(view, pick, plan, book), *_portfolio(view, pick, plan, book))
    freeze = freeze_units(view)
    # A freeze quantity below a lot, or a lot of nothing, is a fault of the rules: it is not known.
    ended = is_stale(view, "lot")
    known = not ended and freeze is not None and freeze >= plan.lot_units > 0
    why = "SIZE_LOT_STALE" if ended else "SIZE_FREEZE_UNKNOWN"
    verdict = stage_of(N11, (*rows, is_true("freeze", known, why, UNKNOWN, None, _marks(view))))
    if verdict.verdict != "PASS" or freeze is None:
        return verdict, 0
    largest = SLICES_MAX * (freeze // plan.lot_units)
    most = config.lots_max
    if not ALLOWS[state.risk.status].full_size:
        most = min(most, config.recovery_lots_max)
    return verdict, min(most, largest, *(row.observed for row in rows if row.observed is not None))


def protected_paise(view: View, pick: Pick) -> int:
    """The most that an entry may pay: the ask it was decided at and the collar, in ticks."""
    assert pick.plan is not None
    entry = pick.plan.entry_paise
    limit = entry + entry * view.state.config.paper.entry_collar_bps // 10_000
    return limit - limit % max(view.state.instruments[pick.contract].tick_paise, 1)


def risk_lot_paise(view: View, pick: Pick) -> int:
    """The loss of a lot at its stop when it was bought at the most that it may pay, its charges
    raised in the same measure: no fill that the order allows can lose more than was reckoned."""
    plan, most = pick.plan, protected_paise(view, pick)
    assert plan is not None
    charges = -(-plan.charges_lot_paise * most // max(plan.entry_paise, 1))
    return (most - plan.stop_paise) * plan.lot_units + charges


def within(limit: int, held: int, lot: int) -> int:
    """Lots that fit below a limit beside what is held; any number where a lot adds nothing."""
    if held > limit:
        return 0
    return MANY if lot <= 0 else min((limit - held) // lot, MANY)


def within_both(limit: int, held: int, lot: int) -> int:
    """Lots whose sum with what is held stays within a limit on either side of zero."""
    if abs(held) > limit:
        return 0
    return within(limit, held, lot) if lot >= 0 else within(limit, -held, -lot)


# --- money ---------------------------------------------------------------------------------------


def _money(view: View, pick: Pick, plan: Plan, book: Book) -> tuple[GateRow, ...]:
    """Lots by risk, money and premium."""
    state, config, capital = view.state, view.state.config.risk, view.state.account.capital_paise
    risk = max(risk_lot_paise(view, pick), 1)
    premium = max(protected_paise(view, pick) * plan.lot_units, 1)
    funds = funds_paise(state)
    expiry = premium_of_expiry(state, book, state.instruments[pick.contract].expiry)
    day_room = share_of(capital, config.daily_loss_bps_max) + worst_result_paise(state)
    expiry_limit = share_of(capital, config.expiry_premium_bps_max)
    cost = premium + plan.charges_lot_paise
    return tuple(
        at_least(gate, lots, 1, code, unknown="SIZE_FUNDS_UNKNOWN")
        for gate, lots, code in (
            ("lots_by_risk", share_of(capital, config.trade_risk_bps_max) // risk,
             "SIZE_RISK_BUDGET"),
            ("lots_by_open_risk",
             within(share_of(capital, config.open_risk_bps_max), open_risk_paise(state), risk),
             "SIZE_OPEN_RISK"),
            ("lots_by_funds", None if funds is None else max(funds, 0) // cost, "SIZE_FUNDS"),
            ("lots_by_day_loss", max(day_room, 0) // risk, "SIZE_DAY_LOSS"),
            ("lots_by_exposure",
             within(share_of(capital, config.exposure_underlying_bps_max),
                    premium_of_underlying(state, book, view.umap.name), premium),
             "SIZE_EXPOSURE"),
            # The first position of an expiry is no concentration, however few others there are.
            ("lots_by_expiry", within(expiry_limit, expiry, premium) if expiry else MANY,
             "SIZE_EXPIRY"),
            ("lots_by_value", state.config.orders.value_paise_max // premium, "SIZE_ORDER_VALUE"),
        )
    )  # fmt: skip


# --- the portfolio with the lots in it -----------------------------------------------------------


def _portfolio(view: View, pick: Pick, plan: Plan, book: Book) -> tuple[GateRow, ...]:
    """Lots by net greeks and by the stress; UNKNOWN where the contract's or the book's are not
    known."""
    found = _portfolio_lots(view, pick, plan, book)
    return tuple(
        at_least(gate, None if found is None else found[place], 1, code,
                 unknown="SIZE_GREEKS_UNKNOWN")
        for place, (gate, code) in enumerate(GREEKS)
    )  # fmt: skip


def _portfolio_lots(view: View, pick: Pick, plan: Plan, book: Book) -> tuple[int, ...] | None:
    state, config, capital = view.state, view.state.config.risk, view.state.account.capital_paise
    row, held = state.instruments[pick.contract], book.net
    # On an expiry day the contract may be of the next one: its own forward and time price it.
    own = next((one for one in view.market.expiries if one.expiry == row.expiry), None)
    if pick.greeks is None or pick.vol is None or held is None or book.corners is None:
        return None
    if own is None or own.forward_paise is None:
        return None
    lot = exposure_of(float(own.forward_paise), pick.greeks, plan.lot_units)
    limits = (
        config.net_delta_bps_max, config.net_gamma_bps_max, config.net_vega_bps_max,
        config.net_theta_bps_max, config.stress_loss_bps_max,
    )  # fmt: skip
    delta, gamma, vega, theta, stress = (share_of(capital, bps) for bps in limits)
    pricer = pricer_for(own.forward_paise, own.t_years, own.df, 1)
    one = candidate(pricer, row.strike_paise, row.kind, pick.vol, plan.entry_paise)
    return (
        within_both(delta, held.delta_paise, lot.delta_paise),
        within_both(gamma, held.gamma_paise, lot.gamma_paise),
        within_both(vega, held.vega_paise, lot.vega_paise),
        within(theta, -held.theta_paise, -lot.theta_paise),
        _stress_lots(view, one, plan, book.legs, book.corners, stress),
    )


def _stress_lots(
    view: View, one: Valued, plan: Plan, legs: tuple[Leg, ...], corners: tuple[int, ...], limit: int
) -> int:
    """Lots with which no corner loses more than the limit. A lot is worth what it costs, so that it
    loses its premium at most; with nothing held one corner is the worst of all."""
    state, units = view.state, plan.lot_units
    if not legs:
        return within(
            limit, 0, -(worst_of_long_milli(state, one, one.worth_paise) * units // 1_000)
        )
    lots = (result * units // 1_000 for result in corners_milli(state, one, one.worth_paise))
    return min(within(limit, -held, -lot) for held, lot in zip(corners, lots, strict=True))


# --- rules of the exchange -----------------------------------------------------------------------


def freeze_units(view: View) -> int | None:
    """The exchange's largest order of the underlying, in units; None where no rule gives it."""
    rules = view.state.rules
    if rules is None:
        return None
    return next(
        (one.freeze_units for one in rules.underlyings if one.underlying == view.umap.name), None
    )


def is_stale(view: View, name: str) -> bool:
    """Whether the last row of a rule of the underlying ended before today."""
    rules = view.state.rules
    return rules is not None and f"{name}:{view.umap.name}" in rules.stale


def _marks(view: View) -> tuple[str, ...]:
    """What weakens the freeze quantity: an unsure row, or the strictest of rows that have ended."""
    unsure = ("UNSURE_FREEZE",) if _unsure(view) else ()
    return (*unsure, "RULEBOOK_STALE") if is_stale(view, "freeze") else unsure


def _unsure(view: View) -> bool:
    rules = view.state.rules
    return rules is not None and any(
        one.underlying == view.umap.name and "freeze" in one.unsure for one in rules.underlyings
    )
