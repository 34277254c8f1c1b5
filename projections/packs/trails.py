"""For each order the chain that led to it: tick, snapshot, regime, gates, risk, approval, intent,
message, answer, fill.

Lives here: the joining of what ``book`` gathered, and the ticks behind it. May import: events,
projections. Always holds: a link is FOUND with its entries, NOT_ASKED with the reason why this
order has none, or MISSING; nothing is guessed: what only a broken journal lacks is MISSING.
Start reading at ``trails_of``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from events import broker, decision, feed, market, orders, session
from events.reasons import STAGES
from events.wire import kite
from projections.packs.book import ENTRY_DIGITS, Approved, Book
from projections.packs.entries import Item

FOUND: Final = "FOUND"
NOT_ASKED: Final = "NOT_ASKED"
MISSING: Final = "MISSING"

LINKS: Final = (
    "tick", "snapshot", "regime", "gates", "risk", "approval", "intent", "message", "answer",
    "life", "fill",
)  # fmt: skip
"""The links of a chain, in order."""

RATE_CEILING: Final = 8
"""Order messages of an account in any rolling second: the ceiling in code."""

SECOND_NS: Final = 1_000_000_000
_ENTERING: Final = ("ENTRY", "SHORT")
_EXTERNAL: Final = "EXTERNAL"
_TO_BROKER: Final = "broker"
_ENDED: Final = ("FILLED", "CANCELLED", "REJECTED")

Events = Iterable[Item]
Source = Callable[[], Events]
"""Gives the session's entries from the first; called twice."""


class Tick(msgspec.Struct, frozen=True):
    """A tick of an instrument: its frame, its place there, and the packet's fields."""

    frame: Item
    idx: int
    instrument: int
    packet: kite.Tick


class Link(msgspec.Struct, frozen=True):
    """One link. ``why`` says why there is none, or what is notable of one that is there."""

    name: str
    status: str
    why: str | None
    items: tuple[Item, ...] = ()
    ticks: tuple[Tick, ...] = ()

    @property
    def begins(self) -> int:
        """The seq of its first entry."""
        return min(self._seqs)

    @property
    def ends(self) -> int:
        """The seq of its last entry."""
        return max(self._seqs)

    @property
    def _seqs(self) -> list[int]:
        return [one.seq for one in self.items] + [one.frame.seq for one in self.ticks]


class OrderTrail(msgspec.Struct, frozen=True):
    """An order with its links, all of ``LINKS`` in order.

    ``allowed_ts`` (ns UTC) is when it was allowed, or first told of. ``message_rates`` are (message
    number, order messages that left in the second up to and with it, on the session clock),
    ``config_changes`` the settings changed in the session until then.
    """

    order_id: str
    allowed_ts: int
    role: str
    authority: str
    strategy_id: str | None
    instrument: session.Instrument | None
    last: orders.OrderChanged | None
    messages: tuple[broker.OrderSendStarted, ...]
    message_rates: tuple[tuple[int, int], ...]
    fills: tuple[orders.FillApplied, ...]
    approver: str | None
    config_changes: tuple[Item, ...]
    links: tuple[Link, ...]

    @property
    def missing(self) -> tuple[Link, ...]:
        """The links that break the chain."""
        return tuple(link for link in self.links if link.status == MISSING)


class SessionTrails(msgspec.Struct, frozen=True):
    """All orders of a session in the order of their first entry."""

    opened: Item
    trails: tuple[OrderTrail, ...]

    @property
    def broken(self) -> tuple[OrderTrail, ...]:
        return tuple(one for one in self.trails if one.missing)


def trails_of(source: Source) -> SessionTrails | None:
    """The chain of every order of a session; None where it never opened.

    Two walks: the orders, then the ticks behind them. Raises ``events.registry``'s errors.
    """
    book = Book()
    for item in source():
        book.add(item)
    if book.opened is None:
        return None
    drafts = [_Draft(book, order_id) for order_id in book.seen]
    _find_ticks(book, drafts, source)
    return SessionTrails(book.opened, tuple(draft.trail() for draft in drafts))


# --- joining -------------------------------------------------------------------------------------


def _found(name: str, *items: Item, why: str | None = None) -> Link:
    return Link(name, FOUND, why, items)


def _missing(name: str, why: str, *items: Item) -> Link:
    return Link(name, MISSING, why, items)


