"""The least change: what it finds does trade, and nothing smaller does, by brute force."""

from __future__ import annotations

import functools
import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import pytest
from msgspec.structs import replace

from engine.apply import Entry
from engine.config import ConfigError
from engine.core import Core
from engine.state import State
from events.base import Event
from events.decision import DecisionMade
from events.session import ConfigChanged, OperatorCommand, Setting
from replay.least_change import Answer, Moves, Question, Search, least_change, words_of
from replay.limits import BY_SETTING, LIMITS, limits_of, moved, steps_between, value_in
from replay.session import ReplayError
from tests.engine.fabricated import SmallMarket, relaxed, small_facts
from tests.replay.journals import changed, lines, record, short_run, where

NAMES: Final = ("NIFTY", "BANKNIFTY")
SWITCHES: Final = {"trend.enabled", "mean_revert.enabled", "contract.expiry_day_allowed"}

Sections = dict[str, dict[str, int | bool]]

STRICT: Final[tuple[Sections, ...]] = (
    {"risk": {"trades_day_max": 1}, "warmup": {"bars_min": 5}},
    {"contract": {"delta_milli_min": 480, "delta_milli_max": 520, "spread_bps_max": 1}},
    {"regime": {"prob_milli_min": 900, "entropy_milli_max": 200, "settle_bars": 3}},
    {"trend": {"signal_milli_min": 950, "adx_milli_min": 60_000},
     "mean_revert": {"signal_milli_min": 900, "stretch_milli_min": 4_000}},
    {"risk": {"trade_risk_bps_max": 1, "open_risk_bps_max": 1, "lots_max": 2}},
    {"contract": {"premium_paise_max": 501, "reward_milli_min": 1_460, "oi_units_min": 10**6}},
    {"quote": {"near_spread_bps_max": 5, "near_quotes_min": 40, "contract_age_ms_max": 1}},
    {"trend": {"enabled": False}, "session": {"last_entry_hhmm": 918}},
    {"account": {"capital_paise": 2_000_000}, "risk": {"positions_underlying_max": 1}},
    {"contract": {"volume_units_min": 10**6, "premium_paise_min": 59_000},
     "feed": {"link_age_ms_max": 1, "page_age_ms_max": 1}},
)  # fmt: skip
"""Limits that stand in the way, so that every kind of answer is needed."""


class Asked(NamedTuple):
    """A blocked decision: the state before its fact, the fact, and what was decided."""

    before: State
    fact: Entry
    decision: DecisionMade


@functools.cache
def blocked(place: int, seed: int = 1) -> tuple[Asked, ...]:
    """Every decision of a session under a strict configuration that was no trade."""
    market = SmallMarket(minutes=6, seed=seed, names=NAMES, cadence_ms=20_000, every_ms=10_000)
    return tuple(asked_in(small_facts(market, relaxed(**STRICT[place]))))


def asked_in(facts: Iterator[tuple[int, Event]]) -> Iterator[Asked]:
    core = Core()
    for ts, event in facts:
        before, seq = core.state, core.state.seq + 1
        for one in core.step(seq, ts, event):
            made = one.entry.event
            if isinstance(made, DecisionMade) and made.outcome != "TRADE":
                yield Asked(before, Entry(seq, "TimerTick", ts, seq, event), made)


def answer_of(asked: Asked) -> Answer:
    return Search(Question(asked.before, asked.fact, asked.decision.underlying)).answer()


# --- an own way to run the cycle: nothing of the search is used ----------------------------------


def trades(asked: Asked, moves: Moves) -> bool:
    """Whether the decision is a trade after one ConfigChanged; a set that the configuration refuses
    is none."""
    core = Core(asked.before)
    given = tuple(Setting(k, bool(v) if k in SWITCHES else v) for k, v in moves)
    if given:
        try:
            core.step(core.state.seq + 1, core.state.now, ConfigChanged(given, "test", "test"))
        except Exception as error:
            if isinstance(error.__cause__, ConfigError):
                return False
            raise
    derived = core.step(core.state.seq + 1, asked.fact.ts, asked.fact.event)
    made = [one.entry.event for one in derived if isinstance(one.entry.event, DecisionMade)]
    (mine,) = [one for one in made if one.underlying == asked.decision.underlying]
    return mine.outcome == "TRADE"


