"""The same facts under another configuration.

Lives here: the policy of facts, the two derived runs, their comparison. May import: events,
journal, engine, replay. Always holds: the recorded configuration runs through the same core and
paper broker as the other one, so that what differs is the configuration alone; derived sessions
live under ``derived/``, outside the ledger and outside ``latest``; a run that fails leaves none.
Start reading at ``whatif``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from engine import config as settings
from engine.config import Config
from engine.rulebook import iso_day
from engine.runner import UID_CHARS, Runner, own_code_digest
from engine.state import State
from events.base import Event
from events.decision import ContractsScreened
from events.envelope import payload_digest
from events.registry import FACT_KINDS, schema_digest
from events.session import CarriedOver, ConfigChanged, SessionOpened
from journal.close import close_session
from journal.manifest import describe_session, write_manifest
from journal.session_folder import make_session_folder
from journal.writer import JournalWriter
from replay.decisions import DecisionDiff, DecisionDiffer
from replay.divergence import changed_settings
from replay.session import (
    PROGRESS_SEQS,
    ReplayError,
    facts_of_session,
    symbol_in,
    told_as_replay_error,
)

Policy = Literal["KEEP", "DROP", "REPLACE", "MAP"]

FACT_POLICY: Final[tuple[tuple[str, Policy, str], ...]] = (
    ("SessionOpened", "REPLACE", "it holds the configuration and the code that now runs"),
    ("CarriedOver", "MAP", "capital moves as its setting does; everything else is kept"),
    ("SessionResumed", "DROP", "this run did not die there; the connection comes back as it did"),
    ("ArtifactLoaded", "KEEP", "the rules of that day do not change"),
    ("InstrumentsLoaded", "KEEP", "nor do its instruments"),
    ("ConfigChanged", "MAP", "what the other configuration sets holds for the whole session"),
    ("OperatorCommand", "KEEP", "a halt was a halt"),
    ("SessionAmended", "KEEP", "the day was that long"),
    ("TailCut", "DROP", "nothing of this journal was cut"),
    ("SessionClosed", "KEEP", "the end of the day"),
    ("FeedFrame", "KEEP", "the market as it was"),
    ("FeedStatus", "KEEP", "and the connection to it"),
    ("TimerTick", "KEEP", "cycles at the same moments"),
    ("SubscriptionChanged", "KEEP", "and what it was subscribed to"),
    ("FramesDropped", "KEEP", "what was lost was lost"),
    ("HistoryLoaded", "KEEP", "the candles that were had"),
    ("ClockStepped", "KEEP", "the clock as it was"),
    ("HealthObserved", "KEEP", "and the machine"),
    ("AuthStatus", "DROP", "the paper broker needs no login"),
    ("OrderSendStarted", "DROP", "the paper broker takes the orders of this run"),
    ("OrderSendResult", "DROP", "nor did the broker answer it"),
    ("BrokerUpdate", "DROP", "its fills are those of the paper broker"),
    ("BrokerSnapshot", "DROP", "its books hold another run"),
    ("OrderLookup", "DROP", "as do its answers"),
    ("MarginObserved", "DROP", "the paper broker keeps by our own estimate"),
    ("QuotesObserved", "KEEP", "what was asked of the market was seen"),
)
"""What becomes of each kind of fact, and why: it stays, goes, is made anew, or is changed. Orders
and fills are no facts here: the paper broker, which is part of the core, makes them anew."""

_POLICY: Final = {kind: policy for kind, policy, _ in FACT_POLICY}
assert sorted(_POLICY) == sorted(FACT_KINDS), "every kind of fact has its row"

NOT_RECORDED: Final = "NOT_RECORDED"
"""What is said of a contract of which the recording holds no quote: nobody knows."""

UNKNOWN: Final = "UNKNOWN"


class Unrecorded(msgspec.Struct, frozen=True):
    """An instrument of the session without a single quote in it.

    ``verdict`` is UNKNOWN and ``reason`` NOT_RECORDED: under no configuration can it be judged, and
    the core, which sees no price, never takes it. ``looked_at`` says whether the other
    configuration would have (an option inside its window, on the side of its signal).
    """

    tradingsymbol: str
    underlying: str
    verdict: str
    reason: str
    looked_at: bool


class WhatIf(msgspec.Struct, frozen=True):
    """Both derived runs and how their decisions differ, with the instruments that the recording
    does not know."""

    session: Path
    baseline: Path
    diff: DecisionDiff
    unrecorded: tuple[Unrecorded, ...]
    changed: tuple[str, ...]

    @property
    def not_recorded(self) -> int:
        """How many instruments the recording does not know."""
        return len(self.unrecorded)


def whatif(
    folder: Path,
    derived: Path,
    change: Callable[[Config], Config],
    *,
    program: str = "axiom",
    on_progress: Callable[[int], None] | None = None,
) -> WhatIf:
    """Run a session's facts under ``change`` of its configuration and under its own.

    ``derived`` is the folder for the two new sessions, made (0700) once ``change`` has given a
    configuration; ``program`` names the program for their manifests; ``on_progress`` is told a
    recorded seq now and then. Raises ``ReplayError`` where the session holds no facts, or facts or
    settings that this release cannot use, and the journal's errors where it is damaged.
    """
    with told_as_replay_error():
        return _whatif(folder, derived, change, program, on_progress)


def _whatif(
    folder: Path,
    derived: Path,
    change: Callable[[Config], Config],
    program: str,
    on_progress: Callable[[int], None] | None,
) -> WhatIf:
    opened = next((e for _, _, e in facts_of_session(folder) if isinstance(e, SessionOpened)), None)
    if opened is None:
        raise ReplayError(f"{folder} holds no session: nothing to run again")
    recorded = settings.of_session(opened.settings)
    other = change(recorded)
    derived.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        _run(derived, _Mapping(recorded, recorded), opened, "baseline", program) as baseline,
        _run(derived, _Mapping(recorded, other), opened, "whatif", program) as varied,
    ):
        differ = DecisionDiffer(lambda index: symbol_in(baseline.state, index))
        for facts, (seq, ts, event) in enumerate(facts_of_session(folder)):
            differ.take(ts, baseline.fact(ts, event), varied.fact(ts, event))
            if on_progress is not None and facts % PROGRESS_SEQS == 0:
                on_progress(seq)
    return WhatIf(
        varied.folder,
        baseline.folder,
        differ.result(),
        varied.unrecorded,
        changed_settings(settings.flatten(recorded), settings.flatten(other)),
    )


def mapped_facts(
    folder: Path, change: Callable[[Config], Config], *, until_seq: int | None = None
) -> Iterator[tuple[int, int, Event]]:
    """(recorded seq, ts, fact) of a session as the policy lets them through under ``change`` of its
    configuration, up to recorded seq ``until_seq``. Raises as ``whatif``."""
    mapping: _Mapping | None = None
    for seq, ts, event in facts_of_session(folder):
        if until_seq is not None and seq > until_seq:
            return
        if isinstance(event, SessionOpened):
            with told_as_replay_error():
                recorded = settings.of_session(event.settings)
            mapping = _Mapping(recorded, change(recorded))
        if mapping is None:
            raise ReplayError(f"{folder} holds no session: nothing to run again")
        mapped = mapping.fact(event)
        if mapped is not None:
            yield seq, ts, mapped


class _Run:
    """One derived session: the mapped facts under a configuration, journaled as any other."""

    def __init__(self, folder: Path, runner: Runner, mapping: _Mapping) -> None:
        self.folder = folder
        self._runner = runner
        self._mapping = mapping
        self._looked_at: set[int] = set()

    def fact(self, ts: int, event: Event) -> list[Event]:
        """Take a recorded fact as the policy lets it through; gives what it led to."""
        mapped = self._mapping.fact(event)
        if mapped is None:
            return []
        events = [one.entry.event for one in self._runner.group(ts, mapped)]
        for one in events:
            if isinstance(one, ContractsScreened):
                self._looked_at.update(one.contracts)
        return events

    @property
    def state(self) -> State:
        """The engine's state after the last fact."""
        return self._runner.core.state

    @property
    def unrecorded(self) -> tuple[Unrecorded, ...]:
        """Instruments that never had a quote, in their order."""
        state = self.state
        return tuple(
            Unrecorded(row.tradingsymbol, row.underlying, UNKNOWN, NOT_RECORDED, i in looked)
            for looked in (self._looked_at,)
            for i, (row, quote) in enumerate(zip(state.instruments, state.quotes, strict=True))
            if quote is None
        )


