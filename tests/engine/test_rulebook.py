"""The dated rulebook: lookup, calendar arithmetic, windows, expiries, charges."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.rulebook.load import load_rows
from engine.charges import charge_lines, charges, charges_paise
from engine.rulebook import (
    DayRules,
    Rulebook,
    RuleMissingError,
    add_days,
    day_from_days,
    day_of,
    days_from_day,
    hhmm_of,
    hhmmss_of,
    ist_ns,
    resolve_day,
    seconds_of,
    venue_of,
    weekday_of,
)
from engine.scheduled import EVENT_KINDS, ScheduledEvent
from events.session import RuleRow

IST = dt.timezone(dt.timedelta(hours=5, minutes=30))
BOOK = Rulebook(load_rows())
DAYS = st.dates(dt.date(1900, 1, 1), dt.date(2200, 12, 31))


def _row(name: str, scope: str, first: int, last: int, value: int | str) -> RuleRow:
    return RuleRow(name, scope, first, last, value, "unit", "a test", False)


def _yyyymmdd(date: dt.date) -> int:
    return date.year * 10_000 + date.month * 100 + date.day


@given(DAYS, st.integers(-500, 500))
def test_days_agree_with_the_standard_library(date: dt.date, shift: int) -> None:
    """Day arithmetic in integers gives what ``datetime.date`` gives."""
    day = _yyyymmdd(date)
    assert days_from_day(day) == (date - dt.date(1970, 1, 1)).days
    assert day_from_days(days_from_day(day)) == day
    assert weekday_of(day) == date.strftime("%a").upper()
    assert add_days(day, shift) == _yyyymmdd(date + dt.timedelta(days=shift))


@given(st.integers(0, 4_000_000_000))
def test_times_agree_with_the_standard_library(epoch_s: int) -> None:
    """A time of day in IST maps to the ns that ``datetime`` gives, and back."""
    moment = dt.datetime.fromtimestamp(epoch_s, IST)
    ns = ist_ns(_yyyymmdd(moment.date()), f"{moment:%H:%M:%S}")
    assert ns == epoch_s * 1_000_000_000
    assert (day_of(ns), hhmmss_of(ns), hhmm_of(ns)) == (
        _yyyymmdd(moment.date()),
        f"{moment:%H:%M:%S}",
        f"{moment:%H:%M}",
    )


@pytest.mark.parametrize("day", [20250229, 20251301, 20250100, 0, -1, 20250431])
def test_a_day_that_is_none_is_refused(day: int) -> None:
    """29 February 2025 and the like are errors, not other days."""
    with pytest.raises(ValueError, match="not a day"):
        days_from_day(day)


@pytest.mark.parametrize("word", ["9:15", "24:00", "09:60", "09:15:60", "0915", "", "09:15:1 "])
def test_a_time_that_is_none_is_refused(word: str) -> None:
    """Only HH:MM and HH:MM:SS within the day are times."""
    with pytest.raises(ValueError, match="not a time of day"):
        seconds_of(word)


def test_the_exact_scope_wins_and_unknown_is_none() -> None:
    """Lookup takes the exact scope before ``*`` and gives None where no row is in force."""
    book = Rulebook((_row("a", "*", 20250101, 20251231, 1), _row("a", "X", 20250601, 20250630, 2)))
    found = [book.lookup("a", "X", day) for day in (20250531, 20250601, 20250630, 20250701)]
    assert [None if row is None else row.value for row in found] == [1, 2, 2, 1]
    assert book.lookup("a", "X", 20260101) is None
    with pytest.raises(RuleMissingError, match="no row a for X on 20260101"):
        book.require("a", "X", 20260101)


def test_overlapping_rows_are_refused() -> None:
    """Two rows of one name and scope on one day would make the answer depend on their order."""
    rows = (_row("a", "X", 20250101, 20250601, 1), _row("a", "X", 20250601, 20251231, 2))
    with pytest.raises(ValueError, match="overlap on 20250601"):
        Rulebook(rows)


def test_the_synthetic_days_hours() -> None:
    """20 Nov 2026: 09:15 to 15:40, index auction 15:15 to 15:35, time to expiry ends 15:40."""
    for exchange in ("NSE", "BSE", "NFO", "BFO"):
        window = BOOK.session_window(20261120, "fno", exchange)
        assert window is not None
        assert window.auction_from_ns is not None
        assert window.auction_to_ns is not None
        hours = (window.open_ns, window.close_ns, window.auction_from_ns, window.auction_to_ns)
        assert [hhmm_of(ns) for ns in hours] == ["09:15", "15:40", "15:15", "15:35"]
        assert window.expiry_close_ns == window.close_ns


def test_the_chain_days_hours() -> None:
    """29 Aug 2025: 09:15 to 15:30, no closing auction."""
    window = BOOK.session_window(20250829, "fno")
    assert window is not None
    assert (hhmm_of(window.open_ns), hhmm_of(window.close_ns)) == ("09:15", "15:30")
    assert window.auction_from_ns is window.auction_to_ns is None


@pytest.mark.parametrize(
    ("day", "trading"),
    [
        (20261120, True),
        (20261124, False),
        (20260115, False),
        (20261121, False),
        (20260201, True),
        (20261108, True),
        (20250829, True),
        (20250827, False),
        (20300102, None),
    ],
)
def test_trading_days(day: int, trading: bool | None) -> None:
    """Holidays, weekends, special Sundays; a year without a calendar is unknown, not open."""
    assert BOOK.is_trading_day(day) is trading


def test_a_special_day_without_hours_has_no_window() -> None:
    """The hours of Muhurat trading are set by a circular of its own; until a row gives them there
    is no window, while the budget Sunday has ordinary hours."""
    assert BOOK.session_window(20261108, "fno") is None
    assert BOOK.has_own_hours(20261108)
    assert BOOK.session_window(20260201, "fno") is not None
    assert not BOOK.has_own_hours(20260201)
    assert BOOK.session_window(20261124, "fno") is None


def test_expiries_move_before_a_holiday() -> None:
    """NIFTY's Tuesday 24 Nov 2026 is a holiday, so it expires on Monday; others by their rule."""
    assert BOOK.expiries("NIFTY", 20261120, 2) == (20261123, 20261201)
    assert BOOK.expiries("BANKNIFTY", 20261120, 2) == (20261123, 20261229)
    assert BOOK.expiries("SENSEX", 20261120, 2) == (20261126, 20261203)
    assert BOOK.expiries("NIFTY", 20250829, 2) == (20250902, 20250909)
    assert BOOK.expiries("NIFTY", 20261123, 1) == (20261123,)


