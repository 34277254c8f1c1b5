"""Two recorded sessions compared: equal to what a comparison made by brute force lists."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from events.decision import DecisionMade, GatesEvaluated
from events.envelope import decode_envelope
from events.gates import CONTRACT_FILTERS, GATES
from events.orders import IntentApproved, PositionChanged
from events.registry import BY_KIND
from events.session import InstrumentsLoaded, SessionOpened
from journal.errors import JournalMissing
from journal.reader import JournalReader
from replay.decisions import CHANGED_GATE, DOWNSTREAM
from replay.diff import KINDS, SessionDiff, _next_rank, diff_sessions
from replay.session import ReplayError
from tests.engine.fabricated import SmallMarket, relaxed, run_core, small_facts
from tests.replay.journals import Line, changed, lines, record, where

NAMES: Final = ("NIFTY", "BANKNIFTY")
DAY_NS: Final = 86_400 * 10**9
IST_NS: Final = 19_800 * 10**9

Settings = tuple[tuple[str, str, int | bool], ...]


@functools.cache
def session(chosen: Settings = (), seed: int = 1, names: tuple[str, ...] = NAMES) -> Path:
    """The folder of a recorded session under these settings, made once."""
    market = SmallMarket(minutes=7, seed=seed, names=names, cadence_ms=15_000, every_ms=6_000)
    sections: dict[str, dict[str, int | bool]] = {}
    for section, name, value in chosen:
        sections.setdefault(section, {})[name] = value
    run = run_core(small_facts(market, relaxed(**sections)))
    return record(_PARENTS[-1] / str(len(list(_PARENTS[-1].iterdir()))), lines(run))


_PARENTS: list[Path] = []


@pytest.fixture(scope="module", autouse=True)
def parent(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where the sessions of this module are kept."""
    session.cache_clear()
    _PARENTS.append(tmp_path_factory.mktemp("diff"))


# --- by brute force ------------------------------------------------------------------------------
# Both journals are read whole into plain dictionaries, with contracts by their symbols and times of
# day; then every moment of either is looked up in both. Nothing of replay/ is used.

Rows = dict[str, tuple[Any, ...]]


class Was(NamedTuple):
    """What a session did at a moment and underlying: its decision's words, gates, deeds."""

    outcome: str = "ABSENT"
    stage: str = ""
    reason: str = ""
    contract: str | None = None
    lots: int = 0
    rows: Rows = {}  # noqa: RUF012 - never written to
    masks: dict[str, int] = {}  # noqa: RUF012 - never written to
    deeds: tuple[Any, ...] = ()
    place: int = 0


Moments = dict[tuple[int, int, str], Was]


def groups_in(folder: Path) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """(ts, events as dictionaries with their kind) of every group."""
    with JournalReader(folder) as reader:
        cause, ts, group = 0, 0, list[dict[str, Any]]()
        for entry in reader:
            one = decode_envelope(entry.data)
            if one.cause != cause and group:
                yield ts, group
                group = []
            cause, ts = one.cause, one.ts
            event = msgspec.msgpack.decode(one.payload, type=BY_KIND[one.kind].struct)
            group.append({"kind": one.kind, **msgspec.structs.asdict(event)})
        yield ts, group


def read(folder: Path) -> Moments:
    """Everything that was decided or done, by (time of day, rank at that time, underlying)."""
    symbols: list[str] = []
    masks: dict[str, dict[str, int]] = {}
    found: Moments = {}
    ranks: dict[int, int] = {}
    for ts, group in groups_in(folder):
        at = (ts + IST_NS) % DAY_NS
        kinds = [event["kind"] for event in group]
        rank = ranks.get(at, 0)
        if "DecisionMade" in kinds:
            rank += 2 if rank % 2 else 1
        elif rank % 2:
            rank += 1
        rows: dict[str, Rows] = {}
        for event in group:
            kind, name = event["kind"], event.get("underlying", "")
            if kind == "InstrumentsLoaded":
                symbols = [f"{row.exchange}:{row.tradingsymbol}" for row in event["rows"]]
            elif kind == "ContractsScreened":
                contracts = [symbols[i] for i in event["contracts"]]
                masks[name] = dict(zip(contracts, event["masks"], strict=True))
            elif kind == "GatesEvaluated":
                rows[name] = rows_of(event)
            elif kind in ("DecisionMade", "IntentApproved", "PositionChanged"):
                ranks[at] = rank
                key = (at, rank, name)
                was = found.get(key) or Was(masks=masks.get(name, {}), place=len(found))
                found[key] = after(was, event, rows.get(name, {}), masks.get(name, {}), symbols)
    return found


