"""Fixtures of the reports: the rows of an invented session in which everything happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from projections.duck.projector import ensure_projection
from projections.duck.report import read_day, read_of_week
from projections.report.inputs import Difference, Inputs, Parity, Threshold, Thresholds
from projections.report.week import WeekInputs
from tests.projections.duck.journals import write_session

CYCLES = 30

PARITY = Parity(
    outcome="diverged", decisions=60, identical=45, facts=100, derivations=900, comparison="bytes",
    recorded_digest="a" * 64, digest="b" * 64, recorded_code="c" * 64, code="c" * 64,
    first=Difference(77, "DecisionMade", "reason", "'A'", "'B'", 70), changes=(), problem=None,
)  # fmt: skip

THRESHOLDS = Thresholds(
    (
        Threshold("risk.trades_day_max", ("trades_day",), "UP", 100, None),
        Threshold("regime.prob_milli_min", ("regime_prob",), "DOWN", 0, None),
        Threshold("trend.enabled", ("family",), "ON", 1, "TREND"),
    ),
    (("halted", "a halt is lifted by a person, not by a limit"),),
)


@pytest.fixture(scope="session")
def published_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The projection of a closed invented session. Read only."""
    return ensure_projection(write_session(tmp_path_factory.mktemp("report"), cycles=CYCLES))


@pytest.fixture(scope="session")
def given(published_file: Path) -> Inputs:
    """Its inputs for a day, with a replay that diverged."""
    return read_day(published_file, "2025-08-29-backtest-0123456789ab", PARITY)


@pytest.fixture(scope="session")
def week_given(published_file: Path) -> WeekInputs:
    """The same session twice, as a week, with one that could not be read."""
    sessions = tuple(read_of_week(published_file, f"2025-08-{day}-backtest-0") for day in (28, 29))
    return WeekInputs(sessions, (("2025-08-27-backtest-1", "its journal is damaged"),), THRESHOLDS)
