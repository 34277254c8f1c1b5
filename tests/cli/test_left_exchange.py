"""A simulated exchange outlives its engine where somebody goes on with what is open there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.kite.rate import Budgets
from adapters.markets.synthetic import SyntheticMarket
from cli.options import Common
from cli.verbs.run import Chosen, SimulatedWorld
from engine.core import CoreFault
from engine.state import State
from tests.engine.orders.test_gates import session
from tests.engine.test_exits import _long


class Exchange:
    """Says what became of it."""

    def __init__(self) -> None:
        self.ended = ""

    def leave(self) -> None:
        self.ended = "left"

    def close(self) -> None:
        self.ended = "closed"


def _flat() -> State:
    return session("SIM")


def _open() -> State:
    state = _flat()
    return replace(state, positions=(_long(state),))


def _told(state: State) -> State:
    return replace(state, account=replace(state.account, halts=("GOV_STOPPING",)))


def _gone() -> State:
    raise CoreFault("ENGINE_FAULT: a test")


@pytest.mark.parametrize(
    ("state", "fails", "ended"),
    [
        (lambda: _told(_open()), False, "left"),
        (_open, False, "closed"),
        (lambda: _told(_flat()), False, "closed"),
        (_open, True, "left"),
        (_flat, True, "closed"),
        (_gone, True, "left"),
    ],
    ids=["told to leave it", "its time is over", "told and flat", "fails", "fails flat", "gone"],
)
def test_an_exchange_is_left_where_something_is_open_that_somebody_goes_on_with(
    state: Callable[[], State], fails: bool, ended: str, tmp_path: Any
) -> None:
    """An emergency tells the engine to end and then sells there: with the exchange gone it could
    not. One whose day or time is over, or with nothing open, ends with its engine."""
    chosen = Chosen("synthetic:small", 1, None, 1, None)
    common = Common(tmp_path, "main", None, False)
    world = SimulatedWorld(common, SyntheticMarket(1, "small"), chosen, 0, Budgets())
    exchange = Exchange()
    world._exchange, world._state = exchange, state  # type: ignore[assignment]
    error = CoreFault("ENGINE_FAULT: a test") if fails else None
    world.__exit__(type(error) if error else None, error, None)
    assert exchange.ended == ended
