"""The option chain: quotes with their ages, what was rejected by what, books."""

from __future__ import annotations

import msgspec
import pytest

from events import decision, session
from events.decision import ContractsScreened
from events.gates import CONTRACT_FILTERS
from events.wire import kite
from projections.live.view import Kept, LiveView
from tests.projections.live.story import CALL, CALL_TOKEN, INSTRUMENTS, Story, a_day, full_packet
from tests.tui.long import a_long_list, count_calls
from tests.tui.recorded import NAMES, entries, view_of_golden
from tests.tui.screen import SIZES, Screen, on_screen, view_of
from tests.tui.test_app import check_golden, check_shape
from tui.store import Frame
from tui.view import chain
from tui.view.chain import (
    Chosen,
    chain_table,
    choose,
    compact,
    depth_lines,
    leg_text,
    screens_of,
    shelf_of,
    strike_at,
    strike_text,
)
from tui.view.text import line_width

PUT_TOKEN = 12 << 8 | kite.Segment.NFO


def a_chain() -> Story:
    """A day with a put beside the call, another expiry, and a screening that refused the call."""
    put = msgspec.structs.replace(
        INSTRUMENTS[3], token=PUT_TOKEN, kind="PE", tradingsymbol="NIFTY26NOV24500PE"
    )
    later = msgspec.structs.replace(
        put, token=13 << 8 | kite.Segment.NFO, expiry=20261130, tradingsymbol="NIFTY26D0124500PE"
    )
    story = a_day()
    story.at(722).fact(session.InstrumentsLoaded("i" * 64, (*INSTRUMENTS, put, later)))
    packet = kite.encode_full(
        PUT_TOKEN, 10_500, 65, 10_500, 2_000, 0, 0, 1, 1, 1, 1, 0, 450_000, 0, 0, 9,
        ((65, 10_495, 1), (130, 10_490, 2)), ((195, 10_505, 3),),
    )  # fmt: skip
    story.frame(packet, full_packet(CALL_TOKEN, 12_815, 12_825))
    mask = 1 << 2 | 1 << 6
    story.derive(
        decision.ContractsScreened(
            9, "NIFTY", "trend", "UP", CONTRACT_FILTERS, (CALL, 5), (2, -1), (mask, 0), (-1, 710), 5
        ),
        len(story.envelopes),
    )
    return story


def frame_of(view: LiveView) -> tuple[Frame, Chosen]:
    frame = Screen(view).store.frame()
    chosen = choose(view, shelf_of(view.instruments), None, None)
    assert chosen is not None
    return frame, chosen


def last_screening(view: LiveView) -> ContractsScreened:
    kept = view.underlyings[0].screened
    assert kept is not None
    return msgspec.msgpack.decode(kept.payload, type=ContractsScreened)


def screened_as(view: LiveView, event: ContractsScreened) -> LiveView:
    """The view with another last screening of its first underlying."""
    first = view.underlyings[0]
    kept = Kept(1, 1, msgspec.msgpack.encode(event))
    changed = msgspec.structs.replace(first, screened=kept)
    return msgspec.structs.replace(view, underlyings=(changed, *view.underlyings[1:]))


def shown(frame: Frame, chosen: Chosen) -> dict[str, str]:
    """The first row by column."""
    table = chain_table(frame, chosen)
    return {
        one.title: text.strip()
        for one, (text, _) in zip(table.columns, table.rows[0].cells, strict=True)
    }


def test_a_row_has_both_sides_of_a_strike() -> None:
    """Quotes, open interest, ages and the screening of the side that was looked at."""
    row = shown(*frame_of(view_of(a_chain())))
    assert (row["C.BID"], row["C.ASK"], row["C.LTP"]) == ("128.15", "128.25", "128.15")
    assert (row["P.BID"], row["P.ASK"], row["P.OI"]) == ("104.95", "105.05", "4.5L")
    assert row["STRIKE"] == "24,500*"
    assert row["SCREENED"] == "● PE CHOSEN"
    view = view_of(a_chain())
    refused = msgspec.structs.replace(
        last_screening(view), selected=None, contracts=(CALL,), first_filter=(2,), masks=(4,),
        scores_milli=(-1,),
    )  # fmt: skip
    row = shown(*frame_of(screened_as(view, refused)))
    assert row["SCREENED"] == "✗ CE SPREAD"


def test_a_quote_that_is_old_shows_it() -> None:
    """Past the limit of contracts the age bears its mark."""
    story = a_chain()
    story.at(830).frame()
    row = shown(*frame_of(view_of(story)))
    assert row["C.AGE"] == "1m▲"


def test_the_words_tell_what_the_table_has_no_room_for() -> None:
    """Open interest since the first packet, every filter that failed, the score of what passed."""
    frame, chosen = frame_of(view_of(a_chain()))
    one = strike_at(chosen, ("strike", 2_450_000))
    assert one is not None
    text = leg_text(frame, chosen, one.call)
    assert "OI 5,000 (0 since first seen)" in text
    assert "CONTRACT_SPREAD" in text
    assert "also DELTA" in text
    assert "taken, score 0.710" in leg_text(frame, chosen, one.put)
    assert leg_text(frame, chosen, None) == ""


