"""Chain: the contracts of one expiry, calls left and puts right of their strike.

Lives here: the table, the words about a strike, its book. May import: events, projections.live,
tui's pure parts. Always holds: quotes are the last packets of the frames, with their age against
the limit in force; volatility and delta are computed here from the quote's mid and the journaled
forward, and said to be, but for the candidate's, which are journaled; a rejection is the journal's.
Start reading at ``chain_table``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

from events.decision import CandidateProposed, ContractsScreened
from events.envelope import UNDECODABLE
from events.features import FeaturesDerived
from events.market import ExpiryView
from events.reasons import BY_CODE
from events.session import Instrument
from projections.live.greeks import Sensitivities, greeks_of
from projections.live.quotes import Depth, Quote
from projections.live.view import Kept, LiveView, UnderlyingView
from tui import fmt
from tui.store import Frame
from tui.view.bar import aged, stale_mark
from tui.view.text import Column, Line, Row, RowsOnDemand, Span, Table, column, crop, span
from tui.view.trace import candidate_of, percent_of
from tui.view.why import CONTRACT_AGE, age_limit_ms

_screened_decoder: Final = msgspec.msgpack.Decoder(ContractsScreened)
_features_decoder: Final = msgspec.msgpack.Decoder(FeaturesDerived)


# --- what is there -------------------------------------------------------------------------------


class Leg(msgspec.Struct, frozen=True):
    """A contract with its index in the session's instruments."""

    index: int
    row: Instrument


class Strike(msgspec.Struct, frozen=True):
    """The two contracts of a strike, None where the session has no such one."""

    strike_paise: int
    call: Leg | None
    put: Leg | None


Shelf = dict[str, dict[int, tuple[Strike, ...]]]
"""Strikes by underlying and expiry, each in order."""


def shelf_of(instruments: tuple[Instrument, ...]) -> Shelf:
    """The session's contracts by underlying, expiry and strike."""
    found: dict[str, dict[int, dict[int, dict[str, Leg]]]] = {}
    for index, row in enumerate(instruments):
        if row.kind in ("CE", "PE"):
            legs = found.setdefault(row.underlying, {}).setdefault(row.expiry, {})
            legs.setdefault(row.strike_paise, {})[row.kind] = Leg(index, row)
    return {
        name: {
            expiry: tuple(
                Strike(strike, legs.get("CE"), legs.get("PE"))
                for strike, legs in sorted(strikes.items())
            )
            for expiry, strikes in sorted(expiries.items())
        }
        for name, expiries in found.items()
    }


class Chosen(msgspec.Struct, frozen=True):
    """The expiry of an underlying that is looked at."""

    underlying: UnderlyingView
    expiry: int
    strikes: tuple[Strike, ...]
    seen: ExpiryView | None

    @property
    def at_the_money(self) -> int | None:
        """The strike at the money, by the last snapshot, else the nearest to the spot."""
        if self.seen is not None and self.seen.atm_strike_paise is not None:
            return self.seen.atm_strike_paise
        spot = self.underlying.spot_paise
        if spot is None or not self.strikes:
            return None
        return min((abs(one.strike_paise - spot), one.strike_paise) for one in self.strikes)[1]


def choose(view: LiveView, shelf: Shelf, name: str | None, expiry: int | None) -> Chosen | None:
    """The expiry of that name and day; the first of each where there is none such."""
    rows = [row for row in view.underlyings if row.name in shelf]
    row = next((one for one in rows if one.name == name), rows[0] if rows else None)
    if row is None:
        return None
    expiries = shelf[row.name]
    day = expiry if expiry in expiries else min(expiries)
    assert day is not None
    seen = next((one for one in row.expiries if one.expiry == day), None)
    return Chosen(row, day, expiries[day], seen)


@lru_cache(maxsize=16)
def _screened(payload: bytes) -> ContractsScreened | None:
    try:
        return _screened_decoder.decode(payload)
    except UNDECODABLE:
        return None


@lru_cache(maxsize=16)
def _features(payload: bytes) -> FeaturesDerived | None:
    try:
        return _features_decoder.decode(payload)
    except UNDECODABLE:
        return None


