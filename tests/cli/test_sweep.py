"""``axiom sweep``: its document, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Call, contents
from tests.cli.test_sessions import UID, begin

ROW = ["run", "session", "configuration", "risk.trades_day_max", "seq", "ts", "ts_ist", "cycle",
       "underlying", "outcome", "stage", "reason", "family", "strategy_id", "regime", "day_type",
       "contract", "symbol", "lots"]  # fmt: skip


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "grid.toml"
    path.write_text("[risk]\ntrades_day_max = [1, 3]\n")
    return path


def test_a_sweep_and_again(axiom: Call, home: Path, session: Path, grid: Path) -> None:
    """The keys of the contract, one row a decision; what is kept lies outside the ledger and
    ``latest``; given again it takes up every run and says the same."""
    answer = axiom("sweep", "--sessions", "latest", "--grid", grid, "--workers", "2", "--json")
    assert (answer.code, answer.err) == (0, "")
    document = answer.document
    assert [run["settings"] for run in document["runs"]] == [
        {"risk.trades_day_max": 1},
        {"risk.trades_day_max": 3},
    ]
    assert len(document["table"]) == sum(run["decisions"] for run in document["runs"]) > 0
    assert list(document["table"][0]) == ROW
    assert document["table"][0]["ts_ist"].endswith("+05:30")
    assert Path(document["file"]).is_relative_to(home / "desks/main/derived")
    modes = {path.stat().st_mode & 0o77 for path in (home / "desks/main/derived").rglob("*")}
    assert modes == {0}
    again = axiom("sweep", "--sessions", f"latest,{session.name}", "--grid", grid, "--json")
    assert (again.document["resumed"], document["resumed"]) == (2, 0)
    assert again.document["table"] == document["table"]
    assert axiom("sessions", "--json").document[0]["session"] == session.name
    told = axiom("sweep", "--sessions", "all", "--grid", grid)
    assert (told.code, "decisions.parquet" in told.out) == (0, True)
    assert "2 of 2 runs were finished before" in told.err


def test_the_base_can_be_another(axiom: Call, home: Path, grid: Path, tmp_path: Path) -> None:
    """--config is laid over each session's own configuration, below the grid's values."""
    config = tmp_path / "base.toml"
    config.write_text("[account]\ncapital_paise = 100\n")
    words = ("sweep", "--sessions", "latest", "--grid", grid, "--workers", "1", "--json")
    poor = axiom(*words, "--config", config).document
    assert {run["trades"] for run in poor["runs"]} == {0}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("x", "not TOML"),
        ("", "empty"),
        ("[risk]\ntrades_day_max = 3\n", "list of values"),
        ("[risk]\nno_such = [1]\n", "unknown setting"),
        ("[risk]\ntrades_day_max = [" + ",".join(map(str, range(1, 1200))) + "]\n", "at most"),
    ],
)
def test_a_bad_grid_is_refused(axiom: Call, home: Path, grid: Path, text: str, word: str) -> None:
    """One line, exit 2, nothing made."""
    grid.write_text(text)
    before = contents(home)
    assert word in axiom("sweep", "--sessions", "latest", "--grid", grid).refusal
    assert contents(home) == before


def test_bad_sessions_are_refused(
    axiom: Call, home: Path, session: Path, grid: Path, tmp_path: Path
) -> None:
    """None, one that is not there, one that is still written."""
    words = ("sweep", "--grid", grid, "--sessions")
    assert "no session 'nope'" in axiom(*words, "nope").refusal
    assert "axiom demo" in axiom(*words, "all", "--desk", "two").refusal
    assert "--sessions" in axiom("sweep", "--grid", grid).refusal
    missing = ("--grid", tmp_path / "none.toml")
    assert "none.toml" in axiom("sweep", "--sessions", "latest", *missing).refusal
    folder = session.parent / f"2026-11-20-sim-{UID}"
    writer = begin(folder)
    try:
        assert "still written" in axiom(*words, folder.name).refusal
    finally:
        writer.close()
