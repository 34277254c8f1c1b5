"""The first divergence: 200 planted faults found to the field, each with the packets behind it."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
from msgspec.structs import replace

from engine.apply import Entry
from engine.config import flatten
from engine.runner import own_code_digest
from events.base import Event
from events.decision import ContractsScreened, DecisionMade, GatesEvaluated
from events.feed import FeedFrame
from events.market import BarClosed, InstrumentsGated, SnapshotTaken
from events.orders import FillApplied, OrderChanged, RiskStateChanged
from events.registry import SPECS, schema_digest
from events.session import InstrumentsLoaded, SessionOpened, Setting
from events.wire.kite import encode_frame, encode_ltp, packet_at
from replay.divergence import (
    LED_BY,
    Divergence,
    Link,
    _led_by,
    changed_settings,
    first_field,
    makings_of,
    packet_of,
    recorded_makings,
)
from replay.session import replay_session
from tests.engine.fabricated import frame_of, relaxed
from tests.replay.journals import (
    Line,
    bare,
    cause_of,
    changed,
    lines,
    plant,
    put,
    record,
    short_run,
    where,
)

PLANTS = 200
SLICE = 48
"""Of the planted faults, those of ``make test``; the slow test runs every one."""


def planted(seed: int, given: list[Line], folder: Path) -> Divergence:
    """Plant the fault of a seed, replay, and check that exactly it is found."""
    kinds = sorted({line.kind for line in given if not line.fact})
    chance = Random(seed)
    place = chance.choice(where(kinds[seed % len(kinds)], given))
    line = given[place]
    fault = plant(line.event, place + 1, chance)
    assert fault is not None, line.kind
    report = replay_session(record(folder, changed(given, place, fault.event)))
    assert (report.outcome, report.identical) == ("diverged", False), f"seed {seed}"
    assert bare(report.first_divergence) == Divergence(
        fault.seq, line.kind, fault.field, fault.recorded, fault.replayed, cause_of(given, place)
    ), f"seed {seed}"
    assert report.digest != report.recorded_digest
    assert report.first_divergence is not None
    return report.first_divergence


def found_of(seeds: range, folder: Path) -> Counter[str]:
    """Plant the faults of these seeds one by one; how many of each kind were found."""
    given = lines()
    kinds: Counter[str] = Counter()
    fields: set[tuple[str, str]] = set()
    for seed in seeds:
        first = planted(seed, given, folder / str(seed))
        check_chain(first, given)
        kinds[first.kind] += 1
        fields.add((first.kind, first.field))
    assert len(fields) > len(seeds) // 2, "the faults are spread over kinds and fields"
    assert set(kinds) == {line.kind for line in given if not line.fact}
    sys.stdout.write(f"{len(seeds)} faults in {len(fields)} fields, all found: {dict(kinds)}\n")
    return kinds


def test_a_changed_field_is_located_exactly(tmp_path: Path) -> None:
    """Seeded faults in one field of one derivation, the chain made anew: seq, kind, dotted field,
    both values, the fact, and back to the packets (a slice)."""
    assert found_of(range(SLICE), tmp_path).total() == SLICE


@pytest.mark.slow
def test_200_changed_fields_are_located_exactly(tmp_path: Path) -> None:
    """All 200 seeded faults in one field of one derivation, each located exactly."""
    assert found_of(range(PLANTS), tmp_path).total() == PLANTS


def check_chain(first: Divergence, given: list[Line]) -> None:
    """What holds for the chain of any difference, told from the journal's entries alone."""
    chain = first.chain
    assert (chain[0].seq, chain[0].kind) == (first.seq, first.kind)
    assert [link.seq for link in chain] == sorted((link.seq for link in chain), reverse=True)
    fact = next(link for link in chain if link.seq <= first.cause)
    assert fact.seq == first.cause
    for link in chain:
        line = given[link.seq - 1]
        assert (link.kind, link.ts) == (line.kind, line.ts)
        assert (link.instrument is None) == (link.packet is None)
        if link.packet is not None:
            bars = first.kind in ("BarClosed", "RegimeAssessed", "DayTypeAssessed")
            limit = first.cause - 1 if bars else first.seq
            token = tokens(given)[link.instrument or ""]
            assert (link.seq, link.packet) == last_packet(given, token, limit), first


