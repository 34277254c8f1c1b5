"""One decision cycle of one underlying: from the view to exactly one decision.

Lives here: the order of the stages, what each needs from an earlier one, the assumed evaluation,
the decision and the intent. May import: events, engine. Always holds: eleven official verdicts in
declared order; the first that is no pass is the terminal reason; an intent exists only where all
eleven passed officially; assumed verdicts decide nothing.
Start reading at ``decide_cycle``.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from engine.apply import screen_mark
from engine.books import MS, mid_paise, slice_id
from engine.exact import floor
from engine.exits import content_id
from engine.gates import (
    contract,
    controls,
    feed,
    governance,
    quote,
    regime,
    risk,
    session,
    sizing,
    spread,
    strategy,
    warmup,
)
from engine.gates.approval import request_events, with_approval
from engine.gates.contract import Pick
from engine.gates.rows import PASS, upstream
from engine.gates.sizing import freeze_units, protected_paise, risk_lot_paise
from engine.gates.spread import Sold
from engine.gates.strategy import Chosen
from engine.regime import UNKNOWN
from engine.risk.portfolio import Book, book_of
from engine.state import State
from engine.strategies import Family
from engine.view import View, snapshot_of, take_view
from events.base import Event
from events.decision import (
    CandidateProposed,
    ContractsScreened,
    DecisionMade,
    GatesEvaluated,
    StageVerdict,
)
from events.orders import IntentApproved
from events.reasons import N3, N4, N5, N8, N9, N10, N11

TRADE: Final = "TRADE"
NO_TRADE: Final = "NO_TRADE"


class Judged(msgspec.Struct, frozen=True, gc=False):
    """What N8 to N11 gave, officially or assumed."""

    verdicts: tuple[StageVerdict, ...]
    chosen: Chosen | None
    screened: ContractsScreened | None
    pick: Pick | None
    lots: int
    sold: Sold | None = None


def decide_cycle(state: State, u: int, slot_of: list[int], seq: int) -> list[Event]:
    """All events of one underlying's cycle; ``seq`` is what the first of them will get."""
    view = take_view(state, u, slot_of)
    outputs: list[Event] = [snapshot_of(view)]
    snapshot_seq = seq
    book = book_of(state)
    gates_before = _before_selection(view, book)
    official = _official(view, gates_before, book)
    assumed = _assumed(view, official, book)
    screened = official.screened or assumed.screened
    if screened is not None and screen_mark(screened) != view.market.screened:
        outputs.append(screened)
    gates_seq = seq + len(outputs)
    verdicts = (*gates_before, *official.verdicts)
    outputs.append(_gates_event(view, snapshot_seq, verdicts, assumed))
    if official.pick is not None and official.verdicts[2].verdict == PASS:
        outputs.append(_candidate(view, official))
    outputs.extend(_decision(view, verdicts, official, gates_seq, snapshot_seq))
    return outputs


def _before_selection(view: View, book: Book) -> tuple[StageVerdict, ...]:
    """N1 to N7; the regime has no input while warm-up is not done."""
    warm = warmup.judge(view)
    clear = regime.judge(view) if warm.verdict == PASS else upstream(N5, N3)
    return (
        session.judge(view),
        feed.judge(view),
        warm,
        quote.judge(view),
        clear,
        risk.judge(view, book),
        governance.judge(view),
    )


