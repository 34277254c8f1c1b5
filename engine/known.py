"""What a session is told of the contracts of the session before: what they were, and what it holds.

Lives here: the artefact CONTRACTS, and the instruments that a carried account needs besides those
that are watched. May import: events, engine. Always holds: pure; whatever is held or unknown at the
broker is among the session's instruments, by today's list where that has it, else as it was.
Start reading at ``with_held``.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from engine.layout import UNLISTED
from engine.opening import rulebook_digest
from engine.orders.contracts import CONTRACTS, contract_rows
from events.session import ArtifactLoaded, CarriedOver, Instrument


def contracts_artifact(before: tuple[Instrument, ...], account: CarriedOver) -> ArtifactLoaded:
    """What the contracts of the previous session were, under its uid."""
    name = account.previous_session or ""
    rows = contract_rows(before, account.day, f"session {name}")
    return ArtifactLoaded(CONTRACTS, name, rulebook_digest(rows), rows)


def with_held(
    rows: tuple[Instrument, ...],
    account: CarriedOver,
    listed: Iterable[Instrument],
    before: Iterable[Instrument],
) -> tuple[Instrument, ...]:
    """A session's instruments with every contract that the account holds, or has an unknown order
    in, behind those that are watched.

    ``listed`` is all of today's list, ``before`` what the account's previous session had: a
    contract that is not listed any more has its row of then, marked as such. One that neither
    knows is left out, and the session does not begin (``engine.carry.CarryError``).
    """
    there = {(row.exchange, row.tradingsymbol) for row in rows}
    today = {(row.exchange, row.tradingsymbol): row for row in listed}
    then = {(row.exchange, row.tradingsymbol): row for row in before}
    more: list[Instrument] = []
    held = [(one.exchange, one.tradingsymbol) for one in account.positions]
    unknown = [(one.exchange, one.tradingsymbol) for one in account.unknown_orders]
    for key in (*held, *unknown):
        if key in there:
            continue
        there.add(key)
        if key in today:
            more.append(today[key])
        elif key in then:
            more.append(replace(then[key], provenance=UNLISTED))
    return (*rows, *more)
