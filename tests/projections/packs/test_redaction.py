"""projections/packs/redaction.py: what may not leave does not, and nothing else is touched."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.base import Record
from events.registry import BY_KIND
from projections.packs.entries import named
from projections.packs.redaction import PERSONAL, Redactor, setting_holds, tally
from tests.events.samples import sample

LOOKS_PERSONAL = re.compile(r"who|account|egress|approver|user|email|phone|host|secret|password")
NOT_PERSONAL = {"whole_hash"}


def _fields(struct: type[Record]) -> set[str]:
    """Names of a struct's fields and of those of the records in it."""
    names: set[str] = set()
    for style in ("full", "bare"):
        stack = [named(sample(struct, style))]
        while stack:
            value = stack.pop()
            if isinstance(value, dict):
                names |= set(value)
                stack += list(value.values())
            elif isinstance(value, list):
                stack += value
    return names


def test_every_field_that_looks_personal_is_known() -> None:
    """A new field of that kind fails here until somebody decides what it is."""
    names = {name for spec in BY_KIND.values() for name in _fields(spec.struct)}
    looks = {name for name in names if LOOKS_PERSONAL.search(name)}
    assert looks - NOT_PERSONAL == set(PERSONAL)


def test_personal_fields_get_the_same_stand_in() -> None:
    """At any depth, by name; every change is listed with its place."""
    redactor = Redactor()
    values = {"account": "AB1234", "rows": [{"x": 1, "who": "asha"}, {"x": 2, "who": "ravi"}]}
    shown, changes = redactor.redact(values)
    assert shown == {
        "account": "[account 1]",
        "rows": [{"x": 1, "who": "[person 1]"}, {"x": 2, "who": "[person 2]"}],
    }
    assert [(one.field, one.place) for one in changes] == [
        ("account", (0,)), ("rows.who", (1, 0, 1)), ("rows.who", (1, 1, 1)),
    ]  # fmt: skip
    again, _ = redactor.redact({"who": "ravi"})
    assert again == {"who": "[person 2]"}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("access_token=abc123 refused", "access_token=[secret 1] refused"),
        ("Authorization: token k3y:t0ken", "Authorization: [secret 1]"),
        ("password: hunter2, again", "password: [secret 1] again"),
        ("from 203.0.113.7 to 198.51.100.9", "from [address 1] to [address 2]"),
        ("peer 2001:db8::7 is gone", "peer [address 1] is gone"),
        ("ask asha@example.com", "ask [address 1]"),
        ("AB1234 by asha", "[account 1] by [person 1]"),
        ("at 09:15:00, 1.5 % of 24000 for NFO:NIFTY2590224000CE:MIS", None),
        ("XAB12345 and ashaX stay, so does version 1.2.3", None),
    ],
)
def test_free_text(text: str, left: str | None) -> None:
    """Known words and what looks like a secret or an address go; anything else stays."""
    redactor = Redactor()
    redactor.learn({"account": "AB1234", "rows": [{"who": "asha"}]})
    shown, found = redactor.text(text)
    assert shown == (text if left is None else left)
    assert bool(found) == (left is not None)


def test_settings_by_their_keys() -> None:
    """The value of a setting that holds an account, an address or a key."""
    row = {"key": "live.egress_address", "value": "203.0.113.7"}
    assert Redactor().redact(row)[0]["value"] == "[address 1]"
    assert setting_holds("live.account") == "account"
    assert setting_holds("alerts.telegram_token") == "secret"
    for key in ("risk.trades_day_max", "account.capital_paise", "orders.algo_id"):
        assert setting_holds(key) is None, key


def test_a_short_word_is_taken_out_of_its_own_field_alone() -> None:
    """An account that is called `sim` is not looked for in every text."""
    redactor = Redactor()
    redactor.learn({"account": "sim"})
    assert redactor.redact({"account": "sim", "note": "sim day"})[0] == {
        "account": "[account 1]",
        "note": "sim day",
    }


def test_the_tally_counts_by_kind_and_field() -> None:
    """What a person reads of it: kind, field, what, times."""
    _, changes = Redactor().redact({"rows": [{"who": "a"}, {"who": "b"}]})
    assert tally(("K", one) for one in changes) == [
        {"kind": "K", "field": "rows.who", "what": "person", "times": 2}
    ]


@given(st.text(alphabet="abz09.:@-= ", max_size=40), st.text("abz09", min_size=4, max_size=8))
def test_a_known_word_never_stands_alone_afterwards(around: str, word: str) -> None:
    """Whatever stands around it: the word is gone, and a second pass changes nothing."""
    redactor = Redactor()
    redactor.learn({"account": word})
    text, _ = redactor.text(f"{around} {word} {around}")
    assert not re.search(f"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", text)
    assert redactor.text(text)[0] == text
