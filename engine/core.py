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

from engine.apply import Entry, apply
from engine.decide import NOTHING, Item, decide
from engine.lookup import EMPTY_LOOKUP, Lookup, lookup_for
from engine.state import EMPTY, State
from events.base import Event
from events.envelope import encode_envelope
from events.registry import BY_KIND, BY_STRUCT

ITEMS_MAX: Final = 10_000
"""Work items that one fact may lead to; a day's worst is about a hundred."""

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
    """

    __slots__ = ("look", "state")

    def __init__(self, state: State = EMPTY) -> None:
        self.state = state
        self.look: Lookup = lookup_for(state) if state.instruments else EMPTY_LOOKUP

    def step(self, seq: int, ts: int, event: Event) -> list[Derived]:
        """Apply one fact and all it leads to; gives the derivations in order.

        Raises ``CoreFault``; a ``ts`` before the last fact's is a programming error.
        """
        assert ts >= self.state.now, f"fact {seq} lies before the session clock"
        try:
            return self._step(seq, ts, event)
        except CoreFault:
            raise
        except Exception as error:
            raise _fault(seq, type(event).__name__, error) from error

    def take(self, entry: Entry) -> None:
        """Apply one recorded entry, fact or derivation, as it stands. Raises ``CoreFault``."""
        try:
            self._apply(entry)
        except Exception as error:
            raise _fault(entry.seq, entry.kind, error) from error

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
            outcome = decide(self.state, item, self.look, seq + len(derived) + 1)
            if outcome is NOTHING:
                continue
            reactions: list[Item] = []
            for output in outcome.events:
                one = self._derive(seq, ts, len(derived), output)
                derived.append(one)
                reactions.append(Item(one.entry.kind, 0, one.entry))
            # What an event leads to comes before the steps behind it, and those before the rest.
            reactions.extend(Item(step, arg, fact) for step, arg in outcome.steps)
            queue.extendleft(reversed(reactions))
        return derived

    def _derive(self, cause: int, ts: int, before: int, event: Event) -> Derived:
        spec = BY_STRUCT[type(event)]
        seq = cause + before + 1
        entry = Entry(seq, spec.kind, ts, cause, event)
        self.state = apply(self.state, entry, self.look)
        return Derived(entry, encode_envelope(seq, spec.kind, spec.version, ts, cause, event))

    def _apply(self, entry: Entry) -> None:
        self.state = apply(self.state, entry, self.look)
        if entry.kind in LAYOUT_KINDS:
            self.look = lookup_for(self.state)


def _fault(seq: int, kind: str, error: Exception) -> CoreFault:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return CoreFault(f"ENGINE_FAULT: the engine failed on entry {seq} ({kind}): {what}")


def encode_fact(seq: int, ts: int, event: Event) -> bytes:
    """Canonical envelope bytes of a fact (its own cause)."""
    spec = BY_STRUCT[type(event)]
    assert BY_KIND[spec.kind].role == "FACT", f"{spec.kind} is no fact"
    return encode_envelope(seq, spec.kind, spec.version, ts, seq, event)
