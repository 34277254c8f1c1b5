"""N11: how many lots, each limit with its own code for zero.

May import: events, engine. Always holds: a size is in whole lots; the smallest of all limits
counts; a limit that gives no lot blocks with its own reason.
"""

from __future__ import annotations

from typing import Final

from engine.books import free_funds_paise, open_risk_paise
from engine.gates.contract import Pick
from engine.gates.risk import bps_of
from engine.gates.rows import UNKNOWN, at_least, is_true, stage_of
from engine.view import View
from events.decision import StageVerdict
from events.reasons import N11

SLICES_MAX: Final = 10
"""Orders that one entry may be cut into; the broker's own slicing has the same bound (2026)."""


def judge(view: View, pick: Pick) -> tuple[StageVerdict, int]:
    """Verdict of N11 and the number of lots (0 unless it passed)."""
    state, config, plan = view.state, view.state.config.risk, pick.plan
    assert plan is not None, "a contract without a quote is never sized"
    capital = state.account.capital_paise
    risk = max(plan.risk_lot_paise, 1)
    lot_cost = plan.entry_paise * plan.lot_units + plan.charges_lot_paise
    by_risk = bps_of(capital, config.trade_risk_bps_max) // risk
    room = bps_of(capital, config.open_risk_bps_max) - open_risk_paise(state)
    by_open = max(room, 0) // risk
    by_funds = max(free_funds_paise(state), 0) // max(lot_cost, 1)
    freeze = freeze_units(view)
    # A freeze quantity below a lot, or a lot of nothing, is a fault of the rules: it is not known.
    ended = is_stale(view, "lot")
    known = not ended and freeze is not None and freeze >= plan.lot_units > 0
    why = "SIZE_LOT_STALE" if ended else "SIZE_FREEZE_UNKNOWN"
    verdict = stage_of(
        N11,
        (
            at_least("lots_by_risk", by_risk, 1, "SIZE_RISK_BUDGET"),
            at_least("lots_by_open_risk", by_open, 1, "SIZE_OPEN_RISK"),
            at_least("lots_by_funds", by_funds, 1, "SIZE_FUNDS"),
            is_true("freeze", known, why, UNKNOWN, None, _marks(view)),
        ),
    )  # fmt: skip
    if verdict.verdict != "PASS" or freeze is None:
        return verdict, 0
    largest = SLICES_MAX * (freeze // plan.lot_units)
    return verdict, min(by_risk, by_open, by_funds, config.lots_max, largest)


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
