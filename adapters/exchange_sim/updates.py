"""Order updates: the payload of postback and socket, and the post that is late, twice or lost.

Lives here: ``Updates``. May import: hashlib, orders, spec, words. Always holds: with no switch on,
every event arrives once and in order; the checksum is over what the payload itself says. Start
reading at ``payload``.
"""

from __future__ import annotations

import hashlib
import heapq
from typing import Final

from adapters.exchange_sim.orders import Order
from adapters.exchange_sim.spec import NS_PER_MS, AccountSpec, Behaviour, FaultSwitches
from adapters.exchange_sim.words import Data
from adapters.markets.synthetic_random import SplitMix64, substream

PER_MILLE: Final = 1_000
FOREIGN_APP_ID: Final = 0
"""The ``app_id`` of an order that our app did not place: postbacks are for one's own only."""

_STREAM: Final = 72


def update_checksum(order_id: str, order_timestamp: str, api_secret: str) -> str:
    """SHA-256 (hex) over the three texts, one after the other."""
    return hashlib.sha256(f"{order_id}{order_timestamp}{api_secret}".encode()).hexdigest()


def payload(order: Order, status: str, account: AccountSpec) -> Data:
    """The order's object without ``modified``, with user, app, unfilled quantity and checksum."""
    shown = order.data()
    del shown["modified"]
    shown["status"] = status
    return {
        "user_id": account.user_id,
        "unfilled_quantity": order.remaining,
        "app_id": account.app_id if order.own_app else FOREIGN_APP_ID,
        "checksum": update_checksum(order.order_id, shown["order_timestamp"], account.api_secret),
        **shown,
    }


class Updates:
    """Events on their way, by the time they are due (ns UTC)."""

    def __init__(self, account: AccountSpec, behaviour: Behaviour, faults: FaultSwitches) -> None:
        self._account = account
        self._behaviour = behaviour
        self._faults = faults
        self._rng = SplitMix64(substream(behaviour.seed, _STREAM))
        self._post: list[tuple[int, int, Data]] = []
        self._sent = 0

    def send(self, now_ns: int, order: Order, status: str) -> None:
        """Put one event in the post, as the order is now."""
        faults, behaviour = self._faults, self._behaviour
        if self._falls(faults.drop_updates):
            return
        event = payload(order, status, self._account)
        due_ns = now_ns + behaviour.update_lag_ms * NS_PER_MS
        if self._falls(faults.reorder_updates):
            due_ns += (1 + self._rng.below(behaviour.reorder_ms)) * NS_PER_MS
        self._put(due_ns, event)
        if self._falls(faults.duplicate_updates):
            self._put(due_ns + behaviour.duplicate_ms * NS_PER_MS, event)

    def take(self, now_ns: int) -> list[Data]:
        """The events due by now, in order of delivery."""
        due: list[Data] = []
        while self._post and self._post[0][0] <= now_ns:
            due.append(dict(heapq.heappop(self._post)[2]))
        return due

    def next_due_ns(self) -> int | None:
        return self._post[0][0] if self._post else None

    def _put(self, due_ns: int, event: Data) -> None:
        self._sent += 1
        heapq.heappush(self._post, (due_ns, self._sent, event))

    def _falls(self, per_mille: int) -> bool:
        return per_mille > 0 and self._rng.below(PER_MILLE) < per_mille
