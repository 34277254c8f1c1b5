"""The engine decides as a second, naive implementation does: on goldens, small and generated days.

Every cycle's snapshot, rows of all eleven stages, assumed stages, screening, candidate, decision
and intents are compared (``tests.naive`` says what is taken as given). The goldens' facts go
through the engine of now, whatever code recorded them. Mistakes planted in the engine, one at a
time, are each found. Start reading at ``MUTANTS``.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from msgspec.structs import replace

import engine.books
import engine.chain
import engine.cycle
import engine.gates.contract
import engine.gates.feed
import engine.gates.governance
import engine.gates.quote
import engine.gates.risk
import engine.gates.rows
import engine.gates.session
import engine.gates.sizing
import engine.gates.spread
import engine.gates.strategy
import engine.orders.asked
import engine.risk.day
import engine.risk.portfolio
import tests.naive.decision
import tests.naive.gates
from adapters.markets.synthetic import SyntheticMarket
from adapters.rulebook.load import load_rows
from engine.config import DEFAULTS, Config
from engine.core import Core
from engine.opening import fresh_account, opening_facts, session_opened
from engine.options import Pricer
from engine.rulebook import NS_PER_S as SECOND_NS
from engine.rulebook import Rulebook, ist_ns
from engine.runner import own_code_digest
from engine.schedule import facts_of
from engine.strategies import FAMILIES, defined_risk, routing
from events.base import Event
from events.decision import GatesEvaluated
from events.feed import TimerTick
from events.gates import GATES, GateSpec
from events.governance import CommandAnswered
from events.market import TicksJudged
from events.orders import ExitSignalled, SpreadApproved
from events.reasons import N4
from events.session import ArtifactLoaded, OperatorCommand, RuleRow, SessionOpened
from events.wire.kite import HEARTBEAT, encode_index
from replay.session import facts_of_session
from scripts.goldens import GOLDENS
from tests.engine.fabricated import (
    DAY,
    SmallMarket,
    frame_fact,
    frame_of,
    full_packet,
    relaxed,
    small_facts,
)
from tests.naive.book import NotFollowedError
from tests.naive.decision import Report, check
from tests.naive.gates import NOT_ASKED, TABLE

Facts = Iterable[tuple[int, Event]]
Entries = Iterator[tuple[int, int, bool, Event]]
NAMES = sorted(path.name for path in GOLDENS.iterdir() if path.is_dir())
JUDGED = {"ticks_timeless", "ticks_reordered", "spot_confirmed"}
"""Gates that have rows only where ticks were judged."""

LATE = "index_continuous"
"""Has a row in the closing auction alone, which whole days come to."""

EXPIRY_DAY = 20261123
"""A Monday whose Tuesday is a holiday: NIFTY's weekly options end on it."""


def journaled(facts: Facts) -> Entries:
    """Every fact with what the engine derives, as a journal has them."""
    core = Core()
    for ts, event in facts:
        seq = core.state.seq + 1
        derived = core.step(seq, ts, event)
        yield seq, ts, True, event
        for one in derived:
            yield one.entry.seq, one.entry.ts, False, one.entry.event


def golden(name: str) -> Facts:
    return ((ts, event) for _, ts, event in facts_of_session(GOLDENS / name))


def generated(
    profile: str, seed: int, day: int, until: str, cadence_ms: int, config: Config
) -> Facts:
    """A generated day's facts until a time of day."""
    book = Rulebook(load_rows())
    market = SyntheticMarket(seed, profile, day, cadence_ms=cadence_ms, rulebook=book)
    rows = book.rows_for(market.day)
    opened = session_opened(market, config, rows, own_code_digest())
    for event in opening_facts(opened, fresh_account(config, market.day), market, rows):
        yield market.anchor_ns, event
    end = ist_ns(market.day, until)
    frames = itertools.takewhile(lambda frame: frame.ts < end, market.frames())
    yield from facts_of(frames, market.cycle_rule, market.open_ns, end)


def expiry_day(*, until: str = "10:45") -> Facts:
    """The morning of a day of expiry whose options may be traded: the next expiry is."""
    config = relaxed(warmup={"bars_min": 15}, contract={"expiry_day_allowed": True})
    return generated("small", 4, EXPIRY_DAY, until, 60_000, config)


