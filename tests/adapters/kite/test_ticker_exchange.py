"""The ticker and the login against the simulated exchange: F01, F04, F06, F08, F09, F10, B12."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from msgspec import structs

from adapters.exchange_sim.running import RunningExchange, running_exchange
from adapters.exchange_sim.server import Settings
from adapters.kite.credentials import Credentials, ist_text
from adapters.kite.link import Limits
from adapters.kite.login import LoginRefused, exchange, invalidate
from adapters.kite.secret import Secret
from adapters.kite.subscription import FULL, Subscription
from adapters.kite.ticker import Ticker
from events.broker import AuthStatus
from events.feed import FeedFrame, FeedStatus, HealthObserved, SubscriptionChanged
from events.wire.kite import (
    HEARTBEAT,
    INDEX_QUOTE_SIZE,
    QUOTE_SIZE,
    encode_frame,
    packet_at,
    packet_spans,
)
from tests.adapters.exchange_sim.bench_market import CALL, FUTURE, NIFTY, PUT, SENSEX_CALL
from tests.adapters.exchange_sim.clients import ask, listen, order_form
from tests.adapters.exchange_sim.hand_market import OPENING, HandMarket, at, index, tradable
from tests.adapters.kite.server import Outcome

LIMITS = Limits(
    verify_ms=150, backoff_base_ms=1, backoff_cap_ms=20, token_look_ms=20, connects_per_hour=6,
    breaker_ms=3_600_000,
)  # fmt: skip
SILENT = structs.replace(LIMITS, silence_ms=500, connects_per_hour=10_000)
FOUR = [Subscription(NIFTY.token, FULL, True)] + [
    Subscription(row.token, FULL, False) for row in (FUTURE, CALL, PUT)
]
MINUTES = 4
SNAPSHOTS = 2
"""One in quote mode at the subscription, one in full mode after it."""
LATER = tuple(
    (float(second), encode_frame([index(seconds=second), tradable(CALL, 10_000, seconds=second)]))
    for second in range(1, 60 * MINUTES)
)


class Feed:
    """An exchange whose time is moved by hand, a ticker on it and what it posted."""

    def __init__(self, running: RunningExchange, limits: Limits) -> None:
        self.running = running
        self.login = Credentials(Secret("demo"), Secret("demo"), "demo", None, None, "file")
        self.reads = 0
        self.outcome = Outcome()
        self.ticker = Ticker(
            self._read, running.now_ns, self.outcome.outlet, seed=1, root=running.ws, limits=limits
        )

    def _read(self) -> Credentials:
        self.reads += 1
        return self.login

    def fault(self, kind: str, settings: str = "") -> None:
        """Begin a fault now."""
        self.running.fault(f'[[fault]]\nkind = "{kind}"\n{settings}\n')

    def end(self, kind: str) -> None:
        """End it."""
        assert ask(self.running, "DELETE", f"/sim/faults?kind={kind}").status == 200

    def verified(self) -> bool:
        """Was the last thing said of the feed that it stands?"""
        said = self.outcome.kinds(FeedStatus)
        return bool(said) and said[-1].subscription_verified

    def lost(self) -> int:
        """How often a connection was lost."""
        return [one.status for one in self.outcome.kinds(FeedStatus)].count("LOST")

    def connected(self) -> int:
        """How often one was made."""
        said = self.outcome.kinds(FeedStatus)
        return sum(one.status == "CONNECTED" and not one.subscription_verified for one in said)

    def frames(self) -> list[bytes]:
        """What came, heartbeats apart."""
        return [f.data for f in self.outcome.kinds(FeedFrame) if f.data != HEARTBEAT]


@contextmanager
def fed(
    limits: Limits = LIMITS, wanted: list[Subscription] = FOUR, *, start: bool = True
) -> Iterator[Feed]:
    """A feed that stands; at the end its thread is gone and had no failure."""
    with running_exchange(HandMarket(*LATER), 0, settings=Settings(heartbeat_s=0.05)) as running:
        made = Feed(running, limits)
        if start:
            made.ticker.start(wanted)
        try:
            yield made
        finally:
            assert made.ticker.stop()
        assert made.ticker.failure is None


def test_frames_come_as_the_market_made_them() -> None:
    """Snapshot, then each second's frame byte for byte; texts of unknown types are only counted."""
    with fed() as feed:
        feed.outcome.wait(feed.verified)
        feed.running.step_to(at(3))
        feed.outcome.wait(lambda: LATER[2][1] in feed.frames())
        assert feed.lost() == 0
    shown = feed.frames()
    assert [data for data in shown if data in dict(LATER).values()] == [d for _, d in LATER[:3]]
    sizes, packets = packet_spans(shown[0]), {packet_at(shown[1], i) for i in range(4)}
    assert {size for _, size in sizes} == {INDEX_QUOTE_SIZE, QUOTE_SIZE}, "before its mode was set"
    assert packets == {packet_at(OPENING, i) for i in range(4)}
    assert feed.outcome.kinds(AuthStatus) == [AuthStatus("OK", "demo", None, None)]
    assert feed.outcome.told == []
    assert feed.ticker.link.counts.unknown_texts >= 1


