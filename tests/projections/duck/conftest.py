"""Fixtures of the SQL projections: a small session on disk, and its projection."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from projections.duck.projector import ensure_projection
from projections.duck.query import open_reader
from tests.projections.duck.journals import CYCLES, write_session


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed session with a few hundred decisions. Nobody may change it."""
    return write_session(tmp_path_factory.mktemp("desk"), cycles=CYCLES)


@pytest.fixture(scope="session")
def published(session_folder: Path) -> Path:
    """Its published projection."""
    return ensure_projection(session_folder)


@pytest.fixture
def reader(published: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A locked reader on it."""
    with open_reader(published) as connection:
        yield connection
