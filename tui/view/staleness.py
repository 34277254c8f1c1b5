"""How old the instruments are, and who uses them.

Lives here: ages against their limits, in buckets and by instrument. May import: projections.live,
tui's pure parts. Always holds: an instrument is judged by the limit of its kind; where there is no
limit nothing is judged; one that was never seen is counted apart, never as fresh.
Start reading at ``instrument_ages``.
"""

from __future__ import annotations

import itertools
from typing import Final, Literal

import msgspec

from projections.live.view import LiveView
from tui import fmt
from tui.store import Frame
from tui.view.why import CONTRACT_AGE, SPOT_AGE, age_limit_ms

Use = Literal["HELD", "CHOSEN", "INDEX", "VIX", "FUTURE", "CHAIN"]
NEEDED: Final[tuple[Use, ...]] = ("HELD", "CHOSEN", "INDEX", "VIX")
"""Uses for which an old price matters now."""
_BY_KIND: Final[dict[str, Use]] = {"INDEX": "INDEX", "VIX": "VIX", "FUT": "FUTURE"}
BUCKETS_S: Final = (1, 2, 5, 30)
"""Upper ends of the buckets; what is older is in the last one."""


class InstrumentAge(msgspec.Struct, frozen=True, gc=False):
    """An instrument by its index: who uses it, when it was last seen and how long ago (None:
    never), its limit."""

    index: int
    use: Use
    seen_ts: int | None
    age_ns: int | None
    limit_ms: int | None

    @property
    def stale(self) -> bool:
        """Beyond its limit, or needed and never seen."""
        if self.age_ns is None:
            return self.use == "HELD"
        return self.limit_ms is not None and self.age_ns > self.limit_ms * fmt.NS_PER_MS


def uses(view: LiveView) -> dict[int, Use]:
    """Who uses an instrument beyond its own kind: held positions, then chosen contracts."""
    found: dict[int, Use] = {}
    for row in view.underlyings:
        made = None if row.episode is None else row.episode.last.made
        if made is not None and made.contract is not None:
            found[made.contract] = "CHOSEN"
    found |= dict.fromkeys((row.contract for row in view.positions), "HELD")
    return found


def instrument_ages(frame: Frame) -> tuple[InstrumentAge, ...]:
    """Every instrument of the session in the order of its index."""
    view = frame.view
    used = uses(view)
    spot = age_limit_ms(view, None, *SPOT_AGE)
    contract = age_limit_ms(view, None, *CONTRACT_AGE)
    found = []
    for index, row in enumerate(view.instruments):
        seen = view.quotes.seen_ts(row.token)
        use = used.get(index) or _BY_KIND.get(row.kind, "CHAIN")
        limit = spot if row.kind in ("INDEX", "VIX") else contract
        found.append(InstrumentAge(index, use, seen, frame.age_ns(seen), limit))
    return tuple(found)


def buckets(rows: tuple[InstrumentAge, ...]) -> tuple[tuple[str, int], ...]:
    """(name, how many) of each bucket, then those that were never seen."""
    counts = [0] * (len(BUCKETS_S) + 1)
    never = 0
    for row in rows:
        if row.age_ns is None:
            never += 1
            continue
        seconds = row.age_ns / fmt.NS_PER_S
        counts[sum(seconds >= end for end in BUCKETS_S)] += 1
    names = [f"<{BUCKETS_S[0]}s"]
    names += [f"{low}-{high}s" for low, high in itertools.pairwise(BUCKETS_S)]
    names.append(f">{BUCKETS_S[-1]}s")
    return (*zip(names, counts, strict=True), ("never", never))
