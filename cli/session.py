"""A session in real time for a verb: begun, driven, closed, and told in figures.

Lives here: what ``run`` and ``record`` share, whatever the market is and wherever orders go. May
import: everything it wires. Always holds: one engine a desk; readers are processes of their own; a
session that ended is closed, sealed and in the desk's ledger before its figures are given; one that
an error ended can be taken up again.
Start reading at ``run_session``.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from adapters.session.clock import NS_PER_S, SessionClock
from adapters.session.inbox import Post, SessionInbox
from adapters.session.latency import LatencyMeter, Percentiles
from adapters.session.machine import MachineWatch
from cli.account import account_lock
from cli.begin import Begun, Plan, begin
from cli.board import Board
from cli.ending import Ending, asks_here
from cli.errors import UserError, told_as_user_error
from cli.guard import watchdog_beside
from cli.options import Common
from cli.output import say
from cli.run import close_day, figures, say_dropped, stop_children, told_as_engine_fault
from engine.core import Derived
from engine.hours import end_moved_ns
from engine.live import LEAVE, Live, Stopped, Timing
from engine.orders.watch import exposed, loose
from engine.resume import EngineFault, ResumeError
from engine.runner import Runner, RunReport, report_of
from engine.sink import Outward
from engine.state import State
from events.base import Event
from events.feed import FeedFrame
from journal.errors import JournalError, JournalLocked
from journal.lock import take_desk_lock
from journal.log import WriterOptions
from journal.seal import sealing
from journal.writer import JournalWriter

RESERVE_BYTES: Final = 32 * 1024 * 1024
"""Kept on the disk for exits, cancels and halts."""

AFTER_CLOSE_NS: Final = 90 * NS_PER_S
"""Of session time: the books are compared once more after the market's close."""

READER_WAIT_S: Final = 120.0
PROJECTOR: Final = "projections.duck.projector"


Halted = Callable[[], bool]


class World(Protocol):
    """The outside of a session: its time, its market, and where orders go."""

    def clock(self, from_ns: int | None) -> SessionClock:
        """The session's clock. ``from_ns`` is where a session stood that goes on."""
        ...

    def start(
        self, post: Post, clock: SessionClock, state: Callable[[], State], halted: Halted
    ) -> Outward:
        """Let facts come; gives who acts on what they lead to. ``state`` is the core's; ``halted``
        is the kill switch, which is asked right before an entry leaves."""
        ...

    def stop(self) -> None:
        """Let no more facts come: at return the last one was posted."""
        ...


@dataclass(frozen=True)
class Wish:
    """What is asked of a session besides its plan. ``for_s`` real seconds from its start on; None
    is until the market's close. ``cycles`` False takes facts and decides nothing. ``end_policy`` is
    for whoever cannot be asked."""

    for_s: float | None = None
    cycles: bool = True
    end_policy: str = LEAVE
    projector: bool = True


@dataclass(frozen=True)
class Ended:
    """How a session went: the figures of its journal, and those of its process."""

    report: RunReport
    reason: str
    resumed: bool
    latency: Percentiles
    dropped: int
    cpu_percent: float

    def document(self, mode: str) -> dict[str, Any]:
        """The keys of ``run`` and ``record``."""
        return {
            **figures(self.report),
            "mode": mode,
            "reason": self.reason,
            "open": exposed(self.report.state),
            "resumed": self.resumed,
            "latency_ms": {"p50": self.latency.p50, "p99": self.latency.p99},
            "frames_dropped": self.dropped,
            "cpu_percent": self.cpu_percent,
        }


