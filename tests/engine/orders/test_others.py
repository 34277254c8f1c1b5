"""What others do at the same broker: it counts, it is never corrected, and it can be adopted."""

from __future__ import annotations

from typing import Any

import pytest

from events.governance import CommandAnswered
from events.session import OperatorCommand
from tests.engine.orders.world import GOOD, MS, NOT_SENT, World


class Crowded(World):
    """A world in which a person buys in the broker's own app, and may have it adopted."""

    def __init__(self, buy_ms: int, adopt_ms: int | None = None, **schedule: Any) -> None:
        super().__init__(wires=(NOT_SENT, GOOD), **schedule)
        self.others = True
        self._at(self.start_ns + buy_ms * MS, self._buy)
        if adopt_ms is not None:
            self._at(self.start_ns + adopt_ms * MS, self._adopt)

    def _buy(self) -> None:
        row = next(r for r in self.core.state.instruments if r.kind == "CE")
        form = {
            "exchange": row.exchange, "tradingsymbol": row.tradingsymbol, "product": "NRML",
            "transaction_type": "BUY", "quantity": str(2 * row.lot_units), "order_type": "MARKET",
            "market_protection": "-1", "validity": "DAY", "variety": "regular",
        }  # fmt: skip
        self.exchange.foreign_order(self.now, form)

    def _adopt(self) -> None:
        one = next(o for o in self.core.state.desk.foreign if o.side == "BUY")
        command = OperatorCommand(
            "ADOPT", "asha", "mine now", one.broker_order_id, None, "a1", "SOCKET"
        )
        self._living(command)


def test_what_others_buy_is_theirs_and_counts() -> None:
    """B11: a person's long is in the books as another's holding, with its own product; it gets no
    stop of ours, a flatten leaves it alone, and the books agree."""
    found = Crowded(3_000).run()
    assert found.problems == ()
    assert found.state.positions == ()
    (held,) = found.state.desk.holdings
    assert (held.product, held.net_units) == ("NRML", found.ledger[0][3])
    assert found.state.desk.differences == ()


def test_an_adopted_long_is_protected_and_closed_like_ours() -> None:
    """B11: adopted, it is a position with a stop at the broker under its own product; the flatten
    closes it, and what others held is nothing any more."""
    found = Crowded(2_000, adopt_ms=5_000, flatten_ms=20_000).run()
    assert found.problems == ()
    assert found.state.desk.holdings == ()
    assert [units for *_, units in found.ledger] == [0]
    sells = [one for one in found.state.desk.ended if one.side == "SELL"]
    assert {one.role for one in sells} == {"PROTECT", "EXIT"}
    assert {one.leg.product for one in sells if one.leg is not None} == {"NRML"}


def test_a_long_that_is_gone_cannot_be_adopted() -> None:
    """The command is refused with its code where nothing of the order is held any more."""
    world = Crowded(2_000, adopt_ms=9_000, by_hand_ms=5_000)
    answers: list[str] = []
    real = world._append

    def listening(event: Any) -> Any:
        fact, derived = real(event)
        answers.extend(
            one.entry.event.reason
            for one in derived
            if isinstance(one.entry.event, CommandAnswered) and one.entry.event.verb == "ADOPT"
        )
        return fact, derived

    world._append = listening  # type: ignore[method-assign]
    assert world.run().problems == ()
    assert answers == ["CMD_SUBJECT_UNKNOWN"]


@pytest.mark.parametrize("crash_at", range(8, 40, 4))
def test_a_second_machine_takes_over_what_was_sent_with_our_tag(crash_at: int) -> None:
    """Takeover from a copy that is older than the orders: those with our tag are ours, the long is
    protected once and closed once, nothing is sent twice, and the books agree."""
    found = World(crash_at=crash_at, restored=True, flatten_ms=20_000).run()
    assert found.problems == ()
    assert found.state.positions == ()
    assert [units for *_, units in found.ledger if units] == []