def rows_of(event: dict[str, Any]) -> Rows:
    """gate -> (verdict, reason, observed, limit), refused families too."""
    return {
        row.gate: (row.verdict, row.reason, row.observed, row.limit)
        for stage in event["official"]
        for row in (*stage.rows, *stage.evidence)
    }


def after(
    was: Was, event: dict[str, Any], rows: Rows, masks: dict[str, int], symbols: list[str]
) -> Was:
    contract = None if event["contract"] is None else symbols[event["contract"]]
    if event["kind"] == "DecisionMade":
        words = (event["outcome"], event["stage"], event["reason"])
        return was._replace(
            outcome=words[0], stage=words[1], reason=words[2], contract=contract, rows=rows,
            masks=masks,
        )  # fmt: skip
    deed = dict(event, contract=contract)
    for name in ("intent_id", "gates_seq", "position_id"):
        deed.pop(name, None)
    for name in ("due_ts", "opened_ts"):
        if name in deed:
            deed[name] = (deed[name] + IST_NS) % DAY_NS
    lots = event["lots"] if event["kind"] == "IntentApproved" else was.lots
    return was._replace(deeds=(*was.deeds, deed), lots=lots)


class Row(NamedTuple):
    """One difference as the brute force sees it."""

    kind: str
    offset_ns: int
    underlying: str
    before: tuple[str, str, str, int, str | None]
    after: tuple[str, str, str, int, str | None]
    gate: str | None
    contract_filter: str | None
    follows_ns: int | None


def brute(first: Path, second: Path) -> list[Row]:
    """Every difference, in the order of the day."""
    ours, theirs = read(first), read(second)
    whole = sorted(
        {*ours, *theirs},
        key=lambda k: (k[0], k[1], *((0, ours[k].place) if k in ours else (1, theirs[k].place))),
    )
    parted = [k for k in whole if ours.get(k, Was()).deeds != theirs.get(k, Was()).deeds]
    root = whole.index(parted[0]) if parted else len(whole)
    found: list[Row] = []
    for place, key in enumerate(whole):
        old, new = ours.get(key, Was()), theirs.get(key, Was())
        kind = kind_of(old, new)
        if kind:
            gate, follows = gate_of(old, new) if "ABSENT" not in (old[0], new[0]) else (None, True)
            refused = filter_of(old, new) if gate == "contract" else None
            late = follows and root < place
            words = [
                (one.outcome, one.stage, one.reason, one.lots, symbol_of(one)) for one in (old, new)
            ]
            at = whole[root][0] if late else None
            found.append(Row(kind, key[0], key[2], words[0], words[1], gate, refused, at))
    return found


def symbol_of(one: Was) -> str | None:
    return None if one.contract is None else one.contract.partition(":")[2]


def kind_of(old: Was, new: Was) -> str:
    trades = (old.outcome == "TRADE", new.outcome == "TRADE")
    if trades == (False, True):
        return "gained"
    if trades == (True, False):
        return "lost"
    if (old.outcome, old.stage, old.reason) != (new.outcome, new.stage, new.reason):
        return "reason_changed"
    another = (old.contract, old.lots) != (new.contract, new.lots)
    return "size_changed" if trades[0] and another else ""


OF_THE_BOOK = {"exposure", "net_delta", "net_gamma", "net_vega", "net_theta", "stress"}
BUDGETS = {
    "lots_by_open_risk": "open_risk",
    "lots_by_day_loss": "daily_loss",
    "lots_by_exposure": "exposure",
    "lots_by_delta": "net_delta",
    "lots_by_gamma": "net_gamma",
    "lots_by_vega": "net_vega",
    "lots_by_theta": "net_theta",
    "lots_by_stress": "stress",
    **{name: name for name in ("lots_by_expiry", "duplicates", "self_trades", "open_orders")},
}
"""The gate in whose limit the budget is seen that a number of lots is within."""


