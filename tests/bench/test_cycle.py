"""The cycle's bench: eighty contracts, a figure for each call, and none without a decision."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bench import cycle


def test_the_command_times_a_cycle(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole command, of five cycles: the least is not above the median."""
    assert cycle.main(["--reps", "5"]) == 0
    assert "decision cycle, 80 contracts: median" in capsys.readouterr().out
    costs = cycle.costs_us(cycle.state_in_view(), 5)
    assert list(costs) == sorted(costs)
    assert costs[0] > 0


def test_a_cycle_that_screens_nothing_has_no_figure() -> None:
    """A state whose cycle ends without a screening is not timed."""
    state = cycle.state_in_view()
    blind = replace(state, markets=(replace(state.markets[0], expiries=()),))
    with pytest.raises(SystemExit, match="nothing timed"):
        cycle.costs_us(blind, 1)
