"""The clockwork of a synthetic day: what moves, who speaks, which frames go out when.

Lives here: a day's starting point and one pass over it. May import: events, engine.rulebook, the
other ``synthetic_*`` files. Always holds: frames in order of time, none larger than
``FRAME_PACKETS_MAX``, never longer than ``HEARTBEAT_NS`` without a frame (rounded up to a step);
exchange stamps are the whole second of the step, never later than the frame. Start reading at
``Day.frames``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from adapters.markets.port import MarketError, MarketFrame
from adapters.markets.synthetic_book import (
    Cell,
    Page,
    Pattern,
    Scan,
    first_future_packet,
    future_packet,
    index_packet,
    new_cell,
    patterns,
)
from adapters.markets.synthetic_chain import UNDERLYINGS, VIX_TOKEN, Listing, Universe, build
from adapters.markets.synthetic_random import NORMAL_TABLE, SplitMix64, substream
from adapters.markets.synthetic_regimes import Path, Spell
from engine.rulebook import NS_PER_S, Rulebook, SessionWindow, add_days, ist_ns
from events.session import Instrument
from events.wire.kite import HEARTBEAT

FRAME_PACKETS_MAX: Final = 200
FIRST_PAGE_S: Final = 5
"""All instruments speak once, so many seconds before the open."""

HEARTBEAT_NS: Final = 2_500_000_000
"""A connection that has been quiet for so long sends a heartbeat."""

VIX_EVERY_S: Final = 15
LATENCY_MS: Final = (90, 390)
"""From the exchange's second to our receipt of the frame."""

SCHEDULE_STREAM, _LEVELS, _PATH, _QUOTES, _DEPTH, _INTEREST = range(6)
"""The independent random streams of one seed and day."""

_YEAR_S: Final = 365.0 * 86_400.0

_SESSION_SHARE: Final = 0.8
_TRADING_DAYS: Final = 252.0
"""The market's own option clock: variance falls due while it trades, a fifth of a day's overnight,
nothing for a weekend. On a calendar clock a day of trading would cost its holder a quarter of a
day's decay, and buying options would be free money."""


class Profile(msgspec.Struct, frozen=True, gc=False):
    """How much of the market is sent.

    Every ``step_ms`` prices move and a frame goes out. Contracts of the near expiry within
    ``near_strikes`` of the money are looked at every ``near_every`` steps, all of an expiry every
    ``far_every`` steps (pages take turns). ``pace_milli`` scales trades and size changes without a
    move of price. ``weather`` is the day's (regime, minutes), none where the seed draws it;
    ``silences`` are (from, to) in seconds after the open, the end excluded, in which nothing is
    sent, not even a heartbeat: after one every instrument speaks once. One that begins before the
    open takes the first page with it.
    """

    name: str
    underlyings: tuple[str, ...]
    step_ms: int
    near_strikes: int
    near_every: int
    far_every: int
    pace_milli: int
    weather: tuple[tuple[str, int], ...] = ()
    silences: tuple[tuple[int, int], ...] = ()