def _official(view: View, before: tuple[StageVerdict, ...], book: Book) -> Judged:
    """N8 to N11, each only on what the stages before it really gave."""
    quotes, clear = before[3], before[4]
    if clear.verdict != PASS:
        chain = (upstream(N8, N5), upstream(N9, N8), upstream(N10, N9), upstream(N11, N10))
        return Judged(chain, None, None, None, 0)
    family, allowed = strategy.judge_family(view)
    if family.verdict != PASS:
        chain = (family, upstream(N9, N8), upstream(N10, N9), upstream(N11, N10))
        return Judged(chain, None, None, None, 0)
    signal, chosen = strategy.judge_signal(view, allowed)
    direction = chosen.signal.direction
    if signal.verdict != PASS or direction is None or quotes.verdict != PASS:
        missing = N9 if signal.verdict != PASS else N4
        chain = (family, signal, upstream(N10, missing), upstream(N11, N10))
        return Judged(chain, chosen, None, None, 0)
    ready, screened, pick, sold = _contracts(view, chosen.family, direction)
    if ready.verdict != PASS or pick is None:
        return Judged((family, signal, ready, upstream(N11, N10)), chosen, screened, None, 0)
    sized, lots = _sized(view, pick, book, sold)
    final = controls.with_controls(view, sized, pick)
    good = lots > 0 and final.verdict == PASS
    entry = _intent(view, Judged((), chosen, screened, pick, lots), 0) if good else None
    final = with_approval(view, final, entry, sold)
    return Judged((family, signal, ready, final), chosen, screened, pick, lots, sold)


def _contracts(
    view: View, family: Family, direction: str
) -> tuple[StageVerdict, ContractsScreened | None, Pick | None, Sold | None]:
    """N10: what is bought and, of a family with two legs, what is sold against it."""
    ready, screened, pick = contract.judge(view, direction, family.name)
    if not family.two_legs:
        return ready, screened, pick, None
    ready, sold = spread.with_sold_leg(view, ready, pick)
    return ready, screened, pick, sold


def _sized(view: View, pick: Pick, book: Book, sold: Sold | None) -> tuple[StageVerdict, int]:
    """N11's lots, with the money kept for a sold leg."""
    sized, lots = sizing.judge(view, pick, book)
    return (sized, lots) if sold is None else spread.with_margin(view, sized, lots, pick, sold)


def _assumed(view: View, official: Judged, book: Book) -> Judged:
    """The stages that had no official input, for the best-ranked family and contract."""
    open_stages = [one.depends_on is not None for one in official.verdicts]
    if not any(open_stages):
        return Judged((), None, None, None, 0)
    verdicts: list[StageVerdict] = []
    if open_stages[0] and view.market.regime is not None:
        verdicts.append(strategy.judge_family(view)[0])
    chosen = official.chosen
    if chosen is None:
        families: tuple[Family, ...] = (strategy.best_ranked(view),)
        signal, chosen = strategy.judge_signal(view, families)
        if view.indicators is not None:
            verdicts.append(signal)
    screened, pick, sold = official.screened, None, None
    if open_stages[2]:
        lean = chosen.signal.direction or chosen.signal.lean
        ready, screened, pick, sold = _contracts(view, chosen.family, lean)
        verdicts.append(ready)
    elif screened is not None and official.verdicts[2].verdict != PASS:
        direction = chosen.signal.direction or chosen.signal.lean
        _, _, pick, sold = _contracts(view, chosen.family, direction)
    if open_stages[3] and pick is not None:
        verdicts.append(_sized(view, pick, book, sold)[0])
    return Judged(tuple(verdicts), chosen, screened, pick, 0)


def _gates_event(
    view: View, snapshot_seq: int, verdicts: tuple[StageVerdict, ...], assumed: Judged
) -> GatesEvaluated:
    family = assumed.chosen.family.name if assumed.verdicts and assumed.chosen else None
    return GatesEvaluated(
        view.state.cycle,
        view.umap.name,
        snapshot_seq,
        verdicts,
        assumed.verdicts,
        family,
        assumed.pick.contract if assumed.pick is not None else None,
    )


def _candidate(view: View, official: Judged) -> CandidateProposed:
    pick, chosen = official.pick, official.chosen
    assert pick is not None and pick.plan is not None and chosen is not None
    greeks, plan = pick.greeks, pick.plan
    return CandidateProposed(
        view.state.cycle,
        view.umap.name,
        chosen.family.name,
        chosen.family.strategy_id,
        pick.contract,
        "BUY",
        plan.entry_paise,
        plan.stop_paise,
        plan.target_paise,
        plan.trail_paise,
        _rounded(pick.vol, 1000.0),
        _rounded(greeks.delta, 1000.0) if greeks is not None else None,
        _rounded(greeks.theta_paise, 1.0) if greeks is not None else None,
        _rounded(greeks.vega_paise, 1.0) if greeks is not None else None,
        chosen.signal.strength_milli,
        pick.score_milli,
    )


