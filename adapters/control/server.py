"""The engine's end of the control socket.

Lives here: ``ControlServer``, one thread over all connections. May import: events,
``engine.commands``, this package. Always holds: the engine's thread never waits here, since what it
hands over goes into bounded queues; a peer of another user is dropped unread; a connection holds at
most one request and a few answers; the same command id is one command and one answer.
Start reading at ``ControlServer``.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from adapters.control import protocol
from adapters.control.kill import HALT, KillSwitch
from adapters.control.place import PlaceUnsafe, login_of, make_folder, socket_path
from adapters.control.protocol import (
    CommandAnswer,
    CommandRequest,
    Fault,
    Frames,
    ProtocolError,
    Status,
    StatusAnswer,
    frame,
    request_of,
)
from adapters.session.clock import NS_PER_S, boot_ns
from engine.commands import BUSY, BY_VERB, EXPIRED, ID_REUSED, checked, is_id, unconfirmed
from events.governance import CommandAnswered
from events.session import OperatorCommand


class Limits(msgspec.Struct, frozen=True):
    """What one engine bears of its askers. Times in seconds."""

    connections: int = 32
    """More: the one that has been silent longest goes."""

    requests: int = 200
    """Of one connection in its life; then it ends."""

    out_bytes: int = 2 * protocol.ANSWER_BYTES_MAX
    """Answers that a connection did not fetch."""

    idle_s: float = 10.0
    """A connection that says nothing and waits for nothing."""

    answer_s: float = 5.0
    """How long an asker waits for the engine's answer before PENDING is said."""

    life_s: float = 5.0
    """How old a command may be when the engine takes it: as old as its asker is patient. What stops
    or closes has no age."""

    waiting: int = 64
    """Commands that the engine has not answered; one more is CMD_BUSY."""

    remembered: int = 4_096
    """Answers kept, so that the same id gets the same one."""


TimedSink = Callable[[OperatorCommand, int | None], bool]
"""Takes a command that is not to be carried out after a time (ns since boot; None: however late);
false where there is no room."""

LIMITS: Final = Limits()
_BACKLOG: Final = 128
_ACCEPTS: Final = 64
_RECEIVE_BYTES: Final = 16 * 1024
_TURN_S: Final = 0.5
_CREDENTIALS: Final = struct.Struct("3i")
_NOBODY: Final = -1


class ControlBusy(Exception):  # noqa: N818 - named for the condition
    """Another engine answers at this place."""


def peer_uid(connection: socket.socket) -> int:
    """The user id of the process at the other end, as the kernel knows it; -1 where it is gone."""
    try:
        held = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return _NOBODY
    _, uid, _ = _CREDENTIALS.unpack(held)
    return int(uid)


class _Connection:
    """One asker: what it sent, what it is owed, and when it was last heard."""

    def __init__(self, sock: socket.socket, who: str, now_s: float) -> None:
        self.sock = sock
        self.who = who
        self.frames = Frames(protocol.REQUEST_BYTES_MAX)
        self.out = bytearray()
        self.heard_s = now_s
        self.requests = 0
        self.waits_for: set[str] = set()
        self.ending = False


class _Command:
    """A command that was taken: how to know it again, who waits for it and until when."""

    def __init__(self, command: OperatorCommand, deadline_s: float) -> None:
        self.command = command
        self.deadlines: dict[_Connection, float] = {}
        self.deadline_s = deadline_s
        self.answer: CommandAnswer | None = None


