"""The table gate -> naive function: every row of N1 to N9, and where N10's and N11's are.

Lives here: ``TABLE``, the functions of N1 to N9, the families. May import: events. Always holds: a
function gives its row, or None where the row is not asked now; a gate of the catalogue that is not
here, nor in ``NOT_ASKED``, is a failure by its name. Start reading at ``TABLE``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tests.naive import chain, contracts, portfolio, sizing
from tests.naive.book import MS, OF_SESSION, RISK_HALTS
from tests.naive.rules import SECOND, at, venue
from tests.naive.sight import Row, Sight, Signal, holds, least, most

FAMILIES = ("TREND", "MEAN_REVERT", "DEFINED_RISK")
ROUTES = {
    "TREND": ("TREND",),
    "RANGE": ("MEAN_REVERT",),
    "RANGE_VOLATILE": ("MEAN_REVERT",),
    "EVENT": ("DEFINED_RISK",),
    "PANIC": (),
    "NEUTRAL": ("DEFINED_RISK",),
    "UNKNOWN": (),
}
"""Outside LIVE."""

FULL_PPM = 1_000
"""The move of five minutes at which a defined risk's signal is of full strength."""

LIVE_ROUTES = {**ROUTES, "NEUTRAL": ()}
REFUSALS = {"EVENT": "FAMILY_EVENT", "PANIC": "FAMILY_PANIC", "NEUTRAL": "FAMILY_NEUTRAL"}
STRATEGIES = {
    "TREND": "trend.v1", "MEAN_REVERT": "mean_revert.v1", "DEFINED_RISK": "defined_risk.v1",
}  # fmt: skip

NOT_ASKED = (
    "login clock process frames_lost feed_losses login_known reconciled_age reconciled_since"
    " orders_unknown books_differ rejects entries_minute incidents armed approved broker_margin"
).split()
"""Gates of sessions in real time, with a broker or with approvals, which the book does not follow:
a row of theirs in a journal is a difference."""

# --- N1 and N2 -----------------------------------------------------------------------------------


def hours_unknown(sight: Sight) -> str:
    rules = sight.book.rules
    if not sight.book.rules_known:
        return "SESSION_RULE_MISSING"
    where = venue(sight.one.exchange)
    asked = [("session.fno.open", where), ("session.fno.close", where)]
    if not rules.trades():
        asked.append(("calendar.covered", "*"))
    stale = any(rules.ended(*one) is not None for one in asked)
    return "RULEBOOK_STALE" if stale else "SESSION_RULE_MISSING"


def trading_day(sight: Sight) -> Row:
    trades = sight.book.rules.trades() if sight.book.rules_known else None
    known = trades is not None
    reason = "SESSION_NOT_TRADING_DAY" if known else hours_unknown(sight)
    return holds("trading_day", bool(trades), reason, known=known)


def session_open(sight: Sight) -> Row:
    hours = sight.book.rules.hours(sight.one.exchange)
    if hours is None:
        return holds("session_open", False, hours_unknown(sight), known=False)
    return holds("session_open", hours[0] <= sight.book.now < hours[1], "SESSION_NOT_OPEN")


def closing_auction(sight: Sight) -> Row | None:
    if sight.book.rules.hours(sight.one.exchange) is None:
        return None
    goes = sight.book.config.session.auction_entries or not chain.in_auction(sight.book, sight.one)
    return holds("closing_auction", goes, "SESSION_CLOSING_AUCTION")


def last_entry(sight: Sight) -> Row | None:
    book, hours = sight.book, sight.book.rules.hours(sight.one.exchange)
    if hours is None:
        return None
    last = book.rules.own_last_entry()
    if last is None:
        hhmm = book.config.session.last_entry_hhmm
        wanted = at(book.rules.day, f"{hhmm // 100:02}:{hhmm % 100:02}")
        last = min(wanted, hours[1] - 15 * 60 * SECOND)
    else:
        last = min(last, hours[1])
    left = math.ceil((last - book.now) / SECOND)
    return least("last_entry", left, 1, "SESSION_LAST_ENTRY_PAST")


def link_up(sight: Sight) -> Row:
    book = sight.book
    ups = list(book.connections.values())
    good = bool(ups) and all(up and verified for up, verified in ups)
    known = book.frames > 0
    return holds("link_up", good, "FEED_DOWN" if known else "FEED_NEVER_SEEN", known=known)


