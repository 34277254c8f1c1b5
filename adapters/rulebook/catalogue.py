"""Every rule that a row can state: its unit, its values, its scopes, and whether code reads it.

Lives here: one ``RuleSpec`` a name, and the judgement of a single row by it. May import: events,
engine.rulebook. Always holds: a name that is not here is a mistake; a rule that no code reads is
kept for people and says so; ``needed`` rules must be in force on a day for it to be traded.
Start reading at ``RULES`` and ``fault_of``.
"""

from __future__ import annotations

import difflib
from typing import Final, Literal

import msgspec

from engine.rulebook import EVENT_SCOPES, WEEKDAYS, days_from_day, seconds_of
from events.session import RuleRow

ScopeKind = Literal["all", "venue", "underlying", "broker", "event"]

VENUES: Final = ("NSE", "BSE")
BROKERS: Final = ("ZERODHA",)
EVERYWHERE: Final = "*"


class RuleSpec(msgspec.Struct, frozen=True):
    """One rule. ``words`` are its values where they are words; else ``least`` and ``most`` bound an
    integer, and unit ``ist`` is a time of day, ``day`` a yyyymmdd, ``year`` and ``holiday`` text.

    ``dated`` rules are of single days, so days without a row are no gap; a row of a ``single`` one
    is of one day and of one scope, or it would mean nothing. ``read`` tells whether
    code looks it up; ``needed`` whether a day without it is not traded as it should be.
    """

    name: str
    unit: str
    scopes: ScopeKind
    title: str
    words: tuple[str, ...] = ()
    least: int = 0
    most: int = 0
    dated: bool = False
    single: bool = False
    read: bool = True
    needed: bool = False


def _hour(name: str, title: str, *, read: bool = True, needed: bool = False) -> RuleSpec:
    return RuleSpec(name, "ist", "venue", title, read=read, needed=needed)


def _fee(name: str, title: str, *, read: bool = True) -> RuleSpec:
    return RuleSpec(
        name, "per_crore", "venue", title, most=10_000_000, read=read, needed=read
    )  # fmt: skip


RULES: Final[tuple[RuleSpec, ...]] = (
    RuleSpec("calendar.covered", "year", "all", "the list of holidays is complete", needed=True),
    RuleSpec("calendar.holiday", "holiday", "all", "closed; OPEN takes it back", dated=True),
    RuleSpec("calendar.special", "hours", "all", "opens a closed day; SEPARATE: hours of its own",
             words=("NORMAL", "SEPARATE"), dated=True),
    RuleSpec("event.covered", "year", "event", "the list of these events is complete"),
    RuleSpec("event.at", "ist", "event", "an event that moves prices", dated=True, single=True),
    RuleSpec("event.cancelled", "flag", "event", "takes the day's event back; NO: it stands",
             words=("YES", "NO"), dated=True, single=True),
    _hour("session.fno.open", "derivatives open", needed=True),
    _hour("session.fno.close", "derivatives close", needed=True),
    _hour("session.fno.expiry_close", "time to expiry ends", needed=True),
    _hour("session.fno.preopen_open", "derivatives pre-open begins", read=False),
    _hour("session.fno.preopen_close", "derivatives pre-open ends", read=False),
    _hour("session.cash.open", "shares open", needed=True),
    _hour("session.cash.close", "shares close", needed=True),
    _hour("session.cash.auction_from", "closing auction of shares begins"),
    _hour("session.cash.auction_to", "closing auction of shares ends"),
    _hour("session.cash.preopen_open", "pre-open of shares begins", read=False),
    RuleSpec("index.exchange", "exchange", "underlying", "who lists its contracts", words=VENUES,
             needed=True),
    RuleSpec("lot", "units", "underlying", "units in a lot", least=1, most=100_000, needed=True),
    RuleSpec("freeze", "units", "underlying", "largest order", least=1, most=10_000_000,
             needed=True),
    RuleSpec("tick", "paise", "underlying", "price step", least=1, most=10_000, needed=True),
    RuleSpec("strike_step", "paise", "underlying", "distance of strikes near the money", least=1,
             most=10_000_000, needed=True),
    RuleSpec("expiry.weekly", "weekday", "underlying", "weekly expiry", words=WEEKDAYS),
    RuleSpec("expiry.monthly", "weekday", "underlying", "monthly expiry, the last of its month",
             words=WEEKDAYS, needed=True),
    RuleSpec("expiry.dated", "day", "underlying", "where the exchange moved the day's expiry",
             dated=True),
    RuleSpec("charge.brokerage", "paise_per_order", "venue", "brokerage", most=100_000_000,
             needed=True),
    _fee("charge.stt.sell", "securities transaction tax of a sale"),
    _fee("charge.stt.exercise", "securities transaction tax of an exercise"),
    _fee("charge.exchange_txn", "exchange's fee"),
    _fee("charge.sebi", "SEBI's fee"),
    _fee("charge.stamp.buy", "stamp duty of a buy"),
    RuleSpec("charge.gst", "bps", "venue", "tax on fees", most=10_000, needed=True),
    RuleSpec("charge.squareoff.mis", "paise_per_order", "broker", "fee of the broker's square-off",
             most=100_000_000),
    RuleSpec("rate.discount", "bps_per_year", "all", "discount rate", most=5_000, needed=True),
    RuleSpec("squareoff.mis", "ist", "broker", "the broker closes intraday positions"),
    RuleSpec("settlement.index", "way", "venue", "how the closing value of an index is made",
             words=("AUCTION", "LAST_HALF_HOUR")),
    RuleSpec("own.last_entry", "ist", "all", "the desk's last entry"),
    RuleSpec("own.square_off", "ist", "all", "the desk closes its positions"),
    RuleSpec("own.deadline", "ist", "all", "the desk's hard deadline"),
    RuleSpec("order.rate_second", "orders", "broker", "orders in a second", least=1, most=1_000),
    RuleSpec("order.rate_minute", "orders", "broker", "orders in a minute", least=1, most=100_000),
    RuleSpec("order.rate_day", "orders", "broker", "orders in a day", least=1, most=10_000_000),
    RuleSpec("order.modifications", "count", "broker", "modifications of an order", most=10_000),
    RuleSpec("order.market_protection", "duty", "broker", "protection of a market order",
             words=("REQUIRED", "OPTIONAL")),
    RuleSpec("price.protection_knee", "paise", "venue", "largest reference of the fixed room",
             most=100_000_000),
    RuleSpec("price.protection_fixed", "paise", "venue", "room around a small reference price",
             most=100_000_000),
    RuleSpec("price.protection_share", "bps", "venue", "room around a large reference price",
             most=10_000),
)  # fmt: skip
"""Every rule, in the order in which people read a day."""

