"""A small generated option-chain day in the schema of the recorded one, with planted forwards."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from adapters.rulebook.load import load_rows
from engine.rulebook import Rulebook

RULEBOOK = Rulebook(load_rows())
LOT = 75
NEAR, FAR = date(2025, 9, 2), date(2025, 9, 30)
FORWARDS = {NEAR: 2_450_000, FAR: 2_464_000}
"""Planted forwards in paise."""
STRIKES = tuple(range(24_300, 24_750, 50))

SCHEMA = pa.schema(
    [
        ("ts_ist", pa.timestamp("ms")),
        ("exchange_ts_ist", pa.timestamp("ms")),
        ("underlying", pa.large_string()),
        ("expiry", pa.date32()),
        ("strike", pa.int32()),
        ("right", pa.large_string()),
        ("bid_paise", pa.int32()),
        ("bid_qty", pa.int32()),
        ("ask_paise", pa.int32()),
        ("ask_qty", pa.int32()),
        ("ltp_paise", pa.int32()),
        ("volume_contracts", pa.int32()),
        ("oi_contracts", pa.int32()),
        ("oi_change_contracts", pa.int32()),
        ("iv_pct", pa.float32()),
    ]
)

Rows = list[dict[str, Any]]


def quote(expiry: date, strike: int, right: str) -> dict[str, Any]:
    """A contract's quote whose mids obey parity with the planted forward exactly."""
    above = FORWARDS[expiry] - 100 * strike
    mid = 100_000 + (above if right == "CE" else 0)
    return {
        "underlying": "NIFTY",
        "expiry": expiry,
        "strike": strike,
        "right": right,
        "bid_paise": mid - 5,
        "bid_qty": 75,
        "ask_paise": mid + 5,
        "ask_qty": 150,
        "ltp_paise": mid,
        "volume_contracts": 100,
        "oi_contracts": 40,
        "oi_change_contracts": 3,
        "iv_pct": 12.5,
    }


def page(at: str, stamp: str, strikes: tuple[int, ...] = STRIKES) -> Rows:
    """All contracts at a collection time and an exchange stamp (``HH:MM:SS`` IST)."""
    times = {
        name: datetime.fromisoformat(f"2025-08-29T{text}")
        for name, text in (("ts_ist", at), ("exchange_ts_ist", stamp))
    }
    return [
        times | quote(expiry, strike, right)
        for expiry in (NEAR, FAR)
        for strike in strikes
        for right in ("CE", "PE")
    ]


def changed(rows: Rows, **numbers: int) -> Rows:
    """The page with other numbers in its first row."""
    return [rows[0] | numbers, *rows[1:]]


def small_day() -> Rows:
    """Five pages: whole, one change, quiet and stale, stale with a change, fresh after a gap."""
    second = changed(page("09:25:22", "09:23:45"), ltp_paise=30_000, volume_contracts=101)
    third = changed(page("09:26:28", "09:23:45"), ltp_paise=30_000, volume_contracts=101)
    fourth = changed(page("09:27:34", "09:23:45"), ltp_paise=30_005, volume_contracts=102)
    fifth = changed(page("09:31:00", "09:29:45"), ltp_paise=30_005, volume_contracts=102)
    return [*page("09:24:16", "09:22:45"), *second, *third, *fourth, *fifth]


def write(path: Path, rows: Rows, schema: pa.Schema = SCHEMA, **options: Any) -> Path:
    """Write rows as a Parquet file of a schema."""
    names = [name for name in schema.names if name in SCHEMA.names]
    table = pa.table(
        [pa.array([row[name] for row in rows], schema.field(name).type) for name in names],
        schema=pa.schema([schema.field(name) for name in names]),
    )
    pq.write_table(table, path, **options)
    return path


def one_day_later(rows: Rows) -> Rows:
    """The same page a day later."""
    return [row | {"ts_ist": row["ts_ist"] + timedelta(days=1)} for row in rows]
