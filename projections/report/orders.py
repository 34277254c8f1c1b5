"""The sections about trades, orders and the broker's books.

Lives here: from rows to blocks. May import: projections. Always holds: money is paise, gross beside
charges; a trail is the one that ``why`` tells. Start reading at ``trades``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from projections import why
from projections.report.inputs import Absent, Inputs, Row
from projections.report.model import Block, Stories, Story, Text, table
from projections.report.sections import Made, Nothing, not_recorded
from projections.report.words import reason_or_none, without_desk

# --- trades ----------------------------------------------------------------------------------


def trades(given: Inputs) -> Made:
    """Positions with their result, charges, and each entry's trail."""
    positions = given.all("positions")
    stories = () if isinstance(given.stories, Absent) else given.stories
    if not positions and not stories:
        return Nothing("No trade was made and no position was held.")
    blocks: list[Block] = []
    if positions:
        caption = "Positions with their result"
        blocks.append(table("positions", caption, _POSITION_COLUMNS, positions))
    exits = _exits(positions)
    if exits:
        blocks.append(table("exits", "How positions were left", _EXIT_COLUMNS, exits))
    charges = given.all("charges")
    if charges:
        blocks.append(
            table(
                "charges", "Charges",
                "name code Charge\npaise paise Amount\nlines count Fills\n"
                "unsure text Without a first-hand source",
                [{**row, "unsure": "unsure" if row["unsure"] else None} for row in charges],
            )
        )  # fmt: skip
    if given.all("settlements"):
        rows = [{**row, "text": reason_or_none(row["reason"])} for row in given.all("settlements")]
        blocks.append(table("settlements", "Settled at expiry", _SETTLEMENT_COLUMNS, rows))
    if stories:
        told = tuple(
            Story(
                seq=one.decision.seq,
                ts=one.decision.ts,
                underlying=one.decision.underlying,
                contract=str(one.decision.contract),
                sentence=one.sentence,
                steps=one.trail,
            )
            for one in stories
        )
        blocks.append(Stories("trails", "Each entry from its tick to its end", told))
    return tuple(blocks)


def _exits(positions: Iterable[Row]) -> list[Row]:
    """Positions by the reason of their exit, in the order in which each was first met."""
    found: dict[str, Row] = {}
    for row in positions:
        reason = row["exit_reason"]
        if reason is None:
            continue
        made = found.setdefault(
            reason,
            {"reason": reason, "count": 0, "net_paise": 0, "text": why.reason_text(reason)},
        )
        made["count"] += 1
        made["net_paise"] += row["net_paise"]
    return list(found.values())


_POSITION_COLUMNS: Final = """
opened_ts ts Opened
underlying text Underlying
tradingsymbol code Contract
strategy_id text Strategy
most_units count Units
average_paise paise Entered at
status code State
changed_ts ts Last change
exit_reason code Exit
realised_paise result Gross
charges_paise paise Charges
net_paise result Net
position_id code Position
"""
_EXIT_COLUMNS: Final = """
reason code Exit
count count Positions
net_paise result Net
text text Meaning
"""
_SETTLEMENT_COLUMNS: Final = """
ts ts Time
tradingsymbol code Contract
quantity_units count Units
index_paise paise Index
payoff_paise paise Pays a unit
realised_paise result Gross
tax_paise paise Tax
reason code Reason
text text Meaning
"""


# --- execution -------------------------------------------------------------------------------


def execution(given: Inputs) -> Made:
    """Fills against the mid they were decided at, and how long they took."""
    orders = given.all("orders")
    if not orders:
        return Nothing("No order was made.")
    blocks: list[Block] = []
    if given.all("quality"):
        blocks.append(table("quality", "By kind of order", _QUALITY_COLUMNS, given.all("quality")))
    rows = [{**row, "text": why.reason_text(row["reason"])} for row in orders]
    blocks.append(table("orders", "Orders in their last state", _ORDER_COLUMNS, rows))
    if given.all("sent"):
        blocks.append(
            table(
                "sent", "Messages to the broker, by what became of them",
                "action code Message\nsend_outcome code Outcome\nmessages count Messages\n"
                "p50_us us Answer, half within\nmax_us us Answer, longest", given.all("sent"),
            )
        )  # fmt: skip
    return tuple(blocks)


_QUALITY_COLUMNS: Final = """
order_role code Role
side code Side
orders count Orders
filled count Filled
rejected count Rejected
units count Units
fill_p50_ms ms Filled, half within
fill_max_ms ms Filled, longest
slippage_unit_paise paise Slippage a unit
slippage_paise paise Slippage in all
"""
_ORDER_COLUMNS: Final = """
decided_ts ts_ms Decided
order_role code Role
side code Side
tradingsymbol code Contract
status code State
quantity_units count Units
filled_units count Filled
fill_ms ms Filled within
average_paise paise Average
slippage_paise paise Slippage
reason code Reason
order_id code Order
"""


# --- reconciliation, risk, incidents, people -------------------------------------------------


def reconciliation(given: Inputs) -> Made:
    """Comparisons with the broker's books."""
    rows = given.all("reconciliations")
    if not rows:
        return not_recorded(without_desk(given, "reconciliation"))
    blocks: list[Block] = [
        table("comparisons", "Comparisons with the broker's books", _BOOK_COLUMNS, rows)
    ]
    if given.all("differences"):
        told = [{**row, "text": why.reason_text(row["reason"])} for row in given.all("differences")]
        blocks.append(table("differences", "Differences", _DIFFERENCE_COLUMNS, told))
    else:
        blocks.append(Text("verdict", ("No difference was found.",)))
    return tuple(blocks)


_BOOK_COLUMNS: Final = """
book_trigger code Asked because
books_status code Result
comparisons count Comparisons
most_orders count Orders, at most
most_positions count Positions, at most
skipped count Left out
open_differences count Open differences, at most
first_ts ts First
last_ts ts Last
"""
_DIFFERENCE_COLUMNS: Final = """
ts ts Time
subject code Subject
reason code Reason
ours count Ours
theirs count The broker's
text text Meaning
seq count Seq
"""
