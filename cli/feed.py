"""The feed of a session: who logs in, what is subscribed to, where the frames go.

Lives here: ``Feed``, over ``adapters.kite.ticker``. May import: adapters, events. Always holds: the
whole universe is subscribed to in full mode; indices and futures are essential, since nothing is
decided without them; the seed of its jitter stands in the journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from adapters.kite.credentials import Credentials
from adapters.kite.link import Limits
from adapters.kite.subscription import FULL, Subscription
from adapters.kite.ticker import Outlet, Ticker
from adapters.session.clock import SessionClock
from adapters.session.inbox import Post
from cli.output import say
from cli.run import SEED_MAX
from events.feed import HealthObserved
from events.session import Instrument

ESSENTIAL: Final = ("INDEX", "FUT")
JITTER_SEED: Final = "FEED_JITTER_SEED"

Login = Callable[[], Credentials]


def jitter_seed(session: str) -> int:
    """Of the waits between attempts to connect: from the session's name, so that it is known."""
    return int.from_bytes(hashlib.sha256(session.encode()).digest()[:4], "big")


WAITS: Final = {
    "verify_ms": 500,
    "again_ms": 1_000,
    "backoff_base_ms": 20,
    "backoff_cap_ms": 200,
    "stable_ms": 200,
    "hour_ms": 1_000,
    "breaker_ms": 250,
    "token_look_ms": 20,
}
"""What the feed waits for in the market's time, and the least of it in real time. Its silence is
not among them: heartbeats come in real time."""


def limits_at(rate: int) -> Limits:
    """The feed's bounds in a session of so many market seconds a second."""
    usual = Limits()
    waits = {name: max(getattr(usual, name) // rate, least) for name, least in WAITS.items()}
    return usual if rate == 1 else msgspec.structs.replace(usual, **waits)


class Feed:
    """A ticker on a session's inbox. ``on_order`` hears the broker's order updates, as they are."""

    def __init__(
        self,
        login: Login,
        root: str,
        post: Post,
        clock: SessionClock,
        seed: int,
        on_order: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        outlet = Outlet(post, on_order or _unheard, _tell)
        limits = limits_at(clock.rate)
        self._ticker = Ticker(login, clock.now_ns, outlet, seed=seed, root=root, limits=limits)
        self._post, self._seed = post, seed

    def start(self, instruments: Sequence[Instrument]) -> None:
        """Connect and subscribe. The seed of the waits between attempts is a fact before the first
        of them, so that they can be told again."""
        self._post(HealthObserved(JITTER_SEED, "OK", self._seed, SEED_MAX))
        self._ticker.start(
            Subscription(row.token, FULL, row.kind in ESSENTIAL) for row in instruments
        )

    def stop(self) -> None:
        """At return nothing more is posted. A second call does nothing."""
        self._ticker.stop()


def _unheard(order: dict[str, Any]) -> None:
    """Of a session without orders of its own: whatever the account does elsewhere is not its."""


def _tell(kind: str, text: str) -> None:
    say(f"feed: {kind}: {text}")
