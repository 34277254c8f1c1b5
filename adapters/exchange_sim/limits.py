"""Rate limits as the broker counts them: by the calendar second, minute and day of its own clock.

Lives here: counters. May import: errors, spec. Always holds: what is refused is not counted, and
nothing is queued. Start reading at ``Limits.admit``.
"""

from __future__ import annotations

from typing import Final

from adapters.exchange_sim.errors import input_error, too_many
from adapters.exchange_sim.spec import Behaviour
from engine.rulebook import IST_OFFSET_NS, NS_PER_DAY, NS_PER_S

ORDER, QUOTE, HISTORICAL, OTHER = "order", "quote", "historical", "other"
ROUTE_CLASSES: Final = (ORDER, QUOTE, HISTORICAL, OTHER)


class Limits:
    """One account's counters; place, modify and cancel are all of class ``order``."""

    def __init__(self, behaviour: Behaviour) -> None:
        minute, day = 60 * NS_PER_S, NS_PER_DAY
        self._rules: Final = {
            ORDER: (
                (NS_PER_S, behaviour.orders_a_second),
                (minute, behaviour.orders_a_minute),
                (day, behaviour.orders_a_day),
            ),
            QUOTE: ((NS_PER_S, behaviour.quotes_a_second),),
            HISTORICAL: ((NS_PER_S, behaviour.historical_a_second),),
            OTHER: ((NS_PER_S, behaviour.others_a_second),),
        }
        self._counts: dict[tuple[str, int], tuple[int, int]] = {}

    def admit(self, now_ns: int, route_class: str) -> None:
        """Count one call. Raises ``KiteError`` 429 where a window of it is full."""
        rules = self._rules.get(route_class)
        if rules is None:
            raise input_error(f"no route class {route_class!r} ({', '.join(ROUTE_CLASSES)})")
        fresh: list[tuple[tuple[str, int], tuple[int, int]]] = []
        for length_ns, most in rules:
            window = (now_ns + IST_OFFSET_NS) // length_ns
            at, count = self._counts.get((route_class, length_ns), (window, 0))
            count = count if at == window else 0
            if count >= most:
                raise too_many()
            fresh.append(((route_class, length_ns), (window, count + 1)))
        self._counts.update(fresh)
