"""A day that is amended while it runs: what an operator may say, what moves with it, and that it
is kept over a restart and a replay."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.commands import AMEND
from engine.core import Core, Derived
from engine.hours import amendment_of, amendment_refused, end_moved_ns, moved_ns
from engine.live import Timing
from engine.opening import fresh_account, opening_facts, rulebook_digest, session_opened
from engine.resume import Running
from engine.rulebook import AMENDABLE, NS_PER_S, amended_rows, hhmmss_of, ist_ns
from engine.runner import Reopened, Runner, own_code_digest
from engine.schedule import Dated, facts_of
from engine.state import EMPTY, State
from events.base import Event
from events.decision import DecisionMade
from events.envelope import payload_digest
from events.feed import FeedFrame, TimerTick
from events.governance import CommandAnswered
from events.orders import ExitSignalled
from events.registry import schema_digest
from events.session import (
    OperatorCommand,
    RuleRow,
    SessionAmended,
    SessionClosed,
    SessionOpened,
    SessionResumed,
)
from journal.files import OS_FILES
from journal.writer import DEFAULT_OPTIONS, JournalWriter
from replay.session import replay_session
from tests.engine.build import at_trade, view_of
from tests.engine.fabricated import DAY, SmallMarket, relaxed, run_core, small_rows
from tests.engine.virtual import CoreSink, ListSink, VirtualClock, VirtualInbox, live

CLOSE = "session.fno.close"
OPEN = "session.fno.open"
REGULAR = "09:27"


@functools.cache
def rows() -> tuple[RuleRow, ...]:
    """The rulebook of a day that is to end at 09:27, on both exchanges, with times of its own."""
    times = {"own.last_entry": "09:24", "own.square_off": "09:25", "own.deadline": "09:26"}
    own = tuple(
        RuleRow(name, "*", DAY, DAY, value, "ist", "a short day", False)
        for name, value in times.items()
    )
    ours = (*(one for one in small_rows() if one.name not in times), *own)
    return amended_rows(ours, DAY, CLOSE, "*", REGULAR, "a short day")


def at(hhmmss: str) -> int:
    return ist_ns(DAY, hhmmss)


def amend(rule: str, value: str, number: int = 1) -> OperatorCommand:
    return OperatorCommand(
        AMEND, "ana", "as said (source: NSE)", rule, value, f"a{number}", "SOCKET"
    )


class Listening(CoreSink):
    """As ``CoreSink``, and keeps what was derived with its time, and where it was made durable."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.said: list[Dated] = []
        self.settled_at: list[int] = []

    def append(self, ts: int, event: Event) -> list[Derived]:
        derived = super().append(ts, event)
        self.said += [(ts, one.entry.event) for one in derived]
        return derived

    def settle(self) -> None:
        super().settle()
        self.settled_at.append(self.settled)

    def times(self, wanted: Callable[[Event], bool]) -> list[str]:
        """The IST times of derivations."""
        return [hhmmss_of(ts) for ts, event in self.said if wanted(event)]


def opened(mode: str = "PAPER") -> tuple[SessionOpened, tuple[Event, ...], SmallMarket]:
    """A session in real time of twenty minutes of market, of which the rulebook knows twelve. Its
    last entry is three minutes before the close and its square-off two; nothing else sells."""
    market = SmallMarket(minutes=20)
    config = relaxed(
        plan={"stop_bps": 5_000, "target_bps": 20_000, "hold_s_max": 3_600},
    )
    one = replace(session_opened(market, config, rows(), own_code_digest(), mode), rate=1)
    return one, opening_facts(one, fresh_account(config, DAY), market, rows()), market


def lived(*commands: tuple[str, OperatorCommand]) -> Listening:
    """The day with these commands, each at its time."""
    one, opening, market = opened()
    clock = VirtualClock(one.anchor_ns)
    sink = Listening(clock)
    for event in opening:
        sink.append(one.anchor_ns, event)
    day = facts_of(market.frames(), market.cycle_rule, market.open_ns, market.close_ns)
    frames = [fact for fact in day if isinstance(fact[1], FeedFrame)]
    given_ = [(at(hhmmss), command) for hhmmss, command in commands]
    arrivals = sorted((*frames, *given_), key=lambda a: a[0])
    close_ns = at(REGULAR)
    live(clock, VirtualInbox(clock, arrivals), sink,
         Timing(market.cycle_rule, market.open_ns, close_ns, close_ns)).run()  # fmt: skip
    return sink


untouched = functools.cache(lived)