class Silence:
    """An ``Outward`` where nothing leaves: the core's paper broker fills, or nothing is sent."""

    def starts(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> Sequence[Event]:
        return ()

    def release(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> None:
        return None


class MeasuredRunner:
    """The runner as the driver's sink, with each frame's way to the disk measured."""

    def __init__(
        self, runner: Runner, writer: JournalWriter, meter: LatencyMeter,
        received_boot_ns: Callable[[], int],
    ) -> None:  # fmt: skip
        self._runner, self._writer, self._meter = runner, writer, meter
        self._received_boot_ns = received_boot_ns
        self.fact, self.settle = runner.fact, runner.settle

    @property
    def now(self) -> int:
        return self._runner.now

    @property
    def exposed(self) -> int:
        return exposed(self._runner.core.state)

    @property
    def end_moved_ns(self) -> int:
        return end_moved_ns(self._runner.core.state)

    @property
    def loose(self) -> int:
        return loose(self._runner.core.state)

    @property
    def takes_frames(self) -> bool:
        return self._runner.takes_frames

    def append(self, ts: int, event: Event) -> list[Derived]:
        derived = self._runner.append(ts, event)
        if isinstance(event, FeedFrame):
            self._meter.received(self._writer.head_seq, self._received_boot_ns())
        return derived


def run_session(common: Common, plan: Plan, world: World, wish: Wish) -> Ended:
    """Run a session to its end. Raises ``UserError``."""
    meter = LatencyMeter()
    options = WriterOptions(linger_ms=0, on_durable=meter.durable, reserve_size_bytes=RESERVE_BYTES)
    faults = (EngineFault, ResumeError, JournalError)
    with ExitStack() as stack, told_as_user_error(*faults), told_as_engine_fault():
        stack.enter_context(_desk_lock(common))
        if plan.broker_account is not None:
            stack.enter_context(account_lock(plan.broker_account))
        sealed = stack.enter_context(sealing(options))
        ending = Ending(wish.end_policy, asks_here())
        stack.enter_context(ending.hearing())
        begun = begin(stack, common, plan, world.clock, sealed)
        say(f"{begun.folder.name}: {'goes on' if begun.resumed else 'begins'} ({plan.mode})")
        readers = _readers(begun.folder) if wish.projector else []
        stack.callback(stop_children, readers)
        stack.enter_context(watchdog_beside(common))
        ended = _driven(common, begun, plan, world, wish, meter, ending)
        _wait_for(readers)
    say_dropped(ended.report.checkpoints)
    close_day(common, ended.report.folder)
    return ended


def _driven(
    common: Common,
    begun: Begun,
    plan: Plan,
    world: World,
    wish: Wish,
    meter: LatencyMeter,
    ending: Ending,
) -> Ended:
    """From the first frame to the final block."""
    clock, runner, writer = begun.clock, begun.runner, begun.writer
    inbox = SessionInbox(clock)
    watch = MachineWatch(begun.folder, clock, inbox, meter, disk_full=lambda: writer.disk_full)
    board = Board(common, plan.mode, begun, inbox, meter)
    sink = MeasuredRunner(runner, writer, meter, lambda: clock.boot_at(inbox.taken_ns))
    ending.wake = inbox.wake
    with board.open():
        outward = world.start(inbox.post, clock, lambda: runner.core.state, board.halted)
        board.around(outward, watch)
        try:
            timing = _timing(plan, wish, clock)
            stop_sources = partial(_stop_beside, world, inbox)
            live = Live(clock, inbox, sink, board, board, timing, ending, stop_sources)
            began, cpu = time.monotonic(), _cpu_s()
            reason = live.run()
            took, cpu = time.monotonic() - began, _cpu_s() - cpu
        finally:
            world.stop()
        head_seq, head_hash = writer.close()
    report = report_of(runner, begun.folder, head_seq, head_hash)
    share = round(100 * cpu / max(took, 0.001), 2)
    return Ended(report, reason, begun.resumed, meter.percentiles(), inbox.dropped, share)


def _stop_beside(world: World, inbox: SessionInbox) -> Stopped:
    """Stop the sources on a thread of its own: what they still say is taken meanwhile. Where the
    process may have no more threads they are stopped here, and what they say is taken after."""

    def stop() -> None:
        try:
            world.stop()
        finally:
            inbox.wake()

    stopper = threading.Thread(target=stop, name="stop-sources")
    try:
        stopper.start()
    except RuntimeError:
        stop()
    return lambda: not stopper.is_alive()


def _timing(plan: Plan, wish: Wish, clock: SessionClock) -> Timing:
    market, rate = plan.market, clock.rate
    stop_ns = None
    if wish.for_s is not None:
        stop_ns = clock.now_ns() + int(wish.for_s * NS_PER_S) * rate
    return Timing(
        market.cycle_rule,
        market.open_ns,
        market.close_ns,
        market.close_ns + (AFTER_CLOSE_NS if plan.at_broker else 0),
        stop_ns,
        wish.end_policy,
        wish.cycles,
        rate,
        health_ns=NS_PER_S * rate,
        health_again_ns=60 * NS_PER_S * rate,
        flat_wait_ns=60 * NS_PER_S * rate,
        leave_wait_ns=20 * NS_PER_S * rate,
    )


def _cpu_s() -> float:
    """Processor time of this process, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


@contextmanager
def _desk_lock(common: Common) -> Any:
    try:
        lock = take_desk_lock(common.home, common.desk)
    except JournalLocked as error:
        raise UserError(
            f"an engine of desk '{common.desk}' runs already ({error}): 'axiom status' shows it"
        ) from error
    with lock:
        yield lock


def _readers(folder: Path) -> list[subprocess.Popen[bytes]]:
    """The projector, which follows the journal from a process of its own."""
    command = [sys.executable, "-P", "-m", PROJECTOR, str(folder), "--follow"]
    quiet = subprocess.DEVNULL
    return [
        subprocess.Popen(
            command, stdin=quiet, stdout=quiet, stderr=subprocess.PIPE, start_new_session=True
        )
    ]


def _wait_for(readers: Sequence[subprocess.Popen[bytes]]) -> None:
    """The readers come to the journal's end; what is wrong with one is said, and ends nothing."""
    for reader in readers:
        try:
            _, complaint = reader.communicate(timeout=READER_WAIT_S)
        except subprocess.TimeoutExpired:
            say(f"the projection was not finished in {READER_WAIT_S:.0f} s: 'axiom query' makes it")
            continue
        if reader.returncode:
            last = complaint.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
            say(f"the projection failed ({last[0]}): 'axiom query' makes it again")
