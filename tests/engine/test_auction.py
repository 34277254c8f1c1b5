"""F13: the closing auction of shares: what stands for the index, and what that may lead to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.core import Core
from engine.cycle import decide_cycle
from engine.exits import decide_exits
from engine.gates.quote import judge as judge_quote
from engine.gates.session import judge as judge_session
from engine.rulebook import IST_OFFSET_NS, NS_PER_DAY, NS_PER_S, ist_ns
from engine.state import State
from events.decision import DecisionMade, GateRow, GatesEvaluated
from events.feed import TimerTick
from events.market import BarClosed
from events.orders import ExitSignalled, IntentApproved
from events.wire.kite import encode_index
from tests.engine.build import MS, at_trade, quote_of, view_of, with_config, with_quote
from tests.engine.fabricated import SmallMarket, frame_fact, relaxed, run_core, small_facts
from tests.engine.gates.cases import FUTURE, INDEX, market, window
from tests.engine.test_exits import STOP, _state

MINUTE_NS = 60 * NS_PER_S


def _auction(state: State) -> State:
    """The state in the middle of the auction."""
    return window(state, auction_from_ns=state.now - 1, auction_to_ns=state.now + 1)


def _allowed(state: State) -> State:
    return with_config(_auction(state), session={"auction_entries": True})


def _rows(state: State) -> dict[str, GateRow]:
    return {row.gate: row for row in judge_quote(view_of(state)).rows}


def _frozen(state: State, away: int = 3) -> State:
    """The index's last print is old, and far from where the market is."""
    spot = quote_of(state, INDEX)
    old = replace(spot, ltp_paise=spot.ltp_paise * away, seen_ns=state.now - 600_000 * MS)
    return with_quote(state, INDEX, old)


def test_the_index_is_not_continuous_and_entries_are_off() -> None:
    """By default N1 refuses with SESSION_CLOSING_AUCTION and N4 with INDEX_NOT_CONTINUOUS; a state
    that trades does not. At the auction's very end both rows pass, or are gone."""
    state = _auction(at_trade().state)
    assert judge_session(view_of(state)).reason == "SESSION_CLOSING_AUCTION"
    row = _rows(state)["index_continuous"]
    assert (row.verdict, row.reason) == ("BLOCK", "INDEX_NOT_CONTINUOUS")
    made = decide_cycle(state, 0, at_trade().look.slot_of, state.seq + 1)
    (decision,) = [one for one in made if isinstance(one, DecisionMade)]
    assert (decision.outcome, decision.reason) == ("NO_TRADE", "SESSION_CLOSING_AUCTION")
    over = window(state, auction_from_ns=state.now - 9, auction_to_ns=state.now)
    assert "index_continuous" not in _rows(over)
    assert judge_session(view_of(over)).verdict == "PASS"


def test_the_reference_is_the_future_and_its_witness_the_parity_forward() -> None:
    """A frozen print of the index, wherever it stands, is not what is judged: the future is, the
    parity forward confirms it, and the print's age and distance are nobody's."""
    state = _frozen(_allowed(at_trade().state))
    view = view_of(state)
    assert view.reference is not None
    assert (view.reference.source, view.witness_source) == ("FUTURE", "PARITY")
    rows = _rows(state)
    assert {row.verdict for row in rows.values()} == {"PASS"}
    assert rows["index_continuous"].marks == ("REFERENCE_FUTURE",)
    assert _rows(_frozen(at_trade().state))["spot_age"].verdict == "BLOCK"


def test_without_a_future_it_is_the_parity_forward_which_has_no_witness() -> None:
    """One price alone confirms nothing: entries stay off; without either there is no price."""
    state = with_quote(_frozen(_allowed(at_trade().state)), FUTURE, None)
    rows = _rows(state)
    assert rows["index_continuous"].marks == ("REFERENCE_PARITY",)
    assert rows["spot_seen"].verdict == "PASS"
    assert (rows["witness_seen"].verdict, rows["witness_seen"].reason) == (
        "UNKNOWN", "QUOTE_WITNESS_MISSING",
    )  # fmt: skip
    near = replace(state.markets[0].expiries[0], source="FUTURE")
    rows = _rows(market(state, expiries=(near,)))
    assert rows["spot_seen"].reason == "QUOTE_SPOT_MISSING"
    assert rows["index_continuous"].marks == ()


def test_with_the_setting_an_entry_is_made_by_future_and_parity() -> None:
    """The state that trades, in the auction, the index frozen: entries switched on it trades."""
    state = _frozen(_allowed(at_trade().state))
    made = decide_cycle(state, 0, at_trade().look.slot_of, state.seq + 1)
    assert [one for one in made if isinstance(one, IntentApproved)]
    gates = next(one for one in made if isinstance(one, GatesEvaluated))
    assert {stage.verdict for stage in gates.official} == {"PASS"}


def test_exits_go_on() -> None:
    """A stop that is met in the auction sells, whatever the index shows."""
    (signal,) = decide_exits(_frozen(_auction(_state(STOP))))
    assert isinstance(signal, ExitSignalled)
    assert signal.reason == "EXIT_STOP"


@pytest.mark.parametrize("stand", ["15:14", "15:15", "15:34", "15:35"])
def test_an_index_has_no_bar_of_the_auction(stand: str) -> None:
    """What it shows in the minutes from 15:15 to 15:35 is in no bar, by the dated rows; INDIA VIX,
    which is made of options, goes on. The print at the end is held against nothing."""
    core = run_core(list(small_facts(SmallMarket(minutes=1), relaxed()))[:5]).core
    day = SmallMarket(minutes=1).day
    tokens = [row.token for row in SmallMarket(minutes=1).instruments()]
    ts = ist_ns(day, stand)

    def give(core: Core, at: int, price: int) -> list[BarClosed]:
        packets = [
            encode_index(token, level, 0, 0, 0, 0, 0, at // NS_PER_S)
            for token, level in ((tokens[INDEX], price), (tokens[-1], 1_400))
        ]
        first = core.step(core.state.seq + 1, at, TimerTick(at, 0))
        core.step(core.state.seq + 1, at, frame_fact(packets))
        events = [one.entry.event for one in first]
        return [one for one in events if isinstance(one, BarClosed) and one.bar_ms == 60_000]

    give(core, ts, 2_400_000)
    bars = give(core, ts + MINUTE_NS, 2_300_000)
    continuous = stand in ("15:14", "15:35")
    assert [one.instrument for one in bars] == [
        *((INDEX,) if continuous else ()), len(tokens) - 1,
    ]  # fmt: skip
    held = continuous
    assert quote_of(core.state, INDEX).ltp_paise == (2_400_000 if held else 2_300_000)
    assert (ts + IST_OFFSET_NS) % NS_PER_DAY // MINUTE_NS == int(stand[:2]) * 60 + int(stand[3:])
