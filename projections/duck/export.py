"""Sessions as Parquet, for any tool, the same bytes each time.

Lives here: the export of every contract and of the ticks. May import: duckdb, projections. Always
holds: the rows are those of schema ``v1``, in an order fixed here; two exports of one session are
byte for byte the same; a file appears whole under its name or not at all.
Start reading at ``export_session``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import duckdb
import msgspec

from journal.files import FOLDER_MODE
from projections import tables
from projections.duck import contracts
from projections.duck.parquet import write_query
from projections.duck.projector import Say, ensure_projection, silent
from projections.duck.query import QueryRefused, unlocked_reader
from projections.duck.store import ProjectionError, first_line

_ORDER: Final[dict[str, str]] = {
    "ticks": "instrument NULLS LAST, token, ts, seq, idx",
    "sessions": "session",
    "settings": "seq, key",
    "instruments": "seq, instrument",
    "rulebook": "seq, ordinal",
    "carried_cooldowns": "seq, ordinal",
    "carried_positions": "seq, ordinal",
    "carried_orders": "seq, ordinal",
    "regime_probs": "seq, label",
    "snapshot_expiries": "ALL",
    "stage_verdicts": "seq, ordinal",
    "gates": "seq, ordinal",
    "contracts_screened": "seq, contract",
    "fill_charges": "ALL",
    "scores": "seq, assumed, part",
    "pnl": "position_id",
    "configuration": "key",
    "instrument_ids": "instrument",
    "contracts": "form, name",
    "reasons": "number",
    "stages": "ordinal",
    "gate_catalogue": "ordinal",
    "tick_files": "first_seq",
    **{one.name: "ALL" for one in tables.DESK},
}
"""The order of a contract's rows where ``seq`` alone does not fix it."""

_FEW_VALUES: Final = ("instrument", "token", "packet_bytes", "last_units", "bid_units", "ask_units")
_WRITE_TO_DO: Final = "free some space there, or choose another folder"
_LEFT_OUT: Final = ("status",)
"""It says when it was published: no two exports of it are the same."""

CONTRACTS: Final[tuple[str, ...]] = (
    "ticks",
    *(view.name for view in contracts.VIEWS if view.name not in _LEFT_OUT),
)
"""What is exported: every contract, ticks first."""


class ExportedFile(msgspec.Struct, frozen=True):
    """A file of an export with its rows and its SHA-256 (hex)."""

    contract: str
    file: Path
    rows: int
    sha256: str


def export_session(
    folder: Path,
    to_dir: Path,
    names: tuple[str, ...] = CONTRACTS,
    say: Say = silent,
    *,
    anew: bool = False,
) -> tuple[ExportedFile, ...]:
    """Write contracts of a session as ``NAME.parquet`` into a folder, made if need be.

    An earlier export there is replaced file by file. ``anew``: see ``ensure_projection``. Raises
    ``ProjectionError`` and the journal's errors; unknown names are a ``ProjectionError`` too.
    """
    unknown = [name for name in names if name not in CONTRACTS]
    if unknown:
        raise ProjectionError(f"no contract {unknown[0]}; there are {', '.join(CONTRACTS)}")
    published = ensure_projection(folder, say, anew=anew)
    try:
        to_dir.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        with unlocked_reader(published) as connection:
            return tuple(_export(connection, name, to_dir) for name in names)
    except QueryRefused as error:
        raise ProjectionError(str(error)) from error
    except duckdb.Error as error:
        raise ProjectionError(f"the export failed: {first_line(error)}; {_WRITE_TO_DO}") from error
    except OSError as error:
        raise ProjectionError(f"the export cannot be written: {error}; {_WRITE_TO_DO}") from error


def _export(connection: duckdb.DuckDBPyConnection, name: str, to_dir: Path) -> ExportedFile:
    target = to_dir / f"{name}.parquet"
    partial = to_dir / f".{name}.parquet.tmp"
    partial.unlink(missing_ok=True)
    sql = f"SELECT * FROM v1.{name} ORDER BY {_ORDER.get(name, 'seq')}"
    rows, digest = write_query(connection, sql, partial, _FEW_VALUES)
    partial.replace(target)
    return ExportedFile(name, target, rows, digest)
