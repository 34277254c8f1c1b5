"""Where a session's orders go, and what its mode asks of a person.

Lives here: the order route. May import: events, engine. Always holds: with ``engine.policy`` the
only reader of the mode; PAPER and backtests never have a broker, LIVE always has, and always asks.
"""

from __future__ import annotations

from typing import Final

from engine.commands import STOP_SETTING
from engine.orders.incidents import open_incident
from engine.policy import LIVE
from engine.state import State

SIM: Final = "SIM"
STOP_WAIVED: Final = "STOP_WAIVED"
"""Open for the rest of a session of LIVE in which a person has waived the resting stops."""


def to_broker(state: State) -> bool:
    """Whether orders go to a broker, real or simulated, and not to the paper broker."""
    opened = state.opened
    if opened is None:
        return False
    return opened.mode == LIVE or (opened.mode == SIM and state.config.orders.sim_route == "broker")


def needs_approval(state: State) -> bool:
    """Whether a person approves each entry."""
    live = state.opened is not None and state.opened.mode == LIVE
    return live or state.config.approval.required


def needs_arming(state: State) -> bool:
    """Whether entries wait for the operator's ``arm``."""
    return state.opened is not None and state.opened.mode == LIVE


def wants_stop(state: State) -> bool:
    """Whether a stop rests at the broker for every long. In LIVE the setting alone waives nothing:
    a person has to have said it in this very session."""
    if state.config.orders.protective_stop:
        return True
    live = state.opened is not None and state.opened.mode == LIVE
    return live and open_incident(state, STOP_WAIVED, STOP_SETTING) is None


def broker_settles(state: State) -> bool:
    """Whether an expired contract is settled by the broker, in its books of the next day."""
    return state.opened is not None and state.opened.mode == LIVE


def in_real_time(state: State) -> bool:
    """Whether the session runs by a clock, at whatever rate; a backtest runs by its facts."""
    return state.opened is not None and state.opened.rate > 0
