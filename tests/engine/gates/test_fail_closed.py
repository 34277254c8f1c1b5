"""Fail-closed as a theorem: no input of any gate, lost or spoiled in any way, leaves an intent.

Proves: every gate of the catalogue that can refuse is made to by some fault; every input of the
gates is missing, stale, of the future and absurd in ``FAULTS``, or it is said why it cannot be;
with each fault there is no intent, and a gate refuses. A gate that is new in the catalogue fails
here until a fault reaches it. All combinations of verdicts are at the end.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from engine import cycle
from engine.cycle import decide_cycle
from engine.gates import contract, controls, quote, sizing, strategy
from engine.lookup import lookup_for
from engine.scheduled import ScheduledEvent
from engine.state import State
from engine.view import snapshot_of
from events.base import Event
from events.decision import DecisionMade, GateRow, GatesEvaluated
from events.gates import GATES
from events.orders import IntentApproved
from events.reasons import STAGES
from tests.engine.build import at_trade, quote_of, view_of, with_config, with_quote
from tests.engine.gates import cases, test_risk
from tests.engine.gates.cases import MISSES, NO_QUOTES, Change, account, feed, market, rules
from tests.engine.orders import test_gates as desks
from tests.engine.test_cycle import Judges

NAN = float("nan")
HUGE = 10**12
KINDS = ("missing", "stale", "future", "absurd")
Faults = dict[str, tuple[Change, ...] | str]

STARTS: dict[str, Callable[[], State]] = {
    "trade": lambda: at_trade().state,
    "desk": desks.session,
    "held": lambda: test_risk._holding(),
    "armed": lambda: desks.session("LIVE"),
    "asked": lambda: with_config(desks.session(), approval={"required": True}),
}
"""States in which the gate is asked; in the first three all else passes or has its own case."""


def _all_quotes(**changes: object) -> Change:
    return lambda s: cases._every(s, **changes)


def _spot(**changes: int) -> Change:
    return lambda s: with_quote(s, cases.INDEX, replace(quote_of(s, cases.INDEX), **changes))


def _slots(**changes: object) -> Change:
    def change(state: State) -> State:
        slot = state.slots[0]
        assert slot.indicators is not None
        spoiled = replace(slot, indicators=replace(slot.indicators, **changes))
        return replace(state, slots=(spoiled, *state.slots[1:]))

    return change


def _near(**changes: object) -> Change:
    return lambda s: market(s, expiries=(replace(s.markets[0].expiries[0], **changes),))


def _without_witness(**changes: object) -> Change:
    """The future spoiled, where parity does not stand in for it."""

    def change(state: State) -> State:
        future = replace(quote_of(state, cases.FUTURE), **changes)
        return with_quote(_near(source="FUTURE")(state), cases.FUTURE, future)

    return change


def _asked_prob(state: State) -> State:
    return with_config(state, regime={"prob_milli_min": 450})


def _held(**changes: object) -> Change:
    def change(state: State) -> State:
        i = state.positions[0].contract
        return with_quote(state, i, replace(quote_of(state, i), **changes))

    return change


def _next_to_nothing(limit: str) -> Change:
    """A limit of the book that is a paisa of a hundred rupees."""
    return lambda s: account(with_config(s, risk={limit: 1}), capital_paise=10_000)


def _missed(*gates: str) -> tuple[Change, ...]:
    """The table's own least misses: a number past its limit, from zero to far beyond."""
    found = tuple(one.missed for one in MISSES if one.gate in gates)
    return found + tuple(change for gate, _, _, change in desks.CASES if gate in gates)


OWN = "the engine's own count of its journal: there is none that is older than the state, or not"
DATED = "a row holds by its dates, so that one of the past or the future is a missing one"
SESSION = "in the session's own time, which every fact moves and none moves back"