def _not_asked(name: str, why: str, *items: Item) -> Link:
    return Link(name, NOT_ASKED, why, items)


FOLLOWS: Final = (
    ("tick", "intent"), ("snapshot", "intent"), ("regime", "intent"), ("gates", "intent"),
    ("risk", "intent"), ("intent", "message"), ("message", "answer"), ("intent", "life"),
    ("intent", "fill"),
)  # fmt: skip
"""Links of which the second can only come behind the first."""


def in_order(links: tuple[Link, ...]) -> tuple[Link, ...]:
    """The links, one that stands in the journal before what it follows from as MISSING."""
    by_name = {link.name: link for link in links}
    for first, second in FOLLOWS:
        earlier, later = by_name[first], by_name[second]
        if later.items and later.items[-1].envelope.kind == "CarriedOver":
            continue  # what allowed it lies in the session before, and so before all here
        if earlier.status == later.status == FOUND and earlier.begins >= later.ends:
            why = f"stands at seq {later.ends}, before its {first} at seq {earlier.begins}"
            by_name[second] = _missing(second, why, *later.items)
    return tuple(by_name[link.name] for link in links)


class _Draft:
    """One order while its links are joined."""

    def __init__(self, book: Book, order_id: str) -> None:
        self.book = book
        self.order_id = order_id
        self.changes = book.changes[order_id]
        self.started = tuple(book.started[order_id])
        self.messages: tuple[broker.OrderSendStarted, ...] = tuple(
            one.event  # type: ignore[misc]
            for one in self.started
        )
        first: Any = self.changes[0].event if self.changes else None
        self.last: orders.OrderChanged | None = (
            self.changes[-1].event if self.changes else None  # type: ignore[assignment]
        )
        self.authority = first.authority if first else self._sent("authority") or order_id
        self.allowed = book.allowed.get(self.authority)
        self.stood = self.allowed or book.seen[order_id]
        self.allowing: Any = self.allowed.item.event if self.allowed else None
        self.role = first.role if first else self._role()
        self.contract = self._contract(first)
        self.underlying = self._underlying()
        self.ticks: list[Tick] = []

    def _sent(self, field: str) -> Any:
        return getattr(self.messages[0], field) if self.messages else None

    def _role(self) -> str:
        """Of an order that only its messages tell of."""
        return "EXIT" if isinstance(self.allowing, orders.ExitSignalled) else "ENTRY"

    def _contract(self, first: orders.OrderChanged | None) -> int | None:
        if first is not None:
            return first.contract
        contract = getattr(self.allowing, "contract", None)
        return contract if isinstance(contract, int) else None

    @property
    def entering(self) -> bool:
        return self.role in _ENTERING

    @property
    def instrument(self) -> session.Instrument | None:
        rows = self.book.instruments
        inside = self.contract is not None and 0 <= self.contract < len(rows)
        return rows[self.contract] if inside and self.contract is not None else None

    def _underlying(self) -> str:
        said = getattr(self.allowing, "underlying", None)
        if isinstance(said, str):
            return said
        return self.instrument.underlying if self.instrument else ""

    @property
    def opened(self) -> session.SessionOpened:
        assert self.book.opened is not None
        event = self.book.opened.event
        assert isinstance(event, session.SessionOpened)
        return event

    @property
    def to_broker(self) -> bool:
        """As ``engine.orders.route`` has it: LIVE always, SIM where its setting says so."""
        routed = self.stood.settings.get("orders.sim_route") == _TO_BROKER
        return self.opened.mode == "LIVE" or (self.opened.mode == "SIM" and routed)

    def trail(self) -> OrderTrail:
        """All links joined."""
        if self.role == _EXTERNAL:
            links = self._adopted()
        else:
            links = in_order(tuple(getattr(self, f"_{name}")() for name in LINKS))
        return OrderTrail(
            self.order_id,
            self.stood.item.envelope.ts,
            self.role,
            self.authority,
            self._strategy(),
            self.instrument,
            self.last,
            self.messages,
            self._rates(),
            tuple(one.event for one, _ in self.book.fills[self.order_id]),  # type: ignore[misc]
            self._approver(),
            self.stood.configs,
            links,
        )

    def _strategy(self) -> str | None:
        said: str | None = getattr(self.allowing, "strategy_id", None) or self._sent("strategy_id")
        if said is None and isinstance(self.allowing, orders.ExitSignalled):
            entry = self._entry()
            said = getattr(entry.item.event, "strategy_id", None) if entry else None
        return said

    def _rates(self) -> tuple[tuple[int, int], ...]:
        sent = [one for several in self.book.started.values() for one in several]
        rates = []
        for item, event in zip(self.started, self.messages, strict=True):
            since = item.envelope.ts - SECOND_NS
            within = [one for one in sent if one.seq <= item.seq and one.envelope.ts > since]
            rates.append((event.message_no, len(within)))
        return tuple(rates)

    def _approver(self) -> str | None:
        said = next((one.approver for one in self.messages if one.approver), None)
        used: Any = self.book.used.get(self.authority[:ENTRY_DIGITS])
        return said or (used.event.who if used is not None and self.entering else None)

    def _adopted(self) -> tuple[Link, ...]:
        """An order of somebody else at the same broker: what told of it is all that there is."""
        why = "adopted: another hand placed it at the broker; this engine sent nothing"
        links = {name: _not_asked(name, why) for name in LINKS}
        told = self.stood.fact
        links["answer"] = _found("answer", told, why=f"told by seq {told.seq}")
        links["life"] = self._life()
        links["fill"] = self._fill()
        return tuple(links[name] for name in LINKS)

    # -- what was known ------------------------------------------------------------------------

    @property
    def decided_seq(self) -> int:
        """The entry at which the order was allowed; ticks up to here were known."""
        return self.stood.item.seq

    def _tick(self) -> Link:
        if self.ticks:
            return Link("tick", FOUND, None, (), tuple(self.ticks))
        why = "no frame before the decision holds a tick of the contract"
        return _missing("tick", why) if self.entering else _not_asked("tick", why)

    def _gates_item(self) -> Item | None:
        return self.stood.group.get(getattr(self.allowing, "gates_seq", 0))

    def _snapshot(self) -> Link:
        if self.entering:
            gates: Any = self._gates_item()
            seq = gates.event.snapshot_seq if gates else None
            item = self.stood.group.get(seq) if seq else None
            if item is None or item.envelope.kind != "SnapshotTaken":
                return _missing("snapshot", f"no SnapshotTaken at seq {seq} that the gates name")
            return _found("snapshot", item)
        for item in self.stood.cycle:
            event = item.event
            if isinstance(event, market.SnapshotTaken) and event.underlying == self.underlying:
                return _found("snapshot", item, why="the last before the exit")
        return _not_asked("snapshot", "an exit rule needs none, and none was taken before")

    def _regime(self) -> Link:
        item = self.stood.regimes.get(self.underlying)
        if item is not None:
            return _found("regime", item)
        if self.entering:
            return _missing("regime", f"no RegimeAssessed of {self.underlying} before the decision")
        return _not_asked("regime", "an exit rule needs none, and none was assessed before")

    def _gates(self) -> Link:
        if not self.entering:
            return _not_asked("gates", "an exit depends on no entry gate")
        item = self._gates_item()
        if item is None:
            seq = getattr(self.allowing, "gates_seq", None)
            return _missing("gates", f"no GatesEvaluated at seq {seq} that the intent names")
        event: Any = item.event
        stages = tuple(one.stage for one in event.official)
        refused = [one.stage for one in event.official if one.verdict != "PASS"]
        if stages != STAGES or refused:
            return _missing("gates", f"not all stages passed: {refused or stages}", item)
        made = [
            one
            for one in self.stood.group.values()
            if isinstance(one.event, decision.DecisionMade) and one.event.gates_seq == item.seq
        ]
        if not made:
            return _missing("gates", "no DecisionMade names these gates", item)
        if any(getattr(one.event, "outcome", None) != "TRADE" for one in made):
            return _missing("gates", "the decision was not to trade", item, *made)
        return _found("gates", item, *made)

    def _risk(self) -> Link:
        if self.stood.risk is None:
            return _missing("risk", "no RiskStateChanged before the order was allowed")
        return _found("risk", self.stood.risk)

    # -- who allowed it ------------------------------------------------------------------------

    def _approval(self) -> Link:
        if not self.entering:
            why = "an exit waits for no approval"
            return _not_asked("approval", why, *self._by_command())
        required = self.stood.settings.get("approval.required") is True
        used = self.book.used.get(self.authority[:ENTRY_DIGITS])
        if used is None:
            if self.opened.mode != "LIVE" and not required:
                return _not_asked("approval", f"this {self.opened.mode} session asks no person")
            return _missing("approval", "no ApprovalClosed names the intent")
        request_id = getattr(used.event, "request_id", "")
        asked, command = self.book.requests.get(request_id), self.book.commands.get(request_id)
        if asked is None:
            return _missing("approval", f"no ApprovalRequested {request_id}", used)
        if command is None or not asked.seq < command.seq < used.seq:
            return _missing("approval", f"no command approved {request_id}", asked, used)
        return _found("approval", asked, command, used)

    def _by_command(self) -> tuple[Item, ...]:
        fact = self.stood.fact
        return (fact,) if fact.envelope.kind == "OperatorCommand" else ()

    def _entry(self) -> Approved | None:
        """What allowed the position that an exit closes; None where that is in no entry here."""
        position = getattr(self.allowing, "position_id", "")
        return self.book.allowed.get(self.book.entry_of.get(position, position))

    def _intent(self) -> Link:
        if self.allowed is None:
            carried = self._carried()
            if carried is not None:
                return _found("intent", carried, why="allowed in the session before")
            return _missing("intent", f"nothing here allows {self.authority}")
        if self.entering:
            return _found("intent", self.allowed.item)
        entry = self._entry()
        if entry is not None:
            return _found("intent", entry.item, self.allowed.item)
        position = getattr(self.allowing, "position_id", "")
        carried = self._carried_position(position)
        if carried is not None:
            return _found(
                "intent", carried, self.allowed.item, why="the entry is in the session before"
            )
        return _missing("intent", f"no entry of position {position}", self.allowed.item)

    def _carried(self) -> Item | None:
        item = self.book.carried
        known = item.event.unknown_orders if item is not None else ()  # type: ignore[attr-defined]
        return item if any(one.order_id == self.order_id for one in known) else None

    def _carried_position(self, position_id: str) -> Item | None:
        item = self.book.carried
        known = item.event.positions if item is not None else ()  # type: ignore[attr-defined]
        return item if any(one.position_id == position_id for one in known) else None

    # -- what was sent, and what came back -------------------------------------------------------

    @property
    def _unsent(self) -> str | None:
        """Why nothing was sent, where nothing had to be."""
        if not self.to_broker:
            return f"a {self.opened.mode} session fills on paper: no message left this machine"
        if self._carried() is not None:
            return "sent in the session before"
        last = self.last
        heard = self.order_id in self.book.answered or self._told()
        if last is None or last.filled_units or heard:
            return None
        if last.status in _ENDED:
            return f"ended {last.status} ({last.reason}) before a message left"
        return f"stands as {last.status} ({last.reason}): no message had left"

    def _message(self) -> Link:
        if not self.started:
            why = self._unsent
            return _not_asked("message", why) if why else _missing("message", "no OrderSendStarted")
        bad = [fault for one in self.messages for fault in self._faults(one)]
        if bad:
            return _missing("message", "; ".join(bad), *self.started)
        return _found("message", *self.started)

    def _faults(self, sent: broker.OrderSendStarted) -> list[str]:
        """What a message lacks that the audit needs."""
        opened, number = self.opened, sent.message_no
        checks = (
            (sent.tag == self.authority, "bears another tag than what allows it"),
            (sent.code_digest == opened.code_digest, "names other code"),
            (sent.settings_digest == opened.settings_digest, "names other settings"),
            (opened.mode != "LIVE" or bool(sent.egress), "does not say from which address"),
        )
        return [f"message {number} {said}" for good, said in checks if not good]

    def _told(self) -> tuple[Item, ...]:
        """Reports and lookups that are about this order."""
        ids = {
            getattr(self.book.results[one.message_no].event, "broker_order_id", None)
            for one in self.messages
            if one.message_no in self.book.results
        } - {None}
        reports = [
            (item, report)
            for item, report in self.book.reports
            if report.broker_order_id in ids or self.authority in report.tags
        ]
        return (*_news(reports), *_news(_lookups(self.book.lookups[self.order_id])))

    def _answer(self) -> Link:
        if not self.started:
            why = self._unsent or "no message, so no answer"
            return _not_asked("answer", why)
        told = self._told()
        answers = tuple(
            self.book.results[one.message_no]
            for one in self.messages
            if one.message_no in self.book.results
        )
        items = tuple(sorted((*answers, *told), key=lambda one: one.seq))
        silent = [
            one.message_no for one in self.messages if one.message_no not in self.book.results
        ]
        if silent and not told:
            return _missing("answer", f"no OrderSendResult of messages {silent}", *items)
        why = f"messages {silent} were never answered; reports tell what became of them"
        return _found("answer", *items, why=why if silent else None)

    def _life(self) -> Link:
        if not self.changes:
            return _missing("life", "no OrderChanged tells what became of it")
        return _found("life", *self.changes)

    def _fill(self) -> Link:
        pairs = self.book.fills[self.order_id]
        units = sum(getattr(one.event, "quantity_units", 0) for one, _ in pairs)
        filled = self.last.filled_units if self.last else 0
        both = {one.seq: one for pair in pairs for one in pair}
        items = tuple(both[seq] for seq in sorted(both))
        if units != filled:
            why = f"fills of {units} units, but the order says {filled}"
            return _missing("fill", why, *items)
        if pairs:
            return _found("fill", *items)
        status = self.last.status if self.last else "UNKNOWN"
        return _not_asked("fill", f"nothing was filled: it stands as {status}")


