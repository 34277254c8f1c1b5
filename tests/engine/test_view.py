"""The view of a cycle: ages, witness, the day's average price, and what the snapshot says."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from engine.chain import contract_age_ns
from engine.state import NO_INDEX, Quote, State
from engine.view import age_ms, snapshot_of, spread_bps, stamp_age_ms
from events.base import Event
from events.market import ExpiryView
from events.registry import BY_STRUCT
from tests.architecture.source import ROOT
from tests.engine.build import MS, at_trade, later, quote_of, view_of, with_quote
from tests.engine.gates.cases import window

INDEX, FUTURE = 0, 1


def _changed(state: State, i: int, **changes: int) -> State:
    return with_quote(state, i, replace(quote_of(state, i), **changes))


def _quote(bid: int, ask: int) -> Quote:
    return Quote(0, 0, 0, 0, 0, 0, bid, 0, ask, 0, 0, b"", 0)


def test_ages_are_against_the_session_clock() -> None:
    """Every age in the snapshot is the clock less the frame, and grows with it."""
    state = at_trade().state
    first, then = snapshot_of(view_of(state)), snapshot_of(view_of(later(state, 1_500)))
    ages = ("spot_age_ms", "future_age_ms", "link_age_ms", "page_age_ms", "vix_age_ms",
            "reference_age_ms", "near_age_ms")  # fmt: skip
    for one in ages:
        before, after = getattr(first, one), getattr(then, one)
        assert after - before == 1_500
        assert before >= 0
    assert age_ms(state, state.now - 2 * MS + 1) == 1
    assert first.spot_paise == quote_of(state, INDEX).ltp_paise


def test_what_was_not_seen_has_no_age() -> None:
    """Missing is None, never 0: price, age and stamp."""
    state = at_trade().state
    bare = replace(state, quotes=(None,) * len(state.quotes), feed=replace(state.feed, frames=0))
    said = snapshot_of(view_of(bare))
    assert (said.spot_paise, said.spot_age_ms) == (None, None)
    assert (said.future_paise, said.future_age_ms) == (None, None)
    assert (said.vix_paise, said.vix_age_ms, said.link_age_ms) == (None, None, None)
    assert (said.reference_paise, said.reference_source, said.reference_age_ms) == (None,) * 3
    assert (said.witness_paise is None) == (said.witness_source is None)
    assert said.near_age_ms is None
    unstamped = replace(state, feed=replace(state.feed, newest_stamp_s=0))
    assert stamp_age_ms(unstamped) is None


def test_the_snapshot_says_what_the_print_was_held_against() -> None:
    """The reference is the print with its age, in the closing auction the future's price; the
    witness is what N4 used, and the age near the money is that of the oldest quote that counts."""
    state = at_trade().state
    view = view_of(state)
    said = snapshot_of(view)
    assert (said.reference_paise, said.reference_source) == (said.spot_paise, "INDEX")
    assert (said.reference_age_ms, said.witness_source) == (said.spot_age_ms, "FUTURE")
    assert said.witness_paise == view.witness_paise
    assert view.near is not None
    call = view.umap.expiries[view.near.place].calls[view.near.atm_place]
    older = _changed(state, call, seen_ns=state.now - 9_000 * MS)
    assert snapshot_of(view_of(older)).near_age_ms == 9_000
    auction = snapshot_of(view_of(window(state, auction_from_ns=0, auction_to_ns=state.now + 1)))
    assert (auction.reference_source, auction.witness_source) == ("FUTURE", "PARITY")
    assert auction.reference_paise == said.witness_paise


FIELD = re.compile(r"`([A-Z][A-Za-z]+)\.([a-z_0-9]+)`")


def test_the_page_of_the_old_snapshot_names_what_exists() -> None:
    """Each place that docs/decisions/0016 gives for a field of the old snapshot is a field of an
    event; canary: one that is not is found."""
    page = (ROOT / "docs/decisions/0016-what-a-snapshot-says.md").read_text()
    structs: tuple[type[Event] | type[ExpiryView], ...] = (*BY_STRUCT, ExpiryView)
    fields = {(one.__name__, name) for one in structs for name in one.__struct_fields__}
    found = set(FIELD.findall(page))
    assert len(found) > 40
    assert found <= fields
    assert not {("SnapshotTaken", "mood")} <= fields


def test_a_stamp_ahead_of_the_clock_has_a_negative_age() -> None:
    """A future stamp is recorded as it is."""
    state = at_trade().state
    ahead = state.now // (1_000 * MS) + 5
    state = replace(state, feed=replace(state.feed, newest_stamp_s=ahead))
    age = stamp_age_ms(state)
    assert age is not None
    assert -5_000 <= age < -4_000 + 1_000


def test_the_future_witnesses_the_index() -> None:
    """A fresh two-sided future, discounted, confirms the index to a point."""
    view = view_of(at_trade().state)
    assert view.witness_source == "FUTURE"
    assert view.spot is not None
    assert view.witness_paise is not None
    assert abs(view.witness_paise - view.spot.ltp_paise) < 100


@pytest.mark.parametrize("how", ["stale", "one-sided", "missing"])
def test_without_it_the_parity_forward_does(how: str) -> None:
    """A future that is old, one-sided or not there is no witness: parity is, or nothing is."""
    state = at_trade().state
    oldest = state.now - contract_age_ns(state)
    without = {
        "stale": _changed(state, FUTURE, seen_ns=oldest - 1),
        "one-sided": _changed(state, FUTURE, bid_paise=0),
        "missing": with_quote(state, FUTURE, None),
    }[how]
    view = view_of(without)
    assert view.witness_source == "PARITY"
    assert view.witness_paise is not None
    nothing = replace(without, markets=(replace(without.markets[0], expiries=()),))
    assert view_of(nothing).witness_paise is None


def test_a_forward_that_came_from_the_future_is_no_second_witness() -> None:
    """A forward taken from the future itself confirms nothing when the future is not fresh."""
    state = with_quote(at_trade().state, FUTURE, None)
    near = replace(state.markets[0].expiries[0], source="FUTURE")
    state = replace(state, markets=(replace(state.markets[0], expiries=(near,)),))
    assert view_of(state).witness_paise is None


def test_the_day_s_average_is_the_future_s_vwap_moved_to_the_index() -> None:
    """With a future's volume it is a VWAP, without one a TWAP, and named so."""
    state = at_trade().state
    view = view_of(state)
    theirs, ours = state.slots[1].indicators, state.slots[0].indicators
    assert theirs is not None
    assert ours is not None
    vwap = theirs.vwap_paise
    assert vwap is not None
    assert view.line_paise == vwap + (ours.close_paise - theirs.close_paise)
    assert not view.line_is_twap
    umap = replace(state.underlyings[0], future=NO_INDEX)
    alone = view_of(replace(state, underlyings=(umap,)))
    assert alone.line_is_twap
    assert alone.line_paise == ours.twap_paise


