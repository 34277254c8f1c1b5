"""What an operator's command does, and the engine's answer to it.

Lives here: the reducer of a command and its answer. May import: events, engine. Always holds: pure;
a command is carried out once, whatever often it is sent; a refused one changes nothing; a halt is
never refused; reducer and answer judge by the same function.
Start reading at ``verdict``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from engine import commands
from engine.books import HALTED, MS, STOPPING, holding_key, moved_holdings
from engine.hours import amendment_of, amendment_refused
from engine.lookup import Lookup
from engine.orders import asked, resolve
from engine.orders.entries import KILL_CANCEL, KILL_FLATTEN
from engine.orders.incidents import Incidents
from engine.orders.legs import UNKNOWN, with_leg
from engine.orders.reduce import ORDER_NOT_LISTED
from engine.orders.reports import adopted_events
from engine.orders.route import STOP_WAIVED
from engine.paper import order_event
from engine.risk.command import DEFERRED, change_of, change_refused, waits_for_session
from engine.risk.states import RESUME, cleared
from engine.state import Foreign, Order, State
from engine.strategies import FAMILIES, Family, lifecycle
from events.base import Event
from events.governance import ApprovalClosed, CommandAnswered
from events.session import OperatorCommand

KEPT_COMMANDS: Final = 256
LEVELS: Final = {None: 1, commands.CANCEL: KILL_CANCEL, commands.FLATTEN: KILL_FLATTEN}
REPEATED: Final = "repeated"
"""Marks a command whose id was used before."""


def verdict(state: State, event: OperatorCommand) -> str | None:
    """The code why a command is refused in this state; None where it is carried out."""
    if state.opened is None:
        return None
    halted = bool(state.account.halts)
    refused = commands.checked(event, state.opened.mode, halted=halted)
    if refused is not None:
        return refused if event.verb != "HALT" else None
    judged = _JUDGES.get(event.verb)
    if judged is not None:
        return judged(state, event)
    if resolve.is_of_position(event):
        return resolve.refusal(state, event)
    if event.verb == "RESOLVE" and event.value == commands.LAPSED:
        found = _gone_order(state, event.subject or "")
        return None if found is not None else commands.SUBJECT_UNKNOWN
    known = _KNOWS.get(event.verb)
    if known is not None and not known(state, event.subject or ""):
        return commands.SUBJECT_UNKNOWN
    return None


def _family_of(event: OperatorCommand) -> Family | None:
    return next((one for one in FAMILIES if event.subject in (one.strategy_id, one.name)), None)


def _move_refused(state: State, event: OperatorCommand) -> str | None:
    """The code why a strategy is not moved: nobody's, no such move, or of another digest."""
    family = _family_of(event)
    if family is None:
        return commands.SUBJECT_UNKNOWN
    to, names = lifecycle.split(event)
    if not lifecycle.may_move(lifecycle.standing(state, family.strategy_id).standing, to):
        return commands.NO_SUCH_MOVE
    if to in lifecycle.MONEY and names != lifecycle.named(state, family.name):
        return commands.OTHER_DIGEST
    return None


def is_repeated(state: State, event: OperatorCommand) -> bool:
    """Whether a command of this id was taken before. One without an id is always new."""
    return bool(event.command_id) and event.command_id in state.desk.commands


def is_taken(state: State) -> bool:
    """Whether the last command was carried out."""
    return not (state.desk.repeated or state.desk.refused)


def _unknown_order(state: State, subject: str) -> Order | None:
    for order in state.orders:
        unknown = order.leg is not None and order.leg.status == UNKNOWN
        if unknown and subject in (order.order_id, order.authority):
            return order
    return None


def _gone_order(state: State, subject: str) -> Order | None:
    """An order that may be none at the broker: an unknown one, or one that works in our books and
    was in none of the last two whole order books."""
    missing = {
        one.subject
        for one in state.desk.differences
        if one.reason == ORDER_NOT_LISTED and one.times > 1
    }
    for order in state.orders:
        if subject in (order.order_id, order.authority) and order.order_id in missing:
            return order
    return _unknown_order(state, subject)


def _waivable(state: State, subject: str) -> bool:
    """Whether a person's word is what the resting stops of this session still wait for."""
    return subject == commands.STOP_SETTING and not state.config.orders.protective_stop


