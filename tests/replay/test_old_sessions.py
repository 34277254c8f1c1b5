"""J18: sessions that engines of earlier days recorded: other_engine, and the same answers for ever.

The journals under ``goldens/`` were written by the code of their day and never change:
``intent_approved_v1`` by bfb961a (its price at decision not kept yet), ``carried_over_v1`` by
4b1a804 (one pause for all underlyings; it begins inside a pause, after two trades of the day).
``answers.json`` holds what the contracts answer about them; run as a module, this prints it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from msgspec.structs import replace

import replay.session
from events.envelope import decode_envelope
from events.registry import PAST, shapes
from journal.reader import JournalReader
from journal.verify import verify_session
from projections.duck.projector import ensure_projection
from projections.duck.query import run_query
from replay.session import replay_session
from tests.replay.journals import Line, record

GOLDENS: Final = Path(__file__).parent / "goldens"
ANSWERS: Final = GOLDENS / "answers.json"

OLD: Final = {
    "intent_approved_v1": (
        ("IntentApproved", 1), "a9663ff45477",
        "435685d64976624ff6717b84527ed515c05806b79ccf4fded67381c5a708fc54",
        "ae04ef2137e7ead1600852f7b610e957fba2679df20bf16a936e2b661bfc2fb2",
    ),
    "carried_over_v1": (
        ("CarriedOver", 1), "2df84ad7bf6d",
        "295e37402d0cea5358afb74a5b4add1a5b85d5a3635d5a316f9b07f1ad3c505f",
        "ffc21abefc9bed2f75eb3368d8ef6f74085f98c79c5a00d94ded2c7eb5ab59b5",
    ),
}  # fmt: skip
"""The old version in it, the head of its code digest, its head hash, its recorded digest."""

VIEWS: Final = {
    "decisions": (
        "seq, ts, ts_ist, underlying, outcome, stage, reason, family, strategy_id, regime, "
        "day_type, cause"
    ),
    "gates": (
        "seq, decision_seq, underlying, stage, gate, verdict, reason, assumed, observed, "
        "limit_value, margin, age_ms"
    ),
    "intents": (
        "seq, ts, intent_id, underlying, strategy_id, contract, side, quantity_units, lots, "
        "limit_paise, reference_paise, stop_paise, target_paise, trail_paise, risk_paise, gates_seq"
    ),
    "orders": "seq, ts, order_id, authority, contract, side, status, reason, filled_units",
    "fills": "seq, ts, order_id, fill_no, contract, quantity_units, price_paise, charges_paise",
    "positions": "seq, ts, position_id, underlying, status, realised_paise, charges_paise",
    "carried_over": "seq, ts, day, realised_paise, charges_paise, trades_today, loss_streak",
}
"""The contracts that speak of what an old version may hold, and the columns that are pinned."""


@pytest.fixture(params=sorted(OLD))
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of an old session, alone in an empty place."""
    return Path(shutil.copytree(GOLDENS / str(request.param), tmp_path / str(request.param)))


def raw(folder: Path) -> Iterator[tuple[int, int, int, str, dict[str, Any]]]:
    """(seq, ts, cause, kind, fields) of every entry, as the shape of its own version names them."""
    known = shapes()
    with JournalReader(folder) as reader:
        for entry in reader:
            one = decode_envelope(entry.data)
            names = known[one.kind, one.version].__struct_fields__
            fields = dict(zip(names, msgspec.msgpack.decode(one.payload), strict=True))
            yield one.seq, one.ts, one.cause, one.kind, fields


def test_an_old_session_is_intact_and_holds_its_old_version(old: Path) -> None:
    """The golden is what was written that day, and the version it is kept for is in it."""
    version, _, head_hash, _ = OLD[old.name]
    report = verify_session(old)
    assert (report.ok, report.closed, report.head_hash) == (True, True, head_hash)
    with JournalReader(old) as reader:
        held = {(one.kind, one.version) for one in map(decode_envelope, datas(reader))}
    assert version in held
    assert version in PAST


def datas(reader: JournalReader) -> Iterator[bytes]:
    return (entry.data for entry in reader)


def test_it_is_other_code_and_no_alarm(old: Path) -> None:
    """Outcome other_engine, compared upcast, with its decision diff; the recorded digest is that
    of the day; no decision has changed since, and one that will needs this line and a reason."""
    _, code, _, digest = OLD[old.name]
    report = replay_session(old)
    assert (report.outcome, report.comparison) == ("other_engine", "upcast")
    assert report.recorded_digest == digest
    assert report.makings.code[0].startswith(code)
    assert report.makings.code[0] != report.makings.code[1]
    # Settings that came later are at their defaults, and said to be absent from that day.
    assert all(": (absent) -> " in line for line in report.makings.settings)
    assert report.decisions is not None
    assert report.decisions.count == 0


