"""The state as bytes: one encoding, which reads back as itself, and nothing else is taken."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from msgspec.structs import replace

from engine.checkpoint import (
    StateError,
    checked_bytes,
    decode_state,
    encode_state,
    restored_state,
    state_hash,
)
from engine.core import Core
from engine.state import EMPTY, State
from tests.engine.fabricated import small_run


def states() -> Iterator[State]:
    """The states of a run with bars, orders, positions and exits in it, one in five."""
    core = Core()
    for place, group in enumerate(small_run().groups):
        core.step(group.fact.seq, group.fact.ts, group.fact.event)
        if place % 5 == 0:
            yield core.state
    yield core.state


def test_a_state_reads_back_as_itself() -> None:
    """encode(decode(encode(state))) == encode(state), the state and its hash equal."""
    seen = 0
    for state in states():
        data = checked_bytes(state)
        again = decode_state(data)
        assert again == state
        assert encode_state(again) == data == encode_state(state)
        assert state_hash(again) == state_hash(state)
        assert restored_state(state.seq, data) == state
        seen += bool(state.orders or state.positions)
    assert seen > 0
    assert checked_bytes(EMPTY) == encode_state(EMPTY)


@pytest.mark.parametrize(
    "other",
    [{"vols": (0,)}, {"vols": (1,)}, {"now": 1.0}, {"instruments": [1]}],
)
def test_canary_a_state_that_reads_back_as_another_is_refused(other: dict[str, object]) -> None:
    """An integer where a float belongs is equal to it and has other bytes."""
    with pytest.raises(StateError):
        checked_bytes(replace(EMPTY, **other))


def test_bytes_of_no_state_are_refused() -> None:
    """Cut, longer, of another shape, or in a longer form than the canonical one."""
    data = encode_state(EMPTY)
    loose = msgspec.msgpack.decode(data)
    array = b"\xdd" + len(loose).to_bytes(4, "big") + data[3:]
    for bad in (b"", data[:-1], data + b"\xc0", msgspec.msgpack.encode([1]), array):
        with pytest.raises(StateError):
            decode_state(bad)


def test_the_state_of_another_entry_is_refused() -> None:
    """A checkpoint that is filed under the wrong seq is of no use."""
    with pytest.raises(StateError, match="after entry 0, not 1"):
        restored_state(1, encode_state(EMPTY))
