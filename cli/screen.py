"""The terminal UI beside an engine that is a process of its own.

Lives here: starting the engine behind the screen. May import: ``cli``, tui, projections' words.
Always holds: closing the screen, or the terminal, ends nothing; what the engine says goes into a
file of its desk; one that cannot begin says why where the person is.
Start reading at ``run_with_screen``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from cli.ending import KEEP, answered, asks_here
from cli.errors import EXIT_GOOD, UserError
from cli.options import Common
from cli.output import say
from cli.paths import desk_folder, make_private
from engine.live import FLATTEN

LOG_NAME: Final = "engine.log"
LOG_MODE: Final = 0o600
BEGIN_S: Final = 180.0
"""Until the session is there: a simulated exchange goes to its hour first."""

LOOK_S: Final = 0.05
BEGUN: Final = (": begins (", ": goes on (")


def on_terminal() -> bool:
    """Whether a screen can be shown here: it is painted on standard error."""
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def run_with_screen(common: Common, *more: str) -> int:
    """Start this very command, with ``more`` words, headless in a process of its own, and show its
    session; whoever leaves the screen while something is open is asked what is to become of it."""
    engine, log = start_engine([*sys.argv[1:], *more], common)
    folder = common.session(begun_session(engine, log))
    from cli.screen_ports import ports_of
    from tui.ports import Opened
    from tui.run import run

    ports = ports_of(common, Opened(folder.name, folder, True))
    code = run(folder, live=True, ports=ports, ports_of=partial(ports_of, common))
    if engine.poll() is None:
        say(
            f"the engine goes on (process {engine.pid}): 'axiom status' shows it, 'axiom tui' opens"
            " the screen again, 'axiom stop' with --flatten or --leave-protected ends it; it writes"
            f" to {log}"
        )
        return _asked(common, asks_here()) or code
    return code or EXIT_GOOD


def _asked(common: Common, ask: Callable[[str], str] | None) -> int:
    """What is to become of an engine that has something open, where there is somebody to ask."""
    exposed = _open_now(common)
    if not exposed or ask is None:
        return EXIT_GOOD
    policy = answered(ask, exposed)
    if policy == KEEP:
        return EXIT_GOOD
    from cli.verbs.operate import stop_engine

    return stop_engine(common, "--flatten" if policy == FLATTEN else "--leave-protected")


def _open_now(common: Common) -> int:
    """Positions and orders that the engine says are open; 0 where it does not answer."""
    from adapters.control.client import NoAnswer, NoEngine, ask_status
    from adapters.control.place import runtime_folders

    try:
        status = ask_status(runtime_folders(common.home, common.desk)).status
    except (NoEngine, NoAnswer):
        return 0
    figures = status.figures if status is not None else ()
    return sum(int(one.value or 0) for one in figures if one.name in ("positions", "orders"))


def start_engine(words: list[str], common: Common) -> tuple[subprocess.Popen[bytes], Path]:
    """The engine as a child that outlives us, and the file that it writes to."""
    log = make_private(desk_folder(common.home, common.desk)) / LOG_NAME
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, LOG_MODE)
    with os.fdopen(handle, "wb") as file:
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "cli.main", *words, "--headless"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    return child, log


def begun_session(engine: subprocess.Popen[bytes], log: Path) -> str:
    """The session's name, once the engine says it. Raises ``UserError`` with its last line where it
    ended before that."""
    end = time.monotonic() + BEGIN_S
    while time.monotonic() < end:
        ended = engine.poll() is not None
        for line in _lines(log):
            if any(word in line for word in BEGUN):
                return line.partition(":")[0]
        if ended:
            said = [line for line in _lines(log) if line][-1:] or ["it said nothing"]
            raise UserError(said[0].removeprefix("axiom: "))
        time.sleep(LOOK_S)
    engine.terminate()
    raise UserError(f"the engine did not begin within {BEGIN_S:.0f} s: look at {log}")


def _lines(log: Path) -> Iterator[str]:
    yield from log.read_text(encoding="utf-8", errors="replace").splitlines()