def link_age(sight: Sight) -> Row:
    book = sight.book
    age = (book.now - book.last_frame) // MS if book.frames else None
    limit, marks = book.config.feed.link_age_ms_max, ()
    if book.pages():
        return most("link_age", age, 130_000, "FEED_GAP", "FEED_NEVER_SEEN", age,
                    ("PAGES_LINK_AGE",))  # fmt: skip
    return most("link_age", age, limit, "FEED_GAP", "FEED_NEVER_SEEN", age, marks)


def stamp_age(sight: Sight) -> int | None:
    book = sight.book
    newest, (ahead, at_ns) = book.newest_stamp, book.ahead
    if ahead and book.now - at_ns < 10 * SECOND:
        newest = ahead
    return book.now // MS - newest * 1_000 if newest else None


def page_age(sight: Sight) -> Row:
    age, limit, marks = stamp_age(sight), sight.book.config.feed.page_age_ms_max, ()
    if sight.book.pages():
        return most("page_age", age, 150_000, "FEED_PAGE_OLD", "FEED_NEVER_SEEN", age,
                    ("PAGES_STAMP_AGE",))  # fmt: skip
    return most("page_age", age, limit, "FEED_PAGE_OLD", "FEED_NEVER_SEEN", age, marks)


def future_stamp(sight: Sight) -> Row:
    age = stamp_age(sight)
    ahead = None if age is None else max(-age, 0)
    limit = sight.book.config.feed.future_ms_max
    return most("future_stamp", ahead, limit, "FEED_FUTURE_STAMP", "FEED_NEVER_SEEN", age)


def frames_refused(sight: Sight) -> Row:
    book = sight.book
    recent = [at for at in book.refused if at > book.now - 60 * SECOND][-64:]
    limit = book.config.feed.refused_per_minute_max
    return most("frames_refused", len(recent), limit, "FEED_UNTRUSTED")


def untimed(gate: str, code: str, times: list[int], sight: Sight) -> Row | None:
    recent = [at for at in times if at > sight.book.now - 60 * SECOND][-32:]
    if not recent:
        return None
    return most(gate, len(recent), sight.book.config.feed.untimed_per_minute_max, code)


def ticks_timeless(sight: Sight) -> Row | None:
    return untimed("ticks_timeless", "TICK_NO_TIME", sight.book.timeless, sight)


def ticks_reordered(sight: Sight) -> Row | None:
    return untimed("ticks_reordered", "TICK_REORDERED", sight.book.reordered, sight)


# --- N3 and N4 -----------------------------------------------------------------------------------


def bars(sight: Sight) -> Row:
    return least("bars", sight.one.bars_done, sight.book.config.warmup.bars_min, "WARMUP_BARS")


def line_of(sight: Sight) -> float | None:
    """The day's average price: the future's VWAP moved to the index, else the index's own."""
    ours, theirs = sight.book.bars.get(sight.one.index), sight.book.bars.get(sight.one.future)
    if ours is not None and theirs is not None and not theirs.vwap_is_twap:
        return float(theirs.vwap_paise + (ours.close_paise - theirs.close_paise))
    return ours.vwap_paise if ours is not None else None


def indicators(sight: Sight) -> Row:
    bar = sight.book.bars.get(sight.one.index)
    ready = (
        bar is not None
        and bar.rsi is not None
        and bar.adx is not None
        and bar.atr_paise > 0
        and line_of(sight) is not None
    )
    return holds("indicators", ready, "WARMUP_INDICATORS", known=False)


def bars_since_gap(sight: Sight) -> Row:
    limit = sight.book.config.warmup.bars_after_gap_min
    return least("bars_since_gap", sight.one.bars_since_gap, limit, "WARMUP_AFTER_GAP")


def index_continuous(sight: Sight) -> Row | None:
    """Asked in the closing auction alone."""
    if not chain.in_auction(sight.book, sight.one):
        return None
    found = chain.reference(sight.book, sight.one)
    marks = (f"REFERENCE_{found[1]}",) if found is not None else ()
    goes = sight.book.config.session.auction_entries
    return holds("index_continuous", goes, "INDEX_NOT_CONTINUOUS", marks=marks)


def spot_age_ms(sight: Sight) -> int | None:
    found = chain.reference(sight.book, sight.one)
    return found[2] if found is not None else None


def spot_seen(sight: Sight) -> Row:
    age = spot_age_ms(sight)
    return holds("spot_seen", age is not None, "QUOTE_SPOT_MISSING", known=False, age=age)


def page_fresh(sight: Sight) -> Row:
    return holds("page_fresh", sight.book.page_repeats == 0, "QUOTE_STALE_PAGE")


