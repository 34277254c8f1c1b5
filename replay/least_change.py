"""The least change of limits under which a blocked decision would have been a trade.

Lives here: the search and its proof. May import: events, journal, engine, replay. Always holds: a
change is judged by running it: the state before the decision's fact, its limits moved, that fact;
fewer limits come before smaller moves; every limit of an answer is moved no further than it must
be; what cannot be moved is named, never passed over.

The search is best first. Of a cycle that does not trade, every gate of N1 to N7 that refused must
be moved, since none of them looks at another's limit; then the stages from N8 on offer their ways
one after the other: another family's switch, a weaker signal, the filters of one contract, a larger
budget. A way is taken up again in the order of (limits, size of the moves), so the first cycle that
trades is the least.
Start reading at ``least_change``.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from engine import config as settings
from engine.apply import Entry, underlying_index
from engine.core import Core
from engine.gates import contract, strategy
from engine.state import State
from engine.view import View, take_view
from events.decision import (
    ContractsScreened,
    DecisionMade,
    GateRow,
    GatesEvaluated,
    StageVerdict,
)
from events.envelope import decode_envelope
from events.gates import BY_GATE, CONTRACT_FILTERS
from events.orders import IntentApproved
from events.reasons import N8, STAGES
from events.session import Setting
from events.upcast import current_event
from journal.reader import JournalReader
from replay.limits import (
    BY_SETTING,
    WHY_NOT,
    Limit,
    limits_of,
    moved,
    overruled,
    relative,
    relative_milli,
    steps_between,
    value_in,
)
from replay.session import ReplayError, told_as_replay_error
from replay.travel import state_before

Moves = tuple[tuple[str, int], ...]
"""(setting, new value), sorted by setting."""

Way = tuple[Limit, int]
"""A limit and the value that it is moved to."""

PASS: Final = "PASS"
TRADE: Final = "TRADE"
CONTRACT: Final = "contract"
LOTS: Final = "lots_by_"
BEFORE_CHOICE: Final = STAGES[: STAGES.index(N8)]
"""Stages whose gates each look at their own limit alone, and must all be passed."""

RUNS_MAX: Final = 20_000
"""Cycles that a search may run; a hard question takes a few hundred."""


class Move(msgspec.Struct, frozen=True):
    """One limit moved. ``gates`` are those that it let pass; a switch has 0 and 1."""

    setting: str
    old: int
    new: int
    relative_milli: int
    gates: tuple[str, ...]


class Obstacle(msgspec.Struct, frozen=True):
    """A gate that no move within the bounds passes. ``of_degree``: it measures something, and the
    furthest that its limit may be moved is not enough. ``why`` is a clause in words."""

    gate: str
    stage: str
    reason: str
    of_degree: bool
    why: str


class Traded(msgspec.Struct, frozen=True):
    """What would have been approved: an instrument index, lots, units and the limit in paise."""

    contract: int
    tradingsymbol: str
    side: str
    lots: int
    quantity_units: int
    limit_paise: int


class Answer(msgspec.Struct, frozen=True):
    """``moves`` is None where nothing within the bounds trades; then ``obstacles`` says why.

    ``trade`` is what the proof approved; ``runs`` counts the cycles that were run to find out.
    """

    underlying: str
    reason: str
    moves: tuple[Move, ...] | None
    proved: bool
    trade: Traded | None
    obstacles: tuple[Obstacle, ...]
    runs: int

    @property
    def relative_milli(self) -> int:
        """The size of all moves together."""
        return sum(one.relative_milli for one in self.moves or ())


class Cycle(msgspec.Struct, frozen=True):
    """One run of the cycle: what it decided of the underlying, and the state after it."""

    decision: DecisionMade
    gates: GatesEvaluated
    intent: IntentApproved | None
    state: State

    @property
    def refused(self) -> tuple[tuple[str, GateRow], ...]:
        """(stage, row) of every official gate that did not pass, in order."""
        return tuple(
            (stage.stage, row)
            for stage in self.gates.official
            for row in stage.rows
            if row.verdict != PASS
        )


def least_change(
    folder: Path, decision_seq: int, *, on_progress: Callable[[int], None] | None = None
) -> Answer:
    """The least change under which the decision at a seq would have been a trade.

    ``on_progress`` is told a seq now and then on the way to the decision. Raises ``ReplayError``
    where there is no such decision, where it is a trade, or where this code decides otherwise than
    was recorded; and the journal's errors.
    """
    recorded = _decision_at(folder, decision_seq)
    if recorded.outcome == TRADE:
        raise ReplayError(
            f"the decision at seq {decision_seq} is a trade: nothing stood in its way"
        )
    before = state_before(folder, decision_seq, on_progress=on_progress)
    with told_as_replay_error():
        question = Question(before.moment.state, before.fact, recorded.underlying)
        now = question.run(()).decision
        if words_of(now) != words_of(recorded):
            raise ReplayError(
                f"this code decides otherwise at seq {decision_seq} "
                f"({now.reason}, recorded {recorded.reason}): see axiom replay"
            )
        return Search(question).answer()


def _decision_at(folder: Path, seq: int) -> DecisionMade:
    with JournalReader(folder, from_seq=seq, verify_chain=False) as reader, told_as_replay_error():
        data = next((entry.data for entry in reader), None)
        envelope = decode_envelope(data) if data is not None else None
        event = current_event(envelope) if envelope is not None else None
    if not isinstance(event, DecisionMade):
        raise ReplayError(f"entry {seq} is no decision")
    return event


def words_of(decision: DecisionMade) -> tuple[object, ...]:
    """What makes two decisions of a moment the same one."""
    return decision.underlying, decision.outcome, decision.stage, decision.reason


class Question:
    """The cycle that is asked about, run again under any limits. Each distinct change runs once."""

    def __init__(self, before: State, fact: Entry, underlying: str) -> None:
        self.underlying = underlying
        self.config = before.config
        self.runs = 0
        self.before = before
        self._fact = fact
        self._core = Core(before)
        self._cycles: dict[Moves, Cycle] = {}

    def run(self, moves: Moves) -> Cycle:
        """The cycle after these moves."""
        cycle = self._cycles.get(moves)
        if cycle is None:
            cycle = self._cycles[moves] = self._run(moves)
        return cycle

    def _run(self, moves: Moves) -> Cycle:
        self.runs += 1
        if self.runs > RUNS_MAX:
            raise ReplayError(f"no answer within {RUNS_MAX} runs of the cycle")
        core, fact = self._core, self._fact
        core.state = self.before
        if moves:
            # In the state itself: a running LIVE session would not take a looser limit.
            changed = tuple(Setting(key, self._typed(key, value)) for key, value in moves)
            config = settings.from_settings(changed, self.before.config)
            core.state = replace(self.before, config=config)
        events = [one.entry.event for one in core.step(core.state.seq + 1, fact.ts, fact.event)]
        mine = [one for one in events if getattr(one, "underlying", None) == self.underlying]
        decision = next((one for one in mine if isinstance(one, DecisionMade)), None)
        gates = next((one for one in mine if isinstance(one, GatesEvaluated)), None)
        if decision is None or gates is None:
            raise ReplayError(f"no cycle of {self.underlying} follows entry {fact.seq} any more")
        intent = next((one for one in mine if isinstance(one, IntentApproved)), None)
        return Cycle(decision, gates, intent, core.state)

    def _typed(self, setting: str, value: int) -> int | bool:
        section, _, name = setting.partition(".")
        now = getattr(getattr(self.config, section), name)
        return bool(value) if isinstance(now, bool) else value

    def view(self, moves: Moves) -> View:
        """The underlying as that cycle saw it."""
        state = self.run(moves).state
        place = underlying_index(state, self.underlying)
        return take_view(state, place, self._core.look.slot_of)

    def symbol(self, instrument: int) -> str:
        return self.before.instruments[instrument].tradingsymbol


class Search:
    """The best-first search over the moves of one question."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._obstacles: dict[str, Obstacle] = {}
        self._seen: set[Moves] = set()
        self._heap: list[tuple[int, Fraction, Moves]] = []
        self._overruled = overruled(question.before)

    def answer(self) -> Answer:
        """The first cycle that trades, in the order of (limits, size of the moves)."""
        self._offer(())
        first = self._question.run(())
        while self._heap:
            *_, moves = heapq.heappop(self._heap)
            cycle = self._question.run(moves)
            if cycle.decision.outcome == TRADE:
                return self._found(first, moves, cycle)
            for more in self._ways(moves, cycle):
                self._offer(self._with(moves, more))
        obstacles = tuple(self._obstacles.values())
        reason = first.decision.reason
        return Answer(
            self._question.underlying, reason, None, False, None, obstacles, self._question.runs
        )

    def _offer(self, moves: Moves) -> None:
        if moves not in self._seen:
            self._seen.add(moves)
            heapq.heappush(self._heap, (len(moves), self._size(moves), moves))

    def _size(self, moves: Moves) -> Fraction:
        config = self._question.config
        sizes = (relative(key, value_in(config, key), new) for key, new in moves)
        return sum(sizes, Fraction(0))

    def _with(self, moves: Moves, more: Iterable[Way]) -> Moves:
        """Both changes together; of two values of a setting the further one."""
        whole = dict(moves)
        for limit, value in more:
            had = whole.get(limit.setting, value)
            further = min if limit.toward == "DOWN" else max
            whole[limit.setting] = further(had, value)
        return tuple(sorted(whole.items()))

    def _found(self, first: Cycle, moves: Moves, cycle: Cycle) -> Answer:
        config, intent = self._question.config, cycle.intent
        assert intent is not None, "a trade has its intent"
        said = tuple(
            Move(
                key,
                value_in(config, key),
                new,
                relative_milli(key, value_in(config, key), new),
                self._helped(key, moves),
            )
            for key, new in moves
        )
        trade = Traded(
            intent.contract,
            self._question.symbol(intent.contract),
            intent.side,
            intent.lots,
            intent.quantity_units,
            intent.limit_paise,
        )
        reason = first.decision.reason
        return Answer(self._question.underlying, reason, said, True, trade, (), self._question.runs)

    def _helped(self, setting: str, moves: Moves) -> tuple[str, ...]:
        """The gates of a limit that refuse again where everything but this limit is moved."""
        without = tuple(one for one in moves if one[0] != setting)
        refused = {row.gate for _, row in self._question.run(without).refused}
        return tuple(
            gate
            for gate in BY_SETTING[setting].gates
            if gate in refused or (gate in CONTRACT_FILTERS and CONTRACT in refused)
        )

    # -- the ways on from a cycle that did not trade --------------------------------------------

    def _ways(self, moves: Moves, cycle: Cycle) -> Iterator[tuple[Way, ...]]:
        """Moves of which one at least is needed, from the first stage that leaves a choice on."""
        must: list[list[Way]] = []
        for stage, row in cycle.refused:
            if stage in BEFORE_CHOICE:
                must.append(list(self._of_gate(stage, row, moves)))
        if must:
            yield from itertools.product(*must)
            return
        for stage, row in cycle.refused:
            if row.gate == CONTRACT:
                yield from self._of_contracts(stage, row, moves)
            else:
                for one in self._of_gate(stage, row, moves):
                    yield (one,)
                if row.gate.startswith(LOTS):
                    yield from self._better_contracts(moves)
            return

    def _of_gate(self, stage: str, row: GateRow, moves: Moves) -> Iterator[Way]:
        """Each limit of a gate at the least value with which it passes; an obstacle for none."""

        def passes(limit: Limit, value: int) -> bool:
            cycle = self._question.run(self._with(moves, ((limit, value),)))
            rows = (one for verdict in cycle.gates.official for one in verdict.rows)
            return any(one.gate == row.gate and one.verdict == PASS for one in rows)

        found = False
        limits = limits_of(row.gate, self._question.run(moves).decision.family)
        for limit in limits:
            value = self._least(limit, passes)
            if value is not None:
                found = True
                yield limit, value
        if not found:
            self._stands(stage, row, limits)

    def _least(self, limit: Limit, holds: Callable[[Limit, int], bool]) -> int | None:
        """The least move of a limit, within its bound, with which something holds.

        By halving: what a limit lets pass, a looser one does.
        """
        config = self._question.config
        least, most = 0, self._steps(limit)
        if most == 0 or not holds(limit, moved(limit, config, most)):
            return None
        while most - least > 1:
            middle = (least + most) // 2
            if holds(limit, moved(limit, config, middle)):
                most = middle
            else:
                least = middle
        return moved(limit, config, most)

    def _steps(self, limit: Limit) -> int:
        """How far a limit may be moved: nowhere where a policy row stands in its place."""
        fixed = limit.setting in self._overruled
        return 0 if fixed else steps_between(limit, self._question.config)

    def _of_contracts(self, stage: str, row: GateRow, moves: Moves) -> Iterator[tuple[Way, ...]]:
        """For each contract that was looked at, what would let it pass."""
        screening = Screening(self._question.view(moves))
        found = False
        for one in screening.contracts:
            way = self._admitting(screening, one)
            if way:
                found = True
                yield way
        if not found:
            limits = [limit for name in screening.filters for limit in limits_of(name)]
            self._stands(stage, row, limits)

    def _better_contracts(self, moves: Moves) -> Iterator[tuple[Way, ...]]:
        """What would let a contract pass that ranks above the one that no lot was left for."""
        screening = Screening(self._question.view(moves))
        for one in screening.contracts:
            if screening.ranks_above(one):
                way = self._admitting(screening, one)
                if way:
                    yield way

    def _admitting(self, screening: Screening, one: int) -> tuple[Way, ...]:
        """A limit for each filter that a contract fails; empty where one cannot be passed."""
        way: list[Way] = []
        for name in screening.failed(one):

            def clears(limit: Limit, value: int, name: str = name) -> bool:
                return name not in screening.failed(one, limit.setting, value)

            options = ((limit, self._least(limit, clears)) for limit in limits_of(name))
            passed = next(((limit, at) for limit, at in options if at is not None), None)
            if passed is None:
                return ()
            way.append(passed)
        return tuple(way)

    def _stands(self, stage: str, row: GateRow, limits: Iterable[Limit]) -> None:
        """Note a gate that no move passes, and the limits that are not enough."""
        config = self._question.config
        given = list(limits)
        policy = next((name for name in map(self._policy, given) if name is not None), None)
        bounds = [
            f"{limit.setting} at {moved(limit, config, steps)}"
            for limit in given
            if (steps := self._steps(limit)) > 0
        ]
        if bounds:
            why = f"it refuses also with {' and '.join(bounds)}"
        elif policy is not None:
            why = f"its limit is the policy row {policy}, which no setting moves"
        else:
            why = WHY_NOT.get(row.gate, "its limit is at its bound")
        asked = BY_GATE[row.gate]
        # Whatever a yes or no asks beside its limit, no limit gives.
        of_degree = bool(bounds) and asked.sense != "IS_TRUE"
        self._obstacles[row.gate] = Obstacle(row.gate, stage, row.reason or "", of_degree, why)

    def _policy(self, limit: Limit) -> str | None:
        """The policy row in the place of a limit, if there is one."""
        return self._overruled.get(limit.setting)


