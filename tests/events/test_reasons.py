"""The reason table and the gate catalogue: unique, complete, in order, found in the code."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.gates import contract
from engine.gates.score import WEIGHTS
from engine.strategies import FAMILIES
from events.decision import GateRow
from events.gates import BY_GATE, CONTRACT_FILTERS, GATES
from events.reasons import BY_CODE, REASONS, STAGE_TITLES, STAGES, ReasonSpec, spec
from scripts import make_reasons
from tests.architecture.source import ROOT, python_files
from tests.engine.fabricated import small_run
from tests.engine.gates.cases import OF_A_PAIR, WHEN_JUDGED, WITH_A_BROKER
from tests.reached import NOT_REACHED, Reached, codes_of, fault_of, missing

KINDS_OF_STAGE = {
    **dict.fromkeys(STAGES, ("BLOCK", "UNKNOWN", "HALT")),
    **dict.fromkeys(("RISK", "FEED", "APPROVAL"), ("INFO",)),
    "EXIT": ("INFO", "BLOCK"),
    "ORDER": ("INFO", "UNKNOWN"),
    "INCIDENT": ("HALT", "INFO"),
    **dict.fromkeys(("JOURNAL", "ENGINE"), ("HALT",)),
    "COMMAND": ("INFO", "BLOCK"),
    "LIVE": ("BLOCK",),
    "ALERT": ("INFO",),
    "FEATURE": ("UNKNOWN",),
}
FIRST_NUMBERS = {"EXIT": 1300, "ORDER": 1400, "RISK": 1500, "FEED": 1600, "JOURNAL": 1700,
                 "COMMAND": 1800, "INCIDENT": 1900, "APPROVAL": 2000, "LIVE": 2100,
                 "ALERT": 2200, "FEATURE": 2300}  # fmt: skip
PLACES = {"JOURNAL": ("events/registry.py",), "FEED": ("engine", "projections/rows.py"),
          "LIVE": ("cli/doctor/table.py",),
          "ALERT": ("adapters/alerts/news.py", "adapters/alerts/channels.py")}  # fmt: skip
"""Where the codes of a stage are given; the engine for all others."""


def repeated(rows: tuple[ReasonSpec, ...]) -> list[object]:
    """Codes and numbers that stand in a table more than once."""
    counts = Counter([*(row.code for row in rows), *(row.number for row in rows)])
    return [value for value, count in counts.items() if count > 1]


def test_codes_and_numbers_are_unique() -> None:
    """A code and a number mean one thing; the dictionary by code has lost none."""
    assert repeated(REASONS) == []
    assert len(BY_CODE) == len(REASONS)


def test_canary_a_number_used_twice_is_found() -> None:
    """A planted second row with a number, and one with a code, is named."""
    assert repeated((*REASONS, REASONS[0])) == [REASONS[0].code, REASONS[0].number]


def test_numbers_of_earlier_releases_still_mean_the_same() -> None:
    """The pairs of code and number that were written down stand, retired or not.

    A code that is dropped or renumbered fails here. To add one, add its line; never change a line.
    """
    path = Path(__file__).parent / "goldens" / "reasons.txt"
    kept = dict(line.split() for line in path.read_text().splitlines())
    assert {str(row.number): row.code for row in REASONS} == kept


@pytest.mark.parametrize("row", REASONS, ids=lambda row: row.code)
def test_a_row_is_complete_and_of_the_right_kind(row: ReasonSpec) -> None:
    """Code, number, stage and kind fit together, and both texts are sentences."""
    assert re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+", row.code)
    upstream = row.code.startswith("UPSTREAM_")
    if row.code == "TRADE_APPROVED":
        assert (row.stage, row.kind) == (STAGES[-1], "INFO")
    elif upstream:
        assert row.kind == "UNKNOWN"
    else:
        assert row.kind in KINDS_OF_STAGE[row.stage]
    if row.stage in STAGES and not upstream:
        assert row.number // 100 == STAGES.index(row.stage) + 1
    for text in (row.sentence, row.what_to_do):
        assert text[0].isupper()
        assert text.endswith(".")
    assert "|" not in row.sentence + row.what_to_do, "it would break the page's table"
    assert re.fullmatch(r"\d+\.\d+\.\d+", row.since)
    assert row.retired is None or re.fullmatch(r"\d+\.\d+\.\d+", row.retired)


def test_every_stage_has_a_title_codes_gates_and_its_upstream_row() -> None:
    """No stage is without a reason to give, and each has the row that says its input failed."""
    assert len(STAGES) == len(STAGE_TITLES) == 11
    upstream = [row for row in REASONS if row.code.startswith("UPSTREAM_")]
    assert [row.code for row in upstream] == [f"UPSTREAM_{stage}" for stage in STAGES]
    assert [row.stage for row in upstream] == list(STAGES)
    assert [row.number for row in upstream] == list(range(1201, 1212))
    for stage in STAGES:
        assert any(r.stage == stage and r not in upstream for r in REASONS), stage
        assert any(gate.stage == stage for gate in GATES), stage
    assert {row.stage for row in REASONS} == set(STAGES) | set(make_reasons.OTHER_STAGES)


@pytest.mark.parametrize("stage", [*STAGES, *make_reasons.OTHER_STAGES])
def test_rows_stand_in_the_order_of_their_numbers(stage: str) -> None:
    """Inside a stage the declared order is the order of the numbers."""
    numbers = [row.number for row in REASONS if row.stage == stage]
    assert numbers == sorted(numbers)
    assert all(number >= FIRST_NUMBERS.get(stage, 0) for number in numbers)


def test_an_unknown_code_is_an_error() -> None:
    """``spec`` gives a code's row and never a guess."""
    assert spec("FEED_GAP").number == 203
    with pytest.raises(KeyError):
        spec("FEED_GAPP")


