"""``run``: the screen on a terminal, from what it is given to the exit code.

Lives here: the wiring of reader, store and app. May import: journal's reader and errors, tui.
Always holds: without a terminal or a readable journal nothing is painted, and one line says why.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from journal.errors import JournalError
from journal.reader import JournalReader
from tui.app import AxiomApp
from tui.clock import Clock, MachineClock
from tui.entries import EntryReader, follower_of, reader_of
from tui.ports import Ports
from tui.source import Source
from tui.store import Store
from tui.travel import Traveller


def run(
    session_folder: Path,
    *,
    live: bool,
    ports: Ports | None = None,
    clock: Clock | None = None,
) -> int:
    """Show a session until the user leaves. ``live`` follows a running engine's tail.

    Returns 0, or 2 with one line on standard error when there is no terminal or no readable
    journal. ``ports`` are the composition root's: among them what makes a decision's sentence.
    """
    # Textual paints on standard error, so that must be the terminal too.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        sys.stderr.write("axiom: the terminal UI needs a terminal; use `axiom why` without one\n")
        return 2
    try:
        JournalReader(session_folder).close()
    except JournalError as error:
        sys.stderr.write(f"axiom: {error}; check the session's id with `axiom sessions`\n")
        return 2
    clock = clock or MachineClock()
    store = Store(clock, live=live)
    source = Source(store, clock)
    thread = source.start(session_folder, live=live)
    pages = EntryReader(reader_of(session_folder), follower_of(session_folder))
    travel = Traveller(reader_of(session_folder), follower_of(session_folder), clock)
    given = msgspec.structs.replace(ports or Ports(), entries=pages, travel=travel)
    try:
        result = AxiomApp(store, clock, given, live=live).run()
    finally:
        source.stop.set()
        pages.stop()
        travel.stop()
        thread.join(timeout=2)
    return result or 0