def tokens(given: list[Line]) -> dict[str, int]:
    loaded = given[where("InstrumentsLoaded", given)[0]].event
    assert isinstance(loaded, InstrumentsLoaded)
    return {row.tradingsymbol: row.token for row in loaded.rows}


def last_packet(given: list[Line], token: int, limit: int) -> tuple[int, int]:
    """(seq, place) of the last packet of a token up to a seq, by looking at every frame."""
    found = (0, 0)
    for place, line in enumerate(given[:limit]):
        if isinstance(line.event, FeedFrame):
            data, packet = line.event.data, 0
            at = 2
            while at < len(data):
                size = int.from_bytes(data[at : at + 2], "big")
                if int.from_bytes(data[at + 2 : at + 6], "big") == token:
                    found = (place + 1, packet)
                at, packet = at + 2 + size, packet + 1
    return found


def test_canary_a_plant_changes_exactly_one_field() -> None:
    """Putting a value back where it stood gives the event itself; another value does not."""
    events = [line.event for line in lines() if not line.fact]
    for seed in range(200):
        event = events[seed * 7 % len(events)]
        fault = plant(event, 1, Random(seed))
        assert fault is not None
        assert fault.event != event
        assert first_field(fault.event, event)[0] == fault.field
    snapshot = next(e for e in events if isinstance(e, SnapshotTaken) and e.expiries)
    assert put(snapshot, "expiries[0].expiry", snapshot.expiries[0].expiry) == snapshot


# --- the chain -----------------------------------------------------------------------------------


def chain_after(tmp_path: Path, place: int, **fields: Any) -> tuple[Link, ...]:
    """The chain behind a change of some fields of the event at a place."""
    given = lines()
    other = replace(given[place].event, **fields)
    first = replay_session(record(tmp_path / "s", changed(given, place, other))).first_divergence
    assert first is not None
    check_chain(first, given)
    return first.chain


def said(chain: tuple[Link, ...]) -> list[str]:
    return [f"{link.kind} {link.instrument}" if link.instrument else link.kind for link in chain]


def placed(kind: type[Event], **having: Any) -> int:
    """The place of the last event of a kind with these values."""
    return max(
        place
        for place, line in enumerate(lines())
        if isinstance(line.event, kind)
        and all(getattr(line.event, name) == value for name, value in having.items())
    )


def test_a_decision_goes_back_to_the_print_of_its_underlying(tmp_path: Path) -> None:
    """Through its gates, its screening and its snapshot to the tick, and to the index's packet."""
    place = placed(DecisionMade, outcome="NO_TRADE")
    chain = said(chain_after(tmp_path, place, reason="X"))
    inner = ["GatesEvaluated", "ContractsScreened", "SnapshotTaken", "TimerTick"]
    assert chain == ["DecisionMade", *inner, "FeedFrame NIFTY"]


def test_a_trade_goes_back_to_the_packet_of_its_contract(tmp_path: Path) -> None:
    """What names a contract rests on the contract's own packet."""
    given = lines()
    place = placed(DecisionMade, outcome="TRADE")
    trade = given[place].event
    assert isinstance(trade, DecisionMade)
    loaded = given[where("InstrumentsLoaded", given)[0]].event
    assert isinstance(loaded, InstrumentsLoaded)
    assert trade.contract is not None
    row = loaded.rows[trade.contract]
    last = chain_after(tmp_path, place, family="X")[-1]
    frame = given[last.seq - 1].event
    assert isinstance(frame, FeedFrame)
    assert last.instrument == row.tradingsymbol
    assert packet_at(frame.data, last.packet or 0)[:4] == row.token.to_bytes(4, "big")
    assert packet_of(frame, row.token) == last.packet
    assert packet_of(frame, 1) is None


def test_the_account_goes_back_to_the_fill_and_its_quote(tmp_path: Path) -> None:
    """The risk after a fill: position, fill, and the very frame, said once, with its packet."""
    place = placed(RiskStateChanged, reason="RISK_ENTRY_FILLED")
    chain = chain_after(tmp_path, place, trades_today=99)
    kinds = [link.kind for link in chain]
    assert kinds == ["RiskStateChanged", "PositionChanged", "FillApplied", "FeedFrame"]
    assert chain[-1].packet is not None
    order = said(chain_after(tmp_path / "o", placed(OrderChanged, status="FILLED"), role="X"))
    assert order[:2] == ["OrderChanged", "FillApplied"]
    fill = lines()[placed(FillApplied)].event
    assert isinstance(fill, FillApplied)
    assert chain_after(tmp_path / "f", placed(FillApplied), price_paise=1)[-1].seq == fill.quote_seq


