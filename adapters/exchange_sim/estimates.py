"""The calculators: what orders would block, alone and together, and what they would cost.

Lives here: ``/margins/orders``, ``/margins/basket`` and ``/charges/orders``. May import: account,
charges, checks, listing, market, words. Always holds: the same formulas as for real orders. Start
reading at ``Estimates``.
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.exchange_sim.account import Account, Blocked, Claim
from adapters.exchange_sim.charges import Charges, charges_data
from adapters.exchange_sim.checks import ORDER_TYPES, PRODUCTS, SIDES, read_instrument
from adapters.exchange_sim.errors import FIELD_INVALID, input_error
from adapters.exchange_sim.listing import Listings
from adapters.exchange_sim.market import Market
from adapters.exchange_sim.words import Data, Form, choice, price_e4, rupees, units


class Estimates:
    """Calculators over one account."""

    def __init__(
        self, listings: Listings, market: Market, account: Account, charges: Charges
    ) -> None:
        self._listings = listings
        self._market = market
        self._account = account
        self._charges = charges

    def order_margins(self, items: Sequence[Form], working: list[Claim]) -> list[Data]:
        """One object an order. Raises ``KiteError``."""
        return [self._one(self._read(item), working, positions=True) for item in items]

    def basket_margins(self, items: Sequence[Form], working: list[Claim], positions: bool) -> Data:
        """``initial`` is the sum of the orders alone, ``final`` what all block at once."""
        claims = [self._read(item) for item in items]
        alone = [self._added(claim, working, positions) for claim in claims]
        initial = Blocked(
            sum(one.premium for one in alone),
            sum(one.span for one in alone),
            sum(one.exposure for one in alone),
        )
        before = self._account.blocked(working, positions=positions)
        after = self._account.blocked([*working, *claims], positions=positions, filled=True)
        return {
            "initial": _margin_data(None, initial, charges_data(())),
            "final": _margin_data(None, _less(after, before), charges_data(())),
            "orders": [self._one(claim, working, positions) for claim in claims],
            "charges": charges_data(()),
        }

    def charges(self, items: Sequence[Form]) -> list[Data]:
        """One object an order. Raises ``KiteError``."""
        return [self._contract_note(item) for item in items]

    def _contract_note(self, item: Form) -> Data:
        listed = read_instrument(self._listings, item)
        side = choice(item, "transaction_type", SIDES)
        quantity = units(item, "quantity")
        price = price_e4(item, "average_price") // 100
        if price == 0:
            raise input_error(FIELD_INVALID.format(field="average_price"))
        return {
            "transaction_type": side,
            "tradingsymbol": listed.row.tradingsymbol,
            "exchange": listed.row.exchange,
            "variety": str(item.get("variety", "regular")),
            "product": choice(item, "product", PRODUCTS),
            "order_type": choice(item, "order_type", ORDER_TYPES),
            "quantity": quantity,
            "price": rupees(price),
            "charges": charges_data(self._charges.lines(listed, side, price, quantity)),
        }

    def _read(self, item: Form) -> Claim:
        """The claim of an order that is asked about; a market order's price is the last one."""
        listed = read_instrument(self._listings, item)
        market = choice(item, "order_type", ORDER_TYPES) in ("MARKET", "SL-M")
        given = price_e4(item, "price") // 100
        return Claim(
            listed,
            choice(item, "product", PRODUCTS),
            choice(item, "transaction_type", SIDES),
            units(item, "quantity"),
            self._market.last(listed) if market or not given else given,
        )

    def _one(self, claim: Claim, working: list[Claim], positions: bool) -> Data:
        lines = self._charges.lines(claim.listed, claim.side, claim.price_paise, claim.units)
        return _margin_data(claim, self._added(claim, working, positions), charges_data(lines))

    def _added(self, claim: Claim, working: list[Claim], positions: bool) -> Blocked:
        """What a claim blocks beyond the working ones."""
        before = self._account.blocked(working, positions=positions)
        return _less(self._account.blocked([*working, claim], positions=positions), before)


def _less(after: Blocked, before: Blocked) -> Blocked:
    return Blocked(
        after.premium - before.premium, after.span - before.span, after.exposure - before.exposure
    )


def _margin_data(claim: Claim | None, blocked: Blocked, charges: Data) -> Data:
    row = None if claim is None else claim.listed.row
    return {
        "type": "" if row is None else "equity",
        "tradingsymbol": "" if row is None else row.tradingsymbol,
        "exchange": "" if row is None else row.exchange,
        "span": rupees(blocked.span),
        "exposure": rupees(blocked.exposure),
        "option_premium": rupees(blocked.premium),
        "additional": 0,
        "bo": 0,
        "cash": 0,
        "var": 0,
        "pnl": {"realised": 0, "unrealised": 0},
        "leverage": 0 if row is None else 1,
        "charges": charges,
        "total": rupees(blocked.total),
    }