def test_near_quotes_are_counted_fresh_and_two_sided() -> None:
    """Of the contracts near the money those count that are fresh and two-sided; the median spread
    is theirs alone."""
    state = at_trade().state
    view = view_of(state)
    assert view.near is not None
    assert view.near_fresh == 2 * (2 * state.config.quote.near_strikes + 1)
    emap = view.umap.expiries[view.near.place]
    call = emap.calls[view.near.atm_place]
    oldest = state.now - contract_age_ns(state)
    assert view_of(_changed(state, call, seen_ns=oldest - 1)).near_fresh == view.near_fresh - 1
    assert view_of(_changed(state, call, ask_paise=0)).near_fresh == view.near_fresh - 1
    none = replace(state, quotes=(*state.quotes[:2], *(None,) * (len(state.quotes) - 2)))
    assert (view_of(none).near_fresh, view_of(none).near_spread_bps) == (0, None)


@pytest.mark.parametrize(
    ("bid", "ask", "bps"), [(100, 100, 0), (9_950, 10_050, 100), (9_999, 10_001, 2), (1, 3, 10_000)]
)
def test_a_spread_is_in_bps_of_the_mid(bid: int, ask: int, bps: int) -> None:
    """The spread over the mid in basis points, rounded up: a limit is not passed by rounding."""
    assert spread_bps(_quote(bid, ask)) == bps
    assert spread_bps(_quote(9_950, 10_051)) == 101


def test_the_whole_hash_covers_what_the_gates_used() -> None:
    """One changed quote of a viewed contract, of the index or the future changes the hash; equal
    states have equal ones."""
    state = at_trade().state
    whole = snapshot_of(view_of(state)).whole_hash
    assert whole == snapshot_of(view_of(state)).whole_hash
    for i in (INDEX, FUTURE, 2, 25, 26):
        changed = _changed(state, i, ltp_paise=1)
        assert snapshot_of(view_of(changed)).whole_hash != whole, state.instruments[i].tradingsymbol


def test_an_estimated_index_is_said_to_be_one() -> None:
    """The snapshot names the source of the index."""
    state = at_trade().state
    umap = replace(state.underlyings[0], estimated=True)
    said = snapshot_of(view_of(replace(state, underlyings=(umap,))))
    assert (said.spot_source, snapshot_of(view_of(state)).spot_source) == ("ESTIMATED", "EXCHANGE")
