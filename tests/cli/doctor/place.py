"""A context whose every door leads to a stand-in; used by the tests of the checks.

Lives here: ``context``. Always holds: nothing outside is asked, and it is the morning of a trading
day.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.doctor.check import Context
from cli.machine import MachineSettings
from engine.rulebook import ist_ns

DAY = 20260811
NOW = ist_ns(DAY, "08:45")


def silent(words: Sequence[str]) -> str | None:
    """A machine on which no command is there."""
    return None


def nobody(url: str) -> str | None:
    """Asking an address that was not to be asked is a fault of the check."""
    raise AssertionError(f"{url} was asked")


def context(home: Path, **changes: Any) -> Context:
    """A context over a home; ``settings`` may be given as a mapping."""
    settings = changes.pop("settings", {})
    plain: dict[str, Any] = {
        "home": home, "desk": "main", "live": False, "settings": MachineSettings(**settings),
        "environment": {}, "now_ns": lambda: NOW, "run": silent, "ask_address": nobody,
    }  # fmt: skip
    return Context(**(plain | changes))
