"""A replay as a process of its own: follows a session and prints its verdict as JSON.

Lives here: the command line of the follower that ``axiom demo`` starts. May import: replay.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

import msgspec

from journal.errors import JournalError
from replay.session import ReplayError, replay_session


def main(arguments: list[str] | None = None) -> int:
    """``python -P -m replay FOLDER [--follow]``: 0 good, 1 diverged, 2 could not run."""
    parser = argparse.ArgumentParser(prog="replay", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--follow", action="store_true", help="go on until the session is closed")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides; it is told by SIGTERM
    parent = os.getppid()
    try:
        report = replay_session(
            options.folder, follow=options.follow, stop=lambda: os.getppid() != parent
        )
    except (ReplayError, JournalError, OSError) as error:
        sys.stderr.write(f"replay: {error}\n")
        return 2
    sys.stdout.buffer.write(msgspec.json.encode(report))
    return 1 if report.outcome == "diverged" else 0


if __name__ == "__main__":
    sys.exit(main())
