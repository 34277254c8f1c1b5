"""The first divergence of a recorded session, for the screen.

Lives here: the questions to ``axiom replay``. May import: the standard library. Always holds: the
replay is a process of its own, so a screen that asks goes on painting; whatever comes back is a
seq, none, or one line for a person.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def first_divergence(folder: Path) -> int | None:
    """Replay the session; the first seq that differs, None where nothing does. Takes seconds.

    Raises ``ValueError`` with a line where it cannot be told: other code, or a damaged journal.
    """
    return _told(replay_document(folder))


def replay_document(folder: Path, *words: str) -> dict[str, Any]:
    """The document of a replay in a process of its own. Raises ``ValueError`` with a line where it
    gives none."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", "replay", str(folder), *words, "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    try:
        document = json.loads(done.stdout)
    except json.JSONDecodeError:
        document = None
    if isinstance(document, dict):
        return document
    lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
    raise ValueError(f"the replay did not end: {lines[-1]}")


def _told(report: dict[str, object]) -> int | None:
    if report.get("problem"):
        raise ValueError(f"the journal is damaged: {report['problem']}")
    first = report["first_divergence"]
    if isinstance(first, dict):
        return int(first["seq"])
    if not report["identical"]:
        raise ValueError("recorded by other code: axiom replay SESSION compares its decisions")
    return None
