"""Exit rules: each at its level, their precedence, one exit at a time, and no gate asked."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.books import mark_positions
from engine.core import Core
from engine.cycle import decide_cycle
from engine.exits import (
    RULES,
    content_id,
    decide_exits,
)
from engine.lookup import lookup_for
from engine.rulebook import ist_ns
from engine.state import Position, RegimeState, State
from events.decision import GatesEvaluated
from events.feed import FeedStatus, TimerTick
from events.orders import ExitSignalled, PositionChanged
from events.session import OperatorCommand
from tests.engine.build import MS, at_trade, quote_of, with_config, with_quote
from tests.engine.fabricated import DAY, frame_of
from tests.engine.gates.cases import LOSSES, MISSES

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = 2
ENTRY, STOP, TARGET, TRAIL = 10_000, 8_000, 13_000, 1_000


def _long(state: State, **changes: object) -> Position:
    plain = Position(
        position_id="0123456789abcdef", underlying=0, strategy_id="trend.v1", contract=CONTRACT,
        product="MIS", quantity_units=130, value_paise=130 * ENTRY, opened_ns=state.now,
        stop_paise=STOP, target_paise=TARGET, trail_paise=TRAIL, best_bid_paise=ENTRY,
        realised_paise=0, charges_paise=0, risk_paise=0, exit_reason="", tp1_paise=0,
        keep_units=130, tp1_hit=False,
    )  # fmt: skip
    return replace(plain, **changes)


def _state(bid: int = ENTRY, state: State | None = None, **changes: object) -> State:
    """A state that holds one long, with a bid for it."""
    base = at_trade().state if state is None else state
    known = quote_of(at_trade().state, CONTRACT)
    base = with_quote(base, CONTRACT, replace(known, bid_paise=bid, ask_paise=bid + 10))
    return replace(base, positions=(_long(base, **changes),))


def _reason(state: State) -> str | None:
    signals = decide_exits(state)
    assert len(signals) <= 1
    return signals[0].reason if signals and isinstance(signals[0], ExitSignalled) else None


def _panic(state: State) -> State:
    regime = RegimeState("PANIC", "PANIC", 9, (0, 0, 0, 0, 1000), 0, state.now)
    return replace(state, markets=(replace(state.markets[0], regime=regime),))


def _past_deadline(state: State) -> State:
    """After the hard deadline, with nothing of the position on its way out."""
    times = {"last_entry_hhmm": 915, "square_off_hhmm": 915, "deadline_hhmm": 915}
    return with_config(state, session=times)


def _broken(state: State) -> State:
    """A limit of the account was broken, under the policy that closes everything then."""
    state = replace(state, risk=replace(state.risk, status="HARD_HALT", halts=("RISK_CVAR",)))
    return with_config(state, plan={"hard_halt": "FLATTEN"})


def _late(state: State) -> State:
    return with_config(state, session={"last_entry_hhmm": 915, "square_off_hhmm": 915})


def test_a_quiet_position_stays() -> None:
    """Between stop and target, in time and in a regime that is no panic: no signal."""
    assert _reason(_state()) is None


@pytest.mark.parametrize(
    ("bid", "best", "reason"),
    [
        (STOP, ENTRY, "EXIT_STOP"),
        (STOP + 1, ENTRY, None),
        (1, ENTRY, "EXIT_STOP"),
        (0, ENTRY, None),
        (TARGET, ENTRY, "EXIT_TARGET"),
        (TARGET - 1, ENTRY, None),
        (ENTRY, ENTRY + TRAIL, "EXIT_TRAIL"),
        (ENTRY + 1, ENTRY + TRAIL, None),
        (ENTRY - 1, ENTRY + TRAIL - 1, None),
        (ENTRY + 500, ENTRY + TRAIL + 500, "EXIT_TRAIL"),
    ],
)
def test_price_rules_at_their_levels(bid: int, best: int, reason: str | None) -> None:
    """Stop and target fire on the bid at their level, the trail at its distance from the best bid,
    once that stood a trail above the entry; no bid is no price."""
    assert _reason(_state(bid, best_bid_paise=best)) == reason


@pytest.mark.parametrize(
    ("bid", "ask", "reason"),
    [
        (2**31 - 1, ENTRY, None),
        (TARGET, TARGET - 5, None),
        (TARGET, TARGET, "EXIT_TARGET"),
        (TARGET, 0, "EXIT_TARGET"),
        (STOP, STOP - 5, "EXIT_STOP"),
    ],
)
def test_a_crossed_book_fulfils_no_target_and_may_stop(
    bid: int, ask: int, reason: str | None
) -> None:
    """A bid above its ask is somebody's mistake: no gain is taken on it, a loss still is cut; a
    locked book and one without an ask are books."""
    state = _state()
    quote = replace(quote_of(state, CONTRACT), bid_paise=bid, ask_paise=ask)
    crossed = with_quote(state, CONTRACT, quote)
    assert _reason(crossed) == reason
    believed = bid if reason == "EXIT_TARGET" else ENTRY
    assert mark_positions(crossed).positions[0].best_bid_paise == believed


def test_a_price_signal_says_its_level_and_the_bid() -> None:
    """The trigger is the level, the bid is what met it; the quantity is what is held, due by the
    latency; the id is the position's with the number of the exit."""
    state = _state(7_500)
    (signal,) = decide_exits(state)
    assert isinstance(signal, ExitSignalled)
    assert (signal.trigger_paise, signal.seen_paise, signal.quantity_units) == (STOP, 7_500, 130)
    assert signal.due_ts == state.now + state.config.paper.latency_ms * MS
    assert signal.exit_id == "0123456789abcdefX1"
    assert len(signal.exit_id) <= 20


