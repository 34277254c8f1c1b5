"""The lifecycle of a strategy: where each stands, who may be moved where, what LIVE asks of it.

Lives here: the total table of moves, the digest of a strategy's parameters, what a promotion names.
May import: events, engine. Always holds: a strategy that nobody moved is in PAPER; a promotion to
PILOT or LIVE names the code and the parameters that it is of, and holds for no others; what is
RETIRED stays so. Start reading at ``MOVES``.

It is kept in the journal and nowhere else: a command is a fact, and ``CarriedOver`` takes what it
came to into the next session. So it survives a restart, a backup and a takeover as positions and
halts do, and a replay needs no other file.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec
from msgspec.structs import replace

from engine.config import Config
from engine.state import State, StrategyLife
from events.session import CarriedOver, CarriedStrategy, OperatorCommand

RESEARCH: Final = "RESEARCH"
PAPER: Final = "PAPER"
PILOT: Final = "PILOT"
LIVE: Final = "LIVE"
QUARANTINED: Final = "QUARANTINED"
RETIRED: Final = "RETIRED"

STANDINGS: Final = (RESEARCH, PAPER, PILOT, LIVE, QUARANTINED, RETIRED)
MOVES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (RESEARCH, (PAPER, QUARANTINED, RETIRED)),
    (PAPER, (RESEARCH, PILOT, QUARANTINED, RETIRED)),
    (PILOT, (PAPER, PILOT, LIVE, QUARANTINED, RETIRED)),
    (LIVE, (PAPER, PILOT, LIVE, QUARANTINED, RETIRED)),
    (QUARANTINED, (RESEARCH, PAPER, RETIRED)),
    (RETIRED, ()),
)
"""From each standing, to which a command may move it. To the same again: for another digest."""

MONEY: Final = (PILOT, LIVE)
"""Standings that may enter in LIVE: a pilot under the risk profile PILOT alone."""

DIGEST_CHARS: Final = 12
NAMED: Final = ":"


def code_of(state: State) -> str:
    """The code that runs, as a promotion names it."""
    return state.opened.code_digest[:DIGEST_CHARS] if state.opened is not None else ""


def parameters_of(config: Config, family: str) -> str:
    """The parameters that a strategy of a family decides by, as a promotion names them: its own
    section, the contracts it may take and the plan of its trades."""
    own = getattr(config, family.lower(), None)
    values = msgspec.msgpack.encode((own, config.contract, config.plan))
    return hashlib.sha256(values).hexdigest()[:DIGEST_CHARS]


def standing(state: State, strategy_id: str) -> StrategyLife:
    """Where a strategy stands."""
    for one in state.strategies:
        if one.strategy_id == strategy_id:
            return one
    return StrategyLife(strategy_id, PAPER, "", "", "", "", "", 0)


def may_move(was: str, to: str) -> bool:
    """Whether the table has the move."""
    return to in dict(MOVES)[was]


def named(state: State, family: str) -> str:
    """What a promotion to PILOT or LIVE has to name now: code, parameters, algo id if any."""
    words = (code_of(state), parameters_of(state.config, family), state.config.orders.algo_id)
    return NAMED.join(word for word in words if word)


def split(event: OperatorCommand) -> tuple[str, str]:
    """(where to, what it names) of a command."""
    if event.verb == "QUARANTINE":
        return QUARANTINED, ""
    to, _, rest = (event.value or "").partition(NAMED)
    return to, rest


def moved(state: State, event: OperatorCommand, strategy_id: str, ts: int) -> State:
    """The state in which the strategy has moved as the command says, which was found good."""
    to, names = split(event)
    code, parameters, *algo = names.split(NAMED) if names else ("", "")
    one = StrategyLife(
        strategy_id, to, code, parameters, NAMED.join(algo), event.why, event.who, ts
    )
    others = tuple(life for life in state.strategies if life.strategy_id != strategy_id)
    return replace(state, strategies=(*others, one))


def refusal(state: State, strategy_id: str, family: str, *, live: bool) -> str | None:
    """The code why a strategy may not enter; None where it may. Outside LIVE only what was taken
    out of use is refused."""
    one = standing(state, strategy_id)
    if one.standing == QUARANTINED:
        return "STRATEGY_QUARANTINED"
    if one.standing == RETIRED:
        return "STRATEGY_RETIRED"
    if not live:
        return None
    same = NAMED.join(w for w in (one.code, one.parameters, one.algo_id) if w)
    if one.standing not in MONEY or same != named(state, family):
        return "STRATEGY_NOT_PROMOTED"
    if one.standing == PILOT and state.config.risk.profile != PILOT:
        return "STRATEGY_NOT_PROMOTED"
    return None


def carried_strategies(state: State) -> tuple[CarriedStrategy, ...]:
    """What the next session takes over."""
    return tuple(
        CarriedStrategy(
            one.strategy_id, one.standing, one.code, one.parameters, one.algo_id, one.evidence,
            one.who, one.since_ns,
        )
        for one in state.strategies
    )  # fmt: skip


def taken_over(event: CarriedOver) -> tuple[StrategyLife, ...]:
    """What a session takes over."""
    return tuple(
        StrategyLife(
            one.strategy_id, one.standing, one.code, one.parameters, one.algo_id, one.evidence,
            one.who, one.since_ns,
        )
        for one in event.strategies
    )  # fmt: skip
