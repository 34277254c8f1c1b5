"""The kill switch: a latch in the engine's memory, and the file and signals that set it.

Lives here: ``KillSwitch`` with its own thread, the kill file read and written. May import: events,
``engine.commands``, this package. Always holds: a press is in force at once, before it is
queued, let alone journaled, and whatever the engine's thread is waiting for; it is said to the
engine until the engine has answered; only an accepted RESUME releases it. ``press`` never blocks
and takes no lock, so that a signal handler may call it.
Start reading at ``KillSwitch.press``.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from adapters.control.place import login_of
from engine.commands import CANCEL, FLATTEN, LEVELS, kept
from events.governance import CommandAnswered
from events.session import OperatorCommand

HALT: Final = "HALT"
RESUME: Final = "RESUME"
POLL_S: Final = 0.2
"""How often the places of the file are looked at; a press is known within this and a little."""

CALM_LOOKS: Final = 5
"""A file is left where it stands until it has not changed for so many looks: somebody may still be
writing the level into it."""

UNANSWERED_MAX: Final = 64
FILE_BYTES_MAX: Final = 4_096
TAKEN_SUFFIX: Final = ".taken"
SIGNALS: Final = {signal.SIGUSR1: None, signal.SIGUSR2: CANCEL}
"""Which level a signal asks for. Closing positions is not asked for by a bare signal."""

Sink = Callable[[OperatorCommand], bool]
"""Takes a command into the engine's inbox; false where there is no room now. Never blocks."""

_Identity = tuple[int, int, int]


class Found(NamedTuple):
    """A kill file as it stands: which file, what it asks for, who put it there."""

    path: Path
    identity: _Identity
    level: str | None
    why: str
    who: str
    read: bool
    """False where it could only be seen, for want of a file descriptor: it is read again."""