def last_tick(sink: ListSink) -> str:
    return hhmmss_of([e.due_ts for _, e in sink.facts if isinstance(e, TimerTick)][-1])


def first_of(sink: Listening, reason: str) -> str | None:
    """When a decision first had this reason."""
    found = sink.times(lambda e: isinstance(e, DecisionMade) and e.reason == reason)
    return found[0] if found else None


def squared_off(sink: Listening) -> list[str]:
    return sink.times(lambda e: isinstance(e, ExitSignalled) and e.reason == "EXIT_SQUARE_OFF")


def answers(sink: Listening) -> list[tuple[str, str]]:
    return [(e.outcome, e.reason) for _, e in sink.said if isinstance(e, CommandAnswered)]


def amendments(facts: list[Dated]) -> list[Event]:
    return [e for _, e in facts if isinstance(e, SessionAmended)]


# --- the day that runs ---------------------------------------------------------------------------


def test_without_an_amendment_the_day_is_the_rulebooks() -> None:
    """The other tests' other side: last entry, square-off, ticks and end where they were set."""
    sink = untouched()
    assert first_of(sink, "SESSION_LAST_ENTRY_PAST") == "09:24:00"
    assert squared_off(sink) == ["09:25:00"]
    assert (last_tick(sink), sink.facts[-1]) == (
        "09:26:55", (at("09:27"), SessionClosed("END_OF_DAY")))  # fmt: skip
    assert sink.end_moved_ns == 0


def test_a_day_that_ends_earlier_is_closed_in_good_time() -> None:
    """Three minutes earlier: last entry, square-off, ticks and the session's end are so too, and
    the fact stands right behind its command, durable with it."""
    sink = lived(("09:18:00", amend(CLOSE, "NSE:09:24")))
    assert answers(sink) == [("ACCEPTED", "CMD_ACCEPTED")]
    assert first_of(sink, "SESSION_LAST_ENTRY_PAST") == "09:21:00"
    assert squared_off(sink) == ["09:22:00"]
    assert (last_tick(sink), sink.facts[-1]) == (
        "09:23:55", (at("09:24"), SessionClosed("END_OF_DAY")))  # fmt: skip
    place = sink.facts.index((at("09:18:00"), amend(CLOSE, "NSE:09:24")))
    fact = SessionAmended(CLOSE, "NSE", "09:24", "ana", "as said (source: NSE)")
    assert sink.facts[place + 1] == (at("09:18:00"), fact)
    assert place + 1 not in sink.settled_at
    assert place + 2 in sink.settled_at


def test_a_day_that_is_extended_goes_on() -> None:
    """Five minutes longer: entries, square-off and end move, ticks run on without a hole; and back
    again, where the extension is shortened."""
    sink = lived(("09:23:30", amend(CLOSE, "*:09:32")))
    assert first_of(sink, "SESSION_LAST_ENTRY_PAST") == "09:29:00"
    assert "09:30:00" in squared_off(sink)
    assert "09:25:00" not in squared_off(sink)
    assert sink.facts[-1] == (at("09:32"), SessionClosed("END_OF_DAY"))
    dues = [e.due_ts for _, e in sink.facts if isinstance(e, TimerTick)]
    assert dues == list(range(at("09:15"), at("09:32"), 5 * NS_PER_S))
    twice = lived(("09:23:30", amend(CLOSE, "*:09:32")), ("09:28:10", amend(CLOSE, "NSE:09:29", 2)))
    # Of NSE alone: what is watched is NSE's.
    assert twice.facts[-1] == (at("09:29"), SessionClosed("END_OF_DAY"))


def test_a_halt_stops_entries_until_the_market_opens_again() -> None:
    """Nothing is entered between the command and the new open; exits, ticks and the end stay."""
    sink = lived(("09:17:00", amend(OPEN, "NSE:09:20")))
    shut = sink.times(lambda e: isinstance(e, DecisionMade) and e.reason == "SESSION_NOT_OPEN")
    assert (shut[0], shut[-1], len(shut)) == ("09:17:00", "09:19:55", 36)
    assert first_of(untouched(), "SESSION_NOT_OPEN") is None
    assert (squared_off(sink), sink.facts[-1]) == (squared_off(untouched()), untouched().facts[-1])
    assert end_moved_ns(sink.core.state) == 0


