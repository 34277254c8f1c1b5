"""The feed's decisions under a virtual clock: F01, F06, F08, F09, F10, and order updates."""

from __future__ import annotations

import hashlib
import json
import sys
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kite.errors import FAULTS
from adapters.kite.link import FRAME_KEPT_BYTES, MS, NEEDS_LOGIN, Limits, feed_frame
from adapters.kite.subscription import FULL
from events.broker import AuthStatus
from events.feed import FeedFrame, FeedStatus, HealthObserved, SubscriptionChanged
from events.wire.kite import HEARTBEAT, encode_frame
from tests.adapters.kite.packets import INDEX, SINCE_S, option, packet
from tests.adapters.kite.world import HOUR_MS, World, full

TEN = full(INDEX, essential=True) + full(*(option(n) for n in range(9)))


def test_every_fault_is_a_row_of_the_error_table() -> None:
    """What is said of a login is in the words of the one table of the broker's faults."""
    assert set(NEEDS_LOGIN.values()) <= FAULTS.keys()


def begun(world: World, wanted: list = TEN) -> World:
    """The same world with its link started on some instruments."""
    world.do(world.link.subscribe(0, wanted))
    world.do(world.link.start(0))
    return world


def statuses(world: World) -> list[tuple[str, bool]]:
    """What was said of connections."""
    return [(one.status, one.subscription_verified) for one in world.kinds(FeedStatus)]


def test_a_good_hour_is_one_connection() -> None:
    """Connected, subscribed, verified, and then nothing more is said or asked for."""
    world = begun(World())
    world.run(HOUR_MS)
    assert [at for at, _ in world.opens] == [0]
    assert [m["a"] for _, m in world.requests] == ["subscribe", "mode"]
    assert statuses(world) == [("CONNECTED", False), ("CONNECTED", True)]
    changes = [(one.change, one.mode) for one in world.kinds(SubscriptionChanged)]
    assert changes == [("SUBSCRIBED", FULL), ("VERIFIED", FULL)]
    assert world.kinds(AuthStatus) == [AuthStatus("OK", None, None, None)]
    assert world.kinds(HealthObserved) == []
    assert world.link.verified(0)
    assert world.link.counts.frames == len(world.kinds(FeedFrame)) == HOUR_MS // 2_500


def test_a_silent_socket_is_given_up_and_made_anew() -> None:
    """F01: no byte, the socket open: within the limit and no sooner it is LOST and made again."""
    world = begun(World())
    world.run(60_000)
    world.beats, since = False, world.now_ms
    world.run(since + 1_000)
    world.beats = True
    world.run(since + 20_000)
    assert ("LOST", False) not in statuses(world), "a heartbeat within the limit is a sign of life"
    world.beats = False
    world.run(since + 60_000)
    lost = [at for at, event in world.events if event == FeedStatus(0, "LOST", False, 10)]
    last = max(at for at, event in world.events if isinstance(event, FeedFrame) and at < lost[0])
    assert lost[0] - last == world.link.limits.silence_ms
    assert world.link.counts.drops == len(lost) >= 2
    world.beats = True
    world.run(since + 200_000)
    assert statuses(world)[-1] == ("CONNECTED", True)


def test_link_age_is_of_the_connection_not_of_an_instrument() -> None:
    """F01: a quiet contract makes nothing old; the age is since any frame, and None while down."""
    world = begun(World())
    world.run(40_000)
    age = world.link.age_ns(world.now_ms * MS, 0)
    assert age is not None
    assert age < 3_000 * MS
    assert world.link.age_ns(world.now_ms * MS, 1) is None
    world.answer = lambda _: 0
    world.close(0)
    assert world.link.age_ns(world.now_ms * MS, 0) is None


def test_an_old_first_tick_after_reconnection_is_not_fresh() -> None:
    """F06: snapshots stamped before the reconnection leave it unverified until the stamp passes."""
    world = begun(World())
    world.run(100_000)
    old = SINCE_S + 99
    world.stamp_s = lambda: old
    world.close(0)
    world.run(140_000)
    assert world.opens[-1][0] >= 100_000
    assert statuses(world)[-2:] == [("LOST", False), ("CONNECTED", False)]
    world.frame(0, [INDEX])
    assert not world.link.verified(0), "an old stamp never verifies, however often it comes"
    old = SINCE_S + world.now_ms // 1000
    world.frame(0, [INDEX])
    assert world.link.verified(0)
    assert statuses(world)[-1] == ("CONNECTED", True)