class Screen(msgspec.Struct, frozen=True):
    """What a screening said of one contract: the first filter that failed, None where it passed;
    every one that failed; its score; whether it was taken."""

    first: str | None
    failed: tuple[str, ...]
    score_milli: int | None
    selected: bool


def screens_of(kept: Kept | None) -> dict[int, Screen]:
    """The last screening by instrument index."""
    return {} if kept is None else _screens(kept.payload)


@lru_cache(maxsize=16)
def _screens(payload: bytes) -> dict[int, Screen]:
    event = _screened(payload)
    if event is None:
        return {}
    rows = zip(event.contracts, event.first_filter, event.masks, event.scores_milli, strict=True)
    return {
        contract: Screen(
            first=event.filters[first] if 0 <= first < len(event.filters) else None,
            failed=tuple(name for at, name in enumerate(event.filters) if mask >> at & 1),
            score_milli=None if score < 0 else score,
            selected=contract == event.selected,
        )
        for contract, first, mask, score in rows
    }


# --- the table -----------------------------------------------------------------------------------

COLUMNS: Final[tuple[Column, ...]] = (
    column("C.OI+-", 7, ">", priority=7),
    column("C.DELTA", 7, ">", priority=6),
    column("C.IV", 5, ">", priority=5),
    column("C.OI", 6, ">", priority=4),
    column("C.AGE", 5, ">", priority=2),
    column("C.LTP", 8, ">", priority=3),
    column("C.BID", 8, ">"),
    column("C.ASK", 8, ">"),
    column("STRIKE", 9, "<"),
    column("P.BID", 8, ">"),
    column("P.ASK", 8, ">"),
    column("P.LTP", 8, ">", priority=3),
    column("P.AGE", 5, ">", priority=2),
    column("P.OI", 6, ">", priority=4),
    column("P.IV", 5, ">", priority=5),
    column("P.DELTA", 7, ">", priority=6),
    column("P.OI+-", 7, ">", priority=7),
    column("SCREENED", 13, priority=2, grow=True),
)


def chain_table(frame: Frame, chosen: Chosen | None) -> Table:
    """One row a strike; ``*`` marks the one at the money, SCREENED what the last screening said."""
    if chosen is None:
        return Table("CHAIN", COLUMNS, (), "the session has no option contracts")
    screens = screens_of(chosen.underlying.screened)
    episode = chosen.underlying.episode
    last = None if episode is None else episode.last
    limit = age_limit_ms(frame.view, last, *CONTRACT_AGE)
    money = chosen.at_the_money  # a search over all strikes: once a table
    strikes = chosen.strikes

    def make(at: int) -> Row:
        return _row(frame, chosen, strikes[at], screens, limit, money)

    rows = RowsOnDemand([_key(one) for one in strikes], make)
    return Table(_title(chosen), COLUMNS, rows, "no strike")


def _key(one: Strike) -> tuple[str, int]:
    return "strike", one.strike_paise


def _title(chosen: Chosen) -> str:
    """The expiry with what the last snapshot and the last features say of it."""
    row, seen = chosen.underlying, chosen.seen
    parts = [f"CHAIN {row.name} {fmt.day_text(chosen.expiry)}"]
    if seen is not None:
        parts.append(f"forward {fmt.price(seen.forward_paise)} {seen.forward_source or ''}".strip())
        parts.append(f"IV {percent_of(seen.atm_iv)}")
        parts.append(f"PCR {fmt.milli(seen.pcr_oi_milli)}")
    features = None if row.features is None else _features(row.features.payload)
    if features is not None and features.open_interest.max_pain_paise is not None:
        parts.append(f"max pain {strike_text(features.open_interest.max_pain_paise)}")
    return "  ".join(parts)


