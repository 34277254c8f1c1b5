"""``axiom replay``: the verdict, and of a difference the place, the values and what led there."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from events.decision import DecisionMade
from events.session import SessionOpened
from tests.cli.conftest import Call, contents
from tests.replay.journals import changed, lines, record, where

KEYS = {
    "outcome", "identical", "facts", "derivations", "ticks", "digest", "recorded_digest",
    "comparison", "first_divergence", "makings", "ticks_per_s", "head_seq", "unrecorded",
    "state_hash",
}  # fmt: skip


@pytest.fixture
def diverged(tmp_path: Path) -> Path:
    """A session with one reason changed and its chain made anew."""
    given = lines()
    place = where("DecisionMade", given)[-1]
    event = given[place].event
    assert isinstance(event, DecisionMade)
    return record(tmp_path / "diverged", changed(given, place, replace(event, reason="X\x1b[31m")))


def test_an_identical_replay(axiom: Call, session: Path) -> None:
    """Exit 0 with the keys of the contract; nothing is written."""
    before = contents(session)
    answer = axiom("replay", "latest", "--json")
    assert answer.code == 0
    document = answer.document
    assert set(document) == KEYS
    assert (document["outcome"], document["first_divergence"]) == ("identical", None)
    assert document["digest"] == document["recorded_digest"]
    assert document["makings"]["code"][0] == document["makings"]["code"][1]
    assert axiom("replay", "latest").out == "identical\n"
    assert contents(session) == before


def test_a_difference_is_told_with_what_it_follows_from(axiom: Call, diverged: Path) -> None:
    """Exit 1; seq, field and both values, the fact, and the packet behind the decision."""
    answer = axiom("replay", diverged, "--json")
    assert answer.code == 1
    first = answer.document["first_divergence"]
    assert {*first} == {"seq", "kind", "field", "recorded", "replayed", "cause", "chain"}
    assert (first["kind"], first["field"], first["recorded"]) == (
        "DecisionMade", "reason", "X\x1b[31m",
    )  # fmt: skip
    assert first["chain"][0]["seq"] == first["seq"]
    assert [link["kind"] for link in first["chain"]][-2:] == ["TimerTick", "FeedFrame"]
    packet = first["chain"][-1]
    assert (packet["instrument"], packet["packet"]) == ("NIFTY", 0)
    told = axiom("replay", diverged)
    assert (told.code, told.out) == (1, "diverged\n")
    assert f"first difference: seq {first['seq']} DecisionMade reason: " in told.err
    assert f"from seq {packet['seq']} FeedFrame " in told.err
    assert "packet 0 of NIFTY" in told.err
    assert "\x1b" not in told.err, "what was recorded never reaches the terminal as a command"


def test_a_difference_after_the_stop_is_not_told(axiom: Call, diverged: Path) -> None:
    """``--until`` a seq before it: identical that far."""
    seq = axiom("replay", diverged, "--json").document["first_divergence"]["seq"]
    answer = axiom("replay", diverged, "--until", str(seq - 10), "--json")
    assert (answer.code, answer.document["outcome"]) == (0, "identical")
    assert answer.document["head_seq"] < seq


def test_other_code_is_no_failure_and_is_named(axiom: Call, tmp_path: Path) -> None:
    """Exit 0 with the decision diff, both digests, a setting that was not recorded, and where
    the engine is that recorded it."""
    opened = lines()[0].event
    assert isinstance(opened, SessionOpened)
    kept = tuple(one for one in opened.settings if one.key != "plan.hold_s_max")
    other = replace(opened, code_digest="0" * 64, settings=kept)
    folder = record(tmp_path / "other", changed(lines(), 0, other))
    answer = axiom("replay", folder, "--json")
    assert answer.code == 0
    assert answer.document["outcome"] == "other_engine"
    assert {*answer.document} == KEYS | {"decisions"}
    told = axiom("replay", folder)
    assert "code differs: recorded by 000000000000, here " in told.err
    assert "setting differs: plan.hold_s_max: (absent) -> 5400" in told.err
    (how,) = [line for line in told.err.splitlines() if "docs/REPLAY_OLD.md" in line]
    assert f"code {'0' * 64}: docs/engines.toml" in how


def test_a_damaged_session_proves_nothing(axiom: Call, session: Path) -> None:
    """Exit 1, one line, and the keys of the contract with the problem beside them."""
    segment = session / "000001.axs"
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)
    answer = axiom("replay", "latest", "--json")
    assert answer.code == 1
    assert {*answer.document} == KEYS | {"problem"}
    assert answer.document["identical"] is False
    assert "the journal is damaged" in answer.err


@pytest.mark.parametrize("until", ["0", "08:59", "noon"])
def test_a_stop_that_leaves_nothing_is_refused(axiom: Call, session: Path, until: str) -> None:
    """One line that says so."""
    assert axiom("replay", "latest", "--until", until).refusal