def gate_of(old: Was, new: Was) -> tuple[str | None, bool]:
    """(the responsible gate, whether it may follow from what the account did), by going through
    the catalogue of gates in its order."""
    for wanted in (slice(0, 2), slice(2, 3)):
        for spec in GATES:
            left, right = old.rows.get(spec.gate), new.rows.get(spec.gate)
            names = [s.gate for s in GATES if s.gate.startswith("family_")]
            turned = [
                n for n in names if (old.rows.get(n) or ())[:1] != (new.rows.get(n) or ())[:1]
            ]
            # A limit of the book is kept where there is no book, and so no row.
            none = ("PASS", None) if spec.gate in OF_THE_BOOK and not wanted.start else ()
            other = (left or none)[wanted] != (right or none)[wanted]
            if spec.gate.startswith("family_") or not (other or (spec.gate == "family" and turned)):
                continue
            if wanted.start and not by_choice(old, new, spec.gate, spec.stage):
                continue
            gate = turned[0] if spec.gate == "family" and turned else spec.gate
            if left is None or right is None:
                return gate, gate in OF_THE_BOOK
            same = [
                name not in old.rows
                or name not in new.rows
                or old.rows[name][3] == new.rows[name][3]
                for name in budgets_of(spec.gate, spec.stage)
            ]
            return gate, any(same)
    return ("contract", False) if old.contract != new.contract else (None, False)


def budgets_of(gate: str, stage: str) -> list[str]:
    """The gates in whose limits a budget of the account is seen, for a gate that asks of it."""
    if gate == "lots_by_funds":
        return ["daily_loss", "open_risk"]
    if gate in BUDGETS:
        return [BUDGETS[gate]]
    return [gate] if stage.startswith("N6_") or gate == "cooldown" else []


def by_choice(old: Was, new: Was, gate: str, stage: str) -> bool:
    """Whether another number of a gate that judged the same may be behind another contract or
    another size."""
    if old.contract != new.contract:
        return stage.partition("_")[0] in ("N8", "N9", "N10")
    small = min((old, new), key=lambda one: one.lots)
    return stage.startswith("N11") and small.rows[gate][2] == small.lots


def filter_of(old: Was, new: Was) -> str | None:
    failed = [
        place
        for place in range(len(CONTRACT_FILTERS))
        for symbol, mask in old.masks.items()
        if symbol in new.masks
        and (mask == 0) != (new.masks[symbol] == 0)
        and (mask | new.masks[symbol]) >> place & 1
    ]
    return CONTRACT_FILTERS[failed[0]] if failed else None


def listed(found: SessionDiff, midnight_ns: int) -> list[Row]:
    """What ``diff_sessions`` says, in the words of the brute force."""
    rows: list[Row] = []
    for row in found.rows:
        one = row.difference
        cause = one.first_cause
        late = cause is not None and cause.kind == DOWNSTREAM
        rows.append(
            Row(
                row.kind, one.ts - midnight_ns, one.underlying,
                (
                    one.before, one.before_stage, one.before_reason, one.before_lots,
                    one.before_contract,
                ),
                (
                    one.after, one.after_stage, one.after_reason, one.after_lots,
                    one.after_contract,
                ),
                one.gate, one.contract_filter,
                cause.ts - midnight_ns if late and cause is not None else None,
            )
        )  # fmt: skip
    return rows


def check(first: Path, second: Path) -> SessionDiff:
    """Compare both ways with the brute force; gives what was found."""
    for one, other in ((first, second), (second, first)):
        found = diff_sessions(one, other)
        with JournalReader(one) as reader:
            ts = decode_envelope(next(entry.data for entry in reader)).ts
        midnight_ns = ts - (ts + IST_NS) % DAY_NS
        expected = sorted(brute(one, other), key=lambda r: (r.offset_ns, r.underlying))
        assert listed(found, midnight_ns) == expected
    return diff_sessions(first, second)


# --- pairs ---------------------------------------------------------------------------------------

