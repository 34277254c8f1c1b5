"""What a session says of itself: incidents, reconciliations, its feed, clock, process and login.

Lives here: the structs of ``WatchView``. May import: msgspec, events (types only). Always holds: as
in ``view``; a row that was never told of is not there, and nothing stands for it.
Start reading at ``WatchView``.
"""

from __future__ import annotations

import msgspec

from events.broker import BrokerSnapshot
from events.session import Setting


class Step(msgspec.Struct, frozen=True, gc=False):
    """One entry in the life of an incident: RAISED, AGAIN, ACK or RESOLVED, and by whom."""

    seq: int
    ts: int
    what: str
    who: str | None


class IncidentView(msgspec.Struct, frozen=True):
    """All that is known of one code about one subject. ``incident_id`` is that of the last time it
    was raised, ``times`` how often; ``cause`` the entry that led to it.

    ``acked_ts`` is None until a person has seen it since it was last raised, ``resolved_ts`` None
    while it is open.
    """

    incident_id: str
    code: str
    severity: int
    subject: str
    seq: int
    cause: int
    raised_ts: int
    times: int
    evidence: tuple[Setting, ...]
    acked_ts: int | None
    acked_by: str | None
    resolved_ts: int | None
    resolved_by: str | None
    steps: tuple[Step, ...]

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.resolved_ts is None

    @property
    def unseen(self) -> bool:
        """Open, and no person has said that he saw it."""
        return self.is_open and self.acked_ts is None


class DifferenceView(msgspec.Struct, frozen=True, gc=False):
    """One thing on which our books and the broker's differed. ``cause`` is the snapshot of the last
    comparison that found it, ``times`` how many did; ``closed_ts`` None while it stands."""

    subject: str
    reason: str
    ours: int | None
    theirs: int | None
    seq: int
    cause: int
    since_ts: int
    last_ts: int
    times: int
    closed_ts: int | None


class ReconciledView(msgspec.Struct, frozen=True, gc=False):
    """One comparison. ``skipped`` keys were left out because something was under way on them."""

    seq: int
    ts: int
    trigger: str
    status: str
    orders: int
    positions: int
    skipped: int
    open_differences: int


class BooksView(msgspec.Struct, frozen=True):
    """The broker's books as last received; a book that was not received is None in them."""

    seq: int
    ts: int
    told: BrokerSnapshot


class LinkView(msgspec.Struct, frozen=True, gc=False):
    """What a connection went through: how often it came up, its gaps, the frames that were dropped
    before they could be journaled, the instruments that its subscription misses (None: not said).
    """

    connection: int
    connects: int
    gaps: int
    dropped: int
    dropped_ts: int | None
    missing: int | None


class MeasureView(msgspec.Struct, frozen=True, gc=False):
    """The last measurement of one thing of the process or the machine."""

    what: str
    status: str
    observed: int
    limit: int
    ts: int


class SkewView(msgspec.Struct, frozen=True, gc=False):
    """How far the wall clock was ahead of another one, by source."""

    source: str
    offset_ns: int
    limit_ns: int
    ts: int


class LoginView(msgspec.Struct, frozen=True, gc=False):
    """Whether the broker takes the login."""

    status: str
    account: str | None
    expires_ts: int | None
    fault: str | None
    ts: int


class HistoryView(msgspec.Struct, frozen=True, gc=False):
    """Candles from outside the feed: series and candles that came, series that did not."""

    series: int
    candles: int
    failed: int
    last_fault: str | None
    ts: int | None


class WatchView(msgspec.Struct, frozen=True):
    """The whole. ``halts`` is None until the risk state said which are in force; ``packets`` counts
    ticks in each part of ``PART_S`` seconds, oldest first, the last part still growing; ``lags_ms``
    are the last measured lags of receiving."""

    incidents: tuple[IncidentView, ...]
    differences: tuple[DifferenceView, ...]
    comparisons: tuple[ReconciledView, ...]
    books: BooksView | None
    halts: tuple[str, ...] | None
    links: tuple[LinkView, ...]
    measures: tuple[MeasureView, ...]
    skews: tuple[SkewView, ...]
    login: LoginView | None
    history: HistoryView
    missed_ticks: int
    missed_ts: int | None
    packets: tuple[int, ...]
    lags_ms: tuple[int, ...]

    @property
    def reconciled(self) -> ReconciledView | None:
        """The last comparison."""
        return self.comparisons[-1] if self.comparisons else None

    def link(self, connection: int) -> LinkView | None:
        """What one connection went through."""
        return next((row for row in self.links if row.connection == connection), None)
