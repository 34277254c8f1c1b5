"""Copies of a model go their own way."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from projections.live import LiveModel
from projections.live.model import Standing
from tests.projections.live.story import a_day

DAY = a_day().close().envelopes


@settings(max_examples=40, deadline=None)
@given(st.integers(0, len(DAY)), st.integers(0, len(DAY)))
def test_a_copy_and_its_original_do_not_meet(at: int, more: int) -> None:
    """Copied anywhere, the copy folds on to what a fold from the start gives, while the original
    stays what it was; and the other way round."""
    whole, model = LiveModel(), LiveModel()
    for envelope in DAY:
        whole.fold(envelope)
    for envelope in DAY[:at]:
        model.fold(envelope)
    was = model.view()
    copy = model.copy()
    for envelope in DAY[at:]:
        copy.fold(envelope)
    assert copy.view() == whole.view()
    assert model.view() == was
    end = copy.view()
    for envelope in DAY[at:][:more]:
        model.fold(envelope)
    assert copy.view() == end


def test_standing_changes_with_verdicts() -> None:
    """Another verdict, another regime and another risk status are changes."""
    model = LiveModel()
    seen: list[Standing] = []
    for envelope in DAY:
        model.fold(envelope)
        standing = model.standing()
        if not seen or (standing.verdicts, standing.risk) != (seen[-1].verdicts, seen[-1].risk):
            seen.append(standing)
    assert len(seen) > 5
    assert seen[-1].risk == "NORMAL"
    assert {regime for one in seen for regime, _ in one.verdicts} >= {None, "TREND_UP"}
