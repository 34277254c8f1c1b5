"""The broker's daily list of instruments: read strictly, choose what is watched, find what changed.

Lives here: the dump (CSV, gzip or not) to ``events.session.Instrument`` rows, the choice of a
session's universe, the comparison with the rows used before. May import: events, engine.rulebook.
Always holds: pure; a dump is taken whole or refused whole with every fault by line; a symbol is
never parsed, and a contract's own lot, tick and expiry are those of the dump; a dump of another day
is refused (F12).
Start reading at ``read_dump``, then ``choose``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from engine.rulebook import day_of, days_from_day, hhmm_of, iso_day
from events.session import Instrument

HEADER: Final = (
    "instrument_token", "exchange_token", "tradingsymbol", "name", "last_price", "expiry",
    "strike", "tick_size", "lot_size", "instrument_type", "segment", "exchange",
)  # fmt: skip

READY_HHMM: Final = "08:00"
"""IST. The list is made anew each morning; one fetched earlier is still the day before's."""

DUMP_BYTES_MAX: Final = 128 * 1024 * 1024
"""A whole list is about 10 MiB: more is no list."""

FAULTS_MAX: Final = 20
FIELD_CHARS_MAX: Final = 256

SEGMENT_BYTES: Final = (("NSE", 1), ("NFO", 2), ("BSE", 4), ("BFO", 5))
"""The low byte of a token by exchange, for the exchanges that are read. Indices have their own."""

INDEX_BYTE: Final = 9
INDEX_SEGMENT: Final = "INDICES"
DERIVATIVES: Final = ("NFO", "BFO")
KINDS: Final = (("FUT", "FUT"), ("CE", "OPT"), ("PE", "OPT"))
VIX: Final = ("NSE", "INDIA VIX")

INDEX_OF: Final = (
    ("NIFTY", "NSE", "NIFTY 50"),
    ("BANKNIFTY", "NSE", "NIFTY BANK"),
    ("FINNIFTY", "NSE", "NIFTY FIN SERVICE"),
    ("MIDCPNIFTY", "NSE", "NIFTY MID SELECT"),
    ("NIFTYNXT50", "NSE", "NIFTY NEXT 50"),
    ("SENSEX", "BSE", "SENSEX"),
    ("BANKEX", "BSE", "BANKEX"),
)
"""An underlying's name in the dump, and the exchange and symbol of its index."""

Key = tuple[str, str]
"""(exchange, tradingsymbol): what a contract is known by. A token is given to another when one
expires."""


class DumpError(ValueError):
    """A dump that cannot be used. ``fault`` is its code: FILE_OLD, FILE_DAMAGED, COLUMNS, ROWS or
    NOT_LISTED; the message is one line that says where, and what to do."""

    def __init__(self, fault: str, sentence: str) -> None:
        super().__init__(sentence)
        self.fault = fault


class Dump(msgspec.Struct, frozen=True):
    """A day's list: ``digest`` is the SHA-256 (hex) of its CSV, ``lines`` its rows of any kind.

    ``rows`` are the indices and the contracts of the named underlyings, in the order of the file.
    """

    day: int
    digest: str
    lines: int
    rows: tuple[Instrument, ...]


class Watch(msgspec.Struct, frozen=True):
    """What is watched of an underlying: so many next expiries, so many strikes on each side of its
    level (paise)."""

    underlying: str
    expiries: int
    strikes_each_side: int
    level_paise: int


class InstrumentChange(msgspec.Struct, frozen=True):
    """A field of a contract that is not what it was; ``after`` None: it is not listed any more."""

    exchange: str
    tradingsymbol: str
    field: str
    before: int | str
    after: int | str | None


# --- reading -------------------------------------------------------------------------------------


def read_dump(
    data: bytes,
    day: int,
    fetched_ns: int,
    underlyings: Iterable[str],
    older_digest: str | None = None,
) -> Dump:
    """The list of a yyyymmdd day that was fetched at ``fetched_ns`` (ns UTC).

    ``older_digest`` is that of the list used on an earlier day: the same content again is that old
    list. Raises ``DumpError``.
    """
    _refuse_old_fetch(day, fetched_ns)
    content = _plain(data)
    digest = hashlib.sha256(content).hexdigest()
    if digest == older_digest:
        raise DumpError(
            "FILE_OLD",
            f"the instruments are byte for byte those of an earlier day, not of {iso_day(day)}:"
            " fetch them again",
        )
    reader = _Reader(day, tuple(underlyings))
    reader.take(content)
    return Dump(day, digest, reader.lines, tuple(reader.rows))


