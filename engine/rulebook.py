"""The dated rulebook: what the exchanges, the broker and the law rule on a given day.

Lives here: lookup by (name, scope, day), IST calendar arithmetic, session windows, expiries, the
day's rules resolved once. May import: events. Always holds: no default anywhere;
a rule that no row gives is None (unknown) or a ``RuleMissingError``, and a row without a first-hand
source carries its ``unsure`` mark into whatever used it. Start reading at ``Rulebook.lookup``.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from engine.scheduled import EVENT_KINDS as EVENT_KINDS
from engine.scheduled import EVENT_SCOPES as EVENT_SCOPES
from engine.scheduled import ScheduledEvent
from events.base import Record
from events.session import RuleRow

# --- days and hours in IST ---------------------------------------------------------------------

NS_PER_S: Final = 1_000_000_000
S_PER_DAY: Final = 86_400
NS_PER_DAY: Final = S_PER_DAY * NS_PER_S
IST_OFFSET_NS: Final = 19_800 * NS_PER_S
"""India is 5 h 30 min ahead of UTC, without summer time."""

WEEKDAYS: Final = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def days_from_day(day: int) -> int:
    """Days since 1970-01-01 of a yyyymmdd day (proleptic Gregorian; the era method of H. Hinnant,
    "chrono-compatible low-level date algorithms"). Raises ``ValueError`` for a day that is none."""
    year, month, dom = day // 10_000, day // 100 % 100, day % 100
    if not (1 <= month <= 12 and 1 <= dom <= 31 and 1 <= year <= 9999):
        raise ValueError(f"{day} is not a day (yyyymmdd)")
    shifted = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + dom - 1
    days = shifted * 365 + shifted // 4 - shifted // 100 + shifted // 400 + day_of_year - 719_468
    if day_from_days(days) != day:
        raise ValueError(f"{day} is not a day (yyyymmdd)")
    return days


def day_from_days(days: int) -> int:
    """The yyyymmdd day that is so many days after 1970-01-01."""
    shifted = days + 719_468
    era, doe = shifted // 146_097, shifted % 146_097
    year_of_era = (doe - doe // 1460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * doy + 2) // 153
    dom = doy - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    return (era * 400 + year_of_era + (month <= 2)) * 10_000 + month * 100 + dom


def add_days(day: int, days: int) -> int:
    """The yyyymmdd day so many calendar days later (or earlier)."""
    return day_from_days(days_from_day(day) + days)


def months_before(day: int, months: int) -> int:
    """The first day (yyyymmdd) of the month so many months before that of ``day``."""
    count = day // 10_000 * 12 + day // 100 % 100 - 1 - months
    return (count // 12 * 100 + count % 12 + 1) * 100 + 1


def iso_day(day: int) -> str:
    """``2026-11-20`` of 20261120."""
    return f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"


def weekday_of(day: int) -> str:
    """``MON`` to ``SUN``; 1970-01-01 was a Thursday."""
    return WEEKDAYS[(days_from_day(day) + 3) % 7]


def seconds_of(hhmm: str) -> int:
    """Seconds after midnight of ``HH:MM`` or ``HH:MM:SS``. Raises ``ValueError``."""
    parts = hhmm.split(":")
    if len(parts) not in (2, 3) or not all(len(p) == 2 and p.isdecimal() for p in parts):
        raise ValueError(f"{hhmm!r} is not a time of day (HH:MM or HH:MM:SS)")
    hour, minute, second = (*map(int, parts), 0)[:3]
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(f"{hhmm!r} is not a time of day (HH:MM or HH:MM:SS)")
    return hour * 3600 + minute * 60 + second


def ist_ns(day: int, hhmm: str) -> int:
    """Time (ns UTC) of an IST time of day, ``HH:MM`` or ``HH:MM:SS``, on a yyyymmdd day."""
    seconds = days_from_day(day) * S_PER_DAY + seconds_of(hhmm)
    return seconds * NS_PER_S - IST_OFFSET_NS


def day_of(ns: int) -> int:
    """The yyyymmdd day in IST of a time (ns UTC)."""
    return day_from_days((ns + IST_OFFSET_NS) // NS_PER_DAY)


def hhmmss_of(ns: int) -> str:
    """The IST time of day ``HH:MM:SS`` of a time (ns UTC), cut to the second."""
    second = (ns + IST_OFFSET_NS) % NS_PER_DAY // NS_PER_S
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def hhmm_of(ns: int) -> str:
    """The IST time of day ``HH:MM`` of a time (ns UTC), cut to the minute."""
    return hhmmss_of(ns)[:5]


# --- rows --------------------------------------------------------------------------------------


class RuleMissingError(LookupError):
    """No row gives a rule that was needed. ``name``, ``scope`` and ``day`` say which."""

    def __init__(self, name: str, scope: str, day: int) -> None:
        super().__init__(
            f"the rulebook has no row {name} for {scope} on {day}: add one with source"
        )
        self.name = name
        self.scope = scope
        self.day = day


class SessionWindow(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One segment's day, ns UTC. ``close_ns`` is exclusive.

    The auction is that of the cash segment: while it runs, index values are not continuous. None
    where a day has none. ``expiry_close_ns`` ends the time to expiry of contracts expiring that day
    (the close, where a segment has no expiries).
    """

    open_ns: int
    close_ns: int
    auction_from_ns: int | None
    auction_to_ns: int | None
    expiry_close_ns: int

    def in_auction(self, ts: int) -> bool:
        """Whether the shares of an index are in their closing auction at a time (ns UTC)."""
        first, last = self.auction_from_ns, self.auction_to_ns
        return first is not None and last is not None and first <= ts < last


