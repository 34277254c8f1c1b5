"""What if: the whole policy of facts, a baseline that is the recording, what was not recorded."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

import replay.whatif
from engine.config import Config, from_settings, merge
from engine.core import CoreFault
from events.base import Event
from events.decision import ContractsScreened, DecisionMade
from events.envelope import decode_envelope
from events.feed import FeedStatus
from events.orders import FillApplied, IntentApproved
from events.registry import BY_KIND, FACT_KINDS
from events.session import (
    CarriedOver,
    ConfigChanged,
    OperatorCommand,
    SessionOpened,
    SessionResumed,
    Setting,
    TailCut,
)
from events.upcast import current_event
from journal.errors import JournalMissing
from journal.reader import JournalReader
from journal.verify import verify_session
from replay.diff import diff_sessions
from replay.session import ReplayError, replay_session
from replay.whatif import CHANGES, FACT_POLICY, NOT_RECORDED, WhatIf, mapped_facts, whatif
from tests.engine.fabricated import CoreRun, SmallMarket, relaxed, run_core, small_facts
from tests.events.samples import sample
from tests.replay.journals import Line, changed, lines, record, where

Sections = dict[str, dict[str, int | bool]]
Facts = list[tuple[int, Event]]

TIGHTER: Final[Sections] = {"risk": {"trades_day_max": 1, "lots_max": 2}}


class Holed(SmallMarket):
    """The small market without a single packet of some contracts."""

    missing = ("NIFTY24200CE", "NIFTY24050PE")

    def _packets(self, name: str, ts: int, step: int, spot: int) -> list[bytes]:
        gone = {row.token.to_bytes(4, "big") for row in self._rows if self.is_missing(row)}
        whole = super()._packets(name, ts, step, spot)
        return [packet for packet in whole if packet[:4] not in gone]

    def is_missing(self, row: Any) -> bool:
        return row.tradingsymbol in self.missing


def market() -> SmallMarket:
    return SmallMarket(minutes=8, every_ms=6_000, cadence_ms=15_000)


@functools.cache
def recorded() -> CoreRun:
    return run_core(small_facts(market(), relaxed()))


def over(sections: Sections) -> Callable[[Config], Config]:
    return lambda config: merge(config, sections)


def same(config: Config) -> Config:
    return config


def run_of(folder: Path, sections: Sections) -> WhatIf:
    return whatif(folder, folder.parent / "derived", over(sections))


def entries_of(folder: Path) -> Iterator[tuple[str, int, Event]]:
    """(kind, ts, event) of every entry of a session."""
    with JournalReader(folder) as reader:
        for entry in reader:
            one = decode_envelope(entry.data)
            yield one.kind, one.ts, current_event(one)


def facts_in(folder: Path) -> Facts:
    return [(ts, event) for kind, ts, event in entries_of(folder) if kind in FACT_KINDS]


def derived_in(folder: Path) -> list[Event]:
    return [event for kind, _, event in entries_of(folder) if kind not in FACT_KINDS]


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """The recorded session."""
    return record(tmp_path / "session", lines(recorded()))


# --- the policy ----------------------------------------------------------------------------------


def test_every_kind_of_fact_has_one_row() -> None:
    """The whole table: one row a kind, one of four policies, a reason in words; what is made anew
    or changed has its function, what stays or goes has none."""
    kinds = [kind for kind, _, _ in FACT_POLICY]
    assert sorted(kinds) == sorted(FACT_KINDS)
    assert {policy for _, policy, _ in FACT_POLICY} == {"KEEP", "DROP", "REPLACE", "MAP"}
    assert all(why for _, _, why in FACT_POLICY)
    assert set(CHANGES) == {k for k, policy, _ in FACT_POLICY if policy in ("REPLACE", "MAP")}


def whole_facts() -> Facts:
    """A session's facts with one of every kind that the policy knows."""
    given: Facts = []
    for ts, event in small_facts(market(), relaxed()):
        given.append((ts, event))
        if len(given) == 60:
            settings = (Setting("risk.lots_max", 3), Setting("plan.hold_s_max", 90))
            given.append((ts, ConfigChanged(settings, "kit", "smaller")))
            given.append((ts, ConfigChanged(settings[:1], "kit", "again")))
            given.append((ts, OperatorCommand("HALT", "kit", "look", None, None, "", "NONE")))
            given.append((ts, OperatorCommand("RESUME", "kit", "seen", None, None, "", "NONE")))
            given.append((ts, TailCut(60, 9, "TORN")))
            given.append((ts, SessionResumed(61, "0" * 64, 9)))
            given.append((ts, FeedStatus(0, "CONNECTED", True, 27)))
            seen = {type(event).__name__ for _, event in given}
            rest = [
                kind for kind in FACT_KINDS if kind not in seen | {"TimerTick", "SessionClosed"}
            ]
            given.extend((ts, sample(BY_KIND[kind].struct, "bare")) for kind in rest)
    assert {type(event).__name__ for _, event in given} == set(FACT_KINDS)
    return given