def plain_digest(data: bytes) -> str:
    """The digest that ``Dump`` has of a list, gzip or not. Raises ``DumpError``."""
    return hashlib.sha256(_plain(data)).hexdigest()


def _refuse_old_fetch(day: int, fetched_ns: int) -> None:
    fetched = day_of(fetched_ns)
    if fetched != day or hhmm_of(fetched_ns) < READY_HHMM:
        raise DumpError(
            "FILE_OLD",
            f"the instruments were fetched on {iso_day(fetched)} at {hhmm_of(fetched_ns)} IST; a"
            f" session of {iso_day(day)} needs those of that day from {READY_HHMM} on: fetch them"
            " again",
        )


def _plain(data: bytes) -> bytes:
    """The CSV itself: gzip by its magic, never more than ``DUMP_BYTES_MAX``."""
    if data[:2] != b"\x1f\x8b":
        if len(data) > DUMP_BYTES_MAX:
            raise DumpError("FILE_DAMAGED", f"the instruments are {len(data)} bytes: no such list")
        return data
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(data, DUMP_BYTES_MAX + 1)
    except zlib.error as error:
        raise DumpError("FILE_DAMAGED", f"the instruments' gzip is damaged: {error}") from error
    if len(content) > DUMP_BYTES_MAX or not unpacker.eof or unpacker.unused_data:
        raise DumpError(
            "FILE_DAMAGED", "the instruments' gzip is cut, too large, or followed by more: refetch"
        )
    return content