PAIRS: Final[tuple[Settings, ...]] = (
    (("risk", "trades_day_max", 1),),
    (("contract", "spread_bps_max", 1),),
    (("trend", "enabled", False),),
    (("plan", "hold_s_max", 60), ("risk", "lots_max", 2)),
    (("risk", "open_risk_bps_max", 20), ("warmup", "bars_min", 4)),
)


def test_pairs_of_sessions_are_compared_as_by_brute_force() -> None:
    """Each pair both ways: the same moments, kinds, reasons, lots, gates, filters and causes."""
    kinds = dict.fromkeys(KINDS, 0)
    gates: set[str | None] = set()
    for chosen in PAIRS:
        found = check(session(), session(chosen))
        for row in found.rows:
            kinds[row.kind] += 1
            gates.add(row.difference.gate)
    assert all(kinds.values()), "every kind of difference is among the pairs"
    assert len(gates) > 4
    sys.stdout.write(f"{len(PAIRS)} pairs, {kinds} differences, {len(gates)} gates\n")


CHOICES: Final = (
    ("risk", "trades_day_max", st.integers(0, 6)),
    ("risk", "cooldown_s", st.sampled_from((0, 30, 120, 600))),
    ("risk", "lots_max", st.integers(1, 6)),
    ("risk", "open_risk_bps_max", st.sampled_from((5, 20, 60, 400))),
    ("risk", "trade_risk_bps_max", st.sampled_from((5, 20, 60, 250))),
    ("warmup", "bars_min", st.integers(1, 6)),
    ("regime", "entropy_milli_max", st.sampled_from((500, 900, 1_100, 3_000))),
    ("quote", "near_spread_bps_max", st.sampled_from((5, 10, 80))),
    ("contract", "spread_bps_max", st.sampled_from((1, 8, 12, 100))),
    ("contract", "delta_milli_max", st.sampled_from((300, 500, 900))),
    ("contract", "premium_paise_max", st.sampled_from((600, 9_000, 60_000))),
    ("trend", "enabled", st.booleans()),
    ("trend", "signal_milli_min", st.sampled_from((0, 300, 900))),
    ("mean_revert", "enabled", st.booleans()),
    ("plan", "hold_s_max", st.sampled_from((30, 60, 180))),
    ("plan", "stop_bps", st.sampled_from((300, 600))),
    ("session", "last_entry_hhmm", st.sampled_from((917, 919, 1500))),
)
"""Settings, and the values that hypothesis may choose."""


@st.composite
def configurations(draw: st.DrawFn) -> Settings:
    picked = draw(st.lists(st.sampled_from(CHOICES), max_size=4, unique_by=lambda one: one[:2]))
    return tuple((section, name, draw(values)) for section, name, values in picked)


def any_pair(first: Settings, second: Settings) -> None:
    check(session(first), session(second))


QUIET: Final = [HealthCheck.too_slow, HealthCheck.data_too_large]


@given(configurations(), configurations())
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=QUIET)
def test_any_two_configurations_are_compared_as_by_brute_force(
    first: Settings, second: Settings
) -> None:
    """Configurations that hypothesis chooses (a slice)."""
    any_pair(first, second)


@pytest.mark.slow
@given(configurations(), configurations())
@settings(max_examples=60, deadline=None, suppress_health_check=QUIET)
def test_many_configurations_are_compared_as_by_brute_force(
    first: Settings, second: Settings
) -> None:
    """Sixty pairs of configurations that hypothesis chooses."""
    any_pair(first, second)


def test_other_markets_are_compared_too() -> None:
    """Two seeds, and sessions of which one has an underlying that the other has not: its decisions
    are absent there, and contracts meet by their symbols, not by their places."""
    assert check(session(), session(seed=2)).diff.count > 0
    both, one = session(), session(names=("BANKNIFTY",))
    found = check(both, one)
    absent = [row.difference for row in found.rows if row.difference.after == "ABSENT"]
    assert {row.underlying for row in absent} == {"NIFTY"}
    assert found.decisions[0] == 2 * found.decisions[1]
    same = [row for row in found.rows if row.difference.underlying == "BANKNIFTY"]
    assert not same, "the one underlying decides the same, at other places in the list"


