"""A small hand-made market for tests of the exchange: an index, a future, options, books at will.

Lives here: ``Bench``, which holds an exchange and a clock, and makes the frames. Always holds: the
day is Friday 20 November 2026, the clock begins at 10:00:00 IST.
"""

from __future__ import annotations

from typing import Any

from adapters.exchange_sim.exchange import Exchange
from adapters.exchange_sim.spec import AccountSpec, Behaviour
from adapters.rulebook.load import load_rows
from engine.rulebook import Rulebook, ist_ns
from events.session import Instrument
from events.wire.kite import encode_frame, encode_full, encode_index

DAY = 20261120
NS_PER_MS = 1_000_000

NIFTY = Instrument(256265, "NSE", "NIFTY 50", "NIFTY", "INDEX", 0, 0, 0, 0, "exchange")
FUTURE = Instrument(
    35_001 << 8 | 2, "NFO", "NIFTY26NOVFUT", "NIFTY", "FUT", 20261123, 0, 65, 5, "exchange"
)
CALL = Instrument(
    35_002 << 8 | 2, "NFO", "NIFTY26NOV22600CE", "NIFTY", "CE", 20261123, 2_260_000, 65, 5,
    "exchange",
)  # fmt: skip
FAR_CALL = Instrument(
    35_004 << 8 | 2, "NFO", "NIFTY26NOV22700CE", "NIFTY", "CE", 20261123, 2_270_000, 65, 5,
    "exchange",
)  # fmt: skip
PUT = Instrument(
    35_003 << 8 | 2, "NFO", "NIFTY26NOV22600PE", "NIFTY", "PE", 20261123, 2_260_000, 65, 5,
    "exchange",
)  # fmt: skip
SENSEX_CALL = Instrument(
    861_001 << 8 | 5, "BFO", "SENSEX26N2672800CE", "SENSEX", "CE", 20261126, 7_280_000, 20, 5,
    "exchange",
)  # fmt: skip
ROWS = (NIFTY, FUTURE, CALL, FAR_CALL, PUT, SENSEX_CALL)

RULEBOOK = Rulebook(load_rows())

Side = list[tuple[int, int]]
"""(units, price in paise), best first."""


class Bench:
    """An exchange with a hand on its clock and its market."""

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        account: AccountSpec | None = None,
        *,
        day: int = DAY,
        at: str = "10:00:00",
        opened: bool = True,
    ) -> None:
        self.exchange = Exchange(ROWS, RULEBOOK, day, account, behaviour)
        self.now = ist_ns(day, at)
        self._volumes: dict[int, int] = {}
        self.heard: list[dict[str, Any]] = []
        if opened:
            self.index(2_262_000)
            for row in (CALL, FAR_CALL, PUT, SENSEX_CALL):
                self.book(row, 10_000, [(650, 9_990), (650, 9_980)], [(650, 10_010), (650, 10_020)])
            self.book(FUTURE, 2_265_000, [(650, 2_264_900)], [(650, 2_265_100)])

    def index(self, last: int, close: int = 2_250_000) -> None:
        """A packet of the index."""
        packet = encode_index(NIFTY.token, last, last, last, last, close, last - close, 1)
        self.exchange.on_frame(self.now, encode_frame([packet]))

    def book(
        self,
        row: Instrument,
        last: int,
        bids: Side,
        asks: Side,
        traded: int = 0,
        close: int | None = None,
    ) -> None:
        """A packet with a last price, a book, and so many units traded since the one before."""
        volume = self._volumes.get(row.token, 6_500) + traded
        self._volumes[row.token] = volume
        closed = close or (2_250_000 if row is FUTURE else 10_000)
        packet = encode_full(
            row.token, last, 65, last, volume, 1, 1, last, last, last, closed, 1, 130, 130, 130,
            self.now // 1_000_000_000,
            [(units, price, 1) for units, price in bids],
            [(units, price, 1) for units, price in asks],
        )  # fmt: skip
        self.exchange.on_frame(self.now, encode_frame([packet]))

    def wait(self, ms: int) -> None:
        """Let time pass and take what the exchange says."""
        self.now += ms * NS_PER_MS
        self.heard.extend(self.exchange.take_updates(self.now))

    def form(self, **fields: Any) -> dict[str, str]:
        """A buy of one lot of the call at 100.00, but for the fields given; None leaves one out."""
        form: dict[str, Any] = {
            "exchange": "NFO",
            "tradingsymbol": CALL.tradingsymbol,
            "transaction_type": "BUY",
            "quantity": 65,
            "product": "NRML",
            "order_type": "LIMIT",
            "price": 100,
            "validity": "DAY",
            **fields,
        }
        return {name: str(value) for name, value in form.items() if value is not None}

    def place(self, variety: str = "regular", ip: str = "127.0.0.1", **fields: Any) -> str:
        """Place an order and wait until the exchange has answered."""
        answer = self.exchange.place(self.now, variety, self.form(**fields), ip)
        self.wait(100)
        return str(answer["order_id"])

    def order(self, order_id: str) -> dict[str, Any]:
        """An order as the book shows it."""
        return next(o for o in self.exchange.orders(self.now) if o["order_id"] == order_id)

    def net(self, row: Instrument, product: str = "NRML") -> int:
        """The net units of a position by the exchange's ledger."""
        for exchange, symbol, held, units in self.exchange.ledger():
            if (exchange, symbol, held) == (row.exchange, row.tradingsymbol, product):
                return units
        return 0
