"""What a session is begun with: of an account that an earlier session had also what its contracts
were, and every contract that it holds."""

from __future__ import annotations

import dataclasses
import functools
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.session.clock import SessionClock
from cli.begin import Begun, Plan, begin, held_to_the_day
from cli.options import Common
from engine.config import merge
from engine.core import CoreFault
from engine.layout import UNLISTED
from engine.rulebook import ist_ns
from engine.runner import Runner
from events.base import Event
from events.envelope import decode_envelope
from events.governance import IncidentRaised
from events.session import (
    ArtifactLoaded,
    Instrument,
    InstrumentsLoaded,
    SessionClosed,
    SessionOpened,
)
from events.upcast import current_event
from journal.reader import JournalReader
from journal.writer import DEFAULT_OPTIONS
from replay.session import replay_session
from tests.engine.fabricated import DAY, SmallMarket, relaxed, small_facts, small_rows

Rows = tuple[Instrument, ...]


class Watching(SmallMarket):
    """A small market of which some rows are watched."""

    def __init__(self, rows: Rows) -> None:
        super().__init__()
        self._watched = rows

    def instruments(self) -> Rows:
        return self._watched


@functools.cache
def every() -> Rows:
    return SmallMarket().instruments()


def plan(rows: Rows, listed: Rows) -> Plan:
    return Plan("PAPER", Watching(rows), relaxed(), small_rows(), "paper", listed=listed)


def begun(home: Path, wanted: Plan, *, holds: bool = False, closes: bool = True) -> Begun:
    """A session that is begun, runs until it holds a position where it should, and is closed, or
    left by its engine."""

    def clock(from_ns: int | None) -> SessionClock:
        return SessionClock(from_ns or ist_ns(DAY, "09:14"), 1)

    with suppress(KeyboardInterrupt), ExitStack() as stack:
        one = begin(stack, Common(home, "main", None, False), wanted, clock, DEFAULT_OPTIONS)
        if holds:
            _until_held(one.runner)
        if not closes:
            raise KeyboardInterrupt
        one.runner.fact(one.runner.now, SessionClosed("OPERATOR"))
        one.writer.close()
    return one


def _until_held(runner: Runner) -> None:
    for ts, event in list(small_facts(SmallMarket(), relaxed()))[4:]:
        if runner.core.state.positions and runner.core.state.positions[0].quantity_units:
            return
        runner.fact(max(ts, runner.now), event)
    raise AssertionError("the small market never holds")


def events_of(one: Begun) -> list[Event]:
    with JournalReader(one.folder) as reader:
        return [current_event(decode_envelope(entry.data)) for entry in reader]


def told(one: Begun) -> list[tuple[str, str]]:
    """(code, what) of its incidents."""
    return [
        (event.code, str(next(p.value for p in event.evidence if p.key == "what")))
        for event in events_of(one)
        if isinstance(event, IncidentRaised) and event.code == "CONTRACT_CHANGED"
    ]


def loaded(one: Begun) -> Rows:
    return next(e.rows for e in events_of(one) if isinstance(e, InstrumentsLoaded))


def artefacts(one: Begun) -> list[str]:
    return [e.kind for e in events_of(one) if isinstance(e, ArtifactLoaded)]


def test_a_session_is_told_what_its_contracts_were(tmp_path: Path) -> None:
    """The first of an account knows no earlier ones; the next is told of all that were there, and
    where nothing changed says nothing."""
    first = begun(tmp_path, plan(every(), every()), holds=True)
    second = begun(tmp_path, plan(every(), every()))
    assert artefacts(first) == ["RULEBOOK"]
    assert artefacts(second) == ["RULEBOOK", "CONTRACTS"]
    rows = next(
        e for e in events_of(second) if isinstance(e, ArtifactLoaded) and e.name != "rulebook"
    )
    assert rows.name == first.folder.name.rpartition("-")[2]
    assert len(rows.rows) == 4 * len(every())
    assert (told(first), told(second)) == ([], [])
    assert second.runner.core.state.positions[0].quantity_units > 0
    assert replay_session(second.folder).outcome == "identical"