def test_canary_the_carried_pause_of_version_1_decided(tmp_path: Path) -> None:
    """Its one pause held both underlyings that day, so that no decision changed says that today's
    engine reads it so too."""
    paused = {
        fields["underlying"]
        for _, _, _, kind, fields in raw(GOLDENS / "carried_over_v1")
        if kind == "DecisionMade" and fields["reason"] == "COOLDOWN_ACTIVE"
    }
    assert paused == {"NIFTY", "BANKNIFTY"}


@pytest.mark.parametrize("name", sorted(OLD))
def test_canary_the_same_entries_under_equal_code_are_judged(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the code the same, a difference would be one: only the digest excuses it."""
    report = replay_session(GOLDENS / name)
    monkeypatch.setattr(replay.session, "own_code_digest", lambda: report.makings.code[0])
    again = replay_session(GOLDENS / name)
    assert again.outcome == ("identical" if report.identical else "diverged")
    assert (again.decisions, again.comparison) == (None, "upcast")


def test_canary_a_decision_of_an_old_session_that_says_something_else_is_listed(
    tmp_path: Path,
) -> None:
    """The decision diff is not empty by itself: one changed reason is in it."""
    given = list(events_of(GOLDENS / "intent_approved_v1"))
    place = next(p for p, line in enumerate(given) if line.kind == "DecisionMade")
    other: Any = given[place].event
    given[place] = given[place]._replace(event=replace(other, reason="WARMUP_INDICATORS"))
    report = replay_session(record(tmp_path / "s", given))
    assert report.outcome == "other_engine"
    assert report.decisions is not None
    (changed,) = report.decisions.reason_changed
    assert (changed.before_reason, changed.after_reason) == ("WARMUP_INDICATORS", other.reason)


def events_of(folder: Path) -> Iterator[Line]:
    """The entries in their recorded versions."""
    known = shapes()
    with JournalReader(folder) as reader:
        for entry in reader:
            one = decode_envelope(entry.data)
            event = msgspec.msgpack.decode(one.payload, type=known[one.kind, one.version])
            yield Line(event, one.ts, one.is_fact, one.kind, one.version)


# --- what is asked about it ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The projection of each old session, by its name."""
    parent = tmp_path_factory.mktemp("old")
    return {
        name: ensure_projection(Path(shutil.copytree(GOLDENS / name, parent / name)))
        for name in sorted(OLD)
    }


def answers(published: Path) -> dict[str, dict[str, Any]]:
    """What each contract answers: how many rows, and a digest of them in order."""
    found: dict[str, dict[str, Any]] = {}
    for view, columns in VIEWS.items():
        rows = run_query(published, f"select {columns} from v1.{view} order by all").objects()
        text = json.dumps(rows, default=str, sort_keys=True)
        found[view] = {"rows": len(rows), "sha256": hashlib.sha256(text.encode()).hexdigest()}
    return found


def test_its_answers_never_change(published: dict[str, Path]) -> None:
    """The contracts say today what they said when the old version was current."""
    pinned = json.loads(ANSWERS.read_text())
    assert {(name, view) for name in pinned for view in pinned[name]} == {
        (name, view) for name in OLD for view in VIEWS
    }
    for name, path in published.items():
        assert answers(path) == pinned[name], name


READ: Final[dict[str, tuple[str, str]]] = {
    "decisions": ("DecisionMade", "underlying, outcome, stage, reason, family, regime, day_type"),
    "intents": ("IntentApproved", "intent_id, underlying, contract, lots, limit_paise, risk_paise"),
    "fills": ("FillApplied", "order_id, fill_no, contract, quantity_units, price_paise"),
    "carried_over": ("CarriedOver", "day, realised_paise, charges_paise, trades_today"),
}


@pytest.mark.parametrize("name", sorted(OLD))
def test_its_answers_are_what_stands_in_the_journal(name: str, published: dict[str, Path]) -> None:
    """Read field by field from the entries in their own version's shape, without an upcast."""
    entries = list(raw(GOLDENS / name))
    for view, (kind, columns) in READ.items():
        names = columns.split(", ")
        recorded = [
            {"seq": seq, "ts": ts, **{name: fields[name] for name in names}}
            for seq, ts, _, found, fields in entries
            if found == kind
        ]
        sql = f"select seq, ts, {columns} from v1.{view} order by seq"
        assert run_query(published[name], sql).objects() == recorded
        assert recorded


def test_what_an_old_version_did_not_say_is_unknown(published: dict[str, Path]) -> None:
    """NULL, never a guess: the price at decision of an intent of version 1."""
    sql = "select distinct reference_paise from v1.intents"
    rows = run_query(published["intent_approved_v1"], sql).objects()
    assert rows == [{"reference_paise": None}]


def main() -> None:
    """Print ``answers.json``: a change of it says that an answer about the past changed."""
    with tempfile.TemporaryDirectory() as parent:
        whole = {
            name: answers(ensure_projection(shutil.copytree(GOLDENS / name, Path(parent) / name)))
            for name in sorted(OLD)
        }
    sys.stdout.write(json.dumps(whole, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
