"""How long a long has no stop at the broker, from its first fill on.

Lives here: ``ProtectionMeter``. May import: events. Always holds: it counts from what is journaled,
so that a query over the journal comes to the same; what still waits counts for the longest; a stop
that the broker takes and then refuses protected nothing.
Start reading at ``ProtectionMeter.heard``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events.base import Event
from events.orders import OrderChanged, PositionChanged

PROTECT: Final = "PROTECT"
_NS_PER_MS: Final = 1_000_000


class Protected(msgspec.Struct, frozen=True):
    """From first fill to resting stop, in ms of session time; None before there was one.

    ``last``: of the position that came to its stop last. ``longest``: of all, and of those that
    wait for theirs still.
    """

    last: int | None
    longest: int | None


class ProtectionMeter:
    """Measures the positions whose opening it hears: it is told every derivation in order."""

    def __init__(self) -> None:
        self._bare: dict[str, int] = {}
        self._stops: dict[str, tuple[str, int]] = {}
        self._last_ns: int | None = None
        self._longest_ns: int | None = None

    def heard(self, ts: int, event: Event) -> None:
        """A derivation of ``ts`` (session time, ns UTC)."""
        if isinstance(event, PositionChanged):
            self._position(event)
        elif isinstance(event, OrderChanged) and event.role == PROTECT:
            self._stop(ts, event)

    def figures(self, now_ns: int) -> Protected:
        """As it stands at ``now_ns`` of session time."""
        waits = [now_ns - opened_ns for opened_ns in self._bare.values()]
        if self._longest_ns is not None:
            waits.append(self._longest_ns)
        return Protected(_ms(self._last_ns), _ms(max(waits, default=None)))

    def _position(self, event: PositionChanged) -> None:
        if event.status == "CLOSED":
            self._bare.pop(event.position_id, None)
            self._stops.pop(event.position_id, None)
        elif event.position_id not in self._stops:
            self._bare.setdefault(event.position_id, event.opened_ts)

    def _stop(self, ts: int, event: OrderChanged) -> None:
        """A stop's authority is its position's id, an X and a number."""
        position_id = event.authority.rpartition("X")[0]
        if event.status == "WORKING" and position_id in self._bare:
            opened_ns = self._bare.pop(position_id)
            self._stops[position_id] = (event.order_id, opened_ns)
            self._last_ns = ts - opened_ns
            self._longest_ns = max(self._longest_ns or 0, ts - opened_ns)
        elif event.status == "REJECTED" and position_id in self._stops:
            order_id, opened_ns = self._stops[position_id]
            if order_id == event.order_id:
                del self._stops[position_id]
                self._last_ns = None
                self._bare[position_id] = opened_ns


def _ms(ns: int | None) -> int | None:
    return None if ns is None else max(ns, 0) // _NS_PER_MS