def test_each_fact_becomes_what_its_row_says() -> None:
    """Facts of every kind: kept ones are the same value, dropped ones are gone."""
    mapping = replay.whatif._Mapping(relaxed(), merge(relaxed(), TIGHTER))
    policy = {kind: row for kind, row, _ in FACT_POLICY}
    seen = set()
    for _, event in whole_facts():
        kind = type(event).__name__
        mapped = mapping.fact(event)
        seen.add(kind)
        if policy[kind] == "KEEP":
            assert mapped is event
        elif policy[kind] == "DROP":
            assert mapped is None
        else:
            assert mapped is None or type(mapped) is type(event)
    assert seen == set(FACT_KINDS)


def test_a_setting_that_the_other_configuration_holds_is_not_changed_any_more() -> None:
    """Of a recorded change its other keys stay; nothing is left of one that had no other."""
    mapping = replay.whatif._Mapping(relaxed(), merge(relaxed(), TIGHTER))
    both = ConfigChanged((Setting("risk.lots_max", 3), Setting("plan.hold_s_max", 90)), "kit", "x")
    one = replace(both, settings=both.settings[:1])
    assert mapping.fact(both) == replace(both, settings=both.settings[1:])
    assert mapping.fact(one) is None
    unchanged = replay.whatif._Mapping(relaxed(), relaxed())
    assert unchanged.fact(one) == one


def test_capital_moves_with_its_setting() -> None:
    """What the account had won or lost before stays on top."""
    other = merge(relaxed(), {"account": {"capital_paise": 300}})
    mapping = replay.whatif._Mapping(relaxed(), other)
    carried = next(e for _, e in small_facts(market(), relaxed()) if isinstance(e, CarriedOver))
    won = replace(carried, capital_paise=carried.capital_paise + 77)
    mapped = mapping.fact(won)
    assert isinstance(mapped, CarriedOver)
    assert mapped == replace(won, capital_paise=377)


def test_the_facts_of_a_derived_session_are_the_mapped_ones(tmp_path: Path) -> None:
    """In the journal stands what the policy let through, in order, with the recorded times."""
    given = whole_facts()
    folder = record(tmp_path / "s", lines(run_core(given)))
    found = run_of(folder, TIGHTER)
    mapping = replay.whatif._Mapping(relaxed(), merge(relaxed(), TIGHTER))
    kept = [(ts, mapping.fact(event)) for ts, event in given]
    assert facts_in(found.session) == [(ts, event) for ts, event in kept if event is not None]
    mapped = mapped_facts(folder, over(TIGHTER))
    assert facts_in(found.session) == [(ts, event) for _, ts, event in mapped]
    kinds = {type(event).__name__ for _, event in facts_in(found.session)}
    dropped = {kind for kind, policy, _ in FACT_POLICY if policy == "DROP"}
    assert set(FACT_KINDS) - kinds == dropped


def test_halts_are_kept(tmp_path: Path) -> None:
    """A halt was a halt: under any configuration nothing is entered while it holds."""
    given: Facts = []
    for ts, event in small_facts(market(), relaxed()):
        given.append((ts, event))
        if len(given) == 30:
            given.append((ts, OperatorCommand("HALT", "kit", "look", None, None, "", "NONE")))
    halted = given[30][0]
    folder = record(tmp_path / "s", lines(run_core(given)))
    found = run_of(folder, {"risk": {"cooldown_s": 0, "trades_day_max": 90}})
    for side in (found.baseline, found.session):
        late = [e for kind, ts, e in entries_of(side) if ts > halted and kind == "IntentApproved"]
        assert not late


# --- both runs -----------------------------------------------------------------------------------


def test_the_baseline_of_a_backtest_is_the_recording(session: Path) -> None:
    """The recorded configuration through the same core and paper broker: the same derivations to
    the byte, which is what makes the difference one of the configuration alone."""
    found = run_of(session, TIGHTER)
    assert replay_session(found.baseline).digest == recorded().digest
    assert derived_in(found.baseline) == derived_in(session)
    assert facts_in(found.baseline) == facts_in(session)


OTHERS: Final[tuple[Sections, ...]] = (
    TIGHTER,
    {"trend": {"enabled": False}},
    {"account": {"capital_paise": 30_000_000}, "plan": {"stop_bps": 900}},
    {"contract": {"delta_milli_max": 520}, "paper": {"latency_ms": 5_000}},
)


@pytest.mark.parametrize("sections", OTHERS, ids=lambda one: ",".join(one))
def test_it_is_the_run_that_the_market_would_have_had(session: Path, sections: Sections) -> None:
    """A backtest of the same market under the other configuration says the same to the byte."""
    found = run_of(session, sections)
    direct = run_core(small_facts(market(), merge(relaxed(), sections)))
    assert replay_session(found.session).digest == direct.digest
    assert found.diff == diff_sessions(found.baseline, found.session).diff
    assert found.diff.count > 0 or "paper" in sections
    keys = {line.partition(":")[0] for line in found.changed}
    assert keys == {f"{section}.{name}" for section, one in sections.items() for name in one}


