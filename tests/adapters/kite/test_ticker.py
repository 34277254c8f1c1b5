"""The ticker's sockets against a loopback server: F01, F04, F06, F08, F09, F10, S01."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from msgspec import structs

from adapters.kite.credentials import CredentialError, Credentials, TokenExpired
from adapters.kite.link import Limits
from adapters.kite.roots import BadRoot
from adapters.kite.secret import Secret
from adapters.kite.subscription import FULL, Subscription, TooManyInstruments
from adapters.kite.ticker import Outlet, Ticker
from events.broker import AuthStatus
from events.feed import FeedFrame, FeedStatus, HealthObserved, SubscriptionChanged
from events.wire.kite import HEARTBEAT
from tests.adapters.kite.packets import INDEX, SINCE_S, option
from tests.adapters.kite.server import Outcome, Server, frames_of

KEY, TOKEN = "canarykey4711", "canarytoken&+%4712"
QUICK = Limits(
    verify_ms=150, backoff_base_ms=1, backoff_cap_ms=20, token_look_ms=20,
    connects_per_hour=6, breaker_ms=3_600_000,
)  # fmt: skip
SILENT = structs.replace(QUICK, silence_ms=400, connects_per_hour=10_000)
SESSION_NS = SINCE_S * 1_000_000_000
TEN = [Subscription(INDEX, FULL, True), *(Subscription(option(n), FULL, False) for n in range(9))]


def login(token: str = TOKEN) -> Credentials:
    """A login as the token file would give it."""
    return Credentials(Secret(KEY), Secret(token), "AB1234", 1, 99, "file")


class Feed:
    """A server, a ticker on it and what it posted."""

    def __init__(self, server: Server, limits: Limits) -> None:
        self.server = server
        self.logins: list[Credentials | CredentialError] = [login()]
        self.reads = 0
        self.outcome = Outcome()
        self.ticker = Ticker(
            self._login, lambda: SESSION_NS, self.outcome.outlet, seed=1, root=server.root,
            limits=limits,
        )  # fmt: skip

    def _login(self) -> Credentials:
        self.reads += 1
        found = self.logins[-1]
        if isinstance(found, CredentialError):
            raise found
        return found

    def verified(self) -> bool:
        """Was the last thing said of the feed that it stands?"""
        said = self.outcome.kinds(FeedStatus)
        return bool(said) and said[-1].subscription_verified

    def lost(self) -> int:
        """How often a connection was lost."""
        return [one.status for one in self.outcome.kinds(FeedStatus)].count("LOST")

    def wait_verified(self) -> None:
        """Until the subscription stands."""
        self.outcome.wait(self.verified, "verified")


@contextmanager
def feed(
    server: Server, limits: Limits = QUICK, wanted: list[Subscription] = TEN
) -> Iterator[Feed]:
    """A running ticker, stopped at the end, its thread gone and without a failure."""
    made = Feed(server, limits)
    made.ticker.start(wanted)
    try:
        yield made
    finally:
        assert made.ticker.stop()
    assert made.ticker.failure is None


@pytest.fixture
def server() -> Iterator[Server]:
    """A good server."""
    with Server() as one:
        yield one


def test_it_connects_subscribes_and_hands_on_what_comes_byte_for_byte(server: Server) -> None:
    """The handshake has key, token and version; frames, also heartbeats, come as they were sent."""
    with feed(server) as one:
        one.wait_verified()
        sent = [frames_of([INDEX]), HEARTBEAT, b"", b"\x00\x02junk", frames_of([option(1)]) + b"\0"]
        server.send(*sent)
        one.outcome.wait(lambda: sent[-1] in [f.data for f in one.outcome.kinds(FeedFrame)])
        server.send(json.dumps({"type": "order", "data": {"order_id": "7", "x": [1]}}))
        one.outcome.wait(lambda: one.outcome.orders)
    query = parse_qs(urlsplit(server.paths[0]).query)
    assert query == {"api_key": [KEY], "access_token": [TOKEN]}
    assert server.paths[0].startswith("/?")
    assert server.headers[0]["X-Kite-Version"] == "3"
    assert "Sec-WebSocket-Extensions" not in server.headers[0]
    got = [f.data for f in one.outcome.kinds(FeedFrame)]
    assert [data for data in got if data in sent and data != HEARTBEAT] == [
        data for data in sent if data != HEARTBEAT
    ]
    assert got.count(HEARTBEAT) >= 1
    assert one.outcome.orders == [{"order_id": "7", "x": [1]}]
    assert one.outcome.kinds(AuthStatus) == [AuthStatus("OK", "AB1234", 99, None)]
    assert [(s.status, s.subscription_verified) for s in one.outcome.kinds(FeedStatus)] == [
        ("CONNECTED", False), ("CONNECTED", True), ("LOST", False),
    ]  # fmt: skip


@pytest.mark.parametrize("manner", ["silent", "deaf"])
def test_a_silent_or_half_open_socket_is_given_up(server: Server, manner: str) -> None:
    """F01: a socket that says nothing, or answers no ping either, is LOST and made anew."""
    with feed(server, SILENT) as one:
        one.wait_verified()
        server.manner = manner
        one.outcome.wait(one.lost, "lost")
        server.manner = "good"
        one.wait_verified()
    assert one.ticker.link.counts.drops >= 1
    asked = [m["v"] for m in server.requests if m["a"] == "subscribe"]
    assert asked.count(sorted(sub.token for sub in TEN)) >= 2


def test_an_accept_then_drop_storm_meets_its_breaker(server: Server) -> None:
    """F09: over real sockets: the budget of connections, said once, and then no further one."""
    server.manner = "drops"
    with feed(server) as one:
        one.outcome.wait(
            lambda: any(
                h.what == "FEED_CONNECTS_AN_HOUR" for h in one.outcome.kinds(HealthObserved)
            )
        )
        assert one.ticker.link.next_due_ns() is not None
    assert len(server.paths) == QUICK.connects_per_hour
    assert one.reads == QUICK.connects_per_hour, "the login is read again before each handshake"


def test_a_refusal_is_one_handshake_until_there_is_another_login(server: Server) -> None:
    """F08: 403: one handshake; the login is looked at, not the broker; a new token goes on."""
    server.token = "another"
    with feed(server) as one:
        one.outcome.wait(lambda: one.reads >= 8, "looked again and again")
        assert len(server.paths) == 1
        assert one.outcome.kinds(AuthStatus) == [AuthStatus("REFUSED", "AB1234", 99, "TOKEN")]
        one.logins.append(login("another"))
        one.wait_verified()
    assert len(server.paths) == 2
    assert one.outcome.kinds(AuthStatus)[-1].status == "OK"


@pytest.mark.parametrize(
    ("error", "status"),
    [(TokenExpired("over at 06:00: give 'axiom login'"), "EXPIRED"),
     (CredentialError("there is none: give 'axiom login'"), "UNKNOWN")],
)  # fmt: skip
def test_without_a_login_no_handshake_is_made(
    server: Server, error: CredentialError, status: str
) -> None:
    """F08: expired by plan, or none at all: no attempt leaves; what to do is told."""
    made = Feed(server, QUICK)
    made.logins = [error]
    made.ticker.start(TEN)
    made.outcome.wait(lambda: made.reads >= 5)
    assert server.paths == []
    assert made.outcome.kinds(AuthStatus) == [AuthStatus(status, None, None, "TOKEN")]
    assert made.outcome.told == [("login", str(error))]
    made.logins.append(login())
    made.wait_verified()
    assert made.ticker.stop()


def test_truncated_frames_are_facts_and_the_connection_lives(server: Server) -> None:
    """F04: every cut of a frame is handed on, counted, and the socket stays."""
    with feed(server) as one:
        one.wait_verified()
        good = frames_of([INDEX])
        cuts = [good[:n] for n in range(2, len(good))]
        server.send(*cuts)
        one.outcome.wait(lambda: cuts[-1] in [f.data for f in one.outcome.kinds(FeedFrame)])
        assert one.lost() == 0
    got = [f.data for f in one.outcome.kinds(FeedFrame)]
    assert [data for data in got if data in cuts] == cuts


def test_a_partial_subscription_is_named(server: Server) -> None:
    """F10: a token that is ignored is asked for again, then named; an ignored index: unverified."""
    server.ignores = {INDEX}
    with feed(server) as one:
        one.outcome.wait(
            lambda: any(s.change == "PARTIAL" for s in one.outcome.kinds(SubscriptionChanged))
        )
        assert one.outcome.kinds(SubscriptionChanged)[-1].missing == (INDEX,)
        assert not one.verified()
        server.send(frames_of([INDEX]))
        one.wait_verified()
    assert [m["v"] for m in server.requests if m["a"] == "subscribe"][1:] == [[INDEX]] * 2


def test_an_old_first_tick_after_reconnection_is_not_fresh(server: Server) -> None:
    """F06: what was stamped before the connection leaves it unverified; the present verifies it."""
    server.stamp_s = SINCE_S - 1
    with feed(server) as one:
        one.outcome.wait(lambda: any(len(f.data) > 100 for f in one.outcome.kinds(FeedFrame)))
        assert not one.verified()
        server.send(frames_of([INDEX]))
        one.wait_verified()


def test_past_one_connection_the_rest_goes_to_the_next(server: Server) -> None:
    """F10: 2,500 instruments at 1,000 a connection are three sockets; more are refused at once."""
    tokens = [Subscription(option(n), FULL, False) for n in range(2_500)]
    limits = Limits(tokens_max=1_000, connections_max=3)
    with feed(server, limits, tokens) as one:
        one.outcome.wait(
            lambda: sum(s.change == "VERIFIED" for s in one.outcome.kinds(SubscriptionChanged)) == 3
        )
        assert server.open_now == 3
        with pytest.raises(TooManyInstruments):
            one.ticker.subscribe(Subscription(n, FULL, False) for n in range(3_001))
        one.ticker.subscribe(tokens[:10])
        one.outcome.wait(lambda: one.lost() == 2)
    sizes = {s.connection: s.subscribed for s in one.outcome.kinds(FeedStatus)}
    assert sizes == {0: 10, 1: 0, 2: 0}
    assert max(len(m["v"]) for m in server.requests if m["a"] == "subscribe") == limits.batch


def test_a_redirection_is_not_followed(server: Server) -> None:
    """S01: the token goes to the host it was meant for: an answer that sends it on is a failure."""
    with Server() as other:
        server.status, server.location = 302, f"{other.root}/?caught"
        with feed(server) as one:
            one.outcome.wait(lambda: len(server.paths) >= 2)
        assert other.paths == []
        assert one.outcome.kinds(AuthStatus) == []


def test_no_server_is_a_failure_like_any_other() -> None:
    """F09: nobody listens: told by the error's kind alone, tried again within the budget."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    outcome = Outcome()
    ticker = Ticker(
        login, lambda: SESSION_NS, outcome.outlet, seed=1, root=f"ws://127.0.0.1:{port}",
        limits=QUICK,
    )  # fmt: skip
    ticker.start(TEN)
    outcome.wait(lambda: len(outcome.told) == QUICK.connects_per_hour)
    assert ticker.stop()
    assert {kind for kind, _ in outcome.told} == {"unreachable"}


