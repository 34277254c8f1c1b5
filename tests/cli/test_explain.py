"""``axiom explain``: each code and each gate, and words that are neither."""

from __future__ import annotations

from pathlib import Path

import pytest

from events.gates import CONTRACT_FILTERS, GATES, GateSpec
from events.reasons import REASONS, STAGES, ReasonSpec
from tests.cli.conftest import Call

KEYS = {
    *("code", "number", "stage", "stage_title", "kind", "sentence", "what_to_do"),
    *("evidence", "gates", "since", "retired", "legacy_code"),
}


@pytest.mark.parametrize("row", REASONS, ids=lambda row: row.code)
def test_every_code_is_its_row(axiom: Call, row: ReasonSpec) -> None:
    """The JSON answer has every field of the table's row, and the text has its sentences."""
    answer = axiom("explain", row.code, "--json")
    assert answer.code == 0
    document = answer.document
    assert set(document) == KEYS
    assert {name: document[name] for name in ("code", "number", "kind", "stage")} == {
        "code": row.code,
        "number": row.number,
        "kind": row.kind,
        "stage": row.stage,
    }
    assert (document["stage_title"] is None) == (row.stage not in STAGES)
    text = axiom("explain", row.code)
    assert text.code == 0
    for part in (row.code, str(row.number), row.sentence, row.what_to_do, row.stage):
        assert part in text.out


@pytest.mark.parametrize("gate", GATES, ids=lambda gate: gate.gate)
def test_every_gate_is_its_catalogue_row_with_its_codes(axiom: Call, gate: GateSpec) -> None:
    """A gate's name gives its row, and each code it can give in full."""
    document = axiom("explain", gate.gate, "--json").document
    assert (document["gate"], document["unit"]) == (gate.gate, gate.unit)
    assert [one["code"] for one in document["codes"]] == list(gate.codes)
    text = axiom("explain", gate.gate).out
    assert all(code in text for code in (gate.gate, gate.title, *gate.codes))


def test_a_code_names_the_gates_that_give_it(axiom: Call) -> None:
    """Those whose limit it is and those whose input it is; a contract's filter has its gate too."""
    gates = axiom("explain", "FEED_NEVER_SEEN", "--json").document["gates"]
    assert gates == ["link_up", "link_age", "page_age", "future_stamp"]
    for code in CONTRACT_FILTERS:
        assert axiom("explain", code, "--json").document["gates"] == ["contract"]
    assert axiom("explain", "EXIT_STOP", "--json").document["gates"] == []


@pytest.mark.parametrize("word", ["feed_gap", "Feed_Gap", " FEED_GAP ", "LINK_AGE"])
def test_case_and_space_do_not_matter(axiom: Call, word: str) -> None:
    """A code or gate is found however it is typed."""
    assert axiom("explain", word).code == 0


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("FEED_GAPP", "did you mean FEED_GAP"),
        ("feedgap", "FEED_GAP"),
        ("link_agee", "link_age"),
        ("SPREAD", "near_spread or score_spread or SPREAD_REWARD or"),
        ("cooldwn", "cooldown"),
    ],
)
def test_an_unknown_word_is_answered_with_those_like_it(axiom: Call, word: str, hint: str) -> None:
    """One line, exit 2, and what was probably meant."""
    assert hint in axiom("explain", word).refusal


@pytest.mark.parametrize("word", ["", "zzz", "a\nb", "--", "\x1b[31mFEED", "x" * 3_000])
def test_a_word_like_nothing_is_one_line_too(axiom: Call, word: str) -> None:
    """Nonsense, control characters and an empty word end like any bad input."""
    refusal = axiom("explain", word, "--json").refusal
    assert "axiom" in refusal
    assert "\x1b" not in refusal


def test_nothing_of_a_desk_is_read(axiom: Call, tmp_path: Path) -> None:
    """A home that does not exist is neither needed nor made."""
    home = tmp_path / "nowhere"
    assert axiom("explain", "FEED_GAP", "--home", home).code == 0
    assert not home.exists()


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_explained_with_its_gates_and_codes(axiom: Call, stage: str) -> None:
    """By its name or its number, in any case; all eleven."""
    document = axiom("explain", stage, "--json").document
    assert document["stage"] == stage
    assert {row["code"] for row in document["codes"]} == {
        row.code for row in REASONS if row.stage == stage
    }
    assert axiom("explain", stage.partition("_")[0].lower(), "--json").document == document
    assert document["stage_title"] in axiom("explain", stage.lower()).out
