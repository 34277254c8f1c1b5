"""N11, naively: lots by every limit, the freeze quantity, the controls.

Lives here: the rows of N11, and how many lots follow. May import: events. Always holds: what is
held counts before the lots do; past a limit there is no lot. Start reading at ``lots_of``.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.naive import portfolio
from tests.naive.black import Model
from tests.naive.contracts import Pick, Plan, protected
from tests.naive.portfolio import Held, held_of
from tests.naive.sight import Row, Sight, holds, least, most

MANY = 100_000


def fit(limit: int, held: int, lot: int) -> int:
    """Lots that fit under a limit beside what is held."""
    if held > limit:
        return 0
    return min((limit - held) // lot, MANY) if lot > 0 else MANY


def fit_both(limit: int, held: int, lot: int) -> int:
    """The same with a limit either way of zero."""
    if abs(held) > limit:
        return 0
    return fit(limit, held, lot) if lot >= 0 else fit(limit, -held, -lot)


def plan_of(sight: Sight) -> tuple[Pick, Plan]:
    pick = sight.pick
    assert pick is not None and pick.plan is not None
    return pick, pick.plan


def risk_lot(sight: Sight) -> int:
    """The loss of a lot at its stop, bought at the most that it may pay."""
    pick, plan = plan_of(sight)
    dearest = protected(sight, pick)
    charges = -(-plan.charges * dearest // max(plan.entry, 1))
    return (dearest - plan.stop) * plan.lot + charges


def premium_lot(sight: Sight) -> int:
    pick, plan = plan_of(sight)
    return max(protected(sight, pick) * plan.lot, 1)


def share(sight: Sight, bps: int) -> int:
    return sight.book.capital * bps // 10_000


def by_risk(sight: Sight) -> int:
    return share(sight, sight.book.config.risk.trade_risk_bps_max) // max(risk_lot(sight), 1)


def by_open_risk(sight: Sight) -> int:
    limit = share(sight, sight.book.config.risk.open_risk_bps_max)
    return fit(limit, sight.book.open_risk(), max(risk_lot(sight), 1))


def by_funds(sight: Sight) -> int:
    _, plan = plan_of(sight)
    return max(sight.book.free_funds(), 0) // (premium_lot(sight) + plan.charges)


def by_day_loss(sight: Sight) -> int:
    book = sight.book
    room = share(sight, book.config.risk.daily_loss_bps_max)
    room += book.realised - book.charges - book.open_risk()
    return max(room, 0) // max(risk_lot(sight), 1)


def by_exposure(sight: Sight) -> int:
    limit = share(sight, sight.book.config.risk.exposure_underlying_bps_max)
    held = held_of(sight.book).premium(sight.book, "underlying", sight.one.name)
    return fit(limit, held, premium_lot(sight))


def by_expiry(sight: Sight) -> int:
    pick, _ = plan_of(sight)
    expiry = sight.book.rows[pick.contract].expiry
    held = held_of(sight.book).premium(sight.book, "expiry", expiry)
    limit = share(sight, sight.book.config.risk.expiry_premium_bps_max)
    return fit(limit, held, premium_lot(sight)) if held else MANY


def by_value(sight: Sight) -> int:
    return sight.book.config.orders.value_paise_max // premium_lot(sight)


def by_greek(name: str, place: int) -> Callable[[Sight], int | None]:
    def lots(sight: Sight) -> int | None:
        known = _known(sight)
        if known is None:
            return None
        held, model = known
        pick, plan = plan_of(sight)
        assert held.net is not None and pick.greeks is not None
        lot = portfolio.exposure(model.forward, pick.greeks, plan.lot)[place]
        limit = share(sight, getattr(sight.book.config.risk, f"net_{name}_bps_max"))
        if name == "theta":
            return fit(limit, -held.net[place], -lot)
        return fit_both(limit, held.net[place], lot)

    return lots


def by_stress(sight: Sight) -> int | None:
    known = _known(sight)
    if known is None:
        return None
    held, model = known
    pick, plan = plan_of(sight)
    row = sight.book.rows[pick.contract]
    assert held.corners is not None and pick.vol is not None
    results = portfolio.corners_of(
        sight.book, model, float(row.strike_paise), row.kind, pick.vol, float(plan.entry)
    )
    lots = [one * plan.lot // 1_000 for one in results]
    limit = share(sight, sight.book.config.risk.stress_loss_bps_max)
    if not held.legs:
        return fit(limit, 0, -min(lots))
    return min(fit(limit, -was, -lot) for was, lot in zip(held.corners, lots, strict=True))


def _known(sight: Sight) -> tuple[Held, Model] | None:
    """What is held and the contract's own expiry, where all of it is known."""
    held, pick = held_of(sight.book), sight.pick
    if pick.vol is None or pick.greeks is None or held.net is None:
        return None
    expiry = sight.book.rows[pick.contract].expiry
    seen = next(one for one in sight.one.chain if one.expiry.day == expiry)
    return held, seen.model


