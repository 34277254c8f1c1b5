"""What the live model makes of a session, against figures worked out by hand."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import registry, session
from events.decision import GatesEvaluated
from events.envelope import Envelope, encode_envelope
from events.orders import OrderChanged
from projections.live import LiveModel, LiveView
from projections.live.fold import APPLY, APPLY_RAW, PASSED_OVER
from projections.live.state import (
    NOTICES_KEPT,
    ORDERS_KEPT,
    PENDING_GATES_KEPT,
    RECENT_PER_REASON,
)
from tests.projections.live.story import CALL, DAY, OPEN_NS, Story, a_day

WIDE = ("N4_QUOTE_OK", "QUOTE_SPREAD_WIDE")
NO_SIGNAL = ("N9_STRATEGY_ELIGIBLE", "SIGNAL_NONE")


def view_of(story: Story) -> LiveView:
    model = LiveModel()
    for envelope in story.envelopes:
        model.fold(envelope)
    return model.view()


def test_every_kind_is_shown_or_passed_over_on_purpose() -> None:
    """A new kind of event cannot be forgotten: the three tables cover the registry, once each."""
    tables = (*APPLY, *APPLY_RAW, *PASSED_OVER)
    assert sorted(tables) == sorted(registry.BY_KIND)


def test_the_funnel_adds_up_to_the_decisions() -> None:
    """Counts by reason, by underlying and by part of the day are all the decisions there were."""
    story = a_day()
    view = view_of(story)
    told = [e for e in story.envelopes if e.kind == "DecisionMade"]
    assert view.decisions == len(told) == 32
    assert sum(row.count for row in view.funnel) == view.decisions
    assert sum(row.count for row in view.funnel if row.traded) == view.trades == 2
    assert sum(row.count for row in view.funnel if not row.traded) == view.blocked == 30
    for row in view.funnel:
        assert sum(row.by_underlying) == sum(row.heat) == row.count
        assert len(row.recent) == min(row.count, RECENT_PER_REASON)


def test_amended_hours_are_shown_from_there_on() -> None:
    """A later close of NSE moves the day's end on the screen; one of BSE does not."""
    story = a_day()
    before = view_of(story).hours
    story.fact(session.SessionAmended("session.fno.close", "BSE", "16:00", "ana", "a circular"))
    assert view_of(story).hours == before
    story.fact(session.SessionAmended("session.fno.close", "NSE", "17:00", "ana", "a circular"))
    after = view_of(story).hours
    assert before is not None
    assert after is not None
    assert before.close_ns is not None
    assert after.close_ns == before.close_ns + 80 * 60 * 1_000_000_000
    assert after.open_ns == before.open_ns


def test_the_result_is_net_of_charges_and_marked_at_the_bid() -> None:
    """Realised, charges, unrealised and net are those of the fills, by hand."""
    money = view_of(a_day()).money
    assert money.realised_paise == (10_000 - 11_240) * 130
    assert money.charges_paise == 5_000 + 6_000 + 5_000
    assert money.unrealised_paise == (12_815 - 12_500) * 130
    assert money.net_paise == -161_200 - 16_000 + 40_950


def test_a_position_without_a_bid_has_no_mark() -> None:
    """Nobody bids: the mark, the open result and the day's net are unknown, not zero."""
    story = a_day()
    story.at(722).quotes(bid=0)
    view = view_of(story)
    assert view.positions[0].mark_paise is None
    assert view.positions[0].unrealised_paise is None
    assert view.money.unrealised_paise is None
    assert view.money.net_paise is None


def test_a_closed_position_keeps_what_was_paid() -> None:
    """The average of a closed position is its last one while open."""
    closed = view_of(a_day()).closed_positions
    assert [(row.average_paise, row.exit_reason) for row in closed] == [(11_240, "EXIT_STOP")]
    assert not closed[0].is_open


