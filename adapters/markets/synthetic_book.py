"""Quotes of the synthetic market: what each contract is worth, and when it says so.

Lives here: an expiry's page (Black-76 on a smile, refreshed when it must be, delta and gamma in
between), the maker's quote around it, depth, trades, open interest, and the broker's packets. May
import: engine.exact, events.wire, synthetic_random. Always holds: prices on the tick, bid below
ask, a contract that has nothing new to say sends nothing. Start reading at ``Page.scan``.

The book persists between packets, and an event changes what it touched: an order that comes or
goes, one level of one side with that side's total; a move of the quote, the prices, while each
level keeps its sizes; a trade, the last price and quantity, the volume, the turnover (the average
price is turnover / volume) and now and then the open interest. Assumed, not measured on an
exchange: levels are evenly spaced, what stands behind the five levels is constant, a trade takes
nothing from the depth that is shown, and the contracts of a lot size share one walk of shapes, each
at its own place in it (a day with sizes of its own for each contract compresses as well: measured).
"""

from __future__ import annotations

import struct
from typing import Final

from adapters.markets.synthetic_random import GAMMA, MASK64, MIX_A, MIX_B, SplitMix64
from engine.exact import log, norm_cdf, norm_cdf_pdf, sqrt
from events.wire.kite import FULL_PACKET, FULL_SIZE, INDEX_FULL_PACKET, INDEX_FULL_SIZE

FRAMED_FULL: Final = struct.Struct(">H" + FULL_PACKET.format[1:])
FRAMED_INDEX: Final = struct.Struct(">H" + INDEX_FULL_PACKET.format[1:])
"""The codec's packets with their length word in front: one ``pack`` a packet."""

TICK: Final = 5
SKEW: Final = -0.06
CURVATURE: Final = 0.012
"""Smile: vol(x) = atm x (1 + SKEW x + CURVATURE x^2), x = log(strike/forward) in deviations."""

SMILE_REACH: Final = 5.0
SPREAD_BPS: Final = 13.0
SPREAD_STRESS: Final = 2.2
SPREAD_DISTANCE: Final = 0.35
"""Full spread in bps of premium: SPREAD_BPS x (1 + SPREAD_STRESS stress) x (1 + 0.35 x^2)."""

REFRESH_S: Final = 60.0
REFRESH_VOL: Final = 0.002
REFRESH_STEP_SHARE: Final = 0.25
REFRESH_DEVIATIONS: Final = 0.3
"""Full pricing again after so long, so large a move of volatility, or a move of the forward by so
much of a strike step or, near the expiry, by so many of its own deviations."""

PATTERNS: Final = 64
_TRADE_LOTS: Final = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 8, 10, 15, 25)

# What a contract's cell holds; a list, since it changes a million times a day.
TOKEN, LAST, LAST_QTY, VOLUME, TURNOVER, OPEN, HIGH, LOW, CLOSE = range(9)
TRADED_AT, OI, OI_HIGH, OI_LOW, BID, ASK, PATTERN, LOT = range(9, 17)

Cell = list[int]
Pattern = tuple[int, ...]
"""Bid quantities and orders of five levels, ask quantities and orders, total bought, total sold."""


def new_cell(token: int, close_paise: int, lot_units: int, oi_units: int) -> Cell:
    """A contract that has not traded today: its last price is yesterday's close."""
    traded = [token, close_paise, 0, 0, 0, 0, 0, 0, close_paise]
    return [*traded, 0, oi_units, oi_units, oi_units, 0, 0, -1, lot_units]


def patterns(seed: int, lot_units: int, lots_max: int) -> tuple[Pattern, ...]:
    """The depth shapes of a lot size: units and orders a level, the best level first.

    Each differs from its neighbours, in a circle, by one level of one side: a book whose shape goes
    a step on or back has had an order added or taken, as in most updates of a real book.
    """
    rng = SplitMix64(seed)
    sides = [_side(rng, lot_units, lots_max) for _ in range(2)]
    beyond = [_units(side) * rng.between(7, 23) for side in sides]
    walk = [_pattern(sides, beyond)]
    while len(walk) <= PATTERNS // 2:
        place = rng.between(0, 9)
        sides[place & 1][place >> 1] = _level(rng, place >> 1, lot_units, lots_max)
        shape = _pattern(sides, beyond)
        if shape != walk[-1]:
            walk.append(shape)
    return (*walk, *reversed(walk[1:-1]))


_Level = tuple[int, int]
"""Units and orders."""


def _side(rng: SplitMix64, lot_units: int, lots_max: int) -> list[_Level]:
    return [_level(rng, level, lot_units, lots_max) for level in range(5)]