@contextmanager
def _run(
    parent: Path, mapping: _Mapping, recorded: SessionOpened, label: str, program: str
) -> Iterator[_Run]:
    """A run into a new session under ``parent``: sealed at the end, gone where it fails."""
    opened = mapping.opened(recorded)
    uid, day = payload_digest(opened)[:UID_CHARS], iso_day(opened.day)
    folder = make_session_folder(parent, day=day, mode=label, uid=uid)
    try:
        about = describe_session(
            session=folder.name, uid=uid, day=day, mode=opened.mode.lower(), program=program
        )
        write_manifest(folder, about)
        with JournalWriter.create(folder, uid) as writer:
            yield _Run(folder, Runner(writer), mapping)
        close_session(folder, None)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


class _Mapping(msgspec.Struct, frozen=True):
    """The policy of facts with the configuration that was recorded and the one that replaces it."""

    recorded: Config
    other: Config

    def fact(self, event: Event) -> Event | None:
        """The fact as the policy lets it through; None where it is dropped."""
        kind = type(event).__name__
        if _POLICY[kind] == "KEEP":
            return event
        change = CHANGES.get(kind)
        return change(self, event) if change is not None else None

    def opened(self, event: Event) -> SessionOpened:
        """The identity under the configuration and the code that now run."""
        assert isinstance(event, SessionOpened)
        flat = settings.flatten(self.other)
        return replace(
            event,
            settings=flat,
            settings_digest=settings.digest(flat),
            code_digest=own_code_digest(),
            schema_digest=schema_digest(),
        )

    def carried(self, event: Event) -> CarriedOver:
        """The account with as much more capital as its setting has."""
        assert isinstance(event, CarriedOver)
        moved = self.other.account.capital_paise - self.recorded.account.capital_paise
        return replace(event, capital_paise=event.capital_paise + moved)

    def changed(self, event: Event) -> ConfigChanged | None:
        """The change without what the other configuration sets; None where nothing is left."""
        assert isinstance(event, ConfigChanged)
        before, after = settings.flatten(self.recorded), settings.flatten(self.other)
        held = {a.key for a, b in zip(before, after, strict=True) if a.value != b.value}
        left = tuple(one for one in event.settings if one.key not in held)
        return replace(event, settings=left) if left else None


CHANGES: Final[dict[str, Callable[[_Mapping, Event], Event | None]]] = {
    "SessionOpened": _Mapping.opened,
    "CarriedOver": _Mapping.carried,
    "ConfigChanged": _Mapping.changed,
}
"""How a kind is made anew or changed: one row for each REPLACE and MAP."""

assert set(CHANGES) == {k for k, policy in _POLICY.items() if policy in ("REPLACE", "MAP")}
