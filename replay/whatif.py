"""The same facts under another configuration.

Lives here: the policy of facts, the two derived runs, their comparison. May import: events,
journal, engine, replay. Always holds: the recorded configuration runs through the same core and
paper broker as the other one, so that what differs is the configuration alone; derived sessions
live under ``derived/``, outside the ledger and outside ``latest``.
Start reading at ``whatif``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from engine import config as settings
from engine.config import Config
from engine.runner import UID_CHARS, Runner, iso_day, own_code_digest
from events.base import Event
from events.decision import DecisionMade, GatesEvaluated
from events.envelope import payload_digest
from events.orders import IntentApproved
from events.registry import FACT_KINDS, schema_digest
from events.session import CarriedOver, SessionOpened
from journal.session_folder import make_session_folder
from journal.writer import JournalWriter
from replay.decisions import Decided, DecisionDiff, diff_decisions
from replay.session import ReplayError, facts_of_session

Policy = Literal["KEEP", "DROP", "REPLACE"]

FACT_POLICY: Final[tuple[tuple[str, Policy, str], ...]] = (
    ("SessionOpened", "REPLACE", "it holds the configuration and the code that now runs"),
    ("CarriedOver", "REPLACE", "capital is a setting; everything else is kept"),
    ("ArtifactLoaded", "KEEP", "the rules of that day do not change"),
    ("InstrumentsLoaded", "KEEP", "nor do its instruments"),
    ("ConfigChanged", "DROP", "the other configuration holds for the whole session"),
    ("OperatorCommand", "KEEP", "a halt was a halt"),
    ("TailCut", "KEEP", "it speaks of the journal, not of the market"),
    ("SessionClosed", "KEEP", "the end of the day"),
    ("FeedFrame", "KEEP", "the market as it was"),
    ("FeedStatus", "KEEP", "and the connection to it"),
    ("TimerTick", "KEEP", "cycles at the same moments"),
)
"""What becomes of each kind of fact, and why."""

_POLICY: Final = {kind: policy for kind, policy, _ in FACT_POLICY}
assert tuple(_POLICY) == FACT_KINDS or set(_POLICY) == set(FACT_KINDS)


class WhatIf(msgspec.Struct, frozen=True):
    """Both derived runs and how their decisions differ. ``not_recorded`` counts instruments of the
    session that never had a quote, and so could not be judged under any configuration."""

    session: Path
    baseline: Path
    diff: DecisionDiff
    not_recorded: int
    changed: tuple[str, ...]


class _Run(msgspec.Struct, frozen=True):
    folder: Path
    decisions: tuple[Decided, ...]
    unquoted: int


def whatif(
    folder: Path,
    derived: Path,
    change: Callable[[Config], Config],
    on_progress: Callable[[str, int], None] | None = None,
) -> WhatIf:
    """Run a session's facts under ``change`` of its configuration and under its own.

    ``derived`` is the folder for the two new sessions. Raises ``ReplayError`` where the session
    holds no facts, and the journal's errors where it is damaged.
    """
    opened = next((e for _, _, e in facts_of_session(folder) if isinstance(e, SessionOpened)), None)
    if opened is None:
        raise ReplayError(f"{folder} holds no session: nothing to run again")
    recorded = settings.from_settings(opened.settings)
    other = change(recorded)
    baseline = _run(folder, derived, recorded, "baseline", on_progress)
    varied = _run(folder, derived, other, "whatif", on_progress)
    return WhatIf(
        varied.folder,
        baseline.folder,
        diff_decisions(baseline.decisions, varied.decisions),
        varied.unquoted,
        changed_settings(recorded, other),
    )


def changed_settings(before: Config, after: Config) -> tuple[str, ...]:
    """``key: old -> new`` of every setting that differs."""
    pairs = zip(settings.flatten(before), settings.flatten(after), strict=True)
    return tuple(f"{a.key}: {a.value} -> {b.value}" for a, b in pairs if a.value != b.value)


def _run(
    folder: Path,
    derived: Path,
    config: Config,
    label: str,
    on_progress: Callable[[str, int], None] | None,
) -> _Run:
    """One derived session: the kept facts under a configuration, journaled as any other."""
    facts = ((ts, _mapped(event, config)) for _, ts, event in facts_of_session(folder))
    kept = ((ts, event) for ts, event in facts if event is not None)
    first_ts, first = next(kept)
    assert isinstance(first, SessionOpened)
    uid = payload_digest(first)[:UID_CHARS]
    target = make_session_folder(derived, day=iso_day(first.day), mode=label, uid=uid)
    collected: list[Decided] = []
    with JournalWriter.create(target, uid) as writer:
        runner = _Collecting(writer, collected)
        runner.fact(first_ts, first)
        for ts, event in kept:
            runner.fact(ts, event)
            if on_progress is not None and runner.facts % 512 == 0:
                on_progress(label, ts)
        writer.close()
    unquoted = 0
    for quote in runner.core.state.quotes:
        unquoted += quote is None
    return _Run(target, tuple(collected), unquoted)


def _mapped(event: Event, config: Config) -> Event | None:
    """The fact as the policy lets it through; None where it is dropped."""
    policy = _POLICY[type(event).__name__]
    if policy == "DROP":
        return None
    if isinstance(event, SessionOpened):
        flat = settings.flatten(config)
        return replace(
            event,
            settings=flat,
            settings_digest=settings.digest(flat),
            code_digest=own_code_digest(),
            schema_digest=schema_digest(),
        )
    if isinstance(event, CarriedOver):
        fresh = event.previous_session is None
        return replace(event, capital_paise=config.account.capital_paise) if fresh else event
    return event


class _Collecting(Runner):
    """A runner that keeps the decisions with their gates and lots."""

    def __init__(self, writer: JournalWriter, collected: list[Decided]) -> None:
        super().__init__(writer)
        self._collected = collected

    def fact(self, ts: int, event: Event) -> None:
        gates: dict[str, GatesEvaluated] = {}
        made: list[DecisionMade] = []
        lots: dict[str, int] = {}
        for derived in self.group(ts, event):
            one = derived.entry.event
            if isinstance(one, GatesEvaluated):
                gates[one.underlying] = one
            elif isinstance(one, DecisionMade):
                made.append(one)
            elif isinstance(one, IntentApproved):
                lots[one.underlying] = one.lots
        self._collected.extend(
            Decided.of(ts, one, gates.get(one.underlying), lots.get(one.underlying, 0))
            for one in made
        )