SEGMENTS: Final = ("fno", "cash")
VENUES: Final = (("NFO", "NSE"), ("BFO", "BSE"), ("NSE", "NSE"), ("BSE", "BSE"))
"""Kite's exchange word to the exchange whose rules hold."""


def venue_of(exchange: str) -> str:
    """NSE or BSE, for Kite's ``NFO``, ``BFO``, ``NSE``, ``BSE``. Raises ``ValueError``."""
    for word, venue in VENUES:
        if word == exchange:
            return venue
    raise ValueError(f"exchange {exchange!r} has no rules here (NFO, BFO, NSE, BSE)")


class Rulebook:
    """Rows with lookup. Rows of one (name, scope) must not overlap in time (``ValueError``).

    A reader's object, not state: the index inside is a cache over ``rows``, which are canonical
    (sorted) whatever order they came in.
    """

    def __init__(self, rows: tuple[RuleRow, ...]) -> None:
        self.rows: Final = tuple(sorted(rows, key=row_key))
        self._by_name: dict[tuple[str, str], list[RuleRow]] = {}
        for row in self.rows:
            known = self._by_name.setdefault((row.name, row.scope), [])
            if known and known[-1].valid_to >= row.valid_from:
                raise ValueError(f"rows of {row.name} for {row.scope} overlap on {row.valid_from}")
            known.append(row)

    def lookup(self, name: str, scope: str, day: int) -> RuleRow | None:
        """The row in force: of the exact scope, else of scope ``*``, else None (unknown)."""
        for known_scope in (scope, "*"):
            for row in self._by_name.get((name, known_scope), ()):
                if row.valid_from <= day <= row.valid_to:
                    return row
        return None

    def require(self, name: str, scope: str, day: int) -> RuleRow:
        """As ``lookup``. Raises ``RuleMissingError`` where it is None."""
        row = self.lookup(name, scope, day)
        if row is None:
            raise RuleMissingError(name, scope, day)
        return row

    def ended(self, name: str, scope: str, day: int) -> RuleRow | None:
        """The row that ended last before a day on which none is in force; None where one is, or
        where none ever was: then the rule is missing, not stale."""
        if self.lookup(name, scope, day) is not None:
            return None
        for known_scope in (scope, "*"):
            past = [row for row in self._by_name.get((name, known_scope), ()) if row.valid_to < day]
            if past:
                return past[-1]
        return None

    def recent(self, name: str, scope: str, day: int) -> tuple[RuleRow, ...]:
        """The rows of the last six calendar months of a rule that has ended, the last of which is
        that of its last row; none where it has not ended."""
        last = self.ended(name, scope, day)
        if last is None:
            return ()
        oldest = months_before(last.valid_to, RECENT_MONTHS - 1)
        rows = self._by_name[(name, last.scope)]
        return tuple(row for row in rows if oldest <= row.valid_to <= last.valid_to)

    def rows_for(self, day: int) -> tuple[RuleRow, ...]:
        """The rows a session of that day can need: in force then or later (expiries lie ahead), and
        of a rule that has ended its recent rows, so that the core sees that it is stale."""
        kept = [row for row in self.rows if row.valid_to >= day]
        for name, scope in self._by_name:
            # Hours for all are history where each exchange has its own; other rules are an
            # underlying's, and fall back to the row for all whatever the exchanges have.
            history = (
                name.startswith("session.")
                and scope == "*"
                and all(self.lookup(name, one, day) for one in ("NSE", "BSE"))
            )
            if name in EXPIRING and not history:
                kept.extend(row for row in self.recent(name, scope, day) if row.scope == scope)
        return tuple(sorted(kept, key=row_key))

    def is_trading_day(self, day: int) -> bool | None:
        """Whether the exchanges trade that day; None where no calendar covers it."""
        if self.lookup("calendar.special", "*", day) is not None:
            return True
        if weekday_of(day) in ("SAT", "SUN"):
            return False
        if self.lookup("calendar.covered", "*", day) is None:
            return None
        holiday = self.lookup("calendar.holiday", "*", day)
        return holiday is None or holiday.value == "OPEN"

    def session_window(self, day: int, segment: str, exchange: str = "NSE") -> SessionWindow | None:
        """The segment's window on a trading day; None on a closed or unknown day.

        A special day whose hours are set by a circular of its own (``has_own_hours``) has those of
        rows dated for that day alone, never the usual ones; None until there are such rows.
        """
        venue = venue_of(exchange)
        if not self.is_trading_day(day):
            return None
        alone = self.has_own_hours(day)
        opened, closed, expiry, auction_from, auction_to = (
            self._time(name, venue, day, alone)
            for name in (
                f"session.{segment}.open",
                f"session.{segment}.close",
                f"session.{segment}.expiry_close",
                "session.cash.auction_from",
                "session.cash.auction_to",
            )
        )
        if opened is None or closed is None:
            return None
        ends = closed if expiry is None else expiry
        return SessionWindow(opened, closed, auction_from, auction_to, ends)

    def has_own_hours(self, day: int) -> bool:
        """Whether a circular of its own sets the day's hours (Muhurat trading)."""
        special = self.lookup("calendar.special", "*", day)
        return special is not None and special.value != "NORMAL"

    def _time(self, name: str, scope: str, day: int, alone: bool) -> int | None:
        """ns UTC of a time of day by its row; ``alone``: only by a row of this day alone."""
        row = self.lookup(name, scope, day)
        if row is None or (alone and not row.valid_from == row.valid_to == day):
            return None
        return ist_ns(day, str(row.value))

    def expiries(self, underlying: str, day: int, count: int) -> tuple[int, ...] | None:
        """The next expiries by rule, ``day`` included: weekly where the index has weeklies, else
        monthly. None where a rule or the calendar ends before the last of them.

        An expiry that falls on a closed day, or on one with hours of its own, moves to the trading
        day before, unless a row says where the exchange moved it. Contracts already listed may be
        re-dated too: the instrument dump wins over this.
        """
        # An expiry that was to be before the day may have been dated to a later one.
        found = [
            int(row.value)
            for row in (
                self.lookup("expiry.dated", underlying, add_days(day, -back))
                for back in range(_SHIFT_DAYS_MAX, 0, -1)
            )
            if row is not None and int(row.value) >= day
        ]
        probe, searched = day, 0
        while len(found) < count:
            if searched > _EXPIRY_SEARCH_DAYS:
                return None
            expiry = self._expiry_for(underlying, probe)
            if expiry is None:
                return None
            if expiry >= day and expiry not in found:
                found.append(expiry)
            probe = add_days(probe, 1)
            searched += 1
        return tuple(found[:count])

    def is_monthly(self, underlying: str, expiry: int) -> bool:
        """Whether an expiry is its month's last for that underlying (symbols are spelt by it)."""
        for ahead in range(-_SHIFT_DAYS_MAX, _SHIFT_DAYS_MAX + 1):
            nominal = add_days(expiry, ahead)
            row = self.lookup("expiry.monthly", underlying, nominal)
            named = row is not None and weekday_of(nominal) == row.value
            if named and _last_in_month(nominal) and self._moved(underlying, nominal) == expiry:
                return True
        return False

    def _expiry_for(self, underlying: str, nominal: int) -> int | None:
        """The expiry of a nominal day: itself or the trading day before; 0 where it is none."""
        weekly = self.lookup("expiry.weekly", underlying, nominal)
        monthly = self.lookup("expiry.monthly", underlying, nominal)
        if weekly is None and monthly is None:
            return None
        weekday = weekday_of(nominal)
        if weekly is not None and weekday == weekly.value:
            return self._moved(underlying, nominal)
        if monthly is not None and weekday == monthly.value and _last_in_month(nominal):
            return self._moved(underlying, nominal)
        return 0

    def _moved(self, underlying: str, nominal: int) -> int | None:
        """Where a nominal expiry falls: where the exchange dated it, else the last ordinary trading
        day at or before it; None where unknown."""
        dated = self.lookup("expiry.dated", underlying, nominal)
        if dated is not None:
            return int(dated.value)
        day = nominal
        while True:
            trading = self.is_trading_day(day)
            if trading is None or (trading and not self.has_own_hours(day)):
                return day if trading else None
            day = add_days(day, -1)


