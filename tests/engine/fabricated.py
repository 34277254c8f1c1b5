"""A small fabricated market, and short ways to run the engine over it.

Lives here: ``SmallMarket`` (an index, its future, a dozen strikes, a few minutes), a relaxed
configuration under which it leads to trades, ``run_core`` (no disk) and ``run_small`` (a journal).
May be used by the tests of every room. Always holds: the frames are a function of the arguments
alone; a default run approves at least one entry and closes at least one position.
Start reading at ``SmallMarket``.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from adapters.rulebook.load import load_rows
from engine.apply import Entry
from engine.config import Config, merge
from engine.core import Core, encode_fact
from engine.opening import fresh_account, opening_facts, session_opened
from engine.options import CALL, PUT, Pricer, discount_factor, pricer_for, year_fraction
from engine.ports import MarketFrame
from engine.regime_model import FIRST
from engine.rulebook import NS_PER_S, Rulebook, ist_ns
from engine.runner import RunReport, own_code_digest, run_market
from engine.schedule import facts_of
from events.base import Event
from events.feed import FeedFrame, FeedStatus
from events.registry import BY_STRUCT
from events.session import CycleRule, Instrument, MarketIdentity, RuleRow, SessionClosed
from events.wire.kite import HEARTBEAT, Level, encode_frame, encode_full, encode_index

DAY = 20261120
STRIKES = 12
MINUTE_NS = 60 * NS_PER_S
RATE = 0.0525

_SPECS = {
    "NIFTY": (256265, 2_412_340, 5_000, 65),
    "BANKNIFTY": (260105, 5_210_560, 10_000, 30),
}
"""Per underlying: index token, first level in paise, strike step in paise, lot in units."""
VIX_TOKEN = 264969


@functools.cache
def small_rows() -> tuple[RuleRow, ...]:
    """The rulebook rows in force on ``DAY`` or later."""
    return Rulebook(load_rows()).rows_for(DAY)


class Noise:
    """A linear congruential generator: the same numbers on every machine."""

    def __init__(self, seed: int) -> None:
        self._state = seed * 2_654_435_761 % 2**32 or 1

    def step(self, bound: int) -> int:
        """An integer from ``-bound`` to ``bound``."""
        self._state = (self._state * 1_664_525 + 1_013_904_223) % 2**32
        return (self._state >> 8) % (2 * bound + 1) - bound


class SmallMarket:
    """A ``Market`` of a few minutes: a rise, then a fall, on frames of full and index packets.

    ``names`` are the underlyings in instrument order; ``every_ms`` is the distance of the frames;
    ``pages`` makes it a market of pages: one a minute, in two frames, the second of which ends it;
    ``silent`` names minutes (from the open) in which no frame comes at all.
    """

    def __init__(
        self,
        minutes: int = 12,
        seed: int = 1,
        names: tuple[str, ...] = ("NIFTY",),
        every_ms: int = 3_000,
        cadence_ms: int = 5_000,
        pages: bool = False,
        silent: tuple[int, ...] = (),
    ) -> None:
        self.minutes, self.seed, self.names, self.pages = minutes, seed, names, pages
        self.silent = silent
        self.every_ms = 60_000 if pages else every_ms
        self.cadence_ms = 60_000 if pages else cadence_ms
        self.day = DAY
        self.anchor_ns = ist_ns(DAY, "09:00")
        self.open_ns = ist_ns(DAY, "09:15")
        self.close_ns = self.open_ns + minutes * MINUTE_NS
        self._book = Rulebook(small_rows())
        vix = Instrument(VIX_TOKEN, "NSE", "INDIA VIX", "VIX", "VIX", 0, 0, 0, 5, "exchange")
        self._rows = (*(row for name in names for row in self._instruments(name)), vix)

    @property
    def identity(self) -> MarketIdentity:
        profile = f"{self.minutes}m {self.every_ms}ms {','.join(self.names)} {self.silent}"
        return MarketIdentity("fabricated", self.seed, profile, None, (), 60_000)

    @property
    def cycle_rule(self) -> CycleRule:
        if self.pages:
            return CycleRule("AFTER_SNAPSHOT", self.cadence_ms, 130_000)
        return CycleRule("GRID", self.cadence_ms, 0)

    @property
    def dump_digest(self) -> str:
        return hashlib.sha256(msgspec.msgpack.encode(self._rows)).hexdigest()

    def instruments(self) -> tuple[Instrument, ...]:
        return self._rows

    def frames(self) -> Iterator[MarketFrame]:
        noise = Noise(self.seed)
        steps = self.minutes * 60_000 // self.every_ms
        drifts = [0] * len(self.names)
        for step in range(steps):
            ts = self.open_ns + step * self.every_ms * 1_000_000
            packets: list[bytes] = []
            for u, name in enumerate(self.names):
                sign = 1 if step * 10 < steps * 6 else -1
                drifts[u] += sign * (_SPECS[name][1] * self.every_ms // 100_000_000)
                drifts[u] += noise.step(_SPECS[name][1] // 40_000)
                packets += self._packets(name, ts, step, _SPECS[name][1] + drifts[u])
            packets.append(
                encode_index(VIX_TOKEN, 1_400, 1_450, 1_350, 1_390, 1_400, 0, ts // NS_PER_S)
            )
            if step * self.every_ms // 60_000 in self.silent:
                continue
            yield from self._framed(ts, step, packets)

    def _framed(self, ts: int, step: int, packets: list[bytes]) -> Iterator[MarketFrame]:
        if self.pages:
            half = len(packets) // 2
            yield MarketFrame(ts, encode_frame(packets[:half]), 0, False)
            yield MarketFrame(ts, encode_frame(packets[half:]), 0, True)
            return
        yield MarketFrame(ts, encode_frame(packets), 0, False)
        if step % 20 == 7:
            yield MarketFrame(ts + 500_000_000, HEARTBEAT, 0, False)

    def _instruments(self, name: str) -> list[Instrument]:
        token, _, _, lot = _SPECS[name]
        expiry = (self._book.expiries(name, DAY, 1) or (0,))[0]
        rows = [
            Instrument(token, "NSE", name, name, "INDEX", 0, 0, 0, 5, "exchange"),
            Instrument(
                self._token(name, 0),
                "NFO",
                f"{name}FUT",
                name,
                "FUT",
                expiry,
                0,
                lot,
                5,
                "exchange",
            ),
        ]
        for place, strike in enumerate(self._strikes(name)):
            for offset, kind in enumerate((CALL, PUT)):
                symbol = f"{name}{strike // 100}{kind}"
                number = self._token(name, 1 + 2 * place + offset)
                rows.append(
                    Instrument(
                        number, "NFO", symbol, name, kind, expiry, strike, lot, 5, "exchange"
                    )
                )
        return rows

    def _strikes(self, name: str) -> tuple[int, ...]:
        _, level, gap, _ = _SPECS[name]
        lowest = level // gap * gap - (STRIKES // 2 - 1) * gap
        return tuple(lowest + place * gap for place in range(STRIKES))

    def _token(self, name: str, number: int) -> int:
        return (_SPECS[name][0] // 256 * 100 + number) << 8 | 2

    def _packets(self, name: str, ts: int, step: int, spot: int) -> list[bytes]:
        """The index, the future and the chain at a level."""
        rows = [row for row in self._rows if row.underlying == name]
        window = self._book.session_window(rows[1].expiry, "fno", "NFO")
        assert window is not None
        t = year_fraction(ts, window.expiry_close_ns)
        df = discount_factor(RATE, t)
        pricer = pricer_for(round(spot / df), t, df, 5)
        stamp, volume = ts // NS_PER_S, 50_000 + step * 65 * 20
        packets = [encode_index(rows[0].token, spot, spot, spot, spot, spot, 0, stamp)]
        packets += [
            full_packet(row.token, self._price(row, pricer), row.lot_units, volume, stamp)
            for row in rows[1:]
        ]
        return packets

    def _price(self, row: Instrument, pricer: Pricer) -> int:
        if row.kind == "FUT":
            return int(pricer.forward_paise)
        price = pricer.price(float(row.strike_paise), row.kind, 0.14)
        return max(int(price) // 5 * 5, 10)


def full_packet(
    token: int, price: int, lot: int, volume: int, stamp_s: int, spread: int = 10, lots: int = 40
) -> bytes:
    """A full packet with five levels a side around ``price``, ``lots`` on the best."""
    bids: list[Level] = []
    asks: list[Level] = []
    for level in range(5):
        units = lots * (level + 1) * lot
        bid = price - spread // 2 - level * 5
        if bid > 0:
            bids.append((units, bid, 3))
        asks.append((units, price + spread - spread // 2 + level * 5, 3))
    return encode_full(
        token, price, lot, price, volume, 5_000, 5_000, price, price, price, price,
        stamp_s, 100_000, 100_000, 100_000, stamp_s, bids, asks,
    )  # fmt: skip


def relaxed(**sections: dict[str, int | bool]) -> Config:
    """A configuration under which the small market trades; ``sections`` are laid over it."""
    tree: dict[str, dict[str, int | bool]] = {
        "account": {"capital_paise": 100_000_000},
        "warmup": {"bars_min": 3, "bars_after_gap_min": 1},
        "quote": {"near_strikes": 2, "near_quotes_min": 4},
        "regime": {"prob_milli_min": 0, "entropy_milli_max": 3_000, "settle_bars": 1},
        "risk": {
            "cooldown_s": 60, "trades_day_max": 20, "loss_streak_max": 20,
            "strategy_trades_max": 60,
        },
        "trend": {"signal_milli_min": 0, "adx_milli_min": 0},
        "mean_revert": {"signal_milli_min": 0, "stretch_milli_min": 100},
        "contract": {
            "delta_milli_min": 100, "delta_milli_max": 900, "premium_paise_min": 500,
            "oi_units_min": 0, "volume_units_min": 0, "reward_milli_min": 0,
        },
        "plan": {"stop_bps": 600, "target_bps": 900, "trail_bps": 0, "hold_s_max": 180},
    }  # fmt: skip
    for section, values in sections.items():
        tree[section] = {**tree.get(section, {}), **values}
    # The small market moves more than an index: the shipped model would call it volatile.
    return merge(Config(regime_model=FIRST), tree)


class Group(msgspec.Struct, frozen=True):
    """A fact with the derivations of its group: entries and canonical bytes."""

    fact: Entry
    fact_data: bytes
    derived: tuple[Entry, ...]
    datas: tuple[bytes, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        return (self.fact, *self.derived)


class CoreRun(msgspec.Struct, frozen=True):
    """What a run without a disk gave: the core at its end and every group in order."""

    core: Core
    groups: tuple[Group, ...]

    @property
    def entries(self) -> list[Entry]:
        return [entry for group in self.groups for entry in group.entries]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the derivation envelopes in order, as the runner computes it."""
        whole = hashlib.sha256()
        for group in self.groups:
            for data in group.datas:
                whole.update(data)
        return whole.hexdigest()

    def events(self, kind: str) -> list[Event]:
        return [entry.event for entry in self.entries if entry.kind == kind]


