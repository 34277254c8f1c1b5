"""A recorded option-chain day as a market: pages become frames of Kite packets.

Lives here: the market and its instruments. May import: events, engine.rulebook, the ``chain_``
modules beside it. Always holds: integers only; a contract that did
not change sends nothing; every page gives at least a heartbeat; what the file does not have is
declared in ``LACKS`` and is zero on the wire, never invented. Start reading at ``open_chain``.

Page to frames. Packets are Kite's full packets with one level of depth; volume and open interest
are contracts x lot. They carry the exchange's own stamp, while frames carry the time at which the
page was collected, so a reader sees how old the page was. A page whose stamp is not newer than the
last one is stale: what changed in it is still sent, but it is no fresh print of the index. The
index itself is an estimate (rule in ``chain_index``) on a row marked ``estimated``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from adapters.markets.chain_file import (
    NUMBER_COLUMNS,
    ChainContract,
    ChainFile,
    ChainFileError,
    ChainPage,
    Row,
    read_chain,
)
from adapters.markets.chain_index import carry_pair, close_of, estimate_index
from adapters.markets.port import MarketError, MarketFrame
from engine.rulebook import (
    NS_PER_S,
    Rulebook,
    RuleMissingError,
    add_days,
    weekday_of,
)
from events.session import CycleRule, Instrument, MarketIdentity
from events.wire.kite import HEARTBEAT, HOT_FULL, Segment, encode_frame, encode_index

CADENCE_MS: Final = 60_000
"""Pages come about once a minute; inside an outage decisions go on at this pace."""
GAP_MS_MAX: Final = 130_000
"""Longer than this without a page is an outage: twice the usual distance between pages."""
BAR_MS: Final = 300_000
"""Indicators run on five-minute bars: a one-minute bar would hold a single print."""
FRAME_PACKETS_MAX: Final = 200
CONNECTION: Final = 0

LACKS: Final = (
    *("index", "future", "vix", "depth_beyond_1", "history"),
    *("average_price", "day_ohlc", "depth_orders", "last_quantity", "last_trade_time"),
    *("oi_day_range", "previous_close", "total_quantity"),
)
"""The first five are what a gate may need; the rest are fields of a packet that no page fills."""

INDICES: Final = (("NIFTY", 256265, "NIFTY 50"), ("BANKNIFTY", 260105, "NIFTY BANK"))
"""Underlying, Kite's token and symbol of the index whose estimate stands in."""

EXCHANGE_TOKEN_FIRST: Final = 35_001
"""Tokens of contracts are made up (the file has none) but valid: exchange token << 8 | segment."""

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                  "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")  # fmt: skip
_WEEKLY_MONTHS: Final = "123456789OND"
_PRICE_MAX: Final = (1 << 31) - 1
_QUANTITY_MAX: Final = (1 << 32) - 1


class ChainMarket:
    """One recorded day, as ``adapters.markets.port.Market``; make it with ``open_chain``."""

    def __init__(self, file: ChainFile, rulebook: Rulebook) -> None:
        self.file = file
        self._rows = _instruments(file, rulebook)
        self._lot_units = self._rows[-1].lot_units
        window = rulebook.session_window(file.day, "fno", "NSE")
        if window is None:
            raise MarketError(
                f"the rulebook knows no derivatives session on {file.day}: add a row with source"
            )
        self.open_ns = window.open_ns
        self.close_ns = window.close_ns
        self.day = file.day
        self.anchor_ns = file.pages[0].ts
        self.cycle_rule = CycleRule("AFTER_SNAPSHOT", CADENCE_MS, GAP_MS_MAX)
        self.dump_digest = hashlib.sha256(msgspec.msgpack.encode(self._rows)).hexdigest()
        self.identity = MarketIdentity("chain", None, None, self._content(), LACKS, BAR_MS)
        self._carry = carry_pair(file.contracts, file.day)
        self._check_ranges()

    def _content(self) -> str:
        """The rows of the file, and of the rulebook what decides how they are sent."""
        parts = (self.file.content_digest(), self.dump_digest, self.open_ns, self.close_ns)
        return hashlib.sha256(msgspec.msgpack.encode(parts)).hexdigest()

    def _check_ranges(self) -> None:
        """Every number fits its field of the packet, so that no page can fail half way."""
        for name in NUMBER_COLUMNS:
            scale = self._lot_units if name.endswith("_contracts") else 1
            most = _PRICE_MAX if name.endswith("_paise") else _QUANTITY_MAX
            if self.file.maximum(name) * scale > most:
                raise ChainFileError(
                    f"column {name} holds {self.file.maximum(name)}, more than a packet can carry"
                )

    def instruments(self) -> tuple[Instrument, ...]:
        """The estimated index first, then contracts by expiry, strike and right."""
        return self._rows

    def frames(self) -> Iterator[MarketFrame]:
        """The day's frames; those of one page share its time, the last is its ``snapshot_end``."""
        for page, _, _, changed, index_paise in self.pages():
            packets = [] if index_paise is None else [self._index_packet(page, index_paise)]
            packets.extend(self._packet(row, page.stamp_s) for row in changed)
            yield from _page_frames(page.ts, packets)

    def pages(self) -> Iterator[tuple[ChainPage, bool, list[Row], list[Row], int | None]]:
        """(page, stamp is new, its rows, those that changed, index estimate in paise or None)."""
        known: dict[int, Row] = {}
        newest_s = 0
        for page in self.file.pages:
            rows = self.file.rows(page)
            changed = [row for row in rows if known.get(row[0]) != row]
            known.update((row[0], row) for row in changed)
            fresh = page.stamp_s > newest_s
            newest_s = max(newest_s, page.stamp_s)
            yield page, fresh, rows, changed, self._index(page, rows) if fresh else None

    def _index(self, page: ChainPage, rows: list[Row]) -> int | None:
        """The estimate at the instant of the exchange's stamp: that is when the quotes stood."""
        if self._carry is None:
            return None
        near, far = (
            close_of(expiry, self.day, self.close_ns)
            for expiry in (self._carry.near, self._carry.far)
        )
        return estimate_index(self._carry, rows, page.stamp_s * NS_PER_S, near, far)

    def _index_packet(self, page: ChainPage, index_paise: int) -> bytes:
        return encode_index(self._rows[0].token, index_paise, 0, 0, 0, 0, 0, page.stamp_s)

    def _packet(self, row: Row, stamp_s: int) -> bytes:
        """A full packet. Pad bytes pack as zeros, so the hot format, less its length word, writes
        one whose other fields are all empty."""
        contract, bid, bid_units, ask, ask_units, last, volume, oi = row
        lot = self._lot_units
        token = self._rows[contract + 1].token
        return HOT_FULL.pack(
            token, last, 0, volume * lot, oi * lot, stamp_s, bid_units, bid, ask_units, ask
        )[2:]


