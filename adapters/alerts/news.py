"""What of a session is news for a person, and when it is over.

Lives here: ``Desk``, a fold of the journal's entries and of looks at the process. May import:
events, ``engine.rulebook``'s calendar. Always holds: pure, every time is given; one thing is one
key, begun once and over once; a new session begins with nothing open.
Start reading at ``Desk.entry`` and ``Desk.look``.
"""

from __future__ import annotations

from typing import Final

import msgspec

from engine.rulebook import hhmmss_of
from events.base import Event
from events.governance import (
    ApprovalClosed,
    ApprovalRequested,
    IncidentRaised,
    IncidentResolved,
)
from events.orders import OrderChanged
from events.session import InstrumentsLoaded, SessionClosed

SEVERITY_TOLD: Final = 2
"""Incidents of this severity and worse are told."""

NS_PER_S: Final = 1_000_000_000
NOW: Final = 1
SOON: Final = 2

SILENT: Final = "ALERT_ENGINE_SILENT"
GONE: Final = "ALERT_ENGINE_GONE"
NOT_STARTED: Final = "ALERT_SESSION_NOT_STARTED"
ORDER_UNKNOWN: Final = "ALERT_ORDER_UNKNOWN"
APPROVAL: Final = "ALERT_APPROVAL_WANTED"
UNREADABLE: Final = "ALERT_JOURNAL_UNREADABLE"
TYPE: Final = "type"
"""Names the command that answers what is told."""


HEARD: Final = frozenset(
    kind.__name__
    for kind in (
        InstrumentsLoaded, IncidentRaised, IncidentResolved, OrderChanged, ApprovalRequested,
        ApprovalClosed, SessionClosed,
    )
)  # fmt: skip
"""The kinds that ``Desk.entry`` looks at; of all others it is enough that they came."""


class News(msgspec.Struct, frozen=True):
    """Something began (``over`` False) or is over. ``key`` is what makes it one thing; ``code`` is
    of the reason table; ``severity`` 1 (act now) or 2; ``subject`` and ``detail`` name it."""

    key: str
    code: str
    severity: int
    subject: str
    detail: tuple[tuple[str, str], ...]
    session: str
    over: bool = False


class Look(msgspec.Struct, frozen=True):
    """What is seen from outside at ``now_ns`` (wall clock, ns UTC).

    ``running``: a process holds the session; ``expected``: it should write all the time now (in
    market hours, or in a simulated market); ``missing``: no session of the day has begun and one
    should have; ``unreadable``: why the journal cannot be read, None where it can.
    """

    now_ns: int
    running: bool
    expected: bool
    missing: bool
    unreadable: str | None = None


def _rupees(paise: int) -> str:
    """Paise as rupees, exactly."""
    return f"Rs {paise // 100}.{paise % 100:02d}"