EXPIRING: Final = (
    "calendar.covered",
    "session.fno.open",
    "session.fno.close",
    "lot",
    "freeze",
)
"""Rules that are published anew: once their last row has ended they are stale (RULEBOOK_STALE), not
missing. Hours and lots then block; a freeze quantity is the strictest of its recent ones."""

RECENT_MONTHS: Final = 6
_EXPIRY_SEARCH_DAYS: Final = 400
_SHIFT_DAYS_MAX: Final = 7
"""No run of closed days is longer than this."""


def _last_in_month(day: int) -> bool:
    return add_days(day, 7) // 100 != day // 100


def row_key(row: RuleRow) -> tuple[str, str, int, int]:
    """The canonical order of rows."""
    return (row.name, row.scope, row.valid_from, row.valid_to)


AMENDABLE: Final = (
    "session.fno.open",
    "session.fno.close",
    "session.fno.expiry_close",
    "session.cash.open",
    "session.cash.close",
    "session.cash.auction_from",
    "session.cash.auction_to",
)
"""What of a day may change while it runs. A halt is a later open; a longer day a later close."""


def amendment_fault(name: str, scope: str, value: int | str) -> str | None:
    """Why a day cannot be amended so, in words; None where it can."""
    if name not in AMENDABLE:
        return f"{name!r} does not change within a day; what does: {', '.join(AMENDABLE)}"
    if scope not in ("NSE", "BSE", "*"):
        return f"{scope!r} is no exchange: NSE, BSE or *"
    try:
        seconds_of(str(value))
    except ValueError as error:
        return str(error)
    return None