@pytest.mark.parametrize(
    ("field", "instruments"),
    [("future_paise", {"NIFTYFUT"}), ("vix_paise", {"INDIA VIX"}), ("spot_paise", {"NIFTY"}),
     ("bars_done", {"NIFTY"})],
)  # fmt: skip
def test_a_field_of_a_snapshot_goes_back_to_its_own_instrument(
    tmp_path: Path, field: str, instruments: set[str]
) -> None:
    """The future's price comes from the future's packet, and so on."""
    chain = chain_after(tmp_path, where("SnapshotTaken", lines())[9], **{field: 7})
    assert {link.instrument for link in chain if link.instrument} == instruments


def test_an_expiry_goes_back_to_the_contracts_at_the_money(tmp_path: Path) -> None:
    """Forward and volatility rest on the call and the put at the strike at the money."""
    place = where("SnapshotTaken", lines())[9]
    snapshot = lines()[place].event
    assert isinstance(snapshot, SnapshotTaken)
    strike = snapshot.expiries[0].atm_strike_paise
    assert strike is not None
    other = (replace(snapshot.expiries[0], forward_paise=1), *snapshot.expiries[1:])
    chain = chain_after(tmp_path, place, expiries=other)
    legs = {link.instrument for link in chain if link.instrument}
    assert legs == {f"NIFTY{strike // 100}CE", f"NIFTY{strike // 100}PE"}


def test_a_screened_contract_is_named_by_its_place(tmp_path: Path) -> None:
    """The mask at a place is that of the contract at the same place."""
    place = where("ContractsScreened", lines())[9]
    screened = lines()[place].event
    assert isinstance(screened, ContractsScreened)
    masks = (*screened.masks[:3], screened.masks[3] ^ 1, *screened.masks[4:])
    (packet,) = (one for one in chain_after(tmp_path, place, masks=masks) if one.instrument)
    loaded = lines()[where("InstrumentsLoaded", lines())[0]].event
    assert isinstance(loaded, InstrumentsLoaded)
    assert packet.instrument == loaded.rows[screened.contracts[3]].tradingsymbol


def test_a_bar_goes_back_to_the_last_packet_inside_it(tmp_path: Path) -> None:
    """Not to the frame that ended it, which holds the next bar's first tick."""
    place = placed(BarClosed, instrument=0)
    chain = chain_after(tmp_path, place, high_paise=1)
    assert said(chain)[-1] == "FeedFrame NIFTY"
    bar = lines()[place].event
    assert isinstance(bar, BarClosed)
    assert chain[-1].ts < bar.start_ts + bar.bar_ms * 1_000_000 <= lines()[chain[1].seq - 1].ts


def test_what_names_nothing_ends_at_its_fact(tmp_path: Path) -> None:
    """The minute's packed table and the day's summary rest on the whole state."""
    place = where("InstrumentsGated", lines())[2]
    table = lines()[place].event
    assert isinstance(table, InstrumentsGated)
    assert said(chain_after(tmp_path, place, bars_min=9)) == ["InstrumentsGated", "TimerTick"]
    place = where("SessionSummarised", lines())[0]
    assert said(chain_after(tmp_path / "s", place, cycles=9)) == [
        "SessionSummarised", "SessionClosed",
    ]  # fmt: skip


def test_a_derivation_that_nothing_led_to_has_a_chain_too(tmp_path: Path) -> None:
    """An extra one is followed back by what it says; a number that is none, nowhere."""
    given = lines()
    place = next(p for p in where("DecisionMade", given) if given[p + 1].fact)
    extra = given[place]
    assert isinstance(extra.event, DecisionMade)
    for contract, chain in ((None, 1), (10_000, 0)):
        line = extra._replace(event=replace(extra.event, contract=contract))
        folder = record(tmp_path / str(contract), [*given[: place + 1], line, *given[place + 1 :]])
        first = replay_session(folder).first_divergence
        assert first is not None
        assert said(first.chain)[:2] == ["DecisionMade", "GatesEvaluated"]
        gates = given[place - 1].event
        assert isinstance(gates, GatesEvaluated)
        assert len([one for one in first.chain if one.instrument]) >= chain


