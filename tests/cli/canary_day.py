"""The processes of the canary test: a home with secrets in it, what runs there, what came out.

Lives here: ``Desks`` (starts the program with every debug switch on and keeps all that it says),
``Receiver`` (the loopback end of the alerts), ``Browser`` (a person at the login page). Always
holds: no process outlives the context; every wait has a deadline. Start reading at ``Desks``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from adapters.control.place import runtime_folders

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
LOOK_S = 0.05
AXIOM = (sys.executable, "-P", "-m", "cli.main")
CHILDREN = (sys.executable, "-P", "-m", "tests.cli.canary_children")
SCREEN_BYTES = 2_000
"""More than a terminal is asked before the first frame is drawn."""

SIZE = struct.pack("HHHH", 40, 120, 0, 0)

EVERYTHING_ON = '''\
"""Every switch with which a person looks into a program: all loggers, printed headers, locals."""
import faulthandler, http.client, logging, os, sys, threading, traceback

path = os.path.join(os.environ["CANARY_LOGS"], f"{os.getpid()}.log")
log = open(path, "a", buffering=1)
logging.basicConfig(
    level=logging.DEBUG, handlers=[logging.StreamHandler(log), logging.StreamHandler()]
)
for name in (
    "aiohttp", "aiohttp.access", "aiohttp.client", "aiohttp.server", "asyncio", "autobahn",
    "charset_normalizer", "kiteconnect", "kiteconnect.connect", "kiteconnect.ticker", "requests",
    "twisted", "urllib3", "urllib3.connectionpool", "urllib3.util.retry", "websockets",
    "websockets.client", "websockets.protocol", "websockets.server",
):
    logging.getLogger(name).setLevel(logging.DEBUG)
http.client.HTTPConnection.debuglevel = 1
faulthandler.enable(log)


def told(error):
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    log.write("".join(shown.format()))


sys.excepthook = lambda kind, error, trace: told(error)
sys.unraisablehook = lambda one: told(one.exc_value)
threading.excepthook = lambda one: told(one.exc_value)
logging.getLogger("canary").debug("debug logging is on")
'''


class Said(NamedTuple):
    """What a process wrote: its words, and both streams."""

    words: tuple[str, ...]
    code: int
    out: bytes
    err: bytes


class Running:
    """A process that goes on, with its streams in files."""

    def __init__(self, words: tuple[str, ...], child: subprocess.Popen[bytes], out: Path) -> None:
        self.words, self.child, self.out = words, child, out

    @property
    def err(self) -> str:
        """What it said so far."""
        return self.out.with_suffix(".err").read_text(errors="replace")

    def until(self, text: str) -> str:
        """The first line of its errors that holds ``text``."""

        def found() -> str | None:
            lines = [line for line in self.err.splitlines() if text in line]
            assert lines or self.child.poll() is None, self.err[-3_000:]
            return lines[0] if lines else None

        return str(until(found, f"{self.words}: {text}"))

    def ended(self) -> int:
        """Its exit code."""
        return self.child.wait(DEADLINE_S)

    def core_limit(self) -> str:
        """The bytes of a core file that it may leave, as the system has it."""
        limits = Path(f"/proc/{self.child.pid}/limits").read_text()
        (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        return line.split()[4]


def until(look: Callable[[], Any], what: str) -> Any:
    """What ``look`` gives once it is true."""
    end = time.monotonic() + DEADLINE_S
    while not (found := look()):
        assert time.monotonic() < end, f"never: {what}"
        threading.Event().wait(LOOK_S)
    return found


class Desks:
    """A home below ``root`` and the program in it. ``root/private`` is the person's own: what
    stands there is no output."""

    def __init__(self, root: Path, variables: dict[str, str]) -> None:
        self.root, self.home = root, root / "home"
        self.logs, self.streams, self.private = root / "logs", root / "streams", root / "private"
        for folder in (self.home, self.logs, self.streams, self.private, root / "switches"):
            folder.mkdir(mode=0o700, parents=True)
        (root / "switches/sitecustomize.py").write_text(EVERYTHING_ON)
        self.environment = {
            **os.environ, "AXIOM_HOME": str(self.home), "AXIOM_DEBUG": "1",
            "CANARY_LOGS": str(self.logs), "PYTHONASYNCIODEBUG": "1", "PYTHONFAULTHANDLER": "1",
            "PYTHONPATH": f"{root / 'switches'}{os.pathsep}{ROOT}", **variables,
        }  # fmt: skip
        self.said: list[Said] = []
        self.screens: list[bytes] = []
        self.command_lines: set[bytes] = set()
        self.running: list[Running] = []
        self._watching = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="test-command-lines")

    # --- starting things

    def start(
        self, *words: str, by: Iterable[str] = AXIOM, stdin: int = subprocess.DEVNULL,
        more: dict[str, str] | None = None, less: Iterable[str] = (),
    ) -> Running:  # fmt: skip
        """A process in the background. ``more`` and ``less`` of the environment."""
        out = self.streams / f"{len(self.running):03d}.out"
        named = {**self.environment, **(more or {})}
        for name in less:
            named.pop(name, None)
        with out.open("wb") as said, out.with_suffix(".err").open("wb") as told:
            child = subprocess.Popen(
                [*by, *words], cwd=ROOT, env=named, stdin=stdin, stdout=said, stderr=told,
                start_new_session=True,
            )  # fmt: skip
        self.running.append(Running(words, child, out))
        return self.running[-1]

    def run(self, *words: str, typed: str = "", **named: Any) -> Said:
        """A process to its end, with a line typed."""
        one = self.start(*words, stdin=subprocess.PIPE, **named)
        with contextlib.suppress(BrokenPipeError):
            one.child.communicate(typed.encode(), DEADLINE_S)
        said = Said(words, one.ended(), one.out.read_bytes(), one.err.encode())
        self.said.append(said)
        return said

    def screen(self, *words: str, keys: Iterable[str]) -> bytes:
        """The program on a terminal: what it draws while keys are pressed, the last ends it."""
        *told, end = keys
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            os.execve(AXIOM[0], [*AXIOM, *words], {**self.environment, "TERM": "xterm-256color"})
        drawn = b""
        try:
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, SIZE)
            while len(drawn) < SCREEN_BYTES:  # begun: the rest comes with the first key
                drawn += (piece := _drawn(terminal))
                assert piece, drawn.decode(errors="replace")
            for key in told:
                os.write(terminal, key.encode())
                drawn += _drawn(terminal)
            os.write(terminal, end.encode())
            while piece := _drawn(terminal, DEADLINE_S):
                drawn += piece
            until(lambda: os.waitpid(pid, os.WNOHANG)[0], "the screen ends")
        except BaseException:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise
        finally:
            os.close(terminal)
        self.screens.append(drawn)
        return drawn

    # --- the processes of the machine

    def _watch(self) -> None:
        while not self._watching.wait(LOOK_S):
            self.command_lines.update(line for _, line in command_lines())

    def __enter__(self) -> Desks:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watching.set()
        self._watcher.join()
        for one in self.running:
            if one.child.poll() is None:
                one.child.kill()
            one.child.wait()
            if one.child.stdin is not None:
                one.child.stdin.close()
        mark = os.fsencode(self.root)
        for pid, line in command_lines():  # watchdogs and projectors outlive what started them
            if mark in line:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for desk in ("paper", "live", "record"):
            for folder in runtime_folders(self.home, desk):
                shutil.rmtree(folder, ignore_errors=True)


def command_lines() -> Iterator[tuple[int, bytes]]:
    """The command line of every process of the machine, as ps shows it."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield int(path.parent.name), path.read_bytes()


