"""The collector leaves a standing screen alone, and takes it once it is closed."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from tui import collector


class Ring:
    """An object that only the collector can take."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.slow
def test_what_stands_is_left_alone_and_goes_with_the_screen() -> None:
    """Frozen while the screen is open, collected after it."""
    ring = Ring()
    gone = weakref.ref(ring)
    collector.calm()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold() == collector.CALM
    del ring
    gc.collect()
    assert gone() is not None
    collector.wake()
    gc.collect()
    assert gone() is None


def test_what_comes_later_is_collected_as_ever() -> None:
    """A ring made under a calm collector goes at its next turn."""
    collector.calm()
    ring = Ring()
    gone = weakref.ref(ring)
    del ring
    gc.collect()
    assert gone() is None