def _level(rng: SplitMix64, level: int, lot_units: int, lots_max: int) -> _Level:
    lots = rng.between(1, lots_max) * (3 + level) // 3
    return lots * lot_units, 1 + lots // rng.between(2, 6)


def _units(side: list[_Level]) -> int:
    shown = 0
    for units, _ in side:
        shown += units
    return shown


def _pattern(sides: list[list[_Level]], beyond: list[int]) -> Pattern:
    """``beyond``: the units of a side that stand behind its five levels."""
    numbers: list[int] = []
    for side in sides:
        numbers.extend(units for units, _ in side)
        numbers.extend(orders for _, orders in side)
    return (*numbers, *(_units(side) + more for side, more in zip(sides, beyond, strict=True)))


def full_packet(cell: Cell, shape: Pattern, step: int, second: int) -> bytes:
    """The framed full packet of a cell; levels are ``step`` paise apart, none at or below 0."""
    bid, ask, volume = cell[BID], cell[ASK], cell[VOLUME]
    if bid <= 4 * step:
        return _cheap_packet(cell, shape, step, second)
    b0, b1, b2, b3, b4, m0, m1, m2, m3, m4, a0, a1, a2, a3, a4, n0, n1, n2, n3, n4, tb, ts = shape
    # fmt: off
    return FRAMED_FULL.pack(
        FULL_SIZE, cell[0], cell[1], cell[2], cell[4] // volume if volume else 0, volume, tb, ts,
        cell[5], cell[6], cell[7], cell[8], cell[9], cell[10], cell[11], cell[12], second,
        b0, bid, m0, b1, bid - step, m1, b2, bid - 2 * step, m2,
        b3, bid - 3 * step, m3, b4, bid - 4 * step, m4,
        a0, ask, n0, a1, ask + step, n1, a2, ask + 2 * step, n2,
        a3, ask + 3 * step, n3, a4, ask + 4 * step, n4,
    )
    # fmt: on


def _cheap_packet(cell: Cell, shape: Pattern, step: int, second: int) -> bytes:
    """As ``full_packet`` for a contract whose lower bids would be free: those levels are absent."""
    bid, ask, volume = cell[BID], cell[ASK], cell[VOLUME]
    levels: list[int] = []
    bought = shape[20] if bid > 0 else 0
    for level in range(5):
        price = bid - level * step
        levels.extend((shape[level], price, shape[5 + level]) if price > 0 else (0, 0, 0))
    for level in range(5):
        levels.extend((shape[10 + level], ask + level * step, shape[15 + level]))
    average = cell[TURNOVER] // volume if volume else 0
    # fmt: off
    return FRAMED_FULL.pack(
        FULL_SIZE, cell[0], cell[1], cell[2], average, volume, bought, shape[21],
        cell[5], cell[6], cell[7], cell[8], cell[9], cell[10], cell[11], cell[12], second, *levels,
    )
    # fmt: on


