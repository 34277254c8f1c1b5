"""A recorded option-chain day on disk: read, checked and put in one canonical order.

Lives here: the file's schema, its errors, its pages, its content digest. May import: pyarrow (for
reading only), engine.rulebook's calendar, adapters.markets.port. Always holds: rows come out by
page, expiry, strike and right whatever their order in the file; a file is taken whole or refused
with one line; arithmetic is on integers. Start reading at ``read_chain``.

Schema, one row a contract a page: ``ts_ist`` when the page was collected and ``exchange_ts_ist``
the exchange's own stamp (naive, IST); ``underlying``, ``expiry``, ``strike`` (rupees), ``right``
(CE, PE); best bid and ask in paise and units, 0 where there is none; ``ltp_paise``; day volume and
open interest in contracts (lots). Further columns are not read.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adapters.markets.port import MarketError
from engine.rulebook import IST_OFFSET_NS, NS_PER_S, day_from_days, day_of, hhmmss_of

CALL: Final = "CE"
PUT: Final = "PE"

TIME_COLUMNS: Final = ("ts_ist", "exchange_ts_ist")
TEXT_COLUMNS: Final = ("underlying", "right")
KEY_COLUMNS: Final = ("expiry", "strike", "right")
NUMBER_COLUMNS: Final = (
    "bid_paise",
    "bid_qty",
    "ask_paise",
    "ask_qty",
    "ltp_paise",
    "volume_contracts",
    "oi_contracts",
)
COLUMNS: Final = (*TIME_COLUMNS, "underlying", *KEY_COLUMNS, *NUMBER_COLUMNS)

ROWS_MAX: Final = 20_000_000
"""Refused above this: forty times the day that this was made for."""
NUMBER_MAX: Final = (1 << 32) - 1
"""No number of a quote is larger: a packet's fields have 32 bits."""
DAY_FIRST: Final = 20000101
DAY_LAST: Final = 20991231
"""Days outside this century are damage, not data."""

Row = tuple[int, int, int, int, int, int, int, int]
"""Contract index, bid paise, bid units, ask paise, ask units, last paise, volume and open interest
in contracts: a quote as the file has it."""

_DIGEST_MAGIC: Final = b"axiom.chain.1\0"
_PER_S: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": NS_PER_S}


class ChainFileError(MarketError):
    """A file that is not one recorded option-chain day; the message is one line."""


class ChainContract(msgspec.Struct, frozen=True, order=True, gc=False):
    """One contract of the file. ``expiry`` is yyyymmdd."""

    expiry: int
    strike_paise: int
    right: str


class ChainPage(msgspec.Struct, frozen=True, gc=False):
    """One page: when it was collected (ns UTC), the exchange's stamp (epoch s), where its rows
    stand among all."""

    ts: int
    stamp_s: int
    start: int
    count: int


class ChainFile:
    """A checked file: ``contracts`` in canonical order, ``pages`` in order of time."""

    def __init__(
        self,
        underlying: str,
        contracts: tuple[ChainContract, ...],
        pages: tuple[ChainPage, ...],
        table: Any,
    ) -> None:
        self.underlying = underlying
        self.contracts = contracts
        self.pages = pages
        self.day = day_of(pages[0].ts)
        self._table = table

    @property
    def rows_count(self) -> int:
        """Rows of all pages."""
        return int(self._table.num_rows)

    def rows(self, page: ChainPage) -> list[Row]:
        """The page's quotes, by contract index."""
        return _tuples(self._table.slice(page.start, page.count))

    def maximum(self, name: str) -> int:
        """The greatest number of one of ``NUMBER_COLUMNS``."""
        return int(pc.max(self._table[name]).as_py())

    def content_digest(self) -> str:
        """Lower-case hex SHA-256 of what is read, in canonical order and fixed-width integers.

        Not of the file's bytes: the same rows written in another order or compression, or with
        other columns beside them, are the same market.
        """
        digest = hashlib.sha256(_DIGEST_MAGIC + self.underlying.encode() + b"\0")
        for contract in self.contracts:
            right = contract.right.encode()
            digest.update(struct.pack("<qq2s", contract.expiry, contract.strike_paise, right))
        for page in self.pages:
            digest.update(struct.pack("<qqq", page.ts, page.stamp_s, page.count))
            numbers = tuple(chain.from_iterable(self.rows(page)))
            digest.update(struct.pack(f"<{len(numbers)}q", *numbers))
        return digest.hexdigest()


def read_chain(path: Path) -> ChainFile:
    """Read and check one day. Raises ``ChainFileError``, whose message begins with the path."""
    try:
        return _chain_file(_load(path))
    except _Refused as error:
        raise ChainFileError(f"{path}: {error}") from error
    except pa.ArrowInvalid as error:
        raise ChainFileError(f"{path}: a time lies outside what can be told") from error


class _Refused(Exception):  # noqa: N818 - a sentence on its way to the path that it is about
    pass


# --- reading --------------------------------------------------------------------------------------