def _drawn(terminal: int, quiet_s: float = 0.3) -> bytes:
    """What is drawn until nothing more is for a moment; nothing once the other end is closed."""
    drawn, end = b"", time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if not select.select([terminal], [], [], quiet_s if drawn else DEADLINE_S)[0]:
            break
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        drawn += piece
    return drawn


# --- who is spoken to -----------------------------------------------------------------------------


class Receiver:
    """Takes alerts, and keeps their headers and bodies; the first ones of each way it refuses. Its
    paths are secrets, and kept apart."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.paths: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(LOOK_S,), name="test-receiver"
        )

    @property
    def root(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.bodies.append(bytes(self.headers) + body)
                receiver.paths.append(self.path)
                self.send_response(502 if len(receiver.paths) <= 4 else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Says nothing."""

        return Handler

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Stays(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        """A person who looks at each address."""
        return None


def sent_on(address: str) -> str:
    """Where a page sends the browser."""
    try:
        urllib.request.build_opener(_Stays()).open(address, timeout=DEADLINE_S).close()
    except urllib.error.HTTPError as error:
        with error:
            return str(error.headers["Location"])
    raise AssertionError("the page sends nowhere")


def ask(address: str, body: object = None) -> Any:
    """What the simulated exchange's controls answer."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(address, data, timeout=DEADLINE_S) as answer:
        return json.loads(answer.read())
