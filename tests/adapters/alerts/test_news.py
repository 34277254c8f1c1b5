"""What is news: begun once, over once, from the journal and from looks at the process alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.alerts.news import Desk, Look, News
from adapters.alerts.post import BEGAN, OVER, Message
from adapters.alerts.words import text_of
from engine.rulebook import hhmmss_of
from events.base import Event
from events.session import InstrumentsLoaded, SessionClosed
from tests.adapters.alerts.events import T0, S, answered, order, raised, resolved, wanted
from tests.engine.fabricated import SmallMarket

WELL = Look(T0, running=True, expected=True, missing=False)


def desk() -> Desk:
    """A desk with a session that has just begun."""
    one = Desk(silent_s=15)
    one.begin("s1", T0)
    return one


def told(news: list[News]) -> list[tuple[str, str, bool]]:
    """Key, code and whether it is over."""
    return [(one.key, one.code, one.over) for one in news]


PAIRS: list[tuple[Event, Event, str, str]] = [
    (raised(), resolved(), "incident:I1", "FEED_GAP"),
    (raised(severity=2), resolved(), "incident:I1", "FEED_GAP"),
    (order("UNKNOWN"), order("FILLED"), "order:o1", "ALERT_ORDER_UNKNOWN"),
    (wanted(), answered("USED"), "approval:r1", "ALERT_APPROVAL_WANTED"),
    (wanted(), answered("EXPIRED"), "approval:r1", "ALERT_APPROVAL_WANTED"),
]


@pytest.mark.parametrize(("begins", "ends", "key", "code"), PAIRS)
def test_each_begins_once_and_is_over_once(begins: Event, ends: Event, key: str, code: str) -> None:
    """However often it is said."""
    one = desk()
    assert told(one.entry(begins, T0)) == [(key, code, False)]
    assert one.entry(begins, T0) == []
    assert [open_.key for open_ in one.open_news] == [key]
    assert told(one.entry(ends, T0)) == [(key, code, True)]
    assert one.entry(ends, T0) == []
    assert one.open_news == ()


@pytest.mark.parametrize(
    "event",
    [raised(severity=3), raised(severity=4), order("WORKING"), answered("USED"), resolved()],
)
def test_what_nobody_must_hear_is_no_news(event: Event) -> None:
    """Lesser incidents, an order that works, the end of what never began."""
    assert desk().entry(event, T0) == []


def test_an_engine_that_writes_nothing_is_silent() -> None:
    """E11: after its time in market hours, once; over with the next entry of any kind."""
    one = desk()
    assert one.look(replace(WELL, now_ns=T0 + 14 * S)) == []
    news = one.look(replace(WELL, now_ns=T0 + 15 * S))
    assert told(news) == [("silent", "ALERT_ENGINE_SILENT", False)]
    assert news[0].detail == (("silent_s", "15"),)
    assert one.look(replace(WELL, now_ns=T0 + 99 * S)) == []
    one.progress(T0 + 100 * S)
    assert told(one.look(replace(WELL, now_ns=T0 + 101 * S))) == [
        ("silent", "ALERT_ENGINE_SILENT", True)
    ]


def test_silence_counts_from_the_open() -> None:
    """Outside market hours nothing is expected, and the first second of them is no silence yet."""
    one = desk()
    assert one.look(replace(WELL, now_ns=T0 + 9_000 * S, expected=False)) == []
    assert one.look(replace(WELL, now_ns=T0 + 9_001 * S)) == []
    assert told(one.look(replace(WELL, now_ns=T0 + 9_015 * S)))


def test_a_process_that_is_gone_is_told_and_back_again_is_over() -> None:
    """E11: only where it was seen running, and where its session was not closed."""
    one = desk()
    gone = replace(WELL, running=False)
    assert one.look(gone) == []
    one.look(WELL)
    assert told(one.look(gone)) == [("gone", "ALERT_ENGINE_GONE", False)]
    assert told(one.look(WELL)) == [("gone", "ALERT_ENGINE_GONE", True)]
    one.entry(SessionClosed("END_OF_DAY"), T0)
    assert one.look(gone) == []
    assert one.closed


def test_a_missing_session_and_an_unreadable_journal() -> None:
    """Each while it lasts; a missing session outlives the session before."""
    one = desk()
    look = replace(WELL, missing=True, unreadable="JOURNAL_CORRUPT")
    assert [code for _, code, _ in told(one.look(look))] == [
        "ALERT_SESSION_NOT_STARTED", "ALERT_JOURNAL_UNREADABLE"
    ]  # fmt: skip
    one.begin("s2", T0)
    assert [open_.key for open_ in one.open_news] == ["missing"]
    assert told(one.look(WELL)) == [("missing", "ALERT_SESSION_NOT_STARTED", True)]


def test_a_closed_session_has_nothing_open() -> None:
    """What was open at its end is not told for ever."""
    one = desk()
    one.entry(raised(), T0)
    one.entry(SessionClosed("OPERATOR"), T0)
    assert one.open_news == ()


def test_a_wanted_approval_says_all_that_is_approved_and_what_to_type() -> None:
    """Contract, side, units, band, stop, target, risk, time and the command with its id and desk;
    all of it is in the text; a journal that names no contract is said to."""
    one = Desk(15, " --desk other")
    one.begin("s1", T0)
    (news,) = one.entry(wanted(), T0)
    assert dict(news.detail)["contract"] == "number 3 of the session's instruments"
    one.begin("s2", T0)
    assert one.entry(InstrumentsLoaded("00", SmallMarket().instruments()), T0) == []
    (news,) = one.entry(wanted(), T0)
    name = SmallMarket().instruments()[3].tradingsymbol
    assert news.detail == (
        ("contract", name), ("side", "BUY"), ("units", "75"), ("price_from", "Rs 99.00"),
        ("price_to", "Rs 101.00"), ("stop", "Rs 80.00"), ("target", "Rs 130.00"),
        ("risk", "Rs 1500.00"), ("strategy", "TREND"), ("expires", f"{hhmmss_of(T0 + S)} IST"),
        ("type", "axiom approve r1 --desk other"),
    )  # fmt: skip
    text = text_of(Message(news, BEGAN, T0, T0, 0))
    assert f"contract {name}, side BUY, units 75, price_from Rs 99.00" in text
    assert "type axiom approve r1 --desk other" in text
    (over,) = one.entry(answered("LAPSED"), T0)
    told_over = text_of(Message(over, OVER, T0, T0, 0))
    assert "outcome LAPSED" in told_over
    assert "axiom approve" not in told_over


EVENTS = st.sampled_from([event for pair in PAIRS for event in pair[:2]])


@given(st.lists(EVENTS, max_size=40))
def test_beginnings_and_ends_alternate(events: list[Event]) -> None:
    """For every key and any order of events: begun, over, begun, over."""
    one = desk()
    states: dict[str, bool] = {}
    for event in events:
        for news in one.entry(event, T0):
            assert states.get(news.key, True) != news.over
            states[news.key] = news.over
    assert {key for key, over in states.items() if not over} == {n.key for n in one.open_news}
