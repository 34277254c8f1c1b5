"""E10, J05: on a disk that is full the engine in real time goes on without frames, and halts."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast

from adapters.session.latency import LatencyMeter
from cli.session import MeasuredRunner
from engine.core import Core, Derived
from engine.live import Timing
from engine.opening import fresh_account, opening_facts, session_opened
from engine.runner import Runner
from events.base import Event
from events.envelope import Envelope, decode_envelope
from events.feed import FeedFrame, FramesDropped, TimerTick
from events.registry import decode_event
from events.session import OperatorCommand, SessionClosed
from journal.files import Files
from journal.log import WriterOptions
from journal.reader import JournalReader
from journal.simulated import SimulatedDisk, SimulatedFiles
from journal.writer import JournalWriter
from tests.engine.fabricated import SmallMarket, relaxed, small_rows
from tests.engine.virtual import S, VirtualClock, VirtualInbox, live

FOLDER = Path("/axiom/session")
OPTIONS = WriterOptions(
    linger_ms=0, idle_sync_ms=3_600_000, on_roll=lambda _: None, reserve_size_bytes=400_000
)


class OneAtATime:
    """Simulated files for an engine and its writer, which are two callers."""

    def __init__(self, files: SimulatedFiles) -> None:
        self._files, self._lock = files, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._files, name)

        def locked(*given: Any, **named: Any) -> Any:
            with self._lock:
                return verb(*given, **named)

        return locked


def recorded(files: Files) -> list[tuple[Envelope, bytes]]:
    with JournalReader(FOLDER, files=files) as reader:
        return [(decode_envelope(entry.data), entry.data) for entry in reader]


def rederived(entries: list[tuple[Envelope, bytes]]) -> list[bytes]:
    """The derivations of the recorded facts, by the core alone."""
    core, datas = Core(), []
    for envelope, _ in entries:
        if envelope.is_fact:
            derived = core.step(envelope.seq, envelope.ts, decode_event(envelope))
            datas += [one.data for one in derived]
    return datas


def test_a_full_disk_halts_and_still_ticks_hears_and_closes() -> None:
    """Six minutes on a disk that fills up in the third: from then on no frame is journaled and the
    losses are told, ticks and a halt are taken and durable, the session is closed in the reserve,
    and what is recorded derives the same again."""
    market, config, rows = SmallMarket(minutes=6), relaxed(), small_rows()
    disk = SimulatedDisk()
    files = cast("Files", OneAtATime(SimulatedFiles(disk)))
    files.make_folder(FOLDER)
    opened = session_opened(market, config, rows, "ab" * 32)
    clock = VirtualClock(opened.anchor_ns)
    halt = OperatorCommand("HALT", "someone", "", None, None, "c-1", "SOCKET")
    arrivals: list[Any] = [
        (one.ts, FeedFrame(0, "kite", 1, False, len(one.data), None, one.data))
        for one in market.frames()
    ]
    halt_ns = market.open_ns + 300 * S
    arrivals.insert(sum(ts <= halt_ns for ts, _ in arrivals), (halt_ns, halt))
    with JournalWriter.create(FOLDER, "ab" * 6, options=OPTIONS, files=files) as writer:
        runner = Runner(writer)
        for event in opening_facts(opened, fresh_account(config, market.day), market, rows):
            runner.fact(opened.anchor_ns, event)
        writer.wait_durable(writer.head_seq, 30)
        disk.capacity_bytes = disk.used_bytes() + 60_000
        plan = Timing(market.cycle_rule, market.open_ns, market.close_ns, market.close_ns)
        session = live(clock, VirtualInbox(clock, arrivals), Settled(runner, writer), plan)
        session.run()
        assert writer.disk_full
    entries = recorded(files)
    events = [(envelope.ts, decode_event(envelope)) for envelope, _ in entries]
    last_frame_ns = max(ts for ts, event in events if isinstance(event, FeedFrame))
    lost = [event for _, event in events if isinstance(event, FramesDropped)]
    kept = sum(isinstance(event, FeedFrame) for _, event in events)
    assert market.open_ns < last_frame_ns < halt_ns
    assert kept + sum(event.frames for event in lost) == len(arrivals) - 1
    assert sum(isinstance(event, TimerTick) for _, event in events) == 72
    assert (halt_ns, halt) in events
    assert [event for _, event in events if isinstance(event, SessionClosed)]
    assert [data for envelope, data in entries if not envelope.is_fact] == rederived(entries)


class Settled(MeasuredRunner):
    """A session's sink whose every group is durable before the next: the disk's state is then
    known."""

    def __init__(self, runner: Runner, writer: JournalWriter) -> None:
        super().__init__(runner, writer, LatencyMeter(), lambda: 0)

    def append(self, ts: int, event: Event) -> list[Derived]:
        derived = super().append(ts, event)
        assert self._writer.wait_durable(self._writer.head_seq, 30)
        return derived
