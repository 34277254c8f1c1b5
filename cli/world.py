"""Kite's side of a session: the login, the time, the feed, and what may be asked by REST.

Lives here: ``KiteWorld``, the ``World`` of ``record`` and of ``run --mode paper``. May import:
everything it wires. Always holds: it holds nothing that could send an order; the wall clock is the
session's, but for a simulated exchange, which has a time of its own.
Start reading at ``KiteWorld``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from adapters.kite.broker import KiteReads
from adapters.kite.credentials import (
    KEY_VARIABLE,
    TOKEN_VARIABLE,
    CredentialError,
    Credentials,
    credentials,
    token_path,
)
from adapters.kite.roots import FEED_ROOT, REST_ROOT, BadRoot, checked_root, is_loopback
from adapters.session.clock import SessionClock, wall_ns
from adapters.session.inbox import Post
from cli.candles import Candles
from cli.demo_login import living_login
from cli.errors import UserError, told_as_user_error
from cli.feed import Feed, Login, jitter_seed
from cli.options import Common
from cli.paths import desk_folder
from cli.session import Halted, Silence
from cli.simulation import simulated_clock
from cli.universe import Today
from engine.rulebook import day_of
from engine.sink import Outward
from engine.state import State
from events.session import Instrument


class KiteWorld:
    """The broker, or a simulated exchange in its place. Raises ``UserError`` where there is no
    login, no answer, or one address without the other. ``decides``: the session has decision
    cycles, and wants the candles of what it missed."""

    def __init__(
        self, common: Common, rest: str | None, ws: str | None, *, decides: bool = False
    ) -> None:
        if (rest is None) != (ws is None):
            raise UserError("give both --rest and --ws, as 'axiom exchange-sim' prints them")
        with told_as_user_error(BadRoot):
            self.rest = checked_root(rest, "https") if rest is not None else REST_ROOT
            self._ws = checked_root(ws, "wss") if ws is not None else FEED_ROOT
        said = simulated_clock(self.rest) if is_loopback(self.rest) else None
        self.rate = 1 if said is None else _whole_speed(said)
        at = None if said is None else (self.rest, int(said["now_ns"]))
        self.login = kite_login(common, at)
        with told_as_user_error(CredentialError):
            self.login()
        self._simulated = said is not None
        anchor_ns = wall_ns() if said is None else int(said["now_ns"])
        self._clock = SessionClock(anchor_ns, self.rate, simulated=self._simulated)
        self.reads = KiteReads(self.login, root=self.rest)
        self.decides = decides
        self._feed: Feed | None = None
        self._candles: Candles | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.reads.close()

    def today(self) -> Today:
        """The market's day and time."""
        now_ns = self._clock.now_ns()
        return Today(day_of(now_ns), now_ns, self._simulated)

    def clock(self, from_ns: int | None) -> SessionClock:
        """The market's own time, wherever a session stood."""
        return self._clock

    def start(
        self, post: Post, clock: SessionClock, state: Callable[[], State], halted: Halted
    ) -> Outward:
        """Subscribe to everything; nothing leaves, and missing candles are asked for."""
        self.follow(post, clock, state().instruments)
        if not self.decides:
            return Silence()
        self._candles = Candles(KiteReads(self.login, root=self.rest), post, clock, state)
        return self._candles

    def follow(
        self,
        post: Post,
        clock: SessionClock,
        instruments: Sequence[Instrument],
        on_order: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        """Subscribe to everything; ``on_order`` hears the account's order updates."""
        seed = jitter_seed(f"{self.today().day} {self.rest}")
        self._feed = Feed(self.login, self._ws, post, clock, seed, on_order)
        self._feed.start(instruments)

    def stop(self) -> None:
        """No more frames and no more questions."""
        if self._candles is not None:
            self._candles.stop()
        if self._feed is not None:
            self._feed.stop()


def _whole_speed(said: Mapping[str, Any]) -> int:
    speed = said["speed"]
    if speed < 1 or speed != int(speed):
        raise UserError(f"the exchange's time runs at speed {speed:g}: start it with 1, 2, 3, ...")
    return int(speed)


def kite_login(common: Common, simulated: tuple[str, int] | None) -> Login:
    """Read anew each time; a simulated exchange, at its address and time, has an account for
    whoever has none. Raises ``UserError`` where that one cannot be logged in to."""
    path = token_path(desk_folder(common.home, common.desk))
    own = path.exists() or KEY_VARIABLE in os.environ or TOKEN_VARIABLE in os.environ
    if simulated is not None and not own:
        demo = living_login(*simulated)
        return lambda: demo

    def login() -> Credentials:
        return credentials(path, wall_ns())

    return login
