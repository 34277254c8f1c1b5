"""Which indicators and features may use an earlier day's bars at the open, in one table.

Lives here: the table. May import: nothing. Always holds: what is not in the table uses none; what
says no is empty at the day's first bar, whatever ran before (``indicators.start_session``,
``indicators.start_volatility_session`` and ``tape.start_day`` make it so).
"""

from __future__ import annotations

from typing import Final

EARLIER: Final[tuple[tuple[str, bool, str], ...]] = (
    ("ema_fast", True, "an average of closes goes on over the night"),
    ("ema_slow", True, "an average of closes goes on over the night"),
    ("rsi", True, "its averages of gains and losses go on; the night is one change"),
    ("atr", True, "the true range of the first bar has the night's gap in it"),
    ("adx", True, "its averages go on"),
    ("realised_fast", True, "the night is one return; a caller that does not want it begins anew"),
    ("realised_slow", True, "the night is one return"),
    ("realised_session", False, "it is of the session"),
    ("vwap_session", False, "volume and price of this session alone"),
    ("twap_session", False, "of this session alone"),
    ("vwap_rolling", False, "minutes of this session alone"),
    ("opening_range", False, "of this day's first minutes alone"),
    ("higher_trend", True, "averages of longer bars go on; an unfinished longer bar does not"),
    ("open_gap", True, "it is the difference to the trading day before"),
    ("momentum", False, "a window over the night would be the gap"),
    ("cross_asset", False, "minutes of this session alone"),
    ("build_up", False, "changes within the session"),
    ("implied_rank_session", False, "it is of the session"),
    ("implied_rank_days", True, "it is of earlier days' closes"),
)
"""Name, whether, why."""