def _page_frames(ts: int, packets: list[bytes]) -> Iterator[MarketFrame]:
    """A page's packets in frames of equal time; a heartbeat when there are none."""
    if not packets:
        yield MarketFrame(ts, HEARTBEAT, CONNECTION, True)
    for start in range(0, len(packets), FRAME_PACKETS_MAX):
        stop = start + FRAME_PACKETS_MAX
        frame = encode_frame(packets[start:stop])
        yield MarketFrame(ts, frame, CONNECTION, stop >= len(packets))


def open_chain(path: Path, rulebook: Rulebook) -> ChainMarket:
    """The market of a recorded day; the rulebook gives lot, tick, hours and symbol spelling.

    Raises ``ChainFileError`` on the file and ``MarketError`` on a rule that no row gives.
    """
    file = read_chain(path)
    try:
        return ChainMarket(file, rulebook)
    except MarketError as error:
        raise type(error)(f"{path}: {error}") from error
    except RuleMissingError as error:
        raise MarketError(f"{path}: {error}") from error


# --- instruments ----------------------------------------------------------------------------------


def _instruments(file: ChainFile, rulebook: Rulebook) -> tuple[Instrument, ...]:
    """One row for the index, one a contract. Raises ``MarketError``, ``RuleMissingError``."""
    name = file.underlying
    index = next(((token, symbol) for u, token, symbol in INDICES if u == name), None)
    if index is None:
        known = ", ".join(underlying for underlying, _, _ in INDICES)
        raise MarketError(f"{name} is no underlying of a chain day here (known: {known})")
    lot = int(rulebook.require("lot", name, file.day).value)
    tick = int(rulebook.require("tick", name, file.day).value)
    spelt = {
        expiry: name + _expiry_word(rulebook, name, expiry)
        for expiry in sorted({contract.expiry for contract in file.contracts})
    }
    return (
        Instrument(index[0], "NSE", index[1], name, "INDEX", 0, 0, 0, tick, "estimated"),
        *(
            _option(i, contract, name, spelt[contract.expiry], lot, tick)
            for i, contract in enumerate(file.contracts)
        ),
    )


def _option(
    i: int, contract: ChainContract, name: str, spelt: str, lot: int, tick: int
) -> Instrument:
    token = (EXCHANGE_TOKEN_FIRST + i) << 8 | Segment.NFO
    symbol = f"{spelt}{contract.strike_paise // 100}{contract.right}"
    return Instrument(
        *(token, "NFO", symbol, name, contract.right, contract.expiry),
        *(contract.strike_paise, lot, tick, "exchange"),
    )


def _expiry_word(rulebook: Rulebook, underlying: str, expiry: int) -> str:
    """Kite's spelling: ``25SEP`` for the month's last expiry, else ``25902`` (O, N, D from ten).

    An expiry moved before a holiday keeps its week, so the month is judged by the nominal weekday
    at or after it: that needs no calendar, which listed years run ahead of.
    """
    weekday = rulebook.require("expiry.monthly", underlying, expiry).value
    nominal = expiry
    while weekday_of(nominal) != weekday:
        nominal = add_days(nominal, 1)
    year, month, day = expiry // 10_000 % 100, expiry // 100 % 100, expiry % 100
    if add_days(nominal, 7) // 100 != nominal // 100:
        return f"{year:02d}{_MONTHS[month - 1]}"
    return f"{year:02d}{_WEEKLY_MONTHS[month - 1]}{day:02d}"
