"""When the exchanges trade: the day's windows, and the broker's hour of squaring off.

Lives here: ``Hours``. May import: engine.rulebook, errors, spec. Always holds: a day without known
hours is closed. Start reading at ``Hours.check``.
"""

from __future__ import annotations

from typing import Final

from adapters.exchange_sim import errors
from adapters.exchange_sim.errors import order_error
from adapters.exchange_sim.spec import Behaviour
from engine.rulebook import Rulebook, SessionWindow, broker_rules, hhmm_of, ist_ns

MIS: Final = "MIS"
EXCHANGES: Final = ("NFO", "BFO")


class Hours:
    """The derivatives windows of one day, by Kite's exchange word."""

    def __init__(self, rulebook: Rulebook, day: int, behaviour: Behaviour) -> None:
        windows = [(word, rulebook.session_window(day, "fno", word)) for word in EXCHANGES]
        self.windows: Final[dict[str, SessionWindow]] = {
            word: window for word, window in windows if window is not None
        }
        hhmm, known = behaviour.square_off_hhmm, broker_rules(rulebook, day).mis_square_off_ns
        at_ns = known if hhmm is None else ist_ns(day, hhmm)
        self.square_off_ns: Final = at_ns if self.windows else None
        """When the broker closes what is MIS; None where no hour is known, or no market open."""

    def check(self, now_ns: int, exchange: str, product: str) -> None:
        """Whether an order may go to an exchange now. Raises ``KiteError``."""
        window = self.windows.get(exchange)
        if window is None and product == MIS:
            raise order_error(errors.MIS_CLOSED)
        if window is None or not window.open_ns <= now_ns < window.close_ns:
            raise order_error(errors.MARKETS_CLOSED)
        if product == MIS and self.square_off_ns is not None and now_ns >= self.square_off_ns:
            hhmm = hhmm_of(self.square_off_ns)
            raise order_error(errors.MIS_AFTER_SQUARE_OFF.format(hhmm=hhmm))

    def is_open(self, now_ns: int, exchange: str) -> bool:
        """Whether an exchange trades at a time."""
        window = self.windows.get(exchange)
        return window is not None and window.open_ns <= now_ns < window.close_ns
