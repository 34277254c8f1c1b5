"""One order by any of its ids: what led to it, what was sent, what came back, who spoke for it.

Lives here: which intent an id belongs to, and the rows of every table that tell of it. May import:
duckdb, projections. Always holds: an id is looked for as a whole word in every column that holds
ids; a trade's entry, its sold leg and its exits belong to one intent; rows come in the order of the
journal; nothing is judged again. Start reading at ``find_order``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from projections import why
from projections.duck.ask import opened, why_seq

INTENT_CHARS: Final = 16
"""Digits of an intent's id; what follows is a leg's mark or an exit's number."""

Item = dict[str, Any]
Rows = Callable[..., list[Item]]
"""Rows of a base table that meet a condition."""

_HOLDING: Final = (
    ("intents", ("intent_id",)),
    ("exits", ("exit_id", "position_id")),
    ("order_events", ("order_id", "authority")),
    ("order_wishes", ("order_id", "authority")),
    ("order_messages", ("order_id", "authority", "tag", "broker_order_id")),
    ("order_results", ("order_id", "broker_order_id")),
    ("broker_reports", ("broker_order_id", "exchange_order_id")),
    ("position_events", ("position_id",)),
    ("approvals_closed", ("request_id", "intent_id")),
)
"""Tables and the columns of theirs that hold an id of an order."""

_SENT: Final = "(SELECT order_id FROM base.order_messages WHERE authority LIKE $like)"
_KNOWN: Final = (
    "(SELECT r.broker_order_id FROM base.order_results r JOIN base.order_messages m "
    "USING (message_no) WHERE m.authority LIKE $like)"
)
_TOLD: Final = (
    ("order_wishes", "authority LIKE $like"),
    ("order_messages", "authority LIKE $like"),
    ("order_results", f"order_id IN {_SENT}"),
    ("broker_reports", f"tags LIKE '%' || $like OR broker_order_id IN {_KNOWN}"),
    ("order_lookups", "tag LIKE $like"),
)
"""What went to the broker and what came from it."""

_ASKED: Final = "(SELECT request_id FROM base.approvals_closed WHERE intent_id LIKE $like)"
_PEOPLE: Final = (
    ("approval_requests", f"request_id IN {_ASKED}"),
    ("approvals_closed", "intent_id LIKE $like"),
    ("operator_commands", f"subject LIKE $like OR subject IN {_ASKED}"),
    ("incidents_raised", "subject LIKE $like OR subject LIKE '_' || $like"),
)
"""Who approved, what a person said of it, and what went wrong with it."""


class OrderStory(msgspec.Struct, frozen=True):
    """An order in one session. ``intent_id`` is the entry behind it, ``answer`` the decision that
    approved it (None where an earlier session did), ``trail`` its life, ``messages`` what was sent
    and received, ``people`` who spoke; each step with the seq of its entry."""

    intent_id: str
    answer: why.WhyAnswer | None
    trail: tuple[why.TrailStep, ...]
    messages: tuple[Item, ...]
    people: tuple[Item, ...]
    digests: Item


def find_order(published: Path, wanted: str) -> OrderStory | None:
    """The story of the order that an id or tag names; None where the session knows none. Raises
    ``AskError``."""
    with opened(published) as ask:
        intent = _intent_of(ask.rows, wanted)
        if intent is None:
            return None
        decided = _decision_of(ask.rows, intent)
        like = f"{intent}%"
        messages, people = (tuple(_told(ask.rows, asked, like)) for asked in (_TOLD, _PEOPLE))
        opening = ask.rows("session_opened", "true")[0]
    answer = why_seq(published, decided) if decided is not None else None
    trail = answer.trail if answer is not None else ()
    digests = {
        name: opening[name] for name in opening if name.endswith("_digest") and opening[name]
    }
    return OrderStory(intent, answer, trail, messages, people, digests)


def _decision_of(rows: Rows, intent: str) -> int | None:
    """The seq of the decision that approved an entry; None where another session did."""
    approved = rows("intents", "intent_id = $id", id=intent)
    if not approved:
        return None
    made = rows("decisions", "gates_seq = $seq", seq=approved[0]["gates_seq"])
    return int(made[0]["seq"]) if made else None


def _intent_of(rows: Rows, wanted: str) -> str | None:
    """The entry that an id belongs to: its own digits, or those of the order that has the id."""
    for table, columns in _HOLDING:
        asked = " OR ".join(f"{column} = $id" for column in columns)
        for row in rows(table, f"({asked}) ORDER BY seq", id=wanted):
            found = _digits(rows, row)
            if found is not None:
                return found
    return None


def _digits(rows: Rows, row: Item) -> str | None:
    for column in ("authority", "intent_id", "position_id", "exit_id"):
        if row.get(column):
            return str(row[column])[:INTENT_CHARS]
    for tag in (row.get("tags") or "").split(","):
        own = tag[:INTENT_CHARS]
        if len(own) == INTENT_CHARS and not own.strip("0123456789abcdef"):
            return own
    order_id = row.get("order_id")
    if not order_id:
        answered = rows("order_results", "broker_order_id = $id", id=row.get("broker_order_id"))
        order_id = answered[0]["order_id"] if answered else None
    sent = rows("order_messages", "order_id = $id", id=order_id)
    return str(sent[0]["authority"])[:INTENT_CHARS] if sent else None


def _told(rows: Rows, asked: tuple[tuple[str, str], ...], like: str) -> Iterator[Item]:
    found: list[Item] = []
    for table, where in asked:
        for row in rows(table, where, like=like):
            kept = {name: value for name, value in row.items() if value not in (None, "")}
            found.append({"kind": table, **kept})
    yield from sorted(found, key=lambda item: (item["seq"], item.get("ordinal", 0)))
