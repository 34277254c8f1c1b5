"""Commands of operators: each verb takes what its row says, and nothing else."""

from __future__ import annotations

import itertools
import string
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.commands import (
    BY_VERB,
    COMMANDS,
    FLATTEN,
    LAPSED,
    LEVELS,
    LIVE,
    MODES,
    WHO_CHARS_MAX,
    WHY_CHARS_MAX,
    CommandSpec,
    checked,
    is_id,
    kept,
    unconfirmed,
    word_of,
)
from events.reasons import BY_CODE
from events.session import OperatorCommand


def fit(spec: CommandSpec) -> OperatorCommand:
    """A command of a row that lacks nothing."""
    value = spec.values[0]
    if value is not None and value.endswith(":"):
        value += "17:00"
    subject = None if spec.subject is None else "I7"
    return OperatorCommand(spec.verb, "asha", "looked at it", subject, value, "c-1", "SOCKET")


def expected(spec: CommandSpec, mode: str, halted: bool) -> str | None:
    """What the row says about a fit command."""
    if mode not in spec.modes:
        return "CMD_NOT_IN_MODE"
    return "CMD_WHILE_HALTED" if halted and not spec.halted else None


def test_every_row_in_every_mode() -> None:
    """A fit command is taken where its row allows the mode and the halt, else refused by code."""
    cases = list(itertools.product(COMMANDS, MODES, (False, True)))
    for spec, mode, halted in cases:
        assert checked(fit(spec), mode, halted=halted) == expected(spec, mode, halted)
    sys.stdout.write(f"{len(cases)} combinations of verb, mode and halt\n")
    assert len(cases) == len(COMMANDS) * len(MODES) * 2 > 100


@pytest.mark.parametrize("mode", MODES)
def test_the_kill_switch_asks_for_nothing(mode: str) -> None:
    """E10: each level is taken in every mode, without a reason, an id or a word, halted or not."""
    for level, halted in itertools.product(LEVELS, (False, True)):
        command = OperatorCommand("HALT", "asha", "", None, level, "", "FILE")
        assert checked(command, mode, halted=halted) is None
        assert unconfirmed("HALT", mode, None) is None


WRONG = [
    ({"verb": "HALTS"}, "CMD_UNKNOWN"),
    ({"verb": "halt"}, "CMD_UNKNOWN"),
    ({"subject": "I1"}, "CMD_SUBJECT"),
    ({"value": "cancel"}, "CMD_VALUE"),
    ({"value": LAPSED}, "CMD_VALUE"),
    ({"value": ""}, "CMD_VALUE"),
    ({"verb": "RESUME", "why": " "}, "CMD_WHY_MISSING"),
    ({"verb": "APPROVE"}, "CMD_SUBJECT"),
    ({"verb": "APPROVE", "subject": ""}, "CMD_TEXT"),
    ({"verb": "APPROVE", "subject": "../x"}, "CMD_TEXT"),
    ({"verb": "APPROVE", "subject": "a b"}, "CMD_TEXT"),
    ({"verb": "APPROVE", "subject": "a" * 65}, "CMD_TEXT"),
    ({"verb": "RESOLVE", "subject": "i1"}, "CMD_VALUE"),
    ({"verb": "RESOLVE", "subject": "i1", "value": "ORDER:"}, "CMD_VALUE"),
    ({"verb": "RESOLVE", "subject": "i1", "value": "ORDER:a b"}, "CMD_VALUE"),
    ({"verb": "RESOLVE", "subject": "i1", "value": "LAPSED:1"}, "CMD_VALUE"),
    *(
        ({"verb": "RESOLVE", "subject": "i1", "value": f"HOLDS:{units}"}, "CMD_VALUE")
        for units in ("", "-1", "1.5", "x", "1" * 10)
    ),
    ({"verb": "RESOLVE", "subject": "i1", "value": "HOLDS:0", "why": " "}, "CMD_WHY_MISSING"),
    ({"verb": "STOP"}, "CMD_VALUE"),
    ({"verb": "PROMOTE", "subject": "TREND"}, "CMD_VALUE"),
    ({"verb": "PROMOTE", "subject": "TREND", "value": "LIVE"}, "CMD_VALUE"),
    ({"verb": "PROMOTE", "subject": "TREND", "value": "LIVE:a:b", "why": ""}, "CMD_WHY_MISSING"),
    ({"why": "a\nb"}, "CMD_TEXT"),
    ({"why": "\x1b[2J"}, "CMD_TEXT"),
    ({"why": "\u202etxt"}, "CMD_TEXT"),
    ({"why": "x" * (WHY_CHARS_MAX + 1)}, "CMD_TEXT"),
    ({"who": "x" * (WHO_CHARS_MAX + 1)}, "CMD_TEXT"),
    ({"command_id": "a b"}, "CMD_TEXT"),
]