@pytest.mark.parametrize(
    ("underlying", "expiry"),
    [
        ("NIFTY", 20260302),
        ("NIFTY", 20260330),
        ("NIFTY", 20260413),
        ("NIFTY", 20261019),
        ("NIFTY", 20261109),
        ("SENSEX", 20260114),
        ("SENSEX", 20260325),
        ("SENSEX", 20260527),
    ],
)
def test_the_known_shifted_expiries_of_2026(underlying: str, expiry: int) -> None:
    """Every holiday-shifted expiry that the exchanges named for 2026 comes out of the rule."""
    assert BOOK.expiries(underlying, expiry, 1) == (expiry,)


def test_monthly_expiries() -> None:
    """The last expiry of a month is monthly, also when it was moved; a weekly is not."""
    assert BOOK.is_monthly("NIFTY", 20261123)
    assert not BOOK.is_monthly("NIFTY", 20261201)
    assert BOOK.is_monthly("BANKNIFTY", 20261229)
    assert BOOK.is_monthly("SENSEX", 20261126)
    assert not BOOK.is_monthly("SENSEX", 20261203)


def test_expiries_past_the_calendar_are_unknown() -> None:
    """Where the calendar ends, expiries end too; they are not guessed."""
    assert BOOK.expiries("NIFTY", 20261220, 5) is None
    assert BOOK.expiries("NOSUCH", 20261120, 1) is None