# --- gates ----------------------------------------------------------------------------------------


def test_gates_are_unique_and_in_the_order_of_the_stages() -> None:
    """Each gate once; the catalogue is in stages' order, which is the order of precedence."""
    assert len(BY_GATE) == len(GATES)
    places = [STAGES.index(gate.stage) for gate in GATES]
    assert places == sorted(places)


def test_a_gate_gives_codes_of_its_own_stage() -> None:
    """Each code of a gate is in the table, under the gate's stage; a part of the score alone, which
    decides nothing, gives none."""
    parts = {gate for gate, _ in WEIGHTS}
    for gate in GATES:
        stages = {BY_CODE[code].stage for code in gate.codes}
        assert stages == (set() if gate.gate in parts else {gate.stage}), gate.gate


def test_every_refusal_of_a_stage_belongs_to_a_gate() -> None:
    """What is no gate's is a contract's filter, an upstream row or the approval itself."""
    given = {code for gate in GATES for code in gate.codes}
    others = {
        row.code
        for row in REASONS
        if row.stage in STAGES
        and row.code not in given
        and row.retired is None
        and not row.code.startswith("UPSTREAM_")
    }
    assert others == {*CONTRACT_FILTERS, "TRADE_APPROVED"}


def test_the_core_evaluates_the_gates_of_the_catalogue_in_its_order() -> None:
    """In every cycle of a session each stage's rows are its gates, in declared order."""
    families = {family.gate for family in FAMILIES}
    explaining = families | {gate for gate, _ in WEIGHTS}
    assert families == {gate.gate for gate in GATES if gate.gate.startswith("family_")}
    seen = set()
    for event in small_run().events("GatesEvaluated"):
        for stage in event.official:  # type: ignore[attr-defined]
            declared = [
                g.gate for g in GATES if g.stage == stage.stage and g.gate not in explaining
            ]
            rows = [row.gate for row in stage.rows]
            assert rows == [gate for gate in declared if gate in rows]
            assert {row.gate for row in stage.evidence} <= explaining
            assert [fault_of(row) for row in (*stage.rows, *stage.evidence)].count(None) == (
                len(stage.rows) + len(stage.evidence)
            )
            seen |= {row.gate for row in (*stage.rows, *stage.evidence)}
    assert seen == set(BY_GATE) - WITH_A_BROKER - OF_A_PAIR - WHEN_JUDGED


# --- codes in the code ------------------------------------------------------------------------


def words_of(source: str) -> set[str]:
    """The words in capitals in a module's strings, f-strings by their parts, no docstrings."""
    tree = ast.parse(source)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            found |= set(re.findall(r"[A-Z][A-Z0-9_]+", str(node.value)))
    return found


def words_in(*places: str) -> set[str]:
    """``words_of`` all files of rooms, or of single files."""
    found: set[str] = set()
    for place in places:
        files = [Path(place)] if place.endswith(".py") else python_files(place)
        for path in files:
            found |= words_of((ROOT / path).read_text())
    return found


def never_given(rows: tuple[ReasonSpec, ...]) -> Iterator[str]:
    """Codes in force that stand in no string where codes of their stage are given."""
    engine = words_in("engine")
    places = {stage: words_in(*where) for stage, where in PLACES.items()}
    for row in rows:
        if row.retired is not None or row.code in CONTRACT_FILTERS:
            continue
        word = "UPSTREAM_" if row.code.startswith("UPSTREAM_") else row.code
        if word not in places.get(row.stage, engine):
            yield row.code


def test_every_code_in_force_is_given_somewhere() -> None:
    """A code that the table has and no line of the program gives is a promise nobody keeps."""
    assert list(never_given(REASONS)) == []