def test_the_day_of_another_exchange_is_nobodys_here() -> None:
    """BSE ends later: what is watched is of NSE, and neither its times nor the session's move."""
    sink = lived(("09:18:00", amend(CLOSE, "BSE:09:40")))
    assert answers(sink) == [("ACCEPTED", "CMD_ACCEPTED")]
    assert sink.facts[-1] == untouched().facts[-1]
    assert squared_off(sink) == squared_off(untouched())


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (amend("lot", "NSE:50"), "CMD_NOT_AMENDABLE"),
        (amend(CLOSE, "NSE:25:00"), "CMD_VALUE"),
        (amend(CLOSE, "NFO:17:00"), "CMD_VALUE"),
        (amend(CLOSE, "NSE:09:17"), "CMD_AMEND_PAST"),
        (replace(amend(CLOSE, "NSE:09:24"), why=" "), "CMD_WHY_MISSING"),
        (replace(amend(CLOSE, "NSE:09:24"), subject=None), "CMD_SUBJECT"),
    ],
)
def test_what_is_refused_changes_nothing(command: OperatorCommand, code: str) -> None:
    """The answer has the code, no fact follows, and the day ends as it was to."""
    sink = lived(("09:18:00", command))
    assert answers(sink) == [("REFUSED", code)]
    assert amendments(sink.facts) == []
    assert sink.facts[-1] == untouched().facts[-1]
    assert squared_off(sink) == squared_off(untouched())


def test_the_same_command_again_is_one_amendment() -> None:
    """Its id was used: the second is refused, and gives no second fact."""
    sink = lived(*(("09:18:00", amend(CLOSE, "NSE:09:24")),) * 2)
    assert answers(sink) == [("ACCEPTED", "CMD_ACCEPTED"), ("REFUSED", "CMD_ID_REUSED")]
    assert len(amendments(sink.facts)) == 1


# --- the judgement -------------------------------------------------------------------------------


def _at_hour(hhmmss: str) -> State:
    state = at_trade().state
    assert state.opened is not None
    return replace(state, now=at(hhmmss), opened=replace(state.opened, mode="PAPER"))


@pytest.mark.parametrize(
    ("now", "value", "code"),
    [
        ("15:39:59", "NSE:17:00", None),
        ("15:40:00", "NSE:17:00", "CMD_AMEND_OVER"),
        ("12:00:00", "NSE:12:00", "CMD_AMEND_PAST"),
        ("11:59:59", "NSE:12:00", None),
        ("12:00:00", "*:12:00:01", None),
    ],
)
def test_the_past_and_a_day_that_is_over_are_not_amended(
    now: str, value: str, code: str | None
) -> None:
    """Both sides of both times."""
    assert amendment_refused(_at_hour(now), amend(CLOSE, value)) == code


def test_the_answer_to_a_person_says_that_the_day_is_over() -> None:
    """While the books are compared behind the close an amendment still arrives: it is answered."""
    core = Core(_at_hour("15:40:01"))
    said = core.step(core.state.seq + 1, at("15:40:02"), amend(CLOSE, "NSE:17:00"))
    answered = [one.entry.event for one in said if isinstance(one.entry.event, CommandAnswered)]
    assert [(one.outcome, one.reason) for one in answered] == [("REFUSED", "CMD_AMEND_OVER")]


def test_a_day_without_known_hours_has_none_to_amend() -> None:
    """Before the rulebook is there, and where it gives no hours."""
    assert amendment_refused(EMPTY, amend(CLOSE, "NSE:17:00")) == "CMD_NOT_AMENDABLE"
    state = _at_hour("12:00:00")
    assert state.rules is not None
    blank = replace(state, rules=replace(state.rules, fno_nse=None))
    assert amendment_refused(blank, amend(CLOSE, "NSE:17:00")) == "CMD_NOT_AMENDABLE"
    assert amendment_refused(blank, amend(CLOSE, "BSE:17:00")) is None
    assert moved_ns(blank, 0) == 0


@given(
    st.sampled_from(AMENDABLE), st.sampled_from(("NSE", "BSE", "*")),
    st.integers(0, 23), st.integers(0, 59),
)  # fmt: skip
def test_a_command_says_its_amendment(name: str, scope: str, hour: int, minute: int) -> None:
    """What was typed is what the fact holds; it is refused exactly where it lies in the past."""
    state, hhmm = _at_hour("12:00:00"), f"{hour:02d}:{minute:02d}"
    command = amend(name, f"{scope}:{hhmm}")
    one = amendment_of(command)
    assert (one.name, one.scope, one.value, one.who) == (name, scope, hhmm, "ana")
    assert one.source == command.why
    assert (amendment_refused(state, command) is None) == (at(hhmm) > state.now)


