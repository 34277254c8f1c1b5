"""``axiom import chain``: a file described, judged, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters.markets.chain_fixture import changed, page, small_day, write
from tests.adapters.markets.test_chain import REAL, needs_data
from tests.cli.conftest import Call


def test_a_good_day_is_described(axiom: Call, tmp_path: Path) -> None:
    """Exit 0, the figures of the report, and the file as it was."""
    path = write(tmp_path / "day.parquet", small_day())
    before = path.read_bytes()
    answer = axiom("import", "chain", path, "--json")
    assert answer.code == 0
    document = answer.document
    assert (document["ok"], document["problems"]) == (True, [])
    assert (document["rows"], document["snapshots"], document["contracts"]) == (180, 5, 36)
    text = axiom("import", "chain", path)
    assert (text.code, text.err) == (0, "")
    assert "09:27:34 to 09:31:00" in text.out
    assert path.read_bytes() == before


def test_canary_a_day_that_contradicts_itself_is_bad(axiom: Call, tmp_path: Path) -> None:
    """A crossed quote: exit 1, named."""
    rows = changed(page("09:24:16", "09:22:45"), ask_paise=119_995)
    path = write(tmp_path / "day.parquet", rows)
    answer = axiom("import", "chain", path, "--json")
    assert (answer.code, answer.document["ok"]) == (1, False)
    assert "bid at or above the ask" in answer.document["problems"][0]
    assert "PROBLEM 1 quotes" in axiom("import", "chain", path).out


@pytest.mark.parametrize("fault", ["missing", "wrong", "half", "folder"])
def test_what_is_no_whole_file_is_refused(axiom: Call, tmp_path: Path, fault: str) -> None:
    """One line, exit 2."""
    path = tmp_path / "day.parquet"
    if fault == "wrong":
        path.write_text("a,b\n1,2\n")
    elif fault == "half":
        write(path, small_day())
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif fault == "folder":
        path.mkdir()
    assert axiom("import", "chain", path).refusal


@pytest.mark.slow
@needs_data
def test_the_recorded_day_is_good(axiom: Call) -> None:
    """The real day passes, with its packets and its outage."""
    document = axiom("import", "chain", REAL, "--json").document
    assert document["ok"] is True
    assert document["packets"] > 285_000
    assert len(document["gaps"]) == 4
