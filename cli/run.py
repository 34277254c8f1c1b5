"""Running a market's day for a verb: progress, closing, sealing, the JSON figures.

Lives here: what ``backtest`` and ``demo`` share. May import: everything it wires. Always holds: a
session that ran to its end is closed, sealed and in the desk's ledger before its figures are given.
Start reading at ``run_day``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli import __version__
from cli.errors import Interrupted, UserError, told_as_user_error
from cli.load import load_rulebook
from cli.options import Common
from cli.output import say
from cli.paths import DEFAULT_DESK, desk_folder, make_private, resolve_home, sessions_folder

if TYPE_CHECKING:
    from engine.config import Config
    from engine.ports import Market
    from engine.rulebook import Rulebook
    from engine.runner import RunReport
    from events.session import CarriedOver, SessionOpened
    from journal.checkpointer import Counts

LEDGER: Final = "ledger.axl"
SEED_MAX: Final = (1 << 63) - 1
STOP_WAIT_S: Final = 5.0
ENGINE_STOPPED: Final = (
    "a setting far out of proportion does this ('axiom config show' lists them); where none is,"
    " report it with the session"
)

MEMORY_SHORT: Final = (
    "give it more (ulimit -v, the service's limit, the machine) and start it again: what it"
    " acknowledged is in its journal"
)


@contextmanager
def progress(label: str, start: int, end: int) -> Iterator[Callable[[int], None]]:
    """A bar from ``start`` to ``end`` (of whatever unit) where standard error is a terminal;
    silence elsewhere."""
    if not sys.stderr.isatty():
        yield lambda place: None
        return
    length = max(end - start, 1)
    with click.progressbar(length=length, label=label, file=sys.stderr) as bar:

        def move(place: int) -> None:
            done = min(max(place - start, 0), length)
            if done > bar.pos:
                bar.update(done - bar.pos)

        yield move


@contextmanager
def session_progress(label: str, folder: Path) -> Iterator[Callable[[int], None]]:
    """A bar over a recorded session's entries, moved by seq. Raises the journal's errors."""
    from cli.recorded import state_and_end

    end = state_and_end(folder)[1].seq if sys.stderr.isatty() else 0
    with progress(label, 0, end) as move:
        yield move


def writable_sessions(common: Common) -> Path:
    """The folder of the desk's sessions, made if need be. ``UserError`` where none can be begun."""
    parent = make_private(sessions_folder(common.home, common.desk))
    if not os.access(parent, os.W_OK | os.X_OK):
        raise UserError(f"{parent} cannot be written: choose another home with --home")
    return parent


@contextmanager
def told_as_engine_fault() -> Iterator[None]:
    """The core's own stop as one coded line that says what to do, exit code 2."""
    from engine.core import CoreFault

    try:
        yield
    except CoreFault as error:
        no_memory = isinstance(error.__cause__, MemoryError)
        raise UserError(f"{error}; {MEMORY_SHORT if no_memory else ENGINE_STOPPED}") from error
    except MemoryError as error:
        raise UserError(f"the engine ran out of memory and stopped; {MEMORY_SHORT}") from error


@contextmanager
def told_when_interrupted(common: Common, market: str) -> Iterator[Callable[[Path], None]]:
    """Say of an interrupted run what is left of it and how to go on.

    What is given is told each folder when its session is begun; ``market`` is the market's name on
    the command line.
    """
    begun: list[Path] = []
    try:
        yield begun.append
    except KeyboardInterrupt as error:
        if not begun:
            raise
        raise Interrupted(f"interrupted; {_left(begun[-1], common, market)}") from error


def _left(folder: Path, common: Common, market: str) -> str:
    """The state of a session that a run was stopped in, and the command that goes on."""
    from cli.recorded import CLOSED, CRASHED, OPEN, state_and_end
    from journal.errors import JournalError

    try:
        state = state_and_end(folder)[0]
    except JournalError:
        return f"look at {folder.name} with 'axiom verify {folder.name}{_place(common)}'"
    if state in (OPEN, CRASHED):
        words = f"backtest {shlex.quote(market)} --resume {folder.name}"
        return f"the session stays open: 'axiom {words}{_place(common)}' goes on with its day"
    if state == CLOSED:
        words = f"journal seal {folder.name}"
        return f"the session ran to its end: 'axiom {words}{_place(common)}' seals it"
    return f"{folder.name} ran to its end and is sealed: ask it with 'axiom why{_place(common)}'"