def _news(told: Iterable[tuple[Item, object]]) -> Iterator[Item]:
    """Those that tell another thing than the one before: a resting order is looked for every few
    seconds, and stands in every book."""
    before: object = None
    for item, what in told:
        if what != before:
            yield item
        before = what


def _lookups(items: list[Item]) -> Iterator[tuple[Item, object]]:
    for item in items:
        event: Any = item.event
        yield item, (event.outcome, event.report, event.fault)


# --- ticks ---------------------------------------------------------------------------------------


def _find_ticks(book: Book, drafts: list[_Draft], source: Source) -> None:
    """The second walk: the last tick of each order's contract, and of its underlying's index,
    before the order was allowed. Only frames that hold a wanted token's bytes are taken apart."""
    wanted: dict[bytes, tuple[int, list[_Draft]]] = {}
    for draft in drafts:
        for place in _places(book, draft):
            token = book.instruments[place].token.to_bytes(4, "big")
            wanted.setdefault(token, (place, []))[1].append(draft)
    if not wanted:
        return
    end = max(draft.decided_seq for _, waiting in wanted.values() for draft in waiting)
    last: dict[bytes, Item] = {}
    ends = sorted({draft.decided_seq for draft in drafts})
    for item in source():
        while ends and item.seq >= ends[0]:
            _settle(ends.pop(0), wanted, last)
        if item.seq >= end:
            return
        if item.envelope.kind == "FeedFrame":
            for token in wanted:
                if token in item.data:
                    last[token] = _nearest(token, item, last)