@pytest.mark.parametrize(
    ("side", "price", "worked_e4"),
    [
        ("BUY", 10_000, (200_000, 23_095, 65, 1_950, 40_169)),
        ("SELL", 11_000, (200_000, 25_404, 72, 107_250, 40_586)),
    ],
)
def test_charges_match_the_worked_figures(
    side: str, price: int, worked_e4: tuple[int, ...]
) -> None:
    """Each line is within half a paisa of the worked example (in 1/10,000 rupee) of 65 units."""
    lines = charges(BOOK, 20261120, "NFO", side, price, 65)
    assert len(lines) == len(worked_e4)
    for line, worked in zip(lines, worked_e4, strict=True):
        assert abs(line.paise * 100 - worked) <= 51, line
        assert not line.unsure
    assert abs(charges_paise(lines) * 100 - sum(worked_e4)) <= 51 * len(lines)


def test_charges_of_the_chain_day_are_marked_unsure() -> None:
    """Fees before 2026 are not first hand: their lines say so, and GST that rests on them too."""
    lines = {line.name: line for line in charges(BOOK, 20250829, "NFO", "SELL", 11_000, 75)}
    assert lines["charge.stt.sell"].paise == 825
    assert not lines["charge.stt.sell"].unsure
    assert lines["charge.exchange_txn"].unsure
    assert lines["charge.gst"].unsure


def test_brokerage_falls_on_the_first_fill_only() -> None:
    """A second partial fill pays no brokerage, and no GST on it."""
    rules = resolve_day(BOOK, 20261120)
    first = charge_lines(rules, "BFO", "BUY", 40_000, 20)
    second = charge_lines(rules, "BFO", "BUY", 40_000, 20, first_fill=False)
    assert (first[0].paise, second[0].paise) == (2000, 0)
    assert first[-1].paise - second[-1].paise == 360
    assert first[1:-1] == second[1:-1]


@given(st.sampled_from(("BUY", "SELL")), st.integers(5, 500_000), st.integers(1, 1800))
def test_charges_are_monotone(side: str, price: int, quantity: int) -> None:
    """More turnover never costs less; every line is non-negative."""
    rules = resolve_day(BOOK, 20261120)
    less = charge_lines(rules, "NFO", side, price, quantity)
    more = charge_lines(rules, "NFO", side, price + 5, quantity)
    assert all(line.paise >= 0 for line in less)
    assert charges_paise(less) <= charges_paise(more)


def test_bad_fills_and_missing_rows_are_refused() -> None:
    """An unknown side, venue or a day without rows raises; nothing is charged at a guess."""
    rules = resolve_day(BOOK, 20261120)
    with pytest.raises(ValueError, match="neither BUY nor SELL"):
        charge_lines(rules, "NFO", "HOLD", 100, 65)
    with pytest.raises(ValueError, match="negative fill"):
        charge_lines(rules, "NFO", "BUY", -5, 65)
    with pytest.raises(ValueError, match="has no rules"):
        venue_of("MCX")
    with pytest.raises(RuleMissingError):
        charges(BOOK, 20100104, "NFO", "BUY", 100, 65)


def test_the_days_rules_are_complete_and_encodable() -> None:
    """Both days of this slice resolve with nothing missing, and the struct survives encoding."""
    for day in (20250829, 20261120):
        rules = resolve_day(BOOK, day)
        assert rules.missing == ()
        assert rules.discount_rate_unsure
        assert rules.discount_rate_bps is not None
        data = msgspec.msgpack.encode(rules)
        assert msgspec.msgpack.decode(data, type=DayRules) == rules
        assert hash(rules) == hash(msgspec.msgpack.decode(data, type=DayRules))
    lots = [u.lot_units for u in resolve_day(BOOK, 20261120).underlyings]
    assert lots == [65, 30, 20]
    assert [u.lot_units for u in resolve_day(BOOK, 20250829).underlyings] == [75, 35, 20]


def test_missing_rules_are_named() -> None:
    """A day whose fees nobody wrote down resolves with their names in ``missing``."""
    book = Rulebook(tuple(row for row in BOOK.rows if row.name != "charge.sebi"))
    rules = resolve_day(book, 20261120, ("NIFTY", "NOSUCH"))
    assert rules.missing == (
        "charge.sebi:NSE",
        "charge.sebi:BSE",
        "lot:NOSUCH",
        "freeze:NOSUCH",
        "strike_step:NOSUCH",
    )