def test_each_of_several_connections_is_told_before_it_is_up() -> None:
    """F04: so that one which never comes up is missed; of one alone nothing is said before."""
    many = full(*(option(n) for n in range(6)))
    world = World(Limits(tokens_max=2))
    world.answer = lambda _: 0
    begun(world, many).run(5_000)
    assert world.kinds(FeedStatus) == [FeedStatus(i, "WANTED", False, 2) for i in range(3)]
    alone = World()
    alone.answer = lambda _: 0
    begun(alone).run(5_000)
    assert alone.kinds(FeedStatus) == []


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize(("status", "fault"), sorted(NEEDS_LOGIN.items()))
def test_a_dead_login_is_one_attempt_and_a_question(
    connections: int, status: int, fault: str
) -> None:
    """F08: a refusal at the handshake: one attempt in an hour, over all connections; AuthStatus."""
    many = full(*(option(n) for n in range(6))) if connections == 3 else TEN
    world = World(Limits(tokens_max=2) if connections == 3 else None)
    world.answer = lambda _: status
    world.link.login("AB1234", 77)
    begun(world, many)
    world.run(HOUR_MS)
    assert len(world.opens) == 1
    assert world.kinds(AuthStatus) == [AuthStatus("REFUSED", "AB1234", 77, fault)]
    assert world.link.wants_login
    assert ["axiom login" in one.text for one in world.told] == [True]
    world.answer = lambda _: 101
    world.login_there = True
    world.run(HOUR_MS + 60_000)
    assert len(world.opens) == 1 + connections
    assert world.kinds(AuthStatus)[-1].status == "OK"
    assert all(world.link.verified(c) for c in range(connections))


def test_a_login_that_dies_in_the_session_stops_at_the_first_refusal() -> None:
    """F08: dropped at 06:00 and refused: one attempt, what was subscribed to is kept for later."""
    world = begun(World())
    world.run(120_000)
    world.answer = lambda _: 403
    world.close(0)
    world.run(HOUR_MS)
    assert len(world.opens) == 2
    assert statuses(world)[-1] == ("LOST", False)
    assert world.kinds(AuthStatus)[-1].status == "REFUSED"
    world.answer, world.login_there = (lambda _: 101), True
    world.run(HOUR_MS + 30_000)
    asked = [m["v"] for _, m in world.requests if m["a"] == "subscribe"]
    assert asked[0] == asked[-1] == sorted(one.token for one in TEN)
    assert world.link.verified(0)


def test_a_login_over_its_time_is_no_attempt_at_all() -> None:
    """F08: where the credentials say EXPIRED nothing leaves; it is asked for, and looked for."""
    world = World()
    world.answer = lambda _: pytest.fail("a handshake without a login")
    begun(world)
    world.opens.clear()
    world._timers.clear()
    world.do(world.link.no_login(0, 0, "EXPIRED"))
    world.run(HOUR_MS)
    assert world.opens == []
    assert world.kinds(AuthStatus) == [AuthStatus("EXPIRED", None, None, "TOKEN")]


@pytest.mark.parametrize("lives_ms", [0, 1, 1_000, 5_000, 30_000])
def test_a_reconnect_storm_stays_within_its_budget(lives_ms: int) -> None:
    """F09: accept and drop for a virtual hour, 30 seeds: the budget, then one each quarter hour;
    subscribed once a connection, and each breaker said once."""
    made = []
    for seed in range(30):
        world = World(seed=seed)
        world.lives_ms = lives_ms
        begun(world)
        world.run(HOUR_MS)
        limits = world.link.limits
        most = limits.connects_per_hour + HOUR_MS // limits.breaker_ms
        assert len(world.opens) <= most, seed
        assert world.link.counts.connects == len(world.opens)
        subscribed = [m for _, m in world.requests if m["a"] == "subscribe"]
        assert len(subscribed) == len(world.opens)
        trips = [at for at, h in world.events if isinstance(h, HealthObserved)]
        assert len(trips) == 1
        assert trips[0] > 120_000, "a handshake that is taken does not end the row of failures"
        assert len(world.kinds(AuthStatus)) == 1
        made.append(len(world.opens))
    sys.stdout.write(f"lives {lives_ms} ms: {min(made)} to {max(made)} connects an hour\n")
    assert min(made) > 15