_JUDGES: Final[dict[str, Callable[[State, OperatorCommand], str | None]]] = {
    commands.AMEND: amendment_refused,
    commands.SET: change_refused,
    commands.PROMOTE: _move_refused,
    commands.QUARANTINE: _move_refused,
    commands.EXIT: asked.refusal,
}
"""Verbs that are judged by a rule of their own: it gives the code of a refusal."""

_KNOWS: Final[dict[str, Callable[[State, str], bool]]] = {
    "RESOLVE": lambda state, subject: _unknown_order(state, subject) is not None,
    "ACK": lambda state, subject: any(o.incident_id == subject for o in state.desk.incidents),
    "APPROVE": lambda state, subject: any(o.request_id == subject for o in state.desk.requests),
    "REJECT": lambda state, subject: any(o.request_id == subject for o in state.desk.requests),
    commands.WAIVE: _waivable,
    "ADOPT": lambda state, subject: any(
        o.broker_order_id == subject and _adoptable(state, o) > 0 for o in state.desk.foreign
    ),
}
"""Whether what a command is about is there."""


# --- the reducer ---------------------------------------------------------------------------------


def apply_operator_command(state: State, event: OperatorCommand, ts: int, look: Lookup) -> State:
    """Carry a command out, once; its id is kept."""
    desk = state.desk
    if is_repeated(state, event):
        return replace(state, desk=replace(desk, repeated=True))
    named = (event.command_id,) if event.command_id else ()
    kept = (*desk.commands, *named)[-KEPT_COMMANDS:]
    if verdict(state, event) is not None:
        return replace(state, desk=replace(desk, repeated=False, refused=True, commands=kept))
    state = replace(state, desk=replace(desk, repeated=False, refused=False, commands=kept))
    action = _ACTIONS.get(event.verb)
    return action(state, event, ts) if action is not None else state


def _halt(state: State, event: OperatorCommand, ts: int) -> State:
    level = LEVELS.get(event.value, 1) if event.verb == "HALT" else KILL_FLATTEN
    return _halted(state, HALTED, level)


def _stop(state: State, event: OperatorCommand, ts: int) -> State:
    """The session ends: the next one is not halted by it."""
    return _halted(state, STOPPING, KILL_FLATTEN if event.value == commands.FLATTEN else 1)


def _halted(state: State, code: str, level: int) -> State:
    halts = state.account.halts
    halts = halts if code in halts else (*halts, code)
    return replace(
        state,
        account=replace(state.account, halts=halts),
        desk=replace(state.desk, kill=max(state.desk.kill, level)),
    )


def _resume(state: State, event: OperatorCommand, ts: int) -> State:
    """His own halt ends, and those of the limits that wait for a person; the others end by their
    own rule."""
    halts = cleared(state.account.halts, RESUME)
    return replace(
        state,
        account=replace(state.account, halts=halts),
        desk=replace(state.desk, kill=0),
    )


def _arm(state: State, event: OperatorCommand, ts: int) -> State:
    until = ts + state.config.approval.armed_s * 1_000 * MS
    return replace(state, desk=replace(state.desk, armed_until_ns=until))


def _disarm(state: State, event: OperatorCommand, ts: int) -> State:
    return replace(state, desk=replace(state.desk, armed_until_ns=0))


def _acknowledge(state: State, event: OperatorCommand, ts: int) -> State:
    incidents = tuple(
        replace(one, acknowledged=True) if one.incident_id == event.subject else one
        for one in state.desk.incidents
    )
    return replace(state, desk=replace(state.desk, incidents=incidents))


def _resolve(state: State, event: OperatorCommand, ts: int) -> State:
    """A person names the broker's order: what it is, its report tells. What it had moved while it
    was taken for somebody else's is taken back, for it will move our position."""
    order = _unknown_order(state, event.subject or "")
    value = event.value or ""
    if order is None or order.leg is None or not value.startswith(commands.ORDER_PREFIX):
        return state
    named = value.removeprefix(commands.ORDER_PREFIX)
    foreign = tuple(o for o in state.desk.foreign if o.broker_order_id != named)
    holdings = state.desk.holdings
    for one in state.desk.foreign:
        if one.broker_order_id == named:
            back = one.applied_units if one.side == "SELL" else -one.applied_units
            key = one.exchange, one.tradingsymbol, one.product
            holdings = moved_holdings(holdings, one.contract, key, back)
    state = replace(state, desk=replace(state.desk, foreign=foreign, holdings=holdings))
    return with_leg(state, order, replace(order.leg, broker_order_id=named, doubt=True))


