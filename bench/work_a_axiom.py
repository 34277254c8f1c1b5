"""WORK-A through Axiom: frame bytes in, a finished journal with the gate's results out.

Lives here: the day as a market of the engine's own port, its replay, and the reading of answers
from the journal. May import: the bench's data, the rooms. Always holds: ``run_market`` and
``replay_session`` do the work, with nothing taken out of them; the answers are read from the
journal on the disk, after the measurement.
Start reading at ``run``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from adapters.rulebook.load import load_rows
from bench.work_a_data import (
    AGE_NS_MAX,
    BARS_MIN,
    DAY,
    INSTRUMENTS,
    MINUTE_NS,
    OPEN_NS,
    SPREAD_BPS_MAX,
    Answers,
    Day,
    answers_of,
    frames_of,
    token_of,
)
from engine.config import Config, InstrumentGateConfig
from engine.ports import MarketFrame
from engine.runner import run_market
from events.envelope import decode_envelope
from events.market import BarClosed, InstrumentsGated
from events.registry import decode_event
from events.session import CycleRule, Instrument, MarketIdentity
from journal.reader import JournalReader
from journal.seal import seal_session
from journal.segment import LIVE_SUFFIX
from replay.session import COMPARED_BYTES, replay_session

CONFIG: Final = Config(
    instrument_gates=InstrumentGateConfig(True, BARS_MIN, AGE_NS_MAX // 1_000_000, SPREAD_BPS_MAX)
)
MINUTE_MS: Final = MINUTE_NS // 1_000_000


class WorkAMarket:
    """The generated day behind the engine's market port; its cycle is the minute's boundary."""

    def __init__(self, frames: Iterable[tuple[int, bytes]], minutes: int, seed: int) -> None:
        self._frames = frames
        self._rows = tuple(_instrument(i) for i in range(INSTRUMENTS))
        lacks = ("index", "vix", "history")
        self.identity = MarketIdentity("work-a", seed, str(minutes), None, lacks, MINUTE_MS)
        self.cycle_rule = CycleRule("GRID", MINUTE_MS, 0)
        self.day = DAY
        self.anchor_ns = OPEN_NS
        # A grid leaves its close out, and here the day's last boundary is asked too.
        self.open_ns = OPEN_NS + MINUTE_NS
        self.close_ns = OPEN_NS + minutes * MINUTE_NS + 1
        self.dump_digest = hashlib.sha256(msgspec.msgpack.encode(self._rows)).hexdigest()

    def instruments(self) -> tuple[Instrument, ...]:
        """One hundred futures, each of an underlying of its own."""
        return self._rows

    def frames(self) -> Iterator[MarketFrame]:
        """The day's frames, encoded."""
        return (MarketFrame(ts, data, 0, False) for ts, data in self._frames)


def _instrument(i: int) -> Instrument:
    name = f"WORKA{i:02d}"
    return Instrument(
        token_of(i), "NFO", f"{name}25SEPFUT", name, "FUT", 20_250_930, 0, 50, 5, "exchange"
    )


def market_of(day: Day, per_frame: int) -> WorkAMarket:
    """The day in frames of a size, all made and in memory."""
    return WorkAMarket(tuple(frames_of(day.bursts, per_frame)), day.minutes, day.seed)


def run(parent: Path, market: WorkAMarket, *, keep_states: bool = False) -> Path:
    """The whole work into a new session under ``parent``; its folder, durable and final."""
    return run_market(parent, market, CONFIG, load_rows(), keep_states=keep_states).folder


def seal(folder: Path) -> None:
    """Seal the last segment too; those before it were sealed as they rolled."""
    seal_session(folder)
    live = [path.name for path in folder.glob(f"*{LIVE_SUFFIX}")]
    assert not live, f"not sealed: {live}"


def replay(folder: Path) -> None:
    """Read the journal, verify its chain, derive everything again and compare every byte."""
    report = replay_session(folder)
    assert report.identical and report.comparison == COMPARED_BYTES, report.first_divergence


def answers(folder: Path) -> Answers:
    """What the journal of a finished run says."""
    verdicts = bytearray()
    bars, fast, slow, rsi, atr, vwap = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    with JournalReader(folder) as reader:
        for entry in reader:
            envelope = decode_envelope(entry.data)
            if envelope.kind not in ("BarClosed", "InstrumentsGated"):
                continue
            event = decode_event(envelope)
            if isinstance(event, InstrumentsGated):
                verdicts += event.verdicts
            elif isinstance(event, BarClosed) and event.bar_ms == MINUTE_MS:
                bars += 1
                fast += event.ema_fast_paise or 0.0
                slow += event.ema_slow_paise or 0.0
                rsi += event.rsi or 0.0
                atr += event.atr_paise or 0.0
                vwap += 0.0 if event.vwap_is_twap else event.vwap_paise or 0.0
    return answers_of(bytes(verdicts), bars, (fast, slow, rsi, atr, vwap))