def spot_age(sight: Sight) -> Row:
    age, marks = spot_age_ms(sight), ("ESTIMATED_INDEX",) if sight.one.estimated else ()
    limit = sight.book.config.quote.spot_age_ms_max
    if sight.book.pages():
        limit, marks = 130_000, (*marks, "PAGES_SPOT_AGE")
    return most("spot_age", age, limit, "QUOTE_SPOT_STALE", "QUOTE_SPOT_MISSING", age, marks)


def spot_confirmed(sight: Sight) -> Row | None:
    if chain.in_auction(sight.book, sight.one):
        return None
    waits = [sight.book.doubted.get(i, False) for i in (sight.one.index, sight.one.future)]
    return holds("spot_confirmed", False, "TICK_IMPLAUSIBLE") if any(waits) else None


def witness_marks(sight: Sight) -> tuple[str, ...]:
    marks = ["ESTIMATED_INDEX"] if sight.one.estimated else []
    source = chain.witness(sight.book, sight.one)[1]
    marks += [source] if source else []
    marks += ["UNSURE_RATE"] if sight.book.rules_known and sight.book.rules.rate()[1] else []
    return tuple(marks)


def witness_seen(sight: Sight) -> Row:
    seen = chain.witness(sight.book, sight.one)[0] is not None
    marks = witness_marks(sight)
    return holds("witness_seen", seen, "QUOTE_WITNESS_MISSING", known=False, marks=marks)


def witness_gap(sight: Sight) -> Row:
    spot = chain.reference(sight.book, sight.one)
    other = chain.witness(sight.book, sight.one)[0]
    gap = None
    if other is not None and spot is not None and spot[0] > 0:
        gap = abs(other - spot[0]) * 10_000 // spot[0]
    limit = sight.book.config.quote.witness_gap_bps_max
    return most("witness_gap", gap, limit, "QUOTE_WITNESS_DISAGREES", "QUOTE_WITNESS_MISSING",
                marks=witness_marks(sight))  # fmt: skip


def near_quotes(sight: Sight) -> Row:
    count, _ = chain.near_quotes(sight.book, sight.one)
    return least("near_quotes", count, sight.book.config.quote.near_quotes_min, "QUOTE_CHAIN_THIN")


def near_spread(sight: Sight) -> Row:
    _, spread = chain.near_quotes(sight.book, sight.one)
    limit = sight.book.config.quote.near_spread_bps_max
    return most("near_spread", spread, limit, "QUOTE_SPREAD_WIDE", "QUOTE_SPREAD_UNKNOWN")


# --- N5 ------------------------------------------------------------------------------------------


def regime_age(sight: Sight) -> int | None:
    if sight.one.regime is None:
        return None
    return (sight.book.now - sight.one.regime_ts) // MS


def regime_known(sight: Sight) -> Row:
    known = sight.one.regime is not None
    return holds("regime_known", known, "REGIME_UNKNOWN", known=False, age=regime_age(sight))


def regime_prob(sight: Sight) -> Row:
    regime = sight.one.regime
    top = max(regime.probs_milli) if regime is not None else None
    return least("regime_prob", top, sight.book.config.regime.prob_milli_min, "REGIME_PROB_LOW",
                 "REGIME_UNKNOWN", regime_age(sight))  # fmt: skip


def regime_entropy(sight: Sight) -> Row:
    regime = sight.one.regime
    entropy = regime.entropy_milli if regime is not None else None
    return most("regime_entropy", entropy, sight.book.config.regime.entropy_milli_max,
                "REGIME_ENTROPY_HIGH", "REGIME_UNKNOWN", regime_age(sight))  # fmt: skip


def regime_settled(sight: Sight) -> Row:
    regime, wanted, led = sight.one.regime, sight.book.config.regime.settle_bars, None
    if regime is not None:
        led = wanted if regime.regime == regime.leader else regime.leader_bars
    return least("regime_settled", led, wanted, "REGIME_CHANGING", "REGIME_UNKNOWN",
                 regime_age(sight))  # fmt: skip


