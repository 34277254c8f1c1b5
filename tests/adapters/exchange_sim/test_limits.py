"""Rate limits: calendar windows of the broker's clock, per class, refused and not counted."""

from __future__ import annotations

import pytest

from adapters.exchange_sim.errors import KiteError
from adapters.exchange_sim.limits import Limits
from adapters.exchange_sim.spec import Behaviour
from engine.rulebook import NS_PER_S, ist_ns

START = ist_ns(20261120, "10:00:00")


def admitted(limits: Limits, route_class: str, times: list[int]) -> int:
    """How many calls at these times were let through; every other one is a 429."""
    refused: list[KiteError] = []
    for now in times:
        try:
            limits.admit(now, route_class)
        except KiteError as error:
            refused.append(error)
    assert {(e.http_status, e.error_type, e.message) for e in refused} <= {
        (429, "NetworkException", "Too many requests")
    }
    return len(times) - len(refused)


@pytest.mark.parametrize(
    ("route_class", "most"), [("order", 10), ("quote", 1), ("historical", 3), ("other", 10)]
)
def test_each_class_has_its_limit_a_calendar_second(route_class: str, most: int) -> None:
    """The window ends with the second, not a second later."""
    limits = Limits(Behaviour())
    late = [START + NS_PER_S - 1] * 20
    assert admitted(limits, route_class, late) == most
    assert admitted(limits, route_class, [START + NS_PER_S] * 20) == most


def test_classes_do_not_share_a_window() -> None:
    """Orders do not use up quotes."""
    limits = Limits(Behaviour())
    assert admitted(limits, "order", [START] * 11) == 10
    assert admitted(limits, "quote", [START]) == 1


def test_orders_have_a_minute_and_a_day_too() -> None:
    """400 a minute, 5,000 a day; what is refused is not counted."""
    limits = Limits(Behaviour())
    minute = [START + second * NS_PER_S for second in range(60) for _ in range(10)]
    assert admitted(limits, "order", minute) == 400
    day = [START + (60 + second) * NS_PER_S for second in range(3_600) for _ in range(5)]
    assert admitted(limits, "order", day) == 5_000 - 400
    assert admitted(limits, "order", [ist_ns(20261121, "10:00:00")]) == 1


def test_an_unknown_class_is_a_mistake() -> None:
    """It is named, not let through."""
    with pytest.raises(KiteError, match="no route class 'orders'"):
        Limits(Behaviour()).admit(START, "orders")