def test_a_changed_lot_of_what_is_held_is_told(tmp_path: Path) -> None:
    """Between two sessions; and its predecessor's crash changes nothing of that."""
    first = begun(tmp_path, plan(every(), every()), holds=True, closes=False)
    held = first.runner.core.state.positions[0].contract
    rows = tuple(replace(r, lot_units=50) if i == held else r for i, r in enumerate(every()))
    wanted = plan(rows, rows)
    # Another list is another market, so the session does not go on: a new one begins.
    other = replace(wanted.market.identity, profile="another list")
    wanted = Plan(**{**wanted.__dict__, "market": _Named(rows, other)})
    second = begun(tmp_path, wanted)
    assert second.folder != first.folder
    assert told(second) == [("CONTRACT_CHANGED", "LOT")]
    assert replay_session(second.folder).outcome == "identical"


class _Named(Watching):
    """Under another identity."""

    def __init__(self, rows: Rows, identity: object) -> None:
        super().__init__(rows)
        self._named = identity

    @property
    def identity(self):  # type: ignore[no-untyped-def]
        return self._named


@pytest.mark.parametrize("listed", [True, False])
def test_what_is_held_and_not_watched_is_among_the_instruments(
    tmp_path: Path, listed: bool
) -> None:
    """By today's list where it is there; else as it was, and that is told."""
    first = begun(tmp_path, plan(every(), every()), holds=True)
    held = every()[first.runner.core.state.positions[0].contract]
    rows = tuple(row for row in every() if row != held)
    second = begun(tmp_path, plan(rows, every() if listed else rows))
    assert loaded(second) == (*rows, held if listed else replace(held, provenance=UNLISTED))
    assert told(second) == ([] if listed else [("CONTRACT_CHANGED", "LISTED")])
    state = second.runner.core.state
    assert state.instruments[state.positions[0].contract].tradingsymbol == held.tradingsymbol
    # The session after that still holds it, and says so again.
    third = begun(tmp_path, plan(rows, every() if listed else rows))
    assert told(third) == told(second)


def test_what_nobody_knows_is_no_session(tmp_path: Path) -> None:
    """Canary: without list and earlier journal a held contract cannot be made up."""
    first = begun(tmp_path, plan(every(), every()), holds=True)
    held = every()[first.runner.core.state.positions[0].contract]
    rows = tuple(row for row in every() if row != held)
    wanted = plan(rows, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cli.begin.instruments_of", lambda folder: ())
        with pytest.raises(CoreFault, match="is held"):
            begun(tmp_path, wanted)


def test_in_live_a_restart_loosens_nothing_within_the_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped, a limit loosened in the file, started: it stays as it was and the line says so; what
    is tighter acts, and on another day or in another mode all of it does."""
    rows = every()
    live = dataclasses.replace(plan(rows, rows), mode="LIVE", account="AB1234")
    one = begun(tmp_path, live)
    looser = merge(
        live.config,
        {"risk": {"trades_day_max": 21, "cooldown_s": 59, "loss_streak_max": 2},
         "trend": {"enabled": True}, "orders": {"open_max": 9}},
    )  # fmt: skip
    state = one.runner.core.state
    held = held_to_the_day(dataclasses.replace(live, config=looser), state).config.risk
    assert (held.trades_day_max, held.cooldown_s, held.loss_streak_max) == (20, 60, 2)
    said = capsys.readouterr().err
    assert "risk.trades_day_max stays at 20 today" in said
    assert "loss_streak_max" not in said
    two = begun(tmp_path, dataclasses.replace(live, config=looser))
    opened = events_of(two)[0]
    assert isinstance(opened, SessionOpened)
    assert {"risk.trades_day_max": 20, "risk.loss_streak_max": 2}.items() <= {
        one.key: one.value for one in opened.settings
    }.items()
    for other in (dataclasses.replace(live, mode="PAPER", config=looser),):
        assert held_to_the_day(other, state) is other
    wanted = dataclasses.replace(live, config=looser)
    assert held_to_the_day(wanted, None) is wanted
    assert state.opened is not None
    yesterday = replace(state, opened=replace(state.opened, day=20261119))
    assert held_to_the_day(wanted, yesterday) is wanted
