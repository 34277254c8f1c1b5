"""The spool: bytes come back, and no file is left behind."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.spool import Spool


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=8))
def test_what_was_put_in_comes_back(pieces: list[bytes]) -> None:
    """In any order, as often as wanted."""
    spool = Spool()
    places = [spool.put(piece) for piece in pieces]
    for _ in range(2):
        assert [spool.get(at) for at in reversed(places)] == pieces[::-1]


def test_no_name_is_ever_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has no name while it is used, and its handle goes with the spool."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    spool = Spool()
    at = spool.put(b"some bytes")
    assert list(tmp_path.iterdir()) == []
    handle = spool._handle
    assert handle is not None
    assert spool.get(at) == b"some bytes"
    del spool
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(handle)


def test_a_spool_that_was_cut_or_never_filled_says_so() -> None:
    """An error, never other bytes."""
    spool = Spool()
    with pytest.raises(OSError, match="nothing"):
        spool.get((0, 1))
    at = spool.put(b"some bytes")
    assert spool._handle is not None
    os.ftruncate(spool._handle, 4)
    with pytest.raises(OSError, match="cut short"):
        spool.get(at)