def small_facts(
    market: SmallMarket, config: Config, mode: str = "BACKTEST"
) -> Iterator[tuple[int, Event]]:
    """Every fact of a session of the small market, dated, as the runner gives them."""
    opened = session_opened(market, config, small_rows(), own_code_digest(), mode)
    carried = fresh_account(config, market.day)
    for event in opening_facts(opened, carried, market, small_rows()):
        yield market.anchor_ns, event
    yield from facts_of(market.frames(), market.cycle_rule, market.open_ns, market.close_ns)
    yield market.close_ns, FeedStatus(0, "ENDED", False, 0)
    yield market.close_ns, SessionClosed("END_OF_DAY")


def run_core(facts: Iterable[tuple[int, Event]], core: Core | None = None) -> CoreRun:
    """Step a core through facts, giving them seqs as a journal would; nothing touches a disk."""
    core = core or Core()
    groups: list[Group] = []
    for ts, event in facts:
        seq = core.state.seq + 1
        data = encode_fact(seq, ts, event)
        derived = core.step(seq, ts, event)
        fact = Entry(seq, BY_STRUCT[type(event)].kind, ts, seq, event)
        groups.append(
            Group(fact, data, tuple(d.entry for d in derived), tuple(d.data for d in derived))
        )
    return CoreRun(core, tuple(groups))


@functools.cache
def small_run() -> CoreRun:
    """The default small market under the relaxed configuration, run once for all tests."""
    return run_core(small_facts(SmallMarket(), relaxed()))


def run_small(
    parent: Path, market: SmallMarket | None = None, config: Config | None = None
) -> RunReport:
    """The small market through the runner into a new session folder under ``parent``."""
    return run_market(parent, market or SmallMarket(), config or relaxed(), small_rows())


def frame_fact(packets: list[bytes], snapshot_end: bool = False) -> FeedFrame:
    """A frame's fact, whole."""
    return frame_of(encode_frame(packets), snapshot_end)


def frame_of(data: bytes, snapshot_end: bool = False) -> FeedFrame:
    """A fact of any bytes, whole or lying."""
    return FeedFrame(0, "kite.v3", 1, snapshot_end, len(data), None, data)
