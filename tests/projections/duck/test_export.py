"""projections/duck/export.py: Parquet that anybody reads and that never differs."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pytest

from projections.duck.export import CONTRACTS, export_session
from projections.duck.projector import ensure_projection
from projections.duck.store import ProjectionError
from tests.projections.duck.journals import CYCLES, write_session


def test_export_holds_the_contracts(session_folder: Path, tmp_path: Path) -> None:
    """Every contract is a file with the rows and columns that SQL shows."""
    files = export_session(session_folder, tmp_path / "out")
    assert [item.contract for item in files] == list(CONTRACTS)
    with duckdb.connect(str(ensure_projection(session_folder)), read_only=True) as connection:
        for item in files:
            table = pl.read_parquet(item.file)
            assert table.height == item.rows, item.contract
            if item.contract != "ticks":
                columns = connection.execute(f"FROM v1.{item.contract} LIMIT 0").description
                assert table.columns == [column[0] for column in columns or ()]
    decisions = pl.read_parquet(tmp_path / "out" / "decisions.parquet")
    assert decisions.height == 2 * CYCLES
    assert decisions["ts"].is_sorted()
    assert pl.read_parquet(tmp_path / "out" / "ticks.parquet")["tradingsymbol"].n_unique() > 10


def test_exports_are_byte_identical(session_folder: Path, tmp_path: Path) -> None:
    """Two exports are the same bytes, also from a projection that was built anew elsewhere."""
    names = ("ticks", "bars", "decisions", "gates", "contracts_screened", "fill_charges")
    first = export_session(session_folder, tmp_path / "a", names)
    other = write_session(tmp_path / "desk", cycles=CYCLES)
    second = export_session(other, tmp_path / "b", names)
    assert [item.sha256 for item in first] == [item.sha256 for item in second]
    for one, two in zip(first, second, strict=True):
        assert one.file.read_bytes() == two.file.read_bytes()
    longer = write_session(tmp_path / "longer", cycles=CYCLES + 1, name=other.name)
    third = export_session(longer, tmp_path / "c", ("gates",))
    assert third[0].sha256 != next(item.sha256 for item in first if item.contract == "gates")


def test_bad_exports_are_one_line(session_folder: Path, tmp_path: Path) -> None:
    """An unknown contract and a place that cannot be written are named errors."""
    with pytest.raises(ProjectionError, match="no contract nothing; there are ticks"):
        export_session(session_folder, tmp_path, ("nothing",))
    (tmp_path / "file").write_text("")
    with pytest.raises(ProjectionError, match="cannot be written"):
        export_session(session_folder, tmp_path / "file" / "below")
