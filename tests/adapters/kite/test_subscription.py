"""F10: what is subscribed to is what was seen: sharing out, requests, comparison with frames."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kite.subscription import (
    FULL,
    LTP,
    MIXED,
    QUOTE,
    Seen,
    Subscription,
    TooManyInstruments,
    Wanted,
    mode_of,
    share_out,
    subscribe_requests,
    unsubscribe_requests,
)
from events.wire.kite import FrameError, encode_frame
from tests.adapters.kite.packets import INDEX, SINCE_S, option, packet


def wanted(*tokens: int, mode: str = FULL, essential: bool = False) -> list[Subscription]:
    """Subscriptions in one mode."""
    return [Subscription(token, mode, essential) for token in tokens]


def as_held(*subscriptions: Subscription) -> Wanted:
    """By token."""
    return {one.token: one for one in subscriptions}


@given(st.lists(st.lists(st.integers(0, 40), max_size=12, unique=True), min_size=1, max_size=6))
def test_sharing_out_keeps_what_stays_and_bounds_each_connection(changes: list[list[int]]) -> None:
    """Over any row of changes: every instrument on one connection, at most 4 on each, and none of
    those that stay is moved."""
    held: list[Wanted] = [{}, {}, {}]
    for tokens in changes:
        shares = share_out(held, wanted(*tokens), 4, 3)
        assert sorted(t for share in shares for t in share) == sorted(tokens)
        assert max(len(share) for share in shares) <= 4
        for before, after in zip(held, shares, strict=True):
            assert {t for t in before if t in tokens} <= after.keys()
        held = shares


def test_past_3000_a_second_connection_and_past_9000_a_refusal() -> None:
    """F10: 3,000 fit one connection, one more takes a second, 9,001 are refused by their number."""
    for count, shares in ((3_000, [3000, 0, 0]), (3_001, [3000, 1, 0]), (9_000, [3000] * 3)):
        found = share_out([], wanted(*range(count)), 3_000, 3)
        assert [len(share) for share in found] == shares
    with pytest.raises(TooManyInstruments, match=r"9001 instruments .* 9000"):
        share_out([], wanted(*range(9_001)), 3_000, 3)


def test_a_mode_that_is_none_is_refused() -> None:
    """A misspelt mode would be ignored by the broker in silence."""
    with pytest.raises(ValueError, match="not a mode"):
        share_out([], wanted(1, mode="FULL"), 3_000, 3)


@given(st.sets(st.integers(1, 500), max_size=60), st.integers(1, 20))
def test_requests_name_each_token_once_and_its_mode_after_it(tokens: set[int], batch: int) -> None:
    """In batches of at most so many: subscribed first, then set to its mode, nothing else."""
    modes = (LTP, QUOTE, FULL)
    subscriptions = [Subscription(t, modes[t % 3], False) for t in sorted(tokens)]
    subscribed: list[int] = []
    set_to: dict[int, str] = {}
    for text in subscribe_requests(subscriptions, batch):
        message = json.loads(text)
        if message["a"] == "subscribe":
            subscribed += message["v"]
            assert len(message["v"]) <= batch
        else:
            assert message["a"] == "mode"
            mode, part = message["v"]
            assert set(part) <= set(subscribed)
            set_to.update(dict.fromkeys(part, mode))
    assert sorted(subscribed) == sorted(tokens)
    assert set_to == {one.token: one.mode for one in subscriptions}
    ended = [json.loads(text) for text in unsubscribe_requests(tokens, batch)]
    assert sorted(t for one in ended for t in one["v"]) == sorted(tokens)


def test_a_connection_s_mode_is_one_word() -> None:
    """One mode, or mixed; full of nothing."""
    assert mode_of(wanted(1, 2, mode=QUOTE)) == QUOTE
    assert mode_of([*wanted(1, mode=QUOTE), *wanted(2, mode=LTP)]) == MIXED
    assert mode_of([]) == FULL


@pytest.mark.parametrize("mode", [LTP, QUOTE, FULL])
@pytest.mark.parametrize("token", [INDEX, option(1)])
def test_seen_is_each_instrument_in_its_own_mode(mode: str, token: int) -> None:
    """F10, mode lost: a packet of another mode's length does not count, one of the own does."""
    for sent in (LTP, QUOTE, FULL):
        seen = Seen(SINCE_S, as_held(*wanted(token, mode=mode)))
        seen.look(encode_frame([packet(token, sent, SINCE_S)]))
        assert (seen.missing == {}) is (sent == mode)
        assert seen.wrong_mode == (sent != mode)


@given(st.sets(st.integers(1, 40)), st.lists(st.sets(st.integers(1, 60)), max_size=6))
def test_missing_is_what_no_frame_showed(asked: set[int], frames: list[set[int]]) -> None:
    """F10: the missing are exactly the asked less the union of what was shown, strangers apart."""
    seen = Seen(SINCE_S, as_held(*wanted(*(option(n) for n in asked))))
    for shown in frames:
        if shown:
            seen.look(encode_frame([packet(option(n), FULL, SINCE_S) for n in sorted(shown)]))
    left = asked - set().union(*frames)
    assert sorted(seen.missing) == sorted(option(n) for n in left)


def test_a_frame_of_the_past_is_not_fresh() -> None:
    """F06: a snapshot from before the connection shows the instrument and not the present; a stamp
    of the very second does. Without a mode that carries a time nothing is waited for."""
    for token in (INDEX, option(1)):
        seen = Seen(SINCE_S, as_held(*wanted(token)))
        seen.look(encode_frame([packet(token, FULL, SINCE_S - 1)]))
        assert (seen.missing, seen.fresh, seen.done) == ({}, False, False)
        seen.look(encode_frame([packet(token, FULL, SINCE_S)]))
        assert seen.done
    assert Seen(SINCE_S, as_held(*wanted(INDEX, mode=QUOTE))).fresh
    late = Seen(SINCE_S, {})
    late.ask(wanted(INDEX))
    assert not late.fresh


def test_a_malformed_frame_shows_nothing() -> None:
    """F04: a frame that is refused whole ticks nothing off, also not its readable head."""
    seen = Seen(SINCE_S, as_held(*wanted(option(1), option(2))))
    data = encode_frame([packet(option(n), FULL, SINCE_S) for n in (1, 2)])
    for cut in range(len(data)):
        if cut != 1:  # one byte is a heartbeat
            with pytest.raises(FrameError):
                seen.look(data[:cut])
    assert sorted(seen.missing) == [option(1), option(2)]
    assert not seen.fresh


def test_what_holds_as_a_whole() -> None:
    """An essential instrument missing, an old feed, or too many missing: it does not stand."""
    hundred = [option(n) for n in range(100)]
    for missing, essential, fresh, holds in (
        (0, False, True, True), (5, False, True, True), (6, False, True, False),
        (1, True, True, False), (0, False, False, False),
    ):  # fmt: skip
        first = wanted(*hundred[:missing], essential=essential)
        seen = Seen(SINCE_S, as_held(*first, *wanted(*hundred[missing:])))
        stamp = SINCE_S if fresh else SINCE_S - 60
        seen.look(encode_frame([packet(t, FULL, stamp) for t in hundred[missing:]]))
        assert seen.holds(100, 50) is holds, (missing, essential, fresh)