FAULTS: dict[str, tuple[str, Faults]] = {
    "hours": ("trade", {
        "missing": (lambda s: replace(s, rules=None), lambda s: rules(s, trading_day=None),
                    lambda s: rules(s, fno_nse=None)),
        "stale": (lambda s: rules(s, trading_day=None, stale=("calendar.covered:*",)),
                  lambda s: cases.window(s, close_ns=s.now)),
        "future": (lambda s: cases.window(s, open_ns=s.now + 1),),
        "absurd": (lambda s: cases.window(s, close_ns=0), lambda s: cases.window(s, close_ns=-1),
                   lambda s: cases.window(s, open_ns=s.now + 9, close_ns=s.now - 9),
                   *_missed("trading_day", "closing_auction", "last_entry")),
    }),
    "events": ("armed", {
        "missing": (lambda s: rules(s, events=(), events_unknown=("RBI",)),),
        "stale": DATED,
        "future": (lambda s: rules(s, events=(ScheduledEvent("FED", s.now + 1, False),)),),
        "absurd": (lambda s: rules(s, events=(ScheduledEvent("NO KIND", s.now, True),)),),
    }),
    "link": ("trade", {
        "missing": (lambda s: feed(s, connected=False), lambda s: feed(s, verified=False),
                    lambda s: feed(s, frames=0)),
        "stale": (lambda s: feed(s, last_frame_ns=0), *_missed("link_age")),
        "future": SESSION,
        "absurd": (lambda s: feed(s, last_frame_ns=-HUGE), *_missed("frames_refused")),
    }),
    "stamp": ("trade", {
        "missing": (lambda s: feed(s, newest_stamp_s=0),),
        "stale": (lambda s: feed(s, newest_stamp_s=1), *_missed("page_age", "page_fresh")),
        "future": (lambda s: feed(s, newest_stamp_s=2**32 - 1), *_missed("future_stamp")),
        "absurd": (lambda s: feed(s, newest_stamp_s=-1),),
    }),
    "bars": ("trade", {
        "missing": (lambda s: replace(s, slots=(), accs=()), *_missed("bars", "indicators")),
        "stale": (lambda s: market(s, bars_since_gap=0), *_missed("bars_since_gap")),
        "future": SESSION,
        "absurd": (_slots(atr_paise=0.0), _slots(atr_paise=-1.0), _slots(bars=0),
                   lambda s: market(s, bars_since_gap=-1)),
    }),
    "spot": ("trade", {
        "missing": _missed("spot_seen"),
        "stale": (_spot(seen_ns=0), *_missed("spot_age")),
        "future": "its exchange stamp counts for the page's, which future_stamp judges",
        "absurd": (_spot(ltp_paise=0), _spot(ltp_paise=-5), _spot(ltp_paise=10**9),
                   _spot(ltp_paise=1)),
    }),
    "witness": ("trade", {
        "missing": _missed("witness_seen"),
        "stale": (_without_witness(seen_ns=0),),
        "future": "its exchange stamp counts for the page's, which future_stamp judges",
        "absurd": (_without_witness(bid_paise=0), _without_witness(ask_paise=-5),
                   _without_witness(bid_paise=10**9), *_missed("witness_gap")),
    }),
    "chain": ("trade", {
        "missing": (lambda s: replace(s, quotes=NO_QUOTES(s)), *_missed("near_quotes", "contract"),
                    lambda s: market(s, expiries=()), _near(forward_paise=None)),
        "stale": (_all_quotes(seen_ns=0), _near(t_years=0.0)),
        "future": "its exchange stamps count for the page's, which future_stamp judges",
        "absurd": (_all_quotes(bid_paise=0), _all_quotes(bid_paise=-5), _all_quotes(ask_paise=0),
                   _all_quotes(bid_paise=10**9), *_missed("near_spread")),
    }),
    "regime": ("trade", {
        "missing": _missed("regime_known"),
        "stale": "assessed at each bar: bars_since_gap and link_age judge whether bars come",
        "future": SESSION,
        "absurd": (lambda s: _asked_prob(cases.regime(s, probs_milli=(0,) * 5)),
                   lambda s: _asked_prob(cases.regime(s, probs_milli=(-9,) * 5)),
                   lambda s: cases.regime(s, entropy_milli=HUGE),
                   lambda s: cases.regime(s, regime="UNKNOWN", leader="UNKNOWN"),
                   *_missed("regime_prob", "regime_entropy", "regime_settled", "family")),
    }),
    "strategy": ("trade", {
        "missing": _missed("signal"),
        "stale": _missed("lifecycle"),
        "future": _missed("cooldown"),
        "absurd": _missed("signal_strength", "higher_trend", "strategy_trades"),
    }),
    "money": ("trade", {
        "missing": _missed("carried_over"),
        "stale": "of the account's day, which carried_over dates",
        "future": OWN,
        "absurd": (lambda s: account(s, capital_paise=0), lambda s: account(s, capital_paise=-1),
                   lambda s: account(s, realised_paise=-HUGE),
                   lambda s: account(s, trades_today=HUGE), lambda s: account(s, loss_streak=HUGE),
                   *_missed("daily_loss", "trades_day", "loss_streak", "open_risk",
                            "positions_underlying", "profit_lock", "underlying_profit", "drawdown",
                            "cvar", "risk_state", "halted", "cycles_missed")),
    }),
    "held": ("held", {
        "missing": (lambda s: with_quote(s, s.positions[0].contract, None), _held(bid_paise=0)),
        "stale": (lambda s: market(s, expiries=()),),
        "future": SESSION,
        "absurd": tuple(_next_to_nothing(name) for name in test_risk.SETTINGS.values()),
    }),
    "size": ("trade", {
        "missing": (lambda s: rules(s, charges=(), missing=("charge.sebi:NSE",)),
                    *_missed("freeze")),
        "stale": (lambda s: rules(s, stale=("lot:NIFTY",)),),
        "future": DATED,
        "absurd": (lambda s: cases.freeze(s, 1), lambda s: cases.freeze(s, 0),
                   lambda s: cases.freeze(s, -65),
                   *_missed(*(one.gate for one in GATES if one.gate.startswith("lots_by")))),
    }),
    "controls": ("trade", {
        "missing": (lambda s: with_quote(s, cases.picked(s).contract, replace(
            quote_of(s, cases.picked(s).contract), ltp_paise=0)),),
        "stale": OWN,
        "future": OWN,
        "absurd": _missed("permitted", "collar", "duplicates", "self_trades", "open_orders"),
    }),
    "desk": ("desk", {
        "missing": _missed("login_known", "reconciled_since"),
        "stale": (*_missed("reconciled_age"), desks._desk(reconciled_ns=1)),
        "future": SESSION,
        "absurd": _missed("login", "clock", "process", "frames_lost", "feed_losses", "incidents",
                          "orders_unknown", "books_differ", "rejects", "entries_minute"),
    }),
    "arming": ("armed", {
        "missing": (desks._desk(armed_until_ns=0),),
        "stale": (lambda s: desks._desk(armed_until_ns=s.now)(s),),
        "future": "a time up to which: the further ahead the longer it lasts",
        "absurd": (desks._desk(armed_until_ns=-1),),
    }),
    "approval": ("asked", {
        "missing": (lambda s: s,),
        "stale": (desks._desk(approving=("of another", "asha")),),
        "future": "an approval has no time of its own: the next cycle uses it or it lapses",
        "absurd": (desks._desk(approving=("", "")),),
    }),
}  # fmt: skip
"""Each input: the state it is spoiled in, and by kind its faults, or why there is none."""

