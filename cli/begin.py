"""The journal of a session in real time: begun anew, or taken up where a killed engine left it.

Lives here: what stands between a plan and a runner that can take facts. May import: everything it
wires. Always holds: what is to be refused is refused before anything changes; a session goes on
only as what it was (market, settings, rate, account), else it is closed as crashed and what it held
is carried into a new one.
Start reading at ``begin``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from adapters.session.clock import SessionClock
from cli import __version__
from cli.options import Common
from cli.output import say
from cli.recorded import first_fact, instruments_of
from cli.run import close_day, writable_sessions
from engine import config as settings
from engine.carry import EXITS_ONLY, carried_on, halted_but_for_exits
from engine.config import Config
from engine.known import contracts_artifact, with_held
from engine.opening import fresh_account, opening_facts, rulebook_digest, session_opened
from engine.policy import LIVE
from engine.ports import Market
from engine.resume import EngineFault, Running, opening_left, told_as_fault
from engine.risk.limits import tightens
from engine.rulebook import iso_day
from engine.runner import (
    Before,
    Desk,
    Reopened,
    Runner,
    before_session,
    checkpoint_key,
    close_crashed,
    own_code_digest,
)
from engine.state import State
from events.base import Event
from events.envelope import payload_digest
from events.registry import schema_digest
from events.session import (
    CarriedOver,
    Instrument,
    InstrumentsLoaded,
    RuleRow,
    SessionOpened,
)
from journal.checkpointer import checkpointer_of
from journal.files import OS_FILES
from journal.log import WriterOptions
from journal.manifest import describe_session, write_manifest
from journal.session_folder import ledger_path, make_session_folder
from journal.writer import JournalWriter

UID_CHARS: Final = 12
SAME: Final = ("mode", "day", "rate", "account", "market", "cycle_rule", "settings_digest")
"""What of an opening makes it the same session; its anchor may lie anywhere in the day."""

ClockFrom = Callable[[int | None], SessionClock]
"""Gives the session's clock; of a session that goes on, told the time at which it stood."""


@dataclass(frozen=True)
class Plan:
    """What a session in real time is. ``account`` is whose day it counts for; without ``carries``
    that is a fresh virtual one, whatever came before. ``rate`` is market seconds a second.
    ``at_broker``: orders go to one; ``broker_account`` is whose, where it must be ours alone.
    ``listed`` is all of the day's list, of which the market watches some."""

    mode: str
    market: Market
    config: Config
    rows: tuple[RuleRow, ...]
    account: str
    rate: int = 1
    carries: bool = True
    exits_only: bool = False
    at_broker: bool = False
    broker_account: str | None = None
    listed: tuple[Instrument, ...] = ()


@dataclass(frozen=True)
class Begun:
    """A session whose opening is in its journal. ``resumed``: a killed engine had begun it."""

    folder: Path
    runner: Runner
    writer: JournalWriter
    clock: SessionClock
    resumed: bool


def begin(
    stack: ExitStack, common: Common, plan: Plan, clock_from: ClockFrom, options: WriterOptions
) -> Begun:
    """Open the journal; ``stack`` closes it: for good in the end, to be resumed after an error.

    ``options`` are the writer's, as ``journal.seal.sealing`` gives them. Raises ``UserError``,
    ``EngineFault`` and the journal's errors.
    """
    desk = Desk(writable_sessions(common), ledger_path(common.home, common.desk), options)
    digest = rulebook_digest(plan.rows)
    ours = Running(own_code_digest(), schema_digest(), digest, plan.market.day)
    before = _before(desk, ours, plan)
    for folder in before.closed:
        say(f"{folder.name} is closed as crashed: its engine had died")
    carried, ended = before.carried, before.ended
    if before.resume is not None:
        if _is_same(first_fact(before.resume), _opened(plan, 0)):
            found = _resumed(stack, before.resume, plan, ours, clock_from, options)
            if found is not None:
                return found
            close_day(common, before.resume)
            again = _before(desk, ours, plan)
            carried, ended = again.carried, again.ended
        else:
            say(f"{before.resume.name} ran otherwise: it is closed as crashed")
            ended, head = close_crashed(desk, before.resume, ours)
            carried = carried_on(ended, head, plan.market.day)
    return _new(stack, desk, held_to_the_day(plan, ended), carried, clock_from, options)


def held_to_the_day(plan: Plan, ended: State | None) -> Plan:
    """The plan with no limit looser than that of the account's session of the same day: in LIVE a
    limit is only tightened in a day, and stopping and starting is no way around it."""
    opened = ended.opened if ended is not None else None
    if plan.mode != LIVE or ended is None or opened is None or opened.day != plan.market.day:
        return plan
    before, wanted = settings.flatten(ended.config), settings.flatten(plan.config)
    kept = [
        old
        for old, new in zip(before, wanted, strict=True)
        if old != new and tightens(old.key, new.value, old.value)
    ]
    if not kept:
        return plan
    for one in kept:
        say(f"{one.key} stays at {one.value} today: what is looser begins with another day")
    return dataclasses.replace(plan, config=settings.from_settings(tuple(kept), plan.config))