def requote(cell: Cell, worth: int, half: int, bits: int) -> bool:
    """Quote a cell around ``worth`` with half a spread of ``half`` paise, outwards to the tick.

    Bid 0 is no bid; the ask is at least a tick above it. True when bid or ask moved, and with them
    all levels with their sizes. A quote that stands gets a depth whose shape is a step on or back,
    by the first of 6 random bits; all of them draw the shape of the first quote.
    """
    bid = max((worth - half) // TICK * TICK, 0)
    ask = max(-(-(worth + half) // TICK) * TICK, bid + TICK)
    if cell[PATTERN] < 0:
        cell[PATTERN] = bits & 63
    elif bid == cell[BID] and ask == cell[ASK]:
        cell[PATTERN] = (cell[PATTERN] + (bits & 1) * 2 - 1) % PATTERNS
        return False
    cell[BID], cell[ASK] = bid, ask
    return True


def trade(cell: Cell, bits: int, scale: int, second: int) -> None:
    """A trade (or what a second of trades sums to) at the bid or the ask; OI follows now and then.

    ``bits`` are 9 random bits, ``scale`` multiplies the table of lots.
    """
    price = cell[ASK] if bits & 1 or not cell[BID] else cell[BID]
    quantity = _TRADE_LOTS[bits >> 1 & 15] * cell[LOT]
    volume = quantity * scale
    cell[LAST] = price
    cell[LAST_QTY] = quantity
    cell[TURNOVER] += volume * price
    cell[TRADED_AT] = second
    if not cell[VOLUME]:
        cell[OPEN] = cell[HIGH] = cell[LOW] = price
    elif price > cell[HIGH]:
        cell[HIGH] = price
    elif price < cell[LOW]:
        cell[LOW] = price
    cell[VOLUME] += volume
    if not bits >> 5 & 3:
        grown = volume // 2 if bits >> 7 & 3 else -(volume // 4)
        oi = max(cell[OI] + grown // cell[LOT] * cell[LOT], cell[LOT])
        cell[OI] = oi
        if oi > cell[OI_HIGH]:
            cell[OI_HIGH] = oi
        elif oi < cell[OI_LOW]:
            cell[OI_LOW] = oi


class Scan:
    """What a scan carries along: the random state, the framed packets so far, whether the market is
    still ``opening`` (every contract speaks, none trades)."""

    __slots__ = ("opening", "packets", "state")

    def __init__(self, state: int, packets: list[bytes], opening: bool) -> None:
        self.state = state
        self.packets = packets
        self.opening = opening


class Page:
    """One expiry of one underlying: strikes ascending, contracts as call, put, call, put.

    ``cells`` are the contracts' mutable numbers; the other lists are caches over the last full
    pricing, one entry a contract. Prices and forwards are floats in paise here and become ticks in
    ``scan``. ``pace`` multiplies how often a contract speaks without having moved.
    """

    def __init__(
        self,
        strikes: tuple[int, ...],
        cells: list[Cell],
        shapes: tuple[tuple[Pattern, ...], tuple[Pattern, ...]],
        pace: float,
    ) -> None:
        count = len(cells)
        self.cells = cells
        self.forward = 0.0
        self.vol = 0.0
        self.refreshed_s = -1.0e9
        self._reach = 0.0
        self._strikes = [float(strike) for strike in strikes]
        self._logs = [log(strike) for strike in self._strikes]
        self._strike_step = float(strikes[1] - strikes[0])
        self._deep, self._thin = shapes
        self._pace = pace
        self._near: list[bool] = [False] * count
        self._base, self._delta, self._gamma, self._vega = ([0.0] * count for _ in range(4))
        self._quoted, self._band = [-1.0e9] * count, [0.0] * count
        self._half, self._step, self._lots = ([TICK] * count for _ in range(3))
        self._activity, self._trades = [0] * count, [0] * count

    def is_stale(self, forward: float, vol: float, second: float) -> bool:
        """Whether delta and gamma of the last full pricing no longer reach."""
        reach = self._reach
        return (
            second - self.refreshed_s >= REFRESH_S
            or not -reach < forward - self.forward < reach
            or not -REFRESH_VOL < vol - self.vol < REFRESH_VOL
        )

    def refresh(
        self, forward: float, vol: float, t_years: float, df: float, stress: float, second: float
    ) -> None:
        """Full pricing of every contract: Black-76 on the smile, greeks, spread, liveliness."""
        self.forward, self.vol, self.refreshed_s = forward, vol, second
        log_forward = log(forward)
        deviation_atm = vol * sqrt(t_years)
        self._reach = min(
            REFRESH_STEP_SHARE * self._strike_step, REFRESH_DEVIATIONS * forward * deviation_atm
        )
        spread_bps = SPREAD_BPS * (1.0 + SPREAD_STRESS * stress)
        for k, strike in enumerate(self._strikes):
            x = (self._logs[k] - log_forward) / deviation_atm
            x = min(max(x, -SMILE_REACH), SMILE_REACH)
            deviation = deviation_atm * (1.0 + x * (SKEW + CURVATURE * x))
            d1 = (log_forward - self._logs[k]) / deviation + 0.5 * deviation
            cdf, pdf = norm_cdf_pdf(d1)
            call = df * (forward * cdf - strike * norm_cdf(d1 - deviation))
            gamma = 0.5 * df * pdf / (forward * deviation)
            vega = df * forward * pdf * deviation / vol
            c = 2 * k
            self._gamma[c] = self._gamma[c + 1] = gamma
            self._vega[c] = self._vega[c + 1] = vega
            self._delta[c] = df * cdf
            self._delta[c + 1] = df * (cdf - 1.0)
            self._base[c] = max(call, 0.0)
            self._base[c + 1] = max(call - df * (forward - strike), 0.0)
            bps = spread_bps * (1.0 + SPREAD_DISTANCE * x * x)
            self._set_manner(c, bps, x)
            self._set_manner(c + 1, bps, x)

    def _set_manner(self, c: int, spread_bps: float, x: float) -> None:
        """How a contract is quoted and traded at distance ``x`` from the money."""
        half = 0.5 * spread_bps * self._base[c] / 10_000
        square = x * x
        self._half[c] = int(half)
        self._band[c] = max(half, 0.5 * TICK)
        self._step[c] = TICK * (1 + int(half) // 40)
        self._near[c] = square < 4.0
        self._lots[c] = 1 + int(40.0 / (1.0 + 4.0 * square))
        self._activity[c] = int(self._pace * 150.0 / (1.0 + 2.0 * square))
        self._trades[c] = int(100.0 / (1.0 + 2.0 * square))

    def settle(self) -> None:
        """Take every contract's worth, on the tick and at least one, as yesterday's close."""
        for cell, worth in zip(self.cells, self._base, strict=True):
            cell[CLOSE] = cell[LAST] = max(int(worth + 0.5 * TICK) // TICK * TICK, TICK)

    def scan(
        self,
        first: int,
        last: int,
        forward: float,
        vol: float,
        second: int,
        scan: Scan,
    ) -> None:
        """Let the contracts from ``first`` to ``last`` (excluded) speak where they have something
        new; their framed packets go to ``scan``.

        A contract speaks when its worth has left the band around its last quote, or, by chance, for
        a trade or a change of size.
        """
        state, out, opening = scan.state, scan.packets, scan.opening
        move, lift = forward - self.forward, vol - self.vol
        base, delta, gamma, vega = self._base, self._delta, self._gamma, self._vega
        quoted, band, activity = self._quoted, self._band, self._activity
        bits = 0
        for c in range(first, last):
            if c & 1:
                bits >>= 32
            else:  # one draw for the strike's two contracts
                state = (state + GAMMA) & MASK64
                bits = ((state ^ (state >> 30)) * MIX_A) & MASK64
                bits = ((bits ^ (bits >> 27)) * MIX_B) & MASK64
                bits ^= bits >> 31
            worth = base[c] + move * (delta[c] + move * gamma[c]) + lift * vega[c]
            width = band[c]
            if -width < worth - quoted[c] < width and bits & 255 >= activity[c] and not opening:
                continue
            quoted[c] = worth
            packet = self._speak(c, int(worth), bits >> 8, second, opening)
            if packet:
                out.append(packet)
        scan.state = state

    def _speak(self, c: int, worth: int, bits: int, second: int, opening: bool) -> bytes:
        """The packet of a contract after requoting it at ``worth``; empty when nothing is new.

        Bits: 2 lean of the quote, 6 shape of the depth, 7 whether it trades, 9 the trade.
        """
        cell, step = self.cells[c], self._step[c]
        shapes = self._deep if self._near[c] else self._thin
        was = cell[PATTERN]
        said = requote(cell, worth + (bits & 3) - 1, self._half[c], bits >> 2)
        if (bits >> 8 & 127) < self._trades[c] and not opening:
            trade(cell, bits >> 15, self._lots[c], second)
            said = True
        packet = full_packet(cell, shapes[cell[PATTERN]], step, second)
        if not said and cell[BID] <= 4 * step:  # the level that changed may be one that is absent
            return b"" if packet == full_packet(cell, shapes[was], step, second) else packet
        return packet

    def window(self, forward: float, strikes: int) -> tuple[int, int]:
        """The contracts (first, last excluded) within so many strikes of the money each side."""
        count = len(self._strikes)
        at_money = int((forward - self._strikes[0]) / self._strike_step + 0.5)
        at_money = min(max(at_money, 0), count - 1)
        return 2 * max(at_money - strikes, 0), 2 * min(at_money + strikes + 1, count)


def index_packet(token: int, ohlc: list[int], close: int, second: int) -> bytes:
    """The framed full packet of an index; ``ohlc`` is last, high, low, open (paise)."""
    change = ohlc[0] - close
    return FRAMED_INDEX.pack(INDEX_FULL_SIZE, token, *ohlc, close, change, second)


FUTURE_HALF_E5: Final = 3
"""Half a future's spread in 1/100,000 of its price, at no stress."""


def first_future_packet(
    cell: Cell, worth: float, shapes: tuple[Pattern, ...], second: int
) -> bytes:
    """The framed packet of a future that has not traded yet."""
    requote(cell, int(worth), int(worth * FUTURE_HALF_E5 / 100_000), 0)
    return full_packet(cell, shapes[0], TICK * 4, second)


def future_packet(
    cell: Cell, worth: float, stress: float, bits: int, shapes: tuple[Pattern, ...], second: int
) -> bytes:
    """The framed packet of a future, which quotes and, three times in four, trades each step."""
    half = int(worth * FUTURE_HALF_E5 * (1.0 + stress + stress) / 100_000)
    requote(cell, int(worth) + (bits & 7) - 3, half, bits >> 3)
    if bits >> 9 & 3 != 0:
        trade(cell, bits >> 11, 4, second)
    return full_packet(cell, shapes[cell[PATTERN]], TICK * 4, second)