def test_a_trail_of_nothing_is_off() -> None:
    """Setting 0 switches the trailing stop off."""
    assert _reason(_state(ENTRY, best_bid_paise=50_000, trail_paise=0)) is None


def test_the_time_rule_fires_at_its_second() -> None:
    """A position is closed when it was held for the longest time, and not one ns before."""
    state = _state()
    held = state.config.plan.hold_s_max * 1_000 * MS
    assert _reason(_state(opened_ns=state.now - held + 1)) is None
    assert _reason(_state(opened_ns=state.now - held)) == "EXIT_TIME"


@pytest.mark.parametrize(
    ("second", "reason"), [("15:04:59", None), ("15:05:00", "EXIT_SQUARE_OFF")]
)
def test_the_square_off_fires_at_its_time_of_day(second: str, reason: str | None) -> None:
    """From the configured IST time on everything is closed."""
    state = replace(at_trade().state, now=ist_ns(DAY, second))
    state = with_config(state, session={"last_entry_hhmm": 1500, "square_off_hhmm": 1505})
    assert _reason(_state(state=state)) == reason


def test_a_panic_ends_what_has_no_place_in_it() -> None:
    """PANIC closes a trade of a family that may not trade it; any other regime closes nothing."""
    assert _reason(_panic(_state())) == "EXIT_REGIME_FLIP"
    for name in ("TREND", "RANGE", "RANGE_VOLATILE", "EVENT", "NEUTRAL"):
        state = _panic(_state())
        regime = state.markets[0].regime
        assert regime is not None
        other = replace(state.markets[0], regime=replace(regime, regime=name))
        assert _reason(replace(state, markets=(other,))) is None
    unknown = replace(_state().markets[0], regime=None)
    assert _reason(replace(_state(), markets=(unknown,))) is None


FIRING = {
    "EXIT_STOP": lambda s: s,
    "EXIT_TRAIL": lambda s: s,
    "EXIT_HALT": _broken,
    "EXIT_DEADLINE": _past_deadline,
    "EXIT_SQUARE_OFF": _late,
    "EXIT_TIME": lambda s: with_config(s, plan={"hold_s_max": 1}),
    "EXIT_REGIME_FLIP": _panic,
}
DECLARED = ("EXIT_STOP", "EXIT_TARGET", "EXIT_TRAIL", "EXIT_HALT", "EXIT_DEADLINE",
            "EXIT_SQUARE_OFF", "EXIT_TIME", "EXIT_REGIME_FLIP")  # fmt: skip