class _Reader:
    """One pass over the CSV: every line is judged, faults are gathered, wanted rows are kept."""

    def __init__(self, day: int, underlyings: tuple[str, ...]) -> None:
        self._day = day
        self._names = {name: name for name in underlyings}
        self._indices = {(exchange, symbol): name for name, exchange, symbol in INDEX_OF}
        self._seen: dict[Key, int] = {}
        self._tokens: dict[int, int] = {}
        self._faults: list[str] = []
        self._expiries: dict[str, int] = {}
        self._paise: dict[str, int | None] = {}
        self.lines = 0
        self.rows: list[Instrument] = []

    def take(self, content: bytes) -> None:
        """Read it all. Raises ``DumpError``."""
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DumpError("FILE_DAMAGED", f"the instruments are not UTF-8: {error}") from error
        cells = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            self._take_header(next(cells, []))
            for row in cells:
                self._take_row(row, cells.line_num)
        except csv.Error as error:
            raise DumpError(
                "FILE_DAMAGED", f"the instruments are no CSV in line {cells.line_num}: {error}"
            ) from error
        if self._faults:
            more = "" if len(self._faults) < FAULTS_MAX else ", and perhaps more"
            raise DumpError(
                "ROWS",
                f"{len(self._faults)} faults in the instruments{more}: {'; '.join(self._faults)}",
            )

    def _take_header(self, names: Sequence[str]) -> None:
        missing = [name for name in HEADER if name not in names]
        unknown = [name for name in names if name not in HEADER]
        if missing or unknown or len(names) != len(HEADER):
            raise DumpError(
                "COLUMNS",
                f"the instruments' columns are not those that are known: missing {missing},"
                f" unknown {[name[:FIELD_CHARS_MAX] for name in unknown[:5]]}: the broker changed"
                " its list, look at it before trading",
            )
        self._order = None if tuple(names) == HEADER else [names.index(name) for name in HEADER]

    def _fault(self, line: int, sentence: str) -> None:
        if len(self._faults) < FAULTS_MAX:
            self._faults.append(f"line {line}: {sentence[:FIELD_CHARS_MAX]}")

    def _take_row(self, row: list[str], line: int) -> None:
        if len(row) != len(HEADER):
            self._fault(line, f"{len(row)} columns instead of {len(HEADER)}")
            return
        if self._order is not None:
            row = [row[place] for place in self._order]
        self.lines += 1
        exchange, segment = row[11], row[10]
        byte = INDEX_BYTE if segment == INDEX_SEGMENT else _BYTE_OF.get(exchange)
        if byte is None:
            return  # an exchange that nothing here reads
        token = self._token(row[0], row[1], byte, line)
        key = (exchange, row[2])
        if not row[2] or key in self._seen:
            self._fault(line, f"{exchange}:{row[2]} stands in line {self._seen.get(key)} already"
                              if row[2] else "no tradingsymbol")  # fmt: skip
        self._seen[key] = line
        if token is None:
            return
        if token in self._tokens:
            self._fault(line, f"token {token} stands in line {self._tokens[token]} already")
        self._tokens[token] = line
        if segment == INDEX_SEGMENT:
            self._take_index(token, key)
        elif exchange in DERIVATIVES and row[3] in self._names:
            self._take_contract(token, row, line)

    def _token(self, word: str, exchange_word: str, byte: int, line: int) -> int | None:
        """Checked by its arithmetic: the exchange's own number, then the segment's byte."""
        if not (_is_number(word) and _is_number(exchange_word)):
            self._fault(line, f"token {word!r} of exchange token {exchange_word!r} is no number")
            return None
        token = int(word)
        if token != int(exchange_word) << 8 | byte or not 0 < token < 1 << 31:
            self._fault(line, f"token {word} is not exchange token {exchange_word} and {byte}")
            return None
        return token

    def _take_index(self, token: int, key: Key) -> None:
        exchange, symbol = key
        name = self._indices.get(key)
        if name in self._names:
            self.rows.append(
                Instrument(token, exchange, symbol, str(name), "INDEX", 0, 0, 0, 0, "exchange")
            )
        elif key == VIX:
            self.rows.append(
                Instrument(token, exchange, symbol, symbol, "VIX", 0, 0, 0, 0, "exchange")
            )

    def _take_contract(self, token: int, row: list[str], line: int) -> None:
        _, _, symbol, name, _, expiry_word, strike_word, tick_word, lot_word, kind, segment, at = (
            row
        )
        if segment != f"{at}-{_GROUP_OF.get(kind)}":
            self._fault(line, f"{symbol!r}: type {kind!r} in segment {segment!r}")
            return
        expiry = self._expiry(expiry_word)
        strike, tick = self._price(strike_word), self._price(tick_word)
        lot = int(lot_word) if _is_number(lot_word) else 0
        if expiry is None or strike is None or tick is None:
            self._fault(line, f"{symbol!r}: expiry {expiry_word!r}, strike {strike_word!r} or tick"
                              f" {tick_word!r} cannot be read")  # fmt: skip
        elif expiry < self._day:
            raise DumpError(
                "FILE_OLD",
                f"line {line} of the instruments: {symbol!r} expired on {iso_day(expiry)}: they are"
                f" not those of {iso_day(self._day)}; fetch them again",
            )
        elif lot <= 0 or tick <= 0:
            self._fault(
                line, f"{symbol!r}: lot {lot_word!r} and tick {tick_word!r} must be positive"
            )
        elif (strike > 0) != (kind != "FUT"):
            self._fault(line, f"{symbol!r}: strike {strike_word!r} of a {kind}")
        else:
            self.rows.append(
                Instrument(token, at, symbol, name, kind, expiry, strike, lot, tick, "exchange")
            )

    def _expiry(self, word: str) -> int | None:
        """yyyymmdd of ``2026-10-13``."""
        if word not in self._expiries:
            digits = word.replace("-", "")
            day = int(digits) if _is_number(digits) and len(digits) == 8 else 0
            try:
                days_from_day(day)
            except ValueError:
                return None
            if iso_day(day) != word:
                return None
            self._expiries[word] = day
        return self._expiries[word]

    def _price(self, word: str) -> int | None:
        """Paise of rupees, exact; None where it is none, or finer than a paisa."""
        if word not in self._paise:
            self._paise[word] = _paise(word)
        return self._paise[word]


_BYTE_OF: Final = dict(SEGMENT_BYTES)
_GROUP_OF: Final = dict(KINDS)


def _is_number(word: str) -> bool:
    """Digits, no sign, no more than an integer of 63 bits has."""
    return word.isascii() and word.isdecimal() and len(word) <= 18


def _paise(word: str) -> int | None:
    whole, dot, fraction = word.partition(".")
    if not _is_number(whole) or (dot and not _is_number(fraction)):
        return None
    fraction = fraction.rstrip("0")
    if len(fraction) > 2 or len(whole) > 12:
        return None
    return int(whole) * 100 + int(fraction.ljust(2, "0"))


# --- choosing ------------------------------------------------------------------------------------


