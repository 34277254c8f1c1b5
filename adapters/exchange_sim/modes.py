"""Who gets which packet: modes, one connection's subscription, the newest packet of each token.

Lives here: cutting a full packet to a mode, and the sets that decide what a frame holds for one
connection. Sans I/O. May import: events.wire. Always holds: a packet is only ever shortened, so its
bytes are the market's own; what a connection did not ask for is not in its frames.
Start reading at ``Subscription``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from events.wire.kite import (
    FULL_SIZE,
    INDEX_FULL_SIZE,
    INDEX_QUOTE_SIZE,
    LTP_SIZE,
    QUOTE_SIZE,
    encode_frame,
    packet_spans,
)

TOKENS_MAX: Final = 3_000
"""Tokens a connection may ask for; one asked for twice counts twice."""

FRAME_PACKETS: Final = 500
"""The most packets of one frame with first snapshots."""


class Mode(enum.StrEnum):
    """How much of an instrument is sent."""

    LTP = "ltp"
    QUOTE = "quote"
    FULL = "full"


_CUT: Final[Mapping[Mode, Mapping[int, int]]] = MappingProxyType(
    {
        Mode.LTP: dict.fromkeys(
            (LTP_SIZE, INDEX_QUOTE_SIZE, INDEX_FULL_SIZE, QUOTE_SIZE, FULL_SIZE), LTP_SIZE
        ),
        Mode.QUOTE: {
            LTP_SIZE: LTP_SIZE,
            INDEX_QUOTE_SIZE: INDEX_QUOTE_SIZE,
            INDEX_FULL_SIZE: INDEX_QUOTE_SIZE,
            QUOTE_SIZE: QUOTE_SIZE,
            FULL_SIZE: QUOTE_SIZE,
        },
        Mode.FULL: {
            size: size
            for size in (LTP_SIZE, INDEX_QUOTE_SIZE, INDEX_FULL_SIZE, QUOTE_SIZE, FULL_SIZE)
        },
    }
)
"""Length in a mode of a packet that the market sends with a length. A market that has only the
shorter packet (a session recorded in quote mode) cannot give the longer."""


def in_mode(packet: bytes, mode: Mode) -> bytes:
    """A packet as a connection in ``mode`` sees it: each layout begins with the shorter one."""
    return packet[: _CUT[mode][len(packet)]]


Packets = Sequence[tuple[int, bytes]]
"""(token, packet) in frame order."""


def packets_of(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """The packets of a frame with their tokens; none for a heartbeat. Raises ``FrameError``."""
    return tuple(
        (int.from_bytes(data[at : at + 4], "big"), data[at : at + size])
        for at, size in packet_spans(data)
    )


class SubscriptionError(ValueError):
    """A request that is refused; the message is the text of the error frame."""


class Subscription:
    """What one connection asked for. The protocol acknowledges nothing, so neither does this."""

    def __init__(self) -> None:
        self._modes: dict[int, Mode] = {}
        self._asked: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._modes)

    @property
    def modes(self) -> Mapping[int, Mode]:
        """Mode of each token, in order of subscription."""
        return MappingProxyType(self._modes)

    def subscribe(self, tokens: Sequence[int]) -> tuple[int, ...]:
        """Add tokens in mode quote; one that is there keeps its mode. Gives them without
        repetition. Raises ``SubscriptionError`` past the limit: then none is added."""
        count = sum(self._asked.values()) + len(tokens)
        if count > TOKENS_MAX:
            raise SubscriptionError(
                f"max tokens exceeded: {count} asked for, a connection may have {TOKENS_MAX}"
            )
        for token in tokens:
            self._modes.setdefault(token, Mode.QUOTE)
            self._asked[token] = self._asked.get(token, 0) + 1
        return tuple(dict.fromkeys(tokens))

    def unsubscribe(self, tokens: Iterable[int]) -> None:
        """Forget tokens; one that is not there is nothing."""
        for token in tokens:
            self._modes.pop(token, None)
            self._asked.pop(token, None)

    def set_mode(self, mode: Mode, tokens: Iterable[int]) -> tuple[int, ...]:
        """Change the mode of subscribed tokens; gives those that are."""
        known = tuple(token for token in dict.fromkeys(tokens) if token in self._modes)
        for token in known:
            self._modes[token] = mode
        return known

    def frame_of(self, packets: Packets, whole: bytes) -> bytes | None:
        """The frame that this connection gets of the market's; ``whole`` is that one, and is
        given back as it is where the connection sees all of it. None for nothing to send."""
        modes = self._modes
        mine = [
            packet[: _CUT[mode][len(packet)]]
            for token, packet in packets
            if (mode := modes.get(token)) is not None
        ]
        if not mine:
            return None
        if len(mine) == len(packets) and _length(mine) == len(whole):
            return whole
        return encode_frame(mine)

    def snapshot(self, tokens: Iterable[int], newest: Mapping[int, bytes]) -> list[bytes]:
        """Frames with the newest packet of each subscribed token of ``tokens``; a token that the
        market has not spoken of yet is left out."""
        packets = [
            in_mode(newest[token], self._modes[token])
            for token in tokens
            if token in newest and token in self._modes
        ]
        return [
            encode_frame(packets[at : at + FRAME_PACKETS])
            for at in range(0, len(packets), FRAME_PACKETS)
        ]


def _length(packets: Sequence[bytes]) -> int:
    """Bytes of the frame of these packets."""
    return 2 + sum(len(packet) + 2 for packet in packets)