def _before(desk: Desk, ours: Running, plan: Plan) -> Before:
    """What the session begins from. A fresh account needs nothing of a session that is damaged."""
    try:
        return before_session(desk, ours, plan.mode, plan.account, exits_only=plan.exits_only)
    except EngineFault as fault:
        if plan.carries:
            raise
        say(str(fault))
        return Before()


def _opened(plan: Plan, anchor_ns: int) -> SessionOpened:
    market = plan.market
    opened = session_opened(market, plan.config, plan.rows, own_code_digest(), plan.mode, anchor_ns)
    return replace(opened, rate=plan.rate, account=plan.account)


def _is_same(recorded: SessionOpened, planned: SessionOpened) -> bool:
    return all(getattr(recorded, name) == getattr(planned, name) for name in SAME)


def _opening(
    plan: Plan, opened: SessionOpened, account: CarriedOver, sessions: Path
) -> Iterator[Event]:
    """The facts before the first frame; whether a connection is up is said by the feed. Of an
    account that an earlier session had also what contracts were there, and every contract that it
    holds is among the instruments."""
    before = _instruments_before(sessions, account)
    for event in opening_facts(opened, account, plan.market, plan.rows)[:-1]:
        if isinstance(event, InstrumentsLoaded):
            if before:
                yield contracts_artifact(before, account)
            rows = with_held(event.rows, account, plan.listed, before)
            yield replace(event, rows=rows)
        else:
            yield event


def _instruments_before(sessions: Path, account: CarriedOver) -> tuple[Instrument, ...]:
    """The instruments of the session that an account was carried from."""
    uid = account.previous_session
    if uid is None:
        return ()
    folders = (path for path in sorted(sessions.iterdir()) if uid in path.name)
    return next((rows for rows in map(instruments_of, folders) if rows), ())


def _account(plan: Plan, carried: CarriedOver | None) -> CarriedOver:
    own = carried if plan.carries else None
    account = own or fresh_account(plan.config, plan.market.day)
    if plan.exits_only and EXITS_ONLY not in account.halts:
        return halted_but_for_exits(account)
    return account


def _new(
    stack: ExitStack,
    desk: Desk,
    plan: Plan,
    carried: CarriedOver | None,
    clock_from: ClockFrom,
    options: WriterOptions,
) -> Begun:
    clock = clock_from(None)
    opened = _opened(plan, clock.now_ns())
    uid = payload_digest(opened)[:UID_CHARS]
    day, mode = iso_day(opened.day), opened.mode.lower()
    folder = make_session_folder(desk.sessions, day=day, mode=mode, uid=uid)
    about = describe_session(
        session=folder.name, uid=uid, day=day, mode=mode, program=f"axiom {__version__}"
    )
    write_manifest(folder, about)
    writer = stack.enter_context(JournalWriter.create(folder, uid, options=options))
    keeper = stack.enter_context(checkpointer_of(folder, checkpoint_key(uid), 0, OS_FILES))
    runner = Runner(writer, checkpointer=keeper)
    for event in _opening(plan, opened, _account(plan, carried), desk.sessions):
        runner.fact(opened.anchor_ns, event)
    return Begun(folder, runner, writer, clock, resumed=False)


def _resumed(
    stack: ExitStack,
    folder: Path,
    plan: Plan,
    ours: Running,
    clock_from: ClockFrom,
    options: WriterOptions,
) -> Begun | None:
    """Go on with a session; None of one whose close was recorded already: it is closed now."""
    with told_as_fault(folder.name):
        writer, tail = JournalWriter.resume(folder, options=options)
        stack.enter_context(writer)
        key = checkpoint_key(writer.session_uid)
        keeper = stack.enter_context(checkpointer_of(folder, key, writer.head_seq, OS_FILES))
        found = Reopened(writer, tail, ours, OS_FILES, keeper)
        if found.differs:
            raise EngineFault(f"{folder.name} is of another {found.differs[0]}")
        found.go_on()
        runner = found.runner
        if runner.core.state.closed:
            writer.close()
            return None
        state = runner.core.state
        assert state.opened is not None, "a session without its opening does not go on"
        account = state.carried or _account(plan, None)
        opening = tuple(_opening(plan, state.opened, account, folder.parent))
        for event in opening_left(state, opening):
            runner.fact(state.now, event)
    return Begun(folder, runner, writer, clock_from(state.now), resumed=True)