def test_a_session_takes_the_rows_it_can_need() -> None:
    """``rows_for`` drops what ended before the day and keeps what begins after it."""
    rows = BOOK.rows_for(20260803)
    names = {(row.name, row.valid_from) for row in rows}
    assert ("session.fno.close", 20260803) in names
    assert ("session.fno.close", 20100104) not in names
    assert ("calendar.holiday", 20261124) in names
    assert Rulebook(rows).expiries("NIFTY", 20261120, 2) == (20261123, 20261201)


# --- rows that have ended -----------------------------------------------------------------------


def _freeze_rows() -> tuple[RuleRow, ...]:
    """Eight months of a freeze quantity, one row a month, the strictest in the second and sixth."""
    values = (1000, 300, 900, 800, 950, 400, 700, 600)
    return tuple(
        _row("freeze", "NIFTY", 20260101 + 100 * m, 20260131 + 100 * m, value)
        for m, value in enumerate(values)
    )


@pytest.mark.parametrize(
    ("day", "units", "stale"),
    [
        (20260115, 1000, False),
        (20260831, 600, False),
        (20260901, 400, True),
        (20300101, 400, True),
        (20251231, None, False),
    ],
)
def test_past_the_last_freeze_the_strictest_recent_one_holds(
    day: int, units: int | None, stale: bool
) -> None:
    """The smallest of the last six months (March to August: 400, not February's 300), marked;
    before the first row the quantity is missing, which is not stale."""
    rules = resolve_day(Rulebook(_freeze_rows()), day, ("NIFTY",))
    assert rules.underlyings[0].freeze_units == units
    assert ("freeze:NIFTY" in rules.stale) is stale
    assert ("freeze:NIFTY" in rules.missing) is (units is None)


def test_a_hole_between_freeze_rows_is_filled_the_same_way() -> None:
    """A month that nobody wrote down takes the strictest before it, not what came after."""
    rows = tuple(row for row in _freeze_rows() if row.valid_from != 20260401)
    rules = resolve_day(Rulebook(rows), 20260415, ("NIFTY",))
    assert (rules.underlyings[0].freeze_units, rules.stale) == (300, ("freeze:NIFTY",))


def test_calendar_hours_and_lots_that_have_ended_are_stale_and_unknown() -> None:
    """None of them is carried on: hours and lots are None, and what is None is named."""
    rules = resolve_day(BOOK, 20270104)
    assert rules.trading_day is None
    assert rules.fno_nse is rules.fno_bse is None
    assert [one.lot_units for one in rules.underlyings] == [None, None, None]
    assert rules.stale == ("calendar.covered:*", "lot:NIFTY", "freeze:NIFTY", "lot:BANKNIFTY",
                           "freeze:BANKNIFTY", "lot:SENSEX")  # fmt: skip
    assert "lot:NIFTY" in rules.missing
    hours = Rulebook((_row("session.fno.close", "*", 20200101, 20261231, "15:30"),))
    assert resolve_day(hours, 20270104, ()).stale == (
        "session.fno.close:NSE",
        "session.fno.close:BSE",
    )