def event_window(sight: Sight) -> Row:
    """No scheduled event is near; the marks name those that are, and calendars not known."""
    book, marks, near = sight.book, [], []
    config = book.config.regime
    for kind in ("RBI", "BUDGET", "FED", "DESK"):
        row, off = book.rules.row("event.at", kind), book.rules.row("event.cancelled", kind)
        if off is not None and off.value == "YES":
            continue
        if row is not None and row.valid_from == book.rules.day == row.valid_to:
            event_ns = at(book.rules.day, str(row.value))
            begins = event_ns - config.event_before_min * 60 * SECOND
            if begins <= book.now < event_ns + config.event_after_min * 60 * SECOND:
                near.append((event_ns, kind, row.unsure))
    marks += [f"EVENT_{kind}" for _, kind, _ in sorted(near)]
    marks += ["UNSURE_EVENT"] if any(unsure for _, _, unsure in near) else []
    ends_today = any(one.day == book.opened.day for one in sight.one.expiries)
    marks += ["EVENT_EXPIRY"] if ends_today else []
    covers = {k: book.rules.row("event.covered", k) for k in ("RBI", "BUDGET", "FED")}
    marks += [f"CALENDAR_UNKNOWN_{kind}" for kind, row in covers.items() if row is None]
    marks += ["UNSURE_CALENDAR"] if any(r is not None and r.unsure for r in covers.values()) else []
    return holds("event_window", not near, "REGIME_EVENT_WINDOW", marks=tuple(marks))


# --- N6 and N7 -----------------------------------------------------------------------------------


def share(sight: Sight, bps: int) -> int:
    return sight.book.capital * bps // 10_000


def daily_loss(sight: Sight) -> Row:
    result, limit = sight.book.day_result(), sight.book.config.risk.daily_loss_bps_max
    loss = None if result is None else max(-result, 0)
    return most("daily_loss", loss, share(sight, limit), "RISK_DAILY_LOSS", "RISK_MARK_UNKNOWN")


def trades_day(sight: Sight) -> Row:
    book = sight.book
    entering = [o for o in book.orders.values() if o.role == "ENTRY" and o.filled == 0]
    trades = book.trades + len(entering) + 1
    return most("trades_day", trades, book.config.risk.trades_day_max, "RISK_TRADES_DAY")


def loss_streak(sight: Sight) -> Row:
    limit = sight.book.config.risk.loss_streak_max
    return most("loss_streak", sight.book.streak + 1, limit, "RISK_LOSS_STREAK")


def open_risk(sight: Sight) -> Row:
    limit = share(sight, sight.book.config.risk.open_risk_bps_max)
    return most("open_risk", sight.book.open_risk(), limit, "RISK_OPEN_RISK")


def positions_underlying(sight: Sight) -> Row:
    book, name, count = sight.book, sight.one.name, 1
    for held in book.positions.values():
        count += held.underlying == name
    for order in book.orders.values():
        count += order.role == "ENTRY" and order.underlying == name
    limit = book.config.risk.positions_underlying_max
    return most("positions_underlying", count, limit, "RISK_POSITION_OPEN")


def profit_lock(sight: Sight) -> Row:
    result, limit = sight.book.day_result(), sight.book.config.risk.profit_lock_bps_max
    won = None if result is None else max(result, 0)
    return most("profit_lock", won, share(sight, limit), "RISK_PROFIT_LOCK", "RISK_MARK_UNKNOWN")


def underlying_profit(sight: Sight) -> Row:
    limit = share(sight, sight.book.config.risk.underlying_profit_bps_max)
    won = max(sight.one.result, 0)
    return most("underlying_profit", won, limit, "RISK_PROFIT_UNDERLYING")


def drawdown(sight: Sight) -> Row:
    result, limit = sight.book.day_result(), sight.book.config.risk.drawdown_bps_max
    fallen = None if result is None else max(sight.book.high - result, 0)
    return most("drawdown", fallen, share(sight, limit), "RISK_DRAWDOWN", "RISK_MARK_UNKNOWN")


