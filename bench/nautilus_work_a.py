"""WORK-A on NautilusTrader 1.231, as light as its own settings make it.

Lives here: the strategy, the engine around it and the ticks in its own types. May import: the
bench's data, nautilus_trader. Always holds: only ``engine.run`` is measured, with all data already
in its own objects; a Kite tick is one quote and one trade; its own indicators wherever they are
defined as WORK-A's are (its RSI is seeded one bar earlier: two Wilder averages make it here).
Start reading at ``WorkAStrategy``.
"""

from __future__ import annotations

import datetime
from typing import Any, Final

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import DataEngineConfig, LoggingConfig, RiskEngineConfig, StrategyConfig
from nautilus_trader.indicators import (
    AverageTrueRange,
    ExponentialMovingAverage,
    MovingAverageType,
    VolumeWeightedAveragePrice,
    WilderMovingAverage,
)
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import BarType, QuoteTick, TradeTick
from nautilus_trader.model.enums import AccountType, AggressorSide, OmsType
from nautilus_trader.model.identifiers import InstrumentId, Symbol, TradeId, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import FIXED_PRECISION, Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from bench.work_a_data import (
    AGE_NS_MAX,
    BARS_MIN,
    INSTRUMENTS,
    MINUTE_NS,
    OPEN_NS,
    PASS,
    SECOND_NS,
    SPREAD_BPS_MAX,
    STALE,
    WARM_UP,
    WIDE,
    Answers,
    Day,
    answers_of,
)

VENUE: Final = Venue("SIM")
GATE_DELAY_NS: Final = 1_000
"""The gate's timer fires this long after the boundary, when its bars are surely closed."""