class KillSwitch:
    """Pressed by anybody, on any thread. The order route asks ``halted`` before every entry.

    ``start`` begins to watch the files and to hand presses on; without it ``press`` still halts.
    ``answered`` is told of every durable answer of the engine.
    """

    def __init__(self, sink: Sink, files: Sequence[Path] = (), *, poll_s: float = POLL_S) -> None:
        self._sink = sink
        self._files = tuple(files)
        self._poll_s = poll_s
        self._pressed = [False] * len(LEVELS)
        self._queue: deque[OperatorCommand] = deque()
        self._unanswered: dict[str, OperatorCommand] = {}
        self._seen: dict[Path, _Identity] = {}
        self._calm = 0
        self._signals = 0
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def halted(self) -> bool:
        """Whether no entry may leave."""
        return any(self._pressed)

    @property
    def level(self) -> str | None:
        """The strongest level asked for; None where nothing is pressed, or no more than HALT."""
        return next((LEVELS[i] for i in (2, 1) if self._pressed[i]), None)

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def press(self, command: OperatorCommand) -> bool:
        """Halt now, and see to it that the engine gets the command. ``command`` is a HALT.

        False where so many say the same already that this one is not handed on; it is in force.
        """
        assert command.verb == HALT, command.verb
        place = LEVELS.index(command.value)
        if self._pressed[place] and len(self._unanswered) >= UNANSWERED_MAX:
            return False
        self._unanswered[command.command_id] = command  # before the latch: see ``answered``
        self._pressed[place] = True
        self._queue.append(command)
        self._wake()
        return True

    def answered(self, event: CommandAnswered) -> None:
        """The engine has journaled an answer: a HALT's file is taken away, a RESUME releases.

        A RESUME that was journaled before the newest press does not release it.
        """
        if event.verb == HALT:
            self._unanswered.pop(event.command_id, None)
            self._wake()
        elif event.verb == RESUME and event.outcome == "ACCEPTED":
            self._pressed = fresh = [False] * len(LEVELS)
            # What was pressed since, even while this line ran, stands among the unanswered.
            for command in list(self._unanswered.values()):
                fresh[LEVELS.index(command.value)] = True

    def hear_signals(self) -> None:
        """SIGUSR1 is a HALT, SIGUSR2 one that cancels. From the main thread only."""
        for number in SIGNALS:
            signal.signal(number, self._signalled)

    def start(self) -> None:
        """Look once, here, so that a file that stands is in force at return; then watch."""
        self._look()
        self._thread = threading.Thread(target=self._run, name="kill", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread. What is pressed stays pressed."""
        self._stopping = True
        self._wake()
        if self._thread is not None:
            self._thread.join()
        for handle in (self._read, self._write):
            os.close(handle)

    # -- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping:
                select.select([self._read], [], [], self._poll_s)
                self._drain()
                self._look()
                self._hand_over()
        except BaseException:
            self._pressed[0] = True  # a switch that nobody watches is a pressed one
            raise

    def _drain(self) -> None:
        try:
            while os.read(self._read, 256):
                continue
        except BlockingIOError:
            return

    def _hand_over(self) -> None:
        """Presses in order; what finds no room stays in front, and is tried at the next look."""
        while self._queue:
            if not self._sink(self._queue[0]):
                return
            self._queue.popleft()

    def _wake(self) -> None:
        try:
            os.write(self._write, b"w")
        except BlockingIOError:
            return  # the pipe is full of wakings

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        name = signal.Signals(number).name
        id_ = f"signal-{os.getpid()}-{self._signals}"
        who = login_of(os.getuid())
        level = SIGNALS[signal.Signals(number)]
        self.press(OperatorCommand(HALT, who, name, None, level, id_, "SIGNAL"))

    # -- the file ------------------------------------------------------------------------------

    def _look(self) -> None:
        """Press what is new; take away what was answered."""
        found = [one for one in map(read_kill_file, self._files) if one is not None]
        new = [one for one in found if self._seen.get(one.path) != one.identity]
        self._calm = 0 if new else self._calm + 1
        for one in new:
            self._seen[one.path] = one.identity
        if new:
            self.press(_command(max(new, key=lambda one: LEVELS.index(one.level))))
        elif self._calm >= CALM_LOOKS and not self._unanswered:
            for one in found:
                if one.read:
                    self._take_away(one)

    def _take_away(self, found: Found) -> None:
        """Rename a file whose halt is journaled. What was written into it meanwhile counts."""
        taken = found.path.with_name(found.path.name + TAKEN_SUFFIX)
        try:
            found.path.rename(taken)
        except OSError:
            return  # it stays, is known, and halts again only at the next start
        self._seen.pop(found.path, None)
        late = read_kill_file(taken)
        if late is not None and late.identity != found.identity:
            self.press(_command(late))


def _command(found: Found) -> OperatorCommand:
    inode, changed_ns, _ = found.identity
    id_ = f"file-{inode:x}-{changed_ns:x}{'' if found.read else '-unread'}"
    return OperatorCommand(HALT, found.who, found.why, None, found.level, id_, "FILE")


def read_kill_file(path: Path) -> Found | None:
    """What stands at ``path``; None where nothing does. Whatever stands there is a halt: an empty
    file, a folder, a file that cannot be read. A symbolic link is read, not followed."""
    try:
        there = os.lstat(path)
    except OSError:
        return None
    head = _target_of(path) if stat.S_ISLNK(there.st_mode) else _head_of(path)
    level, why = parse_kill_text(head or "")
    identity = (there.st_ino, there.st_mtime_ns, -1 if head is None else there.st_size)
    who, read = login_of(there.st_uid), head is not None
    return Found(path, identity, level, why or f"{path.name} file", who, read)


def _target_of(path: Path) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _head_of(path: Path) -> str | None:
    """The beginning of a file; None where this process may open no more files at the moment."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(path, flags)
    except OSError as error:
        return None if error.errno in (errno.EMFILE, errno.ENFILE) else ""
    try:
        return os.read(handle, FILE_BYTES_MAX).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(handle)


def parse_kill_text(text: str) -> tuple[str | None, str]:
    """(level, reason): the first word is HALT, CANCEL or FLATTEN, in any case; the rest, or all of
    it where there is no such word, is the reason."""
    words = text.split(maxsplit=1)
    first = words[0].upper() if words else ""
    if first not in (HALT, CANCEL, FLATTEN):
        return None, kept(" ".join(text.split()))
    rest = " ".join(words[1].split()) if len(words) > 1 else ""
    return (None if first == HALT else first), kept(rest)


def write_kill_file(path: Path, level: str | None, why: str) -> None:
    """Put the kill file at ``path``, whole from its first moment where the disk allows it.

    On a full disk the level stands in the target of a symbolic link, which takes no block, and the
    reason is lost. Raises ``OSError`` where not even that could be put there: what is there then,
    if anything, is an empty file, which halts and no more than that.
    """
    text = f"{level or HALT}\n{why}\n"
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    handle = os.open(beside, flags, 0o600)
    try:
        os.write(handle, text.encode("utf-8", "replace"))
    except OSError:
        _link_level(beside, level)
    finally:
        os.close(handle)
        try:
            beside.rename(path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise


def _link_level(path: Path, level: str | None) -> None:
    """Put a link whose target is the level in the place of ``path``. Raises ``OSError``."""
    link = path.with_name(f"{path.name}.link")
    os.symlink(level or HALT, link)
    try:
        link.rename(path)
    except OSError:
        link.unlink()
        raise
