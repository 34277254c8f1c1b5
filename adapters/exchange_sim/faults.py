"""What can go wrong at the exchange: the table of faults, and the scripts and seeds that plan them.

Lives here: every kind with its settings, the reader of TOML scripts, the plan that a seed draws.
May import: events, engine.rulebook. Always holds: a plan is complete and checked before the
exchange starts; equal script or seed on an equal day is an equal plan; all times are times of the
market. ``docs/EXCHANGE_SIM.md`` explains the kinds to people. Start reading at ``KINDS``, then
``read_script``.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from adapters.markets.synthetic_random import SplitMix64, substream
from engine.rulebook import NS_PER_S, ist_ns

NS_PER_MS: Final = 1_000_000


class FaultScriptError(ValueError):
    """A script that cannot be used; the message is one line that says where and what to do."""


class Setting(msgspec.Struct, frozen=True, gc=False):
    """One setting of a kind: its default, the values that are allowed, and those a seed draws from.

    A whole number lies within ``low`` and ``high``; a word is one of ``words`` where there are any;
    a list holds such words. ``drawn`` is the range a seed takes a whole number from.
    """

    name: str
    default: Any
    low: int = 0
    high: int = 0
    words: tuple[str, ...] = ()
    drawn: tuple[int, int] = (0, 0)


class Kind(msgspec.Struct, frozen=True, gc=False):
    """One fault. ``how`` is ONCE (it happens and is over), LASTING (from a moment to another) or
    COUNTED (so many times, within that). ``drawn_s`` is how long a seed lets it last, in seconds of
    the market."""

    name: str
    how: str
    sentence: str
    settings: tuple[Setting, ...] = ()
    drawn_s: tuple[int, int] = (0, 0)


ONCE: Final = "ONCE"
LASTING: Final = "LASTING"
COUNTED: Final = "COUNTED"

ORDER_ROUTES: Final = ("place", "modify", "cancel")
READ_ROUTES: Final = ("orders", "order", "trades", "order_trades", "positions", "holdings")
ROUTES: Final = (
    *ORDER_ROUTES,
    *READ_ROUTES,
    *("margins", "convert", "profile", "instruments", "quote", "ohlc", "ltp", "historical"),
    *("gtt", "order_margins", "charges", "session"),
)
"""The names of the REST routes, as a script says them. ``all`` is every one."""

_COUNT = Setting("count", 1, 1, 1_000_000, drawn=(1, 3))
_ORDERS = Setting("requests", list(ORDER_ROUTES), words=(*ROUTES, "all"))
_ALL = Setting("requests", ["all"], words=(*ROUTES, "all"))
_READS = Setting("requests", list(READ_ROUTES), words=READ_ROUTES)
_SHARE = Setting("share_per_mille", 1_000, 1, 1_000, drawn=(50, 500))
_SYMBOL = (Setting("exchange", ""), Setting("tradingsymbol", ""), Setting("product", ""))

KINDS: Final[tuple[Kind, ...]] = (
    # --- an order request and its answer
    Kind(
        "lost_acknowledgement",
        COUNTED,
        "the request is done, its answer never comes: the connection closes",
        (_COUNT, _ORDERS),
        (60, 600),
    ),
    Kind(
        "accepted_but_timed_out",
        COUNTED,
        "the request is done, its answer is held past the client's patience, then 504",
        (_COUNT, _ORDERS, Setting("hold_ms", 30_000, 0, 600_000, drawn=(8_000, 12_000))),
        (60, 600),
    ),
    Kind("too_many_requests", COUNTED, "429, nothing is done", (_COUNT, _ORDERS), (60, 600)),
    Kind(
        "server_error",
        COUNTED,
        "a 5xx with a page of HTML from the edge; accepted says whether"
        " the request was done all the same",
        (
            _COUNT,
            _ALL,
            Setting("status", 502, 500, 599, drawn=(502, 504)),
            Setting("accepted", False),
        ),
        (60, 600),
    ),
    Kind(
        "refused_address",
        LASTING,
        "order requests come from an address that is not allowed",
        drawn_s=(60, 300),
    ),
    Kind(
        "empty_answers",
        LASTING,
        "books and positions are answered, and empty",
        (_READS,),
        (30, 120),
    ),
    # --- the login
    Kind(
        "token_expiry",
        LASTING,
        "the access token is dead until a login gives another: 403 on requests and at the"
        " handshake; open sockets close, or go quiet for a while",
        (Setting("sockets", "close", words=("close", "quiet")),),
        (30, 120),
    ),
    Kind(
        "second_login",
        LASTING,
        "another program has logged in: the token of the first is dead, until it logs in anew",
        drawn_s=(30, 120),
    ),
    # --- the network
    Kind("rest_dead", LASTING, "REST connections close without an answer", drawn_s=(10, 90)),
    Kind(
        "sockets_dead",
        LASTING,
        "sockets break and none can be opened, REST lives",
        drawn_s=(10, 90),
    ),
    Kind("both_dead", LASTING, "neither REST nor sockets", drawn_s=(10, 90)),
    Kind("socket_drop", ONCE, "every socket breaks; it can be opened again at once"),
    Kind(
        "socket_storm",
        LASTING,
        "a socket opens and breaks again after a while",
        (Setting("live_ms", 1_000, 0, 600_000, drawn=(200, 2_000)),),
        (20, 90),
    ),
    Kind(
        "silent_socket",
        LASTING,
        "sockets stay open and answer pings; no frame, no heartbeat, no order update",
        drawn_s=(10, 90),
    ),
    Kind(
        "half_open_socket",
        LASTING,
        "sockets stay open and nothing is read or sent, pings are not"
        " answered; they break at the end",
        drawn_s=(10, 90),
    ),
    # --- frames and subscriptions
    Kind(
        "malformed_frames",
        LASTING,
        "frames whose count or lengths lie, with trailing bytes, or text where binary is due",
        (_SHARE,),
        (5, 60),
    ),
    Kind("truncated_frames", LASTING, "frames that end in the middle", (_SHARE,), (5, 60)),
    Kind(
        "stale_first_tick",
        LASTING,
        "the first tick after a subscription is a minute or more old",
        drawn_s=(60, 600),
    ),
    Kind(
        "partial_subscription",
        LASTING,
        "some tokens of a subscription are not heard, or keep their mode",
        (_SHARE, Setting("lost", "token", words=("token", "mode"))),
        (60, 300),
    ),
    Kind(
        "clock_offset",
        LASTING,
        "the broker's clock is off, in everything it stamps",
        (Setting("offset_ms", 5_000, -3_600_000, 3_600_000, drawn=(-20_000, 20_000)),),
        (60, 600),
    ),
    # --- the order book and its messages
    Kind("duplicate_updates", LASTING, "order updates come twice", (_SHARE,), (60, 1_200)),
    Kind("reordered_updates", LASTING, "order updates overtake each other", (_SHARE,), (60, 1_200)),
    Kind("missing_updates", LASTING, "order updates do not come", (_SHARE,), (60, 1_200)),
    Kind(
        "late_fill_after_cancel",
        LASTING,
        "a fill arrives for an order that was cancelled",
        drawn_s=(60, 1_200),
    ),
    Kind(
        "listing_lag",
        LASTING,
        "a new order is not in the book for a while",
        (Setting("lag_ms", 2_000, 0, 600_000, drawn=(500, 15_000)),),
        (60, 1_200),
    ),
    Kind("pending_orders", LASTING, "orders stay in a pending status", drawn_s=(60, 300)),
    Kind(
        "rejected_orders",
        COUNTED,
        "the exchange rejects an order that was accepted",
        (_COUNT, Setting("message", "16387 : Security is not allowed to trade in this market")),
        (60, 600),
    ),
    Kind(
        "margin_rejects_late",
        LASTING,
        "a shortfall of margin is a rejected order, not a refused request",
        drawn_s=(60, 600),
    ),
    # --- people and the broker
    Kind(
        "position_closed_by_hand",
        ONCE,
        "open positions (or the named one) are closed in the broker's own app",
        _SYMBOL,
    ),
    Kind(
        "foreign_order",
        ONCE,
        "an order is placed in the broker's own app: one lot of the named"
        " contract, or of one that trades",
        (*_SYMBOL, Setting("transaction_type", "BUY", words=("BUY", "SELL"))),
    ),
    Kind(
        "broker_square_off",
        ONCE,
        "the broker cancels what works and closes every intraday position",
    ),
    Kind(
        "broker_message",
        ONCE,
        "a text frame of type message: words of the broker for people, on every socket",
        (Setting("text", "Exchange connectivity is slow. Orders may take longer than usual."),),
    ),
)
"""Every fault, in the order in which the documentation explains them."""

_KIND: Final = MappingProxyType({kind.name: kind for kind in KINDS})


class Fault(msgspec.Struct, frozen=True, gc=False):
    """One planned fault: from a moment to another (ns UTC, None for the day's rest)."""

    kind: str
    from_ns: int
    to_ns: int | None
    settings: Mapping[str, Any]


def kind_of(name: str) -> Kind:
    """The kind called ``name``. Raises ``FaultScriptError`` with those that look like it."""
    kind = _KIND.get(name)
    if kind is None:
        close = difflib.get_close_matches(name, _KIND, n=2)
        hint = f"did you mean {' or '.join(close)}?" if close else f"choose of {', '.join(_KIND)}"
        raise FaultScriptError(f"there is no fault {name!r}: {hint}")
    return kind


# --- scripts -----------------------------------------------------------------------------------

_SPAN: Final = re.compile(r"(\d+)(ms|s|m|h)")
_SPAN_NS: Final = MappingProxyType(
    {"ms": NS_PER_MS, "s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3_600 * NS_PER_S}
)
_WHEN: Final = ("at", "after", "for")


def read_script(text: str, day: int, start_ns: int) -> tuple[Fault, ...]:
    """The plan of a TOML script on a trading day (yyyymmdd), started at ``start_ns`` (ns UTC).

    A script is a list of ``[[fault]]`` tables. Raises ``FaultScriptError``.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FaultScriptError(f"not TOML: {error}") from error
    rows = tree.pop("fault", [])
    if tree or not isinstance(rows, list):
        name = next(iter(tree), "fault")
        raise FaultScriptError(f"{name!r} is not known here: write each fault as [[fault]]")
    plan = []
    for number, row in enumerate(rows, 1):
        try:
            plan.append(read_fault(row, day, start_ns))
        except FaultScriptError as error:
            raise FaultScriptError(f"fault {number}: {error}") from error
    return tuple(sorted(plan, key=lambda fault: fault.from_ns))


def read_fault(row: object, day: int, start_ns: int) -> Fault:
    """One table of a script. Raises ``FaultScriptError``."""
    if not isinstance(row, Mapping) or not isinstance(row.get("kind"), str):
        raise FaultScriptError('it has no kind: write kind = "socket_drop", for instance')
    kind = kind_of(row["kind"])
    known = {setting.name: setting for setting in kind.settings}
    for name in row:
        if name not in known and name not in (*_WHEN, "kind"):
            takes = ", ".join(("at", "after", *(() if kind.how is ONCE else ("for",)), *known))
            raise FaultScriptError(f"{kind.name} takes no {name!r}: it takes {takes}")
    from_ns = read_moment(row, day, start_ns)
    if "for" in row and kind.how == ONCE:
        raise FaultScriptError(f"{kind.name} happens once: leave 'for' out")
    to_ns = from_ns + _span("for", row["for"]) if "for" in row else None
    settings = {name: _value(row.get(name), setting) for name, setting in known.items()}
    return Fault(kind.name, from_ns, to_ns, MappingProxyType(settings))


def read_moment(row: Mapping[str, Any], day: int, start_ns: int) -> int:
    """The moment (ns UTC) that ``at`` (a time of the day) or ``after`` (a span) says.

    Raises ``FaultScriptError``.
    """
    if "at" in row and "after" in row:
        raise FaultScriptError("it has 'at' and 'after': give one")
    if "at" not in row:
        return start_ns + _span("after", row.get("after", "0s"))
    try:
        return ist_ns(day, str(row["at"]))
    except ValueError as error:
        raise FaultScriptError(f"at: {error}") from error


def _span(name: str, value: object) -> int:
    """Nanoseconds of ``90s``, ``1m30s``, ``250ms``."""
    text = value if isinstance(value, str) else ""
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise FaultScriptError(f"{name} = {value!r} is not a span of time: write 90s or 1m30s")
    return sum(int(number) * _SPAN_NS[unit] for number, unit in parts)


_TYPE_WORDS: Final = MappingProxyType(
    {int: "a whole number", bool: "true or false", str: "a word in quotes", list: "a list of words"}
)


def _value(value: Any, setting: Setting) -> Any:
    """A setting's value, or its default where none is given. Raises ``FaultScriptError``."""
    kind = type(setting.default)
    if value is None:
        value = setting.default
    if type(value) is not kind:
        raise FaultScriptError(f"{setting.name} is {_TYPE_WORDS[kind]}, not {value!r}")
    if kind is int and not setting.low <= value <= setting.high:
        raise FaultScriptError(
            f"{setting.name} = {value} is out of range: {setting.low} to {setting.high}"
        )
    for word in value if kind is list else (value,) if setting.words else ():
        if word not in setting.words:
            raise FaultScriptError(
                f"{setting.name} knows no {word!r}: choose of {', '.join(setting.words)}"
            )
    return tuple(value) if kind is list else value


# --- seeds -------------------------------------------------------------------------------------

_FAULTS_MAX: Final = 3
"""Of one kind, on a day that a seed planned."""


def seeded_plan(seed: int, from_ns: int, to_ns: int) -> tuple[Fault, ...]:
    """The plan of a seed: a random half of the kinds, each one to three times between two moments
    (ns UTC). Leaving kinds out finds what their company hides (swarm testing)."""
    plan = []
    for number, kind in enumerate(KINDS):
        random = SplitMix64(substream(seed, number))
        if random.below(2):
            plan += [
                _drawn(kind, random, from_ns, to_ns) for _ in range(random.between(1, _FAULTS_MAX))
            ]
    return tuple(sorted(plan, key=lambda fault: fault.from_ns))


def _drawn(kind: Kind, random: SplitMix64, from_ns: int, to_ns: int) -> Fault:
    start = random.between(from_ns, to_ns)
    end = None if kind.how == ONCE else start + random.between(*kind.drawn_s) * NS_PER_S
    settings = {setting.name: _drawn_value(setting, random) for setting in kind.settings}
    return Fault(kind.name, start, end, MappingProxyType(settings))


def _drawn_value(setting: Setting, random: SplitMix64) -> Any:
    if isinstance(setting.default, bool):
        return bool(random.below(2))
    if isinstance(setting.default, int):
        return random.between(*setting.drawn)
    if isinstance(setting.default, str) and setting.words:
        return setting.words[random.below(len(setting.words))]
    return tuple(setting.default) if isinstance(setting.default, list) else setting.default