def choose(dump: Dump, watches: Sequence[Watch]) -> tuple[Instrument, ...]:
    """A session's instruments: the indices in the order of ``watches``, INDIA VIX, then for each
    its near future and, by expiry and strike, the calls and puts around its level.

    Raises ``DumpError`` (NOT_LISTED) where an index, a future or any option is not in the dump.
    """
    indices = [_only(dump, watch.underlying, "INDEX") for watch in watches]
    vix = [row for row in dump.rows if row.kind == "VIX"]
    contracts: list[Instrument] = []
    for watch in watches:
        futures = [r for r in dump.rows if (r.underlying, r.kind) == (watch.underlying, "FUT")]
        if not futures:
            raise _not_listed(watch.underlying, "future")
        contracts.append(min(futures, key=lambda row: (row.expiry, row.token)))
        contracts.extend(_options(dump, watch))
    return (*indices, *vix, *contracts)


def _only(dump: Dump, underlying: str, kind: str) -> Instrument:
    for row in dump.rows:
        if (row.underlying, row.kind) == (underlying, kind):
            return row
    raise _not_listed(underlying, "index")


def _not_listed(underlying: str, what: str) -> DumpError:
    return DumpError(
        "NOT_LISTED",
        f"the instruments list no {what} of {underlying}: look at its name in the configuration"
        " and in the list",
    )


def _options(dump: Dump, watch: Watch) -> Iterator[Instrument]:
    rows = [
        row for row in dump.rows if row.underlying == watch.underlying and row.kind in ("CE", "PE")
    ]
    if not rows:
        raise _not_listed(watch.underlying, "option")
    expiries = sorted(dict.fromkeys(row.expiry for row in rows))[: watch.expiries]
    for expiry in expiries:
        listed = [row for row in rows if row.expiry == expiry]
        strikes = sorted(dict.fromkeys(row.strike_paise for row in listed))
        near = _around(strikes, watch.level_paise, watch.strikes_each_side)
        chosen = [row for row in listed if row.strike_paise in near]
        yield from sorted(chosen, key=lambda row: (row.strike_paise, row.kind))


def _around(strikes: Sequence[int], level: int, each_side: int) -> dict[int, None]:
    """The strike nearest to a level (of two, the lower) and so many on each side of it."""
    centre = min(range(len(strikes)), key=lambda place: (abs(strikes[place] - level), place))
    return dict.fromkeys(strikes[max(centre - each_side, 0) : centre + each_side + 1])


# --- comparing -----------------------------------------------------------------------------------

COMPARED: Final = (
    "token",
    "underlying",
    "kind",
    "expiry",
    "strike_paise",
    "lot_units",
    "tick_paise",
)


def changed_instruments(
    before: Iterable[Instrument],
    after: Iterable[Instrument],
    held_or_watched: Iterable[Key],
    day: int = 0,
) -> tuple[InstrumentChange, ...]:
    """What is different of contracts that are held or watched, both values, in their order.

    ``after`` is of the whole dump (``Dump.rows``), not of a choice from it. One that expired before
    ``day`` is gone as it should be; one that is listed under another symbol of the same token was
    renamed, as an exchange that dates an expiry anew does; else ``listed`` says that it is gone.
    """
    then = {(row.exchange, row.tradingsymbol): row for row in before}
    rows = tuple(after)
    now = {(row.exchange, row.tradingsymbol): row for row in rows}
    by_token = {row.token: row for row in rows}
    changes: list[InstrumentChange] = []
    for key in dict.fromkeys(held_or_watched):
        old = then.get(key)
        if old is None or 0 < old.expiry < day:
            continue
        new = now.get(key) or _renamed(old, by_token)
        if new is None:
            changes.append(InstrumentChange(*key, "listed", "yes", None))
        else:
            changes.extend(
                InstrumentChange(*key, field, getattr(old, field), getattr(new, field))
                for field in ("tradingsymbol", *COMPARED)
                if getattr(old, field) != getattr(new, field)
            )
    return tuple(changes)


def _renamed(old: Instrument, by_token: dict[int, Instrument]) -> Instrument | None:
    """The same contract under another symbol; another contract that got its token is none."""
    new = by_token.get(old.token)
    same = new is not None and (new.underlying, new.kind, new.strike_paise) == (
        old.underlying,
        old.kind,
        old.strike_paise,
    )
    return new if same else None