@pytest.mark.parametrize("answer", [0, 429, 500, 502, 503])
def test_a_server_that_does_not_take_us_is_asked_ever_less(answer: int) -> None:
    """F09: no answer, 429 and 5xx for an hour: in the budget too, and no login is asked for."""
    world = World()
    world.answer = lambda _: answer
    begun(world)
    world.run(HOUR_MS)
    limits = world.link.limits
    assert 5 < len(world.opens) <= limits.connects_per_hour + HOUR_MS // limits.breaker_ms
    assert world.kinds(AuthStatus) == []
    assert not world.link.wants_login


def first_delays(answer: int) -> list[int]:
    """The wait after one refusal, for some seeds."""
    delays = []
    for seed in range(40):
        world = World(seed=seed)
        world.answer = lambda _: answer
        begun(world)
        world.run(61_000)
        delays.append(world.opens[1][0] - 20)
    return delays


def test_a_server_that_says_to_slow_down_is_left_alone_for_longer() -> None:
    """F09: after 429 the first wait is drawn from a minute, after a failure from a second."""
    assert max(first_delays(503)) <= 1_000
    assert sorted(first_delays(429))[20] > 20_000


def test_one_handshake_at_a_time_however_often_it_is_asked() -> None:
    """F08: while the first is under way no other begins, whatever wakes the link meanwhile."""
    world = begun(World(Limits(tokens_max=2)), full(*(option(n) for n in range(6))))
    for ms in range(20):
        world.do(world.link.due(ms * MS))
    assert world.opens == [(0, 0)]
    world.run(100)
    assert [connection for _, connection in world.opens] == [0, 1, 2]


def test_while_a_login_is_wanted_nothing_that_drops_is_made_again() -> None:
    """F08: the second connection is refused, the first drops later: no attempt before a login."""
    world = World(Limits(tokens_max=5))
    world.answer = lambda connection: 101 if connection == 0 else 403
    begun(world, TEN)
    world.run(30_000)
    assert world.link.wants_login
    assert world.link.verified(0), "what is up stays up"
    world.close(0)
    world.run(HOUR_MS)
    assert len(world.opens) == 2


def test_a_new_login_begins_a_new_row_of_failures() -> None:
    """F08: what failed before the login does not make the first attempts after it wait."""
    for seed in range(10):
        world = World(seed=seed)
        world.answer = lambda _: 0
        begun(world)
        world.run(150_000)
        world.answer = lambda _: 403
        world.run(300_000)
        assert world.link.wants_login
        world.answer, world.login_there = (lambda _: 0), True
        world.run(310_000)
        after = [at for at, _ in world.opens if at > 300_000]
        assert len(after) >= 2
        assert after[1] - after[0] <= 1_020


def test_a_text_is_a_sign_of_life_too() -> None:
    """F01: texts alone keep a connection, as frames do."""
    world = begun(World())
    world.run(1_000)
    world.beats = False
    for _ in range(30):
        world.run(world.now_ms + 5_000)
        world.do(world.link.text(world.now_ms * MS, 0, '{"type":"message","data":""}'))
    assert len(world.opens) == 1


def test_a_connection_that_is_not_needed_any_more_is_not_made_again() -> None:
    """Its instruments go while it waits to reconnect: no handshake for nothing."""
    world = begun(World(Limits(tokens_max=10)), TEN + full(option(70)))
    world.run(10_000)
    world.answer = lambda _: 0
    world.close(1)
    world.do(world.link.subscribe(world.now_ms * MS, TEN))
    made = [connection for _, connection in world.opens].count(1)
    world.run(HOUR_MS)
    assert [connection for _, connection in world.opens].count(1) == made