def test_two_exchanges_end_when_the_last_does() -> None:
    """The session of both ends with the later one; each one's own times follow its own close."""
    base = at_trade().state
    both = replace(
        base, underlyings=(base.underlyings[0], replace(base.underlyings[0], exchange="BFO"))
    )
    book = both.rules
    assert book is not None
    assert book.fno_nse is not None
    later = replace(book, fno_nse=replace(book.fno_nse, close_ns=at("17:00")))
    earlier = replace(book, fno_nse=replace(book.fno_nse, close_ns=at("14:00")))
    assert end_moved_ns(replace(both, rules=later)) == 80 * 60 * NS_PER_S
    assert end_moved_ns(replace(both, rules=earlier)) == 0
    assert moved_ns(replace(both, rules=earlier), 0) == -100 * 60 * 10**9
    assert moved_ns(replace(both, rules=earlier), 1) == 0
    assert view_of(base).umap.exchange == "NFO"


# --- a restart, and a replay ---------------------------------------------------------------------


def _journal(folder: Path, *after: Event) -> None:
    """A session that took these facts at 09:18 and whose engine died behind them."""
    one, opening, _ = opened()
    uid = payload_digest(one)[:12]
    with (
        suppress(KeyboardInterrupt),
        JournalWriter.create(folder, uid, options=DEFAULT_OPTIONS) as writer,
    ):
        runner = Runner(writer)
        for event in opening:
            runner.fact(one.anchor_ns, event)
        for event in after:
            runner.fact(at("09:18"), event)
        raise KeyboardInterrupt


def _goes_on(folder: Path) -> tuple[list[Event], State]:
    """The facts that a new engine gives first, and the state behind them."""
    ours = Running(own_code_digest(), schema_digest(), rulebook_digest(rows()), DAY)
    writer, tail = JournalWriter.resume(folder, options=DEFAULT_OPTIONS)
    with writer:
        found = Reopened(writer, tail, ours, OS_FILES)
        given_: list[Event] = []
        fact = found.runner.fact

        def listening(ts: int, event: Event) -> None:
            given_.append(event)
            fact(ts, event)

        found.runner.fact = listening  # type: ignore[method-assign]
        found.go_on()
        state = found.runner.core.state
        fact(state.now, SessionClosed("OPERATOR"))
        writer.close()
    return given_, state


def test_an_accepted_command_is_kept_by_an_engine_that_died_behind_it(tmp_path: Path) -> None:
    """E02: the command is durable and its fact is not: the next engine gives it; and where both
    are there it gives nothing. Either way the session goes on with the new hours, and replays
    identical."""
    fact = amendment_of(amend(CLOSE, "NSE:09:24"))
    ends = []
    for number, after in enumerate(((), (fact,))):
        folder = tmp_path / f"2026-11-20-paper-{number}"
        folder.mkdir(mode=0o700)
        _journal(folder, amend(CLOSE, "NSE:09:24"), *after)
        given_, state = _goes_on(folder)
        assert isinstance(given_[0], SessionResumed)
        assert given_[1:] == ([] if after else [fact])
        assert state.desk.amending is None
        assert state.rules is not None
        assert state.rules.fno_nse is not None
        ends.append((state.rules.fno_nse.close_ns, end_moved_ns(state)))
        report = replay_session(folder)
        assert report.outcome == "identical", report
    assert ends == [(at("09:24"), -3 * 60 * NS_PER_S)] * 2


def test_an_engine_that_goes_on_ends_with_the_amended_day() -> None:
    """The driver asks at its start: ticks stop, and the session ends, at the amended close."""
    clock = VirtualClock(at("09:22"))
    sink = ListSink(clock)
    sink.end_moved_ns = -3 * 60 * NS_PER_S
    market, close_ns = SmallMarket(), at(REGULAR)
    timing = Timing(market.cycle_rule, market.open_ns, close_ns, close_ns + NS_PER_S)
    live(clock, VirtualInbox(clock, []), sink, timing).run()
    assert sink.facts[-1] == (at("09:24:01"), SessionClosed("END_OF_DAY"))
    assert last_tick(sink) == "09:23:55"


def test_the_amended_day_is_re_derived_from_its_facts_alone() -> None:
    """The facts of an amended day, stepped through a new core, give the same derivations."""
    sink = lived(("09:18:00", amend(CLOSE, "NSE:09:24")))
    again = run_core(sink.facts)
    assert [data for group in again.groups for data in group.datas] == sink.datas
