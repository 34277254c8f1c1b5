"""A desk to ask: the server and the kill switch over an engine that a test plays.

Lives here: ``Desk``, and a folder short enough for a socket. Always holds: every wait has a
deadline; what was begun is ended.
"""

from __future__ import annotations

import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adapters.control.kill import KillSwitch
from adapters.control.protocol import CommandRequest
from adapters.control.server import ControlServer
from engine.commands import ACCEPTED
from events.governance import CommandAnswered
from events.session import OperatorCommand

DEADLINE_S = 10.0


def until(condition: Callable[[], bool], what: str = "it did not come true") -> None:
    """Wait for a condition; fails after the deadline."""
    tick = threading.Event()
    end_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end_s, what
        tick.wait(0.005)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder of our own whose name leaves room for that of a socket."""
    folder = Path(tempfile.mkdtemp(prefix="axc-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Desk:
    """An engine's side: ``inbox`` is what reached it; it answers when ``answer`` is called, or at
    once with ``obliging``."""

    def __init__(
        self, root: Path, mode: str = "SIM", room: int = 1_000, *, obliging: bool = False,
        first: tuple[Path, ...] = (), folder: Path | None = None, files: tuple[Path, ...] = (),
        **options: Any,
    ) -> None:  # fmt: skip
        self.folder = folder or root / "run" / "desk"
        self.files = files or (root / "KILL", self.folder / "KILL")
        self.inbox: queue.Queue[OperatorCommand] = queue.Queue(room)
        self.taken: list[OperatorCommand] = []
        self.obliging = obliging
        self.seq = 0
        self.kill = KillSwitch(self.sink, self.files, poll_s=0.02)
        self.until_ns: dict[str, int | None] = {}
        self.server = ControlServer(
            (*first, self.folder), mode, self.timed_sink, self.kill, **options
        )

    def close(self) -> None:
        """End both threads."""
        self.server.close()
        self.kill.close()

    def sink(self, command: OperatorCommand) -> bool:
        """The inbox: never blocks."""
        try:
            self.inbox.put_nowait(command)
        except queue.Full:
            return False
        if self.obliging:
            self.answer(self.inbox.get_nowait())
        return True

    def timed_sink(self, command: OperatorCommand, until_ns: int | None) -> bool:
        """The same, with the time after which it is not to be taken."""
        self.until_ns[command.command_id] = until_ns
        return self.sink(command)

    def answer(
        self, command: OperatorCommand, outcome: str = "ACCEPTED", reason: str = ACCEPTED
    ) -> None:
        """What the engine does with a command: takes it, and says so to both."""
        self.taken.append(command)
        self.seq += 1
        event = CommandAnswered(command.command_id, command.verb, outcome, reason)
        self.kill.answered(event)
        self.server.answered(event, self.seq)

    def next(self) -> OperatorCommand:
        """The next command that reaches the engine."""
        return self.inbox.get(timeout=DEADLINE_S)


@contextmanager
def running(root: Path, **options: Any) -> Iterator[Desk]:
    """A desk that listens and watches."""
    desk = Desk(root, **options)
    try:
        desk.server.start()
        desk.kill.start()
        yield desk
    finally:
        desk.close()


def asking(verb: str = "HALT", id_: str = "c-1", **changes: str | None) -> CommandRequest:
    """A request; ``subject``, ``value``, ``why`` and ``word`` by name."""
    return CommandRequest(
        verb, changes.get("subject"), changes.get("value"), changes.get("why") or "",
        changes.get("word"), id_,
    )  # fmt: skip