ELSEWHERE = {
    "opening_range": "asked by one family: tests/engine/strategies/test_strategies.py",
    "sold_leg": "of a pair: tests/engine/test_spreads.py spoils every leg that might be sold",
    "pair_reward": "of a pair: tests/engine/test_spreads.py, at its thousandth",
    "spot_confirmed": "tests/engine/test_quality.py",
    "ticks_timeless": "tests/engine/test_quality.py",
    "ticks_reordered": "tests/engine/test_quality.py",
    "broker_margin": "of a pair at a broker: tests/engine/orders/test_pairs.py",
    "lots_by_margin": "tests/engine/test_spreads.py, at its paisa",
}
"""Gates that no fault here can reach, and where each is missed."""


def _cycle(state: State) -> list[Event]:
    return decide_cycle(state, 0, lookup_for(state).slot_of, state.seq + 1)


def _rows(events: list[Event]) -> dict[str, GateRow]:
    gates = next(e for e in events if isinstance(e, GatesEvaluated))
    return {row.gate: row for stage in gates.official for row in stage.rows}


def _all() -> list[tuple[str, str, int]]:
    return [
        (name, kind, number)
        for name, (_, faults) in FAULTS.items()
        for kind, changes in faults.items()
        if not isinstance(changes, str)
        for number in range(len(changes))
    ]


def _spoiled(name: str, kind: str, number: int) -> list[Event]:
    start, faults = FAULTS[name]
    changes = faults[kind]
    assert not isinstance(changes, str)
    return _begun(start, changes[number])


def _begun(start: str, change: Change) -> list[Event]:
    """The cycle of a start that was changed."""
    return _cycle(change(STARTS[start]()))


def _refusing(events: list[Event]) -> set[str]:
    return {gate for gate, row in _rows(events).items() if row.verdict != "PASS"}