@given(st.sets(st.sampled_from(sorted(FIRING)), min_size=1))
def test_the_first_rule_in_declared_order_is_the_reason(names: set[str]) -> None:
    """With several rules fulfilled the one declared first is the reason of the exit."""
    long_ago = at_trade().state.now - 3_600 * 1_000 * MS
    stop = ENTRY if "EXIT_STOP" in names else STOP
    best = ENTRY + TRAIL if "EXIT_TRAIL" in names else ENTRY
    opened = long_ago if "EXIT_TIME" in names else at_trade().state.now
    state = _state(ENTRY, stop_paise=stop, best_bid_paise=best, opened_ns=opened)
    for name in sorted(names):
        state = FIRING[name](state)
    assert _reason(state) == min(names, key=DECLARED.index)


def test_the_table_is_the_declared_order() -> None:
    """The rules stand in the table in the order that the page of reasons gives."""
    words = [rule.__name__ for rule in RULES]
    assert words == [
        "_operator", "_asked", "_stop", "_target", "_trail", "_halt", "_deadline", "_square_off",
        "_blind", "_time", "_regime_flip",
    ]  # fmt: skip


def test_one_exit_at_a_time() -> None:
    """While an exit works the position is not signalled again, whatever else fires; once filled it
    is gone."""
    core = Core(_state(STOP))
    first = core.step(core.state.seq + 1, core.state.now + MS, frame_of(b"\0"))
    assert [one.entry.kind for one in first if one.entry.kind == "ExitSignalled"] == [
        "ExitSignalled"
    ]
    for _ in range(3):
        again = core.step(core.state.seq + 1, core.state.now + MS, TimerTick(0, 0))
        assert not [one for one in again if one.entry.kind == "ExitSignalled"]
    assert len(core.state.orders) == 1


def test_a_position_of_nothing_is_not_signalled() -> None:
    """A position just closed has nothing to sell."""
    assert _reason(_state(STOP, quantity_units=0, value_paise=0)) is None


@pytest.mark.parametrize("name", [name for name, _ in LOSSES] + [one.gate for one in MISSES])
def test_no_loss_and_no_gate_holds_an_exit_back(name: str) -> None:
    """With any input lost or any entry gate missed, the stop still fires on the bid."""
    changes = dict(LOSSES) | {one.gate: one.missed for one in MISSES}
    state = changes[name](at_trade().state)
    assert _reason(_state(STOP, state=state)) == "EXIT_STOP"


def test_with_every_entry_gate_blocked_exits_still_fire() -> None:
    """Everything that blocks an entry at once, halts among it, holds back neither the stop nor the
    first target nor the square-off."""
    state = at_trade().state
    losses = dict(LOSSES)
    for name in ("no freeze", "no carry-over", "no feed", "no market", "no indicators", "no spot"):
        state = losses[name](state)
    state = replace(state, rules=replace(state.rules, trading_day=False) if state.rules else None)
    state = replace(
        state,
        account=replace(state.account, halts=("GOV_HALTED", "RISK_DAILY_LOSS"), loss_streak=99),
    )
    gates = next(
        one
        for one in decide_cycle(state, 0, lookup_for(state).slot_of, 1)
        if isinstance(one, GatesEvaluated)
    )
    passed = [one.stage for one in gates.official if one.verdict == "PASS"]
    assert passed == []
    assert _reason(_state(STOP, state=state)) == "EXIT_STOP"
    assert [one.reason for one in _part(_state(TARGET - 5, state=state))] == ["EXIT_TP1"]
    assert _reason(_state(state=_late(state))) == "EXIT_SQUARE_OFF"


def _part(state: State) -> list[ExitSignalled]:
    one = replace(state.positions[0], tp1_paise=TARGET - 5, keep_units=65)
    found = decide_exits(replace(state, positions=(one,)))
    return [signal for signal in found if isinstance(signal, ExitSignalled)]


