"""Prefix stability: the decisions of a session cut anywhere are the cut of its decisions.

Nothing that is decided may depend on what comes later: not in the core, not in a replay of a part,
not in a market made of a recording that breaks off.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.markets.recorded import RecordedMarket
from engine.config import Config
from engine.core import Core, Derived
from engine.opening import fresh_account, opening_facts, session_opened
from engine.ports import Market
from engine.rulebook import Rulebook
from engine.runner import own_code_digest
from engine.schedule import facts_of
from engine.state import State
from events.base import Event
from events.decision import DecisionMade
from replay.session import Until, replay_session
from tests.engine.cut import ran
from tests.engine.fabricated import (
    CoreRun,
    Group,
    SmallMarket,
    relaxed,
    run_core,
    small_facts,
    small_rows,
)
from tests.replay.journals import lines, record

Dated = tuple[int, Event]

MARKETS = {
    "grid": SmallMarket(minutes=7, every_ms=6_000, cadence_ms=15_000),
    "two": SmallMarket(6, names=("NIFTY", "BANKNIFTY"), every_ms=7_000, cadence_ms=20_000),
    "pages": SmallMarket(minutes=12, pages=True),
    "silent": SmallMarket(minutes=8, every_ms=8_000, cadence_ms=15_000, silent=(3, 4)),
}
OPENING = 5
"""Facts before the first of the market."""
ENDING = 2
"""Facts after its last."""


@functools.cache
def config() -> Config:
    return relaxed(warmup={"bars_min": 2})


@functools.cache
def facts(name: str) -> tuple[Dated, ...]:
    return tuple(small_facts(MARKETS[name], config()))


@functools.cache
def whole(name: str) -> CoreRun:
    return run_core(facts(name))


def as_market(given_facts: tuple[Dated, ...]) -> Iterator[Dated]:
    """The facts of a session on the market that a recording of these facts is."""
    market: Market = RecordedMarket(lambda: iter(given_facts), Rulebook(small_rows()))
    opened = session_opened(market, config(), small_rows(), own_code_digest())
    account = fresh_account(config(), market.day)
    for event in opening_facts(opened, account, market, small_rows()):
        yield market.anchor_ns, event
    yield from facts_of(market.frames(), market.cycle_rule, market.open_ns, market.close_ns)


@functools.cache
def recorded(name: str) -> CoreRun:
    """The whole recording as a market."""
    return run_core(as_market(facts(name)))


def decisions(groups: tuple[Group, ...]) -> list[DecisionMade]:
    return [e.event for g in groups for e in g.derived if isinstance(e.event, DecisionMade)]


def check_core(name: str, count: int) -> None:
    """An engine that saw the first facts only has derived the first groups, to the byte."""
    part = run_core(facts(name)[:count])
    assert part.groups == whole(name).groups[:count]
    assert part.core.state == state_after(name, count)


def state_after(name: str, count: int) -> State:
    core = Core()
    for group in whole(name).groups[:count]:
        for entry in group.entries:
            core.take(entry)
    return core.state


def check_market(name: str, count: int) -> None:
    """A recording that breaks off is a market on which the same is derived, as far as it goes."""
    part = run_core(as_market(facts(name)[:count]))
    taken = min(count, len(facts(name)) - ENDING)
    assert len(part.groups) >= taken
    for mine, theirs in zip(part.groups[1:taken], recorded(name).groups[1:], strict=False):
        assert (mine.fact, mine.datas) == (theirs.fact, theirs.datas)
    assert decisions(part.groups[:taken]) == decisions(recorded(name).groups[:taken])


def cuts(name: str) -> st.SearchStrategy[int]:
    return st.integers(OPENING, len(facts(name)))


@pytest.mark.parametrize("name", MARKETS)
def test_a_core_that_saw_less_decided_the_same(name: str) -> None:
    """Whatever the cut: groups, bytes and state of the part are those of the whole."""

    @given(cuts(name))
    @settings(max_examples=12, deadline=None)
    def anywhere(count: int) -> None:
        check_core(name, count)

    assert decisions(whole(name).groups)
    anywhere()


@pytest.mark.parametrize("name", MARKETS)
def test_a_recording_that_breaks_off_is_decided_the_same(name: str) -> None:
    """Whatever the cut: no later fact of the recording moved an earlier decision."""

    @given(cuts(name))
    @settings(max_examples=12, deadline=None)
    def anywhere(count: int) -> None:
        check_market(name, count)

    assert len(decisions(recorded(name).groups)) > 4
    anywhere()


@pytest.mark.slow
def test_every_cut_of_every_market() -> None:
    """The same for each fact of each of the markets."""
    count = 0
    for name in MARKETS:
        for cut in range(OPENING, len(facts(name)) + 1):
            check_core(name, cut)
            check_market(name, cut)
            count += 1
    ran(f"{count} cuts")


def test_a_replay_of_a_part_is_that_part(tmp_path: Path) -> None:
    """``--until`` any entry: as many derivations, identical, and the digest of those bytes."""
    run = whole("grid")
    folder = record(tmp_path / "s", lines(run))
    chance = Random(7)
    groups = run.groups
    for index in sorted(chance.sample(range(1, len(groups)), 12)):
        last = groups[index]
        report = replay_session(folder, until=Until(seq=last.fact.seq + len(last.datas)))
        assert report.outcome == "identical"
        assert report.digest == CoreRun(run.core, groups[: index + 1]).digest
        assert report.facts == index + 1


def test_canary_a_look_ahead_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that derives less of a tick, because it knows that no other follows, is found out
    on both ways."""
    count = next(i for i, g in enumerate(whole("grid").groups, 1) if i > 40 and len(g.datas) > 3)
    recorded("grid")
    last_seq = whole("grid").groups[count - 1].fact.seq
    step = Core.step

    def foreseeing(core: Core, seq: int, ts: int, event: Event) -> list[Derived]:
        derived = step(core, seq, ts, event)
        return derived[:-1] if seq == last_seq else derived

    monkeypatch.setattr(Core, "step", foreseeing)
    for check in (check_core, check_market):
        with pytest.raises(AssertionError):
            check("grid", count)