@pytest.mark.parametrize("day", [20250829, 20261030, 20261120, 20270104, 20300101])
def test_a_sessions_rows_show_the_core_what_is_stale(day: int) -> None:
    """What is journaled for a day resolves to what the whole rulebook does, stale or not."""
    assert resolve_day(Rulebook(BOOK.rows_for(day)), day) == resolve_day(BOOK, day)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("session.fno.open", "session.fno.close", "lot", "freeze")),
            st.sampled_from(("*", "NSE", "BSE", "NIFTY")),
            st.integers(0, 300),
            st.integers(0, 200),
        ),
        max_size=12,
    ),
    st.integers(0, 600),
)
def test_any_rows_of_a_session_resolve_as_the_whole_rulebook(
    spans: list[tuple[str, str, int, int]], ahead: int
) -> None:
    """Whichever rows end, for whom and when: what is journaled says of a day what all rows say."""
    rows = [_row("calendar.covered", "*", 20260101, 20261231, "2026")]
    last: dict[tuple[str, str], int] = {}
    for name, scope, gap, length in spans:
        first = add_days(last.get((name, scope), 20260101), gap + 1)
        last[name, scope] = add_days(first, length)
        value = f"{9 + gap % 9:02d}:15" if name.startswith("session") else gap + 1
        rows.append(_row(name, scope, first, last[name, scope], value))
    book, day = Rulebook(tuple(rows)), add_days(20260101, ahead)
    whole = resolve_day(book, day, ("NIFTY",))
    assert resolve_day(Rulebook(book.rows_for(day)), day, ("NIFTY",)) == whole


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 9)), min_size=1, max_size=12),
    st.integers(0, 500),
)
def test_the_strictest_is_of_the_recent_rows_and_never_larger(
    spans: list[tuple[int, int]], ahead: int
) -> None:
    """Whatever the rows: on a day with one it counts alone; past them, no recent row is smaller."""
    rows, day = [], 20260101
    for length, value in spans:
        rows.append(_row("freeze", "NIFTY", day, add_days(day, length - 1), value))
        day = add_days(day, length)
    book = Rulebook(tuple(rows))
    asked = add_days(20260101, ahead)
    found = resolve_day(book, asked, ("NIFTY",)).underlyings[0].freeze_units
    row = book.lookup("freeze", "NIFTY", asked)
    if row is not None:
        assert found == row.value
        return
    month = rows[-1].valid_to // 100
    recent = [r for r in rows if _months(month) - _months(r.valid_to // 100) < 6]
    assert found == min(int(r.value) for r in recent)
    kept = resolve_day(Rulebook(book.rows_for(asked)), asked, ("NIFTY",))
    assert kept.underlyings[0].freeze_units == found


def _months(yyyymm: int) -> int:
    return yyyymm // 100 * 12 + yyyymm % 100


def _event(name: str, scope: str, first: int, last: int, value: str) -> RuleRow:
    return RuleRow(name, scope, first, last, value, "ist", "a test", False)


def test_scheduled_events_are_of_their_day_and_unknown_calendars_are_said() -> None:
    """The morning after the Fed's decision of 28 October 2026 is an event at the open; the day
    after is none. A kind without a calendar, or past its end, is named and never taken for none; a
    calendar without a first-hand source is said to be unsure."""
    day = resolve_day(BOOK, 20261029)
    assert [(one.kind, one.at_ns) for one in day.events] == [("FED", ist_ns(20261029, "09:15"))]
    assert (day.events_unknown, day.events_unsure) == ((), True)
    assert resolve_day(BOOK, 20261030).events == ()
    last = resolve_day(BOOK, 20280103)
    assert (last.events_unknown, last.events_unsure) == (EVENT_KINDS, False)
    rbi = resolve_day(BOOK, 20261204).events
    assert rbi == (ScheduledEvent("RBI", ist_ns(20261204, "10:00"), True),)


def test_a_row_of_more_than_its_day_is_no_event() -> None:
    """An hour that is said of a whole month dates nothing; of the day alone it does."""
    span = _event("event.at", "BUDGET", 20261201, 20261231, "11:00")
    one = _event("event.at", "DESK", 20261209, 20261209, "11:00")
    events = resolve_day(Rulebook((*BOOK.rows, span, one)), 20261209).events
    assert events == (ScheduledEvent("DESK", ist_ns(20261209, "11:00"), False),)


@pytest.mark.parametrize(("word", "kinds"), [("YES", ["DESK"]), ("NO", ["RBI", "DESK"])])
def test_an_event_is_taken_back_by_its_kind_alone(word: str, kinds: list[str]) -> None:
    """A cancelled decision is none, another event of the day stands; NO says that it stands."""
    desk = _event("event.at", "DESK", 20261204, 20261204, "11:00")
    off = _event("event.cancelled", "RBI", 20261204, 20261204, word)
    events = resolve_day(Rulebook((*BOOK.rows, desk, off)), 20261204).events
    assert [one.kind for one in events] == kinds
