"""The terminal UI: its processor, its memory, and how soon it answers.

Lives here: a session of 500 instruments written in real time, the screen that follows it in a
terminal of its own, and what that costs. May import: the bench, events, journal, tui. Always holds:
the screen is a process of its own, and its figure is all of that process: reading, folding,
painting; what is written is what an engine writes (a frame of 40 packets ten times a second, two
decisions a second); the terminal is a pty that is read as fast as it is written.
Run from the checkout: ``python -m bench.screen [--seconds 30] [--entries 1000000] [--panes
chain,data] [--soak HOURS] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Sequence
from fcntl import ioctl
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bench.measure import ROOT, common_options, machine, say, write_report
from bench.screen_child import Mark
from events import decision, feed, session
from events.base import Event
from events.envelope import encode_envelope
from events.gates import GATES
from events.reasons import STAGES
from events.registry import BY_STRUCT
from events.wire import kite
from journal.writer import JournalWriter
from tui.clock import MachineClock
from tui.entries import follower_of, reader_of
from tui.travel import Goal, Traveller

INSTRUMENTS: Final = 500
CHANGED: Final = 40
HZ: Final = 10
COLUMNS, LINES = 120, 40
CPU_PERCENT_MAX: Final = 15.0
CLOSED_PERCENT_MAX: Final = 1.0
START_S_MAX: Final = 1.5
KEY_MS_MAX: Final = 150.0
FRAME_MS_MAX: Final = 100.0
LONG_S_MAX: Final = 2.0
RSS_MB_MAX: Final = 10.0
READY: Final = b"TRADE?"


class Report(msgspec.Struct, frozen=True):
    """``start`` is to the first useful screen; ``key`` from a key to what it paints; CPU is of the
    screen's process, in percent of one core; ``growth_mb`` is of the resident memory meanwhile.
    ``frame`` is from when a frame was due until it was painted, and the CPU in it; ``switch`` from
    a key to another pane, following; of a long session ``loaded`` is until it was folded to its
    end, ``loading_key`` a key to another pane meanwhile, ``again`` until its end the next time,
    ``seek`` to any entry of it."""

    machine: str
    load: float
    start_s: float
    start_cpu_s: float
    live_percent: dict[str, float]
    closed_percent: float
    key_p50_ms: float
    key_p99_ms: float
    growth_mb: float
    entries: int
    opened_s: float
    loaded_s: float
    loading_key_p50_ms: float
    loading_key_p99_ms: float
    again_s: float
    seek_p50_ms: float
    seek_p95_ms: float
    frame_p50_ms: float
    frame_p99_ms: float
    frame_cpu_p50_ms: float
    frame_cpu_p99_ms: float
    switch_p50_ms: float
    switch_p99_ms: float

    @property
    def met(self) -> bool:
        """All targets."""
        return (
            max(self.live_percent.values()) < CPU_PERCENT_MAX
            and self.closed_percent <= CLOSED_PERCENT_MAX
            and self.start_s < START_S_MAX
            and self.key_p99_ms < KEY_MS_MAX
            and self.growth_mb < RSS_MB_MAX
            and self.frame_p99_ms <= FRAME_MS_MAX
            and self.switch_p99_ms <= KEY_MS_MAX
            and self.again_s < LONG_S_MAX
            and self.seek_p95_ms < SEEK_MS_MAX
        )


# --- a session that is written -----------------------------------------------------------------


class Session:
    """Writes what an engine would, entry by entry."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer = JournalWriter.create(folder, "0123456789ab")
        self.seq = 0
        self.ts = time.time_ns()
        self.turn = 0
        self._group: list[bytes] = []
        market = session.MarketIdentity("synthetic", 7, "full", None, (), 60_000)
        opened = session.SessionOpened(
            mode="SIM", day=20261120, anchor_ns=self.ts, rate=1, account="virtual", market=market,
            cycle_rule=session.CycleRule("GRID", 1_000, 0), code_digest="c" * 64,
            schema_digest="s" * 64, rulebook_digest="r" * 64, settings=(),
            settings_digest="e" * 64,
        )  # fmt: skip
        self.fact(opened)
        self.tokens = [number << 8 | kite.Segment.NFO for number in range(10, 10 + INSTRUMENTS)]
        rows = [
            session.Instrument(
                token, "NFO", f"NIFTY26NOV{24_000 + 50 * (at // 2)}{'CE' if at % 2 else 'PE'}",
                "NIFTY", "CE" if at % 2 else "PE", 20261126, (24_000 + 50 * (at // 2)) * 100, 65, 5,
                "exchange",
            )
            for at, token in enumerate(self.tokens)
        ]  # fmt: skip
        index = 1 << 8 | kite.Segment.INDICES
        spot = session.Instrument(
            index, "NSE", "NIFTY 50", "NIFTY", "INDEX", 0, 0, 0, 5, "exchange"
        )
        self.fact(session.InstrumentsLoaded("i" * 64, (spot, *rows)))
        self.fact(feed.FeedStatus(0, "CONNECTED", True, INSTRUMENTS + 1))
        self._index = index

    def fact(self, event: Event) -> int:
        """One fact, with nothing that follows from it yet."""
        self.flush()
        return self._tell(event, None)

    def _tell(self, event: Event, cause: int | None) -> int:
        self.seq += 1
        spec = BY_STRUCT[type(event)]
        self._group.append(
            encode_envelope(self.seq, spec.kind, spec.version, self.ts, cause or self.seq, event)
        )
        return self.seq

    def flush(self) -> None:
        """The group goes to the writer."""
        if self._group:
            self.writer.append(self._group)
            self._group = []

    def frame(self) -> None:
        """40 instruments and the index at other prices."""
        self.turn += 1
        first = self.turn * CHANGED
        packets = [
            kite.encode_full(
                self.tokens[(first + at) % INSTRUMENTS], 10_000 + (self.turn * 7 + at) % 900, 65,
                10_000, 1_000, 0, 0, 9_900, 10_100, 9_800, 10_000, 0, 5_000, 0, 0,
                self.ts // 1_000_000_000, ((650, 9_995, 3),), ((650, 10_005, 3),),
            )
            for at in range(CHANGED)
        ]  # fmt: skip
        level = 2_450_000 + self.turn % 500
        packets.append(
            kite.encode_index(
                self._index, level, level, level, level, level, 0, self.ts // 10**9
            )
        )  # fmt: skip
        data = kite.encode_frame(packets)
        self.fact(
            feed.FeedFrame(0, kite.CODEC_NAME, kite.CODEC_VERSION, False, len(data), None, data)
        )

    def cycle(self) -> None:
        """A tick with its two blocked decisions."""
        tick = self.fact(feed.TimerTick(self.ts, 0))
        for name in ("NIFTY", "BANKNIFTY"):
            gates = self._tell(self._gates(name, tick), tick)
            self._tell(
                decision.DecisionMade(
                    self.turn, name, "NO_TRADE", STAGES[3], f"REASON_{self.turn % 7}", None, None,
                    "RANGE", "RANGE_DAY", gates, tick, None, None,
                ),
                tick,
            )  # fmt: skip

    def _gates(self, name: str, snapshot: int) -> decision.GatesEvaluated:
        stages = []
        for stage in STAGES:
            rows = tuple(
                decision.GateRow(spec.gate, "PASS", None, 10, 60, 50, 400, ())
                for spec in GATES
                if spec.stage == stage
            )
            stages.append(decision.StageVerdict(stage, "PASS", None, None, None, rows, ()))
        return decision.GatesEvaluated(self.turn, name, snapshot, tuple(stages), (), None, None)

    def live(self, stop: threading.Event) -> None:
        """Go on in real time until told."""
        while not stop.wait(1 / HZ):
            self.ts = time.time_ns()
            self.frame()
            if self.turn % HZ == 0:
                self.cycle()
            self.flush()

    def grow_to(self, entries: int) -> None:
        """Go on as fast as the disk allows, a tenth of a second a frame."""
        while self.seq < entries:
            self.ts += 1_000_000_000 // HZ
            self.frame()
            if self.turn % HZ == 0:
                self.cycle()

    def close(self) -> None:
        """The session's last entry."""
        self.fact(session.SessionClosed("END_OF_DAY"))
        self.flush()
        self.writer.close()


# --- the screen --------------------------------------------------------------------------------


class Terminal:
    """The screen in a pty, read by a thread; ``seen`` is when output last came."""

    def __init__(self, folder: Path, how: str, frames_per_s: int = HZ) -> None:
        self.began = time.perf_counter()
        self._marks = folder.parent / f"{folder.name}-{time.time_ns()}.marks"
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.child = subprocess.Popen(
            [
                sys.executable, "-P", "-m", "bench.screen_child", str(folder), how,
                str(folder.parent / "home"), str(self._marks), str(frames_per_s),
            ],
            env={**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)},
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self._ours = ours
        self.output = bytearray()

    def read(self, wait_s: float) -> bytes:
        """What comes within this time."""
        if not select.select([self._ours], [], [], wait_s)[0]:
            return b""
        try:
            chunk = os.read(self._ours, 1 << 16)
        except OSError:
            raise SystemExit(
                "the screen ended: " + self.output[-400:].decode(errors="replace")
            ) from None
        self.output = bytearray((self.output + chunk)[-200_000:])
        return chunk

    def until(self, words: bytes, deadline_s: float = 120.0) -> float:
        """Seconds since the start until these words were painted."""
        while time.perf_counter() - self.began < deadline_s:
            self.read(0.05)
            if words in self.output:
                return time.perf_counter() - self.began
        raise SystemExit(f"the screen never showed {words!r}")

    def drain(self, seconds: float) -> None:
        """Read on for a while."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            self.read(0.05)

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._ours, keys)

    def answer_ms(self, key: bytes) -> float:
        """From a key to the next output, the screen being at rest."""
        while self.read(0.02):
            pass
        began = time.perf_counter()
        self.press(key)
        while not self.read(1.0):
            pass
        return (time.perf_counter() - began) * 1_000

    def switch_ms(self, key: bytes, words: bytes) -> float:
        """From a key to these words of another pane, whatever else is painted meanwhile."""
        while self.read(0):
            pass
        self.output.clear()
        began = time.perf_counter()
        self.press(key)
        while words not in self.output and time.perf_counter() - began < 10:
            self.read(0.01)
        return (time.perf_counter() - began) * 1_000

    def mark(self) -> Mark:
        """Memory, widgets and the frames since the last mark, by the screen's own word."""
        known = self._marks.read_bytes().count(b"\n") if self._marks.exists() else 0
        self.child.send_signal(signal.SIGUSR1)
        while not self._marks.exists() or self._marks.read_bytes().count(b"\n") == known:
            self.read(0.02)
        return msgspec.json.decode(self._marks.read_bytes().splitlines()[-1], type=Mark)

    @property
    def cpu_s(self) -> float:
        """Processor time of the process so far."""
        fields = Path(f"/proc/{self.child.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def rss_mb(self) -> float:
        """Memory held now."""
        pages = int(Path(f"/proc/{self.child.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def percent(self, seconds: float) -> float:
        """Of one core, over this time."""
        cpu, wall = self.cpu_s, time.perf_counter()
        self.drain(seconds)
        return round(100 * (self.cpu_s - cpu) / (time.perf_counter() - wall), 1)

    def close(self) -> None:
        """Leave it."""
        self.press(b"q")
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.send_signal(signal.SIGKILL)
            self.child.wait()
        os.close(self._ours)


ENTRIES_PER_S: Final = HZ + 5
SOAK_FRAMES_PER_S: Final = 30
"""So that a soak in minutes paints more than minutes would."""
HOUR_NS: Final = 3_600_000_000_000
SEEKS: Final = 60
SEEK_STEP: Final = 7_368_787
"""A prime: the entries that are gone to lie all over the session."""
SEEK_MS_MAX: Final = 150.0
LOADED_S_MAX: Final = 300.0
PANES: Final = (("home", b"1"), ("blocked", b"5"), ("chain", b"4"), ("data", b"8"),
                ("journal", b"0"))  # fmt: skip


def measure(folder: Path, seconds: float, entries: int, only: str = "") -> Report:
    """All of it, under ``folder``; of the panes only those named, where some are."""
    panes = [row for row in PANES if row[0] in only.split(",")] or PANES
    load = os.getloadavg()[0]
    live = Session(folder / "live")
    live.grow_to(3_000)
    stop = threading.Event()
    thread = threading.Thread(target=live.live, args=(stop,))
    thread.start()
    screen = Terminal(folder / "live", "live")
    try:
        start_s = screen.until(READY)
        start_cpu = screen.cpu_s
        screen.drain(3)
        for _, key in (*panes, *panes):
            screen.press(key)
            screen.drain(1)
        rss, percents = screen.mark().rss_mb, {}
        for name, key in panes:
            screen.press(key)
            screen.drain(1)
            percents[name] = screen.percent(seconds / len(panes))
        end = screen.mark()
        switches = _switches(screen, 50)
    finally:
        screen.close()
        stop.set()
        thread.join()
        live.close()
    closed, keys = _closed(folder / "live", seconds)
    long = _opened(folder / "long", entries) if entries else Opened(0, 0, [0], 0, [0])
    frames, cpu = end.frames.lasted_ms, end.frames.cpu_ms
    return Report(
        machine=machine(), load=round(load, 2), start_s=round(start_s, 2),
        start_cpu_s=round(start_cpu, 2), live_percent=percents, closed_percent=closed,
        key_p50_ms=part_of(keys, 50), key_p99_ms=part_of(keys, 99),
        growth_mb=round(end.rss_mb - rss, 1), entries=entries, opened_s=round(long.first_s, 2),
        loaded_s=round(long.all_s, 2), loading_key_p50_ms=part_of(long.keys_ms, 50),
        loading_key_p99_ms=part_of(long.keys_ms, 99), again_s=round(long.again_s, 2),
        frame_p50_ms=part_of(frames, 50), frame_p99_ms=part_of(frames, 99),
        frame_cpu_p50_ms=part_of(cpu, 50), frame_cpu_p99_ms=part_of(cpu, 99),
        seek_p50_ms=part_of(long.seeks_ms, 50), seek_p95_ms=part_of(long.seeks_ms, 95),
        switch_p50_ms=part_of(switches, 50), switch_p99_ms=part_of(switches, 99),
    )  # fmt: skip


def part_of(values: Sequence[float], percent: int) -> float:
    """The value that so many percent are at most."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) * percent // 100, len(ordered) - 1)], 1)


def _switches(screen: Terminal, rounds: int) -> list[float]:
    """To and fro between two panes, from a key to the other pane's name among the tabs."""
    found = []
    for _ in range(rounds):
        for key, words in ((b"5", b"[5Blocked]"), (b"1", b"[1Home]")):
            found.append(screen.switch_ms(key, words))
            screen.drain(0.05)
    return found


def _closed(folder: Path, seconds: float) -> tuple[float, list[float]]:
    """Percent of a core at rest, and what keys took."""
    screen = Terminal(folder, "recorded")
    try:
        screen.until(READY)
        screen.drain(4)
        percent = screen.percent(seconds / 2)
        screen.press(b"5")
        screen.drain(1)
        keys = sorted(screen.answer_ms(key) for key in (b"j", b"k") * 50)
    finally:
        screen.close()
    return percent, keys


class Opened(NamedTuple):
    """Seconds to the first screen of a long session, until it was folded to its end, and to its end
    the next time; keys to another pane meanwhile; journeys to any entry."""

    first_s: float
    all_s: float
    keys_ms: list[float]
    again_s: float
    seeks_ms: list[float]


def _opened(folder: Path, entries: int) -> Opened:
    """A long session that is opened twice."""
    long = Session(folder)
    long.grow_to(entries)
    long.close()
    last = f"#{long.seq}".encode()
    screen = Terminal(folder, "recorded")
    try:
        first, keys = screen.until(READY), [0.0]
        while last not in screen.output:
            keys += _switches(screen, 1)
            if time.perf_counter() - screen.began > LOADED_S_MAX:
                raise SystemExit("the screen never came to the session's end")
        loaded = time.perf_counter() - screen.began
    finally:
        screen.close()
    screen = Terminal(folder, "recorded")
    try:
        again = screen.until(last)
    finally:
        screen.close()
    return Opened(first, loaded, keys[1:] or keys, again, _seeks(folder))


def _seeks(folder: Path) -> list[float]:
    """Milliseconds to entries all over a session, once its whole way is known."""
    travel = Traveller(reader_of(folder), follower_of(folder), MachineClock())
    try:
        travel.begin()
        while not travel.where().way.complete:
            time.sleep(0.1)
        last, found = travel.where().way.last_seq, []
        for number in range(1, SEEKS + 1):
            seq = number * SEEK_STEP % last + 1
            began = time.perf_counter()
            travel.go(Goal(seq=seq))
            while (view := travel.where().view) is None or view.seq != seq:
                time.sleep(0.001)
            found.append((time.perf_counter() - began) * 1_000)
        return found
    finally:
        travel.stop()


# --- hours of it ---------------------------------------------------------------------------------


class Soak(msgspec.Struct, frozen=True):
    """Hours of a session pushed through a screen whose every pane was visited in turn: memory and
    widgets after each hour, and the frames of the last one."""

    machine: str
    load: float
    hours: int
    entries: int
    seconds: float
    cpu_s: float
    rss_mb: tuple[float, ...]
    widgets: tuple[int, ...]
    frame_p50_ms: float
    frame_p99_ms: float
    frame_cpu_p99_ms: float

    @property
    def growth_mb(self) -> float:
        """Since the first hour, in which what is bounded fills up."""
        return round(self.rss_mb[-1] - self.rss_mb[0], 1)

    @property
    def met(self) -> bool:
        """No more than so much memory, and not one widget."""
        return self.growth_mb < RSS_MB_MAX and self.widgets[-1] <= self.widgets[0]


ALL_PANES: Final = b"1234567890it"


def soak(folder: Path, hours: int) -> Soak:
    """As fast as it is written and followed."""
    load, began = os.getloadavg()[0], time.perf_counter()
    live = Session(folder / "soak")
    live.grow_to(3_000)
    screen = Terminal(folder / "soak", "live", SOAK_FRAMES_PER_S)
    marks = []
    try:
        screen.until(READY)
        for _ in range(hours):
            _push(live, screen)
            marks.append(screen.mark())
        cpu_s = screen.cpu_s
    finally:
        screen.close()
        live.close()
    last = marks[-1].frames
    return Soak(
        machine(), round(load, 2), hours, live.seq, round(time.perf_counter() - began), cpu_s,
        tuple(mark.rss_mb for mark in marks), tuple(mark.widgets for mark in marks),
        part_of(last.lasted_ms, 50), part_of(last.lasted_ms, 99), part_of(last.cpu_ms, 99),
    )  # fmt: skip


def _push(live: Session, screen: Terminal) -> None:
    """An hour of entries, a pane for each two minutes of them; ends on the first pane once the last
    entry is on the screen."""
    until, turn = live.ts + HOUR_NS, 0
    while live.ts < until:
        key = ALL_PANES[turn % len(ALL_PANES)]
        screen.press(bytes((key,)))
        turn += 1
        live.grow_to(live.seq + 120 * ENTRIES_PER_S)
        live.flush()
        screen.drain(0.2)
    screen.press(b"1")
    screen.drain(1)
    screen.output.clear()
    live.frame()
    live.flush()
    screen.began = time.perf_counter()
    screen.until(f"#{live.seq}".encode())
    screen.drain(1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and say; exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="bench.screen", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of following")
    parser.add_argument("--entries", type=int, default=0, help="of a long session to open")
    parser.add_argument("--panes", default="", help="of those followed only these: chain,data")
    parser.add_argument("--soak", type=int, default=0, help="instead: hours, compressed")
    common_options(parser)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        if given.soak:
            soaked = soak(Path(scratch), given.soak)
            say(
                f"{soaked.hours} hours, {soaked.entries:,} entries in {soaked.seconds} s "
                f"({soaked.cpu_s} s of CPU): memory by hour {soaked.rss_mb} MB, "
                f"{soaked.growth_mb} MB more; widgets {soaked.widgets}; a frame p50 "
                f"{soaked.frame_p50_ms} ms, p99 {soaked.frame_p99_ms} ms (CPU "
                f"{soaked.frame_cpu_p99_ms})"
            )
            write_report(soaked, given.json)
            return 0 if soaked.met else 1
        report = measure(Path(scratch), given.seconds, given.entries, given.panes)
    say(
        f"first screen {report.start_s} s ({report.start_cpu_s} s of CPU); following "
        f"{report.live_percent} % of a core; at rest {report.closed_percent} %; a key p50 "
        f"{report.key_p50_ms} ms, p99 {report.key_p99_ms} ms; {report.growth_mb} MB more; "
        f"{report.entries:,} entries: first screen {report.opened_s} s, all {report.loaded_s} s, "
        f"meanwhile a key p50 {report.loading_key_p50_ms} ms, p99 {report.loading_key_p99_ms} ms, "
        f"the next time {report.again_s} s, to any entry p50 {report.seek_p50_ms} ms, p95 "
        f"{report.seek_p95_ms} ms; a frame p50 {report.frame_p50_ms} ms (CPU "
        f"{report.frame_cpu_p50_ms}), p99 {report.frame_p99_ms} ms (CPU {report.frame_cpu_p99_ms});"
        f" a key to another pane p50 {report.switch_p50_ms} ms, p99 {report.switch_p99_ms} ms"
    )
    write_report(report, given.json)
    return 0 if report.met else 1


if __name__ == "__main__":
    sys.exit(main())
