"""Are the rooms that would be imported ours? Their names are generic; other packages use them too.

Lives here: the list of rooms and the check at start. May import: the standard library. Always
holds: nothing of a room is executed by looking for it. Start reading at ``find_intruder``.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path
from typing import Final

ROOMS: Final = (
    "events",
    "journal",
    "engine",
    "projections",
    "replay",
    "adapters",
    "tui",
    "cli",
)
"""Every top-level package of the product, in the order in which they may build on each other."""

TREE: Final = Path(__file__).resolve().parent.parent
"""The folder that holds the rooms: the checkout, or site-packages."""


def find_intruder(tree: Path = TREE) -> str | None:
    """One line that names a room which would be imported from elsewhere, or None when all are ours.

    A package called ``events`` that some other distribution or a stray ``PYTHONPATH`` puts first
    would otherwise fail far away, or worse, not fail.
    """
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        ours = tree / room / "__init__.py"
        found = _place(spec)
        if found is None:
            return f"the package '{room}' is missing beside {tree}: install axiom-trading again"
        if found != ours:
            return (
                f"the package '{room}' would be imported from {found}, not from {ours}: "
                f"remove it from PYTHONPATH or uninstall what brought it"
            )
    return None


def _place(spec: importlib.machinery.ModuleSpec | None) -> Path | None:
    """Where a spec's code lives: its file, or the first folder of a namespace package."""
    if spec is None:
        return None
    if spec.origin is not None:
        return Path(spec.origin).resolve()
    folders = list(spec.submodule_search_locations or ())
    return Path(folders[0]).resolve() if folders else None
