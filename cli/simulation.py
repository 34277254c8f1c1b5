"""The simulated exchange beside an engine: its process, and what it says of its time.

Lives here: ``Simulation`` (the engine's side), ``main`` (the exchange's). May import: everything it
wires. Always holds: an engine that ends in order ends its exchange; one that is killed, or that
fails or is told to end with something open, leaves it running for a while, as a broker would be,
and the engine that takes its session up finds it again; left alone it ends by itself; it speaks on
loopback alone.
Start reading at ``Simulation``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cli.errors import EXIT_COULD_NOT_RUN, EXIT_GOOD, UserError
from cli.options import Common
from cli.paths import desk_folder, make_private

START_S: Final = 120.0
"""Going to a late hour of a large market takes its time."""

STOP_S: Final = 10.0
ANSWER_S: Final = 10.0
ALONE_S: Final = 30.0
"""So long an exchange whose engine is gone waits for another."""

LOOK_S: Final = 0.5
NOTE_NAME: Final = "simulated-exchange.json"
LOG_NAME: Final = "simulated-exchange.log"
ACCOUNT_NAME: Final = "simulated-account.json"
"""The exchange's own books, left when it ends: what ``/sim/account`` answered last."""

PRIVATE_MODE: Final = 0o600
CLOCK_PATH: Final = "/sim/clock"

_left: Final[list[subprocess.Popen[bytes]]] = []
"""Exchanges that outlive their engine."""


@dataclass(frozen=True)
class Wanted:
    """Which exchange: a market by its name, its seed, the speed, what goes wrong there."""

    market: str
    seed: int
    speed: int
    faults: str | None = None


class Simulation:
    """An exchange in a process of its own; ``rest`` and ``ws`` are its addresses."""

    def __init__(self, common: Common, wanted: Wanted, at_ns: int, *, resumes: bool) -> None:
        """Start it at the session time ``at_ns`` (ns UTC); an engine that ``resumes`` goes on with
        the one that was left behind, where it still runs. Raises ``UserError``."""
        folder = make_private(desk_folder(common.home, common.desk))
        self._note = folder / NOTE_NAME
        self._child: subprocess.Popen[bytes] | None = None
        left = _left_behind(self._note)
        if left is not None and resumes and left["wanted"] == asdict(wanted):
            found = left
        else:
            if left is not None:
                _end(left["pid"])
            found = self._start(common, wanted, at_ns, folder / LOG_NAME)
            self._keep({**found, "wanted": asdict(wanted)})
        self.pid, self.rest, self.ws = int(found["pid"]), str(found["rest"]), str(found["ws"])

    def _start(self, common: Common, wanted: Wanted, at_ns: int, log: Path) -> dict[str, Any]:
        words = [wanted.market, "--home", str(common.home), "--desk", common.desk]
        words += ["--seed", str(wanted.seed), "--speed", str(wanted.speed), "--at-ns", str(at_ns)]
        words += [] if wanted.faults is None else ["--faults", wanted.faults]
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE_MODE)
        with os.fdopen(handle, "wb") as errors:
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "cli.simulation", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # an interrupt at the terminal is the engine's to answer
            )
        line = self._first_line(self._child)
        if line:
            return {"pid": self._child.pid, **json.loads(line)}
        self.close()
        said = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise UserError(f"the simulated exchange did not start: {said[0]}")

    def _first_line(self, child: subprocess.Popen[bytes]) -> bytes:
        """What the child says once it serves."""
        assert child.stdout is not None
        watchdog = threading.Timer(START_S, child.kill)
        watchdog.start()
        try:
            return child.stdout.readline()
        except BaseException:
            self.close()
            raise
        finally:
            watchdog.cancel()

    def _keep(self, found: dict[str, Any]) -> None:
        """For the engine that comes after one that was killed."""
        _write_private(self._note, json.dumps(found).encode())

    def leave(self) -> None:
        """Let it run on, for the engine that takes the session up: it hears that this one is gone,
        and ends by itself where none comes."""
        child = self._child
        if child is not None:
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()
            _left.append(child)

    def close(self) -> None:
        """End it."""
        self._note.unlink(missing_ok=True)
        child = self._child
        if child is None:
            _end(self.pid)
            return
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _left_behind(note: Path) -> dict[str, Any] | None:
    """The exchange that a killed engine left; None where none answers any more."""
    try:
        found = json.loads(note.read_text())
        answers = simulated_clock(found["rest"]) is not None
    except (FileNotFoundError, ValueError, KeyError, TypeError, UserError):
        return None
    return found if answers else None


def _write_private(path: Path, data: bytes) -> None:
    """The whole of it or nothing, for its owner alone."""
    partial = path.with_name(f"{path.name}.new")
    partial.unlink(missing_ok=True)
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_MODE)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    partial.rename(path)


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def simulated_clock(rest: str) -> dict[str, Any] | None:
    """What a simulated exchange says of its time: ``now_ns``, ``day``, ``speed`` and so on; None
    where something else answers. Raises ``UserError`` where nothing does."""
    address = urlsplit(rest)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_S)
    try:
        connection.request("GET", CLOCK_PATH)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException) as error:
        raise UserError(f"nothing answers at {rest} ({error}): is the exchange running?") from error
    finally:
        connection.close()
    if answer.status != 200:
        return None
    try:
        said = json.loads(body)
    except ValueError:
        return None
    return said if isinstance(said, dict) and "now_ns" in said else None


# --- the child -----------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """``python -P -m cli.simulation MARKET --at-ns N ...``: serves until it is ended."""
    parser = argparse.ArgumentParser(prog="cli.simulation", description=__doc__)
    parser.add_argument("market")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--desk", required=True)
    for name in ("--seed", "--speed", "--at-ns"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--faults")
    given = parser.parse_args(arguments)
    from adapters.exchange_sim.server import ExchangeServer, Settings
    from cli.load import load_rulebook, open_market
    from cli.verbs.exchange_sim import fault_plan
    from engine.ports import MarketError

    common = Common(given.home, given.desk, None, False)
    try:
        rulebook = load_rulebook(common)
        market = open_market(given.market, common, rulebook, seed=given.seed)
        settings = Settings(speed=given.speed, at_ns=given.at_ns)
        plan = fault_plan(given.faults, market, given.at_ns)
        server = ExchangeServer(market, rulebook, plan, settings)
        folder = make_private(desk_folder(given.home, given.desk))
        asyncio.run(_serve(server, folder / ACCOUNT_NAME))
    except (UserError, MarketError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_COULD_NOT_RUN
    return EXIT_GOOD


async def _serve(server: Any, account: Path) -> None:
    """Until it is ended, or its engine is gone and nobody has followed the feed for a while. What
    its books are then is left in ``account``."""
    from adapters.exchange_sim.control import account_of

    stopped = asyncio.Event()
    orphaned = asyncio.Event()
    loop = asyncio.get_running_loop()

    def heard() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            orphaned.set()

    async def look() -> None:
        await orphaned.wait()
        alone_s = 0.0
        while alone_s < ALONE_S:
            await asyncio.sleep(LOOK_S)
            alone_s = 0.0 if server.hub.subscriptions else alone_s + LOOK_S
        stopped.set()

    await server.start()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    loop.add_reader(sys.stdin.fileno(), heard)
    sys.stdout.write(json.dumps({"rest": server.rest, "ws": server.ws}) + "\n")
    sys.stdout.flush()
    looking = asyncio.create_task(look())
    try:
        await server.run_until(stopped)
    finally:
        looking.cancel()
        _write_private(account, account_of(server))


if __name__ == "__main__":
    sys.exit(main())
