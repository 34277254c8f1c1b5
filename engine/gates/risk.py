"""N6: is the account within its limits, before a contract is chosen.

May import: events, engine. Always holds: limits count per trading day and account, carried over
from earlier sessions of the day; open positions count, marked at the bid less what selling costs;
counts hold the trade that is judged, money what is held without it: with the contract it is N11's;
greeks, stress and premium have rows only while something is held or entering, for of nothing they
are nothing. Start reading at ``judge``.
"""

from __future__ import annotations

from typing import Final

from engine.books import ENTRY, open_risk_paise
from engine.gates.rows import NO_MARKS, at_most, is_true, stage_of
from engine.risk.day import (
    cvar_paise,
    entering,
    result_paise,
    share_of,
    underlying_result_paise,
)
from engine.risk.portfolio import Book, premium_of_underlying, worst_loss_paise
from engine.risk.states import is_risk_halt
from engine.state import State
from engine.view import View
from events.decision import GateRow, StageVerdict
from events.reasons import N6

SAMPLE_SMALL: Final = ("SAMPLE_SMALL",)
"""The mark of a CVaR that is not reckoned, for too few trades were closed."""


def judge(view: View, book: Book) -> StageVerdict:
    """Verdict of N6; ``book`` is what is held and entering."""
    state = view.state
    result = result_paise(state)
    rows = (*_counts(view, result), *_profits(view, result), _cvar(state))
    held = _held(view, book) if book.legs else ()
    halted = next((code for code in state.account.halts if is_risk_halt(code)), None)
    last = is_true("risk_state", halted is None, halted or "")
    return stage_of(N6, (*rows, *held, last))


def _counts(view: View, result: int | None) -> tuple[GateRow, ...]:
    """The day's loss and the counts. Counts hold the trade that is judged, so that the limit shown
    is the one configured."""
    state, account, config = view.state, view.state.account, view.state.config.risk
    here = sum(1 for one in state.positions if one.underlying == view.u)
    here += sum(1 for one in state.orders if one.role == ENTRY and one.underlying == view.u)
    capital = account.capital_paise
    open_risk = share_of(capital, config.open_risk_bps_max)
    loss = None if result is None else max(-result, 0)
    return (
        at_most("daily_loss", loss, share_of(capital, config.daily_loss_bps_max),
                "RISK_DAILY_LOSS", unknown="RISK_MARK_UNKNOWN"),
        at_most("trades_day", account.trades_today + entering(state) + 1, config.trades_day_max,
                "RISK_TRADES_DAY"),
        at_most("loss_streak", account.loss_streak + 1, config.loss_streak_max,
                "RISK_LOSS_STREAK"),
        at_most("open_risk", open_risk_paise(state), open_risk, "RISK_OPEN_RISK"),
        at_most("positions_underlying", here + 1, config.positions_underlying_max,
                "RISK_POSITION_OPEN"),
    )  # fmt: skip


def _profits(view: View, result: int | None) -> tuple[GateRow, ...]:
    """What the day has won, and what of it has gone again."""
    state, config, capital = view.state, view.state.config.risk, view.state.account.capital_paise
    won = None if result is None else max(result, 0)
    fallen = None if result is None else max(state.risk.high_paise - result, 0)
    here = max(underlying_result_paise(state, view.umap.name), 0)
    return (
        at_most("profit_lock", won, share_of(capital, config.profit_lock_bps_max),
                "RISK_PROFIT_LOCK", unknown="RISK_MARK_UNKNOWN"),
        at_most("underlying_profit", here, share_of(capital, config.underlying_profit_bps_max),
                "RISK_PROFIT_UNDERLYING"),
        at_most("drawdown", fallen, share_of(capital, config.drawdown_bps_max), "RISK_DRAWDOWN",
                unknown="RISK_MARK_UNKNOWN"),
    )  # fmt: skip


def _cvar(state: State) -> GateRow:
    config = state.config.risk
    found = cvar_paise(state)
    limit = share_of(state.account.capital_paise, config.cvar_bps_max)
    marks = SAMPLE_SMALL if found is None else NO_MARKS
    return at_most("cvar", found or 0, limit, "RISK_CVAR", None, marks)


def _held(view: View, book: Book) -> tuple[GateRow, ...]:
    """Premium, greeks and stress of what is held and entering."""
    state, config, capital = view.state, view.state.config.risk, view.state.account.capital_paise
    premium, net = premium_of_underlying(state, book, view.umap.name), book.net
    loss = None if book.corners is None else worst_loss_paise(book.corners)
    named = (
        ("net_delta", None if net is None else abs(net.delta_paise), config.net_delta_bps_max,
         "RISK_NET_DELTA"),
        ("net_gamma", None if net is None else abs(net.gamma_paise), config.net_gamma_bps_max,
         "RISK_NET_GAMMA"),
        ("net_vega", None if net is None else abs(net.vega_paise), config.net_vega_bps_max,
         "RISK_NET_VEGA"),
        ("net_theta", None if net is None else max(-net.theta_paise, 0), config.net_theta_bps_max,
         "RISK_NET_THETA"),
        ("stress", loss, config.stress_loss_bps_max, "RISK_STRESS"),
    )  # fmt: skip
    return (
        at_most("exposure", premium, share_of(capital, config.exposure_underlying_bps_max),
                "RISK_EXPOSURE"),
        *(
            at_most(gate, observed, share_of(capital, bps), code, unknown="RISK_GREEKS_UNKNOWN")
            for gate, observed, bps, code in named
        ),
    )  # fmt: skip