class Screening:
    """The contracts that a cycle looked at, judged again under single limits."""

    def __init__(self, view: View) -> None:
        self._view = view
        _, allowed = strategy.judge_family(view)
        _, chosen = strategy.judge_signal(view, allowed)
        assert chosen.signal.direction is not None, "N10 is asked after N9 passed"
        self._direction, self._family = chosen.signal.direction, chosen.family.name
        self._masks: dict[tuple[str, int], dict[int, int]] = {}
        _, screened, self._pick = self._judged(view)
        contracts = screened.contracts if screened is not None else ()
        self._now = dict(zip(contracts, screened.masks, strict=True)) if screened else {}
        self._scores = dict(zip(contracts, screened.scores_milli, strict=True)) if screened else {}
        self.contracts: tuple[int, ...] = contracts

    def _judged(
        self, view: View
    ) -> tuple[StageVerdict, ContractsScreened | None, contract.Pick | None]:
        return contract.judge(view, self._direction, self._family)

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters that the contract nearest to passing fails."""
        nearest = min(self._now.values(), key=int.bit_count, default=0)
        return _names(nearest)

    def ranks_above(self, one: int) -> bool:
        """Whether a contract would be taken instead of the one that was picked."""
        if self._pick is None or one == self._pick.contract:
            return False
        mine = (self._scores[one], -one)
        return mine > (self._pick.score_milli, -self._pick.contract)

    def failed(self, one: int, setting: str | None = None, value: int = 0) -> tuple[str, ...]:
        """The filters that a contract fails, as it was or with one setting at another value."""
        if setting is None:
            return _names(self._now[one])
        masks = self._masks.get((setting, value))
        if masks is None:
            state = self._view.state
            config = settings.from_settings((Setting(setting, value),), state.config)
            view = replace(self._view, state=replace(state, config=config))
            screened = self._judged(view)[1]
            masks = dict(zip(screened.contracts, screened.masks, strict=True)) if screened else {}
            self._masks[setting, value] = masks
        return _names(masks.get(one, -1))


def _names(mask: int) -> tuple[str, ...]:
    return tuple(name for place, name in enumerate(CONTRACT_FILTERS) if mask >> place & 1)
