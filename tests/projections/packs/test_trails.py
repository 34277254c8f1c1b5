"""projections/packs/trails.py: every order's chain is whole, and a missing link is named."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from engine.strategies import defined_risk, routing
from engine.strategies.routing import Route
from events import orders
from events.envelope import decode_envelope, encode_envelope
from projections.packs.entries import Item
from projections.packs.trails import (
    FOLLOWS,
    FOUND,
    LINKS,
    MISSING,
    NOT_ASKED,
    Link,
    OrderTrail,
    SessionTrails,
    in_order,
    trails_of,
)
from tests.engine.orders.world import GOOD, WIRES, Wire
from tests.projections.packs.desk import ADDRESS, ALGO, APPROVER, AtABroker, items
from tests.projections.packs.worlds import journal_of


def _trails(*without: str) -> SessionTrails:
    found = trails_of(lambda: items(*without))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def whole() -> SessionTrails:
    """The chains of a session in which nothing is missing."""
    return _trails()


def _states(trail: OrderTrail) -> dict[str, str]:
    return {link.name: link.status for link in trail.links}


def test_every_order_has_all_of_its_links(whole: SessionTrails) -> None:
    """Completeness is 100 %: of an entry each link is found, of an exit all that an exit has."""
    maker = AtABroker()
    said = [decode_envelope(data).kind for _, data in maker.entries()]
    assert len(whole.trails) == maker.messages == said.count("FillApplied") >= 6
    assert whole.broken == ()
    for trail in whole.trails:
        assert [link.name for link in trail.links] == list(LINKS)
        states = _states(trail)
        if trail.role == "ENTRY":
            assert set(states.values()) == {FOUND}
        else:
            asked = {name for name, state in states.items() if state == NOT_ASKED}
            assert asked - {"snapshot"} == {"gates", "approval"}


def test_links_are_the_order_s_own(whole: SessionTrails) -> None:
    """Gates, snapshot and decision are those that the intent names; the tick is of its contract,
    from before the decision; message and fill bear its id."""
    for trail in whole.trails:
        links = {link.name: link for link in trail.links}
        if trail.role != "ENTRY":
            continue
        intent: Any = links["intent"].items[0].event
        gates, made = links["gates"].items
        assert intent.gates_seq == gates.seq
        decided: Any = made.event
        assert (decided.outcome, decided.intent_id) == ("TRADE", trail.authority)
        judged: Any = gates.event
        assert judged.snapshot_seq == links["snapshot"].items[0].seq
        tick = links["tick"].ticks[0]
        assert tick.frame.seq < gates.seq
        assert trail.instrument is not None
        assert tick.packet.token == trail.instrument.token
        told = [item.event for item in links["fill"].items]
        assert sum(getattr(one, "order_id", "") == trail.order_id for one in told) == 1
        regime: Any = links["regime"].items[0].event
        assert regime.underlying == intent.underlying


def test_what_the_audit_asks_for_is_told(whole: SessionTrails) -> None:
    """Tag, algo id, address, approver, and the rate at each message."""
    entry = next(one for one in whole.trails if one.role == "ENTRY")
    (message,) = entry.messages
    assert (message.tag, message.algo_id, message.egress) == (entry.authority, ALGO, ADDRESS)
    assert entry.approver == APPROVER
    assert entry.message_rates == ((message.message_no, message.message_no),)
    # The entry and its exit leave at one instant in this session: the second message sees both.
    assert whole.trails[1].message_rates == ((2, 2),)


CUT = {
    "SnapshotTaken": "snapshot",
    "RegimeAssessed": "regime",
    "GatesEvaluated": "gates",
    "DecisionMade": "gates",
    "RiskStateChanged": "risk",
    "ApprovalRequested": "approval",
    "OperatorCommand": "approval",
    "ApprovalClosed": "approval",
    "IntentApproved": "intent",
    "OrderSendStarted": "message",
    "FillApplied": "fill",
    "FeedFrame": "tick",
}


@pytest.mark.parametrize(("kind", "link"), CUT.items(), ids=CUT)
def test_a_removed_link_is_found_missing(kind: str, link: str) -> None:
    """The canary: where a kind was never said, chains are broken, and they say where."""
    found = _trails(kind)
    assert found.broken
    entry = next(one for one in found.broken if one.role == "ENTRY")
    missing = {one.name: one.why for one in entry.missing}
    assert link in missing
    assert missing[link]


@pytest.mark.parametrize(("first", "second"), FOLLOWS)
def test_a_link_before_what_it_follows_from_is_broken(
    whole: SessionTrails, first: str, second: str
) -> None:
    """Entries that are all there and stand in the wrong order: the later link is missing."""
    entry = next(one for one in whole.trails if one.role == "ENTRY")
    assert in_order(entry.links) == entry.links
    late = Item(replace(entry.links[0].ticks[0].frame.envelope, seq=10**9), b"")
    turned = tuple(
        Link(link.name, link.status, None, (late,)) if link.name == first else link
        for link in entry.links
    )
    why = {link.name: link.why or "" for link in in_order(turned) if link.status == MISSING}
    assert f"before its {first} at seq {10**9}" in why[second]


def test_settings_changed_before_go_with_the_order(whole: SessionTrails) -> None:
    """The digest is of what the session began with; what was changed since stands beside it."""
    for trail in whole.trails:
        (change,) = trail.config_changes
        assert change.envelope.kind == "ConfigChanged"
        assert change.envelope.ts <= trail.allowed_ts


def test_a_message_without_an_answer_or_a_report_is_broken() -> None:
    """Reports alone are an answer; neither is none."""
    assert _trails("OrderSendResult").broken == ()
    assert {link.name for one in _trails("OrderSendResult", "BrokerUpdate").broken
            for link in one.missing} == {"answer"}  # fmt: skip


def _changed(change: Any) -> SessionTrails:
    """The session with some events exchanged for others."""

    def source() -> list[Item]:
        changed = []
        for item in items():
            event = change(item.event)
            one = item.envelope
            data = encode_envelope(one.seq, one.kind, one.version, one.ts, one.cause, event)
            changed.append(Item(decode_envelope(data), data))
        return changed

    found = trails_of(source)
    assert found is not None
    return found


FAULTS = {
    "other code": ("OrderSendStarted", {"code_digest": "d" * 64}, "message", "other code"),
    "no address": ("OrderSendStarted", {"egress": None}, "message", "from which address"),
    "tag": ("OrderSendStarted", {"tag": "X"}, "message", "another tag"),
    "fill": ("FillApplied", {"quantity_units": 74}, "fill", "fills of 74 units"),
    "decision": ("DecisionMade", {"outcome": "NO_TRADE"}, "gates", "not to trade"),
}


@pytest.mark.parametrize(("kind", "fields", "link", "why"), FAULTS.values(), ids=FAULTS)
def test_a_link_that_contradicts_is_broken(
    kind: str, fields: dict[str, Any], link: str, why: str
) -> None:
    """An entry is there and does not fit: the chain is broken, with what does not."""
    found = _changed(lambda one: replace(one, **fields) if type(one).__name__ == kind else one)
    missing = {one.name: one.why or "" for trail in found.broken for one in trail.missing}
    assert why in missing[link]


def test_an_order_of_somebody_else_needs_no_chain() -> None:
    """An adopted order is listed with the fact that told of it, and is not called broken."""

    def adopted(one: Any) -> Any:
        mine = isinstance(one, orders.OrderChanged) and one.role == "EXIT"
        return replace(one, role="EXTERNAL") if mine else one

    found = _changed(adopted)
    external = [one for one in found.trails if one.role == "EXTERNAL"]
    assert external
    assert not any(one.missing for one in external)
    assert _states(external[0])["message"] == NOT_ASKED


def test_a_journal_without_an_opening_has_no_orders() -> None:
    """None, not an empty answer: nothing can be said of it."""
    assert trails_of(lambda: items("SessionOpened")) is None


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
def test_whatever_the_wire_and_a_crash_do_each_chain_is_whole(wire: Wire) -> None:
    """Orders of the real core at the simulated exchange: messages lost, refused, unanswered, an
    engine that dies between start and answer. All complete, by whatever told of each."""
    orders_seen = 0
    for crash_at in (-1, 6, 9, 15, 20):
        for keep in (True, False):
            journal = journal_of(wires=(wire, GOOD), crash_at=crash_at, keep=keep)
            found = trails_of(lambda told=journal: told)  # type: ignore[misc]
            assert found is not None
            assert [(one.order_id, one.missing) for one in found.broken] == []
            orders_seen += len(found.trails)
    assert orders_seen >= 10


PAIRS = (
    ("defined_risk", "signal_milli_min", 0),
    ("defined_risk", "aligned", False),
    ("defined_risk", "width_bps", 60),
    ("defined_risk", "stop_bps", 3_000),
    ("plan", "hold_s_max", 125),
)


def test_both_legs_of_a_pair_have_their_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sold against an entry has the entry's gates, its cover the sale behind it."""
    for name in ("TREND", "RANGE", "RANGE_VOLATILE", "EVENT", "PANIC"):
        names = ("DEFINED_RISK",)
        monkeypatch.setitem(routing.BY_REGIME, name, Route(name, names, names, "FAMILY_EVENT"))
    monkeypatch.setattr(defined_risk, "FULL_PPM", 1.0)
    journal = journal_of(settings=PAIRS, pairs=True, flatten_ms=20_000)
    found = trails_of(lambda: journal)
    assert found is not None
    assert found.broken == ()
    roles = {one.role for one in found.trails}
    assert {"ENTRY", "SHORT", "COVER", "EXIT"} <= roles
    short = next(one for one in found.trails if one.role == "SHORT")
    assert _states(short)["gates"] == FOUND