def check(asked: Asked, chance: Random, tries: int) -> Answer:
    """All that can be said of an answer by running the cycle; ``tries`` sets come by chance."""
    found = answer_of(asked)
    about = f"{asked.decision.underlying} at {asked.fact.ts}: {asked.decision.reason}"
    assert found.reason == asked.decision.reason
    if found.moves is None:
        assert found.obstacles, about
        assert (found.proved, found.trade) == (False, None)
        for moves in random_sets(asked, chance, tries, len(LIMITS)):
            assert not trades(asked, moves), (about, moves)
        return found
    moves = tuple((one.setting, one.new) for one in found.moves)
    assert found.proved
    assert trades(asked, moves), (about, moves)
    for size in range(len(moves)):
        for smaller in itertools.combinations(moves, size):
            assert not trades(asked, smaller), (about, moves, smaller)
    for setting, new in moves:
        nearer = one_step_nearer(asked, setting, new)
        less = tuple((k, nearer if k == setting else v) for k, v in moves)
        assert not trades(asked, less), (about, moves, less)
    for fewer in random_sets(asked, chance, tries, len(moves) - 1):
        assert not trades(asked, fewer), (about, moves, fewer)
    assert all(one.gates for one in found.moves), about
    return found


def one_step_nearer(asked: Asked, setting: str, new: int) -> int:
    limit, config = BY_SETTING[setting], asked.before.config
    steps = next(n for n in itertools.count() if moved(limit, config, n) == new)
    return moved(limit, config, steps - 1)


def random_sets(asked: Asked, chance: Random, tries: int, size: int) -> Iterator[Moves]:
    """Sets of at most so many limits, each at its bound or on the way there; first every limit at
    its bound, where so many are allowed."""
    config = asked.before.config
    movable = [limit for limit in LIMITS if steps_between(limit, config) > 0]
    for place in range(tries if size else 0):
        whole = place == 0 and size >= len(movable)
        picked = movable if whole else chance.sample(movable, chance.randint(1, min(size, 6)))
        yield tuple(
            (limit.setting, moved(limit, config, most if whole else chance.randint(1, most)))
            if chance.random() < 0.5
            else (limit.setting, moved(limit, config, most))
            for limit in picked
            for most in (steps_between(limit, config),)
        )


def checked(asked: list[Asked], tries: int) -> Counter[str]:
    """Check every one of these decisions; how the answers are spread."""
    kinds: Counter[str] = Counter()
    settings: set[str] = set()
    standing: set[str] = set()
    for place, one in enumerate(asked):
        found = check(one, Random(place), tries)
        kinds["none" if found.moves is None else f"{len(found.moves)} limits"] += 1
        settings |= {move.setting for move in found.moves or ()}
        standing |= {obstacle.gate for obstacle in found.obstacles}
    sys.stdout.write(
        f"{len(asked)} blocked decisions: {dict(sorted(kinds.items()))}; "
        f"{len(settings)} settings moved, {len(standing)} gates that stand\n"
    )
    return kinds


@pytest.mark.slow
def test_what_is_found_trades_and_nothing_smaller_does() -> None:
    """For blocked decisions of ten sessions: the change trades, no strictly smaller set of it does,
    no limit moved a step less, no other smaller set that chance tries (a slice)."""
    asked = [one for place in range(len(STRICT)) for one in blocked(place)[1::27]]
    kinds = checked(asked, 5)
    assert len(kinds) > 3, "answers of several sizes, and none"
    assert kinds["none"] < len(asked) * 3 // 4


@pytest.mark.slow
def test_what_is_found_trades_and_nothing_smaller_does_in_full() -> None:
    """Every blocked decision of ten sessions of two seeds."""
    asked = [one for seed in (1, 2) for place in range(len(STRICT)) for one in blocked(place, seed)]
    assert checked(asked, 40).total() > 300


