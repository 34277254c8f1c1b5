"""A short folder for the sockets of a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.control.desk import short_folder


@pytest.fixture
def root() -> Iterator[Path]:
    """Ours, closed to others, and short."""
    with short_folder() as folder:
        yield folder
