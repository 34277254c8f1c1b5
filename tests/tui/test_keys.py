"""The one key table."""

from __future__ import annotations

from tests.tui.screen import HandClock
from tui.app import AxiomApp
from tui.keys import KEYS, hints
from tui.places import EVERYWHERE, PLACES
from tui.screens import PANES
from tui.store import Store
from tui.view.help import help_table


def test_no_key_means_two_things_on_one_pane() -> None:
    """On each pane every key has one action."""
    for place in EVERYWHERE:
        names = [name for key in KEYS if place in key.places for name in key.keys]
        assert len(names) == len(set(names))


def test_every_place_has_a_pane() -> None:
    """The table of places and that of panes name the same."""
    assert set(EVERYWHERE) == set(PANES)
    assert len(PLACES) == len(PANES)


def test_every_action_exists() -> None:
    """Each row of the table names a method of the app."""
    for key in KEYS:
        name = key.action.partition("(")[0]
        assert hasattr(AxiomApp, f"action_{name}"), key


def test_every_binding_is_in_the_help() -> None:
    """The help is made from the table, and the app binds no key beside it."""
    listed = {row.cells[0][0] for row in help_table(Store(HandClock(), live=False).frame()).rows}
    assert {key.shown for key in KEYS} <= listed
    bound = {name for key in KEYS for name in key.keys}
    own = {binding.key for binding in AxiomApp.BINDINGS}  # type: ignore[union-attr]
    assert own == bound


def test_every_hint_belongs_to_its_pane() -> None:
    """The key bar shows only keys of the pane, and help and quit everywhere."""
    for place in EVERYWHERE:
        shown = dict(hints(place))
        assert {"?", "q"} <= set(shown)
        here = {key.shown.partition(" ")[0] for key in KEYS if place in key.places}
        assert set(shown) <= here
