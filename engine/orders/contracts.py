"""Contracts against what they were in the account's session before: what changed, and what it bars.

Lives here: the comparison at a session's start, its incidents, the contracts that no entry may be
made in. May import: events, engine. Always holds: pure, and only what the session's own journal
holds is compared: the artefact CONTRACTS says what was known before, and without one a carried
position itself does (its units, which must be whole lots). A held contract keeps its own units, and
its exits are never barred.
Start reading at ``contract_changes``.
"""

from __future__ import annotations

from typing import Final

from engine.layout import UNLISTED
from engine.orders.incidents import Incidents
from engine.orders.route import in_real_time
from engine.state import ContractChange, Position, State
from events.base import Event
from events.session import Instrument, RuleRow

CHANGED: Final = "CONTRACT_CHANGED"

CONTRACTS: Final = "CONTRACTS"
"""The kind of the artefact that says what contracts were: a row for each field of each."""

LISTED: Final = "LISTED"
FIELDS: Final = (
    ("TOKEN", "token", "contract.token", "token"),
    ("EXPIRY", "expiry", "contract.expiry", "yyyymmdd"),
    ("LOT", "lot_units", "contract.lot", "units"),
    ("TICK", "tick_paise", "contract.tick", "paise"),
)
"""What is compared: its word in an incident, the instrument's field, the row's name and unit."""

Known = dict[tuple[str, str], int]
Difference = tuple[str, int | None, int]


def contract_rows(before: tuple[Instrument, ...], day: int, source: str) -> tuple[RuleRow, ...]:
    """The rows of the artefact CONTRACTS: what each contract was on a yyyymmdd day."""
    return tuple(
        RuleRow(rule, scope_of(row), day, day, getattr(row, field), unit, source, False)
        for row in before
        for _, field, rule, unit in FIELDS
    )


def scope_of(row: Instrument) -> str:
    """``NFO:NIFTY26NOV24000CE``: whom a row of the artefact is about."""
    return f"{row.exchange}:{row.tradingsymbol}"


# --- the comparison ------------------------------------------------------------------------------


def contract_changes(state: State) -> tuple[ContractChange, ...]:
    """What of the session's instruments is not what it was, of held ones by position, of others by
    the first of each group that changed alike. Nothing in a backtest, whose days are its own."""
    if not in_real_time(state) or state.opened is None:
        return ()
    known: Known = {(one.scope, one.name): int(one.value) for one in state.contract_rows}
    held = {one.contract: one for one in state.positions}
    groups: dict[tuple[str, int, tuple[str, ...]], str] = {}
    changes: list[ContractChange] = []
    for place, row in enumerate(state.instruments):
        position = held.get(place)
        found = _differences(known, row)
        if position is not None:
            found = _with_own(found, row, position, state.opened.day)
        if not found:
            continue
        what = tuple(one for one, _, _ in found)
        was, now = tuple(one for _, one, _ in found), tuple(one for _, _, one in found)
        if position is not None:
            subject = position.position_id
        else:
            before = known.get((scope_of(row), "contract.expiry"), 0)
            subject = groups.setdefault((row.underlying, before, what), scope_of(row))
        changes.append(ContractChange(place, position is not None, subject, what, was, now))
    return tuple(changes)


def _differences(known: Known, row: Instrument) -> list[Difference]:
    """(what, was, is) of each field that differs from what was known before."""
    if row.provenance == UNLISTED:
        return [(LISTED, 1, 0)]
    found: list[Difference] = []
    for what, field, rule, _ in FIELDS:
        was, now = known.get((scope_of(row), rule)), getattr(row, field)
        if was is not None and was != now:
            found.append((what, was, now))
    return found


def _with_own(
    found: list[Difference], row: Instrument, position: Position, day: int
) -> list[Difference]:
    """What the position itself shows, where nothing is known of before: units that are no whole
    lots, an expiry that is past."""
    told = [what for what, _, _ in found]
    own: list[Difference] = []
    if "LOT" not in told and row.lot_units > 0 and position.quantity_units % row.lot_units:
        own.append(("LOT", None, row.lot_units))
    if "EXPIRY" not in told and 0 < row.expiry < day:
        own.append(("EXPIRY", None, row.expiry))
    return [*found, *own]


# --- what it leads to ----------------------------------------------------------------------------


def changed_contracts(state: State) -> tuple[Event, ...]:
    """An incident for each held contract that changed, and for each group of others that did."""
    incidents = Incidents(state)
    counts: dict[str, int] = {}
    for one in state.changes:
        counts[one.subject] = counts.get(one.subject, 0) + 1
    units = {one.position_id: one.quantity_units for one in state.positions}
    for one in state.changes:
        evidence: dict[str, int | bool | str] = {
            "contract": state.instruments[one.contract].tradingsymbol,
            "contracts": counts[one.subject],
            "what": " ".join(one.what),
        }
        if one.held:
            evidence["units"] = units[one.subject]
        for what, was, now in zip(one.what, one.was, one.now, strict=True):
            evidence[f"{what.lower()}_is"] = now
            if was is not None:
                evidence[f"{what.lower()}_was"] = was
        incidents.raised(CHANGED, one.subject, **evidence)
    return tuple(incidents.events)


def barred_contracts(state: State) -> dict[int, None]:
    """The contracts that no entry may be made in: a changed one that was held when the session
    began, and any other until a person has acknowledged its incident."""
    if not state.changes:
        return {}
    seen = [o.subject for o in state.desk.incidents if o.code == CHANGED and o.acknowledged]
    return {one.contract: None for one in state.changes if one.held or one.subject not in seen}


def is_of_position(state: State, subject: str) -> bool:
    """Whether an incident of a change is about a position, and so over with it."""
    return not any(one.subject == subject and not one.held for one in state.changes)