def _approve(state: State, event: OperatorCommand, ts: int) -> State:
    return replace(state, desk=replace(state.desk, approving=(event.subject or "", event.who)))


def _amend(state: State, event: OperatorCommand, ts: int) -> State:
    """What holds from here on is a fact of its own, which the engine gives next: should it die
    before, it gives it when it goes on."""
    return replace(state, desk=replace(state.desk, amending=amendment_of(event)))


def _set(state: State, event: OperatorCommand, ts: int) -> State:
    """As an amendment: the change is a fact of its own, which the engine gives next."""
    return replace(state, desk=replace(state.desk, setting=change_of(event)))


def _exit(state: State, event: OperatorCommand, ts: int) -> State:
    return asked.asked(state, event)


def _move(state: State, event: OperatorCommand, ts: int) -> State:
    family = _family_of(event)
    assert family is not None, "what was not refused is somebody's"
    return lifecycle.moved(state, event, family.strategy_id, ts)


_ACTIONS: Final = {
    "HALT": _halt,
    "FLATTEN": _halt,
    "STOP": _stop,
    "RESUME": _resume,
    "ARM": _arm,
    "DISARM": _disarm,
    "ACK": _acknowledge,
    "RESOLVE": _resolve,
    "APPROVE": _approve,
    commands.AMEND: _amend,
    commands.SET: _set,
    commands.EXIT: _exit,
    commands.PROMOTE: _move,
    commands.QUARANTINE: _move,
}
"""What the verbs do to the state; the rest is in the answer's events."""


# --- the answer ----------------------------------------------------------------------------------


def answers(state: State, event: OperatorCommand) -> list[Event]:
    """The answer to a command that was applied, and what it says at once."""
    if state.desk.repeated:
        return [_answer(event, commands.ID_REUSED)]
    if state.desk.refused:
        before = replace(state, desk=replace(state.desk, refused=False))
        return [_answer(event, verdict(before, event) or commands.SUBJECT_UNKNOWN)]
    events: list[Event] = [_answer(event, None, _but(state, event))]
    order = _gone_order(state, event.subject or "")
    if event.verb == "RESOLVE" and event.value == commands.LAPSED and order is not None:
        incidents = Incidents(state)
        incidents.resolved("ORDER_UNKNOWN", order.order_id, event.who)
        incidents.resolved("ORDER_UNKNOWN_LONG", order.order_id, event.who)
        events.append(order_event(order, "CANCELLED", "ORDER_RESOLVED_LAPSED", order.filled_units))
        events.extend(incidents.events)
    if resolve.is_of_position(event):
        events.extend(resolve.resolved_events(state, event))
    if event.verb == "ADOPT":
        events.extend(_adopted(state, event.subject or ""))
    if event.verb == commands.WAIVE:
        incidents = Incidents(state)
        incidents.raised(STOP_WAIVED, commands.STOP_SETTING, who=event.who, why=event.why)
        events.extend(incidents.events)
    if event.verb == "REJECT":
        events.append(
            ApprovalClosed(event.subject or "", "REJECTED", "APPROVAL_REJECTED", None, event.who)
        )
    return events


def _adopted(state: State, broker_order_id: str) -> list[Event]:
    """A long that somebody else bought is ours from here on: protected, and closed by our rules."""
    one = next(o for o in state.desk.foreign if o.broker_order_id == broker_order_id)
    units = _adoptable(state, one)
    return adopted_events(state, one, units) if units > 0 else []


def _adoptable(state: State, one: Foreign) -> int:
    """Units of a foreign buy that are still held and nobody's of ours."""
    key = (one.exchange, one.tradingsymbol, one.product)
    held = sum(h.net_units for h in state.desk.holdings if holding_key(h) == key)
    return min(one.applied_units, held) if one.side == "BUY" and one.contract >= 0 else 0


def _answer(
    event: OperatorCommand, refused: str | None, reason: str = commands.ACCEPTED
) -> CommandAnswered:
    outcome = "ACCEPTED" if refused is None else "REFUSED"
    return CommandAnswered(event.command_id, event.verb, outcome, refused or reason)


def _but(state: State, event: OperatorCommand) -> str:
    """What a person must not miss of a command that was taken: a halt that his ``resume`` does not
    end, a limit that waits for the next session. Else that it was accepted."""
    if event.verb == "RESUME" and state.account.halts:
        return state.account.halts[0]
    waits = event.verb == commands.SET and waits_for_session(state, event)
    return DEFERRED if waits else commands.ACCEPTED