def test_what_is_unsubscribed_is_no_longer_missing() -> None:
    """F10: an instrument that never spoke is let go: the rest is all there is, and is verified."""
    world = World()
    world.ignores = {option(3)}
    begun(world)
    world.run(60_000)
    assert world.kinds(SubscriptionChanged)[-1].missing == (option(3),)
    wanted = [one for one in TEN if one.token != option(3)]
    world.do(world.link.subscribe(world.now_ms * MS, wanted))
    assert world.kinds(SubscriptionChanged)[-1] == SubscriptionChanged(0, "VERIFIED", FULL, 9, ())
    assert world.link.verified(0)


def test_delays_are_below_a_bound_that_doubles_and_come_from_the_seed() -> None:
    """F09: full jitter: each delay within its bound, spread over it, and the same for a seed."""
    bounds = [min(60_000, 1_000 << n) for n in range(19)]
    shares: list[float] = []
    rows = []
    for seed in (1, 1, 2, 3, 4, 5):
        world = World(seed=seed)
        world.answer = lambda _: 0
        begun(world)
        world.run(HOUR_MS)
        times = [at for at, _ in world.opens][:20]
        delays = [b - a - 20 for a, b in pairwise(times)]
        assert all(0 <= d <= bound for d, bound in zip(delays, bounds, strict=True)), delays
        shares += [d / bound for d, bound in zip(delays, bounds, strict=True)]
        rows.append(times)
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]
    assert min(shares) < 0.1
    assert max(shares) > 0.9


def test_a_connection_that_stood_begins_a_new_row_of_failures() -> None:
    """F09: after a minute up the next drop is answered within a second; a handshake resets none."""
    world = World()
    world.answer = lambda _: 0
    begun(world)
    world.run(200_000)
    world.answer = lambda _: 101
    world.run(400_000)
    assert world.link.verified(0)
    before = len(world.opens)
    world.close(0)
    world.run(world.now_ms + 1_100)
    assert len(world.opens) == before + 1


def test_a_partial_subscription_names_its_instruments() -> None:
    """F10: three ignored tokens of a hundred: asked again twice, then named; the rest stands."""
    hundred = full(INDEX, essential=True) + full(*(option(n) for n in range(99)))
    world = World()
    world.ignores = {option(n) for n in (7, 3, 50)}
    begun(world, hundred)
    world.run(29_000)
    assert not world.link.verified(0)
    world.run(120_000)
    again = [m["v"] for _, m in world.requests if m["a"] == "subscribe"][1:]
    missing = tuple(sorted(world.ignores))
    assert again == [list(missing)] * 2
    changes = world.kinds(SubscriptionChanged)
    assert changes[-1] == SubscriptionChanged(0, "PARTIAL", FULL, 100, missing)
    assert [one.change for one in changes] == ["SUBSCRIBED", "PARTIAL"]
    assert world.link.verified(0)
    world.frame(0, missing[:2])
    world.run(140_000)
    assert world.kinds(SubscriptionChanged)[-1].missing == missing[2:]
    world.frame(0, missing)
    assert world.kinds(SubscriptionChanged)[-1].change == "VERIFIED"


def test_a_connection_that_shows_nothing_is_made_anew() -> None:
    """F10: heartbeats and nothing of ten instruments: given up each five minutes, within the
    budget, until it is heard; what is missing of a connection that speaks is asked for instead."""
    world = World()
    world.ignores = {one.token for one in TEN}
    begun(world)
    world.run(HOUR_MS)
    assert 10 <= len(world.opens) <= 12
    assert world.link.counts.drops == len(world.opens) - 1
    assert world.kinds(HealthObserved) == []
    world.ignores = {option(3)}
    world.run(HOUR_MS + 400_000)
    assert world.link.verified(0) is False, "one of ten is more than a twentieth"
    made, asked = len(world.opens), len(world.requests)
    world.run(HOUR_MS + 1_500_000)
    assert len(world.opens) == made
    again = [m["v"] for _, m in world.requests[asked:] if m["a"] == "subscribe"]
    assert again
    assert again == [[option(3)]] * len(again)
    world.ignores = set()
    world.run(HOUR_MS + 2_200_000)
    assert world.link.verified(0)