class ControlServer:
    """Serves one engine of ``mode``. ``folders`` are its runtime folders, the best first.

    ``sink`` takes a command into the inbox without blocking, and one that is taken out of it too
    late is told by ``expired``; a HALT goes through ``kill``, which is in force before it is
    queued. ``peer`` tells the user id at the other end, ``boot`` the time since boot in ns.
    """

    def __init__(
        self,
        folders: Sequence[Path],
        mode: str,
        sink: TimedSink,
        kill: KillSwitch,
        *,
        limits: Limits = LIMITS,
        peer: Callable[[socket.socket], int] = peer_uid,
        clock: Callable[[], float] = time.monotonic,
        boot: Callable[[], int] = boot_ns,
    ) -> None:
        self._folders = tuple(folders)
        self._mode = mode
        self._sink = sink
        self._kill = kill
        self._limits = limits
        self._peer = peer
        self._clock = clock
        self._boot = boot
        self._life_ns = int(limits.life_s * NS_PER_S)
        self._selector = selectors.DefaultSelector()
        self._connections: set[_Connection] = set()
        self._commands: OrderedDict[str, _Command] = OrderedDict()
        self._answers: deque[CommandAnswer] = deque(maxlen=limits.remembered)
        self._status: tuple[Status, float] | None = None
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._listener: socket.socket | None = None
        self._bound: tuple[Path, int] | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None

    # -- what the engine's thread calls --------------------------------------------------------

    def publish(self, status: Status) -> None:
        """What a status request is answered from here on. Never blocks."""
        self._status = (status, self._clock())

    def answered(self, event: CommandAnswered, seq: int) -> None:
        """The engine's answer, once entry ``seq`` is durable. Never blocks."""
        self._answers.append(CommandAnswer(event.command_id, event.outcome, event.reason, seq))
        self._wake()

    def expired(self, command_id: str) -> None:
        """The engine came to the command too late: it is not journaled and did not happen. Never
        blocks."""
        self._answers.append(CommandAnswer(command_id, protocol.REFUSED, EXPIRED, None))
        self._wake()

    @property
    def path(self) -> Path | None:
        """Where it listens."""
        return self._bound[0] if self._bound is not None else None

    @property
    def alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> Path:
        """Listen, and serve from a thread of its own; gives the socket's path.

        Raises ``PlaceUnsafe`` where no folder can be used, ``ControlBusy`` where one is served.
        """
        self._selector.register(self._woken, selectors.EVENT_READ)
        try:
            path = self._listen()
        except BaseException:
            self._release()
            raise
        self._thread = threading.Thread(target=self._run, name="control", daemon=True)
        self._thread.start()
        return path

    def close(self) -> None:
        """Stop serving; the socket's file goes. Nobody is answered any more."""
        self._stopping = True
        self._wake()
        if self._thread is not None:
            self._thread.join()
        else:
            self._release()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # as many wakings as fit are there, or it is closed
            self._waker.send(b"w")

    # -- the listening socket ------------------------------------------------------------------

    def _listen(self) -> Path:
        refused = []
        for folder in self._folders:
            try:
                path = socket_path(make_folder(folder))
                self._listener = _bound(path)
            except (PlaceUnsafe, OSError) as error:
                refused.append(str(error))
                continue
            self._bound = (path, os.lstat(path).st_ino)
            self._selector.register(self._listener, selectors.EVENT_READ)
            return path
        raise PlaceUnsafe(f"no folder for the control socket: {'; '.join(refused)}")

    def _listen_again(self) -> None:
        """A user's runtime folder goes when he logs out; the engine stays, and so must the way to
        it. The asker looks in every candidate."""
        if self._bound is not None:
            path, inode = self._bound
            with contextlib.suppress(OSError):
                if os.lstat(path).st_ino == inode:
                    return
        self._stop_listening()
        with contextlib.suppress(PlaceUnsafe, ControlBusy):  # tried again at the next turn
            self._listen()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
        self._bound = None

    def _release(self) -> None:
        if self._bound is not None:
            path, inode = self._bound
            with contextlib.suppress(OSError):
                if os.lstat(path).st_ino == inode:
                    path.unlink()
        self._stop_listening()
        for connection in list(self._connections):
            self._drop(connection)
        self._selector.close()
        self._woken.close()
        self._waker.close()

    # -- the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        looked_s = self._clock()
        try:
            while not self._stopping:
                for key, events in self._selector.select(_TURN_S):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.fileobj is self._woken:
                        _drain(self._woken)
                    else:
                        self._serve(key.data, events)
                self._pass_answers_on()
                now_s = self._clock()
                if now_s - looked_s >= _TURN_S:
                    looked_s = now_s
                    self._listen_again()
                    self._look_at_times(now_s)
        finally:
            self._release()

    def _accept(self) -> None:
        assert self._listener is not None
        for _ in range(_ACCEPTS):
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # nobody waits, or no descriptor is free: the next turn tries again
            uid = self._peer(sock)
            if uid != os.getuid():
                sock.close()
                continue
            sock.setblocking(False)
            if len(self._connections) >= self._limits.connections:
                self._drop(min(self._connections, key=_worth))
            connection = _Connection(sock, login_of(uid), self._clock())
            self._connections.add(connection)
            self._selector.register(sock, selectors.EVENT_READ, connection)

    def _serve(self, connection: _Connection, events: int) -> None:
        if connection not in self._connections:
            return  # dropped earlier in this turn
        if events & selectors.EVENT_READ and not self._read(connection):
            self._drop(connection)
            return
        self._flush(connection)

    def _read(self, connection: _Connection) -> bool:
        """Take in what came; false where the connection is over."""
        try:
            data = connection.sock.recv(min(_RECEIVE_BYTES, connection.frames.room))
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        connection.heard_s = self._clock()
        try:
            for payload in connection.frames.feed(data):
                connection.requests += 1
                if connection.requests > self._limits.requests:
                    raise ProtocolError(protocol.FLOOD)
                self._take(connection, request_of(payload))
        except ProtocolError as error:
            if error.code == protocol.NOT_CONTROL:
                return False  # a stranger to this protocol is told nothing
            self._send(connection, Fault(error.code, protocol.VERSION))
            connection.ending = True
        return True

    def _drop(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        for command_id in connection.waits_for:
            self._commands[command_id].deadlines.pop(connection, None)
        self._selector.unregister(connection.sock)
        connection.sock.close()

    # -- requests ------------------------------------------------------------------------------

    def _take(self, connection: _Connection, request: protocol.Request) -> None:
        if isinstance(request, CommandRequest):
            self._command(connection, request)
        else:
            self._send(connection, self._status_answer())

    def _status_answer(self) -> StatusAnswer:
        if self._status is None:
            return StatusAnswer(None, None)
        status, at_s = self._status
        return StatusAnswer(status, int((self._clock() - at_s) * 1000))

    def _command(self, connection: _Connection, request: CommandRequest) -> None:
        command = OperatorCommand(
            request.verb, connection.who, request.why, request.subject, request.value,
            request.command_id, "SOCKET",
        )  # fmt: skip
        known = self._commands.get(command.command_id)
        if known is not None:
            if known.command != command:
                self._refuse(connection, command.command_id, ID_REUSED)
            elif known.answer is not None:
                self._send(connection, known.answer)
            else:
                self._wait(connection, known)
            return
        refused = self._why_not(command, request)
        if refused is not None:
            self._refuse(connection, command.command_id, refused)
            return
        if not self._handed_on(command, request.asked_ns):
            self._refuse(connection, command.command_id, BUSY)
            return
        taken = _Command(command, self._clock())
        self._commands[command.command_id] = taken
        self._wait(connection, taken)

    def _handed_on(self, command: OperatorCommand, asked_ns: int) -> bool:
        if command.verb == HALT:
            return self._kill.press(command)
        expires = BY_VERB[command.verb].expires
        return self._sink(command, asked_ns + self._life_ns if expires else None)

    def _why_not(self, command: OperatorCommand, request: CommandRequest) -> str | None:
        """The code of what can be told here. Whether entries are halted, the core knows."""
        if not is_id(command.command_id):
            return "CMD_TEXT"
        code = checked(command, self._mode, halted=False)
        if code is None:
            code = unconfirmed(command.verb, self._mode, request.word)
        if code is None and self._is_late(command.verb, request.asked_ns):
            code = EXPIRED
        if code is None and command.verb != HALT and self._unanswered() >= self._limits.waiting:
            code = BUSY
        return code

    def _is_late(self, verb: str, asked_ns: int) -> bool:
        """A time still to come is of another clock: how old the command is, nobody knows."""
        return BY_VERB[verb].expires and not 0 <= self._boot() - asked_ns <= self._life_ns

    def _unanswered(self) -> int:
        return sum(1 for one in self._commands.values() if one.answer is None)

    def _refuse(self, connection: _Connection, command_id: str, code: str) -> None:
        self._send(connection, CommandAnswer(command_id, protocol.REFUSED, code, None))

    def _wait(self, connection: _Connection, command: _Command) -> None:
        command.deadlines[connection] = self._clock() + self._limits.answer_s
        connection.waits_for.add(command.command.command_id)

    # -- answers -------------------------------------------------------------------------------

    def _pass_answers_on(self) -> None:
        while self._answers:
            answer = self._answers.popleft()
            command = self._commands.get(answer.command_id)
            if command is None or command.answer is not None:
                continue  # of a file or a signal, or said before
            command.answer = answer
            for connection in list(command.deadlines):
                self._end_wait(connection, command, answer)
        self._forget()

    def _end_wait(self, connection: _Connection, command: _Command, answer: CommandAnswer) -> None:
        del command.deadlines[connection]
        connection.waits_for.discard(answer.command_id)
        self._send(connection, answer)
        self._flush(connection)

    def _forget(self) -> None:
        """The oldest answers go; a command without one is kept, whatever its age."""
        over = len(self._commands) - self._limits.remembered
        if over <= 0:
            return
        done = [name for name, one in self._commands.items() if one.answer is not None]
        for name in done[:over]:
            del self._commands[name]

    def _look_at_times(self, now_s: float) -> None:
        for command in list(self._commands.values()):
            for connection, until_s in list(command.deadlines.items()):
                if now_s >= until_s:
                    id_ = command.command.command_id
                    pending = CommandAnswer(id_, protocol.PENDING, None, None)
                    self._end_wait(connection, command, pending)
        for connection in list(self._connections):
            if not connection.waits_for and now_s - connection.heard_s >= self._limits.idle_s:
                self._drop(connection)

    def _send(self, connection: _Connection, answer: protocol.Answer) -> None:
        data = frame(answer)
        if len(connection.out) + len(data) > self._limits.out_bytes:
            connection.ending = True  # it asks and does not fetch
            return
        connection.out += data

    def _flush(self, connection: _Connection) -> None:
        """Send what the other end takes now; wait for room with the rest."""
        if connection not in self._connections:
            return
        try:
            while connection.out:
                del connection.out[: connection.sock.send(connection.out)]
        except BlockingIOError:
            wanted = selectors.EVENT_WRITE
            wanted |= 0 if connection.ending else selectors.EVENT_READ
            self._selector.modify(connection.sock, wanted, connection)
            return
        except OSError:
            self._drop(connection)
            return
        if connection.ending:
            self._drop(connection)
            return
        self._selector.modify(connection.sock, selectors.EVENT_READ, connection)


def _worth(connection: _Connection) -> tuple[bool, float]:
    """Who goes first where there are too many: who waits for nothing, and was silent longest."""
    return bool(connection.waits_for), connection.heard_s


def _bound(path: Path) -> socket.socket:
    """A listening socket at ``path``. Raises ``ControlBusy`` where somebody answers there."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if os.path.lexists(path):
            _check_deserted(path)
            path.unlink()
        sock.bind(str(path))
        os.chmod(path, 0o600)
        sock.listen(_BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _check_deserted(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.setblocking(False)
            probe.connect(str(path))
        except BlockingIOError:
            pass  # its backlog is full: somebody is there
        except OSError:
            return  # whoever listened here is gone
    raise ControlBusy(f"another engine answers at {path}: one desk has one engine")


def _drain(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        while sock.recv(_RECEIVE_BYTES):
            continue
