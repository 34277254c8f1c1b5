"""The feed's decisions: when to connect, back off, stop and ask; what counts as verified.

Lives here: ``Link``, a machine for all connections of one login: something happens, it answers with
actions. May import: events, adapters.kite.subscription, msgspec. Always holds: pure, no clock, no
socket and no thread: every call has ``now_ns`` (any steady clock) and the jitter comes from a
generator that is handed in; one handshake is under way at a time, so a dead login costs one
attempt; no attempt is made while a login is wanted, nor beyond the budget of an hour; an order
update is handed on as it came, whatever the state.
Start reading at ``Link``, then ``Limits``.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable
from random import Random
from types import MappingProxyType
from typing import Any, Final

import msgspec

from adapters.kite.subscription import (
    Seen,
    Subscription,
    Wanted,
    mode_of,
    share_out,
    subscribe_requests,
    unsubscribe_requests,
)
from events.base import Event
from events.broker import AuthStatus
from events.feed import FeedFrame, FeedStatus, HealthObserved, SubscriptionChanged
from events.wire.kite import CODEC_NAME, CODEC_VERSION, FrameError, walk

MS: Final = 1_000_000
SECOND_NS: Final = 1_000 * MS

NEEDS_LOGIN: Final = MappingProxyType({400: "INPUT", 401: "TOKEN", 403: "TOKEN"})
"""Answers to the handshake that no second attempt changes, with their row of ``errors.FAULTS``."""

SLOW_DOWN: Final = 429
"""Answer to the handshake that says to wait: the longest delay, not the next one."""


class Limits(msgspec.Struct, frozen=True):
    """The bounds of the feed. The broker's own: 3,000 instruments a connection, 3 connections."""

    connections_max: int = 3
    tokens_max: int = 3_000
    batch: int = 500
    silence_ms: int = 6_000
    """No frame for so long, heartbeats included (one comes every 2 to 3 s): a dead connection."""
    verify_ms: int = 10_000
    verify_tries: int = 2
    """How often what was not seen is asked for again, each time after ``verify_ms``."""
    again_ms: int = 300_000
    """How long what is missing waits after the last request: then it is asked for again, and a
    connection that has shown nothing of what it was asked for is given up."""
    missing_max_per_mille: int = 50
    backoff_base_ms: int = 1_000
    backoff_cap_ms: int = 60_000
    stable_ms: int = 60_000
    """A connection that stood so long has ended the row of failures; a handshake alone has not."""
    connects_per_hour: int = 20
    """Of one connection, the first one included; more opens the breaker."""
    hour_ms: int = 3_600_000
    """That hour's length, less where the session's time is faster."""
    breaker_ms: int = 900_000
    """With the breaker open one attempt is made each time this is over."""
    token_look_ms: int = 5_000
    """How often a new login is looked for while one is wanted."""


class Open(msgspec.Struct, frozen=True):
    """Read the credentials and connect. Answer with ``opened``, ``refused``, ``failed`` or
    ``no_login``."""

    connection: int


class Send(msgspec.Struct, frozen=True):
    """Send a text frame."""

    connection: int
    text: str


class Drop(msgspec.Struct, frozen=True):
    """Give the socket up at once; nothing more is to be said of it."""

    connection: int


class LookForLogin(msgspec.Struct, frozen=True):
    """See whether there is another login than the one refused: ``new_login`` if so."""


class Post(msgspec.Struct, frozen=True):
    """A fact."""

    event: Event


class PostOrder(msgspec.Struct, frozen=True):
    """An order update, the broker's own fields."""

    order: dict[str, Any]


class Told(msgspec.Struct, frozen=True):
    """Something for a person: of what kind, and a text of at most ``TEXT_MAX`` characters."""

    kind: str
    text: str


Action = Open | Send | Drop | LookForLogin | Post | PostOrder | Told
TEXT_MAX: Final = 500
FRAME_KEPT_BYTES: Final = 64 * 1024
"""What is kept of a malformed frame; the digest is of all of it."""

WAITING: Final = "WAITING"
OPENING: Final = "OPENING"
UP: Final = "UP"

LOST: Final = "LOST"
CONNECTED: Final = "CONNECTED"
WANTED: Final = "WANTED"


