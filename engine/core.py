"""The step from one fact to its group: apply, decide, apply, to a fixed point.

Lives here: the FIFO within a fact. May import: events, engine. Always holds: the same facts give
the same bytes; the group is the fact and everything it leads to, with the fact's ``ts`` and
``cause``; work within a fact is bounded.
Start reading at ``Core.step``.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import msgspec
from msgspec.structs import replace

from engine.apply import Entry, apply
from engine.decide import decide
from engine.lookup import EMPTY_LOOKUP, Lookup, lookup_for
from engine.quiet import QuietFrame, fold_quiet, quiet_frame, quiet_until
from engine.state import EMPTY, State
from engine.work import NOTHING, Item
from events.base import Event
from events.envelope import EnvelopeBytes, encode_envelope, split_envelope
from events.feed import FeedFrame
from events.registry import BY_KIND, BY_STRUCT

ITEMS_MAX: Final = 10_000
"""Work items that one fact may lead to; a day's worst is about a hundred."""

WAITING_MAX: Final = 4_096
"""Packets that may wait: they are folded in about a millisecond, whenever somebody asks."""

SPLIT_BYTES_MIN: Final = 4_096
"""A frame from this length on is not copied into its envelope."""

LAYOUT_KINDS: Final = ("InstrumentsLoaded",)
"""Facts after which the caches beside the state are rebuilt."""


class CoreFault(RuntimeError):  # noqa: N818 - named for the condition
    """``ENGINE_FAULT``: a reducer or a rule failed on an entry, which is never passed over.

    The message names the entry's seq and kind; the state is not to be used any more.
    """


class CoreLoopError(CoreFault):
    """``CORE_LOOP_LIMIT``: one fact led to more than ``ITEMS_MAX`` work items."""


class Derived(msgspec.Struct, frozen=True, gc=False):
    """One derivation: its entry and its canonical envelope bytes."""

    entry: Entry
    data: bytes


class Core:
    """The state with the caches beside it.

    ``step`` moves it by a fact and what that leads to, ``take`` by an entry that was recorded.
    Frames that lead to nothing wait until the state is asked for, and are then folded at once
    (``engine.quiet``): ``state`` is after the last fact whenever it is looked at, as if none had.
    """

    __slots__ = ("_before", "_packets", "_quiet_until", "_state", "_waiting", "look")

    def __init__(self, state: State = EMPTY) -> None:
        self.look: Lookup = lookup_for(state) if state.instruments else EMPTY_LOOKUP
        self._waiting: list[QuietFrame] = []
        self._packets = 0
        self.state = self._before = state

    @property
    def state(self) -> State:
        """The state after the last fact. Raises ``CoreFault``."""
        if self._waiting:
            self._fold()
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state
        self._waiting.clear()
        self._packets = 0
        self._quiet_until: int | None = None

    @property
    def now(self) -> int:
        """``state.now``, without folding anything."""
        return self._waiting[-1].ts if self._waiting else self._state.now

    @property
    def before(self) -> State:
        """The state before the last fact that ``step`` took; to be asked before ``state`` is."""
        if len(self._waiting) > 1:
            return fold_quiet(self._state, self._waiting[:-1], self.look)
        return self._state if self._waiting else self._before

    def step(self, seq: int, ts: int, event: Event) -> list[Derived]:
        """Apply one fact and all it leads to; gives the derivations in order.

        Raises ``CoreFault``; a ``ts`` before the last fact's is a programming error.
        """
        assert ts >= self.now, f"fact {seq} lies before the session clock"
        if isinstance(event, FeedFrame) and self._waits(seq, ts, event):
            return []
        self._before = self.state
        try:
            return self._step(seq, ts, event)
        except CoreFault:
            raise
        except Exception as error:
            raise _fault(seq, type(event).__name__, error) from error

    def take(self, entry: Entry) -> None:
        """Apply one recorded entry, fact or derivation, as it stands. Raises ``CoreFault``."""
        event = entry.event
        if isinstance(event, FeedFrame) and self._waits(entry.seq, entry.ts, event):
            return
        try:
            self._apply(entry)
        except CoreFault:
            raise
        except Exception as error:
            raise _fault(entry.seq, entry.kind, error) from error

    def _waits(self, seq: int, ts: int, event: FeedFrame) -> bool:
        """Let a frame wait, if it is a good one and leads to nothing."""
        if self._quiet_until is None:
            self._quiet_until = quiet_until(self._state)
        if ts >= self._quiet_until:
            return False
        one = quiet_frame(event, ts, seq)
        if one is None:
            return False
        if self._packets > WAITING_MAX:
            self._fold()
        self._waiting.append(one)
        self._packets += one.packets.packets or 1
        return True

    def _fold(self) -> None:
        last = self._waiting[-1]
        try:
            self._state = fold_quiet(self._state, self._waiting, self.look)
        except Exception as error:
            raise _fault(last.seq, type(last.event).__name__, error) from error
        self._waiting.clear()
        self._packets = 0

    def _step(self, seq: int, ts: int, event: Event) -> list[Derived]:
        fact = Entry(seq, BY_STRUCT[type(event)].kind, ts, seq, event)
        self._apply(fact)
        queue = deque((Item(fact.kind, 0, fact),))
        derived: list[Derived] = []
        items = 0
        while queue:
            items += 1
            if items > ITEMS_MAX:
                raise CoreLoopError(f"CORE_LOOP_LIMIT: fact {seq} led to over {ITEMS_MAX} items")
            item = queue.popleft()
            outcome = decide(self._state, item, self.look, seq + len(derived) + 1)
            if outcome is NOTHING:
                continue
            reactions: list[Item] = []
            for output in outcome.events:
                one = self._derive(seq + len(derived) + 1, ts, seq, output)
                derived.append(one)
                reactions.append(Item(one.entry.kind, 0, one.entry))
            # What an event leads to comes before the steps behind it, and those before the rest.
            reactions.extend(Item(step, arg, fact) for step, arg in outcome.steps)
            queue.extendleft(reversed(reactions))
        return derived

    def _derive(self, seq: int, ts: int, cause: int, event: Event) -> Derived:
        spec = BY_STRUCT[type(event)]
        entry = Entry(seq, spec.kind, ts, cause, event)
        self._state = apply(self._state, entry, self.look)
        return Derived(entry, encode_envelope(seq, spec.kind, spec.version, ts, cause, event))

    def _apply(self, entry: Entry) -> None:
        if self._waiting:
            self._fold()
        self._quiet_until = None
        self._state = apply(self._state, entry, self.look)
        if entry.kind in LAYOUT_KINDS:
            self.look = lookup_for(self._state)


def _fault(seq: int, kind: str, error: Exception) -> CoreFault:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return CoreFault(f"ENGINE_FAULT: the engine failed on entry {seq} ({kind}): {what}")


def encode_fact(seq: int, ts: int, event: Event) -> bytes:
    """Canonical envelope bytes of a fact (its own cause)."""
    spec = BY_STRUCT[type(event)]
    assert BY_KIND[spec.kind].role == "FACT", f"{spec.kind} is no fact"
    return encode_envelope(seq, spec.kind, spec.version, ts, seq, event)


def fact_bytes(seq: int, ts: int, event: Event) -> EnvelopeBytes:
    """``encode_fact`` for the journal: a frame keeps its bytes where they are."""
    if isinstance(event, FeedFrame) and len(event.data) >= SPLIT_BYTES_MIN:
        empty = replace(event, data=b"")
        return split_envelope(encode_fact(seq, ts, empty), event.data)
    return encode_fact(seq, ts, event)