def _load(path: Path) -> Any:
    """The columns that are used, of the types that they must have."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "there is no such file"
        raise _Refused(f"{what}; give the path of a Parquet file")
    try:
        with pq.ParquetFile(path) as file:
            _check_schema(file.schema_arrow, file.metadata.num_rows)
            table = file.read(columns=list(COLUMNS))
            table.validate(full=True)
            return table
    except (pa.ArrowException, OSError, ValueError) as error:
        detail = " ".join(str(error).split())[:120]
        raise _Refused(f"not a whole Parquet file; copy or collect it again ({detail})") from error


def _check_schema(schema: Any, rows: int) -> None:
    missing = [name for name in COLUMNS if name not in schema.names]
    if missing:
        raise _Refused(f"not an option-chain day: it has no column {', '.join(missing)}")
    for name in COLUMNS:
        kind, wanted = schema.field(name).type, _WANTED[name]
        if not _IS[wanted](kind):
            raise _Refused(f"column {name} is {kind}, it must be {wanted}")
    if not 0 < rows <= ROWS_MAX:
        raise _Refused(f"{rows} rows; a day has from 1 to {ROWS_MAX}")


_TIME, _TEXT, _DATE, _NUMBER = "a timestamp without zone (IST)", "text", "a date", "an integer"
_WANTED: Final = (
    dict.fromkeys(TIME_COLUMNS, _TIME)
    | dict.fromkeys(TEXT_COLUMNS, _TEXT)
    | {"expiry": _DATE}
    | dict.fromkeys(("strike", *NUMBER_COLUMNS), _NUMBER)
)
_IS: Final = {
    _TIME: lambda kind: pa.types.is_timestamp(kind) and kind.tz is None,
    _TEXT: lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
    _DATE: pa.types.is_date32,
    _NUMBER: pa.types.is_integer,
}


# --- checking and ordering ------------------------------------------------------------------------


def _chain_file(raw: Any) -> ChainFile:
    table = _as_integers(raw)
    _check_values(raw, table)
    table = table.sort_by([(name, "ascending") for name in ("ts_ist", *KEY_COLUMNS)])
    keys = _tuples(table.group_by(list(KEY_COLUMNS)).aggregate([]).select(KEY_COLUMNS))
    contracts = tuple(sorted(_contract(key) for key in keys))
    index_of = {contract: i for i, contract in enumerate(contracts)}
    by_key = {key: index_of[_contract(key)] for key in keys}
    pages = tuple(_pages(table))
    indices: list[int] = []
    for page in pages:
        indices.extend(_page_indices(table.slice(page.start, page.count), page, by_key))
    rows = table.select(NUMBER_COLUMNS).add_column(0, "contract", [pa.array(indices, pa.int32())])
    return ChainFile(raw["underlying"][0].as_py(), contracts, pages, rows)


def _contract(key: tuple[Any, ...]) -> ChainContract:
    days, strike, right = key
    return ChainContract(day_from_days(days), 100 * strike, right)


def _tuples(table: Any) -> list[Any]:
    columns = [column.to_pylist() for column in table.columns]
    return list(zip(*columns, strict=True))


def _as_integers(raw: Any) -> Any:
    """Times as ns UTC, expiry as days since 1970, everything else as it was read."""
    table = raw.select([*KEY_COLUMNS, *NUMBER_COLUMNS])
    days = raw["expiry"].cast(pa.int32())
    table = table.set_column(table.schema.get_field_index("expiry"), "expiry", days)
    for name in TIME_COLUMNS:
        values = raw[name].cast(pa.int64())
        scale = NS_PER_S // _PER_S[raw[name].type.unit]
        times = pc.subtract_checked(pc.multiply_checked(values, scale), IST_OFFSET_NS)
        table = table.append_column(name, times)
    return table


def _check_values(raw: Any, table: Any) -> None:
    """No value is missing or impossible."""
    for name in COLUMNS:
        if raw[name].null_count:
            raise _Refused(f"column {name} has {raw[name].null_count} empty values")
    for name in ("strike", *NUMBER_COLUMNS):
        least, most = _range(table[name])
        if least < (name == "strike") or most > NUMBER_MAX:
            odd = most if most > NUMBER_MAX else least
            raise _Refused(f"column {name} holds {odd}, which no quote has")
    days = [day_of(ts) for name in TIME_COLUMNS for ts in _range(table[name])]
    days.extend(day_from_days(value) for value in _range(table["expiry"]))
    if min(days) < DAY_FIRST or max(days) > DAY_LAST:
        raise _Refused(f"it holds days from {min(days)} to {max(days)}, which cannot be")
    if days[0] != days[1]:
        raise _Refused(f"pages from {days[0]} to {days[1]}; a file holds one trading day")
    for name, allowed in (("right", (CALL, PUT)), ("underlying", None)):
        values = sorted(pc.unique(raw[name]).to_pylist())
        if len(values) != 1 if allowed is None else any(v not in allowed for v in values):
            wanted = "one value" if allowed is None else " and ".join(allowed)
            shown = ", ".join(repr(value[:20]) for value in values[:5])
            raise _Refused(f"column {name} holds {shown}; it must hold {wanted}")


def _range(column: Any) -> tuple[int, int]:
    found = pc.min_max(column).as_py()
    return found["min"], found["max"]


def _pages(table: Any) -> Iterator[ChainPage]:
    """Cut the sorted rows where the time changes; a page has one exchange stamp."""
    start = 0
    for found in pc.value_counts(table["ts_ist"]).to_pylist():
        ts, count = found["values"], found["counts"]
        first, last = _range(table["exchange_ts_ist"].slice(start, count))
        if first != last:
            raise _Refused(f"the page of {hhmmss_of(ts)} has more than one exchange stamp")
        yield ChainPage(ts, first // NS_PER_S, start, count)
        start += count


def _page_indices(rows: Any, page: ChainPage, by_key: dict[tuple[Any, ...], int]) -> list[int]:
    """The contract index of each row; ascending, so none stands twice."""
    indices = [by_key[key] for key in _tuples(rows.select(KEY_COLUMNS))]
    if any(left >= right for left, right in pairwise(indices)):
        raise _Refused(f"the page of {hhmmss_of(page.ts)} has a contract twice")
    return indices
