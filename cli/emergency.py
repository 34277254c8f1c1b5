"""``axiom flatten --emergency`` put together: its lock, its journal, the engine told, the broker.

Lives here: ``run_emergency``. May import: everything it wires. Always holds: nothing but a want of
the word, another emergency or bad input stops it: not a full disk, not a locked desk, not an engine
that does not answer; what its journal cannot keep is printed instead.
Start reading at ``run_emergency``.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError, told_as_user_error
from cli.kill_files import leave_kill_files
from cli.options import Common
from cli.output import clean, say, show, write_json

if TYPE_CHECKING:
    from adapters.kite.flatten import Ending
    from adapters.kite.flatten_plan import Freeze
    from adapters.kite.rate import Budgets
    from events.base import Event
    from journal.lock import FileLock
    from journal.writer import JournalWriter

LIVE, SIM = "LIVE", "SIM"
FOLDER: Final = "emergency"
LOCK: Final = "emergency.lock"
SIMULATED: Final = "simulated-broker"
"""Where ``run --mode sim`` counts the messages to its own exchange."""

DURABLE_S: Final = 1.0
"""How long a message waits for the disk before it leaves all the same."""

ENGINE_ENDS_S: Final = 15.0
_DEPTH: Final = "the broker's own application: cancel every order there, close every position"


def run_emergency(
    common: Common, rest: str | None, word: str | None, why: str, *, include_short: bool
) -> int:
    """From the word to the exit code: 0 where the account is flat by the broker's own books."""
    from adapters.kite.roots import REST_ROOT, BadRoot, checked_root, is_loopback

    with told_as_user_error(BadRoot):
        root = REST_ROOT if rest is None else checked_root(rest, "https")
    mode = SIM if is_loopback(root) else LIVE
    _confirm(common, root, mode, word)
    login = _login(common, root)
    folder = _account_folder(common, mode, root, login)
    lock = _lock(common, folder)
    keeper = Keeper(common)
    try:
        keeper.keep(_command(why))
        told = _tell_engine(common, mode, why)
        ending = _flatten(common, root, login, folder, keeper, include_short=include_short)
    finally:
        keeper.close()
        if lock is not None:
            lock.release()
    return _answer(common, mode, ending, told, keeper)


def _confirm(common: Common, root: str, mode: str, word: str | None) -> None:
    """The word of the mode: what is at ``root`` is real money unless it is this machine."""
    import click

    if word is None:
        if common.json or not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UserError(f"flatten --emergency asks for its word: --confirm {mode}")
        say(f"every order of the account at {clean(root)} is cancelled, every long position sold")
        word = click.prompt(f"Type {mode} to confirm", err=True)
    if word.strip() != mode:
        raise UserError(f"that is not {mode}: nothing was done")


def _login(common: Common, root: str) -> Any:
    from adapters.kite.roots import is_loopback
    from cli.simulation import simulated_clock
    from cli.world import kite_login

    said = simulated_clock(root) if is_loopback(root) else None
    return kite_login(common, None if said is None else (root, int(said["now_ns"])))


def _account_folder(common: Common, mode: str, root: str, login: Any) -> Path:
    """Where the account's order messages are counted, by the engine too."""
    from cli.account import counting_folder
    from cli.paths import desk_folder

    desk = desk_folder(common.home, common.desk)
    if mode == SIM:
        return desk / SIMULATED
    name = _account(common, root, login)
    try:
        if name is not None:
            return counting_folder(name)
        say("the account's name is not known: its messages are counted for the desk")
    except UserError as error:
        say(f"{error}: its messages are counted for the desk")
    return desk


def _account(common: Common, root: str, login: Any) -> str | None:
    """The account by its login, else by the broker's own word, else as it is set."""
    from adapters.kite.broker import KiteReads
    from adapters.kite.credentials import CredentialError
    from cli.account import named
    from cli.load import load_machine

    try:
        name = named(login().user_id)
    except (CredentialError, OSError):
        name = None  # said where the broker is asked
    if name is None:
        reads = KiteReads(login, root=root)
        name = named(reads.auth(time.time_ns()).account)
        reads.close()
    try:
        return name or named(load_machine(common.config).account)
    except UserError as error:
        say(str(error))
        return None