@pytest.mark.parametrize(("name", "kind", "number"), _all())
def test_no_fault_of_an_input_leaves_an_intent(name: str, kind: str, number: int) -> None:
    """Missing, stale, ahead or absurd: no intent, NO_TRADE with a code, and some gate refuses."""
    events = _spoiled(name, kind, number)
    made = next(e for e in events if isinstance(e, DecisionMade))
    assert not [e for e in events if isinstance(e, IntentApproved)]
    assert (made.outcome, bool(made.reason)) == ("NO_TRADE", True)
    assert _refusing(events)


def test_every_input_has_all_four_kinds_and_every_gate_its_fault() -> None:
    """Derived from the catalogue: each gate that can refuse does refuse under some fault, or stands
    in ``ELSEWHERE``; an input without a kind says why."""
    for _, faults in FAULTS.values():
        assert tuple(faults) == KINDS
        assert all(len(one) > 0 if isinstance(one, tuple) else len(one) > 20
                   for one in faults.values())  # fmt: skip
    refused: set[str] = set()
    for name, kind, number in _all():
        refused |= _refusing(_spoiled(name, kind, number))
    can = {one.gate for one in GATES if one.codes and not one.gate.startswith("family_")}
    assert can - refused == set(ELSEWHERE)
    assert refused <= can
    sys.stdout.write(f"{len(_all())} faults of {len(FAULTS)} inputs, {len(refused)} gates\n")


@pytest.mark.parametrize("start", ["trade", "desk"])
def test_the_starts_trade(start: str) -> None:
    """Without a fault there is an intent: what refuses is the fault's own doing."""
    assert [e for e in _begun(start, lambda s: s) if isinstance(e, IntentApproved)]


@pytest.mark.parametrize("number", [NAN, float("inf"), -float("inf")])
def test_what_is_no_number_is_no_evidence(number: float) -> None:
    """A NaN or an infinity in an indicator ends the cycle with an error before any event of it:
    what is unknown is None, which N3 refuses."""
    with pytest.raises(ValueError, match="unknown is None"):
        _begun("trade", _slots(atr_paise=number))


def test_canary_a_gate_that_takes_what_is_unknown_for_good_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With N4 made to pass whatever it is given, a spot that is stale leaves an intent."""
    good = quote.judge(view_of(at_trade().state))
    monkeypatch.setattr(quote, "judge", lambda view: good)
    with pytest.raises(AssertionError):
        test_no_fault_of_an_input_leaves_an_intent("spot", "stale", 0)


# --- all combinations of verdicts -----------------------------------------------------------------


def _intents_of_all(monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> tuple[int, int]:
    """(combinations, intents) of all eleven stages, each saying every word."""
    state = at_trade().state
    judges = Judges({})
    named = ("session", "feed", "warmup", "quote", "regime", "risk", "governance")
    for stage, name in zip(STAGES[:7], named, strict=True):
        monkeypatch.setattr(
            getattr(cycle, name), "judge", lambda *_, stage=stage: judges.say(stage)
        )
    monkeypatch.setattr(strategy, "judge_family", judges.family)
    monkeypatch.setattr(strategy, "judge_signal", judges.signal)
    monkeypatch.setattr(contract, "judge", judges.contract)
    monkeypatch.setattr(sizing, "judge", judges.sizing)
    monkeypatch.setattr(controls, "with_controls", lambda view, final, pick: final)
    view, snapshot = view_of(state), snapshot_of(view_of(state))
    monkeypatch.setattr(cycle, "take_view", lambda *_: view)
    monkeypatch.setattr(cycle, "snapshot_of", lambda _: snapshot)
    combinations = intents = 0
    slot_of = lookup_for(state).slot_of
    for combination in itertools.product(words, repeat=len(STAGES)):
        judges.verdicts = dict(zip(STAGES, combination, strict=True))
        events = decide_cycle(state, 0, slot_of, 1)
        found = sum(isinstance(one, IntentApproved) for one in events)
        assert found == (set(combination) == {"PASS"})
        combinations, intents = combinations + 1, intents + found
    sys.stdout.write(f"{combinations} combinations of verdicts, {intents} intent\n")
    return combinations, intents


def test_an_intent_only_where_all_eleven_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """All 2,048 combinations of pass and block over the eleven stages: one of them enters."""
    assert _intents_of_all(monkeypatch, ("PASS", "BLOCK")) == (2**11, 1)


@pytest.mark.slow
def test_an_intent_only_where_all_eleven_pass_of_three_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All 177,147 combinations with UNKNOWN as the third word: one of them enters."""
    assert _intents_of_all(monkeypatch, ("PASS", "BLOCK", "UNKNOWN")) == (3**11, 1)
