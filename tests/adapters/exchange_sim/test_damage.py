"""F04: what the faults do to frames is what the codec must refuse, and nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exchange_sim.damage import malformed, shifted, truncated
from events.wire import kite
from tests.adapters.exchange_sim.packets import STAMP_S, full_packet, index_packet

FRAME = kite.encode_frame([full_packet(), index_packet()])


@given(st.data())
def test_every_damaged_frame_is_refused_by_the_codec(data: st.DataObject) -> None:
    """F04: whichever way is drawn, the walk refuses the frame, and it is no heartbeat."""

    def draw(bound: int) -> int:
        return data.draw(st.integers(0, bound - 1))

    for damage in (malformed, truncated):
        frame = damage(FRAME, draw)
        assert len(frame) > 1
        with pytest.raises(kite.FrameError):
            kite.walk(frame)


def test_each_way_of_lying_is_another_fault() -> None:
    """The ways differ in what the codec says of them, so that none hides behind another."""
    faults = []
    for way in range(6):
        with pytest.raises(kite.FrameError) as refused:
            kite.walk(malformed(FRAME, lambda bound, way=way: way))  # type: ignore[misc]
        faults.append(refused.value.fault)
    assert len(set(faults)) >= 5, faults


def test_a_clock_that_is_off_moves_stamps_and_nothing_else() -> None:
    """Both stamps of a full packet and the one of an index move; a time that is not set stays."""
    full = kite.decode_packet(shifted(full_packet(), -5_000))
    assert isinstance(full, kite.FullTick)
    assert (full.exchange_time_s, full.last_trade_time_s) == (STAMP_S - 5, STAMP_S - 5)
    index = kite.decode_packet(shifted(index_packet(), 7_000))
    assert isinstance(index, kite.IndexTick) and index.exchange_time_s == STAMP_S + 7
    assert shifted(full_packet(stamp_s=0), 9_000) == full_packet(stamp_s=0)
    assert shifted(full_packet()[:44], 9_000) == full_packet()[:44]