@pytest.mark.parametrize(("day", "carried"), [(DAY, 48_000), (DAY - 1, 0)])
def test_what_was_carried_over_counts_on_the_same_day_only(day: int, carried: int) -> None:
    """Limits and results belong to a day and an account, so an earlier session of it counts."""
    story = Story().setting_up()
    story.fact(
        session.CarriedOver(
            "earlier",
            "0" * 64,
            day,
            50_000,
            2_000,
            1,
            0,
            0,
            (),
            10_000_000,
            (),
            (),
            (),
            (),
            session.CarriedRisk("NORMAL", day, 0, (), (), ()),
            (),
        )
    )
    money = view_of(story).money
    assert (money.carried_net_paise, money.net_paise) == (carried, carried)


def test_gates_are_kept_as_they_were_recorded() -> None:
    """A decision carries the very payload of its gates, decodable later."""
    story = a_day()
    view = view_of(story)
    for row in view.funnel:
        for line in row.recent:
            recorded = story.envelopes[line.made.gates_seq - 1]
            assert line.gates == bytes(recorded.payload)
            gates = msgspec.msgpack.decode(line.gates, type=GatesEvaluated)
            assert len(gates.official) == 11


def test_equal_decisions_in_a_row_are_one_episode() -> None:
    """An episode begins at a change and counts what is equal since."""
    story = Story().setting_up()
    for second in range(5):
        story.at(second).cycle_of("NIFTY", WIDE)
    story.at(5).cycle_of("NIFTY", NO_SIGNAL)
    view = view_of(story)
    (first,) = view.episodes
    assert (first.count, first.until_ts - first.since_ts) == (5, 4_000_000_000)
    episode = view.underlyings[0].episode
    assert episode is not None
    assert (episode.count, episode.last.key) == (1, (*NO_SIGNAL, "NO_TRADE"))
    assert [row.blocking_now for row in view.funnel] == [(), ("NIFTY",)]


def test_prices_come_from_the_newest_frame() -> None:
    """The last print and its time are the frame's, newer than the last snapshot's."""
    story = a_day()
    story.at(800).quotes(nifty=2_500_000)
    row = view_of(story).underlyings[0]
    assert (row.spot_paise, row.spot_ts) == (2_500_000, OPEN_NS + 800_000_000_000)
    assert not row.spot_estimated


@settings(max_examples=40)
@given(st.integers(0, 200))
def test_any_beginning_of_a_session_can_be_shown(count: int) -> None:
    """Every prefix gives a view, and asking for views on the way changes nothing."""
    envelopes = _DAY[:count]
    plain, asked = LiveModel(), LiveModel()
    for envelope in envelopes:
        plain.fold(envelope)
        asked.fold(envelope)
        asked.view()
    assert plain.view() == asked.view()
    assert plain.view().seq == (envelopes[-1].seq if envelopes else 0)


_DAY = tuple(a_day().close().envelopes)


def test_bytes_and_envelopes_fold_alike() -> None:
    """The reader's bytes are what a fold of envelopes takes; bytes that are none are counted."""
    story = a_day()
    model = LiveModel()
    for envelope in story.envelopes:
        model.fold_bytes(msgspec.msgpack.encode(envelope))
    assert model.view() == view_of(story)
    model.fold_bytes(b"\xc1 not an envelope")
    assert model.view().unreadable == 1


def _odd(seq: int, kind: str, version: int, payload: bytes) -> Envelope:
    return Envelope(seq, kind, version, OPEN_NS, seq, msgspec.Raw(payload))


@pytest.mark.parametrize(
    ("kind", "version", "payload", "fault"),
    [
        ("FromTheFuture", 1, b"\x90", "KIND_UNKNOWN"),
        ("DecisionMade", 99, b"\x90", "VERSION_TOO_NEW"),
        ("DecisionMade", 1, b"\x91\x01", "PAYLOAD_INVALID"),
        ("SessionClosed", 1, b"\x91\xa2\xf2\xff", "PAYLOAD_INVALID"),
        ("FeaturesDerived", 1, b"\x91\xa2\xf2\xff", "PAYLOAD_INVALID"),
    ],
)
def test_what_cannot_be_read_is_counted_and_shown(
    kind: str, version: int, payload: bytes, fault: str
) -> None:
    """An entry of another release is a line on the screen, not a crash."""
    model = LiveModel()
    model.fold(_odd(1, kind, version, payload))
    view = model.view()
    assert view.unreadable == 1
    assert [(note.kind, note.fault) for note in view.notices] == [(kind, fault)]