@pytest.mark.parametrize(("changes", "code"), WRONG)
def test_what_is_wrong_has_its_code(changes: dict[str, str], code: str) -> None:
    """One thing wrong in an otherwise good HALT gives the code of that thing."""
    command = OperatorCommand("HALT", "asha", "too fast", None, None, "c-1", "SOCKET")
    assert checked(command, LIVE, halted=False) is None
    assert checked(replace(command, **changes), LIVE, halted=False) == code


def test_an_order_is_named_in_the_value() -> None:
    """RESOLVE takes LAPSED, ORDER: with an id, or HOLDS: with units and a reason."""
    command = OperatorCommand("RESOLVE", "asha", "", "a1b2", "ORDER:250101000001", "c", "SOCKET")
    assert checked(command, LIVE, halted=False) is None
    assert checked(replace(command, value=LAPSED), LIVE, halted=True) is None
    assert checked(replace(command, value="HOLDS:75", why="sold"), LIVE, halted=True) is None


@pytest.mark.parametrize("spec", COMMANDS, ids=lambda spec: spec.verb)
def test_a_dangerous_verb_wants_the_word_of_its_own_mode(spec: CommandSpec) -> None:
    """Another mode's word, another case or nothing is not it; a harmless verb wants none."""
    for mode, word in itertools.product(MODES, (*MODES, None, "", "live", "yes")):
        refused = spec.dangerous and word != word_of(mode)
        assert unconfirmed(spec.verb, mode, word) == ("CMD_NOT_CONFIRMED" if refused else None)


def test_what_takes_risk_away_never_expires() -> None:
    """However late the engine comes to it, what stops, closes or turns down is carried out."""
    assert [spec.verb for spec in COMMANDS if not spec.expires] == [
        "HALT", "REJECT", "DISARM", "FLATTEN", "EXIT", "ACK", "QUARANTINE", "STOP"]  # fmt: skip


def test_what_takes_risk_away_is_never_stopped_by_a_halt() -> None:
    """Only what may lead to an entry is refused while halted."""
    assert [spec.verb for spec in COMMANDS if not spec.halted] == ["APPROVE", "ARM"]
    assert FLATTEN in BY_VERB
    assert len(BY_VERB) == len(COMMANDS)


@given(st.text(max_size=WHY_CHARS_MAX + 50))
def test_any_reason_can_be_kept(text: str) -> None:
    """Whatever was typed becomes a text that a command may hold; a fit one is kept as given."""
    command = OperatorCommand("HALT", "asha", kept(text), None, None, "", "FILE")
    assert checked(command, LIVE, halted=False) is None
    assert kept(kept(text)) == kept(text)
    if checked(replace(command, why=text), LIVE, halted=False) is None:
        assert kept(text) == text


@given(st.text(alphabet=string.printable, max_size=70))
def test_an_id_is_short_and_of_plain_letters(text: str) -> None:
    """No separator of a path, no space, nothing that begins a flag."""
    if is_id(text):
        assert 0 < len(text) <= 64
        assert not set(text) & set("/\\ \t\r\n-"[:6])
        assert text[0].isalnum()


def test_every_answer_is_a_code_of_the_table() -> None:
    """What the checks give can be explained."""
    given_codes = {code for _, code in WRONG} | {"CMD_NOT_IN_MODE", "CMD_WHILE_HALTED"}
    assert given_codes <= set(BY_CODE)