@pytest.mark.parametrize(
    ("status", "halt", "policy", "reason"),
    [
        ("HARD_HALT", "RISK_DAILY_LOSS", "HOLD", None),
        ("HARD_HALT", "RISK_DAILY_LOSS", "FLATTEN", "EXIT_HALT"),
        ("HARD_HALT", "RISK_DRAWDOWN", "FLATTEN", "EXIT_HALT"),
        ("HARD_HALT", "NOBODY_KNOWS_IT", "FLATTEN", "EXIT_HALT"),
        ("HARD_HALT", "GOV_HALTED", "FLATTEN", None),
        ("SOFT_HALT", "RISK_DRAWDOWN", "FLATTEN", None),
        ("RECOVERY", "GOV_HALTED", "FLATTEN", None),
        ("NORMAL", "GOV_HALTED", "FLATTEN", None),
    ],
)
def test_a_hard_halt_closes_by_its_policy(
    status: str, halt: str, policy: str, reason: str | None
) -> None:
    """A hard halt of the limits sells what is held where the policy says so, a soft one never; a
    person's halt, which is a hard one in RECOVERY, says by itself what is sold."""
    state = _state()
    halts = ("GOV_HALTED", "GOV_EXITS_ONLY", "GOV_STOPPING")
    state = replace(
        state,
        account=replace(state.account, halts=halts),
        risk=replace(state.risk, status=status, halts=tuple({"GOV_HALTED": 0, halt: 0})),
    )
    assert _reason(with_config(state, plan={"hard_halt": policy})) == reason


@pytest.mark.parametrize(
    ("policy", "regime", "reason"),
    [
        ("PANIC", "PANIC", "EXIT_REGIME_FLIP"),
        ("PANIC", "RANGE", None),
        ("ANY", "RANGE", "EXIT_REGIME_FLIP"),
        ("ANY", "TREND", None),
        ("ANY", "UNKNOWN", None),
        ("OFF", "PANIC", None),
    ],
)
def test_a_regime_ends_a_trade_by_its_policy(policy: str, regime: str, reason: str | None) -> None:
    """Only a regime that is known and has no place for the family ends a trade, as configured."""
    state = with_config(_panic(_state()), plan={"regime_flip": policy})
    known = state.markets[0].regime
    assert known is not None
    market = replace(state.markets[0], regime=replace(known, regime=regime))
    assert _reason(replace(state, markets=(market,))) == reason


@pytest.mark.parametrize("strategy", ["adopted", "taken-over", "retired.v9"])
def test_a_panic_leaves_alone_what_is_of_no_family(strategy: str) -> None:
    """A position that a person adopted has no family: a panic neither ends it nor stops the core
    (its family was looked up, and the engine failed on it); its stop still does."""
    assert _reason(_panic(_state(strategy_id=strategy))) is None
    assert _reason(_panic(_state(STOP, strategy_id=strategy))) == "EXIT_STOP"


def test_a_halt_does_not_hold_an_exit_back() -> None:
    """After an operator's HALT and a lost feed the next tick still closes by time."""
    core = Core(_state(opened_ns=0))
    now = core.state.now
    core.step(core.state.seq + 1, now, FeedStatus(0, "LOST", False, 0))
    derived = core.step(
        core.state.seq + 1, now, OperatorCommand("HALT", "a test", "to see", None, None, "", "NONE")
    )
    assert not [one for one in derived if one.entry.kind == "ExitSignalled"]
    derived = core.step(core.state.seq + 1, now, TimerTick(now, 0))
    kinds = [one.entry.kind for one in derived]
    assert kinds[0] == "ExitSignalled"
    assert kinds.index("ExitSignalled") < kinds.index("GatesEvaluated")
    assert core.look == lookup_for(core.state)