def test_orders_are_answered_by_the_paper_broker(session: Path) -> None:
    """Fills of the other configuration are its own: of its sizes, at its latency."""
    found = run_of(session, {"risk": {"lots_max": 1}, "paper": {"latency_ms": 7_000}})
    ours, theirs = derived_in(found.baseline), derived_in(found.session)
    lots = [event.lots for event in theirs if isinstance(event, IntentApproved)]
    assert set(lots) == {1}
    assert len([e for e in theirs if isinstance(e, FillApplied)]) > 0
    assert [e for e in ours if isinstance(e, FillApplied)] != [
        e for e in theirs if isinstance(e, FillApplied)
    ]


def test_derived_sessions_are_sessions(session: Path) -> None:
    """Both verify, are sealed, replay identical and hold their own identity; the recorded one is
    untouched."""
    before = {path.name: path.read_bytes() for path in session.iterdir()}
    found = run_of(session, TIGHTER)
    assert found.session != found.baseline
    for side, config in (
        (found.baseline, relaxed()),
        (found.session, merge(relaxed(), TIGHTER)),
    ):
        assert side.parent == session.parent / "derived"
        report = verify_session(side)
        assert (report.ok, report.closed) == (True, True)
        assert replay_session(side).outcome == "identical"
        opened = next(event for _, event in facts_in(side))
        assert isinstance(opened, SessionOpened)
        assert from_settings(opened.settings) == config
        assert not list(side.glob("*.axj"))
    assert {path.name: path.read_bytes() for path in session.iterdir()} == before


def test_nothing_changed_is_two_equal_runs(session: Path) -> None:
    """The same configuration: two folders, no difference."""
    found = whatif(session, session.parent / "derived", same)
    assert found.session != found.baseline
    assert (found.diff.count, found.changed) == (0, ())


def test_a_run_that_fails_leaves_nothing(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the one that failed nor its baseline; a configuration that cannot be, not even the
    folder for them."""
    derived = session.parent / "derived"

    def refuse(config: Config) -> Config:
        raise ValueError("no such setting")

    with pytest.raises(ValueError, match="no such setting"):
        whatif(session, derived, refuse)
    assert not derived.exists()

    def fail(run: Any, ts: int, event: Event) -> list[Event]:
        raise CoreFault("ENGINE_FAULT: planted")

    monkeypatch.setattr(replay.whatif._Run, "fact", fail)
    with pytest.raises(ReplayError, match="ENGINE_FAULT: planted"):
        whatif(session, derived, over(TIGHTER))
    assert list(derived.iterdir()) == []


def test_what_is_no_session_is_refused(tmp_path: Path) -> None:
    """No journal, or one without an opening."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(JournalMissing):
        whatif(tmp_path / "empty", tmp_path / "derived", same)
    other = record(tmp_path / "s", lines()[1:])
    with pytest.raises(ReplayError, match="holds no session"):
        whatif(other, tmp_path / "derived", same)
    assert not (tmp_path / "derived").exists()


def test_a_session_of_other_code_is_run_by_this_one(tmp_path: Path) -> None:
    """Its baseline is this code's, so that no difference is one of the code; and it says so."""
    given: list[Line] = lines(recorded())
    opened = given[0].event
    assert isinstance(opened, SessionOpened)
    folder = record(tmp_path / "s", changed(given, 0, replace(opened, code_digest="0" * 64)))
    found = run_of(folder, TIGHTER)
    assert replay_session(folder).outcome == "other_engine"
    assert replay_session(found.baseline).outcome == "identical"


# --- what was not recorded -----------------------------------------------------------------------


def test_a_contract_without_a_quote_is_unknown(tmp_path: Path) -> None:
    """Counted and named as UNKNOWN NOT_RECORDED; looked at, and never taken."""
    holed = Holed(minutes=8, every_ms=6_000, cadence_ms=15_000)
    run = run_core(small_facts(holed, relaxed()))
    assert run.events("IntentApproved")
    folder = record(tmp_path / "s", lines(run))
    wide: Sections = {
        "contract": {"window_strikes": 40, "delta_milli_min": 1, "delta_milli_max": 999}
    }
    found = run_of(folder, wide)
    names = {one.tradingsymbol for one in found.unrecorded}
    assert names == {"NIFTY24200CE", "NIFTY24050PE"}
    assert found.not_recorded == 2
    assert {(one.verdict, one.reason) for one in found.unrecorded} == {("UNKNOWN", NOT_RECORDED)}
    assert any(one.looked_at for one in found.unrecorded)
    places = {i for i, row in enumerate(holed.instruments()) if row.tradingsymbol in names}
    for side in (found.baseline, found.session):
        for event in derived_in(side):
            if isinstance(event, ContractsScreened):
                masks = dict(zip(event.contracts, event.masks, strict=True))
                assert all(masks[i] for i in places if i in masks), "it cannot pass a filter"
            elif isinstance(event, DecisionMade | IntentApproved):
                assert event.contract not in places


def test_a_whole_recording_lacks_nothing(session: Path) -> None:
    """Every instrument of the small market has its quotes."""
    assert run_of(session, TIGHTER).unrecorded == ()
    assert where("FeedFrame", lines(recorded()))
