"""N6: is the account within its limits, before this trade.

May import: events, engine. Always holds: limits count per trading day and account, carried over
from earlier sessions of the day; open losses count, marked at the bid.
"""

from __future__ import annotations

from engine.books import ENTRY, open_risk_paise, unrealised_paise
from engine.gates.rows import at_most, stage_of
from engine.view import View
from events.decision import StageVerdict
from events.reasons import N6


def bps_of(capital_paise: int, bps: int) -> int:
    """A share of the capital in paise, rounded down."""
    return capital_paise * bps // 10_000


def judge(view: View) -> StageVerdict:
    """Verdict of N6."""
    state, account, config = view.state, view.state.account, view.state.config.risk
    result = account.realised_paise - account.charges_paise + unrealised_paise(state)
    here, entering = 0, 0
    for position in state.positions:
        here += position.underlying == view.u
    for order in state.orders:
        here += order.role == ENTRY and order.underlying == view.u
        # An approved entry is a trade of the day before its first fill: two underlyings of one tick
        # cannot both be the last one allowed.
        entering += order.role == ENTRY and order.filled_units == 0
    capital = account.capital_paise
    # Counts hold the trade that is judged, so that the limit shown is the one that was configured.
    return stage_of(
        N6,
        (
            at_most("daily_loss", max(-result, 0), bps_of(capital, config.daily_loss_bps_max),
                    "RISK_DAILY_LOSS"),
            at_most("trades_day", account.trades_today + entering + 1, config.trades_day_max,
                    "RISK_TRADES_DAY"),
            at_most("loss_streak", account.loss_streak + 1, config.loss_streak_max,
                    "RISK_LOSS_STREAK"),
            at_most("open_risk", open_risk_paise(state),
                    bps_of(capital, config.open_risk_bps_max), "RISK_OPEN_RISK"),
            at_most("positions_underlying", here + 1, config.positions_underlying_max,
                    "RISK_POSITION_OPEN"),
        ),
    )  # fmt: skip
