"""The asker's end of the control socket.

Lives here: finding the engine of a desk, asking it once. May import: this package. Always holds:
every wait has a deadline; the other end is believed only where it is of the same user; a command
that is sent again has the same id, so that it stays one command.
Start reading at ``ask``.
"""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from adapters.control.place import PlaceUnsafe, check_folder, socket_path
from adapters.control.protocol import (
    ANSWER_BYTES_MAX,
    VERSION,
    Answer,
    CommandAnswer,
    CommandRequest,
    Fault,
    Frames,
    ProtocolError,
    Request,
    StatusAnswer,
    StatusRequest,
    answer_of,
    frame,
)
from adapters.control.server import peer_uid
from adapters.session.clock import boot_ns

COMMAND_DEADLINE_S: Final = 8.0
"""Longer than the engine's own, so that its PENDING arrives."""

STATUS_DEADLINE_S: Final = 2.0
TRIES: Final = 5
_PAUSE_S: Final = 0.05
_RECEIVE_BYTES: Final = 16 * 1024


class ControlError(Exception):
    """Nothing was learnt from the engine; one line that says why."""


class NoEngine(ControlError):  # noqa: N818 - named for the condition
    """Nobody answers at any of the places. The message names those that are unsafe, or is empty."""


class NoAnswer(ControlError):  # noqa: N818 - named for the condition
    """Somebody is there, and did not answer in time or not in our words."""


def ask(
    folders: Sequence[Path], request: CommandRequest, deadline_s: float = COMMAND_DEADLINE_S
) -> CommandAnswer:
    """Give a command and wait for what became of it. Raises ``NoEngine`` or ``NoAnswer``.

    Where the connection breaks it is given again, under its id, until the deadline.
    """
    until_s = time.monotonic() + deadline_s
    stamped = msgspec.structs.replace(request, asked_ns=boot_ns())
    answer = _asked(folders, stamped, until_s)
    if not isinstance(answer, CommandAnswer) or answer.command_id != request.command_id:
        raise NoAnswer("the engine answered something else: it may be of another release")
    return answer


def ask_status(folders: Sequence[Path], deadline_s: float = STATUS_DEADLINE_S) -> StatusAnswer:
    """The engine's last status. Raises ``NoEngine`` or ``NoAnswer``."""
    answer = _asked(folders, StatusRequest(), time.monotonic() + deadline_s)
    if not isinstance(answer, StatusAnswer):
        raise NoAnswer("the engine answered something else: it may be of another release")
    return answer


def _asked(folders: Sequence[Path], request: Request, until_s: float) -> Answer:
    broken = NoAnswer("the connection broke before the answer")
    for attempt in range(TRIES):
        try:
            sock = _connected(folders, until_s)
        except NoEngine:
            if attempt:
                raise broken from None
            raise
        with sock:
            try:
                return _exchange(sock, request, until_s)
            except TimeoutError:
                raise NoAnswer("the engine is there, and did not answer in time") from None
            except ProtocolError as error:
                raise NoAnswer(f"the engine's answer is not understood ({error.code})") from error
            except OSError as error:
                broken = NoAnswer(f"the connection broke before the answer: {error.strerror}")
        time.sleep(_PAUSE_S)
    raise broken


def _connected(folders: Sequence[Path], until_s: float) -> socket.socket:
    """A connection to the first place where somebody of this user listens."""
    refused = []
    for folder in folders:
        try:
            path = socket_path(folder)
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                continue
            check_folder(folder)
        except OSError:
            continue
        except PlaceUnsafe as error:
            refused.append(str(error))
            continue
        sock = _connection_to(path, until_s)
        if sock is not None:
            return sock
    raise NoEngine("".join(f"{one}; " for one in refused))


def _connection_to(path: Path, until_s: float) -> socket.socket | None:
    """A connection to our own user's socket at ``path``; None where nobody of ours listens."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _connect(sock, path, until_s)
        if peer_uid(sock) == os.getuid():
            return sock
    except TimeoutError:
        sock.close()
        raise NoAnswer("the engine is there, and takes no connection") from None
    except OSError:
        pass  # the engine that made it is gone
    sock.close()
    return None


def _connect(sock: socket.socket, path: Path, until_s: float) -> None:
    while True:
        sock.settimeout(_left(until_s))
        try:
            return sock.connect(str(path))
        except BlockingIOError:
            time.sleep(_PAUSE_S)  # its queue is full: there is no waiting for a place in it


def _exchange(sock: socket.socket, request: Request, until_s: float) -> Answer:
    sock.settimeout(_left(until_s))
    sock.sendall(frame(request))
    frames = Frames(ANSWER_BYTES_MAX)
    while True:
        sock.settimeout(_left(until_s))
        data = sock.recv(min(_RECEIVE_BYTES, frames.room))
        if not data:
            raise ConnectionResetError(None, "the engine hung up")
        for payload in frames.feed(data):
            answer = answer_of(payload)
            if isinstance(answer, Fault):
                raise NoAnswer(_said(answer))
            return answer


def _said(fault: Fault) -> str:
    if fault.version != VERSION:
        return (
            f"the engine speaks version {fault.version} of this channel and this program {VERSION}:"
            " ask with the release that runs it"
        )
    return f"the engine did not understand the request ({fault.code})"


def _left(until_s: float) -> float:
    left = until_s - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
