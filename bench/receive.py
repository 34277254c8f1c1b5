"""The receive path: frames over a loopback WebSocket until they are journaled, per CPU second.

Lives here: the command, the sender, the comparison and the print; ``receive_engine`` is the process
that is measured. May import: the bench, websockets, the rooms. Always holds: the sender is another
process than the engine and its CPU time is in no rate; every run's journal is compared with that of
the same day without a socket, derivation by derivation, before a figure is printed.
Run from the checkout: ``python -m bench.receive [--ticks N] [--reps R] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from adapters.rulebook.load import load_rows
from bench import work_a_axiom
from bench.measure import common_options, in_process, machine, say, write_report
from bench.receive_engine import Received
from bench.work_a_data import BURST, MINUTES, check_size, make_day
from engine.runner import run_market

ENGINE: Final = "bench.receive_engine"
SIZES: Final = (BURST, 20)
TARGETS: Final = {BURST: 300_000, 20: 100_000}
"""Packets per CPU second, by packets in a frame."""

READY_S: Final = 30.0


class Row(msgspec.Struct, frozen=True):
    """The median run of a frame size. ``ticker_cpu_s`` is the part of ``cpu_s`` that the ticker's
    thread took: socket, WebSocket, link."""

    per_frame: int
    runs: int
    packets: int
    cpu_s: float
    ticker_cpu_s: float
    wall_s: float
    packets_per_cpu_s: int
    target: int


class Report(msgspec.Struct, frozen=True):
    """All that is said of one call."""

    machine: str
    seed: int
    rows: list[Row]


@contextmanager
def sending(frames: Sequence[bytes]) -> Iterator[str]:
    """A server that sends ``frames`` to who subscribes; gives its address."""
    loop, ready, end = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    ports: list[int] = []

    async def send(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await socket.recv()
            for data in frames:
                await socket.send(data)
            await socket.wait_closed()

    async def run() -> None:
        async with serve(send, "127.0.0.1", 0, compression=None) as server:
            ports.append(next(iter(server.sockets)).getsockname()[1])
            ready.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), name="sender")
    thread.start()
    try:
        assert ready.wait(READY_S), "the sender did not begin to listen"
        yield f"ws://127.0.0.1:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()
        loop.close()


def measure(parent: Path, ticks: int, minutes: int, seed: int, per_frame: int, reps: int) -> Row:
    """Some runs of one frame size. Raises ``SystemExit`` for a journal that is another one."""
    market = work_a_axiom.market_of(make_day(ticks, seed, minutes), per_frame)
    frames = list(market.frames())
    times = parent / f"times-{per_frame}"
    times.write_bytes(msgspec.msgpack.encode([frame.ts for frame in frames]))
    straight = parent / f"straight-{per_frame}"
    want = run_market(straight, market, work_a_axiom.CONFIG, load_rows(), keep_states=False)
    found: list[Received] = []
    for run in range(reps):
        folder = parent / f"received-{per_frame}-{run}"
        with sending([frame.data for frame in frames]) as root:
            said = in_process(
                sys.executable, ENGINE, [root, str(times), str(minutes), str(seed), str(folder)]
            )
        found.append(msgspec.json.decode(said, type=Received))
        say(f"frames of {per_frame}: {ticks / found[-1].cost.cpu_s:,.0f} packets per CPU second")
        if found[-1].digest != want.digest:
            raise SystemExit(f"frames of {per_frame}: the journal is not that of the same day")
    return _row(found, per_frame, ticks)


def _row(found: Sequence[Received], per_frame: int, ticks: int) -> Row:
    cpu_s = statistics.median(one.cost.cpu_s for one in found)
    return Row(
        per_frame,
        len(found),
        ticks,
        round(cpu_s, 3),
        round(statistics.median(one.ticker_cpu_s for one in found), 3),
        round(statistics.median(one.cost.wall_s for one in found), 3),
        int(ticks / cpu_s),
        TARGETS[per_frame],
    )


def show(report: Report) -> None:
    """Print a report with what follows from it."""
    print(f"frames over a loopback WebSocket to the journal; {report.machine}")
    print(f"{'packets a frame':>16}{'packets':>12}{'CPU s':>9}{'ticker':>9}{'wall s':>9}", end="")
    print(f"{'per CPU s':>12}{'target':>10}")
    for row in report.rows:
        met = "met" if row.packets_per_cpu_s >= row.target else "not met"
        print(f"{row.per_frame:16}{row.packets:12,}{row.cpu_s:9.2f}{row.ticker_cpu_s:9.2f}", end="")
        print(f"{row.wall_s:9.2f}{row.packets_per_cpu_s:12,}{row.target:10,} {met}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command's options; a bad one ends the program with exit code 2 and one line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.receive", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--ticks", type=int, default=1_000_000, help=f"a multiple of {BURST}")
    parser.add_argument("--minutes", type=int, default=MINUTES)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--reps", type=int, default=3)
    common_options(parser)
    options = parser.parse_args(arguments)
    try:
        check_size(options.ticks, options.minutes)
    except ValueError as error:
        parser.error(f"--ticks {error}")
    if options.reps < 1:
        parser.error("--reps must be 1 or more")
    return options


def main(arguments: Sequence[str]) -> int:
    """0 when every run's journal was the day's."""
    options = parse(arguments)
    rows = []
    with tempfile.TemporaryDirectory(prefix="axiom-bench-", dir=options.folder) as scratch:
        for per_frame in SIZES:
            rows.append(
                measure(
                    Path(scratch), options.ticks, options.minutes, options.seed, per_frame,
                    options.reps,
                )
            )  # fmt: skip
    report = Report(machine(), options.seed, rows)
    show(report)
    write_report(report, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