@pytest.mark.parametrize("lost", ["essential", "most", "mode"])
def test_a_subscription_that_does_not_stand_is_not_verified(lost: str) -> None:
    """F10: an ignored index, ten of a hundred, or a mode that was lost: unverified, and named."""
    hundred = full(INDEX, essential=True) + full(*(option(n) for n in range(99)))
    world = World()
    tokens = {INDEX} if lost == "essential" else {option(n) for n in range(10)}
    if lost == "mode":
        world.lost_mode = tokens
    else:
        world.ignores = tokens
    begun(world, hundred)
    world.at(2_000, lambda: world.do(world.link.frame(world.now_ms * MS, 0, in_quote_mode(tokens))))
    world.run(120_000)
    assert world.kinds(SubscriptionChanged)[-1].missing == tuple(sorted(tokens))
    assert not world.link.verified(0)
    assert ("CONNECTED", True) not in statuses(world)


def in_quote_mode(tokens: set[int]) -> bytes:
    """A frame that shows tokens in the mode that was not asked for."""
    return encode_frame([packet(token, "quote", SINCE_S) for token in sorted(tokens)])


def test_changes_while_connected_are_sent_and_verified() -> None:
    """What is new is asked for, what is gone is let go, what stays is not touched."""
    world = begun(World())
    world.run(10_000)
    world.requests.clear()
    wanted = [*TEN[1:], *full(option(40))]
    world.do(world.link.subscribe(world.now_ms * MS, wanted))
    world.run(20_000)
    assert [(m["a"], m["v"]) for _, m in world.requests] == [
        ("unsubscribe", [INDEX]),
        ("subscribe", [option(40)]),
        ("mode", [FULL, [option(40)]]),
    ]
    changes = [one.change for one in world.kinds(SubscriptionChanged)]
    assert changes[2:] == ["UNSUBSCRIBED", "SUBSCRIBED", "VERIFIED"]
    world.requests.clear()
    world.do(world.link.subscribe(world.now_ms * MS, wanted))
    assert world.requests == []


def test_a_second_connection_comes_and_goes_with_its_instruments() -> None:
    """F10: past the limit of one, a second handshake after the first; given up when not needed."""
    world = begun(World(Limits(tokens_max=10)), TEN + full(option(70)))
    world.run(10_000)
    assert [connection for _, connection in world.opens] == [0, 1]
    assert world.link.verified(0)
    assert world.link.verified(1)
    world.do(world.link.subscribe(world.now_ms * MS, TEN))
    world.run(HOUR_MS)
    assert len(world.opens) == 2
    assert world.link.age_ns(world.now_ms * MS, 1) is None
    assert world.kinds(FeedStatus)[-1] == FeedStatus(1, "LOST", False, 0)


def test_without_instruments_the_first_connection_brings_order_updates() -> None:
    """Order updates come with no subscription at all."""
    world = begun(World(), [])
    world.run(10_000)
    assert statuses(world)[-1] == ("CONNECTED", True)
    text = json.dumps({"type": "order", "data": {"order_id": "1"}})
    world.do(world.link.text(world.now_ms * MS, 0, text))
    assert world.orders == [{"order_id": "1"}]
    world.do(world.link.subscribe(world.now_ms * MS, TEN))
    world.run(20_000)
    assert world.link.verified(0)


order = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=3)


@settings(max_examples=60)
@given(st.lists(st.tuples(order, st.sampled_from(["as is", "twice", "drop after", "silent"]))))
def test_order_updates_are_handed_on_each_one_as_it_came(updates: list) -> None:
    """F11: duplicates, storms and any state between: none is conflated, dropped or reordered."""
    world = begun(World())
    world.run(1_000)
    expected = []
    for data, manner in updates:
        if 0 not in world._socket:
            world.run(world.now_ms + 70_000)
        for _ in range(2 if manner == "twice" else 1):
            expected.append(data)
            text = json.dumps({"type": "order", "data": data})
            world.do(world.link.text(world.now_ms * MS, 0, text))
        if manner == "drop after":
            world.close(0)
    assert world.orders == expected
    assert world.link.counts.orders == len(expected)


