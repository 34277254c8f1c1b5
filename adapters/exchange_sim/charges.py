"""What trades cost, and what orders would: charges by the rulebook, in the broker's shapes.

Lives here: ``Charges``. May import: engine.rulebook, words. Always holds: options are charged by
the rulebook's rows of the day; a future, for which it has no rows, by brokerage and its tax alone;
a day before the first row of a charge goes without charges. Start reading at ``Charges.lines``.
"""

from __future__ import annotations

from typing import Final

from adapters.exchange_sim.listing import Listed
from adapters.exchange_sim.words import Data, rupees
from engine.charges import charge_lines, charges_paise
from engine.rulebook import DayRules, Rulebook, RuleMissingError, broker_rules, resolve_day
from events.orders import ChargeLine

GST_BPS_WHOLE: Final = 10_000


class Charges:
    """The charges of one day."""

    def __init__(self, rulebook: Rulebook, day: int) -> None:
        self._rules: DayRules = resolve_day(rulebook, day, ())
        tax = rulebook.lookup("charge.gst", "*", day)
        fee_paise = broker_rules(rulebook, day).mis_square_off_paise or 0
        tax_bps = 0 if tax is None else int(tax.value)
        self.square_off_paise: Final = fee_paise + fee_paise * tax_bps // GST_BPS_WHOLE
        """What the broker takes for squaring off an order of its own accord, tax included."""

    def lines(
        self, listed: Listed, side: str, price: int, units: int, *, first_fill: bool = True
    ) -> tuple[ChargeLine, ...]:
        """The charges of a fill, paise; none where the day has no rows."""
        priced = price if listed.option else 0
        try:
            return charge_lines(
                self._rules, listed.row.exchange, side, priced, units, first_fill=first_fill
            )
        except RuleMissingError:
            return ()

    def paise(
        self, listed: Listed, side: str, price: int, units: int, *, first_fill: bool = True
    ) -> int:
        """Their total."""
        return charges_paise(self.lines(listed, side, price, units, first_fill=first_fill))


def charges_data(lines: tuple[ChargeLine, ...]) -> Data:
    """The ``charges`` object; no lines give one of zeros."""
    paise = {line.name: line.paise for line in lines}
    gst = rupees(paise.get("charge.gst", 0))
    return {
        "transaction_tax": rupees(paise.get("charge.stt.sell", 0)),
        "transaction_tax_type": "stt" if lines else "",
        "exchange_turnover_charge": rupees(paise.get("charge.exchange_txn", 0)),
        "sebi_turnover_charge": rupees(paise.get("charge.sebi", 0)),
        "brokerage": rupees(paise.get("charge.brokerage", 0)),
        "stamp_duty": rupees(paise.get("charge.stamp.buy", 0)),
        "gst": {"igst": gst, "cgst": 0, "sgst": 0, "total": gst},
        "total": rupees(charges_paise(lines)),
    }
