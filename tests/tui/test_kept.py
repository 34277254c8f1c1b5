"""What a screen keeps, there and back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tui.kept import Kept, kept_of, texts_of
from tui.theme import LIGHT
from tui.view.shaping import Shaping


def test_there_and_back() -> None:
    """Theme, place, filters and sorts are what they were; what is as given is not kept."""
    kept = Kept("blocked", LIGHT, {"reasons": Shaping("n:>5", "N", True)})
    assert kept_of(texts_of(kept)) == (kept, None)
    assert kept_of(texts_of(Kept("home", LIGHT, {"a": Shaping()})))[0].shapings == {}


def test_nothing_kept_is_no_fault() -> None:
    """The first time everything is as it comes, and nothing is said."""
    assert kept_of({}) == (Kept(), None)


@given(st.dictionaries(st.sampled_from(["place", "theme", "tables", "fault", "x"]), st.text()))
def test_any_texts_give_a_layout(texts: dict[str, str]) -> None:
    """Whatever a file held, there is a layout, and a line where something was not understood."""
    kept, line = kept_of(texts)
    assert kept.place
    if "fault" in texts:
        assert line is not None
        assert "not used" in line
