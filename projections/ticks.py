"""Ticks: from the bytes of frames to columns, many frames at once.

Lives here: the decoding of what ``projections.tables.TICK_COLUMNS`` declares. May import: events,
projections.tables, polars, pyarrow. Always holds: integers only; a frame that does not keep its own
lengths gives no tick, as in the core; nothing is read or written.
Start reading at ``TickBuffer``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl
import pyarrow as pa

from events.feed import FeedFrame
from events.wire import kite
from projections.tables import TICK_COLUMNS

_LENGTH_WORD_SIZE: Final = 2
_NS: Final = 1_000_000_000
_PAISE_DIVISOR: Final = 100
_U32: Final = pl.UInt32()
_I32: Final = pl.Int32()

Field = tuple[str, int, "pl.UInt32 | pl.Int32"]

_LTP: Final[tuple[Field, ...]] = (("token", 0, _U32), ("ltp_paise", 4, _I32))
_QUOTE: Final[tuple[Field, ...]] = (*_LTP, ("last_units", 8, _U32), ("volume_units", 16, _U32))
_FULL: Final[tuple[Field, ...]] = (
    *_QUOTE,
    ("last_trade_ts", 44, _U32),
    ("oi_units", 48, _U32),
    ("exchange_ts", 60, _U32),
    ("bid_units", 64, _U32),
    ("bid_paise", 68, _I32),
    ("ask_units", 124, _U32),
    ("ask_paise", 128, _I32),
)
_FIELDS: Final[dict[int, tuple[Field, ...]]] = {
    kite.LTP_SIZE: _LTP,
    kite.INDEX_QUOTE_SIZE: _LTP,
    kite.INDEX_FULL_SIZE: (*_LTP, ("exchange_ts", 28, _U32)),
    kite.QUOTE_SIZE: _QUOTE,
    kite.FULL_SIZE: _FULL,
}
"""Packet length to the fields read from it: name, byte offset in the packet, wire type."""

_POLARS_TYPES: Final = {"BIGINT": pl.Int64(), "INTEGER": pl.Int32()}
_SCHEMA: Final = {name: _POLARS_TYPES[kind] for name, kind, _ in TICK_COLUMNS}
_OTHER_SCALE: Final = tuple(
    int(segment) for segment in kite.Segment if kite.price_divisor(int(segment)) != _PAISE_DIVISOR
)
"""Segments whose wire prices are not paise: their price columns stay null."""


class _Runs:
    """Runs of packets of one length, waiting to be decoded together."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.seqs: list[int] = []
        self.times: list[int] = []
        self.firsts: list[int] = []
        self.counts: list[int] = []


class TickBuffer:
    """Gathers frames; ``take`` decodes all of them in a few vector operations."""

    def __init__(self, tokens: Sequence[int] = ()) -> None:
        self.set_instruments(tokens)
        self._runs: dict[int, _Runs] = {}
        self.count = 0
        """Packets gathered and not yet taken."""
        self.first_seq = 0
        """Seq of the first frame since the last ``take``, 0 for none."""
        self.last_seq = 0
        """Seq of the last frame seen."""

    def set_instruments(self, tokens: Sequence[int]) -> None:
        """The broker's tokens in the order of instrument indices."""
        self._tokens = pl.DataFrame(
            {"token": tokens, "instrument": range(len(tokens))},
            schema={"token": pl.Int64, "instrument": pl.Int32},
        ).unique("token", keep="first", maintain_order=True)

    def add(self, seq: int, ts: int, frame: FeedFrame) -> None:
        """Take a frame (ns UTC). One whose lengths lie, or of another codec, gives no tick."""
        self.last_seq = seq
        self.first_seq = self.first_seq or seq
        if (frame.codec, frame.codec_version) != (kite.CODEC_NAME, kite.CODEC_VERSION):
            return
        try:
            walk = kite.walk(frame.data)
        except kite.FrameError:
            return
        for run in walk.runs:
            runs = self._runs.setdefault(run.size, _Runs())
            runs.parts.append(frame.data[run.start : run.stop])
            runs.seqs.append(seq)
            runs.times.append(ts)
            runs.firsts.append(run.first)
            runs.counts.append(run.count)
            self.count += run.count

    def take(self) -> pl.DataFrame:
        """Everything gathered since the last call, decoded and unsorted, columns as declared."""
        frames = [_decode(size, runs) for size, runs in sorted(self._runs.items())]
        self._runs = {}
        self.count = 0
        self.first_seq = 0
        if not frames:
            return pl.DataFrame(schema=_SCHEMA)
        ticks = pl.concat(frames, how="diagonal").join(
            self._tokens, on="token", how="left", maintain_order="left"
        )
        return _cleaned(ticks)


def _decode(size: int, runs: _Runs) -> pl.DataFrame:
    """Packets of one length: their fields in the wire's own numbers."""
    stride = size + 2
    places = (
        pl.DataFrame(
            {"seq": runs.seqs, "ts": runs.times, "first": runs.firsts, "count": runs.counts}
        )
        .with_columns(pl.int_ranges(0, "count").alias("place"))
        .explode("place")
        .select("seq", "ts", (pl.col("first") + pl.col("place")).alias("idx"))
    )
    data = b"".join(runs.parts)
    packets = pl.from_arrow(
        pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(stride), len(data) // stride, [None, pa.py_buffer(data)]
        )
    )
    assert isinstance(packets, pl.Series)
    packet = pl.col("packet").bin
    fields = [
        packet.slice(offset + _LENGTH_WORD_SIZE, 4)
        .bin.reinterpret(dtype=kind, endianness="big")
        .cast(pl.Int64)
        .alias(name)
        for name, offset, kind in _FIELDS[size]
    ]
    return places.with_columns(packets.alias("packet"), pl.lit(size).alias("packet_bytes")).select(
        "seq", "ts", "idx", "packet_bytes", *fields
    )


def _cleaned(ticks: pl.DataFrame) -> pl.DataFrame:
    """Unknown as null, stamps as ns, prices only where the wire's unit is paise."""
    have = set(ticks.columns)
    paise = ~(pl.col("token") % 256).is_in(_OTHER_SCALE)
    rules = {
        "ltp_paise": pl.when(paise & (pl.col("ltp_paise") != 0)).then("ltp_paise"),
        "exchange_ts": _stamp("exchange_ts"),
        "last_trade_ts": _stamp("last_trade_ts"),
        **_side("bid", paise),
        **_side("ask", paise),
    }
    exprs = [rule.alias(name) for name, rule in rules.items() if name in have]
    missing = [pl.lit(None).alias(name) for name in _SCHEMA if name not in have]
    return ticks.with_columns(*exprs, *missing).select(
        pl.col(name).cast(kind) for name, kind in _SCHEMA.items()
    )


def _stamp(name: str) -> pl.Expr:
    return pl.when(pl.col(name) != 0).then(pl.col(name) * _NS)


def _side(side: str, paise: pl.Expr) -> dict[str, pl.Expr]:
    price, units = f"{side}_paise", f"{side}_units"
    there = paise & (pl.col(price) != 0)
    return {price: pl.when(there).then(price), units: pl.when(there).then(units)}
