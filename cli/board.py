"""What a running engine tells of itself, and how an operator reaches it.

Lives here: ``Board``: the control socket, the kill switch and the status of one session. May
import: everything it wires. Always holds: the engine's thread never waits here; an answer leaves
once its entry is durable; the status is what the engine measured itself, a second old at most.
Start reading at ``Board``.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from adapters.control.kill import SIGNALS, KillSwitch
from adapters.control.place import PlaceUnsafe, kill_files, runtime_folders
from adapters.control.protocol import LISTED_MAX, Figure, OpenApproval, OpenIncident, Status
from adapters.control.server import ControlBusy, ControlServer
from adapters.session.clock import NS_PER_S, SessionClock, boot_ns
from adapters.session.inbox import SessionInbox
from adapters.session.latency import LatencyMeter
from adapters.session.protection import Protected, ProtectionMeter
from cli.begin import Begun
from cli.errors import UserError
from cli.options import Common
from engine.core import Derived
from engine.orders.route import to_broker, wants_stop
from engine.ports import Measured, Watch
from engine.sink import Outward
from engine.state import State
from events.base import Event
from events.governance import CommandAnswered
from events.session import OperatorCommand

UNSAID: Final = "UNKNOWN"
"""Readiness before the engine has said one."""

UNMEASURED: Final = Protected(None, None)

SUBJECT_CHARS_MAX: Final = 120
"""Of a subject that a broker's word is part of."""

_MS: Final = 1_000_000


