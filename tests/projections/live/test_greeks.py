"""Volatility and delta of the chain are the engine's own."""

from __future__ import annotations

import msgspec
import pytest

from events.decision import CandidateProposed
from projections.live import LiveModel
from projections.live.greeks import NO_PRICING, greeks_of, pricing_of
from tests.projections.live.story import DAY, INSTRUMENTS
from tests.tui.recorded import NAMES, entries


@pytest.mark.parametrize("name", NAMES)
def test_they_are_those_that_the_engine_journaled(name: str) -> None:
    """Of every candidate of every golden session: the same volatility and delta, to the digit."""
    model = LiveModel()
    for envelope, event in entries(name):
        model.fold(envelope)
        if not isinstance(event, CandidateProposed) or event.iv_milli is None:
            continue
        view = model.view()
        row = view.instruments[event.contract]
        mine = next(one for one in view.underlyings if one.name == event.underlying)
        expiry = next(one for one in mine.expiries if one.expiry == row.expiry)
        quote = view.quotes.quote(row.token)
        assert quote is not None
        assert mine.snapshot_ts is not None
        found = greeks_of(
            view.pricing, row, expiry.forward_paise, mine.snapshot_ts,
            quote.bid_paise, quote.ask_paise,
        )  # fmt: skip
        assert found is not None
        assert abs(found.vol * 1000 - event.iv_milli) <= 0.51
        assert event.delta_milli is not None
        assert abs(found.delta * 1000 - event.delta_milli) <= 0.51


def test_without_an_input_there_is_no_number() -> None:
    """No rule, no forward, one side, a crossed book, a strike of nothing: None, never a guess."""
    call = INSTRUMENTS[3]
    pricing = msgspec.structs.replace(NO_PRICING, closes=(("NFO", 20261123, 2 * 10**18),))
    now = 2 * 10**18 - 86_400 * 10**9
    assert greeks_of(pricing, call, 2_452_000, now, 12_815, 12_825) is not None
    assert greeks_of(NO_PRICING, call, 2_452_000, now, 12_815, 12_825) is None
    assert greeks_of(pricing, call, None, now, 12_815, 12_825) is None
    assert greeks_of(pricing, call, 2_452_000, now, None, 12_825) is None
    assert greeks_of(pricing, call, 2_452_000, now, 12_830, 12_825) is None
    nothing = msgspec.structs.replace(call, strike_paise=0)
    assert greeks_of(pricing, nothing, 2_452_000, now, 12_815, 12_825) is None
    assert greeks_of(pricing, call, -5, now, 12_815, 12_825) is None


def test_rules_that_do_not_name_an_expiry_give_none() -> None:
    """Without rows nothing ends; an exchange without rules is no fault."""
    assert pricing_of((), DAY, INSTRUMENTS).closes == ()
    odd = msgspec.structs.replace(INSTRUMENTS[3], exchange="MOON")
    assert pricing_of((), DAY, (odd,)) == NO_PRICING