def test_an_order_whose_entry_the_journal_lost_is_broken() -> None:
    """An engine that goes on from a copy of the journal made before the entry: the broker's books
    show orders that nothing here allows, and the pack says so."""
    journal = journal_of(restored=True, crash_at=20, flatten_ms=20_000)
    found = trails_of(lambda: journal)
    assert found is not None
    missing = {link.name for one in found.broken for link in one.missing}
    assert {"intent", "message"} <= missing


def test_what_an_earlier_session_began_leads_there() -> None:
    """The exit of a carried position, and an order whose end was not known: the chain goes back to
    what was carried over. A position that nobody knows breaks it."""

    def of_position(name: str) -> SessionTrails:
        return _changed(
            lambda one: (
                replace(one, position_id=name) if isinstance(one, orders.ExitSignalled) else one
            )
        )

    found = of_position("P0")
    exits = [one for one in found.trails if one.role == "EXIT"]
    for trail in exits:
        link = next(one for one in trail.links if one.name == "intent")
        assert (link.status, link.why) == (FOUND, "the entry is in the session before")
        assert link.items[0].envelope.kind == "CarriedOver"
    whys = {link.why for one in of_position("P9").broken for link in one.missing}
    assert whys == {"no entry of position P9"}


def test_an_order_that_was_sent_in_the_session_before() -> None:
    """It is told of here by its state alone: allowed and sent there, by what was carried over."""

    def renamed(one: Any) -> Any:
        if isinstance(one, orders.FillApplied) and one.order_id.startswith("OX"):
            return replace(one, order_id="O0")
        if isinstance(one, orders.OrderChanged) and one.role == "EXIT":
            return replace(one, order_id="O0", authority="I0")
        return one

    found = _changed(renamed)
    (trail,) = [one for one in found.trails if one.order_id == "O0"]
    states = _states(trail)
    assert (states["intent"], states["message"], states["answer"]) == (FOUND, NOT_ASKED, NOT_ASKED)
    why = {link.name: link.why for link in trail.links}
    assert why["message"] == "sent in the session before"
