"""Where instruments stand, and the look-ups beside the state."""

from __future__ import annotations

from msgspec.structs import replace

from engine.exact import log
from engine.layout import nearest_future, underlyings_of, vix_of
from engine.lookup import EMPTY_LOOKUP, lookup_for
from engine.rulebook import Rulebook
from engine.state import EMPTY, NO_INDEX
from events.session import Instrument
from tests.engine.build import at_trade
from tests.engine.fabricated import SmallMarket, small_rows

BOOK = Rulebook(small_rows())
ROWS = SmallMarket(names=("NIFTY", "BANKNIFTY")).instruments()


def _row(kind: str, strike: int = 0, expiry: int = 20261123, name: str = "NIFTY") -> Instrument:
    return Instrument(1, "NFO", "X", name, kind, expiry, strike, 65, 5, "exchange")


def test_every_option_stands_once_in_its_expiry() -> None:
    """Each option stands at its strike and right, index and future at their own places."""
    maps = underlyings_of(ROWS, BOOK)
    assert [one.name for one in maps] == ["NIFTY", "BANKNIFTY"]
    for umap in maps:
        assert ROWS[umap.index].kind == "INDEX"
        assert ROWS[umap.future].kind == "FUT"
        (emap,) = umap.expiries
        for place, strike in enumerate(emap.strikes_paise):
            call, put = ROWS[emap.calls[place]], ROWS[emap.puts[place]]
            assert (call.kind, call.strike_paise, call.underlying) == ("CE", strike, umap.name)
            assert (put.kind, put.strike_paise, put.underlying) == ("PE", strike, umap.name)
            assert emap.log_strikes[place] == log(float(strike))


def test_strikes_ascend_whatever_the_rows_order() -> None:
    """The dump's order does not matter to the order of the strikes."""
    forward, backward = underlyings_of(ROWS, BOOK), underlyings_of(ROWS[::-1], BOOK)
    assert forward[0].expiries[0].strikes_paise == backward[1].expiries[0].strikes_paise
    strikes = list(forward[0].expiries[0].strikes_paise)
    assert strikes == sorted(strikes)


def test_a_missing_leg_and_a_missing_future_are_said() -> None:
    """A strike with one leg keeps NO_INDEX for the other; so does a future that is not there."""
    rows = (_row("INDEX", expiry=0), _row("CE", 100), _row("PE", 200))
    (umap,) = underlyings_of(rows, BOOK)
    assert (umap.expiries[0].calls, umap.expiries[0].puts) == ((1, NO_INDEX), (NO_INDEX, 2))
    assert (umap.future, umap.future_close_ns) == (NO_INDEX, 0)
    assert vix_of(rows) == NO_INDEX


def test_an_option_without_a_strike_stands_nowhere() -> None:
    """A strike of zero or below is no option: it is left out and stops nothing."""
    rows = (_row("INDEX", expiry=0), _row("CE", 0), _row("PE", -5), _row("CE", 100))
    (umap,) = underlyings_of(rows, BOOK)
    assert umap.expiries[0].strikes_paise == (100,)


def test_the_nearest_future_is_the_first_to_expire() -> None:
    """Of several futures the one with the earliest expiry is taken."""
    rows = (_row("FUT", expiry=20261229), _row("FUT", expiry=20261124), _row("FUT", name="X"))
    assert nearest_future("NIFTY", rows) == 1
    assert nearest_future("SENSEX", rows) == NO_INDEX


def test_an_expiry_that_no_rule_covers_has_no_end() -> None:
    """Where the rulebook does not say when the contracts end, or there is none, the end is 0."""
    rows = (_row("INDEX", expiry=0), _row("CE", 100, 20261121))
    assert underlyings_of(rows, BOOK)[0].expiries[0].close_ns == 0
    assert underlyings_of(ROWS, None)[0].expiries[0].close_ns == 0


def test_an_estimated_index_is_marked() -> None:
    """Provenance comes from the row."""
    rows = (replace(_row("INDEX", expiry=0), provenance="estimated"),)
    assert underlyings_of(rows, BOOK)[0].estimated


def test_look_ups_find_what_the_state_holds() -> None:
    """Token, slot and underlying of every instrument, against a search of the state."""
    state, look = at_trade().state, lookup_for(at_trade().state)
    for i, row in enumerate(state.instruments):
        assert look.index_of[row.token] == i
        held = [place for place, slot in enumerate(state.slots) if slot.instrument == i]
        assert look.slot_of[i] == (held[0] if held else -1)
        assert look.underlying_of.get(i, -1) == (0 if row.underlying == "NIFTY" else -1)
    assert lookup_for(EMPTY) == EMPTY_LOOKUP
