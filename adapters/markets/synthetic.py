"""A seeded synthetic trading day of NIFTY, BANKNIFTY and SENSEX in Kite's binary frames.

Lives here: the market and its profiles; ``synthetic_day`` is its clockwork, prices come from
``synthetic_regimes``, quotes from ``synthetic_book``, instruments from ``synthetic_chain``. May
import: events, engine.rulebook, engine.exact, adapters.rulebook. Always holds: seed, profile and
day fix every byte on any machine; no frame carries anything of the regimes. The default day is
Friday 20 November 2026: 09:15 to 15:40 IST, index values frozen in the closing auction from 15:15
to 15:35, one print at its end. Start reading at ``SyntheticMarket``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from adapters.markets.port import MarketError, MarketFrame
from adapters.markets.synthetic_chain import UNDERLYINGS
from adapters.markets.synthetic_day import SCHEDULE_STREAM, Day, Plan, Profile
from adapters.markets.synthetic_random import substream
from adapters.markets.synthetic_regimes import Spell, fixed, schedule
from adapters.rulebook.load import load_rows
from engine.rulebook import NS_PER_S, Rulebook, SessionWindow, add_days, ist_ns
from events.session import CycleRule, Instrument, MarketIdentity

DEFAULT_DAY: Final = 20261120
"""Friday 20 November 2026, the day that is traded where none is named."""

DEFAULT_CADENCE_MS: Final = 1_000
BAR_MS: Final = 60_000
EXPIRY_REACH_DAYS: Final = 40
"""Looked at so far ahead, the year's end is seen by every day whose expiries pass it."""

ANCHOR_IST: Final = "09:00"

_ALL: Final = tuple(underlying.name for underlying in UNDERLYINGS)
_SMALL: Final = (3_000, 3, 2, 20, 1_000)
PROFILES: Final = (
    Profile("default", _ALL, 1_000, 3, 2, 20, 1_000),
    Profile("full", _ALL, 500, 18, 1, 2, 1_500),
    Profile("small", ("NIFTY",), *_SMALL),
    Profile("trend", ("NIFTY",), *_SMALL, weather=(("RANGE", 45), ("TREND_UP", 0))),
    Profile("fall", ("NIFTY",), *_SMALL, weather=(("RANGE", 45), ("TREND_DOWN", 0))),
    Profile("range", ("NIFTY",), *_SMALL, weather=(("RANGE", 0),)),
    Profile("volatile", ("NIFTY",), *_SMALL, weather=(("VOLATILE_RANGE", 0),)),
    Profile(
        "event",
        ("NIFTY",),
        *_SMALL,
        weather=(("RANGE", 120), ("EVENT", 30), ("RECOVERY", 45), ("VOLATILE_RANGE", 0)),
    ),
    Profile(
        "panic",
        ("NIFTY",),
        *_SMALL,
        weather=(("RANGE", 90), ("PANIC", 40), ("RECOVERY", 60), ("VOLATILE_RANGE", 0)),
    ),
    Profile("trouble", ("NIFTY",), *_SMALL, silences=((3_600, 3_900), (9_000, 9_030))),
    Profile("midday", ("NIFTY",), *_SMALL, silences=((-60, 8_100),)),
)
"""``default``: about 1,000,000 packets a day; ``full``: about 11,000,000, of 499 instruments each;
``small``: NIFTY alone, about 120,000 packets, for tests. The others are ``small`` with a day of one
kind: a ``trend`` up, a ``fall``, a ``range``, a ``volatile`` range, an ``event`` at 11:15, a
``panic`` from 10:45; ``trouble`` is silent from 10:15 to 10:20 and for half a minute at 11:45, and
``midday`` says nothing before 11:30. A day of expiry is a matter of its date, not of a profile."""


class SyntheticMarket:
    """A ``Market`` (adapters/markets/port.py) made from a seed.

    ``day`` is yyyymmdd, by default 20261120 (a Friday); each day of a seed is drawn on its own and
    opens near the same level. ``cadence_ms`` is that of the decision grid. ``rulebook`` replaces
    the package's rows, for instance by those with a desk's overlay. Raises ``MarketError`` for an
    unknown profile, a cadence below 1 ms, and a day that is not a trading day with known hours.
    """

    def __init__(
        self,
        seed: int,
        profile: str = "default",
        day: int | None = None,
        *,
        cadence_ms: int = DEFAULT_CADENCE_MS,
        rulebook: Rulebook | None = None,
    ) -> None:
        self._seed = seed
        self._profile = _profile(profile)
        self._day = DEFAULT_DAY if day is None else day
        if cadence_ms < 1:
            raise MarketError(f"a cadence of {cadence_ms} ms is no cadence: give 1 or more")
        self._cadence_ms = cadence_ms
        self._book = _rulebook(self._day) if rulebook is None else rulebook
        self._window = _window(self._book, self._day)
        self._plan = Plan(self._seed, self._profile, self._day, self._book, self._window)

    @property
    def identity(self) -> MarketIdentity:
        return MarketIdentity("synthetic", self._seed, self._profile.name, None, (), BAR_MS)

    @property
    def cycle_rule(self) -> CycleRule:
        return CycleRule("GRID", self._cadence_ms, 0)

    @property
    def day(self) -> int:
        return self._day

    @property
    def anchor_ns(self) -> int:
        return ist_ns(self._day, ANCHOR_IST)

    @property
    def open_ns(self) -> int:
        return self._window.open_ns

    @property
    def close_ns(self) -> int:
        return self._window.close_ns

    @property
    def dump_digest(self) -> str:
        """SHA-256 (hex) of the instrument rows, since there is no dump they came from."""
        return hashlib.sha256(msgspec.msgpack.encode(self.instruments())).hexdigest()

    def instruments(self) -> tuple[Instrument, ...]:
        return self._plan.universe.rows

    def schedule(self) -> tuple[Spell, ...]:
        """The day's regimes. For people and tests: no frame carries it."""
        length_s = (self.close_ns - self.open_ns) // NS_PER_S
        if self._profile.weather:
            return fixed(self._profile.weather, length_s)
        return schedule(substream(self._seed, self._day, SCHEDULE_STREAM), length_s)

    def frames(self) -> Iterator[MarketFrame]:
        """The day's frames from its start; each call begins anew."""
        return Day(self._plan, self._window, self.schedule()).frames()


def _profile(name: str) -> Profile:
    for profile in PROFILES:
        if profile.name == name:
            return profile
    known = ", ".join(profile.name for profile in PROFILES)
    raise MarketError(f"the synthetic market has no profile {name!r}: choose one of {known}")


def _rulebook(day: int) -> Rulebook:
    """The package's rows, with the calendars of the years in which the day's contracts expire."""
    try:
        last = add_days(day, EXPIRY_REACH_DAYS)
    except ValueError as error:
        raise MarketError(f"{error}: give the day as yyyymmdd") from error
    return Rulebook(load_rows(years=(day // 10_000, last // 10_000)))


def _window(book: Rulebook, day: int) -> SessionWindow:
    """The derivatives window of the day."""
    window = book.session_window(day, "fno")
    if window is None:
        raise MarketError(
            f"{day} is not a trading day with known hours: choose another, such as {DEFAULT_DAY}"
        )
    return window