def _places(book: Book, draft: _Draft) -> list[int]:
    """The order's contract, then the index of its underlying, by place in the instruments."""
    if draft.instrument is None or draft.contract is None:
        return []
    index = [
        place
        for place, row in enumerate(book.instruments)
        if row.kind == "INDEX" and row.underlying == draft.underlying
    ]
    return [draft.contract, *index[:1]]


def _nearest(token: bytes, item: Item, last: dict[bytes, Item]) -> Item:
    """This frame where it holds a packet of the token, else the one before: the same four bytes
    may stand anywhere in a frame."""
    return item if _tick_in(token, item, 0) is not None else last.get(token, item)


def _tick_in(token: bytes, item: Item, place: int) -> Tick | None:
    frame = item.event
    if not isinstance(frame, feed.FeedFrame) or frame.codec != kite.CODEC_NAME:
        return None
    try:
        spans = kite.packet_spans(frame.data)
    except kite.FrameError:
        return None
    for idx in range(len(spans) - 1, -1, -1):
        at, size = spans[idx]
        if frame.data[at : at + 4] == token:
            return Tick(item, idx, place, kite.decode_packet(frame.data[at : at + size]))
    return None


def _settle(
    seq: int, wanted: dict[bytes, tuple[int, list[_Draft]]], last: dict[bytes, Item]
) -> None:
    """Hand the ticks to the orders that were allowed at ``seq``."""
    for token, (place, waiting) in wanted.items():
        item = last.get(token)
        tick = _tick_in(token, item, place) if item is not None else None
        for draft in waiting:
            if draft.decided_seq == seq and tick is not None:
                own = place == draft.contract
                draft.ticks.insert(0 if own else len(draft.ticks), tick)