BY_NAME: Final[dict[str, RuleSpec]] = {spec.name: spec for spec in RULES}


def unknown_name(name: str) -> str:
    """What to say of a name that is no rule."""
    close = difflib.get_close_matches(name, list(BY_NAME), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else f"rules: {', '.join(BY_NAME)}"
    return f"{name!r} is no rule; {hint}"


def fault_of(row: RuleRow, underlyings: tuple[str, ...]) -> str | None:
    """What is wrong with a row's scope, unit or value by its rule's spec; None where nothing is.

    ``underlyings`` are those that some row gives an exchange. Raises ``KeyError`` for an unknown
    name.
    """
    spec = BY_NAME[row.name]
    known = {
        "all": (),
        "venue": VENUES,
        "underlying": underlyings,
        "broker": BROKERS,
        "event": EVENT_SCOPES,
    }[spec.scopes]
    if spec.single and row.scope == EVERYWHERE:
        return f"it is of one scope: {', '.join(known)}"
    if spec.single and row.valid_from != row.valid_to:
        return "it is of one day: its first day is its last (--to)"
    # Who lists an index is itself what makes its name known.
    if row.scope not in (*known, EVERYWHERE) and row.name != "index.exchange":
        return f"scope {row.scope!r} is none of {', '.join((*known, EVERYWHERE))}"
    if row.unit != spec.unit:
        return f"unit {row.unit!r} is not {spec.unit!r}"
    return _fault_of_value(row.value, spec)


def _fault_of_value(value: int | str, spec: RuleSpec) -> str | None:
    if spec.words:
        return (
            None if value in spec.words else f"value {value!r} is none of {', '.join(spec.words)}"
        )
    if spec.unit in ("year", "holiday"):
        return None if isinstance(value, str) and value.strip() else f"value {value!r} is no text"
    try:
        if spec.unit == "ist":
            seconds_of(str(value))
            return None
        if spec.unit == "day":
            days_from_day(int(value))
            return None
    except ValueError as error:
        return str(error)
    if type(value) is not int or not spec.least <= value <= spec.most:
        return f"value {value!r} is no integer from {spec.least} to {spec.most}"
    return None


def parse_value(text: str, spec: RuleSpec) -> int | str:
    """The value that a person wrote, as a row holds it: an integer where the rule has one."""
    is_text = bool(spec.words) or spec.unit in ("year", "holiday", "ist")
    if is_text:
        return text
    digits = text.replace("_", "").replace("-", "") if spec.unit == "day" else text.replace("_", "")
    return int(digits) if digits.isascii() and digits.isdecimal() else text