class Desk:
    """What is open of a desk's newest session. Each call gives the news that it makes.

    ``closed``: there is no session, or it was closed in order. ``flags`` are the words by which a
    command finds the desk (``--desk other``), where it is not the one that is meant without them.
    """

    def __init__(self, silent_s: int, flags: str = "") -> None:
        self._flags = flags
        self._contracts: tuple[str, ...] = ()
        self._silent_ns = silent_s * NS_PER_S
        self._session = ""
        self._open: dict[str, News] = {}
        self.closed = True
        self._seen_running = False
        self._progress_ns = 0

    def begin(self, session: str, now_ns: int) -> None:
        """Another session is the newest: what was open of the last one is no longer told."""
        kept = {key: one for key, one in self._open.items() if one.code == NOT_STARTED}
        self._session, self._open = session, kept
        self._contracts = ()
        self.closed, self._seen_running, self._progress_ns = False, False, now_ns

    def entry(self, event: Event, now_ns: int) -> list[News]:
        """An entry of the session, read at ``now_ns``."""
        self._progress_ns = now_ns
        if isinstance(event, IncidentRaised):
            return self._incident(event)
        if isinstance(event, IncidentResolved):
            return self._over(f"incident:{event.incident_id}")
        if isinstance(event, OrderChanged):
            return self._order(event)
        if isinstance(event, ApprovalRequested):
            return self._approval(event)
        if isinstance(event, ApprovalClosed):
            return self._over(f"approval:{event.request_id}", ("outcome", event.outcome))
        if isinstance(event, InstrumentsLoaded):
            self._contracts = tuple(row.tradingsymbol for row in event.rows)
        if isinstance(event, SessionClosed):
            self.closed = True
            self._open = {key: one for key, one in self._open.items() if one.code == NOT_STARTED}
        return []

    def progress(self, now_ns: int) -> None:
        """Entries were read that are no news."""
        self._progress_ns = now_ns

    def look(self, look: Look) -> list[News]:
        """What the process and the calendar say."""
        self._seen_running |= look.running
        if not look.expected:
            self._progress_ns = max(self._progress_ns, look.now_ns)
        silent_ns = look.now_ns - self._progress_ns
        lives = not self.closed and look.running and look.expected
        silent = lives and silent_ns >= self._silent_ns
        gone = not self.closed and self._seen_running and not look.running
        seconds = (("silent_s", str(silent_ns // NS_PER_S)),)
        why = ((("why", look.unreadable),)) if look.unreadable is not None else ()
        return [
            *self._while(silent, "silent", SILENT, seconds),
            *self._while(gone, "gone", GONE, ()),
            *self._while(look.missing, "missing", NOT_STARTED, ()),
            *self._while(look.unreadable is not None, "unreadable", UNREADABLE, why),
        ]

    # -- one thing each ------------------------------------------------------------------------

    def _incident(self, event: IncidentRaised) -> list[News]:
        if event.severity > SEVERITY_TOLD:
            return []
        detail = tuple((one.key, str(one.value)) for one in event.evidence)
        key = f"incident:{event.incident_id}"
        return self._begun(key, event.code, event.severity, event.subject, detail)

    def _order(self, event: OrderChanged) -> list[News]:
        key = f"order:{event.order_id}"
        if event.status != "UNKNOWN":
            return self._over(key, ("status", event.status))
        detail = (("side", event.side), ("units", str(event.quantity_units)))
        return self._begun(key, ORDER_UNKNOWN, NOW, event.order_id, detail)

    def _approval(self, event: ApprovalRequested) -> list[News]:
        """What a person must see to answer, and what he types."""
        detail = (
            ("contract", self._contract(event.contract)),
            ("side", event.side),
            ("units", str(event.quantity_units)),
            ("price_from", _rupees(event.low_paise)),
            ("price_to", _rupees(event.high_paise)),
            ("stop", _rupees(event.stop_paise)),
            ("target", _rupees(event.target_paise)),
            ("risk", _rupees(event.risk_paise)),
            ("strategy", event.strategy_id),
            *self._leg(event),
            ("expires", f"{hhmmss_of(event.expires_ts)} IST"),
            (TYPE, f"axiom approve {event.request_id}{self._flags}"),
        )
        return self._begun(f"approval:{event.request_id}", APPROVAL, SOON, event.request_id, detail)

    def _leg(self, event: ApprovalRequested) -> list[tuple[str, str]]:
        """What is sold against it, of a pair."""
        if event.sold_contract is None or event.sold_low_paise is None:
            return []
        contract = self._contract(event.sold_contract)
        return [("sold_against", contract), ("sold_from", _rupees(event.sold_low_paise))]

    def _contract(self, index: int) -> str:
        """Its tradingsymbol; of a journal that does not say it, its place there."""
        known = 0 <= index < len(self._contracts)
        return self._contracts[index] if known else f"number {index} of the session's instruments"

    def _while(
        self, holds: bool, key: str, code: str, detail: tuple[tuple[str, str], ...]
    ) -> list[News]:
        if holds and key not in self._open:
            return self._begun(key, code, NOW, self._session, detail)
        return self._over(key) if not holds else []

    def _begun(
        self, key: str, code: str, severity: int, subject: str, detail: tuple[tuple[str, str], ...]
    ) -> list[News]:
        if key in self._open:
            return []
        self._open[key] = News(key, code, severity, subject, detail, self._session)
        return [self._open[key]]

    def _over(self, key: str, *detail: tuple[str, str]) -> list[News]:
        news = self._open.pop(key, None)
        if news is None:
            return []
        kept = tuple(one for one in news.detail if one[0] != TYPE)  # there is nothing to answer now
        return [msgspec.structs.replace(news, over=True, detail=(*kept, *detail))]

    @property
    def open_news(self) -> tuple[News, ...]:
        """What is open, in the order in which it began."""
        return tuple(self._open.values())