def test_of_two_packets_of_an_instrument_the_last_one_counts() -> None:
    """A frame may hold a token twice: what it said last is what was known after it. Where the walk
    of the frame fails there is no packet to name."""
    twice = encode_frame([encode_ltp(7, 100), encode_ltp(9, 500), encode_ltp(7, 101)])
    assert [packet_of(frame_of(twice), token) for token in (7, 9, 8)] == [2, 1, None]
    assert packet_of(frame_of(twice[:-1]), 7) is None


def test_another_order_s_fill_led_to_nothing_here() -> None:
    """Of two fills of one frame an order follows from its own: what speaks of another order is no
    link, though it is nearer."""
    entries = small_fills()
    fill, order = entries["FillApplied"], entries["OrderChanged"]
    other = replace(fill, seq=fill.seq + 1, event=replace(fill.event, order_id="another"))
    assert [link.seq for link in _led_by(order, (fill, other))] == [fill.seq]
    assert not list(_led_by(order, (other,)))


def small_fills() -> dict[str, Entry]:
    """The last fill of the short session and the change of its order."""
    entries = short_run().entries
    fill = next(e for e in reversed(entries) if e.kind == "FillApplied")
    ids = {getattr(e.event, "order_id", None): e for e in entries if e.kind == "OrderChanged"}
    assert isinstance(fill.event, FillApplied)
    return {"FillApplied": fill, "OrderChanged": ids[fill.event.order_id]}


def test_every_derivation_says_what_leads_to_it() -> None:
    """One row a kind, and what it names are kinds of derivation."""
    derivations = {spec.kind for spec in SPECS if spec.role == "DERIVATION"}
    assert set(LED_BY) == derivations
    assert {kind for kinds in LED_BY.values() for kind in kinds} <= derivations


# --- what the two sides were made of -------------------------------------------------------------


def opened_of(given: list[Line]) -> SessionOpened:
    event = given[0].event
    assert isinstance(event, SessionOpened)
    return event


def test_equal_code_and_settings_are_said_to_be_the_same(tmp_path: Path) -> None:
    """The report of any replay says what recorded the session and what replays it."""
    report = replay_session(record(tmp_path / "s", lines()))
    assert report.makings.same
    assert report.makings.code == (own_code_digest(),) * 2
    assert report.makings.schema == (schema_digest(),) * 2


def test_other_code_and_settings_are_named(tmp_path: Path) -> None:
    """Digests of both sides, and a setting that was not recorded at this release's default."""
    opened = opened_of(lines())
    kept = tuple(one for one in opened.settings if one.key != "plan.hold_s_max")
    other = replace(opened, code_digest="0" * 64, schema_digest="1" * 64, settings=kept)
    makings = replay_session(record(tmp_path / "s", changed(lines(), 0, other))).makings
    assert makings.code == ("0" * 64, own_code_digest())
    assert makings.schema == ("1" * 64, schema_digest())
    assert makings.settings == ("plan.hold_s_max: (absent) -> 5400",)
    assert not makings.same
    assert recorded_makings(other) == makings


def test_two_sessions_are_compared_by_what_they_record() -> None:
    """The settings of one beside those of the other."""
    first = opened_of(lines())
    second = replace(first, settings=flatten(relaxed(risk={"lots_max": 9})))
    assert makings_of(first, first).same
    assert "risk.lots_max: 5 -> 9" in makings_of(first, second).settings


def test_a_setting_differs_by_its_bytes() -> None:
    """1 is not true, and what only one side has is absent on the other."""
    before, after = (Setting("a", 1), Setting("b", 2)), (Setting("a", True), Setting("c", 2))
    assert changed_settings(before, after) == (
        "a: 1 -> True",
        "b: 2 -> (absent)",
        "c: (absent) -> 2",
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "answer"),
    [
        ((1, 2), (1, 3), ("[1]", 2, 3)),
        ((1,), (1, 3), (".length", 1, 2)),
        (1, 1.0, ("", 1, 1.0)),
        (True, 1, ("", True, 1)),
        (b"\x00", b"\x01", ("", "00", "01")),
        (None, 0, ("", None, 0)),
    ],
)
def test_values_differ_by_their_bytes(
    ours: Any, theirs: Any, answer: tuple[object, object, object]
) -> None:
    """One is not one point nought and not true; bytes are shown as hex."""
    found = first_field(ours, theirs)
    assert found == answer
    assert [type(one) for one in found] == [type(one) for one in answer]
