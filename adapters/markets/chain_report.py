"""What a recorded option-chain file holds, before anyone trades on it.

Lives here: the report of one pass over a file's pages. May import: engine.rulebook, the ``chain``
modules beside it. Always holds: a report is of the market that a backtest would see, with the same
content digest; a *problem* contradicts the file's own schema or the exchange's rules, a *note* is
an oddity that a good day has. Start reading at ``describe_chain``.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from adapters.markets.chain import GAP_MS_MAX, ChainMarket, open_chain
from adapters.markets.chain_file import ChainPage, Row
from engine.rulebook import NS_PER_S, Rulebook


class ChainGap(msgspec.Struct, frozen=True):
    """A silence longer than ``GAP_MS_MAX``, from page to page (ns UTC)."""

    from_ts: int
    to_ts: int


class ChainReport(msgspec.Struct, frozen=True):
    """What a file holds. Times in ns UTC, ages in seconds; ``problems`` is empty for a good file.

    ``packets`` is what the market sends, index estimates included; ``quiet_pages`` change nothing,
    ``stale_pages`` repeat an earlier stamp. ``notes`` are oddities that a real day has.
    """

    underlying: str
    day: int
    rows: int
    snapshots: int
    contracts: int
    expiries: tuple[int, ...]
    first_ts: int
    last_ts: int
    packets: int
    index_prints: int
    quiet_pages: int
    stale_pages: int
    gaps: tuple[ChainGap, ...]
    stamp_age_s_median: int
    stamp_age_s_max: int
    content_digest: str
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def describe_chain(path: Path, rulebook: Rulebook) -> ChainReport:
    """Read, check and describe a recorded day. Raises what ``open_chain`` raises."""
    market = open_chain(path, rulebook)
    return _Survey(market).report()


class _Survey:
    """Counts over one pass of a market's pages."""

    def __init__(self, market: ChainMarket) -> None:
        self.market = market
        self.file = market.file
        self.packets = 0
        self.prints = 0
        self.quiet = 0
        self.stale = 0
        self.odd = dict.fromkeys((*_PROBLEMS, *_NOTES), 0)
        self.volumes: dict[int, int] = {}
        for page, fresh, rows, changed, index_paise in market.pages():
            self._page(page, rows)
            self.packets += len(changed) + (index_paise is not None)
            self.prints += index_paise is not None
            self.quiet += not changed
            self.stale += not fresh
            self.odd["no_index"] += fresh and index_paise is None
            for row in changed:
                self._row(row)

    def _page(self, page: ChainPage, rows: list[Row]) -> None:
        seconds = page.ts // NS_PER_S
        self.odd["ahead"] += page.stamp_s > seconds
        self.odd["hours"] += not self.market.open_ns <= page.ts < self.market.close_ns
        self.odd["absent"] += len(rows) < len(self.file.contracts)

    def _row(self, row: Row) -> None:
        contract, bid, bid_units, ask, ask_units, last, volume, _ = row
        self.odd["crossed"] += 0 < ask <= bid
        self.odd["half"] += (bid == 0) != (bid_units == 0) or (ask == 0) != (ask_units == 0)
        tick = self.market.instruments()[0].tick_paise
        self.odd["tick"] += any(price % tick for price in (bid, ask, last))
        self.odd["volume"] += volume < self.volumes.get(contract, 0)
        self.volumes[contract] = volume

    def report(self) -> ChainReport:
        pages = self.file.pages
        ages = sorted(page.ts // NS_PER_S - page.stamp_s for page in pages)
        expiries = sorted({contract.expiry for contract in self.file.contracts})
        self.odd["backward"] += sum(b.stamp_s < a.stamp_s for a, b in pairwise(pages))
        self.odd["expired"] += sum(expiry < self.file.day for expiry in expiries)
        return ChainReport(
            underlying=self.file.underlying,
            day=self.file.day,
            rows=self.file.rows_count,
            snapshots=len(pages),
            contracts=len(self.file.contracts),
            expiries=tuple(expiries),
            first_ts=pages[0].ts,
            last_ts=pages[-1].ts,
            packets=self.packets,
            index_prints=self.prints,
            quiet_pages=self.quiet,
            stale_pages=self.stale,
            gaps=tuple(
                ChainGap(a.ts, b.ts)
                for a, b in pairwise(pages)
                if b.ts - a.ts > GAP_MS_MAX * 1_000_000
            ),
            stamp_age_s_median=ages[(len(ages) - 1) // 2],
            stamp_age_s_max=ages[-1],
            content_digest=str(self.market.identity.content_digest),
            problems=self._told(_PROBLEMS),
            notes=self._told(_NOTES),
        )

    def _told(self, sentences: dict[str, str]) -> tuple[str, ...]:
        return tuple(
            text.format(self.odd[word]) for word, text in sentences.items() if self.odd[word]
        )


_PROBLEMS: Final = {
    "ahead": "{} pages carry an exchange stamp later than their collection",
    "backward": "{} pages carry an exchange stamp older than the page before",
    "hours": "{} pages lie outside trading hours",
    "crossed": "{} quotes have a bid at or above the ask",
    "half": "{} quotes have a price without quantity or a quantity without price",
    "tick": "{} quotes are off the tick",
    "expired": "{} expiries lie before the day",
    "no_index": "{} fresh pages allow no estimate of the index",
}
_NOTES: Final = {
    "absent": "{} pages lack contracts that other pages have",
    "volume": "{} times the day's volume of a contract fell",
}
