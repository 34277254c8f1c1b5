"""Derivations about who may do what, and about what went wrong.

Lives here: wanted order messages, approvals, answers to operators, reconciliations, incidents,
readiness, the due end of a session. May import: events.base, events.session. Always holds: a reason
is a code of ``events.reasons``; whatever needs a person is said once when it begins and once when
it ends.
"""

from __future__ import annotations

from events.base import Event
from events.session import Setting


class OrderWanted(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The core wants this message sent; nothing has left yet.

    ``action`` is PLACE, MODIFY or CANCEL of an order of ours; ``order_type`` LIMIT, SL or MARKET;
    prices None: not part of the message. A later wish for the same order replaces one that has not
    started.
    """

    order_id: str
    authority: str
    action: str
    order_type: str
    quantity_units: int
    limit_paise: int | None
    trigger_paise: int | None
    reason: str


class MarginWanted(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A pair that passed every stage but for what the broker asks for it: he should be asked.

    Of ``contract`` so many units are bought at ``limit_paise`` or less, of ``sold_contract`` as
    many sold at ``sold_limit_paise`` or more.
    """

    underlying: str
    contract: int
    sold_contract: int
    quantity_units: int
    limit_paise: int
    sold_limit_paise: int
    gates_seq: int


class ApprovalRequested(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An entry that passed every stage and waits for a person.

    ``request_id`` is the head of the digest of what the person sees: strategy, contract, side,
    quantity, and the band of limits from ``low_paise`` to ``high_paise`` within which the approval
    holds. One request is open per strategy, contract and side. Of a pair ``sold_contract`` is what
    is sold against it, for ``sold_low_paise`` or more; both None where nothing is, and in what was
    upcast from version 1, which knew no pairs.
    """

    request_id: str
    underlying: str
    strategy_id: str
    contract: int
    side: str
    quantity_units: int
    low_paise: int
    high_paise: int
    stop_paise: int
    target_paise: int
    risk_paise: int
    gates_seq: int
    expires_ts: int
    sold_contract: int | None
    sold_low_paise: int | None


class ApprovalClosed(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The end of a request: USED, REJECTED, EXPIRED or LAPSED, with the code of its reason."""

    request_id: str
    outcome: str
    reason: str
    intent_id: str | None
    who: str | None


class CommandAnswered(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The engine's answer to an operator: ACCEPTED or REFUSED, with the code of its reason."""

    command_id: str
    verb: str
    outcome: str
    reason: str


class Reconciled(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Our books were compared with the broker's. ``status`` is EQUAL, SKIPPED (what was compared is
    equal, and on something an order is under way) or DIFFERS.

    ``orders``, ``positions`` are how many the broker's books held; ``mended`` how many keys were
    skipped so: nothing of ours is ever changed to fit, and the field's name is older than that
    rule. ``open_differences`` is how many remain.
    """

    trigger: str
    status: str
    orders: int
    positions: int
    mended: int
    open_differences: int


class DifferenceFound(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One thing on which our books and the broker's differ: what it is about, both figures.

    ``subject`` is an order id or ``exchange:tradingsymbol:product``; ``reason`` the code.
    """

    subject: str
    reason: str
    ours: int | None
    theirs: int | None


class IncidentRaised(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Something that a person should know. ``severity`` is 1 (act now) to 4 (look later).

    ``incident_id`` is ``I`` and a number of the session; the same code about the same subject is
    raised once until it is resolved.
    """

    incident_id: str
    code: str
    severity: int
    subject: str
    evidence: tuple[Setting, ...]


class IncidentResolved(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """An incident is over. ``who`` is None where it passed by itself."""

    incident_id: str
    code: str
    subject: str
    who: str | None


class ReadinessChanged(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Whether entries may be made at all: BOOTING, MARKET_CLOSED, READY, DEGRADED or BLOCKED, with
    every code that stands in the way."""

    status: str
    reasons: tuple[str, ...]


class SessionEndDue(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The session's day is over by its rules; the runner closes it. ``reason`` is its code."""

    reason: str