def test_a_message_of_the_broker_is_told_and_harms_nothing() -> None:
    """A text frame of type ``message``: told to the person as it is, counted as a text, no fact of
    trouble; the link stands and the frames after it come as ever."""
    with fed() as feed:
        feed.outcome.wait(feed.verified)
        texts = feed.ticker.link.counts.texts
        feed.fault("broker_message", 'text = "slow today"')
        feed.outcome.wait(lambda: feed.outcome.told)
        feed.running.step_to(at(1))
        feed.outcome.wait(lambda: LATER[0][1] in feed.frames())
        assert feed.lost() == 0
    counts = feed.ticker.link.counts
    assert feed.outcome.told == [("message", "slow today")]
    assert counts.texts > texts and (counts.errors, counts.bad_texts, counts.drops) == (0, 0, 0)
    assert [one.what for one in feed.outcome.kinds(HealthObserved) if one.status != "OK"] == []
    assert feed.outcome.orders == []


@pytest.mark.parametrize("kind", ["silent_socket", "half_open_socket"])
def test_a_socket_that_says_nothing_is_given_up(kind: str) -> None:
    """F01: open and silent, or half open: LOST by the watchdog; when it passes, it stands again."""
    with fed(SILENT) as feed:
        feed.outcome.wait(feed.verified)
        feed.fault(kind)
        feed.outcome.wait(feed.lost)
        feed.end(kind)
        feed.outcome.wait(feed.verified)
    assert feed.ticker.link.counts.drops >= 1


def test_dead_sockets_are_tried_within_the_budget() -> None:
    """F09: REST lives, no socket can be opened: the budget, no more, and no login is asked for."""
    with fed() as feed:
        feed.outcome.wait(feed.verified)
        feed.fault("sockets_dead")
        feed.outcome.wait(
            lambda: any(
                h.what == "FEED_CONNECTS_AN_HOUR" for h in feed.outcome.kinds(HealthObserved)
            )
        )
        assert ask(feed.running, "GET", "/user/profile").status == 200
    assert feed.reads == LIMITS.connects_per_hour
    assert [one.status for one in feed.outcome.kinds(AuthStatus)] == ["OK"]


def test_a_storm_is_subscribed_once_a_connection() -> None:
    """F09: opened and broken again at once: the budget of connections and then none."""
    with fed(start=False) as feed:
        feed.fault("socket_storm", "live_ms = 0")
        feed.ticker.start(FOUR)
        feed.outcome.wait(
            lambda: any(
                h.what == "FEED_CONNECTS_AN_HOUR" for h in feed.outcome.kinds(HealthObserved)
            )
        )
    assert feed.connected() <= feed.reads == LIMITS.connects_per_hour
    changes = [s.change for s in feed.outcome.kinds(SubscriptionChanged)]
    assert changes.count("SUBSCRIBED") == feed.connected()


def request_token(running: RunningExchange) -> Secret:
    """A person's visit to the login page."""
    page = ask(running, "GET", "/connect/login?api_key=demo&v=3", token=None).body.decode()
    return Secret(page.partition('id="request_token">')[2].partition("<")[0])


def test_a_token_that_dies_stops_the_feed_until_the_next_login() -> None:
    """F08: flushed in the session: one handshake, REFUSED; a login by our own code goes on."""
    with fed() as feed:
        feed.outcome.wait(feed.verified)
        feed.fault("token_expiry")
        feed.outcome.wait(lambda: len(feed.outcome.kinds(AuthStatus)) == 2)
        assert feed.outcome.kinds(AuthStatus)[-1] == AuthStatus("REFUSED", "demo", None, "TOKEN")
        looked = feed.reads
        feed.outcome.wait(lambda: feed.reads > looked + 5)
        assert feed.ticker.link.counts.connects == 2
        secret = Secret("demo")
        feed.login = exchange(
            feed.running.rest, Secret("demo"), request_token(feed.running), secret, at(0)
        )
        feed.outcome.wait(feed.verified)
    assert feed.ticker.link.counts.connects == 3
    assert [one.status for one in feed.outcome.kinds(AuthStatus)] == ["OK", "REFUSED", "OK"]