def test_no_two_cycles_of_one_time_share_a_rank() -> None:
    """Odd ranks are cycles, even ones what came before or after: also where a cycle follows a cycle
    at the same time, as on a clock that stood still."""
    ranks = [0]
    for is_cycle in (False, True, True, False, False, True, True):
        ranks.append(_next_rank(ranks[-1], is_cycle))
    assert ranks == [0, 0, 1, 3, 4, 4, 5, 7]


def test_a_session_is_equal_to_itself() -> None:
    """No difference of any kind, and none in what it was made of."""
    found = diff_sessions(session(), session())
    assert found.diff.count == 0
    assert found.makings.same
    assert found.rows == ()


def test_what_the_sessions_were_made_of_is_given() -> None:
    """Settings that differ, old and new."""
    found = diff_sessions(session(), session((("risk", "trades_day_max", 1),)))
    assert found.makings.settings == ("risk.trades_day_max: 20 -> 1",)
    assert not found.makings.same


# --- two days ------------------------------------------------------------------------------------


def days_later(given: list[Line], days: int) -> list[Line]:
    """The same session on another day, as far as its entries tell."""
    shift = days * DAY_NS
    moved: list[Line] = []
    for line in given:
        event = line.event
        if isinstance(event, SessionOpened):
            event = replace(event, day=event.day + days, anchor_ns=event.anchor_ns + shift)
        elif isinstance(event, IntentApproved):
            event = replace(event, due_ts=event.due_ts + shift)
        elif isinstance(event, PositionChanged):
            event = replace(event, opened_ts=event.opened_ts + shift)
        moved.append(line._replace(event=event, ts=line.ts + shift))
    return moved


def test_two_days_meet_by_the_time_of_day(tmp_path: Path) -> None:
    """The same decisions at the same times of another day are no differences; a gate of the account
    that judged otherwise there is its own cause, since both accounts did the same until then."""
    given = lines()
    ours = record(tmp_path / "a", given)
    assert diff_sessions(ours, record(tmp_path / "b", days_later(given, 2))).diff.count == 0
    place = where("DecisionMade", given)[-1]
    decision, gates = given[place].event, given[place - 1].event
    assert isinstance(decision, DecisionMade)
    assert isinstance(gates, GatesEvaluated)
    stages = tuple(
        replace(
            stage,
            rows=tuple(
                replace(row, verdict="BLOCK", reason="RISK_LOSS_STREAK")
                if row.gate == "loss_streak"
                else row
                for row in stage.rows
            ),
        )
        for stage in gates.official
    )
    other = changed(given, place, replace(decision, stage="N6_RISK_OK", reason="RISK_LOSS_STREAK"))
    other = changed(other, place - 1, replace(gates, official=stages))
    found = check(ours, record(tmp_path / "c", days_later(other, 2)))
    (row,) = found.rows
    assert (row.kind, row.difference.gate) == ("reason_changed", "loss_streak")
    assert row.difference.first_cause is not None
    assert row.difference.first_cause.kind == CHANGED_GATE
    assert found.days == (20261120, 20261122)


# --- what is none --------------------------------------------------------------------------------


def test_what_is_no_session_is_refused(tmp_path: Path) -> None:
    """A folder without a journal, and a journal that begins with something else."""
    with pytest.raises(JournalMissing):
        diff_sessions(session(), tmp_path)
    other = record(tmp_path / "s", lines()[1:])
    with pytest.raises(ReplayError, match="begins with CarriedOver"):
        diff_sessions(other, session())
    with pytest.raises(ReplayError, match="begins with CarriedOver"):
        diff_sessions(session(), other)


def test_canary_the_brute_force_sees_one_changed_reason(tmp_path: Path) -> None:
    """One decision changed in the journal is exactly one row of either."""
    given = lines()
    place = where("DecisionMade", given)[0]
    event = given[place].event
    assert isinstance(event, DecisionMade)
    other = record(
        tmp_path / "b", changed(given, place, replace(event, reason="WARMUP_INDICATORS"))
    )
    ours = record(tmp_path / "a", given)
    (row,) = brute(ours, other)
    assert (row.kind, row.after[2]) == ("reason_changed", "WARMUP_INDICATORS")
    assert len(check(ours, other).rows) == 1
    assert isinstance(given[where("InstrumentsLoaded", given)[0]].event, InstrumentsLoaded)