def _lock(common: Common, folder: Path) -> FileLock | None:
    """One emergency at a time for an account; none where no disk takes a lock. ``UserError`` where
    another one is at work."""
    from adapters.control.place import PlaceUnsafe, make_folder, runtime_folders
    from journal.errors import JournalError, JournalLocked
    from journal.lock import FileLock

    for place, chosen in enumerate((folder, *runtime_folders(common.home, common.desk))):
        try:
            if place == 0:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            else:
                make_folder(chosen)
            return FileLock.take(chosen / LOCK)
        except JournalLocked as error:
            raise UserError(f"another emergency is at work for this account: {error}") from error
        except (OSError, JournalError, PlaceUnsafe):
            continue  # a full disk, or one that is gone: the next place
    say("no place takes a lock: see to it that no other emergency runs")
    return None


def _command(why: str) -> Event:
    from adapters.control.place import login_of
    from engine.commands import kept
    from events.session import OperatorCommand

    who = login_of(os.getuid())
    id_ = f"emergency-{os.getpid()}"
    return OperatorCommand("FLATTEN", who, kept(why), None, None, id_, "NONE")


# --- the journal of its own -----------------------------------------------------------------------


class Keeper:
    """Keeps facts in a journal of its own under the desk; prints them where that cannot be."""

    def __init__(self, common: Common) -> None:
        from cli.paths import desk_folder

        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        name = f"{stamp}-{os.getpid()}"
        self.folder = desk_folder(common.home, common.desk) / FOLDER / name
        self.whole = True
        self._seq = 0
        self._writer: JournalWriter | None = None
        self._open()

    def _open(self) -> None:
        from cli.paths import make_private
        from journal.errors import JournalError
        from journal.writer import JournalWriter

        try:
            make_private(self.folder.parent)
            self._writer = JournalWriter.create(self.folder, secrets.token_hex(6))
        except (OSError, UserError, JournalError) as error:
            self._lost(error)

    def keep(self, event: Event) -> None:
        """The fact is on the disk at return, or was printed. Never stops who calls it."""
        from engine.core import encode_fact
        from journal.errors import JournalError

        if self._writer is not None:
            try:
                seq = self._writer.append((encode_fact(self._seq + 1, time.time_ns(), event),))
                self._seq = seq
                if self._writer.wait_durable(seq, DURABLE_S):
                    return
                self._lost(f"the disk took more than {DURABLE_S:g} s")
            except JournalError as error:
                self._lost(error)
        self._print(event)

    def _lost(self, error: object) -> None:
        say(f"no journal is kept from here on ({error}): every step is printed instead")
        self.whole = False
        writer, self._writer = self._writer, None
        if writer is not None:
            self._close(writer)

    def _print(self, event: Event) -> None:
        row = {"kind": type(event).__name__, **msgspec.to_builtins(msgspec.structs.asdict(event))}
        say(clean(json.dumps(row)))

    def close(self) -> None:
        """End the journal for good."""
        if self._writer is not None:
            self._close(self._writer)

    def _close(self, writer: JournalWriter) -> None:
        from journal.errors import JournalError

        try:
            writer.close()
        except JournalError as error:
            self.whole = False
            say(f"the emergency's journal was not ended ({error})")


# --- the engine -----------------------------------------------------------------------------------


def _tell_engine(common: Common, mode: str, why: str) -> str:
    """Halt the desk's engine, and have it end and leave things as they are: two that sell the same
    position would sell it twice. Gives what became of it; nothing of it is needed."""
    from adapters.control.client import ControlError, NoEngine, ask, ask_status
    from adapters.control.place import runtime_folders
    from adapters.control.protocol import ACCEPTED, CommandRequest

    folders = runtime_folders(common.home, common.desk)
    left, failed = leave_kill_files(common, folders, None, f"flatten --emergency {why}".strip())
    for line in failed:
        say(f"kill file: {line}")
    say(f"kill file left in {len(left)} places" if left else "no kill file could be left")
    try:
        status = ask_status(folders).status
        if status is None or status.mode != mode:
            return "NOT_OURS"
        id_ = f"c{secrets.token_hex(8)}"
        request = CommandRequest("STOP", None, "LEAVE_PROTECTED", "emergency", mode, id_)
        if ask(folders, request).outcome != ACCEPTED:
            say("the engine refused to end: end its process by hand")
            return "REFUSED"
        say("the engine was asked to end")
        until = time.monotonic() + ENGINE_ENDS_S
        while time.monotonic() < until:
            ask_status(folders)
            time.sleep(0.1)
    except NoEngine:
        say("no engine of this desk answers (any more)")
        return "ENDED"
    except ControlError as error:
        say(f"an engine is there and does not answer ({error}): end its process by hand")
        return "SILENT"
    say("the engine has not ended yet: the emergency goes on")
    return "ENDING"


# --- the broker -----------------------------------------------------------------------------------