def test_exits_import_no_gate() -> None:
    """The module of exits reaches for no gate, no cycle and no view: it cannot ask them."""
    tree = ast.parse((ROOT / "engine" / "exits.py").read_text())
    imported = {
        node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
    } | {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    assert imported
    assert not [one for one in imported if one.startswith(("engine.gates", "engine.cycle"))]


def test_an_id_is_its_content_s() -> None:
    """Equal content, equal id; any difference, another; short enough for a tag with its number."""
    event = FeedStatus(0, "LOST", False, 0)
    assert content_id(event) == content_id(FeedStatus(0, "LOST", False, 0))
    assert content_id(event) != content_id(FeedStatus(1, "LOST", False, 0))
    assert len(content_id(event) + "X999") == 20


# --- a position that a person asks for ------------------------------------------------------------


def _word(subject: str, command_id: str = "x1") -> OperatorCommand:
    return OperatorCommand("EXIT", "ana", "news", subject, None, command_id, "SOCKET")


def _on_paper(state: State) -> State:
    """A backtest hears no operator."""
    assert state.opened is not None
    return replace(state, opened=replace(state.opened, mode="PAPER"))


def _named(state: State, name: str, **changes: object) -> State:
    """The state with another long, which rests as the first one does."""
    return replace(state, positions=(*state.positions, _long(state, position_id=name, **changes)))


def test_a_person_s_word_is_the_reason_of_that_position_alone() -> None:
    """The one that was asked for leaves, whatever else would fire for it; the other stays."""
    state = _named(_state(), "00000000000000ff")
    state = replace(state, desk=replace(state.desk, leaving=("00000000000000ff",)))
    (signal,) = decide_exits(state)
    assert isinstance(signal, ExitSignalled)
    assert (signal.position_id, signal.reason) == ("00000000000000ff", "EXIT_ASKED")
    state = replace(_state(STOP), desk=replace(state.desk, leaving=("0123456789abcdef",)))
    assert _reason(state) == "EXIT_ASKED"


def test_on_paper_the_command_s_own_group_has_the_exit() -> None:
    """Answer, signal and order have the command as their cause; the next book fills it, the trade
    is counted, nothing of the account is halted and the other position is as it was."""
    begin = _on_paper(_named(_state(), "00000000000000ff"))
    core = Core(begin)
    derived = core.step(begin.seq + 1, begin.now, _word("0123456789abcdef"))
    assert [one.entry.kind for one in derived][:3] == [
        "CommandAnswered", "ExitSignalled", "OrderChanged",
    ]  # fmt: skip
    assert {one.entry.cause for one in derived} == {begin.seq + 1}
    due = core.state.orders[0].due_ns
    said = core.step(core.state.seq + 1, due + MS, frame_of(b"\0"))
    closed = [
        one.entry.event for one in said
        if isinstance(one.entry.event, PositionChanged) and one.entry.event.status == "CLOSED"
    ]  # fmt: skip
    assert [(one.position_id, one.exit_reason) for one in closed] == [
        ("0123456789abcdef", "EXIT_ASKED")
    ]
    assert core.state.positions == begin.positions[1:]
    assert (core.state.account.halts, core.state.desk.kill) == ((), 0)


def test_on_paper_a_part_on_its_way_and_the_rest_of_the_entry_end_first() -> None:
    """What sells a half at the first target is replaced by what sells the whole."""
    core = Core(_on_paper(_state(tp1_paise=ENTRY, keep_units=65)))
    core.step(core.state.seq + 1, core.state.now, TimerTick(core.state.now, 0))
    assert [order.reason for order in core.state.orders] == ["EXIT_TP1"]
    core.step(core.state.seq + 1, core.state.now, _word("0123456789abcdef"))
    assert [(order.reason, order.quantity_units) for order in core.state.orders] == [
        ("EXIT_ASKED", 130)
    ]


@pytest.mark.parametrize(
    ("subject", "code"),
    [
        ("0123456789abcde", "CMD_SUBJECT_UNKNOWN"),
        ("0123456789abcdefX1", "CMD_SUBJECT_UNKNOWN"),
        ("0123456789abcdef", "CMD_EXITING"),
    ],
)
def test_a_word_on_what_is_not_held_or_leaves_changes_nothing(subject: str, code: str) -> None:
    """A prefix is no id; what leaves by a rule already is refused, by its own code."""
    core = Core(_on_paper(_state(STOP)))
    core.step(core.state.seq + 1, core.state.now, TimerTick(core.state.now, 0))
    before = core.state
    derived = core.step(before.seq + 1, before.now, _word(subject))
    assert [getattr(one.entry.event, "reason", None) for one in derived][:1] == [code]
    assert core.state.orders == before.orders
    assert core.state.desk.leaving == ()