@pytest.mark.parametrize(
    ("text", "told"),
    [('{"type":"error","data":"max tokens"}', ("error", "max tokens")),
     ('{"type":"message","data":"hello"}', ("message", "hello")),
     ('{"type":"instruments_meta","data":{"n":1}}', None), ('{"type":"app_code"}', None),
     ("not json", ("unreadable", "not json")),
     ("[1]", ("unreadable", "[1]")), ('{"type":7}', ("unreadable", '{"type":7}')),
     ('{"type":"order","data":[1]}', ("unreadable", '{"type":"order","data":[1]}')),
     ("", ("unreadable", "")), (b"\xff\x00", ("unreadable", "\ufffd\x00"))],
)  # fmt: skip
def test_other_texts_are_told_or_counted(text: str | bytes, told: tuple[str, str] | None) -> None:
    """A message, an error (a fact too) and what nobody can read are told; unknown types, which the
    broker sends at each connection, are counted; none ends the link."""
    world = begun(World())
    world.run(1_000)
    world.do(world.link.text(world.now_ms * MS, 0, text))
    assert [(one.kind, one.text) for one in world.told] == [told] * (told is not None)
    counts = world.link.counts
    kind = told[0] if told is not None else None
    assert counts.texts == 1
    assert counts.bad_texts == (kind == "unreadable")
    assert counts.unknown_texts == (kind is None)
    bad = [h for h in world.kinds(HealthObserved) if h.what == "FEED_SERVER_ERRORS"]
    assert len(bad) == counts.errors == (kind == "error")
    assert world.orders == []


def test_a_malformed_frame_is_a_fact_and_the_link_lives() -> None:
    """F04: whatever bytes come, they are handed on as they came, and the connection stands."""
    world = begun(World())
    world.ignores = {one.token for one in TEN}
    world.run(20)
    good = encode_frame([packet(option(1), FULL, SINCE_S)])
    bad = [good[:-1], good + b"\0", b"", b"\xff\xff\xff", b"\0\1\0\3abc"]
    for data in bad:
        world.do(world.link.frame(world.now_ms * MS, 0, data))
    assert [one.data for one in world.kinds(FeedFrame)] == bad
    assert world.link.counts.malformed == 4  # an empty one is looked at by nobody
    assert not world.link.verified(0)
    world.frame(0, [one.token for one in TEN])
    world.run(60_000)
    assert len(world.opens) == 1
    assert world.link.verified(0)


def test_a_frame_is_kept_whole_unless_it_is_malformed_and_large() -> None:
    """A good frame of any size is whole; a malformed one over 64 KiB has its digest and head."""
    large = encode_frame([packet(option(n), FULL, SINCE_S) for n in range(3_000)])
    assert len(large) > 8 * FRAME_KEPT_BYTES
    assert feed_frame(2, large).data == large
    assert feed_frame(0, HEARTBEAT).data == HEARTBEAT
    short = b"\xff" * FRAME_KEPT_BYTES
    assert feed_frame(0, short).data == short
    cut = feed_frame(1, large[:-1])
    assert (cut.length_bytes, cut.data) == (len(large) - 1, large[:FRAME_KEPT_BYTES])
    assert cut.digest == hashlib.sha256(large[:-1]).hexdigest()


def test_stopping_leaves_nothing_to_be_done() -> None:
    """After a stop no time is due, and what a socket still says does nothing."""
    world = begun(World())
    world.run(10_000)
    world.do(world.link.stop())
    assert world.link.next_due_ns() is None
    assert statuses(world)[-1] == ("LOST", False)
    said = len(world.events)
    world.do(world.link.closed(world.now_ms * MS, 0))
    world.run(HOUR_MS)
    assert (len(world.opens), len(world.events)) == (1, said)


def test_canary_without_a_budget_the_storm_is_seen() -> None:
    """F09: the same storm with the budget out of the way makes many more connections than it."""
    world = World(Limits(connects_per_hour=10_000))
    world.lives_ms = 1_000
    begun(world)
    world.run(HOUR_MS)
    assert len(world.opens) > 80