def cvar(sight: Sight) -> Row:
    book, config = sight.book, sight.book.config.risk
    limit = share(sight, config.cvar_bps_max)
    if len(book.closed) < config.cvar_trades_min:
        return most("cvar", 0, limit, "RISK_CVAR", marks=("SAMPLE_SMALL",))
    worst = sorted(book.closed)[: math.ceil(len(book.closed) / 20)]
    mean = max(-(sum(worst) // len(worst)), 0) if worst else 0
    return most("cvar", mean, limit, "RISK_CVAR")


def risk_state(sight: Sight) -> Row:
    halts = [code for code in sight.book.halts if code in RISK_HALTS]
    return holds("risk_state", not halts, halts[0] if halts else "")


def carried_over(sight: Sight) -> Row:
    known = sight.book.carried is not None
    return holds("carried_over", known, "GOV_CARRY_MISSING", known=False)


def halted(sight: Sight) -> Row:
    halts = [code for code in sight.book.halts if code not in RISK_HALTS]
    code = "GOV_HALTED"
    for named in OF_SESSION:
        code = named if named in halts else code
    return holds("halted", not halts, code)


def cycles_missed(sight: Sight) -> Row:
    return most("cycles_missed", sight.book.missed, 0, "GOV_CYCLES_MISSED")


# --- N8 and N9 -----------------------------------------------------------------------------------


def refusal_of(sight: Sight, family: str) -> str | None:
    """Why a family may not trade; None where it may."""
    if not getattr(sight.book.config, family.lower()).enabled:
        return "FAMILY_DISABLED"
    label = sight.one.regime.regime if sight.one.regime is not None else "UNKNOWN"
    if family in ROUTES.get(label, ()):
        return None
    return REFUSALS.get(label, "FAMILY_NOT_FOR_REGIME")


def allowed_families(sight: Sight) -> list[str]:
    return [family for family in FAMILIES if refusal_of(sight, family) is None]


def best_ranked(sight: Sight) -> str:
    """The family whose regimes are most likely."""
    best, most_likely = FAMILIES[0], -1
    for family in FAMILIES if sight.one.regime is not None else ():
        weight = 0
        for label, prob in zip(sight.one.regime.labels, sight.one.regime.probs_milli, strict=True):
            weight += prob if family in LIVE_ROUTES[label] else 0
        if weight > most_likely:
            best, most_likely = family, weight
    return best


def family(sight: Sight) -> Row:
    return least("family", len(allowed_families(sight)), 1, "FAMILY_NONE")


def family_row(name: str) -> Callable[[Sight], Row]:
    def row(sight: Sight) -> Row:
        refusal = refusal_of(sight, name)
        return holds(f"family_{name.lower()}", refusal is None, refusal or "")

    return row


def signal_of(sight: Sight, name: str) -> Signal:
    return {"TREND": trend, "MEAN_REVERT": mean_revert, "DEFINED_RISK": defined_risk}[name](sight)


def trend(sight: Sight) -> Signal:
    bar, line, config = sight.book.bars.get(sight.one.index), line_of(sight), sight.book.config
    if bar is None or line is None or bar.atr_paise <= 0 or bar.adx is None:
        return Signal("TREND", None, "UP", 0)
    spread = (bar.ema_fast_paise - bar.ema_slow_paise) / bar.atr_paise
    away = (bar.close_paise - line) / bar.atr_paise
    lean = "DOWN" if spread < 0 else "UP"
    raw = math.floor(abs(spread) * 450 + (bar.adx - 15) * 18)
    strength = 0 if raw < 0 else 1_000 if raw > 1_000 else raw
    features = sight.one.features
    change = features.momentum.change_5m_ppm if features is not None else None
    wrong = (
        spread * away <= 0
        or bar.adx * 1_000 < config.trend.adx_milli_min
        or abs(away) > 16
        or (bar.close_paise - bar.ema_fast_paise) * spread <= 0
        or (change is not None and change * spread < 0)
    )
    return Signal("TREND", None if wrong else lean, lean, strength)


def mean_revert(sight: Sight) -> Signal:
    bar, line = sight.book.bars.get(sight.one.index), line_of(sight)
    if bar is None or line is None or bar.atr_paise <= 0 or bar.rsi is None:
        return Signal("MEAN_REVERT", None, "UP", 0)
    away = (bar.close_paise - line) / bar.atr_paise
    lean = "DOWN" if away > 0 else "UP"
    strength = min(math.floor(abs(away) * 300), 1_000)
    extreme = bar.rsi <= 38 if away < 0 else bar.rsi >= 62
    gathers, features = False, sight.one.features
    if features is not None:
        change, pace = features.momentum.change_5m_ppm, features.momentum.acceleration_ppm
        if change is not None and pace is not None:
            gathers = change * away > 0 and pace * away > 0
    far = abs(away) * 1_000 >= sight.book.config.mean_revert.stretch_milli_min
    good = far and extreme and not gathers
    return Signal("MEAN_REVERT", lean if good else None, lean, strength)


def defined_risk(sight: Sight) -> Signal:
    bar, features = sight.book.bars.get(sight.one.index), sight.one.features
    if bar is None or features is None or bar.atr_paise <= 0:
        return Signal("DEFINED_RISK", None, "UP", 0)
    apart, change = bar.ema_fast_paise - bar.ema_slow_paise, features.momentum.change_5m_ppm
    lean = "DOWN" if apart < 0 else "UP"
    if change is None:
        return Signal("DEFINED_RISK", None, lean, 0)
    against = {"UP": "BELOW", "DOWN": "ABOVE"}[lean] == features.opening_range.side
    wrong = change * apart <= 0 or against
    strength = min(abs(change) * 1_000 // FULL_PPM, 1_000)
    return Signal("DEFINED_RISK", None if wrong else lean, lean, strength)


def chosen(sight: Sight, names: list[str]) -> Signal:
    """The first family with a direction, else the first."""
    signals = [signal_of(sight, name) for name in names]
    for one in signals:
        if one.direction is not None:
            return one
    return signals[0]


def lifecycle(sight: Sight) -> Row:
    assert sight.signal is not None
    standing = sight.book.lives.get(STRATEGIES[sight.signal.family], "PAPER")
    refused = {"QUARANTINED": "STRATEGY_QUARANTINED", "RETIRED": "STRATEGY_RETIRED"}.get(standing)
    return holds("lifecycle", refused is None, refused or "")


def cooldown(sight: Sight) -> Row:
    left = max(math.ceil((sight.one.cooldown_ns - sight.book.now) / SECOND), 0)
    return most("cooldown", left, 0, "COOLDOWN_ACTIVE")


def strategy_trades(sight: Sight) -> Row:
    assert sight.signal is not None
    mine, fired = STRATEGIES[sight.signal.family], 1
    for strategy, underlying, _ in sight.book.fires:
        fired += (strategy, underlying) == (mine, sight.one.name)
    limit = sight.book.config.risk.strategy_trades_max
    return most("strategy_trades", fired, limit, "STRATEGY_TRADES_DAY")


def alignment(gate: str, sight: Sight, where: str, worst: dict[str, str], code: str) -> Row | None:
    """Whether the market is against the signal's direction; what is not known passes, marked."""
    signal = sight.signal
    assert signal is not None
    asked = getattr(sight.book.config, signal.family.lower()).aligned
    if gate == "opening_range" and signal.family != "TREND":
        asked = False
    if not asked:
        return None
    if signal.direction is None:
        return holds(gate, True, "", marks=("NO_DIRECTION",))
    if where == "UNKNOWN":
        return holds(gate, True, "", marks=(f"{code}_UNKNOWN",))
    return holds(gate, where != worst[signal.direction], f"{code}_AGAINST")


def opening_range(sight: Sight) -> Row | None:
    features = sight.one.features
    side = features.opening_range.side if features is not None else "UNKNOWN"
    worst = {"UP": "BELOW", "DOWN": "ABOVE"}
    return alignment("opening_range", sight, side, worst, "OPENING_RANGE")


def higher_trend(sight: Sight) -> Row | None:
    features = sight.one.features
    way = features.higher_trend.direction if features is not None else "UNKNOWN"
    return alignment("higher_trend", sight, way, {"UP": "DOWN", "DOWN": "UP"}, "HIGHER_TREND")


def signal(sight: Sight) -> Row:
    assert sight.signal is not None
    return holds("signal", sight.signal.direction is not None, "SIGNAL_NONE")


def signal_strength(sight: Sight) -> Row:
    assert sight.signal is not None
    limit = getattr(sight.book.config, sight.signal.family.lower()).signal_milli_min
    return least("signal_strength", sight.signal.strength, limit, "SIGNAL_WEAK")


FUNCTIONS: tuple[Callable[[Sight], Row | None], ...] = (
    trading_day, session_open, closing_auction, last_entry,
    link_up, link_age, page_age, future_stamp, frames_refused,
    ticks_timeless, ticks_reordered, spot_confirmed, event_window,
    bars, indicators, bars_since_gap,
    index_continuous, spot_seen, page_fresh, spot_age,
    witness_seen, witness_gap, near_quotes, near_spread,
    regime_known, regime_prob, regime_entropy, regime_settled,
    daily_loss, trades_day, loss_streak, open_risk, positions_underlying, profit_lock,
    underlying_profit, drawdown, cvar, risk_state,
    carried_over, halted, cycles_missed, family,
    lifecycle, cooldown, strategy_trades, opening_range, higher_trend, signal, signal_strength,
)  # fmt: skip

TABLE: dict[str, Callable[[Sight], Row | None]] = {
    **{function.__name__: function for function in FUNCTIONS},
    **{f"family_{name.lower()}": family_row(name) for name in FAMILIES},
    **portfolio.TABLE,
    **contracts.TABLE,
    **sizing.TABLE,
}
"""Every gate by its name."""