def _rounded(value: float | None, scale: float) -> int | None:
    return floor(value * scale + 0.5) if value is not None else None


def _decision(
    view: View,
    verdicts: tuple[StageVerdict, ...],
    official: Judged,
    gates_seq: int,
    snapshot_seq: int,
) -> list[Event]:
    """The decision and, where all eleven passed, the intent; what becomes of approvals."""
    first = next((one for one in verdicts if one.verdict != PASS), None)
    intent = _intent(view, official, gates_seq) if first is None else None
    asked = intent
    if first is not None and first.reason == "APPROVAL_PENDING":
        asked = _intent(view, official, gates_seq)
    chosen = official.chosen
    known = view.market.regime
    made = DecisionMade(
        view.state.cycle,
        view.umap.name,
        TRADE if intent is not None else NO_TRADE,
        first.stage if first is not None else N11,
        (first.reason or "") if first is not None else "TRADE_APPROVED",
        chosen.family.name if chosen is not None else None,
        chosen.family.strategy_id if chosen is not None else None,
        known.regime if known is not None else UNKNOWN,
        view.market.day_type,
        gates_seq,
        snapshot_seq,
        official.pick.contract if intent is not None and official.pick is not None else None,
        _first_id(view, intent),
    )
    asks: list[Event] = []
    if first is not None and first.reason == "SIZE_MARGIN_UNKNOWN":
        assert official.pick is not None and official.sold is not None
        wish = spread.margin_wanted(view, official.lots, official.pick, official.sold, gates_seq)
        asks = [] if wish is None else [wish]
    approvals = request_events(view, asked, official.sold, intent is not None)
    legs = _legs(view, _slices(view, intent), official.sold)
    return [made, *legs, *asks, *approvals]


def _legs(view: View, slices: list[Event], sold: Sold | None) -> list[Event]:
    """The entries, each with what is sold against it."""
    if sold is None:
        return slices
    pairs: list[Event] = []
    for one in slices:
        assert isinstance(one, IntentApproved)
        pairs.extend((one, spread.approved(view, one, sold)))
    return pairs


def _first_id(view: View, intent: IntentApproved | None) -> str | None:
    """The id that a decision names: that of the first slice."""
    first = next(iter(_slices(view, intent)), None)
    return first.intent_id if isinstance(first, IntentApproved) else None


def _slices(view: View, whole: IntentApproved | None) -> list[Event]:
    """The intents of an entry: one, or where it is larger than an order may be as many as it takes,
    each of whole lots and with an id of its own. The first is the decision's."""
    if whole is None:
        return []
    lot = whole.quantity_units // whole.lots
    largest = max((freeze_units(view) or whole.quantity_units) // lot, 1)
    if whole.lots <= largest:
        return [whole]
    slices: list[Event] = []
    for number in range(-(-whole.lots // largest)):
        lots = min(largest, whole.lots - number * largest)
        slices.append(
            replace(
                whole,
                intent_id=slice_id(whole.intent_id, number),
                lots=lots,
                quantity_units=lots * lot,
                risk_paise=whole.risk_paise // whole.lots * lots,
            )
        )
    return slices


def _intent(view: View, official: Judged, gates_seq: int) -> IntentApproved:
    pick, chosen, state = official.pick, official.chosen, view.state
    assert pick is not None and pick.plan is not None and chosen is not None and official.lots > 0
    plan = pick.plan
    blank = IntentApproved(
        "",
        view.umap.name,
        chosen.family.strategy_id,
        pick.contract,
        "BUY",
        official.lots * plan.lot_units,
        official.lots,
        protected_paise(view, pick),
        mid_paise(state, pick.contract),
        plan.stop_paise,
        plan.target_paise,
        plan.trail_paise,
        risk_lot_paise(view, pick) * official.lots,
        gates_seq,
        state.now + state.config.paper.latency_ms * MS,
    )
    return replace(blank, intent_id=content_id(blank))
