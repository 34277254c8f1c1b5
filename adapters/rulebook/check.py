"""Is the rulebook whole: overlaps, gaps, ended and missing rows, unknown names, bad values.

Lives here: findings over loaded rows on a day. May import: events, engine.rulebook,
adapters.rulebook. Always holds: pure; a finding that is ``wrong`` can make the engine block or
judge by something that nobody wrote; any other is a note.
Start reading at ``findings``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from adapters.rulebook.catalogue import (
    BY_NAME,
    EVERYWHERE,
    RULES,
    VENUES,
    RuleSpec,
    fault_of,
    unknown_name,
)
from adapters.rulebook.load import OPEN_ENDED, LoadedRow
from engine.rulebook import (
    DEFAULT_UNDERLYINGS,
    EVENT_KINDS,
    Rulebook,
    add_days,
    days_from_day,
    iso_day,
    resolve_day,
    row_key,
)
from events.session import RuleRow

ENDING_DAYS: Final = 21
"""A needed rule that ends within so many days is named before it does."""


class Finding(msgspec.Struct, frozen=True):
    """One thing to look at. ``kind``: OVERLAP, GAP, EXPIRED, MISSING, UNCOVERED, UNKNOWN_NAME,
    BAD_VALUE, ENDING, UNREAD. ``wrong`` tells a fault from a note."""

    kind: str
    wrong: bool
    name: str
    scope: str
    sentence: str
    what_to_do: str


UNCOVERED: Final = "UNCOVERED"
"""A kind of scheduled event whose calendar does not cover the day: LIVE enters nothing then."""


def findings(rows: Sequence[LoadedRow], day: int) -> tuple[Finding, ...]:
    """What is to be said of the rows on a day, faults first, then in the order of the rules."""
    found = [*_names_and_values(rows), *_overlaps(rows)]
    if not found:  # what follows asks the rulebook, which refuses rows that it cannot use
        found = [*_gaps(rows), *_ended(rows, day), *_uncovered(rows, day), *_unread(rows)]
    order = {spec.name: place for place, spec in enumerate(RULES)}
    return tuple(sorted(found, key=lambda one: (not one.wrong, order.get(one.name, -1), one.scope)))


def _names_and_values(rows: Iterable[LoadedRow]) -> Iterator[Finding]:
    rows = tuple(rows)
    known = tuple(dict.fromkeys(one.row.scope for one in rows if one.row.name == "index.exchange"))
    for row, origin in ((one.row, one.origin) for one in rows):
        if row.name not in BY_NAME:
            yield Finding(
                "UNKNOWN_NAME", True, row.name, row.scope,
                f"{unknown_name(row.name)} ({origin}): nothing reads this row",
                "add the row that was meant under the rule's own name",
            )  # fmt: skip
        elif (fault := fault_of(row, known)) is not None:
            yield Finding(
                "BAD_VALUE", True, row.name, row.scope,
                f"from {iso_day(row.valid_from)} ({origin}): {fault}",
                "add a row with the right value over its days",
            )  # fmt: skip


def _pairs(rows: Iterable[LoadedRow]) -> Iterator[tuple[RuleRow, RuleRow]]:
    """Neighbours in time of one name and scope."""
    ordered = sorted((one.row for one in rows), key=row_key)
    for one, two in itertools.pairwise(ordered):
        if (one.name, one.scope) == (two.name, two.scope):
            yield one, two


def _overlaps(rows: Iterable[LoadedRow]) -> Iterator[Finding]:
    for one, two in _pairs(rows):
        if one.valid_to >= two.valid_from:
            yield Finding(
                "OVERLAP", True, one.name, one.scope,
                f"two rows are in force on {iso_day(two.valid_from)}: {one.value} and {two.value}",
                "end one of them the day before the other begins",
            )  # fmt: skip


def _gaps(rows: Sequence[LoadedRow]) -> Iterator[Finding]:
    """Days between two rows of one rule on which neither it nor one for all scopes is in force."""
    book = Rulebook(tuple(one.row for one in rows))
    for one, two in _pairs(rows):
        first = add_days(one.valid_to, 1)
        if first >= two.valid_from or BY_NAME[one.name].dated:
            continue
        if book.lookup(one.name, one.scope, first) is None:
            last = add_days(two.valid_from, -1)
            yield Finding(
                "GAP", True, one.name, one.scope,
                f"no row from {iso_day(first)} to {iso_day(last)}",
                _add(one.name, one.scope, first),
            )  # fmt: skip


def _ended(rows: Sequence[LoadedRow], day: int) -> Iterator[Finding]:
    """Needed rules that are not in force on the day, or end soon after it."""
    book = Rulebook(tuple(one.row for one in rows))
    for spec in RULES:
        for scope in _scopes_needed(spec, rows):
            row = book.lookup(spec.name, scope, day)
            if row is None:
                yield from _not_in_force(book, spec, scope, day)
            elif row.valid_to != OPEN_ENDED:
                left = days_from_day(row.valid_to) - days_from_day(day)
                follows = book.lookup(spec.name, scope, add_days(row.valid_to, 1))
                if left < ENDING_DAYS and follows is None:
                    yield Finding(
                        "ENDING", False, spec.name, scope,
                        f"ends on {iso_day(row.valid_to)}, in {left} days, and nothing follows",
                        _add(spec.name, scope, add_days(row.valid_to, 1)),
                    )  # fmt: skip


def _scopes_needed(spec: RuleSpec, rows: Sequence[LoadedRow]) -> tuple[str, ...]:
    """For whom a rule must be in force: whom the engine asks for, and whoever ever had a row."""
    if not spec.needed:
        return ()
    asked = {
        "all": (EVERYWHERE,),
        "venue": VENUES,
        "underlying": DEFAULT_UNDERLYINGS,
        "broker": (),
    }[spec.scopes]
    had = (one.row.scope for one in rows if one.row.name == spec.name)
    return tuple(dict.fromkeys((*asked, *(scope for scope in had if scope != EVERYWHERE))))


def _not_in_force(book: Rulebook, spec: RuleSpec, scope: str, day: int) -> Iterator[Finding]:
    last = book.ended(spec.name, scope, day)
    if last is None:
        yield Finding(
            "MISSING", True, spec.name, scope,
            f"no row for {iso_day(day)}, nor any before: what needs it blocks",
            _add(spec.name, scope, day),
        )  # fmt: skip
        return
    means = "what needs it blocks"
    if spec.name == "freeze":
        units = resolve_day(book, day, (scope,)).underlyings[0].freeze_units
        means = f"{units}, the strictest of its last six months, is used and marked"
    yield Finding(
        "EXPIRED", True, spec.name, scope,
        f"the last row ended on {iso_day(last.valid_to)}: {means} (RULEBOOK_STALE)",
        _add(spec.name, scope, add_days(last.valid_to, 1)),
    )  # fmt: skip


def _uncovered(rows: Sequence[LoadedRow], day: int) -> Iterator[Finding]:
    """Scheduled events whose calendar does not cover the day."""
    book = Rulebook(tuple(one.row for one in rows))
    for kind in EVENT_KINDS:
        if book.lookup("event.covered", kind, day) is None:
            yield Finding(
                UNCOVERED, False, "event.covered", kind,
                f"no calendar of these events covers {iso_day(day)}: N5 marks it, and LIVE enters "
                "nothing",
                f'{_add("event.covered", kind, day)}, and a row of event.at for each of them',
            )  # fmt: skip


def _unread(rows: Iterable[LoadedRow]) -> Iterator[Finding]:
    kept = dict.fromkeys(
        (one.row.name, one.row.scope) for one in rows if not BY_NAME[one.row.name].read
    )
    for name, scope in kept:
        yield Finding(
            "UNREAD", False, name, scope, "no code reads this rule; it is kept for people",
            "nothing to do",
        )  # fmt: skip


def _add(name: str, scope: str, day: int) -> str:
    return f'axiom rulebook add {name} VALUE --scope "{scope}" --from {iso_day(day)} --source "..."'
