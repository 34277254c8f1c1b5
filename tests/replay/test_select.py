"""Paths into a state: every value has one, and a wrong one is told what there is instead."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from engine.state import EMPTY, State
from replay.select import PathError, names_of, parse_path, select
from tests.engine.fabricated import small_run


def state() -> State:
    """The end of a day on which there was trade."""
    return small_run().core.state


def paths(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every path into a value, with what stands there."""
    if path:
        yield path, value
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from paths(getattr(value, name), f"{path}.{name}" if path else name)
    elif isinstance(value, tuple):
        for place, one in enumerate(value):
            yield from paths(one, f"{path}[{place}]")


def test_every_value_of_a_state_has_its_path() -> None:
    """Field by field and place by place, through all of the state."""
    found = list(paths(state()))
    for path, value in found:
        assert select(state(), parse_path(path)) is value, path
    sys.stdout.write(f"{len(found)} paths\n")
    assert len(found) > 1_500
    assert select(state(), ()) is state()


def test_what_is_in_instrument_order_answers_to_a_symbol() -> None:
    """Of instruments, quotes and volatilities; slots and accumulators; underlyings and markets."""
    for where in ("instruments", "quotes", "vols", "slots", "accs", "underlyings", "markets"):
        names = names_of(state(), where)
        values = getattr(state(), where)
        assert len(names) == len(values) == len(set(names)) > 0
        for name, value in zip(names, values, strict=True):
            assert select(state(), parse_path(f"{where}[{name}]")) is value
    future = select(state(), parse_path("quotes[niftyfut].ltp_paise"))
    assert future == state().quotes[names_of(state(), "quotes").index("NIFTYFUT")].ltp_paise  # type: ignore[union-attr]
    slot = select(state(), parse_path("slots[NIFTYFUT]"))
    assert state().instruments[slot.instrument].tradingsymbol == "NIFTYFUT"


@pytest.mark.parametrize(
    "path",
    ["", ".", ".account", "account.", "account..x", "quotes[", "quotes[]", "quotes[0]ltp_paise",
     "quotes]0[", "a b", "account/realised_paise", "[", "é", "quotes[[0]]", "0"],
)  # fmt: skip
def test_what_is_no_path_is_refused(path: str) -> None:
    """One line with an example of one that is."""
    with pytest.raises(PathError, match=r"no path.*account\.realised_paise"):
        parse_path(path)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("acount", "the state has no 'acount': did you mean 'account'?"),
        ("account.realized_paise", "account has no 'realized_paise': did you mean"),
        ("account.zzz", "account has no 'zzz'; it has capital_paise, realised_paise,"),
        ("account[0]", "account has no places to number"),
        ("[0]", "the state has no places to number"),
        ("now.x", "now is one value, int: nothing is inside"),
        ("uid[0]", "uid has no places to number"),
        ("quotes.ltp_paise", r"quotes has 27 places: write quotes\[0\]"),
        ("quotes[27]", r"quotes has no \[27\]: it goes from \[0\] to \[26\]"),
        ("quotes[999999999]", r"quotes has no \[999999999\]"),
        ("quotes[NIFTYFUTURE]", r"quotes has no 'NIFTYFUTURE': did you mean 'NIFTYFUT'\?"),
        ("quotes[zzz]", r"quotes has no 'zzz'; it has NIFTY, NIFTYFUT, "),
        ("orders[X]", r"orders has no names: write a number, as in orders\[0\]"),
        ("orders[0]", "orders is empty at this entry"),
        ("opened.market.content_digest.x", "opened.market.content_digest is not there yet"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_there_is(path: str, said: str) -> None:
    """The place as far as it could be followed, and what stands there."""
    with pytest.raises(PathError, match=said) as refused:
        select(state(), parse_path(path))
    assert "\n" not in str(refused.value)


def test_before_anything_is_known_it_says_so() -> None:
    """The empty state has its fields, and nothing in them."""
    assert select(EMPTY, parse_path("account.realised_paise")) == 0
    with pytest.raises(PathError, match="opened is not there yet at this entry"):
        select(EMPTY, parse_path("opened.mode"))
    with pytest.raises(PathError, match="quotes has no names"):
        select(EMPTY, parse_path("quotes[NIFTY]"))