def test_memory_is_bounded_whatever_is_folded() -> None:
    """Rings and tables stop at their sizes; counts go on."""
    story = Story().setting_up()
    for number in range(300):
        story.at(number).cycle_of("NIFTY", WIDE if number % 2 else NO_SIGNAL)
        story.entry()
    for number in range(PENDING_GATES_KEPT + 5):
        story.derive(story.gates_event("NIFTY", 1, WIDE), number + 1)
    model = LiveModel()
    for envelope in story.envelopes:
        model.fold(envelope)
    view = model.view()
    assert view.decisions == 600
    assert all(len(row.recent) <= RECENT_PER_REASON for row in view.funnel)
    assert len(view.notices) == NOTICES_KEPT
    assert len(view.orders) == ORDERS_KEPT
    assert len(model._state.pending_gates) <= PENDING_GATES_KEPT


def test_a_working_order_outlives_ended_ones() -> None:
    """When orders are forgotten, the oldest ended one goes first."""
    story = Story().setting_up()
    working = _order("W", "WORKING")
    story.derive(working, 1)
    for number in range(ORDERS_KEPT + 20):
        story.derive(_order(f"E{number}", "FILLED"), 1)
    kept = {row.order_id for row in view_of(story).orders}
    assert len(kept) == ORDERS_KEPT
    assert "W" in kept


def _order(name: str, status: str) -> OrderChanged:
    return OrderChanged(name, name, "ENTRY", CALL, "BUY", status, None, 65, 0, 100)


def test_equal_neighbours_are_one_notice() -> None:
    """A storm of refused frames is one line with a count."""
    story = Story().setting_up()
    for _ in range(7):
        story.rejected("FRAME_TRAILING")
    story.rejected("FRAME_LENGTH")
    view = view_of(story)
    assert [note.repeats for note in view.notices[-2:]] == [7, 1]
    assert view.frames_rejected == 8
    assert view.connections[0].rejected == 8


def test_a_view_given_out_never_changes() -> None:
    """Folding on leaves earlier views as they were."""
    model = LiveModel()
    views: list[tuple[LiveView, bytes]] = []
    for envelope in _DAY:
        model.fold(envelope)
        if envelope.seq % 20 == 0:
            view = model.view()
            views.append((view, msgspec.msgpack.encode(view)))
    assert views
    for view, encoded in views:
        assert msgspec.msgpack.encode(view) == encoded


def test_the_uid_is_the_sessions() -> None:
    """The shown uid is the head of the opening payload's SHA-256."""
    story = a_day()
    want = hashlib.sha256(bytes(story.envelopes[0].payload)).hexdigest()[:12]
    found = view_of(story).session
    assert found is not None
    assert found.uid == want


def test_settings_follow_their_changes() -> None:
    """A setting replaced in the day is the one in force; words and truth values are no numbers."""
    story = a_day()
    assert view_of(story).setting("feed.link_age_ms_max") == 3_000
    story.fact(
        session.ConfigChanged(
            (session.Setting("feed.link_age_ms_max", 9_000), session.Setting("a.word", "x")),
            "me",
            "test",
        )
    )
    view = view_of(story)
    assert view.setting("feed.link_age_ms_max") == 9_000
    assert view.setting("a.word") is None
    assert view.setting("not.there") is None


def test_a_strange_instrument_index_is_named_by_its_number() -> None:
    """An index that the session never loaded shows as such, and breaks nothing."""
    view = view_of(a_day())
    assert view.symbol(CALL) == "NIFTY26NOV24500CE"
    assert (view.symbol(9_999), view.symbol(-1), view.symbol(None)) == ("#9999", "#-1", "-")


def test_encoding_of_the_story_is_canonical() -> None:
    """Canary: the invented session goes through the real encoding, so it tells something."""
    for envelope in _DAY:
        event = registry.decode_event(envelope)
        again = encode_envelope(
            envelope.seq, envelope.kind, envelope.version, envelope.ts, envelope.cause, event
        )
        assert again == msgspec.msgpack.encode(envelope)
