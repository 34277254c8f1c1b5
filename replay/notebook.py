"""A recorded session as frames, for notebooks.

Lives here: ``open_session`` and what it gives. May import: events, the journal's reader,
projections.rows, projections.tables, projections.ticks, replay, polars. Always holds: frames hold
what was recorded, never what is derived anew, with the columns of the SQL contracts; a time is an
integer of ns UTC with its time in India beside it; nothing is written, and a running session is
read to its acknowledged end at the moment of asking.
Start reading at ``open_session``; ``docs/NOTEBOOKS.md`` shows its use.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import polars as pl

from engine.rulebook import ist_ns
from engine.state import State
from events.envelope import Envelope, decode_envelope
from events.feed import FeedFrame
from events.session import InstrumentsLoaded, SessionOpened
from events.upcast import current_event
from journal.errors import JournalError
from journal.manifest import read_manifest
from journal.reader import JournalReader
from journal.session_folder import sessions_folder
from projections.rows import RowBuffer
from projections.tables import TABLES, Table
from projections.ticks import TickBuffer
from replay.session import ReplayError, told_as_replay_error
from replay.travel import state_at, state_at_time

LATEST: Final = "latest"
HOME_VARIABLE: Final = "AXIOM_HOME"
ZONE: Final = "Asia/Kolkata"

_IST: Final = timezone(timedelta(hours=5, minutes=30))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_US: Final = 1_000
_BATCH_ROWS: Final = 100_000
_BATCH_TICKS: Final = 500_000
_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_TABLES: Final = {table.name: table for table in TABLES}
_TYPES: Final[dict[str, Any]] = {
    "INT": pl.Int64,
    "TEXT": pl.String,
    "BOOL": pl.Boolean,
    "REAL": pl.Float64,
}
_INSTRUMENT_COLUMNS: Final = ("contract", "instrument")


def open_session(
    session: str | os.PathLike[str],
    *,
    home: str | os.PathLike[str] | None = None,
    desk: str = "main",
) -> RecordedSession:
    """A session by the path of its folder, or by its id (or ``"latest"``) in a desk of ``home``
    (default: the environment's AXIOM_HOME).

    Raises ``ReplayError`` where there is none, and the journal's errors where it is damaged.
    """
    return RecordedSession(_find(os.fspath(session), home, desk))


class RecordedSession:
    """One session. Each frame is read when it is first asked for, and kept; ``reload`` forgets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened = _opened(folder)
        self._frames: dict[str, pl.DataFrame] = {}
        self._ticks: pl.DataFrame | None = None

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def day(self) -> int:
        """The trading day, yyyymmdd."""
        return self.opened.day

    @property
    def settings(self) -> dict[str, int | bool | str]:
        """The configuration that the session was opened with, by ``section.setting``."""
        return {setting.key: setting.value for setting in self.opened.settings}

    def reload(self) -> None:
        """Forget what was read: a running session has more by now."""
        self._frames, self._ticks = {}, None

    # -- frames --------------------------------------------------------------------------------

    def instruments(self) -> pl.DataFrame:
        """One row an instrument; ``instrument`` is the index that other frames name."""
        return self.table("instruments")

    def ticks(self, *symbols: str) -> pl.DataFrame:
        """One row a packet in the order of receipt, of these trading symbols or of all. Prices in
        paise, quantities in units, null where the packet has none; (``seq``, ``idx``) names it."""
        if self._ticks is None:
            self._ticks = self._described(_ticks_of(self.folder))
        if not symbols:
            return self._ticks
        known = self.instruments()["tradingsymbol"]
        for symbol in symbols:
            if symbol not in known:
                raise ReplayError(f"{self.id} has no instrument {symbol!r}: ask instruments()")
        return self._ticks.filter(pl.col("tradingsymbol").is_in(symbols))

    def bars(self, bar_ms: int | None = None) -> pl.DataFrame:
        """One row a closed bar (of ``bar_ms`` milliseconds, or of all lengths), with the indicators
        after it. Prices in paise."""
        bars = self.table("bars")
        return bars if bar_ms is None else bars.filter(pl.col("bar_ms") == bar_ms)

    def decisions(self) -> pl.DataFrame:
        """One row a decision: its outcome, the stage and reason that ended it, and the sentence."""
        return self.table("decisions")

    def gates(self) -> pl.DataFrame:
        """One row a gate of a decision (``decision_seq``): verdict, what it saw, its limit and the
        room to spare, in the gate's own unit. ``assumed`` rows count in no funnel."""
        return self.table("gates")

    def orders(self) -> pl.DataFrame:
        """One row an order, as it last stood; ``order_events`` of ``table`` has every change."""
        return self.table("order_events").unique("order_id", keep="last", maintain_order=True)

    def fills(self) -> pl.DataFrame:
        """One row a fill: price and charges in paise."""
        return self.table("fills")

    def positions(self) -> pl.DataFrame:
        """One row a position, as it last stood. ``realised_paise`` is gross of the charges."""
        return self.table("position_events").unique("position_id", keep="last", maintain_order=True)

    def table(self, name: str) -> pl.DataFrame:
        """Any table of the projection's base by its name (``tables()`` lists them)."""
        if name not in _TABLES:
            raise ReplayError(f"there is no table {name!r}: there are {', '.join(sorted(_TABLES))}")
        if name not in self._frames:
            self._read_tables()
        return self._frames[name]

    @staticmethod
    def tables() -> dict[str, str]:
        """The tables that ``table`` knows, each with what a row of it is."""
        return {table.name: table.comment for table in TABLES}

    # -- the state -----------------------------------------------------------------------------

    def state_at(self, place: int | str | datetime) -> State:
        """The engine's whole state after entry ``place``, or after the last entry at or before a
        time: ``"11:30"`` or ``"11:30:05"`` of the day in India, or a datetime (India's where it
        names no zone). Raises ``ReplayError`` where the session has no such place."""
        if isinstance(place, int):
            return state_at(self.folder, place).state
        return state_at_time(self.folder, self._ns(place)).state

    def _ns(self, place: str | datetime) -> int:
        """ns UTC of a time."""
        if isinstance(place, datetime):
            moment = place if place.tzinfo is not None else place.replace(tzinfo=_IST)
            return (moment - _EPOCH) // timedelta(microseconds=1) * _NS_PER_US
        match = _TIME.fullmatch(place)
        if match is None or not (int(match[1]) < 24 and int(match[2]) < 60 > int(match[3] or 0)):
            raise ReplayError(f"{place!r} is not a time: write HH:MM or HH:MM:SS, in India")
        return ist_ns(self.day, f"{int(match[1]):02d}:{match[2]}:{match[3] or '00'}")

    # -- reading -------------------------------------------------------------------------------

    def _read_tables(self) -> None:
        """Every table in one walk over the journal: it is the walk that takes the time."""
        parts: dict[str, list[pl.DataFrame]] = {
            name: [_frame(t, [])] for name, t in _TABLES.items()
        }
        for rows in _rows_of(self.folder):
            for name, some in rows.items():
                parts[name].append(_frame(_TABLES[name], some))
        whole = {name: pl.concat(frames, rechunk=True) for name, frames in parts.items()}
        self._frames["instruments"] = self._described(whole["instruments"])
        self._frames = {name: self._described(frame) for name, frame in whole.items()}

    def _described(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with times in India beside its times, and symbols beside its instruments."""
        frame = frame.with_columns(
            _ist(name).alias(_ist_name(name)) for name in frame.columns if _is_time(name)
        )
        index = next((name for name in _INSTRUMENT_COLUMNS if name in frame.columns), None)
        if index is not None and "tradingsymbol" not in frame.columns:
            symbols = self.instruments().select(
                pl.col("instrument").cast(frame.schema[index]).alias(index), "tradingsymbol"
            )
            frame = frame.join(symbols, on=index, how="left", maintain_order="left")
        return frame.select(_in_order(frame.columns))


def _is_time(name: str) -> bool:
    return name == "ts" or name.endswith("_ts")


def _ist_name(name: str) -> str:
    """``ts_ist`` beside ``ts``, ``start_ist`` beside ``start_ts``: the names of the contracts."""
    return "ts_ist" if name == "ts" else f"{name.removesuffix('_ts')}_ist"


def _ist(name: str) -> pl.Expr:
    """ns UTC as a time in India."""
    return (
        pl.from_epoch(name, time_unit="ns").dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE)
    )


def _in_order(columns: Sequence[str]) -> list[str]:
    """Each derived column right behind the one it is derived from."""
    derived = {_ist_name(name) for name in columns if _is_time(name)}
    order: list[str] = []
    for name in columns:
        if name in derived or name in order:
            continue
        order.append(name)
        if _is_time(name):
            order.append(_ist_name(name))
        if name in _INSTRUMENT_COLUMNS and "tradingsymbol" in columns:
            order.append("tradingsymbol")
    return order


def _frame(table: Table, rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    schema = {column.name: _TYPES[column.type] for column in table.columns}
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    return pl.DataFrame(dict(zip(schema, map(list, columns), strict=True)), schema=schema)


def _envelopes(folder: Path) -> Iterator[tuple[Envelope, bool]]:
    """Every entry up to the acknowledged end, and whether it ends its group."""
    with JournalReader(folder) as reader, told_as_replay_error():
        for entry in reader:
            yield decode_envelope(entry.data), entry.group_end


def _rows_of(folder: Path) -> Iterator[Mapping[str, list[tuple[Any, ...]]]]:
    buffer = RowBuffer()
    with told_as_replay_error():
        for envelope, group_end in _envelopes(folder):
            buffer.add(envelope)
            if group_end:
                buffer.end_group()
                if buffer.count >= _BATCH_ROWS:
                    yield buffer.take()
        buffer.end_group()
        yield buffer.take()


def _ticks_of(folder: Path) -> pl.DataFrame:
    buffer = TickBuffer()
    parts = [buffer.take()]
    with told_as_replay_error():
        for envelope, _ in _envelopes(folder):
            if envelope.kind not in _TICK_KINDS:
                continue
            event = current_event(envelope)
            if isinstance(event, InstrumentsLoaded):
                buffer.set_instruments([row.token for row in event.rows])
            elif isinstance(event, FeedFrame):
                buffer.add(envelope.seq, envelope.ts, event)
                if buffer.count >= _BATCH_TICKS:
                    parts.append(buffer.take())
    parts.append(buffer.take())
    return pl.concat(parts, rechunk=True).sort("seq", "idx")


_TICK_KINDS: Final = ("FeedFrame", "InstrumentsLoaded")


def _opened(folder: Path) -> SessionOpened:
    first = next(_envelopes(folder), None)
    with told_as_replay_error():
        event = current_event(first[0]) if first is not None else None
    if not isinstance(event, SessionOpened):
        raise ReplayError(f"{folder} holds no session: its first entry is not SessionOpened")
    return event


def _find(session: str, home: str | os.PathLike[str] | None, desk: str) -> Path:
    """The folder that is meant; one with a separator in its name, or that is there, is a path."""
    if os.sep in session or (home is None and Path(session).is_dir()):
        folder = Path(session).expanduser().absolute()
    else:
        place = home if home is not None else os.environ.get(HOME_VARIABLE)
        if place is None:
            raise ReplayError(
                f"where is {session!r}? give the folder's path, or home=, or set {HOME_VARIABLE}"
            )
        sessions = sessions_folder(Path(place).expanduser().absolute(), desk)
        folder = _latest(sessions) if session == LATEST else sessions / session
    if not folder.is_dir():
        raise ReplayError(f"{folder} is not there: `axiom sessions` lists what is")
    return folder


def _latest(sessions: Path) -> Path:
    """The session that was begun last, by its manifest."""
    folders = sorted(path for path in sessions.glob("[0-9]*") if path.is_dir())
    if not folders:
        raise ReplayError(f"{sessions} holds no session yet: try `axiom demo`")
    return max(folders, key=_begun)


def _begun(folder: Path) -> int:
    try:
        manifest = read_manifest(folder)
    except JournalError:
        return 0  # damage is told by `axiom verify`; the newest is another
    return manifest.created_ts if manifest is not None else 0