def test_the_books_stand_side_by_side() -> None:
    """Five levels of each contract, dashes where the feed had none, the room always kept."""
    frame, chosen = frame_of(view_of(a_chain()))
    one = strike_at(chosen, ("strike", 2_450_000))
    lines = ["".join(text for text, _ in line) for line in depth_lines(frame, one, 120)]
    assert "104.95 | 105.05" in lines[1]
    assert "130 (2)" in lines[2]
    assert "- | -" in lines[5]
    for width in (80, 120):
        for strike in (one, None):
            assert {line_width(line) for line in depth_lines(frame, strike, width)} == {width}


@pytest.mark.parametrize("name", NAMES)
def test_rejections_are_those_of_the_journal(name: str) -> None:
    """In every golden session: each contract of the last screening, its first filter, all that it
    failed and its score equal the rows that SQL has of the same entry."""
    last: dict[str, tuple[int, ContractsScreened]] = {}
    for envelope, event in entries(name):
        if isinstance(event, ContractsScreened):
            last[event.underlying] = envelope.seq, event
    view = view_of_golden(name)
    for row in view.underlyings:
        screens = screens_of(row.screened)
        if row.name not in last:
            assert screens == {}
            continue
        seq, event = last[row.name]
        assert row.screened is not None
        assert row.screened.seq == seq
        assert set(screens) == set(event.contracts)
        for place, contract in enumerate(event.contracts):
            said = screens[contract]
            first = event.first_filter[place]
            assert said.first == (None if first == -1 else event.filters[first])
            assert said.selected == (contract == event.selected)
            assert len(said.failed) == event.masks[place].bit_count()


def test_a_frame_makes_only_the_rows_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """250 strikes, the cursor at the money, at both ends and between: a paint makes no row that
    is not on the screen, and the row that the cursor follows is still found."""
    made = count_calls(monkeypatch, chain, "_row")
    story = a_long_list()

    async def use(screen: Screen) -> None:
        await screen.press("4")
        for keys in ((), ("G",), ("g",), ("pagedown", "j")):
            await screen.press(*keys)
            story.at(story.seconds + 1).quotes()
            screen.give(view_of(story))
            grid = screen.app._grid()
            assert grid is not None
            key = grid.cursor_key
            made.clear()
            await screen.settle()
            assert 0 < len(made) <= screen.app.size.height
            assert grid.cursor_key == key
            assert len(grid.table.rows) == 250

    on_screen(view_of(story), use, live=True, state="FOLLOWING")


@pytest.mark.parametrize("name", NAMES)
def test_every_golden_chain_is_shown(name: str) -> None:
    """Each underlying and expiry of the golden sessions gives a row a strike."""
    view = view_of_golden(name)
    shelf = shelf_of(view.instruments)
    frame = Screen(view).store.frame()
    for underlying, expiries in shelf.items():
        for expiry, strikes in expiries.items():
            chosen = choose(view, shelf, underlying, expiry)
            table = chain_table(frame, chosen)
            assert len(table.rows) == len(strikes)
            assert any("*" in row.cells[8][0] for row in table.rows)


def test_what_the_session_does_not_have() -> None:
    """No contracts, an unknown name, a strike of odd paise, numbers of every size."""
    view = view_of(Story())
    frame = Screen(view).store.frame()
    assert choose(view, shelf_of(view.instruments), "NIFTY", None) is None
    assert chain_table(frame, None).rows == ()
    assert strike_at(None, ("strike", 1)) is None
    assert screens_of(None) == {}
    assert [compact(n) for n in (None, 0, 99_999, 100_000, -1_234_567, 25_000_000)] == [
        "-", "0", "99,999", "1.0L", "-12.3L", "2.5Cr",
    ]  # fmt: skip
    assert (strike_text(2_450_000), strike_text(2_450_050)) == ("24,500", "24,500.50")


@pytest.mark.parametrize("size", SIZES)
def test_both_sides_are_shown_as_agreed(size: tuple[int, int]) -> None:
    """A strike with both contracts, a screening and two books, at both sizes."""

    async def use(screen: Screen) -> None:
        await screen.press("4")
        check_shape(screen, "REPLAY")
        check_golden(screen, "chain-both")

    on_screen(view_of(a_chain().close()), use, size=size)


def test_keys_go_through_underlyings_and_expiries() -> None:
    """Brackets: the next underlying and back; x: the next expiry; enter: its last decision."""

    async def use(screen: Screen) -> None:
        await screen.press("4")
        assert "CHAIN NIFTY 23-Nov-2026" in screen.text()
        assert any(line.startswith(">") and "24,500*" in line for line in screen.lines())
        await screen.press("x")
        assert "CHAIN NIFTY 30-Nov-2026" in screen.text()
        await screen.press("right_square_bracket")
        assert "CHAIN BANKNIFTY 23-Nov-2026" in screen.text()
        await screen.press("left_square_bracket")
        assert "CHAIN NIFTY 23-Nov-2026" in screen.text()
        await screen.press("enter")
        assert "GATES  NIFTY 09:27:00.000" in screen.text()

    on_screen(view_of(a_chain()), use)


def test_without_contracts_the_keys_say_so() -> None:
    """Nothing to go through is told, and breaks nothing."""

    async def use(screen: Screen) -> None:
        await screen.press("4", "x")
        assert "no option contracts" in screen.lines()[-1]
        await screen.press("enter")

    on_screen(view_of(Story()), use)