def _place(common: Common) -> str:
    """The flags with which a command finds the same desk."""
    words = [] if common.home == resolve_home(None) else ["--home", str(common.home)]
    words += [] if common.desk == DEFAULT_DESK else ["--desk", common.desk]
    return "".join(f" {shlex.quote(word)}" for word in words)


def stop_children(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """End the processes that still run, and wait until they have."""
    running = [child for child in children if child.poll() is None]
    for child in running:
        child.terminate()
    for child in running:
        try:
            child.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def run_day(
    common: Common,
    market: Market,
    config: Config,
    rulebook: Rulebook,
    *,
    carried: CarriedOver | None = None,
    on_open: Callable[[Path], None] | None = None,
) -> RunReport:
    """Run one day into the desk's sessions; the journal is final at return, not yet sealed."""
    from engine.ports import MarketError
    from engine.resume import EngineFault
    from engine.runner import run_market
    from journal.errors import JournalError

    parent = writable_sessions(common)
    rows = rulebook.rows_for(market.day)
    with (
        told_as_user_error(MarketError, EngineFault, JournalError),
        told_as_engine_fault(),
        progress(f"{market.day}", market.open_ns, market.close_ns) as move,
    ):
        report = run_market(
            parent, market, config, rows, carried, f"axiom {__version__}", on_open, move
        )
    say_dropped(report.checkpoints)
    return report


def resume_day(
    common: Common, folder: Path, market_of: Callable[[SessionOpened], Market]
) -> RunReport:
    """Go on with a crashed backtest of the desk to the end of its day; closed and sealed at return.

    ``market_of`` opens the market of a session's opening. Under another engine the session is
    closed as crashed, and the report is its successor's.
    """
    from cli.recorded import first_fact
    from engine.opening import BACKTEST
    from engine.ports import MarketError
    from engine.resume import EngineFault
    from engine.runner import resume_market
    from journal.errors import JournalClosed, JournalError

    if folder.resolve().parent != sessions_folder(common.home, common.desk).resolve():
        raise UserError(f"{folder} is no session of desk '{common.desk}': resume it where it is")
    opened = first_fact(folder)
    if opened.mode != BACKTEST:
        raise UserError(f"{folder.name} is a session of mode {opened.mode}, not a backtest")
    with told_as_user_error(MarketError, EngineFault, JournalError), told_as_engine_fault():
        market = market_of(opened)
        rows = load_rulebook(common).rows_for(market.day)
        with progress(f"{market.day}", market.open_ns, market.close_ns) as move:
            try:
                report = resume_market(
                    folder, market, rows, None, f"axiom {__version__}",
                    lambda at: close_day(common, folder) if at != folder else None, move,
                )  # fmt: skip
            except JournalClosed as error:
                close_day(common, folder)  # its engine may have died before this
                raise UserError(
                    f"{folder.name} ran to its end and is sealed: ask it with 'axiom why "
                    f"{folder.name}{_place(common)}', or run the market anew"
                ) from error
    say_dropped(report.checkpoints)
    close_day(common, report.folder)
    return report


def say_dropped(kept: Counts) -> None:
    """Say how many checkpoints are missing, and why; nothing where all are there."""
    if kept.dropped:
        why = kept.failure or "their writer was behind"
        say(f"{kept.dropped} checkpoints were not kept ({why}): 'axiom at' takes longer there")


def close_day(common: Common, folder: Path) -> None:
    """Seal a finished session and enter it in the desk's ledger."""
    from journal.close import close_session
    from journal.errors import JournalError

    with told_as_user_error(JournalError):
        close_session(folder, desk_folder(common.home, common.desk) / LEDGER)


def figures(report: RunReport) -> dict[str, Any]:
    """The keys of a run that the contract names, and where to find it."""
    return {
        "session": report.folder.name,
        "facts": report.facts,
        "derivations": report.derivations,
        "ticks": report.ticks,
        "decisions": report.decisions,
        "trades": report.trades,
        "pnl_paise": report.pnl_paise,
        "digest": report.digest,
        "head_hash": report.head_hash,
        "folder": str(report.folder),
    }


def called_as() -> str:
    """What a person types for this program: its name where the shell finds it, else its path."""
    if shutil.which("axiom") is not None:
        return "axiom"
    path = Path(sys.argv[0])
    return str(path) if path.name == "axiom" else f"{sys.executable} -m cli.main"


def rupees(paise: int) -> str:
    """Paise as rupees in Indian grouping, with sign."""
    from projections.why import amount

    return amount(paise, "paise")
