"""The simulated exchange beside an engine: its child process, and what it says of its time.

Lives here: ``Simulation`` (the parent's side), ``main`` (the child's). May import: everything it
wires. Always holds: the child ends when its parent does, however that ends; it speaks on loopback
alone; its market is the one that was named, from the session time that was named.
Start reading at ``Simulation``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from cli.errors import EXIT_COULD_NOT_RUN, EXIT_GOOD, UserError
from cli.options import Common

START_S: Final = 120.0
"""Going to a late hour of a large market takes its time."""

STOP_S: Final = 10.0
ANSWER_S: Final = 10.0
CLOCK_PATH: Final = "/sim/clock"


class Simulation:
    """An exchange in a process of its own; ``rest`` and ``ws`` are its addresses."""

    def __init__(
        self,
        common: Common,
        market: str,
        seed: int,
        speed: int,
        at_ns: int,
        faults: str | None = None,
    ) -> None:
        """Start it at the session time ``at_ns`` (ns UTC). Raises ``UserError``."""
        words = [market, "--home", str(common.home), "--desk", common.desk]
        words += ["--seed", str(seed), "--speed", str(speed), "--at-ns", str(at_ns)]
        words += [] if faults is None else ["--faults", faults]
        self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "cli.simulation", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # an interrupt at the terminal is the engine's to answer
        )
        addresses = self._first_line()
        self.rest, self.ws = str(addresses["rest"]), str(addresses["ws"])

    def _first_line(self) -> dict[str, Any]:
        """What the child says once it serves."""
        assert self._child.stdout is not None
        watchdog = threading.Timer(START_S, self._child.kill)
        watchdog.start()
        try:
            line = self._child.stdout.readline()
        except BaseException:
            self.close()
            raise
        finally:
            watchdog.cancel()
        if line:
            found: dict[str, Any] = json.loads(line)
            return found
        assert self._child.stderr is not None
        said = self._child.stderr.read().decode(errors="replace").strip().splitlines()[-1:]
        self.close()
        raise UserError(f"the simulated exchange did not start: {''.join(said) or 'no message'}")

    @property
    def ended(self) -> bool:
        """Whether the child is gone."""
        return self._child.poll() is not None

    def close(self) -> None:
        """End it."""
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()
        self._child.terminate()
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


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
    """``python -P -m cli.simulation MARKET --at-ns N ...``: serves until standard input ends."""
    parser = argparse.ArgumentParser(prog="cli.simulation", description=__doc__)
    parser.add_argument("market")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--desk", required=True)
    for name in ("--seed", "--speed", "--at-ns"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--faults")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
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
        asyncio.run(_serve(server))
    except (UserError, MarketError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_COULD_NOT_RUN
    return EXIT_GOOD


async def _serve(server: Any) -> None:
    """Until the parent lets go of standard input, which its death does too."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()

    def heard() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            stopped.set()

    await server.start()
    loop.add_reader(sys.stdin.fileno(), heard)
    sys.stdout.write(json.dumps({"rest": server.rest, "ws": server.ws}) + "\n")
    sys.stdout.flush()
    await server.run_until(stopped)


if __name__ == "__main__":
    sys.exit(main())