def amended_rows(
    rows: tuple[RuleRow, ...], day: int, name: str, scope: str, value: int | str, source: str
) -> tuple[RuleRow, ...]:
    """Rows in which one rule is another on one day: for the exchange of ``scope``, or for both.

    An amendment that cannot be (``amendment_fault``) changes nothing: what is known stands.
    """
    if amendment_fault(name, scope, value) is not None:
        return rows
    for venue in ("NSE", "BSE") if scope == "*" else (scope,):
        kept: list[RuleRow] = []
        for row in rows:
            if (row.name, row.scope) != (name, venue) or not row.valid_from <= day <= row.valid_to:
                kept.append(row)
                continue
            if row.valid_from < day:
                kept.append(replace(row, valid_to=add_days(day, -1)))
            if row.valid_to > day:
                kept.append(replace(row, valid_from=add_days(day, 1)))
        kept.append(RuleRow(name, venue, day, day, str(value), "ist", source, False))
        rows = tuple(sorted(kept, key=row_key))
    return rows


# --- a day's rules, resolved once ----------------------------------------------------------------

CROREFOLD: Final = 10_000_000
"""Rates ``per_crore`` are rupees in a crore of rupees, hence parts in ten million."""
BPS: Final = 10_000


class ChargeRule(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One charge in force. ``side`` is BUY, SELL or BOTH; ``base`` is ORDER (paise an order),
    PREMIUM (rate on price x quantity) or FEES (rate on brokerage, exchange and SEBI fees)."""

    name: str
    venue: str
    side: str
    base: str
    value: int
    unsure: bool


class UnderlyingRules(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One underlying's contract rules of a day; None is unknown. ``unsure`` names such rows."""

    underlying: str
    venue: str | None
    lot_units: int | None
    freeze_units: int | None
    tick_paise: int | None
    strike_step_paise: int | None
    unsure: tuple[str, ...]


class DayRules(
    Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True, cache_hash=True
):
    """What a session asks every cycle, resolved once from the rows; encodable, so it can be state.
    Its hash is kept, for what follows from the rules of a day is kept by them.

    Windows are those of the derivatives segment of NSE and BSE. ``missing`` names (name, scope)
    pairs that no row gave, as ``name:scope``: whatever needs one of them blocks. ``stale`` names
    those of ``EXPIRING`` whose last row has ended; a freeze quantity is then the strictest recent.
    ``own_ns`` are the desk's times (``OWN_TIMES``) of a day with rows of its own, else nothing.
    ``events`` are in order of time; of ``events_unknown`` no calendar covers the day, and
    ``events_unsure`` tells whether one that does is without a first-hand source.
    """

    day: int
    trading_day: bool | None
    fno_nse: SessionWindow | None
    fno_bse: SessionWindow | None
    cash: SessionWindow | None
    discount_rate_bps: int | None
    discount_rate_unsure: bool
    underlyings: tuple[UnderlyingRules, ...]
    charges: tuple[ChargeRule, ...]
    missing: tuple[str, ...]
    stale: tuple[str, ...]
    own_ns: tuple[int, ...]
    events: tuple[ScheduledEvent, ...]
    events_unknown: tuple[str, ...]
    events_unsure: bool


CHARGE_TABLE: Final = (
    ("charge.brokerage", "BOTH", "ORDER"),
    ("charge.exchange_txn", "BOTH", "PREMIUM"),
    ("charge.sebi", "BOTH", "PREMIUM"),
    ("charge.stt.sell", "SELL", "PREMIUM"),
    ("charge.stamp.buy", "BUY", "PREMIUM"),
    ("charge.gst", "BOTH", "FEES"),
)
"""Name, side and base of every charge of a fill, in the order in which they are listed."""

OWN_TIMES: Final = ("own.last_entry", "own.square_off", "own.deadline")
DEFAULT_UNDERLYINGS: Final = ("NIFTY", "BANKNIFTY", "SENSEX")


def resolve_day(
    rulebook: Rulebook, day: int, underlyings: tuple[str, ...] = DEFAULT_UNDERLYINGS
) -> DayRules:
    """Every rule of a day in one frozen struct; what is not in the rows is None and ``missing``."""
    missing: list[str] = []
    charges: list[ChargeRule] = []
    for venue in ("NSE", "BSE"):
        for name, side, base in CHARGE_TABLE:
            row = rulebook.lookup(name, venue, day)
            if row is None or not isinstance(row.value, int):
                missing.append(f"{name}:{venue}")
            else:
                charges.append(ChargeRule(name, venue, side, base, row.value, row.unsure))
    times = (rulebook._time(name, "*", day, alone=True) for name in OWN_TIMES)
    own = tuple(at for at in times if at is not None)
    covers = tuple((kind, rulebook.lookup("event.covered", kind, day)) for kind in EVENT_KINDS)
    rate = rulebook.lookup("rate.discount", "*", day)
    if rate is None:
        missing.append("rate.discount:*")
    return DayRules(
        day=day,
        trading_day=rulebook.is_trading_day(day),
        fno_nse=rulebook.session_window(day, "fno", "NSE"),
        fno_bse=rulebook.session_window(day, "fno", "BSE"),
        cash=rulebook.session_window(day, "cash", "NSE"),
        discount_rate_bps=None if rate is None else int(rate.value),
        discount_rate_unsure=rate is None or rate.unsure,
        underlyings=tuple(_resolve_underlying(rulebook, day, u, missing) for u in underlyings),
        charges=tuple(charges),
        missing=tuple(missing),
        stale=_stale(rulebook, day, underlyings),
        own_ns=own if len(own) == len(OWN_TIMES) else (),
        events=_events_dated(rulebook, day),
        events_unknown=tuple(kind for kind, row in covers if row is None),
        events_unsure=any(row is not None and row.unsure for _, row in covers),
    )


def _events_dated(rulebook: Rulebook, day: int) -> tuple[ScheduledEvent, ...]:
    found: list[ScheduledEvent] = []
    for kind in EVENT_SCOPES:
        at = rulebook._time("event.at", kind, day, alone=True)
        cancelled = rulebook.lookup("event.cancelled", kind, day)
        if at is not None and (cancelled is None or cancelled.value != "YES"):
            unsure = rulebook.require("event.at", kind, day).unsure
            found.append(ScheduledEvent(kind, at, unsure))
    return tuple(sorted(found, key=lambda one: (one.at_ns, one.kind)))


def _stale(rulebook: Rulebook, day: int, underlyings: tuple[str, ...]) -> tuple[str, ...]:
    """Every ``name:scope`` that a session asks for and whose last row ended before the day."""
    asked = [("calendar.covered", "*")]
    asked += [
        (f"session.fno.{end}", venue) for venue in ("NSE", "BSE") for end in ("open", "close")
    ]
    asked += [(name, one) for one in underlyings for name in ("lot", "freeze")]
    return tuple(f"{n}:{scope}" for n, scope in asked if rulebook.ended(n, scope, day) is not None)


def strictest(rows: tuple[RuleRow, ...]) -> RuleRow | None:
    """The row of the smallest value; of equal ones a sure row before an unsure one."""
    return min(rows, key=lambda row: (int(row.value), row.unsure, row.valid_from), default=None)


def _resolve_underlying(
    rulebook: Rulebook, day: int, underlying: str, missing: list[str]
) -> UnderlyingRules:
    names = ("lot", "freeze", "tick", "strike_step")
    lot_row, freeze_row, *others = (rulebook.lookup(name, underlying, day) for name in names)
    if freeze_row is None:
        freeze_row = strictest(rulebook.recent("freeze", underlying, day))
    rows = (lot_row, freeze_row, *others)
    missing.extend(f"{n}:{underlying}" for n, row in zip(names, rows, strict=True) if row is None)
    venue = rulebook.lookup("index.exchange", underlying, day)
    lot, freeze, tick, step = (None if row is None else int(row.value) for row in rows)
    return UnderlyingRules(
        underlying=underlying,
        venue=None if venue is None else str(venue.value),
        lot_units=lot,
        freeze_units=freeze,
        tick_paise=tick,
        strike_step_paise=step,
        unsure=tuple(row.name for row in rows if row is not None and row.unsure),
    )


# --- what broker and exchange allow an order ------------------------------------------------------


class BrokerRules(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """What a broker allows an account on a day; None is unknown. ``mis_square_off_ns`` is when it
    closes intraday positions by itself, for ``mis_square_off_paise`` an order and GST.

    ``second_max`` is the broker's own; the engine's ceiling is lower and in code. ``unsure`` names
    rows without a first-hand source.
    """

    second_max: int | None
    minute_max: int | None
    day_max: int | None
    modifications_max: int | None
    protection_required: bool | None
    mis_square_off_ns: int | None
    mis_square_off_paise: int | None
    unsure: tuple[str, ...]


def broker_rules(rulebook: Rulebook, day: int, broker: str = "ZERODHA") -> BrokerRules:
    """The broker's limits of a day, by their rows."""
    names = (
        "order.rate_second", "order.rate_minute", "order.rate_day", "order.modifications",
        "order.market_protection", "squareoff.mis", "charge.squareoff.mis",
    )  # fmt: skip
    rows = [rulebook.lookup(name, broker, day) for name in names]
    second, minute, of_day, modifications, duty, square_off, fee = (
        None if row is None else row.value for row in rows
    )
    return BrokerRules(
        second_max=None if second is None else int(second),
        minute_max=None if minute is None else int(minute),
        day_max=None if of_day is None else int(of_day),
        modifications_max=None if modifications is None else int(modifications),
        protection_required=None if duty is None else duty == "REQUIRED",
        mis_square_off_ns=None if square_off is None else ist_ns(day, str(square_off)),
        mis_square_off_paise=None if fee is None else int(fee),
        unsure=tuple(row.name for row in rows if row is not None and row.unsure),
    )


def protected_band(
    rulebook: Rulebook, day: int, exchange: str, reference_paise: int
) -> tuple[int, int] | None:
    """The lowest sell and the highest buy limit (paise) that price protection lets pass around a
    contract's reference price; None where no row says. Passive limits may lie outside."""
    venue = venue_of(exchange)
    names = ("price.protection_knee", "price.protection_fixed", "price.protection_share")
    knee, fixed, share = (rulebook.lookup(name, venue, day) for name in names)
    if knee is None or fixed is None or share is None:
        return None
    small = reference_paise <= int(knee.value)
    room = int(fixed.value) if small else reference_paise * int(share.value) // BPS
    return max(reference_paise - room, 0), reference_paise + room


def digest_payload(rows: tuple[RuleRow, ...]) -> bytes:
    """The canonical bytes of rows, for a digest: sorted, then MessagePack arrays."""
    return msgspec.msgpack.encode(tuple(sorted(rows, key=row_key)))