def test_a_proxy_that_cannot_be_used_is_a_failure_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """F09: a SOCKS proxy in the environment, for which a package is missing: told, tried again."""
    monkeypatch.setenv("wss_proxy", "socks5h://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    outcome = Outcome()
    ticker = Ticker(
        login, lambda: SESSION_NS, outcome.outlet, seed=1, root="wss://feed.invalid", limits=QUICK
    )
    ticker.start(TEN)
    outcome.wait(lambda: len(outcome.told) == QUICK.connects_per_hour)
    assert ticker.stop()
    assert ticker.failure is None
    assert {kind for kind, _ in outcome.told} == {"unreachable"}


@pytest.mark.parametrize(
    "root",
    ["ws://ws.kite.trade", "http://127.0.0.1", "wss://", "wss://a/b", "wss://u:p@a", "wss://a?x=1",
     "", "wss://a:99999", "ws://127.0.0.1.evil.example", "wss://a#f", "wss://a..b"],
)  # fmt: skip
def test_a_root_that_is_none_is_refused(root: str) -> None:
    """S01: in the clear only to this machine, never with something behind the host; one line."""
    with pytest.raises(BadRoot) as caught:
        Ticker(login, lambda: 0, Outcome().outlet, seed=1, root=root)
    assert "\n" not in str(caught.value)


def test_with_every_logger_open_no_token_is_written(server: Server) -> None:
    """S01: a storm, a refusal, a drop and a failing outlet with logging at DEBUG: no key, no token
    in any log, told text, posted fact or in the state of the failure."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        logging.getLogger("websockets").setLevel(logging.DEBUG)
        with feed(server) as one:
            one.wait_verified()
            server.drop()
            one.outcome.wait(one.lost)
            one.wait_verified()
            server.token = "another"
            server.drop()
            one.outcome.wait(lambda: len(one.outcome.kinds(AuthStatus)) == 2)
        failing = Ticker(
            login, lambda: SESSION_NS, Outlet(one.outcome.outlet.post, _fail, _tell), seed=1,
            root=server.root, limits=QUICK,
        )  # fmt: skip
        server.token = None
        failing.start(TEN)
        one.outcome.wait(one.verified)
        server.send('{"type":"order","data":{}}')
        one.outcome.wait(lambda: failing.failure)
        assert failing.stop()
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
        logging.getLogger("websockets").setLevel(logging.WARNING)
    assert failing.failure is not None
    assert failing.failure.startswith("KeyError at test_ticker.py:")
    shown = f"{stream.getvalue()}{one.outcome.told}{one.outcome.events}{failing.failure}"
    shown += repr(vars(one.ticker)) + repr(vars(failing))
    for text in (KEY, TOKEN, "canarytoken"):
        assert text not in shown
    assert HealthObserved("TICKER_FAILED", "BAD", 1, 0) in one.outcome.events


def test_a_text_that_repeats_the_login_is_handed_on_without_it(server: Server) -> None:
    """S01: an error, an unreadable text and an order that quote the address: no key, no token in
    what is told or becomes an order's fact."""
    quoted = f"bad {server.root}/?api_key={KEY}&access_token={quote(TOKEN, safe='')} {TOKEN}"
    with feed(server) as one:
        one.wait_verified()
        server.send(json.dumps({"type": "error", "data": quoted}))
        server.send(f"no JSON {quoted}")
        server.send(json.dumps({"type": "order", "data": {"status_message": quoted}}))
        one.outcome.wait(lambda: one.outcome.orders)
    shown = f"{one.outcome.told} {one.outcome.orders}"
    assert shown.count("***") == 9
    assert [text for text in (KEY, TOKEN, "canarytoken") if text in shown] == []


def _fail(order: dict[str, object]) -> None:
    raise KeyError(f"{KEY} {TOKEN}")


def _tell(kind: str, text: str) -> None:
    assert kind


def test_a_stop_before_the_start_and_twice_is_a_stop(server: Server) -> None:
    """A ticker that was never started, and one that is stopped again, end at once."""
    assert Feed(server, QUICK).ticker.stop()
    with feed(server) as one:
        one.wait_verified()
        assert one.ticker.stop()
    assert [t.name for t in threading.enumerate() if t.name == "kite-ticker"] == []


def test_canary_the_server_sees_the_token(server: Server) -> None:
    """The token does go over the wire: the tests above look for something that is there."""
    with feed(server) as one:
        one.wait_verified()
    assert "canarytoken" in server.paths[0]
