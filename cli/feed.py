"""The feed of a session: who logs in, what is subscribed to, where the frames go.

Lives here: ``Feed``, over ``adapters.kite.ticker``. May import: adapters, events. Always holds: the
whole universe is subscribed to in full mode; indices and futures are essential, since nothing is
decided without them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

from adapters.kite.credentials import Credentials
from adapters.kite.secret import Secret
from adapters.kite.subscription import FULL, Subscription
from adapters.kite.ticker import Outlet, Ticker
from adapters.session.clock import SessionClock
from adapters.session.inbox import Post
from cli.output import say
from events.session import Instrument

ESSENTIAL: Final = ("INDEX", "FUT")
DEMO: Final = "demo"
"""User, key, secret and token of the simulated exchange's one account."""

Login = Callable[[], Credentials]


def demo_login() -> Credentials:
    """The login of the simulated exchange."""
    return Credentials(Secret(DEMO), Secret(DEMO), DEMO, None, None, "environment")


def jitter_seed(session: str) -> int:
    """Of the waits between attempts to connect: from the session's name, so that it is known."""
    return int.from_bytes(hashlib.sha256(session.encode()).digest()[:4], "big")


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
        self._ticker = Ticker(login, clock.now_ns, outlet, seed=seed, root=root)

    def start(self, instruments: Sequence[Instrument]) -> None:
        """Connect and subscribe."""
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
