"""Scripts and seeds of faults: read whole or refused in one line; equal input, equal plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from adapters.exchange_sim.faults import (
    KINDS,
    LASTING,
    ONCE,
    Fault,
    FaultScriptError,
    read_script,
    seeded_plan,
)
from engine.rulebook import NS_PER_S, ist_ns

DAY = 20261120
START = ist_ns(DAY, "09:15")
CLOSE = ist_ns(DAY, "15:40")

SCRIPT = """
[[fault]]
kind = "silent_socket"
at = "09:20:00"
for = "1m30s"

[[fault]]
kind = "lost_acknowledgement"
after = "10s"
count = 2
requests = ["place"]

[[fault]]
kind = "socket_drop"
"""


def test_a_script_is_a_plan_in_order_of_time() -> None:
    """Times of the day, spans after the start and defaults become moments and settings."""
    plan = read_script(SCRIPT, DAY, START)
    assert [fault.kind for fault in plan] == [
        "socket_drop",
        "lost_acknowledgement",
        "silent_socket",
    ]
    drop, lost, silent = plan
    assert (drop.from_ns, drop.to_ns) == (START, None)
    assert (lost.from_ns, lost.to_ns) == (START + 10 * NS_PER_S, None)
    assert dict(lost.settings) == {"count": 2, "requests": ("place",)}
    assert silent.from_ns == ist_ns(DAY, "09:20")
    assert silent.to_ns == silent.from_ns + 90 * NS_PER_S


BAD = [
    ("x = 1", "'x' is not known here: write each fault as [[fault]]"),
    ("[fault]", "'fault' is not known here: write each fault as [[fault]]"),
    ("[[fault]", "not TOML: "),
    ("[[fault]]", 'fault 1: it has no kind: write kind = "socket_drop", for instance'),
    ("[[fault]]\nkind='socket_drp'", "fault 1: there is no fault 'socket_drp': did you mean"),
    ("[[fault]]\nkind='socket_drop'\nfor='1s'", "fault 1: socket_drop happens once"),
    ("[[fault]]\nkind='socket_drop'\nat='9:20'", "fault 1: at: '9:20' is not a time of day"),
    ("[[fault]]\nkind='socket_drop'\nat='09:20'\nafter='1s'", "fault 1: it has 'at' and 'after'"),
    ("[[fault]]\nkind='rest_dead'\nfor=5", "fault 1: for = 5 is not a span of time"),
    ("[[fault]]\nkind='rest_dead'\nfor='5 s'", "fault 1: for = '5 s' is not a span of time"),
    ("[[fault]]\nkind='rest_dead'\ncount=5", "fault 1: rest_dead takes no 'count': it takes at"),
    ("[[fault]]\nkind='server_error'\nstatus=200", "fault 1: status = 200 is out of range"),
    ("[[fault]]\nkind='server_error'\nstatus='502'", "fault 1: status is a whole number, not"),
    ("[[fault]]\nkind='server_error'\naccepted=1", "fault 1: accepted is true or false, not 1"),
    ("[[fault]]\nkind='server_error'\ncount=true", "fault 1: count is a whole number, not True"),
    ("[[fault]]\nkind='server_error'\nrequests='x'", "fault 1: requests is a list of words"),
    ("[[fault]]\nkind='server_error'\nrequests=['x']", "fault 1: requests knows no 'x'"),
    ("[[fault]]\nkind='token_expiry'\nsockets='x'", "fault 1: sockets knows no 'x'"),
]


@pytest.mark.parametrize(("script", "message"), BAD)
def test_a_bad_script_is_refused_in_one_line_that_says_where(script: str, message: str) -> None:
    """Each way to get a script wrong is named, with the number of the fault."""
    with pytest.raises(FaultScriptError) as refused:
        read_script(script, DAY, START)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def values(fault: Fault) -> tuple[str, int, int | None, Mapping[str, Any]]:
    """A fault as something that compares."""
    return fault.kind, fault.from_ns, fault.to_ns, dict(fault.settings)


def test_a_seed_is_a_plan_and_leaves_kinds_out() -> None:
    """Equal seeds are equal plans; over 40 seeds each kind is in some plan and missing in some."""
    plans = [seeded_plan(seed, START, CLOSE) for seed in range(40)]
    again = [seeded_plan(seed, START, CLOSE) for seed in range(40)]
    assert [list(map(values, p)) for p in plans] == [list(map(values, p)) for p in again]
    seen = [{fault.kind for fault in plan} for plan in plans]
    for kind in KINDS:
        present = sum(kind.name in kinds for kinds in seen)
        assert 0 < present < len(plans), kind.name


def test_what_a_seed_draws_is_what_a_script_could_say() -> None:
    """Every drawn fault lies in the day, ends where it must, and passes the script's own checks."""
    specs = {kind.name: kind for kind in KINDS}
    for seed in range(40):
        for fault in seeded_plan(seed, START, CLOSE):
            kind = specs[fault.kind]
            assert START <= fault.from_ns <= CLOSE
            assert (fault.to_ns is None) == (kind.how is ONCE)
            for setting in kind.settings:
                value = fault.settings[setting.name]
                if type(setting.default) is int:
                    assert setting.low <= value <= setting.high


def test_every_kind_says_what_it_does_and_a_seed_knows_how_long() -> None:
    """The table is complete: a sentence each, a drawn span for what lasts."""
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert kind.sentence
        assert (kind.drawn_s[1] > 0) is (kind.how != ONCE), kind.name
        assert kind.how in (ONCE, LASTING) or kind.settings[0].name == "count"