class Board:
    """Stands between the driver and the outside: an ``Outward`` and a ``Watch`` around others.

    ``mode`` is the session's.
    """

    def __init__(
        self, common: Common, mode: str, begun: Begun, inbox: SessionInbox, meter: LatencyMeter
    ) -> None:
        folders = runtime_folders(common.home, common.desk)
        self._mode, self._begun, self._inbox, self._meter = mode, begun, inbox, meter
        self.kill = KillSwitch(self._take, kill_files(common.home, common.desk, folders))
        self._server = ControlServer(folders, mode, self._take_in_time, self.kill)
        self._began_ns = boot_ns()
        self._protection = ProtectionMeter()
        self._outward: Outward | None = None
        self._watch: Watch | None = None

    def _take(self, command: OperatorCommand) -> bool:
        self._inbox.post(command)
        return True

    def _take_in_time(self, command: OperatorCommand, until_ns: int | None) -> bool:
        """Into the inbox, out of which it is not taken after ``until_ns`` (since boot)."""
        if until_ns is None:
            return self._take(command)

        def wanted() -> bool:
            in_time = boot_ns() <= until_ns
            if not in_time:
                self._server.expired(command.command_id)
            return in_time

        self._inbox.post(command, wanted)
        return True

    @contextmanager
    def open(self) -> Iterator[None]:
        """For as long as the session is driven: the socket answers, files and signals halt.

        Main thread only. Raises ``UserError`` where no place for the socket can be used.
        """
        before = [(number, signal.getsignal(number)) for number in SIGNALS]
        self.kill.hear_signals()
        try:
            self.kill.start()
            try:
                self._server.start()
            except (PlaceUnsafe, ControlBusy) as error:
                self._server.close()
                raise UserError(f"the engine could not be reached: {error}") from error
            try:
                yield
            finally:
                self._server.close()
        finally:
            self.kill.close()
            for number, handler in before:
                signal.signal(number, handler)

    def around(self, outward: Outward, watch: Watch) -> None:
        """Whom to pass on to."""
        self._outward, self._watch = outward, watch

    def halted(self) -> bool:
        """Whether the kill switch is pressed: no entry may leave then."""
        return self.kill.halted

    # -- the outward port ----------------------------------------------------------------------

    def starts(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> Sequence[Event]:
        assert self._outward is not None
        return self._outward.starts(now_ns, event, derived)

    def release(self, now_ns: int, event: Event, derived: Sequence[Derived]) -> None:
        """The outside first, then whoever asked."""
        assert self._outward is not None
        self._outward.release(now_ns, event, derived)
        for one in derived:
            said = one.entry.event
            self._protection.heard(one.entry.ts, said)
            if isinstance(said, CommandAnswered):
                self.kill.answered(said)
                self._server.answered(said, one.entry.seq)

    # -- the watch port ------------------------------------------------------------------------

    def measure(self) -> tuple[Measured, ...]:
        """As the machine's own watch, and the status is said anew."""
        assert self._watch is not None
        found = self._watch.measure()
        self._server.publish(self._status(found))
        return found

    def clock_offset_ns(self) -> int | None:
        assert self._watch is not None
        return self._watch.clock_offset_ns()

    def _status(self, measured: Sequence[Measured]) -> Status:
        begun, state = self._begun, self._begun.runner.core.state
        return Status(
            begun.folder.name,
            self._mode,
            state.desk.readiness or UNSAID,
            state.desk.blockers,
            begun.writer.durable_seq,
            begun.clock.now_ns(),
            (
                *self._counts(state),
                *self._times(state, begun.clock),
                *(Figure(one.what.lower(), one.observed) for one in measured),
            ),
            open_approvals(state, begun.clock.now_ns()),
            open_incidents(state),
        )

    def _counts(self, state: State) -> tuple[Figure, ...]:
        runner = self._begun.runner
        return (
            Figure("facts", runner.facts),
            Figure("derivations", runner.derivations),
            Figure("ticks", state.feed.ticks),
            Figure("frames", state.feed.frames),
            Figure("frames_refused", state.feed.refused),
            Figure("frames_dropped", self._inbox.dropped),
            Figure("cycles", state.cycle),
            Figure("cycles_missed", state.missed),
            Figure("decisions", state.decisions),
            Figure("trades", state.trades),
            Figure("positions", len(state.positions)),
            Figure("orders", len(state.orders)),
            Figure("approvals_open", len(state.desk.requests)),
            Figure("incidents_open", len(state.desk.incidents)),
            Figure("halts", ", ".join(state.account.halts) or None),
            Figure("feed_connected", state.feed.connected),
            Figure("feed_verified", state.feed.verified),
        )

    def _times(self, state: State, clock: SessionClock) -> tuple[Figure, ...]:
        latency = self._meter.percentiles()
        seen_ns = state.feed.last_frame_ns
        stops = self._protection.figures(clock.now_ns()) if _has_stops(state) else UNMEASURED
        age_ms = (clock.now_ns() - seen_ns) // (_MS * clock.rate) if seen_ns else None
        return (
            Figure("latency_ms", latency.p99),
            Figure("latency_p50_ms", latency.p50),
            Figure("latency_max_ms", latency.max),
            Figure("last_frame_age_ms", age_ms),
            Figure("fill_to_stop_ms", stops.last),
            Figure("fill_to_stop_max_ms", stops.longest),
            Figure("journal_backlog_bytes", self._begun.writer.backlog_bytes),
            Figure("uptime_s", (boot_ns() - self._began_ns) // NS_PER_S),
            Figure("rate", clock.rate),
            Figure("pid", os.getpid()),
        )


def _has_stops(state: State) -> bool:
    """Whether the session's longs have stops at a broker at all."""
    return to_broker(state) and wants_stop(state)


def open_approvals(state: State, now_ns: int) -> tuple[OpenApproval, ...]:
    """What waits for a person at ``now_ns`` of the session, the longest waiting first."""
    return tuple(
        OpenApproval(
            one.request_id,
            one.strategy_id,
            one.side,
            state.instruments[one.contract].tradingsymbol,
            one.quantity_units,
            one.low_paise,
            one.high_paise,
            one.stop_paise,
            one.target_paise,
            one.risk_paise,
            max(one.expires_ns - now_ns, 0) // NS_PER_S,
            None
            if one.sold_contract is None
            else state.instruments[one.sold_contract].tradingsymbol,
            one.sold_low_paise,
        )
        for one in state.desk.requests[:LISTED_MAX]
    )


def open_incidents(state: State) -> tuple[OpenIncident, ...]:
    """What is open, the worst first; of the same severity what began first."""
    ordered = sorted(state.desk.incidents, key=lambda one: (one.severity, one.since_ns))
    return tuple(
        OpenIncident(
            one.incident_id,
            one.severity,
            one.code,
            one.subject[:SUBJECT_CHARS_MAX],
            one.since_ns,
            one.acknowledged,
        )
        for one in ordered[:LISTED_MAX]
    )