def test_the_login_is_the_exchange_s_too() -> None:
    """S01: exchanged once, dated in the market's day, refused a second time, ended at the end."""
    with fed(start=False) as feed:
        root, key, secret = feed.running.rest, Secret("demo"), Secret("demo")
        answer = request_token(feed.running)
        kept = exchange(root, key, answer, secret, at(60))
        assert ist_text(kept.expires_ns or 0) == "2026-11-21 06:00"
        with pytest.raises(LoginRefused):
            exchange(root, key, answer, secret, at(60))
        invalidate(root, kept)
        assert ask(feed.running, "GET", "/user/profile").status == 403


def test_what_is_not_heard_or_never_speaks_is_named() -> None:
    """F10: a contract that never speaks is named and the rest stands; where a whole request is not
    heard, the feed does not."""
    wanted = [*FOUR, Subscription(SENSEX_CALL.token, FULL, False)]
    with fed(structs.replace(LIMITS, missing_max_per_mille=200), wanted) as feed:
        feed.outcome.wait(feed.verified)
        assert feed.outcome.kinds(SubscriptionChanged)[-1].missing == (SENSEX_CALL.token,)
    with fed(start=False) as feed:
        feed.fault("partial_subscription", 'lost = "mode"')
        feed.ticker.start(FOUR)
        feed.outcome.wait(
            lambda: any(s.change == "PARTIAL" for s in feed.outcome.kinds(SubscriptionChanged))
        )
        tokens = tuple(sorted(one.token for one in FOUR))
        assert feed.outcome.kinds(SubscriptionChanged)[-1].missing == tokens
        assert not feed.verified()
    assert feed.ticker.link.counts.malformed == 0


def test_a_stale_first_tick_is_not_fresh() -> None:
    """F06: after a reconnection the first tick is two minutes old: seen, and not verified by it."""
    with fed() as feed:
        feed.outcome.wait(feed.verified)
        for second in range(30, 181, 30):
            feed.running.step_to(at(second))
        feed.outcome.wait(lambda: LATER[179][1] in feed.frames())
        feed.fault("stale_first_tick")
        before = len(feed.frames())
        feed.fault("socket_drop")
        feed.outcome.wait(lambda: len(feed.frames()) == before + SNAPSHOTS)
        assert not feed.verified()
        feed.running.step_to(at(181))
        feed.outcome.wait(feed.verified)


@pytest.mark.parametrize("kind", ["truncated_frames", "malformed_frames"])
def test_broken_frames_do_not_break_the_connection(kind: str) -> None:
    """F04: a minute of nothing but broken frames: all handed on, the connection stands."""
    with fed() as feed:
        feed.outcome.wait(feed.verified)
        feed.fault(kind)
        feed.running.step_to(at(60))
        feed.end(kind)
        feed.running.step_to(at(61))
        feed.outcome.wait(lambda: LATER[60][1] in feed.frames())
        assert feed.lost() == 0
    texts = sum(kind == "unreadable" for kind, _ in feed.outcome.told)
    assert len(feed.frames()) + texts == SNAPSHOTS + 61


def test_order_updates_come_each_time_that_they_were_sent() -> None:
    """B12: every update twice: both are handed on, in order, with every field."""
    with fed() as feed:
        feed.outcome.wait(feed.verified)
        feed.fault("duplicate_updates")
        form = order_form(price=101)
        order_id = ask(feed.running, "POST", "/orders/regular", form).data["order_id"]
        feed.running.step_to(at(5))
        feed.outcome.wait(lambda: len(feed.outcome.orders) >= 2)
        orders = list(feed.outcome.orders)
    assert {one["order_id"] for one in orders} == {order_id}
    assert orders[-1] == orders[-2]
    assert {"checksum", "unfilled_quantity", "app_id"} <= orders[0].keys()


def test_a_fourth_connection_waits_its_turn() -> None:
    """Three others are connected: 429 is no refusal of the login; once they end, it stands."""
    with fed(structs.replace(LIMITS, connects_per_hour=10_000), start=False) as feed:
        with ExitStack() as others:
            for _ in range(3):
                others.enter_context(listen(feed.running)).settle()
            feed.ticker.start(FOUR)
            feed.outcome.wait(lambda: feed.ticker.link.counts.connects >= 2)
            assert feed.outcome.kinds(AuthStatus) == []
        feed.outcome.wait(feed.verified)
