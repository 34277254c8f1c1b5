"""What ``axiom replay`` says of a recorded session, for the screen.

Lives here: the question to the verb, its document, the first divergence in it. May import: msgspec.
Always holds: the replay is a process of its own, so a screen that asks goes on painting; whatever
comes back is what was found, or one line for a person.
Start reading at ``replay_document``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec

REPLAY_S: Final = 1_800
"""The longest day is replayed within minutes."""


class Makings(msgspec.Struct, frozen=True):
    """Code digests: the session's, and this program's."""

    code: tuple[str, str]


class First(msgspec.Struct, frozen=True):
    """The first entry that differs."""

    seq: int


class ReplayDocument(msgspec.Struct, frozen=True):
    """What is read of ``axiom replay --json``; of a damaged journal there is the problem alone."""

    identical: bool
    outcome: str | None = None
    head_seq: int | None = None
    state_hash: str | None = None
    makings: Makings | None = None
    first_divergence: First | None = None
    problem: str | None = None


def first_divergence(folder: Path) -> int | None:
    """Replay the session; the first seq that differs, None where nothing does. Takes seconds.

    Raises ``ValueError`` with a line where it cannot be told: other code, or a damaged journal.
    """
    return _told(replay_document(str(folder)))


def replay_document(session: str, *words: str) -> ReplayDocument:
    """What a replay in a process of its own says of a session (an id or a path). Raises
    ``ValueError`` with a line where it says nothing."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "cli.main", "replay", session, *words, "--json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=REPLAY_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ValueError(f"the replay did not end: {error}") from error
    try:
        return msgspec.json.decode(done.stdout, type=ReplayDocument)
    except msgspec.MsgspecError:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise ValueError(f"the replay did not end: {lines[-1]}") from None


def _told(said: ReplayDocument) -> int | None:
    if said.problem is not None:
        raise ValueError(f"the journal is damaged: {said.problem}")
    if said.first_divergence is not None:
        return said.first_divergence.seq
    if not said.identical:
        raise ValueError("recorded by other code: axiom replay SESSION compares its decisions")
    return None