def _flatten(
    common: Common, root: str, login: Any, folder: Path, keeper: Keeper, *, include_short: bool
) -> Ending:
    from adapters.control.place import login_of
    from adapters.kite.broker import KiteOrders
    from adapters.kite.flatten import Emergency, Outside
    from adapters.kite.rate_file import OrderBudget
    from engine.runner import own_code_digest

    if not include_short:
        say("shorts are not bought back, those of pairs apart: --include-short does that")
    broker = KiteOrders(login, OrderBudget(folder, _budgets(common)), root=root)
    outside = Outside(
        keeper.keep, _said, time.time_ns, time.sleep, _freeze(common),
        who=login_of(os.getuid()), code_digest=own_code_digest(), algo_id=_algo_id(common),
    )  # fmt: skip
    name = f"EM{secrets.token_hex(4)}"
    emergency = Emergency(broker, outside, name, include_short=include_short)
    try:
        return emergency.run()
    except KeyboardInterrupt:
        return emergency.ended("INTERRUPTED")
    finally:
        broker.close()


def _said(text: str) -> None:
    say(f"emergency: {clean(text)}")


def _algo_id(common: Common) -> str | None:
    from cli.load import load_config

    try:
        return load_config(common.config).orders.algo_id or None
    except UserError:
        return None


def _budgets(common: Common) -> Budgets:
    """Those of the engine; the usual ones where settings or rulebook cannot be read."""
    from adapters.kite.rate import DEFAULT_BUDGETS
    from cli.budgets import order_budgets
    from cli.load import load_machine, load_rulebook
    from engine.rulebook import day_of

    try:
        day = day_of(time.time_ns())
        return order_budgets(load_machine(common.config), load_rulebook(common), day)
    except UserError as error:
        say(f"the account's own budgets are not used: {error}")
        return DEFAULT_BUDGETS


def _freeze(common: Common) -> Freeze:
    """The largest order by the rulebook of today; by the one in the package where the overlay
    cannot be read."""
    from adapters.kite.instruments import INDEX_OF
    from adapters.rulebook.load import load_rows
    from cli.load import load_rulebook
    from engine.rulebook import Rulebook, day_of, resolve_day

    try:
        rulebook = load_rulebook(common)
    except UserError as error:
        say(f"the rulebook's overlay is not used: {error}")
        rulebook = Rulebook(load_rows())
    names = tuple(name for name, *_ in INDEX_OF)
    rules = resolve_day(rulebook, day_of(time.time_ns()), names).underlyings
    known: dict[str | None, int] = {
        one.underlying: one.freeze_units for one in rules if one.freeze_units is not None
    }

    def freeze(exchange: str, name: str | None) -> int | None:
        if exchange not in ("NFO", "BFO"):
            return None
        return known.get(name, min(known.values(), default=None))

    return freeze


# --- the answer -----------------------------------------------------------------------------------


def _answer(common: Common, mode: str, ending: Ending, engine: str, keeper: Keeper) -> int:
    from adapters.kite.flatten import FLAT

    todo = instructions(ending)
    if common.json:
        left = [
            {**msgspec.structs.asdict(one), "instruction": one.instruction} for one in ending.left
        ]
        write_json(
            {
                **msgspec.structs.asdict(ending),
                "left": left,
                "mode": mode,
                "engine": engine,
                "instructions": todo,
                "journal": str(keeper.folder) if keeper.whole else None,
            }
        )
    else:
        show(f"{ending.outcome} ({ending.why}): {ending.cancelled} orders cancelled,"
             f" {ending.sold} sent, {ending.messages} messages")  # fmt: skip
        for line in todo:
            show(clean(line))
    return EXIT_GOOD if ending.outcome == FLAT else EXIT_BAD


def instructions(ending: Ending) -> list[str]:
    """What a person does by hand in the broker's own application, a line each: one at least,
    unless the account is flat."""
    from adapters.kite.flatten import FLAT

    lines = [f"by hand: {one.instruction}" for one in ending.left]
    lines += [f"by hand: cancel order {one}" for one in ending.orders]
    lines += [f"by hand: look for an order with the tag {one}" for one in ending.doubtful]
    lines += [f"by hand: compare orders and positions of {one}" for one in ending.unclear]
    if not lines and ending.known and ending.outcome != FLAT:
        # What was sent may have closed everything: nobody has seen that it did.
        lines.append(f"by hand: what is left could not be seen at the end; look into {_DEPTH}")
    if not ending.known:
        lines.append(f"by hand: the positions could not be read; open {_DEPTH}")
    return lines
