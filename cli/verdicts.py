"""The verdicts of replays that a user's screens asked for, kept in the home.

Lives here: ``KeptVerdicts``. May import: ``cli.memory_port``, tui's ports. Always holds: a cache
that nothing rests on: a file that cannot be read is empty, and the next verdict replaces it; it is
private and replaced whole; each verdict stands with the end of the journal that it is about, so
whoever shows it can tell whether it still is. Start reading at ``KeptVerdicts.keep``.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

import msgspec

from cli.memory_port import replace_private
from tui.ports import Parity

VERDICTS_NAME: Final = "parity.json"
BYTES_MAX: Final = 1 << 22
KEPT_MAX: Final = 4_096
"""The sessions of sixteen years of trading days."""
_ONE_AT_A_TIME: Final = threading.Lock()
"""Several replays of one screen may end together."""


class KeptVerdicts:
    """The verdicts about the sessions of one desk; a home's desks share the file."""

    def __init__(self, home: Path, desk: str) -> None:
        self._home, self._desk = home, desk

    def load(self) -> dict[str, Parity]:
        """Session to its last verdict."""
        return self._read().get(self._desk, {})

    def keep(self, session: str, parity: Parity) -> None:
        """Keep this one of a session in place of an older one. Raises ``OSError``."""
        with _ONE_AT_A_TIME:
            desks = self._read()
            kept = desks.setdefault(self._desk, {})
            kept.pop(session, None)
            kept[session] = parity
            desks[self._desk] = dict(tuple(kept.items())[-KEPT_MAX:])
            text = msgspec.json.format(msgspec.json.encode(desks), indent=1)
            replace_private(self._home, VERDICTS_NAME, text + b"\n")

    def _read(self) -> dict[str, dict[str, Parity]]:
        try:
            with (self._home / VERDICTS_NAME).open("rb") as file:
                data = file.read(BYTES_MAX + 1)
            if len(data) > BYTES_MAX:
                return {}
            return msgspec.json.decode(data, type=dict[str, dict[str, Parity]])
        except (OSError, msgspec.MsgspecError, RecursionError):
            return {}