def test_the_contract_filters_are_all_codes_and_all_used() -> None:
    """The screening has a bit for each filter; each filter is a code of its stage, in order."""
    bits = [contract.ONE_SIDED, contract.STALE, contract.SPREAD, contract.VOLUME, contract.OI]
    bits += [contract.IV, contract.DELTA, contract.PREMIUM, contract.REWARD, contract.DEPTH]
    bits += [contract.OI_FALL, contract.IV_BOUNDS, contract.SKEW, contract.SCORE]
    bits += [contract.CHANGED]
    assert bits == [1 << place for place in range(len(CONTRACT_FILTERS))]
    # The last is listed in the sessions alone in which a contract has changed.
    numbers = [BY_CODE[code].number for code in CONTRACT_FILTERS[:-1]]
    assert numbers == sorted(numbers)


def test_canary_a_code_that_nobody_gives_is_found() -> None:
    """A planted row is named, and one that is retired is not."""
    planted = replace(REASONS[0], code="SESSION_" + "PLANTED")
    assert list(never_given((*REASONS, planted))) == [planted.code]
    assert list(never_given((*REASONS, replace(planted, retired="9.9.9")))) == []
    assert words_of('"""A_DOCSTRING"""\nx = f"SOME_CODE: {x}"  # A_COMMENT') == {"SOME_CODE"}


# --- codes in the run -----------------------------------------------------------------------------


def test_the_events_of_a_session_carry_only_codes_of_the_table() -> None:
    """And the plugin that collects them sees those of every kind of event."""
    found: set[str] = set()
    for entry in small_run().entries:
        found |= set(codes_of(entry.event))
    stages = {BY_CODE[code].stage for code in found & BY_CODE.keys()}
    assert {"EXIT", "ORDER", "RISK", "FEED", *STAGES[2:3], *STAGES[9:]} <= stages
    assert found - BY_CODE.keys() <= {"", "END_OF_DAY"}


def test_canary_a_code_that_no_test_reached_is_named() -> None:
    """With everything reached but one, that one is missing; an excused one is not."""
    everything = set(BY_CODE)
    assert missing(everything) == []
    assert missing(everything - {"FEED_GAP"}) == ["FEED_GAP"]
    assert missing(everything - NOT_REACHED.keys()) == []
    assert set(NOT_REACHED) <= set(BY_CODE)


def test_canary_a_gate_that_gives_a_foreign_code_is_found() -> None:
    """Another gate's code, a kind that does not fit, a pass with a reason, an unknown gate."""

    def row(gate: str, verdict: str, reason: str | None) -> GateRow:
        return GateRow(gate, verdict, reason, 1, 0, -1, None, ())

    assert fault_of(row("link_age", "BLOCK", "FEED_GAP")) is None
    for wrong in (
        row("link_age", "BLOCK", "FEED_DOWN"),
        row("link_age", "UNKNOWN", "FEED_GAP"),
        row("link_age", "PASS", "FEED_GAP"),
        row("link_ages", "PASS", None),
    ):
        assert fault_of(wrong) is not None


def test_canary_what_is_not_canonical_fails_the_test_that_made_it() -> None:
    """Bytes that are not the event's own, and a decision with an invented reason, are refused."""
    group = next(g for g in small_run().groups if g.derived[-1:] and len(g.derived) > 2)
    at = next(i for i, e in enumerate(group.derived) if e.kind == "DecisionMade")
    event, data = group.derived[at].event, group.datas[at]
    Reached().see(data, event)
    with pytest.raises(AssertionError):
        Reached().see(data, replace(event, cycle=0))
    with pytest.raises(AssertionError, match="which the table lacks"):
        Reached().see(data, replace(event, reason="NO_SUCH"))


# --- the page -------------------------------------------------------------------------------------


def test_the_page_is_what_the_tables_say() -> None:
    """``docs/REASONS.md`` is up to date. If not: python -m scripts.make_reasons."""
    assert make_reasons.is_current()


def test_the_page_has_every_code_and_gate_once_as_a_row() -> None:
    """Nothing of the two tables is left out of the page."""
    rows = [line for line in make_reasons.page_text().splitlines() if line.startswith("| ")]
    for row in REASONS:
        assert sum(line.startswith(f"| {row.number} | `{row.code}` |") for line in rows) == 1
    for gate in GATES:
        assert sum(line.startswith(f"| `{gate.gate}` |") for line in rows) == 1


def test_canary_a_page_that_is_behind_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--check`` exits 1 on a missing or changed page, 0 on a made one, 2 on another word."""
    page = tmp_path / "docs" / "REASONS.md"
    assert make_reasons.main(["--check"], page) == 1
    assert make_reasons.main([], page) == 0
    assert make_reasons.main(["--check"], page) == 0
    page.write_text(page.read_text().replace("outage", "pause"))
    assert make_reasons.main(["--check"], page) == 1
    assert make_reasons.COMMAND in capsys.readouterr().err
    assert make_reasons.main(["--chek"], page) == 2
