"""The index that a chain day does not have, estimated from what it has.

Lives here: which two expiries carry is read from, and the estimate of one page. May import:
engine.options, engine.rulebook's
calendar, adapters.markets.chain_file. Always holds: integers and dyadic halves only; no
parity on either expiry is no estimate, never an old one.

The rule. F1 is the parity forward of the nearest expiry, F2 of the first expiry at least
``CARRY_SPAN_DAYS`` later (with four weeklies listed that is a monthly, the next liquid series); t1
and t2 are the times to their closes. A forward grows from the index at one rate of carry, so
index = F1 - (F2 - F1) * t1 / (t2 - t1), to the nearest paisa: the straight line through the two
forwards read at t = 0. The line is the first order of F1 * (F1 / F2) ** (t1 / (t2 - t1)); on the
day this was made for the two differ by about four paise. A span of four weeks keeps the weight of
F2's noise at t1 / (t2 - t1), a seventh. What the estimate cannot know is a carry that differs
before and after F1 (a dividend, a rate step): no witness in the chain can tell.
"""

from __future__ import annotations

from typing import Final

import msgspec

from adapters.markets.chain_file import CALL, ChainContract, Row
from engine.options import parity_forward
from engine.rulebook import NS_PER_DAY, add_days, days_from_day

CARRY_SPAN_DAYS: Final = 28


class CarryPair(msgspec.Struct, frozen=True):
    """The two expiries (yyyymmdd) and, by contract index, the strikes with both legs of each."""

    near: int
    far: int
    near_legs: tuple[tuple[int, int, int], ...]
    far_legs: tuple[tuple[int, int, int], ...]


def carry_pair(contracts: tuple[ChainContract, ...], day: int) -> CarryPair | None:
    """The expiries that the estimate of a day uses; None when no expiry is far enough."""
    expiries = sorted({contract.expiry for contract in contracts if contract.expiry >= day})
    if not expiries:
        return None
    near = expiries[0]
    least = add_days(near, CARRY_SPAN_DAYS)
    far = next((expiry for expiry in expiries if expiry >= least), None)
    if far is None:
        return None
    return CarryPair(near, far, _legs(contracts, near), _legs(contracts, far))


def _legs(contracts: tuple[ChainContract, ...], expiry: int) -> tuple[tuple[int, int, int], ...]:
    """(strike paise, contract index of the call, of the put), strikes with both legs."""
    calls, puts = (
        {
            contract.strike_paise: i
            for i, contract in enumerate(contracts)
            if contract.expiry == expiry and (contract.right == CALL) is is_call
        }
        for is_call in (True, False)
    )
    return tuple((strike, calls[strike], puts[strike]) for strike in calls if strike in puts)


def estimate_index(
    pair: CarryPair, rows: list[Row], ts: int, near_close_ns: int, far_close_ns: int
) -> int | None:
    """The index in paise at a time (ns UTC) from one page's quotes; None when parity gives none.

    ``near_close_ns`` and ``far_close_ns`` are the instants at which the two expiries end.
    """
    quotes = {row[0]: row for row in rows}
    near = _forward(pair.near_legs, quotes)
    far = _forward(pair.far_legs, quotes)
    if near is None or far is None or near_close_ns >= far_close_ns:
        return None
    t1 = max(near_close_ns - ts, 0)
    span = far_close_ns - near_close_ns
    return (2 * (near * span - (far - near) * t1) + span) // (2 * span)


def _forward(legs: tuple[tuple[int, int, int], ...], quotes: dict[int, Row]) -> int | None:
    """The parity forward in paise. Not discounted: at the strikes nearest the forward the premium
    difference is so small that a month's rate moves the median by less than a tick."""
    return parity_forward(
        tuple(
            (strike, quotes[call][1], quotes[call][3], quotes[put][1], quotes[put][3])
            for strike, call, put in legs
            if call in quotes and put in quotes
        ),
        1.0,
    )


def close_of(expiry: int, day: int, close_ns: int) -> int:
    """When an expiry ends (ns UTC), at the hour at which trading ends on the recorded day."""
    return close_ns + (days_from_day(expiry) - days_from_day(day)) * NS_PER_DAY
