"""The terminal UI: its processor, its memory, and how soon it answers.

Lives here: a session of 500 instruments written in real time, the screen that follows it in a
terminal of its own, and what that costs. May import: the bench, events, journal. Always holds: the
screen is a process of its own, and its figure is all of that process: reading, folding, painting;
what is written is what an engine writes (a frame of 40 packets ten times a second, two decisions a
second); the terminal is a pty that is read as fast as it is written.
Run from the checkout: ``python -m bench.screen [--seconds 30] [--entries 1000000] [--panes
chain,data] [--json FILE]``.
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
from typing import Final

import msgspec

from bench.measure import ROOT, common_options, machine, say, write_report
from events import decision, feed, session
from events.base import Event
from events.envelope import encode_envelope
from events.gates import GATES
from events.reasons import STAGES
from events.registry import BY_STRUCT
from events.wire import kite
from journal.writer import JournalWriter

INSTRUMENTS: Final = 500
CHANGED: Final = 40
HZ: Final = 10
COLUMNS, LINES = 120, 40
CPU_PERCENT_MAX: Final = 15.0
CLOSED_PERCENT_MAX: Final = 1.0
START_S_MAX: Final = 1.5
KEY_MS_MAX: Final = 150.0
RSS_MB_MAX: Final = 10.0
READY: Final = b"TRADE?"
PROGRAM: Final = """
import sys
from pathlib import Path
from tui.run import run
sys.exit(run(Path(sys.argv[1]), live=sys.argv[2] == "live"))
"""


class Report(msgspec.Struct, frozen=True):
    """``start`` is to the first useful screen; ``key`` from a key to what it paints; CPU is of the
    screen's process, in percent of one core; ``growth_mb`` is of the resident memory meanwhile."""

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

    @property
    def met(self) -> bool:
        """All targets."""
        return (
            max(self.live_percent.values()) < CPU_PERCENT_MAX
            and self.closed_percent <= CLOSED_PERCENT_MAX
            and self.start_s < START_S_MAX
            and self.key_p99_ms < KEY_MS_MAX
            and self.growth_mb < RSS_MB_MAX
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

    def __init__(self, folder: Path, how: str) -> None:
        self.began = time.perf_counter()
        ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self.child = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, str(folder), how],
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
        rss, percents = screen.rss_mb, {}
        for name, key in panes:
            screen.press(key)
            screen.drain(1)
            percents[name] = screen.percent(seconds / len(panes))
        growth = screen.rss_mb - rss
    finally:
        screen.close()
        stop.set()
        thread.join()
        live.close()
    closed, keys = _closed(folder / "live", seconds)
    opened, loaded = _opened(folder / "long", entries) if entries else (0.0, 0.0)
    return Report(
        machine(), round(load, 2), round(start_s, 2), round(start_cpu, 2), percents, closed,
        round(keys[len(keys) // 2], 1), round(keys[len(keys) * 99 // 100], 1), round(growth, 1),
        entries, round(opened, 2), round(loaded, 2),
    )  # fmt: skip


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


def _opened(folder: Path, entries: int) -> tuple[float, float]:
    """Seconds to the first screen of a long session, and until it was folded to its end."""
    long = Session(folder)
    long.grow_to(entries)
    long.close()
    screen = Terminal(folder, "recorded")
    try:
        return screen.until(READY), screen.until(f"#{long.seq}".encode(), 60.0)
    finally:
        screen.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and say; exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(prog="bench.screen", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of following")
    parser.add_argument("--entries", type=int, default=0, help="of a long session to open")
    parser.add_argument("--panes", default="", help="of those followed only these: chain,data")
    common_options(parser)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        report = measure(Path(scratch), given.seconds, given.entries, given.panes)
    say(
        f"first screen {report.start_s} s ({report.start_cpu_s} s of CPU); following "
        f"{report.live_percent} % of a core; at rest {report.closed_percent} %; a key p50 "
        f"{report.key_p50_ms} ms, p99 {report.key_p99_ms} ms; {report.growth_mb} MB more; "
        f"{report.entries:,} entries: first screen {report.opened_s} s, all {report.loaded_s} s"
    )
    write_report(report, given.json)
    return 0 if report.met else 1


if __name__ == "__main__":
    sys.exit(main())
