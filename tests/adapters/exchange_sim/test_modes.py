"""What a connection is sent: cut packets, its own tokens only, bounded requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exchange_sim.modes import (
    FRAME_PACKETS,
    TOKENS_MAX,
    Mode,
    Subscription,
    SubscriptionError,
    in_mode,
    packets_of,
)
from events.wire import kite
from tests.adapters.exchange_sim.packets import INDEX, OPTION, full_packet, index_packet

WIRE = {
    (OPTION, Mode.LTP): 8,
    (OPTION, Mode.QUOTE): 44,
    (OPTION, Mode.FULL): 184,
    (INDEX, Mode.LTP): 8,
    (INDEX, Mode.QUOTE): 28,
    (INDEX, Mode.FULL): 32,
}


@pytest.mark.parametrize(("token", "mode"), WIRE)
def test_a_packet_in_a_mode_is_that_modes_layout(token: int, mode: Mode) -> None:
    """Each mode's packet has the documented length and says the same as the full one."""
    packet = index_packet() if token == INDEX else full_packet()
    cut = in_mode(packet, mode)
    assert len(cut) == WIRE[token, mode]
    whole, part = kite.decode_packet(packet), kite.decode_packet(cut)
    for name in part.__struct_fields__:
        if getattr(part, name) is not None:
            assert getattr(part, name) == getattr(whole, name)


def test_the_default_mode_is_quote_and_a_mode_needs_a_subscription() -> None:
    """Subscribing gives quote; a mode for a token that is not subscribed leaves no trace."""
    mine = Subscription()
    assert mine.subscribe([OPTION, OPTION]) == (OPTION,)
    assert mine.set_mode(Mode.FULL, [INDEX]) == ()
    assert dict(mine.modes) == {OPTION: Mode.QUOTE}
    mine.set_mode(Mode.FULL, [OPTION])
    mine.subscribe([OPTION])
    assert dict(mine.modes) == {OPTION: Mode.FULL}
    mine.unsubscribe([OPTION, INDEX])
    assert len(mine) == 0


def test_the_limit_counts_what_was_asked_for_and_refuses_whole_requests() -> None:
    """3,000 tokens are taken; one more, even a repeated one, is refused and changes nothing."""
    mine = Subscription()
    mine.subscribe(range(256, 256 + TOKENS_MAX))
    for more in ([1], [256], [1, 2]):
        with pytest.raises(SubscriptionError, match=f"max tokens exceeded: 300{len(more)} "):
            mine.subscribe(more)
    assert len(mine) == TOKENS_MAX
    mine.unsubscribe([256])
    mine.subscribe([1])


@given(st.lists(st.sampled_from([OPTION, OPTION + 256, INDEX]), max_size=3, unique=True))
def test_a_frame_holds_exactly_the_subscribed_tokens(wanted: list[int]) -> None:
    """Of a frame of three instruments a connection gets its own, in order, or no frame."""
    packets = [full_packet(), index_packet(), full_packet(token=OPTION + 256)]
    whole = kite.encode_frame(packets)
    mine = Subscription()
    mine.subscribe(wanted)
    data = mine.frame_of(packets_of(whole), whole)
    tokens = [] if data is None else [tick.token for tick in kite.decode_frame(data)]
    assert tokens == [token for token in (OPTION, INDEX, OPTION + 256) if token in wanted]


def test_who_sees_all_of_a_frame_gets_the_markets_own_bytes() -> None:
    """All tokens in mode full: the very bytes, not a copy; one in quote: another frame."""
    whole = kite.encode_frame([full_packet(), index_packet()])
    mine = Subscription()
    mine.subscribe([OPTION, INDEX])
    mine.set_mode(Mode.FULL, [OPTION, INDEX])
    assert mine.frame_of(packets_of(whole), whole) is whole
    mine.set_mode(Mode.QUOTE, [INDEX])
    cut = mine.frame_of(packets_of(whole), whole)
    assert cut is not None and len(cut) == len(whole) - 4


def test_snapshots_come_in_frames_of_bounded_size_and_leave_out_what_never_spoke() -> None:
    """More tokens than a frame may hold are given in several; a silent one in none."""
    tokens = [256 * n + 2 for n in range(1, FRAME_PACKETS + 2)]
    newest = {token: full_packet(token=token) for token in tokens}
    mine = Subscription()
    mine.subscribe([*tokens, INDEX])
    frames = mine.snapshot([*tokens, INDEX], newest)
    assert [len(kite.decode_frame(frame)) for frame in frames] == [FRAME_PACKETS, 1]
    assert mine.snapshot([INDEX], newest) == []