def strike_text(paise: int) -> str:
    """A strike: whole rupees as such."""
    return fmt.group_indian(paise // 100) if paise % 100 == 0 else fmt.price(paise)


def _row(
    frame: Frame,
    chosen: Chosen,
    one: Strike,
    screens: dict[int, Screen],
    limit: int | None,
    money: int | None,
) -> Row:
    calls = _side(frame, chosen, one.call, limit)
    puts = _side(frame, chosen, one.put, limit)
    at = "*" if one.strike_paise == money else ""
    oi_change, delta, iv, oi, age, last, bid, ask = puts
    right = (bid, ask, last, age, oi, iv, delta, oi_change)
    strike = span(strike_text(one.strike_paise) + at, "title" if at else "key")
    return Row(_key(one), (*calls, strike, *right, _screen_cell(one, screens)))


def _side(frame: Frame, chosen: Chosen, leg: Leg | None, limit: int | None) -> tuple[Span, ...]:
    """(change of OI, delta, IV, OI, age, last, bid, ask) of a contract."""
    quote = None if leg is None else frame.view.quotes.quote(leg.row.token)
    if leg is None or quote is None:
        return ((fmt.MISSING, "dim"),) * 8
    found = sensitivities(frame.view, chosen, leg, quote)
    age_ns = frame.age_ns(quote.ts)
    mark, role = stale_mark(age_ns, limit)
    shown = "text" if role == "ok" else role
    age = fmt.age(age_ns) + ("" if role == "ok" else mark)
    return (
        span(change_text(quote), "dim"),
        span(fmt.MISSING if found is None else f"{found.delta:+.2f}", "dim"),
        span(fmt.MISSING if found is None else percent_of(found.vol), "dim"),
        span(compact(quote.oi_units)),
        (age, shown),
        (fmt.price(quote.last_paise), shown),
        (fmt.price(quote.bid_paise), shown),
        (fmt.price(quote.ask_paise), shown),
    )


def sensitivities(view: LiveView, chosen: Chosen, leg: Leg, quote: Quote) -> Sensitivities | None:
    """At the moment of the last snapshot, whose forward is taken; None where there was none."""
    seen, at = chosen.seen, chosen.underlying.snapshot_ts
    if seen is None or at is None:
        return None
    return greeks_of(
        view.pricing, leg.row, seen.forward_paise, at, quote.bid_paise, quote.ask_paise
    )


def compact(units: int | None) -> str:
    """A large number of units in at most six cells: ``4,500``, ``12.3L``, ``1.2Cr``."""
    if units is None:
        return fmt.MISSING
    for size, word in ((10_000_000, "Cr"), (100_000, "L")):
        if abs(units) >= size:
            tenths = units * 10 // size
            return f"{tenths // 10}.{tenths % 10}{word}" if units >= 0 else f"-{compact(-units)}"
    return fmt.group_indian(units)


def change_text(quote: Quote) -> str:
    """Change of open interest since the first packet of the session."""
    if quote.oi_units is None or quote.oi_first_units is None:
        return fmt.MISSING
    change = quote.oi_units - quote.oi_first_units
    return ("+" if change > 0 else "") + compact(change)


def _screen_cell(one: Strike, screens: dict[int, Screen]) -> Span:
    """What the screening said of the side that it looked at; of two, of the one it took."""
    sides = (("CE", one.call), ("PE", one.put))
    looked = [
        (word, screens[leg.index])
        for word, leg in sides
        if leg is not None and leg.index in screens
    ]
    for word, said in sorted(looked, key=lambda side: not side[1].selected)[:1]:
        if said.selected:
            return f"● {word} CHOSEN", "ok"
        if said.first is None:
            return f"● {word} passed", "ok"
        return span(f"✗ {word} {short_filter(said.first)}", "bad")
    return "", "text"


def short_filter(code: str) -> str:
    """``SPREAD`` for ``CONTRACT_SPREAD``."""
    return code.removeprefix("CONTRACT_")


# --- the strike under the cursor -----------------------------------------------------------------


def strike_at(chosen: Chosen | None, key: object) -> Strike | None:
    """The strike under the cursor."""
    strikes = () if chosen is None else chosen.strikes
    return next((one for one in strikes if _key(one) == key), None)


def leg_text(frame: Frame, chosen: Chosen, leg: Leg | None) -> str:
    """A contract in words: figures that the table may have no room for, and its screening."""
    if leg is None:
        return ""
    quote = frame.view.quotes.quote(leg.row.token)
    if quote is None:
        return f"{leg.row.tradingsymbol}: no packet yet."
    interest = f"OI {compact(quote.oi_units)} ({change_text(quote)} since first seen)"
    volume = f"volume {compact(quote.volume_units)}"
    parts = _journaled(chosen.underlying, leg)
    parts.append(f"{interest}, {volume}, frame #{quote.seq}")
    found = sensitivities(frame.view, chosen, leg, quote)
    if found is not None:
        parts.append(
            f"computed IV {percent_of(found.vol)}, delta {found.delta:+.3f}, theta"
            f" {fmt.gain(round(found.theta_paise))}/day, vega {fmt.rupees(round(found.vega_paise))}"
        )
    return f"{leg.row.tradingsymbol}: {'; '.join(parts)}."


def _journaled(row: UnderlyingView, leg: Leg) -> list[str]:
    """What a candidate and the last screening say of a contract."""
    said: list[str] = []
    kept = row.candidate
    event: CandidateProposed | None = None if kept is None else candidate_of(kept.payload)
    if kept is not None and event is not None and event.contract == leg.index:
        iv = None if event.iv_milli is None else event.iv_milli / 1000
        said.append(
            f"candidate #{kept.seq}: IV {percent_of(iv)}, delta {fmt.milli(event.delta_milli)}"
        )
    screen = screens_of(row.screened).get(leg.index)
    if screen is None:
        return said
    seq = 0 if row.screened is None else row.screened.seq
    if screen.first is None:
        word = "taken" if screen.selected else "passed every filter"
        said.append(f"screening #{seq}: {word}, score {fmt.milli(screen.score_milli)}")
        return said
    reason = BY_CODE.get(screen.first)
    text = "" if reason is None else f" {reason.sentence.rstrip('.')}"
    others = [short_filter(name) for name in screen.failed if name != screen.first]
    also = f", also {' '.join(others)}" if others else ""
    said.append(f"screening #{seq}: {screen.first}{text}{also}")
    return said


# --- depth ---------------------------------------------------------------------------------------

LEVELS: Final = 5
WIDE_BOOK: Final = 43


def depth_lines(frame: Frame, one: Strike | None, width: int) -> tuple[Line, ...]:
    """The books of both contracts of a strike, five levels, best first; calls left, puts right."""
    half = (width - 4) // 2
    sides = (None, None) if one is None else (one.call, one.put)
    limit = age_limit_ms(frame.view, None, *CONTRACT_AGE)
    left, right = (_book(frame, leg, half, limit) for leg in sides)
    return tuple((("  ", "text"), *a, ("  ", "text"), *b) for a, b in zip(left, right, strict=True))


def _book(frame: Frame, leg: Leg | None, width: int, limit: int | None) -> tuple[Line, ...]:
    blank = crop((), width)
    if leg is None:
        return (blank,) * (LEVELS + 1)
    quote = frame.view.quotes.quote(leg.row.token)
    depth = frame.view.quotes.depth(leg.row.token)
    age, role = aged(None if quote is None else frame.age_ns(quote.ts), limit)
    name = fmt.clean(leg.row.tradingsymbol)
    if depth is None:
        told = f"DEPTH {name}  {age}  the feed has none"
        return (crop(((told, "dim"),), width), *(blank,) * LEVELS)
    head: Line = ((f"DEPTH {name}  ", "dim"), (age, role))
    return (crop(head, width), *(_level(depth, at, width) for at in range(LEVELS)))


def _level(depth: Depth, at: int, width: int) -> Line:
    """One level of both sides; the number of orders only where there is room for it."""
    wide = width >= WIDE_BOOK
    bid, ask = _quantity(depth.bids, at, wide), _quantity(depth.asks, at, wide)
    cells = 10 if wide else 7
    left, right = f"{bid[1]:>{cells}} {bid[0]:>9} ", f"{ask[0]:<9} {ask[1]:<{cells}}"
    return crop(((left, "up"), ("| ", "dim"), (right, "down")), width)


def _quantity(side: tuple[tuple[int, int, int], ...], at: int, wide: bool) -> tuple[str, str]:
    """(price, units and orders) of a level, dashes where there is none."""
    if at >= len(side):
        return fmt.MISSING, fmt.MISSING
    price, units, orders = side[at]
    return fmt.price(price), f"{compact(units)} ({orders})" if wide else compact(units)