LIMITS: dict[str, tuple[str, Callable[[Sight], int | None]]] = {
    "lots_by_risk": ("SIZE_RISK_BUDGET", by_risk),
    "lots_by_open_risk": ("SIZE_OPEN_RISK", by_open_risk),
    "lots_by_funds": ("SIZE_FUNDS", by_funds),
    "lots_by_day_loss": ("SIZE_DAY_LOSS", by_day_loss),
    "lots_by_exposure": ("SIZE_EXPOSURE", by_exposure),
    "lots_by_expiry": ("SIZE_EXPIRY", by_expiry),
    "lots_by_value": ("SIZE_ORDER_VALUE", by_value),
    "lots_by_delta": ("SIZE_DELTA", by_greek("delta", 0)),
    "lots_by_gamma": ("SIZE_GAMMA", by_greek("gamma", 1)),
    "lots_by_vega": ("SIZE_VEGA", by_greek("vega", 2)),
    "lots_by_theta": ("SIZE_THETA", by_greek("theta", 3)),
    "lots_by_stress": ("SIZE_STRESS", by_stress),
}


def limit_row(gate: str) -> Callable[[Sight], Row]:
    code, lots = LIMITS[gate]

    def row(sight: Sight) -> Row:
        return least(gate, lots(sight), 1, code, "SIZE_GREEKS_UNKNOWN")

    return row


def freeze(sight: Sight) -> Row:
    rules, name = sight.book.rules, sight.one.name
    _, plan = plan_of(sight)
    row, ended = rules.freeze(name), rules.ended("lot", name) is not None
    marks = ("UNSURE_FREEZE",) if row is not None and row.unsure else ()
    if rules.ended("freeze", name) is not None:
        marks = (*marks, "RULEBOOK_STALE")
    good = not ended and row is not None and int(row.value) >= plan.lot > 0
    reason = "SIZE_LOT_STALE" if ended else "SIZE_FREEZE_UNKNOWN"
    return holds("freeze", good, reason, known=False, marks=marks)


def margin_row(sight: Sight) -> Row | None:
    """Money for the pair: the whole premium, all charges, what is kept for the sold leg."""
    if sight.sold is None:
        return None
    pick, plan = plan_of(sight)
    cost = protected(sight, pick) * plan.lot + sight.sold.charges_lot + sight.sold.margin_lot
    lots = max(sight.book.free_funds(), 0) // max(cost, 1)
    return least("lots_by_margin", lots, 1, "SIZE_MARGIN")


def permitted(sight: Sight) -> Row | None:
    if not sight.official:
        return None
    row = sight.book.rows[sight.pick.contract]
    good = (
        row.exchange in ("NFO", "BFO")
        and row.kind in ("CE", "PE")
        and min(row.lot_units, row.tick_paise, row.strike_paise) > 0
        and row.underlying in sight.book.config.orders.permitted.split(" ")
    )
    return holds("permitted", good, "CONTROL_NOT_PERMITTED")


def collar(sight: Sight) -> Row | None:
    if not sight.official:
        return None
    quote, pick = sight.book.at(sight.pick.contract), sight.pick
    away = None
    if quote is not None and quote.ltp > 0:
        away = abs(protected(sight, pick) - quote.ltp) * 10_000 // quote.ltp
    limit = sight.book.config.orders.collar_bps_max
    return most("collar", away, limit, "CONTROL_COLLAR", "CONTROL_REFERENCE_MISSING")


def duplicates(sight: Sight) -> Row | None:
    if not sight.official:
        return None
    mine = [o for o in sight.book.orders.values() if o.contract == sight.pick.contract]
    entries = sum(1 for o in mine if o.role == "ENTRY")
    return most("duplicates", entries, 0, "CONTROL_DUPLICATE")


def self_trades(sight: Sight) -> Row | None:
    if not sight.official:
        return None
    mine = [o for o in sight.book.orders.values() if o.contract == sight.pick.contract]
    sells = sum(1 for o in mine if o.side == "SELL")
    return most("self_trades", sells, 0, "CONTROL_SELF_TRADE")


def open_orders(sight: Sight) -> Row | None:
    if not sight.official:
        return None
    limit = sight.book.config.orders.open_max
    return most("open_orders", len(sight.book.orders) + 1, limit, "CONTROL_OPEN_ORDERS")


TABLE: dict[str, Callable[[Sight], Row | None]] = {
    **{gate: limit_row(gate) for gate in LIMITS},
    "freeze": freeze,
    "lots_by_margin": margin_row,
    "permitted": permitted,
    "collar": collar,
    "duplicates": duplicates,
    "self_trades": self_trades,
    "open_orders": open_orders,
}


def lots_of(sight: Sight, rows: list[Row]) -> int:
    """The lots of an entry whose rows all passed."""
    _, plan = plan_of(sight)
    book, row = sight.book, sight.book.rules.freeze(sight.one.name)
    assert row is not None
    most_lots = min(book.config.risk.lots_max, 10 * (int(row.value) // plan.lot))
    if book.status != "NORMAL":
        most_lots = min(most_lots, book.config.risk.recovery_lots_max)
    for one in rows:
        if one.gate.startswith("lots_by_") and one.observed is not None:
            most_lots = min(most_lots, one.observed)
    return most_lots
