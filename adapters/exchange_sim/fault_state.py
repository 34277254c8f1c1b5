"""A plan of faults as it unfolds: what is on, what is due next, what it hit.

Lives here: the state that requests, sockets and frames ask. Sans I/O. May import: events,
engine.rulebook. Always holds: every beginning, hit and end is on the record with its time of the
market; which of the candidates a share hits comes from the seed. Start reading at ``FaultState``.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from adapters.exchange_sim.faults import ONCE, Fault, kind_of
from adapters.markets.synthetic_random import SplitMix64, substream
from engine.rulebook import hhmmss_of

RECORD_MAX: Final = 10_000
"""Lines of the record that are kept."""

_STREAM: Final = 0xFA17


class Happened(msgspec.Struct, frozen=True, gc=False):
    """One line of the record: a fault began, hit something, or ended, at a time of the market."""

    ts: int
    kind: str
    what: str

    def text(self) -> str:
        """For a person: the time of day in IST first."""
        return f"{hhmmss_of(self.ts)} {self.kind}: {self.what}"


class Active:
    """A fault that is on. ``left`` is how many hits a counted one has."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left: int | None = fault.settings.get("count")
        self.stopped = False

    def is_over(self, now_ns: int) -> bool:
        """Whether its time or its count is up, or somebody stopped it."""
        to_ns = self.fault.to_ns
        return self.stopped or self.left == 0 or (to_ns is not None and to_ns <= now_ns)

    def __getitem__(self, name: str) -> Any:
        return self.fault.settings[name]


class FaultState:
    """The plan as it unfolds: what is on, what is due next, and the record of what happened."""

    def __init__(self, plan: tuple[Fault, ...], seed: int = 0) -> None:
        self._due = list(plan)
        self._on: list[Active] = []
        self._random = SplitMix64(substream(seed, _STREAM))
        self.record: list[Happened] = []

    @property
    def planned(self) -> int:
        """How many faults have still to begin."""
        return len(self._due)

    def due_ns(self) -> int | None:
        """When the next fault begins or ends."""
        ends = [on.fault.to_ns for on in self._on if on.fault.to_ns is not None]
        begins = [self._due[0].from_ns] if self._due else []
        return min(ends + begins, default=None)

    def add(self, fault: Fault) -> None:
        """One more fault, from a person at the controls."""
        self._due = sorted([*self._due, fault], key=lambda each: each.from_ns)

    def begin(self, now_ns: int) -> list[Active]:
        """The faults that begin by now, in order; one of kind ONCE is not on afterwards."""
        begun = []
        while self._due and self._due[0].from_ns <= now_ns:
            active = Active(self._due.pop(0))
            begun.append(active)
            if kind_of(active.fault.kind).how != ONCE:
                self._on.append(active)
            self.note(now_ns, active.fault.kind, "begins" if active in self._on else "happens")
        return begun

    def stop(self, *kinds: str) -> None:
        """Have what is on of these kinds end next, whatever was planned."""
        for active in self._on:
            active.stopped |= active.fault.kind in kinds

    def end(self, now_ns: int) -> list[Active]:
        """The faults that are over by now, taken off."""
        over = [on for on in self._on if on.is_over(now_ns)]
        for active in over:
            self._on.remove(active)
            self.note(now_ns, active.fault.kind, "ends")
        return over

    def on(self, *kinds: str) -> Active | None:
        """The first fault of these kinds that is on."""
        return next((on for on in self._on if on.fault.kind in kinds and on.left != 0), None)

    def kinds_on(self) -> tuple[str, ...]:
        """The kinds that are on, in order of their beginning."""
        return tuple(on.fault.kind for on in self._on if on.left != 0)

    def strike(self, now_ns: int, kind: str, route: str) -> Active | None:
        """A fault of ``kind`` that concerns a request on ``route``: counted, noted and given."""
        for on in self._on:
            asked = on.fault.settings.get("requests", ("all",))
            if on.fault.kind == kind and on.left != 0 and (route in asked or "all" in asked):
                if on.left is not None:
                    on.left -= 1
                self.note(now_ns, kind, f"hits {route}")
                return on
        return None

    def chance(self, now_ns: int, kind: str) -> Active | None:
        """A fault of ``kind`` where its share has it happen this time."""
        on = self.on(kind)
        if on is None or self._random.below(1_000) >= on["share_per_mille"]:
            return None
        self.note(now_ns, kind, "hits")
        return on

    def draw(self, bound: int) -> int:
        """A number below ``bound`` from the state's own seed."""
        return self._random.below(bound)

    def note(self, now_ns: int, kind: str, what: str) -> None:
        """Put a line on the record; past its limit the oldest go."""
        self.record.append(Happened(now_ns, kind, what))
        del self.record[:-RECORD_MAX]