@pytest.mark.slow
def test_no_single_limit_and_no_pair_does_where_three_were_found() -> None:
    """Where the answer needs three: every limit alone at six places, every pair at its bounds."""
    deep = [
        (one, found)
        for place in range(len(STRICT))
        for one in blocked(place)[::3]
        for found in (answer_of(one),)
        if found.moves is not None and len(found.moves) >= 3
    ][:12]
    assert deep
    runs = 0
    for asked, _ in deep:
        config = asked.before.config
        movable = [limit for limit in LIMITS if steps_between(limit, config) > 0]
        for limit in movable:
            most = steps_between(limit, config)
            for part in range(1, 7):
                runs += 1
                at = moved(limit, config, max(most * part // 6, 1))
                assert not trades(asked, ((limit.setting, at),))
        furthest = {m.setting: moved(m, config, steps_between(m, config)) for m in movable}
        for pair in itertools.combinations(furthest.items(), 2):
            runs += 1
            assert not trades(asked, pair)
    sys.stdout.write(f"{len(deep)} decisions, {runs} smaller sets, none of them trades\n")


def test_the_smallest_move_of_one_limit_is_exact() -> None:
    """The day's trades are used up: one more is enough, and the gate is named."""
    asked = next(one for one in blocked(0) if one.decision.reason == "RISK_TRADES_DAY")
    found = answer_of(asked)
    assert found.moves is not None
    ours = next(move for move in found.moves if move.setting == "risk.trades_day_max")
    assert (ours.old, ours.gates) == (1, ("trades_day",))
    assert ours.new in (2, 3), "the other underlying of the tick may take one before"
    assert found.trade is not None
    assert found.trade.tradingsymbol.startswith(asked.decision.underlying)
    assert found.trade.lots >= 1


def test_the_smaller_of_two_moves_that_are_shown_as_equal_comes_first() -> None:
    """Both are one per mille rounded up; the one that is less is looked at before the other."""
    asked = blocked(0)[0]
    search = Search(Question(asked.before, asked.fact, asked.decision.underlying))
    config = asked.before.config
    near, far = (
        ((setting, value_in(config, setting) * share // 10_000),)
        for setting, share in (
            ("contract.premium_paise_max", 10_001),
            ("account.capital_paise", 10_009),
        )
    )
    for moves in (far, near):
        search._offer(moves)
    assert search._heap[0][-1] == near


def test_a_halt_is_not_a_matter_of_degree() -> None:
    """No limit lifts it, and that is said of that gate."""
    facts: list[tuple[int, Event]] = []
    for ts, event in small_facts(SmallMarket(minutes=5, cadence_ms=20_000), relaxed()):
        facts.append((ts, event))
        if len(facts) == 40:
            facts.append((ts, OperatorCommand("HALT", "kit", "look", None, None, "", "NONE")))
    asked = [one for one in asked_in(iter(facts)) if one.decision.reason == "GOV_HALTED"]
    found = answer_of(asked[-1])
    assert found.moves is None
    (stands,) = [one for one in found.obstacles if one.gate == "halted"]
    assert (stands.of_degree, stands.reason) == (False, "GOV_HALTED")
    assert "lifted by a person" in stands.why


def test_a_yes_or_no_beside_a_limit_is_not_a_matter_of_degree() -> None:
    """A signal has a limit, and asks whether prices and averages agree too: with the limit moved
    all the way it still refuses, and that is no matter of how far. A strength is."""
    asked = next(one for one in blocked(3) if one.decision.reason == "SIGNAL_NONE")
    question = Question(asked.before, asked.fact, asked.decision.underlying)
    search = Search(question)
    stage = next(
        one for one in question.run(()).gates.official if one.stage == "N9_STRATEGY_ELIGIBLE"
    )
    for row in stage.rows:
        search._stands(stage.stage, row, limits_of(row.gate, "TREND"))
    signal, strength = (search._obstacles[gate] for gate in ("signal", "signal_strength"))
    assert (signal.of_degree, strength.of_degree) == (False, True)
    assert signal.why == "it refuses also with trend.adx_milli_min at 0"
    assert strength.why == "it refuses also with trend.signal_milli_min at 0"


def test_the_limit_of_a_policy_row_is_named_as_such() -> None:
    """In a market of pages the ages come from the policy: no setting moves them."""
    market = SmallMarket(minutes=12, pages=True, silent=(5, 6, 7))
    asked = [
        one for one in asked_in(small_facts(market, relaxed()))
        if one.decision.reason == "FEED_GAP"
    ]  # fmt: skip
    found = answer_of(asked[0])
    link = next(one for one in found.obstacles if one.gate == "link_age")
    assert not link.of_degree
    assert "policy row PAGES_LINK_AGE" in link.why
    assert not any("contract_age" in one.why for one in found.obstacles)


def test_a_bound_that_is_not_enough_is_named() -> None:
    """A gate with a limit says how far it was moved, and that it is a matter of degree."""
    strict: Sections = {"session": {"last_entry_hhmm": 917, "square_off_hhmm": 918}}
    market = SmallMarket(minutes=6, cadence_ms=20_000)
    asked = [
        one for one in asked_in(small_facts(market, relaxed(**strict)))
        if one.decision.reason == "SESSION_LAST_ENTRY_PAST"
    ]  # fmt: skip
    found = answer_of(asked[-1])
    past = next(one for one in found.obstacles if one.gate == "last_entry")
    assert past.of_degree
    assert past.why == "it refuses also with session.last_entry_hhmm at 918"


def test_a_run_leaves_the_question_as_it_was() -> None:
    """The cycle without a change is the one that was recorded, before and after the search."""
    asked = blocked(1)[-1]
    question = Question(asked.before, asked.fact, asked.decision.underlying)
    assert question.run(()).decision == asked.decision
    Search(question).answer()
    again = Question(asked.before, asked.fact, asked.decision.underlying)
    assert again.run(()).decision == asked.decision
    assert question.config == asked.before.config
    assert value_in(question.config, "contract.spread_bps_max") == 1


def test_canary_a_set_that_does_not_trade_is_no_answer() -> None:
    """The own way to run the cycle tells the two apart."""
    answers = ((one, answer_of(one)) for one in blocked(5))
    asked, found = next((a, f) for a, f in answers if f.moves is not None and len(f.moves) > 1)
    assert found.moves is not None
    moves = tuple((one.setting, one.new) for one in found.moves)
    assert trades(asked, moves)
    assert not trades(asked, moves[1:])
    assert not trades(asked, ())


# --- from a journal ------------------------------------------------------------------------------


def test_a_recorded_decision_is_asked_about_by_its_seq(tmp_path: Path) -> None:
    """The state before its fact is travelled to; the answer is that of the state itself."""
    given = lines()
    folder = record(tmp_path / "s", given)
    answers = 0
    for place in where("DecisionMade", given)[::4]:
        made = given[place].event
        assert isinstance(made, DecisionMade)
        if made.outcome == "TRADE":
            continue
        fact = max(p for p in range(place) if given[p].fact)
        before = next(one for one in states() if one[0] == fact)[1]
        entry = Entry(fact + 1, "TimerTick", given[fact].ts, fact + 1, given[fact].event)
        assert least_change(folder, place + 1) == answer_of(Asked(before, entry, made))
        answers += 1
    assert answers > 3


@functools.cache
def states() -> tuple[tuple[int, State], ...]:
    """(place of a fact, state before it) of the short session."""
    core, found = Core(), []
    for place, line in enumerate(lines()):
        if line.fact:
            found.append((place, core.state))
            core.step(place + 1, line.ts, line.event)
    return tuple(found)


def test_what_cannot_be_asked_is_refused(tmp_path: Path) -> None:
    """A trade, another entry, one past the end, and a decision that this code makes otherwise."""
    given = lines()
    folder = record(tmp_path / "s", given)
    trade = next(
        p for p in where("DecisionMade", given) if getattr(given[p].event, "outcome", "") == "TRADE"
    )
    with pytest.raises(ReplayError, match="is a trade"):
        least_change(folder, trade + 1)
    for seq in (1, trade, len(given) + 5):
        with pytest.raises(ReplayError, match="is no decision"):
            least_change(folder, seq)
    place = next(p for p in where("DecisionMade", given) if p != trade)
    made = given[place].event
    assert isinstance(made, DecisionMade)
    other = replace(made, reason="QUOTE_STALE_PAGE")
    assert words_of(other) != words_of(made)
    with pytest.raises(ReplayError, match="this code decides otherwise"):
        least_change(record(tmp_path / "o", changed(given, place, other)), place + 1)
    assert short_run().groups