def pair() -> Facts:
    """Two underlyings that share one account, so that one's entry works while the other decides."""
    market = SmallMarket(minutes=8, names=("NIFTY", "BANKNIFTY"), every_ms=6_000, cadence_ms=10_000)
    return small_facts(market, relaxed())


def choosy() -> Facts:
    """Contracts that fail several filters at once."""
    narrow = relaxed(contract={"delta_milli_min": 450, "score_milli_min": 900})
    return small_facts(SmallMarket(minutes=6), narrow)


def often() -> Facts:
    """Looks between a frame without stamps and the next with one."""
    return small_facts(SmallMarket(minutes=3, every_ms=6_000, cadence_ms=1_000), relaxed())


def morning() -> Facts:
    """Long enough to remember the open interest of a quarter of an hour ago."""
    return generated("small", 4, 20261120, "09:40", 60_000, relaxed())


def bad_ticks() -> Facts:
    """Ticks that are judged, each just before a look: an index that jumps and one that jumps for
    good, no time, a time ahead, one of before; and options whose books jump, which then stand."""
    market = SmallMarket(minutes=8, every_ms=6_000, cadence_ms=1_000)
    token, spot = market.instruments()[0].token, 2_412_340
    options = [row for row in market.instruments() if row.kind in ("CE", "PE")]
    looks = 0
    for ts, event in small_facts(market, relaxed()):
        if isinstance(event, TimerTick):
            looks += 1
            second = ts // SECOND_NS
            index = {
                61: (spot * 11 // 10, second), 121: (spot, 0), 151: (spot, second + 100),
                181: (spot, second - 60), 211: (spot * 9 // 10, second),
                212: (spot * 9 // 10 + 5, second),
            }.get(looks)  # fmt: skip
            if index is not None:
                price, stamp = index
                yield ts, frame_fact([encode_index(token, price, 0, 0, 0, 0, 0, stamp)])
            if looks > 60 and looks % 30 == 20:
                books = [full_packet(row.token, 60_000, 65, 90_000, second) for row in options]
                yield ts, frame_fact(books)
            if looks > 60 and looks % 30 == 22:
                yield ts, frame_of(HEARTBEAT)
        yield ts, event


def near_events() -> Facts:
    """Two events in the morning, one of which is cancelled, and a calendar that nobody has."""
    rows = (
        RuleRow("event.at", "DESK", DAY, DAY, "09:23", "ist", "a test", True),
        RuleRow("event.at", "RBI", DAY, DAY, "09:18", "ist", "a test", False),
        RuleRow("event.cancelled", "RBI", DAY, DAY, "YES", "word", "a test", False),
    )
    config = relaxed(regime={"event_before_min": 2, "event_after_min": 3})
    for ts, event in small_facts(SmallMarket(minutes=12), config):
        if isinstance(event, ArtifactLoaded) and event.kind == "RULEBOOK":
            named = {(one.name, one.scope) for one in rows} | {("event.covered", "FED")}
            kept = [one for one in event.rows if (one.name, one.scope) not in named]
            order = sorted((*kept, *rows), key=lambda one: (one.name, one.scope, one.valid_from))
            event = replace(event, rows=tuple(order))
        yield ts, event


def test_no_difference_near_scheduled_events() -> None:
    """The window of an event begins and ends here, with every mark of it."""
    entries = list(journaled(near_events()))
    rows = [
        row
        for _, _, _, event in entries
        if isinstance(event, GatesEvaluated)
        for row in event.official[4].rows
        if row.gate == "event_window"
    ]
    marks = {mark for row in rows for mark in row.marks}
    assert {"EVENT_DESK", "UNSURE_EVENT", "CALENDAR_UNKNOWN_FED"} <= marks
    assert {row.verdict for row in rows} == {"PASS", "BLOCK"}
    expect_none(check(entries))


def test_no_difference_where_ticks_are_judged() -> None:
    """Held, confirmed, refuted, dropped, without a time, left to stand: each occurs here."""
    entries = list(journaled(bad_ticks()))
    judged = [event for _, _, _, event in entries if isinstance(event, TicksJudged)]
    outcomes = {outcome for one in judged for outcome in one.outcomes}
    assert outcomes == {"HELD", "CONFIRMED", "REFUTED", "DROPPED", "UNTIMED", "STOOD"}
    report = check(entries)
    expect_none(report)
    assert set(report.gates) >= JUDGED, "rows of ticks that were judged"


def expect_none(report: Report) -> None:
    found = "\n".join(str(one) for one in report.differences[:20])
    assert not report.differences, f"{len(report.differences)} differences, the first:\n{found}"


# --- no difference -------------------------------------------------------------------------------


def test_every_gate_has_a_naive_function() -> None:
    """One that has none is named here, as is one that the catalogue does not know."""
    catalogue = {spec.gate for spec in GATES}
    assert catalogue - set(TABLE) - set(NOT_ASKED) == set()
    assert (set(TABLE) | set(NOT_ASKED)) - catalogue == set()
    assert not set(TABLE) & set(NOT_ASKED)


def test_a_gate_without_a_naive_function_fails_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever adds a gate hears which function is missing."""
    fresh = GateSpec("fresh_gate", N4, "count", "AT_MOST", "a gate of tonight", ("FEED_GAP",))
    monkeypatch.setattr(tests.naive.decision, "GATES", (*GATES, fresh))
    with pytest.raises(AssertionError, match="fresh_gate"):
        check(journaled(pair()))


def test_a_session_that_the_book_cannot_follow_is_refused_by_name() -> None:
    """Nothing that is not compared passes as compared."""
    facts = small_facts(SmallMarket(minutes=1), relaxed(approval={"required": True}))
    with pytest.raises(NotFollowedError, match="approvals"):
        check(journaled(facts))


def test_no_difference_on_goldens_and_short_days(capsys: pytest.CaptureFixture[str]) -> None:
    """Every golden, a small market of one and of two underlyings, a morning of an expiry day: and
    over all of them every gate that is in the table has had rows to compare."""
    whole = Report()
    runs: dict[str, Facts] = {name: golden(name) for name in NAMES}
    runs |= {
        "pair": pair(),
        "expiry day": expiry_day(),
    }
    for name, facts in runs.items():
        report = check(journaled(facts))
        with capsys.disabled():
            sys.stdout.write(f"\n{name}: {report}")
        expect_none(report)
        assert report.cycles and report.trades, f"{name} compares nothing"
        whole.add(report)
    assert len(NAMES) >= 8
    assert whole.rows > 30_000 and whole.tolerated <= 10
    assert set(TABLE) - set(whole.gates) == {*JUDGED, LATE}, "gates that no run had rows of"


PAIRS: dict[str, dict[str, int | bool]] = {
    "trend": {"enabled": False},
    "mean_revert": {"enabled": False},
    "defined_risk": {
        "aligned": False, "signal_milli_min": 0, "width_bps": 40, "pair_reward_milli_min": 0,
        "sold_spread_bps_max": 5_000,
    },
}  # fmt: skip


def pairs_alone(patch: pytest.MonkeyPatch) -> Facts:
    """A market in which every regime is the defined-risk family's, in both implementations."""
    one = ("DEFINED_RISK",)
    for name in ("TREND", "RANGE", "RANGE_VOLATILE", "EVENT", "PANIC"):
        route = routing.Route(name, one, one, "FAMILY_EVENT")
        patch.setitem(routing.BY_REGIME, name, route)
        patch.setitem(tests.naive.gates.ROUTES, name, one)
        patch.setitem(tests.naive.gates.LIVE_ROUTES, name, one)
        patch.setitem(tests.naive.gates.REFUSALS, name, "FAMILY_EVENT")
    patch.setattr(defined_risk, "FULL_PPM", 1.0)
    patch.setattr(tests.naive.gates, "FULL_PPM", 1)
    return small_facts(SmallMarket(minutes=14), relaxed(**PAIRS))


def test_no_difference_where_pairs_are_traded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debit spreads are approved, filled leg by leg and closed, and count in the next decisions."""
    entries = list(journaled(pairs_alone(monkeypatch)))
    approved = sum(isinstance(event, SpreadApproved) for _, _, _, event in entries)
    report = check(entries)
    expect_none(report)
    assert approved >= 2 and report.trades >= 2, f"{approved} pairs: nothing is compared"


def asking(facts: Facts, *, legs: bool = False) -> Facts:
    """The same session on paper, whose operator asks for each long as soon as it is held (for each
    pair once its leg is sold, by that), once more when it leaves, and by a prefix, which is none's
    name."""
    core = Core()
    told: set[str] = set()
    for ts, event in facts:
        if isinstance(event, SessionOpened):
            event = replace(event, mode="PAPER")
        core.step(core.state.seq + 1, ts, event)
        yield ts, event
        for one in core.state.shorts if legs else core.state.positions:
            if one.position_id not in told:
                told.add(one.position_id)
                for subject in (one.position_id[:9], one.position_id, one.position_id):
                    id_ = f"x{core.state.seq}"
                    word = OperatorCommand("EXIT", "ana", "news", subject, None, id_, "SOCKET")
                    core.step(core.state.seq + 1, ts, word)
                    yield ts, word


@pytest.mark.parametrize("pairs", [False, True])
def test_no_difference_where_a_person_closes_positions(
    pairs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every long that is asked for has an exit from the command on until it is gone, a pair its
    leg first; none leaves for that reason unasked; the decisions after it are the same."""
    entries = list(journaled(asking(pairs_alone(monkeypatch) if pairs else pair(), legs=pairs)))
    report = check(entries)
    expect_none(report)
    said = [event for _, _, _, event in entries]
    left = [one for one in said if isinstance(one, ExitSignalled) and one.reason == "EXIT_ASKED"]
    assert {one.position_id.endswith("S") for one in left} == ({False, True} if pairs else {False})
    answers = {one.reason for one in said if isinstance(one, CommandAnswered)}
    assert answers == {"CMD_ACCEPTED", "CMD_EXITING", "CMD_SUBJECT_UNKNOWN"}
    assert report.trades >= 2


PROFILES = ("trend", "fall", "range", "volatile", "event", "panic", "trouble", "midday")


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_no_difference_on_whole_generated_days(
    profile: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A whole day of each kind, a look a minute, under limits that let more happen."""
    config = relaxed(warmup={"bars_min": 15}, risk={"positions_underlying_max": 3})
    report = check(journaled(generated(profile, 1, 20261120, "15:30", 60_000, config)))
    with capsys.disabled():
        sys.stdout.write(f"\n{profile}: {report}")
    expect_none(report)
    assert report.trades and report.cycles > 350 and report.tolerated <= 10
    assert LATE in report.gates


@pytest.mark.slow
def test_no_difference_as_it_ships(capsys: pytest.CaptureFixture[str]) -> None:
    """Three underlyings under the default settings, on a small day of expiry and a large one."""
    runs = {
        "default": generated("default", 1, 20261120, "11:00", 30_000, DEFAULTS),
        "expiry": generated("small", 4, EXPIRY_DAY, "15:30", 60_000, DEFAULTS),
        "expiry traded": expiry_day(until="15:30"),
    }
    for name, facts in runs.items():
        report = check(journaled(facts))
        with capsys.disabled():
            sys.stdout.write(f"\n{name}: {report}")
        expect_none(report)
        assert report.cycles > 300 and report.tolerated <= 10


# --- planted mistakes ----------------------------------------------------------------------------

Plant = Callable[[pytest.MonkeyPatch], None]


def swap(module: Any, name: str, make: Callable[[Any], Any]) -> Plant:
    """Replace a function of the engine by what ``make`` makes of it."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(module, name, make(getattr(module, name)))

    return plant


def strict(measured: Any) -> Any:
    def mutant(gate: str, seen: Any, limit: int, margin: Any, *rest: Any) -> Any:
        row = measured(gate, seen, limit, margin - 1 if margin is not None else None, *rest)
        return replace(row, margin=margin)

    return mutant


def no_cooldown(settle: Any) -> Any:
    return lambda state, held, ts: replace(settle(state, held, ts), markets=state.markets)


def call_delta(greeks: Any) -> Any:
    def mutant(self: Pricer, strike: float, right: str, *rest: Any) -> Any:
        found = greeks(self, strike, right, *rest)
        return replace(found, delta=-found.delta) if right == "PE" else found

    return mutant


def unreserved(funds: Any) -> Any:
    def mutant(state: Any) -> int:
        entries = [one for one in state.orders if one.role == "ENTRY"]
        return funds(state) + sum(one.limit_paise * one.quantity_units for one in entries)

    return mutant


def unmarked(result: Any) -> Any:
    return lambda state: engine.risk.day.closed_result_paise(state)


def mean_forward(forward: Any) -> Any:
    def mutant(quotes: Any, df: float) -> int | None:
        found = [k + (cb + ca - pb - pa) / (2.0 * df) for k, cb, ca, pb, pa in quotes]
        return round(sum(found) / len(found)) + 1 if len(found) >= 3 else forward(quotes, df)

    return mutant


def constant(value: Any) -> Callable[[Any], Any]:
    return lambda real: lambda *args, **kwargs: value


CONTRACT, SIZING, RISK = engine.gates.contract, engine.gates.sizing, engine.gates.risk
MUTANTS: dict[str, tuple[Plant, Callable[[], Facts]]] = {
    "a limit is missed where it is just met": (swap(engine.gates.rows, "_measured", strict), pair),
    "the last filter is told, not the first": (
        swap(CONTRACT, "_first_place", lambda _: lambda mask: mask.bit_length() - 1), choosy,
    ),
    "the cooldown is forgotten": (swap(engine.books, "settle_closed", no_cooldown), pair),
    "a put's delta has the sign of a call's": (swap(Pricer, "greeks", call_delta), pair),
    "free funds know no reservations": (
        swap(engine.risk.day, "free_funds_paise", unreserved), pair,
    ),
    "a stage without input passes": (
        swap(engine.cycle, "upstream", lambda _: lambda stage, missing: engine.gates.rows.stage_of(
            stage, ())), pair,
    ),
    "the day's own expiry is traded": (
        swap(CONTRACT, "expiry_for", lambda _: lambda view, family: view.near), expiry_day,
    ),
    "the age of a page is that of its receipt": (
        swap(engine.gates.feed, "stamp_age_ms",
             lambda _: lambda state: (state.now - state.feed.last_frame_ns) // 1_000_000), often,
    ),
    "an entry that works is no trade of the day": (swap(RISK, "entering", constant(0)), pair),
    "open positions are not in the day's result": (swap(RISK, "result_paise", unmarked), pair),
    "the forward is a mean": (swap(engine.chain, "parity_forward", mean_forward), pair),
    "a spread is rounded down": (
        swap(CONTRACT, "spread_bps", lambda _: lambda q: (q.ask_paise - q.bid_paise) * 20_000
             // (q.bid_paise + q.ask_paise)), pair,
    ),
    "the limit of an entry is not in ticks": (
        swap(SIZING, "protected_paise", lambda real: lambda view, pick: real(view, pick) + 1), pair,
    ),
    "an entry's order does not count in the book": (
        swap(RISK, "open_risk_paise", lambda _: lambda state: sum(
            one.risk_paise for one in state.positions)), pair,
    ),
    "an assumption is made for the least likely family": (
        swap(engine.gates.strategy, "best_ranked",
             lambda _: lambda view: FAMILIES[-1]), pair,
    ),
    "the stress leaves volatility alone": (
        swap(engine.risk.portfolio, "CORNERS", lambda corners: tuple(
            (up, 0) for up, _ in corners)), pair,
    ),
    "the sold leg is the nearest strike": (
        swap(engine.gates.spread, "_beyond", lambda real: lambda emap, kind, strike, wanted: sorted(
            real(emap, kind, strike, wanted))), expiry_day,
    ),
    "a person's word on a position closes nothing": (
        swap(engine.orders.asked, "asked", lambda _: lambda state, event: state),
        lambda: asking(pair()),
    ),
    "a contract's open interest may fall by any part": (
        swap(CONTRACT, "reference", constant(None)), morning,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_mistake_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One mistake in the engine while it makes a journal: there is a difference."""
    plant, facts = MUTANTS[name]
    plant(monkeypatch)
    report = check(journaled(facts()), first=True)
    assert report.differences, f"not found in {report}"


def test_a_difference_names_seq_stage_gate_and_both_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A person finds the place by the line."""
    swap(RISK, "entering", constant(1))(monkeypatch)
    first = check(journaled(pair()), first=True).differences[0]
    assert str(first).startswith(f"seq {first.seq} N6_RISK_OK trades_day: the journal has (")
    assert ", naively (" in str(first)
