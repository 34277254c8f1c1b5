"""``run``: the screen on a terminal, from what it is given to the exit code.

Lives here: the wiring of reader, store and app, and the way from one session to the next. May
import: journal's reader and errors, tui. Always holds: without a terminal or a readable journal
nothing is painted, and one line says why; a session that runs is followed on while another one is
looked at; each session gets an app and ports of its own. Start reading at ``run``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from journal.errors import JournalError
from journal.reader import JournalReader
from tui import collector
from tui.app import AxiomApp
from tui.clock import Clock, MachineClock
from tui.entries import EntryReader, follower_of, reader_of
from tui.ports import Opened, Ports, States
from tui.source import Source
from tui.store import Store
from tui.travel import Traveller

PortsOf = Callable[[Opened], Ports]
"""What the screen of one session is given."""


class Looked:
    """A session that is read: its store, and the thread that fills it."""

    def __init__(self, opened: Opened, clock: Clock, states: States | None) -> None:
        self.opened = opened
        self.store = Store(clock, live=opened.running)
        self._source = Source(self.store, clock, states)
        self._thread = self._source.start(opened.folder, live=opened.running)

    def stop(self) -> None:
        """Let go of it."""
        self._source.stop.set()
        self._thread.join(timeout=2)


def run(
    session_folder: Path | None,
    *,
    live: bool,
    ports: Ports | None = None,
    ports_of: PortsOf | None = None,
    clock: Clock | None = None,
) -> int:
    """Show a session until the user leaves; None: there is none yet, and the screen says what to
    do. ``live`` follows a running engine's tail.

    Returns 0, or 2 with one line on standard error when there is no terminal or no readable
    journal. ``ports`` are the composition root's: among them what makes a decision's sentence.
    ``ports_of`` gives those of another session that is opened from here.
    """
    # Textual paints on standard error, so that must be the terminal too.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        sys.stderr.write("axiom: the terminal UI needs a terminal; use `axiom why` without one\n")
        return 2
    clock = clock or MachineClock()
    given = ports or Ports()
    if session_folder is None:
        return _go_on(None, given, ports_of or (lambda _: given), clock)
    try:
        JournalReader(session_folder).close()
    except JournalError as error:
        sys.stderr.write(f"axiom: {error}; check the session's id with `axiom sessions`\n")
        return 2
    first = Looked(Opened(session_folder.name, session_folder, live), clock, given.states)
    return _go_on(first, given, ports_of or (lambda _: given), clock)


def _go_on(first: Looked | None, ports: Ports, ports_of: PortsOf, clock: Clock) -> int:
    """One app after another, as long as one ends by wishing for the next session.

    ``home`` is the session to go back to: the one that was opened first, or the one that runs.
    """
    home = shown = first
    while True:
        code, wanted = _shown(shown, home, ports, clock)
        if shown is not None and shown is not home:
            shown.stop()
        if wanted is None:
            break
        if home is not None and home.opened == wanted:
            shown = home
        else:
            shown = Looked(wanted, clock, ports.states)
            if wanted.running or home is None:
                if home is not None:
                    home.stop()
                home = shown
        ports = ports_of(wanted)
    if home is not None:
        home.stop()
    return code


def _shown(
    shown: Looked | None, home: Looked | None, ports: Ports, clock: Clock
) -> tuple[int, Opened | None]:
    """One session from its first frame to the last: the exit code, and what is wanted next."""
    if shown is None:
        app = AxiomApp(Store(clock, live=False), clock, ports, live=False, at="start")
        return app.run() or 0, app.wanted
    opened = shown.opened
    pages = EntryReader(reader_of(opened.folder), follower_of(opened.folder))
    travel = Traveller(reader_of(opened.folder), follower_of(opened.folder), clock)
    given = msgspec.structs.replace(ports, shown=opened.session, entries=pages, travel=travel)
    if not opened.running:
        given = msgspec.structs.replace(given, control=None)
    runs = home is not None and home is not shown and home.opened.running
    app = AxiomApp(
        shown.store,
        clock,
        given,
        live=opened.running,
        shown=opened,
        beside=home.store if runs and home is not None else None,
    )
    try:
        return app.run() or 0, app.wanted
    finally:
        collector.wake()
        pages.stop()
        travel.stop()