PAISE_RAW: Final = pow(10, FIXED_PRECISION - 2)
UNIT_RAW: Final = pow(10, FIXED_PRECISION)
TODAY: Final = datetime.datetime.fromtimestamp(OPEN_NS // SECOND_NS, datetime.UTC)


class WorkAConfig(StrategyConfig, frozen=True):  # type: ignore[call-arg, misc]
    """``first_units``: the first trade's size of each instrument, before which no volume counts."""

    minutes: int
    first_units: tuple[int, ...]
    handler: bool


class Slot:
    """One instrument: its identity, indicators and the count of its bars."""

    def __init__(self, instrument_id: InstrumentId, first_units: int) -> None:
        self.instrument_id = instrument_id
        self.ema_fast = ExponentialMovingAverage(9)
        self.ema_slow = ExponentialMovingAverage(21)
        self.atr = AverageTrueRange(14, MovingAverageType.WILDER)
        self.vwap = VolumeWeightedAveragePrice()
        self.gain = WilderMovingAverage(14)
        self.loss = WilderMovingAverage(14)
        self.close = 0.0
        self.bars = 0
        self.unseen = float(first_units)
        self.traded = False
        self.quote: QuoteTick | None = None


class WorkAStrategy(Strategy):  # type: ignore[misc]
    """Bars by the data engine, indicators on them, the gate by a timer."""

    def __init__(self, config: WorkAConfig) -> None:
        super().__init__(config)
        self.slots = {
            BarType.from_str(f"{instrument_id(i)}-1-MINUTE-LAST-INTERNAL"): Slot(
                instrument_id(i), config.first_units[i]
            )
            for i in range(INSTRUMENTS)
        }
        self.by_id = {slot.instrument_id: slot for slot in self.slots.values()}
        self.verdicts = bytearray()
        self.bars = 0
        self.sums = [0.0] * 5

    def on_start(self) -> None:
        """Subscribe to one-minute bars and set the gate's timer."""
        for bar_type, slot in self.slots.items():
            for indicator in (slot.ema_fast, slot.ema_slow, slot.atr):
                self.register_indicator_for_bars(bar_type, indicator)
            self.subscribe_bars(bar_type)
            if self.config.handler:
                self.subscribe_quote_ticks(slot.instrument_id)
        self.clock.set_timer_ns(
            "gate",
            MINUTE_NS,
            OPEN_NS + GATE_DELAY_NS,
            OPEN_NS + self.config.minutes * MINUTE_NS + GATE_DELAY_NS,
            self.on_gate,
        )

    def on_quote_tick(self, tick: QuoteTick) -> None:
        """Keep the last quote (only with ``handler``; else the engine's cache keeps it)."""
        self.by_id[tick.instrument_id].quote = tick

    def on_bar(self, bar: Any) -> None:
        """What its own indicators do not do by themselves, and the sums."""
        slot = self.slots[bar.bar_type]
        close = float(bar.close)
        volume = float(bar.volume) - slot.unseen
        slot.unseen = 0.0
        slot.traded = slot.traded or volume > 0.0
        slot.vwap.update_raw((float(bar.high) + float(bar.low) + close) / 3.0, volume, TODAY)
        slot.bars += 1
        sums = self.sums
        if slot.bars > 1:
            change = close - slot.close
            slot.gain.update_raw(change if change > 0.0 else 0.0)
            slot.loss.update_raw(-change if change < 0.0 else 0.0)
            gain = slot.gain.value
            moved = gain + slot.loss.value
            sums[2] += 100.0 * gain / moved if moved else 50.0
        slot.close = close
        self.bars += 1
        sums[0] += slot.ema_fast.value
        sums[1] += slot.ema_slow.value
        sums[3] += slot.atr.value
        if slot.traded:
            sums[4] += slot.vwap.value

    def on_gate(self, event: Any) -> None:
        """The gate of all instruments at the boundary that just passed."""
        boundary = event.ts_event - GATE_DELAY_NS
        cache, handler = self.cache, self.config.handler
        for slot in self.slots.values():
            if slot.bars < BARS_MIN:
                self.verdicts.append(WARM_UP)
                continue
            quote: Any = slot.quote if handler else cache.quote_tick(slot.instrument_id)
            if boundary - quote.ts_event > AGE_NS_MAX:
                self.verdicts.append(STALE)
                continue
            bid, ask = quote.bid_price.raw, quote.ask_price.raw
            wide = (ask - bid) * 20_000 > SPREAD_BPS_MAX * (ask + bid)
            self.verdicts.append(WIDE if wide else PASS)

    def answers(self) -> Answers:
        """What was found; prices in rupees here, in paise there."""
        fast, slow, rsi, atr, vwap = self.sums
        sums = (fast * 100.0, slow * 100.0, rsi, atr * 100.0, vwap * 100.0)
        return answers_of(bytes(self.verdicts), self.bars, sums)


def instrument_id(i: int) -> InstrumentId:
    """The name of an instrument by its index."""
    return InstrumentId(Symbol(f"WORKA{i:02d}"), VENUE)


def make_ticks(day: Day) -> list[Any]:
    """Two engine events for each Kite tick, in order of time; not part of the measured work."""
    names = [instrument_id(i) for i in range(INSTRUMENTS)]
    made: list[Any] = []
    for burst in day.bursts:
        ts = burst.ts
        for i, price, last, volume, _, bid_units, bid, ask_units, ask in burst.ticks:
            side = AggressorSide.BUYER if price == ask else AggressorSide.SELLER
            made.append(
                QuoteTick.from_raw(
                    names[i], bid * PAISE_RAW, ask * PAISE_RAW, 2, 2,
                    bid_units * UNIT_RAW, ask_units * UNIT_RAW, 0, 0, ts, ts,
                )
            )  # fmt: skip
            made.append(
                TradeTick.from_raw(
                    names[i], price * PAISE_RAW, 2, last * UNIT_RAW, 0, side,
                    TradeId(str(volume)), ts, ts,
                )
            )  # fmt: skip
    return made


def make_engine(day: Day, *, handler: bool = False) -> tuple[BacktestEngine, WorkAStrategy]:
    """An engine with the day loaded, and its strategy: no fills, log, risk check or report."""
    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            data_engine=DataEngineConfig(time_bars_build_with_no_updates=False),
            risk_engine=RiskEngineConfig(bypass=True),
            run_analysis=False,
        )
    )
    engine.add_venue(
        VENUE, OmsType.NETTING, AccountType.CASH, [Money(1_000_000, USD)],
        bar_execution=False, trade_execution=False,
    )  # fmt: skip
    for i in range(INSTRUMENTS):
        name = instrument_id(i)
        engine.add_instrument(
            Equity(name, name.symbol, USD, 2, Price(0.01, 2), Quantity(1, 0), 0, 0)
        )
    engine.add_data(make_ticks(day), validate=False)
    firsts: dict[int, int] = {}
    for burst in day.bursts:
        for tick in burst.ticks:
            firsts.setdefault(tick[0], tick[2])
    units = tuple(firsts.get(i, 0) for i in range(INSTRUMENTS))
    strategy = WorkAStrategy(WorkAConfig(minutes=day.minutes, first_units=units, handler=handler))
    engine.add_strategy(strategy)
    return engine, strategy


def run(engine: BacktestEngine, minutes: int) -> None:
    """The whole work."""
    end = OPEN_NS + minutes * MINUTE_NS + SECOND_NS
    engine.run(start=_datetime(OPEN_NS), end=_datetime(end))


def _datetime(ts: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(ts // SECOND_NS, datetime.UTC)