class Counts(msgspec.Struct):
    """What happened so far, over all connections."""

    connects: int = 0
    frames: int = 0
    malformed: int = 0
    orders: int = 0
    texts: int = 0
    bad_texts: int = 0
    unknown_texts: int = 0
    errors: int = 0
    drops: int = 0


def feed_frame(connection: int, data: bytes) -> FeedFrame:
    """A frame as a fact, byte for byte; only one that is malformed and over 64 KiB is cut."""
    size = len(data)
    if size > FRAME_KEPT_BYTES:
        try:
            walk(data)
        except FrameError:
            digest, head = hashlib.sha256(data).hexdigest(), data[:FRAME_KEPT_BYTES]
            return FeedFrame(connection, CODEC_NAME, CODEC_VERSION, False, size, digest, head)
    return FeedFrame(connection, CODEC_NAME, CODEC_VERSION, False, size, None, data)


class _Connection:
    """One connection's state; changed in place by ``Link`` alone."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.phase = WAITING
        self.wanted: Wanted = {}
        self.due_ns: int | None = None
        self.failures = 0
        self.connects: deque[int] = deque()
        self.breaker = False
        self.opened_ns = 0
        self.frame_ns = 0
        self.seen = Seen(0, {})
        self.verify_ns: int | None = None
        self.asked_ns = 0
        self.tries = 0
        self.verified = False
        self.told_missing: tuple[int, ...] = ()

    @property
    def used(self) -> bool:
        """Order updates come over the first connection, also where no instrument is wanted."""
        return self.index == 0 or bool(self.wanted)


class Link:
    """All connections of one login. Every method that takes ``now_ns`` gives the actions to do, in
    order; ``next_due_ns`` says when to call ``due``."""

    def __init__(self, limits: Limits, jitter: Random) -> None:
        self.limits = limits
        self.counts = Counts()
        self.wants_login = False
        self._jitter = jitter
        self._running = False
        self._look_ns: int | None = None
        self._account: str | None = None
        self._expires_ns: int | None = None
        self._auth = ""
        self._connections = [_Connection(i) for i in range(limits.connections_max)]

    # --- what the owner wants --------------------------------------------------------------------

    def start(self, now_ns: int) -> list[Action]:
        """Begin: the connections that are used are wanted up."""
        self._running = True
        used = [one for one in self._connections if one.used]
        for one in used:
            if one.phase == WAITING:
                one.due_ns = now_ns
        # Of one alone nothing need be said: where it is not up, there is no feed.
        several: list[Action] = [self._status(one, WANTED) for one in used if len(used) > 1]
        return several + self.due(now_ns)

    def stop(self) -> list[Action]:
        """End: every socket is given up and nothing is due any more."""
        self._running = False
        self._look_ns = None
        actions: list[Action] = []
        for one in self._connections:
            actions += self._give_up(one)
            one.due_ns = None
        return actions

    def subscribe(self, now_ns: int, wanted: Iterable[Subscription]) -> list[Action]:
        """Want exactly these instruments. Raises as ``share_out``, and then nothing is changed."""
        limits = self.limits
        held = [one.wanted for one in self._connections]
        shares = share_out(held, wanted, limits.tokens_max, limits.connections_max)
        actions: list[Action] = []
        for one, share in zip(self._connections, shares, strict=True):
            before, one.wanted = one.wanted, share
            if one.phase == UP:
                actions += self._change(now_ns, one, before)
            elif self._running and one.used and one.phase == WAITING and one.due_ns is None:
                one.due_ns = now_ns
                if not before:
                    actions.append(self._status(one, WANTED))
        return actions + self.due(now_ns)

    # --- what happens ----------------------------------------------------------------------------

    def login(self, account: str | None, expires_ns: int | None) -> None:
        """With what the next handshake is made: the user and the planned expiry (ns UTC)."""
        self._account, self._expires_ns = account, expires_ns

    def opened(self, now_ns: int, connection: int, session_ns: int) -> list[Action]:
        """The handshake was taken. ``session_ns`` is session time: older stamps are not fresh."""
        one = self._connections[connection]
        assert one.phase == OPENING, f"connection {connection} opened while {one.phase}"
        one.phase = UP
        one.opened_ns = one.frame_ns = now_ns
        one.verified, one.told_missing, one.tries = False, (), 0
        one.seen = Seen(session_ns // SECOND_NS, one.wanted)
        one.verify_ns = now_ns + self.limits.verify_ms * MS if one.wanted else None
        one.asked_ns = now_ns
        actions = self._auth_is("OK", None)
        actions.append(self._status(one, CONNECTED))
        actions += self._ask(one, list(one.wanted.values()), "SUBSCRIBED")
        if not one.wanted:
            actions += self._verify(one)
        return actions + self.due(now_ns)

    def refused(self, now_ns: int, connection: int, http_status: int) -> list[Action]:
        """The handshake was answered with another status than 101."""
        one = self._connections[connection]
        if http_status in NEEDS_LOGIN:
            one.phase = WAITING
            asks = Told("login", f"the broker refused it (HTTP {http_status}): give 'axiom login'")
            return [asks, *self._ask_for_login(now_ns, "REFUSED", NEEDS_LOGIN[http_status])]
        if http_status == SLOW_DOWN:
            one.failures = max(one.failures, 16)
        return self._again(now_ns, one)

    def failed(self, now_ns: int, connection: int) -> list[Action]:
        """No handshake came about: no address, no route, no answer, no TLS."""
        return self._again(now_ns, self._connections[connection])

    def closed(self, now_ns: int, connection: int) -> list[Action]:
        """A connection that was up is gone."""
        one = self._connections[connection]
        if one.phase != UP:
            return []
        return [self._status(one, LOST), *self._again(now_ns, one)]

    def no_login(self, now_ns: int, connection: int, status: str) -> list[Action]:
        """There was nothing to connect with. ``status`` is EXPIRED, or UNKNOWN: none at all."""
        self._connections[connection].phase = WAITING
        return self._ask_for_login(now_ns, status, NEEDS_LOGIN[403])

    def new_login(self, now_ns: int) -> list[Action]:
        """A person logged in anew: everything is tried again, without the row of failures."""
        self.wants_login, self._look_ns = False, None
        for one in self._connections:
            one.failures = 0
            if self._running and one.phase == WAITING and one.used:
                one.due_ns = now_ns
        return self.due(now_ns)

    def frame(self, now_ns: int, connection: int, data: bytes) -> list[Action]:
        """A binary frame, whatever it holds: it is a fact, and a sign of life."""
        one = self._connections[connection]
        one.frame_ns = now_ns
        self.counts.frames += 1
        event = feed_frame(connection, data)
        if event.length_bytes > 1 and not one.seen.done:
            return [Post(event), *self._look(one, data)]
        return [Post(event)]

    def text(self, now_ns: int, connection: int, text: str | bytes) -> list[Action]:
        """A text frame: an order update, a message or an error to be told, else only counted."""
        self._connections[connection].frame_ns = now_ns
        self.counts.texts += 1
        try:
            message = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            message = None
        kind = message.get("type") if isinstance(message, dict) else None
        content = message.get("data") if isinstance(message, dict) else None
        if kind == "order" and isinstance(content, dict):
            self.counts.orders += 1
            return [PostOrder(content)]
        if kind == "error":
            self.counts.errors += 1
            bad = HealthObserved("FEED_SERVER_ERRORS", "BAD", self.counts.errors, 0)
            return [Post(bad), Told("error", str(content)[:TEXT_MAX])]
        if not isinstance(kind, str) or kind == "order":
            self.counts.bad_texts += 1
            shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
            return [Told("unreadable", shown[:TEXT_MAX])]
        if kind == "message":
            return [Told(kind, str(content)[:TEXT_MAX])]
        self.counts.unknown_texts += 1
        return []

    # --- time ------------------------------------------------------------------------------------

    def due(self, now_ns: int) -> list[Action]:
        """What time alone brings: silence, verification, a connection to be made, a look."""
        actions: list[Action] = []
        for one in self._connections:
            if one.phase == UP:
                actions += self._due_up(now_ns, one)
        if self.wants_login and self._look_ns is not None and now_ns >= self._look_ns:
            self._look_ns = now_ns + self.limits.token_look_ms * MS
            actions.append(LookForLogin())
        return actions + self._open_next(now_ns)

    def next_due_ns(self) -> int | None:
        """When ``due`` has something to do at the earliest; None while nothing is waited for."""
        dues: list[int] = [] if self._look_ns is None else [self._look_ns]
        opening = any(one.phase == OPENING for one in self._connections)
        for one in self._connections:
            if one.phase == UP:
                dues.append(one.frame_ns + self.limits.silence_ms * MS)
                if one.failures:
                    dues.append(one.opened_ns + self.limits.stable_ms * MS)
                if one.verify_ns is not None:
                    dues.append(one.verify_ns)
            elif one.due_ns is not None and not opening and not self.wants_login:
                dues.append(one.due_ns)
        return min(dues, default=None)

    def age_ns(self, now_ns: int, connection: int) -> int | None:
        """Link age: since the last frame of a connection that is up; None of one that is not."""
        one = self._connections[connection]
        return now_ns - one.frame_ns if one.phase == UP else None

    def verified(self, connection: int) -> bool:
        """Is the connection up and was its subscription seen to stand?"""
        one = self._connections[connection]
        return one.phase == UP and one.verified

    def _due_up(self, now_ns: int, one: _Connection) -> list[Action]:
        limits = self.limits
        if now_ns - one.frame_ns >= limits.silence_ms * MS:
            return self._drop(now_ns, one)
        if one.failures and now_ns - one.opened_ns >= limits.stable_ms * MS:
            one.failures, one.breaker = 0, False
        if one.verify_ns is None or now_ns < one.verify_ns:
            return []
        one.verify_ns = now_ns + limits.verify_ms * MS
        missing = tuple(sorted(one.seen.missing))
        if missing and one.tries < limits.verify_tries:
            one.tries, one.asked_ns = one.tries + 1, now_ns
            return self._ask(one, list(one.seen.missing.values()), None)
        again: list[Action] = []
        if missing and now_ns - one.asked_ns >= limits.again_ms * MS:
            if len(missing) == len(one.wanted):
                return self._drop(now_ns, one)
            one.asked_ns = now_ns
            again = self._ask(one, list(one.seen.missing.values()), None)
        return again + self._judge(one, missing)

    def _drop(self, now_ns: int, one: _Connection) -> list[Action]:
        """Give a connection up that is no feed, and make it anew."""
        self.counts.drops += 1
        one.phase = WAITING  # by us: no ``closed`` follows
        return [Drop(one.index), self._status(one, LOST), *self._again(now_ns, one)]

    # --- connecting ------------------------------------------------------------------------------

    def _open_next(self, now_ns: int) -> list[Action]:
        """At most one handshake at a time, the first due connection first."""
        if not self._running or self.wants_login:
            return []
        if any(one.phase == OPENING for one in self._connections):
            return []
        for one in self._connections:
            due = one.phase == WAITING and one.due_ns is not None and now_ns >= one.due_ns
            if due and not one.used:
                one.due_ns = None
            elif due:
                actions = self._within_budget(now_ns, one)
                if one.due_ns is not None and now_ns >= one.due_ns:
                    one.phase, one.due_ns = OPENING, None
                    one.connects.append(now_ns)
                    self.counts.connects += 1
                    return [*actions, Open(one.index)]
                if actions:
                    return actions
        return []

    def _within_budget(self, now_ns: int, one: _Connection) -> list[Action]:
        """Open the breaker where the hour's attempts are used up; it lets one through each time."""
        while one.connects and now_ns - one.connects[0] >= self.limits.hour_ms * MS:
            one.connects.popleft()
        if one.breaker or len(one.connects) < self.limits.connects_per_hour:
            return []
        one.breaker = True
        one.due_ns = now_ns + self.limits.breaker_ms * MS
        made, most = len(one.connects), self.limits.connects_per_hour
        return [Post(HealthObserved("FEED_CONNECTS_AN_HOUR", "BAD", made, most))]

    def _again(self, now_ns: int, one: _Connection) -> list[Action]:
        """After a failure: wait, with full jitter below a bound that doubles up to the cap."""
        limits = self.limits
        if one.phase == UP and now_ns - one.opened_ns >= limits.stable_ms * MS:
            one.failures, one.breaker = 0, False
        one.phase, one.verified, one.verify_ns = WAITING, False, None
        bound_ms = min(limits.backoff_cap_ms, limits.backoff_base_ms << min(one.failures, 16))
        one.failures += 1
        delay_ms = limits.breaker_ms if one.breaker else self._jitter.randint(0, bound_ms)
        one.due_ns = now_ns + delay_ms * MS if self._running and one.used else None
        return self.due(now_ns)

    def _give_up(self, one: _Connection) -> list[Action]:
        if one.phase == WAITING:
            return []
        was_up, one.phase, one.verified = one.phase == UP, WAITING, False
        dropped: list[Action] = [Drop(one.index)]
        return [*dropped, self._status(one, LOST)] if was_up else dropped

    def _ask_for_login(self, now_ns: int, status: str, fault: str) -> list[Action]:
        """Stop connecting until a person has logged in. What is up stays, as long as it lives."""
        self.wants_login = True
        self._look_ns = now_ns + self.limits.token_look_ms * MS
        for one in self._connections:
            one.due_ns = None
        return self._auth_is(status, fault)

    def _auth_is(self, status: str, fault: str | None) -> list[Action]:
        """Say what became of the login, once each time that it changes."""
        said = f"{status} {fault} {self._expires_ns}"
        if said == self._auth:
            return []
        self._auth = said
        return [Post(AuthStatus(status, self._account, self._expires_ns, fault))]

    # --- the subscription ------------------------------------------------------------------------

    def _status(self, one: _Connection, status: str) -> Post:
        verified = status == CONNECTED and one.verified
        return Post(FeedStatus(one.index, status, verified, len(one.wanted)))

    def _ask(
        self, one: _Connection, subscriptions: list[Subscription], change: str | None
    ) -> list[Action]:
        texts = subscribe_requests(subscriptions, self.limits.batch)
        actions: list[Action] = [Send(one.index, text) for text in texts]
        if change is not None and subscriptions:
            actions.append(self._subscription(one, change, mode_of(subscriptions), ()))
        return actions

    def _subscription(
        self, one: _Connection, change: str, mode: str, missing: tuple[int, ...]
    ) -> Post:
        return Post(SubscriptionChanged(one.index, change, mode, len(one.wanted), missing))

    def _change(self, now_ns: int, one: _Connection, before: Wanted) -> list[Action]:
        """Bring a connection that is up to what is wanted of it now."""
        gone = [sub for token, sub in before.items() if token not in one.wanted]
        new = [sub for token, sub in one.wanted.items() if before.get(token) != sub]
        if not one.used:
            return self._give_up(one)
        actions: list[Action] = []
        if gone:
            texts = unsubscribe_requests([sub.token for sub in gone], self.limits.batch)
            actions += [Send(one.index, text) for text in texts]
            actions.append(self._subscription(one, "UNSUBSCRIBED", mode_of(gone), ()))
            one.seen.forget(sub.token for sub in gone)
        if new:
            one.seen.ask(new)
            one.tries, one.asked_ns = 0, now_ns
            one.verify_ns = now_ns + self.limits.verify_ms * MS
            actions += self._ask(one, new, "SUBSCRIBED")
        elif gone and one.seen.done:
            actions += self._verify(one)
        return actions

    def _look(self, one: _Connection, data: bytes) -> list[Action]:
        """Compare a frame with what was asked for, while something is still to be seen."""
        try:
            one.seen.look(data)
        except FrameError:
            self.counts.malformed += 1
            return []
        return self._verify(one) if one.seen.done else []

    def _verify(self, one: _Connection) -> list[Action]:
        """Everything asked for was seen."""
        one.verify_ns, one.told_missing = None, ()
        mode = mode_of(one.wanted.values())
        actions: list[Action] = [self._subscription(one, "VERIFIED", mode, ())]
        if not one.verified:
            one.verified = True
            actions.append(self._status(one, CONNECTED))
        return actions

    def _judge(self, one: _Connection, missing: tuple[int, ...]) -> list[Action]:
        """Asked often enough: name what was not seen, and say whether the rest stands."""
        actions: list[Action] = []
        if missing and missing != one.told_missing:
            one.told_missing = missing
            mode = mode_of(one.seen.missing.values())
            actions.append(self._subscription(one, "PARTIAL", mode, missing))
        holds = one.seen.holds(len(one.wanted), self.limits.missing_max_per_mille)
        if holds != one.verified:
            one.verified = holds
            actions.append(self._status(one, CONNECTED))
        return actions