class Plan:
    """What a day starts from: levels, yesterday's closes, instruments, the discount rate.

    ``opens`` and ``closes`` are the indices' first value and previous close in paise. Raises
    ``MarketError`` where the rulebook does not give what a contract needs.
    """

    def __init__(
        self, seed: int, profile: Profile, day: int, book: Rulebook, window: SessionWindow
    ) -> None:
        self.hours_s = (window.open_ns // NS_PER_S, window.close_ns // NS_PER_S)
        self.seed = substream(seed, day)
        self.profile = profile
        rng = SplitMix64(substream(seed, day, _LEVELS))
        chosen = tuple(u for u in UNDERLYINGS if u.name in profile.underlyings)
        market, gap = rng.normal(), rng.normal()
        self.opens = tuple(
            _paise(u.base_paise * (1.0 + (60.0 * market + 15.0 * rng.normal()) / 10_000.0))
            for u in chosen
        )
        self.closes = tuple(
            _paise(price * (1.0 + (30.0 * gap + 5.0 * rng.normal()) / 10_000.0))
            for price in self.opens
        )
        self.iv_scale = rng.between(900, 1100) / 1000
        self.universe: Universe = build(book, day, profile.underlyings, self.opens)
        rate = book.lookup("rate.discount", "*", day)
        if rate is None:
            raise MarketError(f"the rulebook gives no rate.discount on {day}: add the row")
        self.rate = int(rate.value) / 10_000
        self.previous_close_s = _previous_close_ns(book, day) // NS_PER_S
        self.days_after = tuple(
            tuple(_trading_days(book, day, expiry) for expiry, _, _ in listing.pages)
            for listing in self.universe.listings
        )
        self.expiry_s = tuple(
            tuple(_expiry_s(book, expiry) for expiry, _, _ in listing.pages)
            for listing in self.universe.listings
        )
        self.future_expiry_s = tuple(
            _expiry_s(book, self.universe.rows[listing.future_row].expiry)
            for listing in self.universe.listings
        )


def _paise(price: float) -> int:
    """Rounded to a paisa."""
    return int(price + 0.5)


def _previous_close_ns(book: Rulebook, day: int) -> int:
    """When the trading day before closed (ns UTC); 15:30 of the eve where it is unknown."""
    for back in range(1, 15):
        window = book.session_window(add_days(day, -back), "fno")
        if window is not None:
            return window.close_ns
    return ist_ns(add_days(day, -1), "15:30")


def _trading_days(book: Rulebook, day: int, expiry: int) -> int:
    """Trading days after ``day`` up to ``expiry``, which is included."""
    days = 0
    while day < expiry:
        day = add_days(day, 1)
        days += book.is_trading_day(day) is True
    return days


def _expiry_s(book: Rulebook, expiry: int) -> int:
    """Epoch second at which contracts of an expiry end."""
    window = book.session_window(expiry, "fno")
    if window is None:
        raise MarketError(f"the rulebook gives no hours for the expiry of {expiry}: add the rows")
    return window.expiry_close_ns // NS_PER_S


class _Index:
    """An index value as it is printed: last, high, low, open in paise, and yesterday's close."""

    def __init__(self, token: int, open_paise: int, close_paise: int) -> None:
        self._token = token
        self._close = close_paise
        self._ohlc = [open_paise] * 4
        self._printed = 0

    def packet(self, value: float, second: int) -> bytes:
        """The framed packet at a value; empty when it is the printed one."""
        last = _paise(value)
        if last == self._printed:
            return b""
        self._printed = last
        ohlc = self._ohlc
        ohlc[0], ohlc[1], ohlc[2] = last, max(ohlc[1], last), min(ohlc[2], last)
        return index_packet(self._token, ohlc, self._close, second)

    def again(self, value: float, second: int) -> bytes:
        """The framed packet at a value, whether or not it is the printed one."""
        self._printed = 0
        return self.packet(value, second)


_EXPIRY_STRESS: Final = (0.045, 0.030)
_EXPIRY_SKEW: Final = (1.0, 0.7)
_EXPIRY_SLOPE: Final = (1.0, 1.03)
"""By listed expiry: what stress adds to at-the-money volatility a year, the share of what falling
prices add, and the ordinary level relative to the underlying's."""

_VIX_SHARE: Final = 0.95
"""INDIA VIX is on the calendar's clock, on which volatilities of some weeks read a little lower."""

_BASIS_PULL_STEPS: Final = 300.0
_BASIS_NOISE: Final = 4e-6
"""A future strays from its carry by noise (a share of the price) a step, pulled back so slowly."""

_NEAR_LOTS: Final = 24
_THIN_LOTS: Final = 6
_FUTURE_LOTS: Final = 30
"""Most lots at a best level near the money, away from it, and of a future."""

_FUTURE_OI_LOTS: Final = 180_000
_OPTION_OI_LOTS: Final = 40_000
_ROUND_PAISE: Final = 50_000
"""Strikes on five hundred draw twice the open interest."""

Shapes = tuple[tuple[Pattern, ...], tuple[Pattern, ...]]


class _Chain:
    """One underlying in motion: its index, its future, its option pages."""

    def __init__(self, plan: Plan, n: int) -> None:
        listing = plan.universe.listings[n]
        self._rate = plan.rate
        self._iv = listing.underlying.iv_bps / 10_000 * plan.iv_scale
        self._expiry_s = plan.expiry_s[n]
        self._days_after = plan.days_after[n]
        self._hours_s = plan.hours_s
        self._future_expiry_s = plan.future_expiry_s[n]
        self._basis = 0.0
        self.index = _Index(listing.underlying.index_token, plan.opens[n], plan.closes[n])
        lot, seed = listing.lot_units, substream(plan.seed, _DEPTH, n)
        deep, thin, future = (
            patterns(substream(seed, lots), lot, lots)
            for lots in (_NEAR_LOTS, _THIN_LOTS, _FUTURE_LOTS)
        )
        self._future_shapes: tuple[Pattern, ...] = future
        self._future = self._new_future(plan, listing, plan.closes[n])
        self.pages = [
            self._new_page(plan, listing, e, (deep, thin), plan.closes[n])
            for e in range(len(listing.pages))
        ]

    def _new_future(self, plan: Plan, listing: Listing, close: int) -> Cell:
        growth = self._growth(self._future_expiry_s, plan.previous_close_s)
        token = plan.universe.rows[listing.future_row].token
        settled = _paise(close * growth) // listing.tick_paise * listing.tick_paise
        return new_cell(token, settled, listing.lot_units, _FUTURE_OI_LOTS * listing.lot_units)

    def _new_page(self, plan: Plan, listing: Listing, e: int, shapes: Shapes, close: int) -> Page:
        """A page as it stood at yesterday's close, which is what its cells remember of it."""
        _, strikes, first = listing.pages[e]
        rows = plan.universe.rows[first : first + 2 * len(strikes)]
        rng = SplitMix64(substream(plan.seed, _INTEREST, rows[0].token))
        cells = [
            new_cell(row.token, 0, row.lot_units, _interest(rng, row, close, e)) for row in rows
        ]
        page = Page(strikes, cells, shapes, plan.profile.pace_milli / 1000)
        self._refresh(
            page, e, float(close), self._iv * _EXPIRY_SLOPE[e], 0.0, plan.previous_close_s
        )
        page.settle()
        return page

    def _growth(self, expiry_s: int, second: int) -> float:
        """Carry to an expiry: simple interest, whose inverse discounts (so parity is exact)."""
        return 1.0 + self._rate * ((expiry_s - second) / _YEAR_S)

    def _time(self, e: int, second: int) -> float:
        """Years to a listed expiry on the market's own clock (see ``_SESSION_SHARE``)."""
        open_s, close_s = self._hours_s
        days = float(self._days_after[e])
        if second < open_s - FIRST_PAGE_S:  # the eve: tonight and the whole session lie ahead
            return (days + 1.0) / _TRADING_DAYS
        left = min((close_s - second) / (close_s - open_s), 1.0)
        return (days + _SESSION_SHARE * left) / _TRADING_DAYS

    def _refresh(
        self, page: Page, e: int, spot: float, vol: float, stress: float, second: int
    ) -> None:
        growth = self._growth(self._expiry_s[e], second)
        page.refresh(spot * growth, vol, self._time(e, second), 1.0 / growth, stress, float(second))

    def vol(self, e: int, path: Path) -> float:
        """At-the-money volatility a year of a listed expiry, never below a third of the usual."""
        usual = self._iv * _EXPIRY_SLOPE[e]
        lift = _EXPIRY_STRESS[e] * path.stress + _EXPIRY_SKEW[e] * path.vol_lift
        return max(usual + lift, usual / 3.0)

    def first_future(self, spot: float, second: int) -> bytes:
        """The future's framed packet before the open."""
        worth = spot * self._growth(self._future_expiry_s, second)
        return first_future_packet(self._future, worth, self._future_shapes, second)

    def future_packet(self, spot: float, stress: float, bits: int, second: int) -> bytes:
        """The future's framed packet: carry plus a basis that wanders and comes back."""
        noise = _BASIS_NOISE * NORMAL_TABLE[bits & 4095]
        self._basis += noise - self._basis / _BASIS_PULL_STEPS
        worth = spot * (self._growth(self._future_expiry_s, second) + self._basis)
        return future_packet(self._future, worth, stress, bits >> 12, self._future_shapes, second)

    def scan(
        self, e: int, near: int | None, spot: float, path: Path, second: int, scan: Scan
    ) -> None:
        """Let an expiry's contracts speak: those within ``near`` strikes of the money, or all."""
        page = self.pages[e]
        forward = spot * self._growth(self._expiry_s[e], second)
        vol = self.vol(e, path)
        if page.is_stale(forward, vol, float(second)):
            self._refresh(page, e, spot, vol, path.stress, second)
        first, last = (0, len(page.cells)) if near is None else page.window(forward, near)
        page.scan(first, last, forward, vol, second, scan)


def _interest(rng: SplitMix64, row: Instrument, spot: int, e: int) -> int:
    """Yesterday's open interest in units: most near the money, on round strikes, and on calls above
    and puts below it."""
    distance = (row.strike_paise - spot) * 1000 // spot
    lots = _OPTION_OI_LOTS // (1 + 3 * e) * 100 // (100 + distance * distance)
    lots = lots * rng.between(60, 140) // 100
    lots = lots * 2 if row.strike_paise % _ROUND_PAISE == 0 else lots
    out_of_money = (row.kind == "CE") == (distance >= 0)
    return max(lots * (3 if out_of_money else 2) // 2, 20) * row.lot_units


class Day:
    """One pass over the day: everything that moves."""

    def __init__(self, plan: Plan, window: SessionWindow, spells: tuple[Spell, ...]) -> None:
        self._profile = plan.profile
        self._window = window
        self._open_s = window.open_ns // NS_PER_S
        self._rng = SplitMix64(substream(plan.seed, _QUOTES))
        listings = plan.universe.listings
        self._path = Path(
            substream(plan.seed, _PATH),
            spells,
            plan.opens,
            tuple(listing.underlying.factor for listing in listings),
            plan.profile.step_ms / 1000,
        )
        self._chains = [_Chain(plan, n) for n in range(len(listings))]
        vix_close = _paise(self._vix_value())
        self._vix = _Index(VIX_TOKEN, vix_close, vix_close)
        self._sent_ns = 0

    def frames(self) -> Iterator[MarketFrame]:
        """All frames: the first full page, a heartbeat, then the session."""
        first, heartbeat = list(self._first_page()), self._window.open_ns - 2 * NS_PER_S
        if not self._silent(-FIRST_PAGE_S):
            yield from first
            yield self._heartbeat(heartbeat)
        yield from self._steps()

    def _steps(self) -> Iterator[MarketFrame]:
        """From the open to the close, a step at a time."""
        step_ns = self._profile.step_ms * 1_000_000
        muted = self._silent(-FIRST_PAGE_S)
        for n in range((self._window.close_ns - self._window.open_ns) // step_ns):
            at_ns = self._window.open_ns + n * step_ns
            packets = self._step(n, at_ns)
            if self._silent((at_ns - self._window.open_ns) // NS_PER_S):
                muted = True
                continue
            if muted:
                muted, packets = False, [*packets, *self._page_of_now(at_ns)]
            if packets:
                yield from self._framed(packets, at_ns + self._latency_ns())
            elif at_ns - self._sent_ns >= HEARTBEAT_NS:
                yield self._heartbeat(at_ns)

    def _silent(self, second: int) -> bool:
        """Whether nothing is sent at a second after the open."""
        return any(begin <= second < end for begin, end in self._profile.silences)

    def _page_of_now(self, at_ns: int) -> list[bytes]:
        """Every instrument once, as a broker answers a subscription; nothing trades by it."""
        path, second = self._path, at_ns // NS_PER_S
        scan = Scan(self._rng.state, [], True)
        for chain, spot in zip(self._chains, path.spots, strict=True):
            if self._index_prints(at_ns):
                scan.packets.append(chain.index.again(spot, second))
            for e in range(len(chain.pages)):
                chain.scan(e, None, spot, path, second, scan)
        scan.packets.append(self._vix.again(self._vix_value(), second))
        self._rng.state = scan.state
        return [packet for packet in scan.packets if packet]

    def _first_page(self) -> Iterator[MarketFrame]:
        """Every instrument once, shortly before the open; nothing has traded."""
        second = self._open_s - FIRST_PAGE_S
        scan = Scan(self._rng.state, [], True)
        packets = scan.packets
        for chain, spot in zip(self._chains, self._path.spots, strict=True):
            packets.append(chain.index.packet(spot, second))
        packets.append(self._vix.packet(self._vix_value(), second))
        for chain, spot in zip(self._chains, self._path.spots, strict=True):
            packets.append(chain.first_future(spot, second))
            for e in range(len(chain.pages)):
                chain.scan(e, None, spot, self._path, second, scan)
        self._rng.state = scan.state
        yield from self._framed(packets, second * NS_PER_S + self._latency_ns())

    def _step(self, n: int, at_ns: int) -> list[bytes]:
        """The framed packets of one step."""
        path, profile = self._path, self._profile
        second = at_ns // NS_PER_S
        path.step((at_ns - self._window.open_ns) / NS_PER_S)
        scan = Scan(self._rng.draw(), [], False)
        packets = scan.packets
        if self._index_prints(at_ns):
            for chain, spot in zip(self._chains, path.spots, strict=True):
                packets.append(chain.index.packet(spot, second))
        if second % VIX_EVERY_S == 0:
            packets.append(self._vix.packet(self._vix_value(), second))
        turn = 0
        for i, chain in enumerate(self._chains):
            spot = path.spots[i]
            packets.append(chain.future_packet(spot, path.stress, self._rng.draw(), second))
            for e in range(len(chain.pages)):
                turn += 1
                if n % profile.far_every == turn * profile.far_every // 8:
                    chain.scan(e, None, spot, path, second, scan)
                elif e == 0 and (n + i) % profile.near_every == 0:
                    chain.scan(e, profile.near_strikes, spot, path, second, scan)
        return [packet for packet in packets if packet]

    def _index_prints(self, at_ns: int) -> bool:
        """An index has a value but for the closing auction; at its end it prints once more."""
        start, end = self._window.auction_from_ns, self._window.auction_to_ns
        if start is None or end is None or at_ns < start:
            return True
        return end <= at_ns < end + self._profile.step_ms * 1_000_000

    def _vix_value(self) -> float:
        """INDIA VIX in hundredths of a point: a longer expiry's volatility."""
        last = self._chains[0]
        return last.vol(len(last.pages) - 1, self._path) * _VIX_SHARE * 10_000.0

    def _latency_ns(self) -> int:
        return self._rng.between(*LATENCY_MS) * 1_000_000

    def _heartbeat(self, at_ns: int) -> MarketFrame:
        self._sent_ns = at_ns
        return MarketFrame(at_ns, HEARTBEAT, 0, False)

    def _framed(self, packets: list[bytes], at_ns: int) -> Iterator[MarketFrame]:
        """Framed packets joined to frames, a millisecond between them."""
        for first in range(0, len(packets), FRAME_PACKETS_MAX):
            part = packets[first : first + FRAME_PACKETS_MAX]
            data = len(part).to_bytes(2, "big") + b"".join(part)
            self._sent_ns = at_ns
            yield MarketFrame(at_ns, data, 0, False)
            at_ns += 1_000_000
