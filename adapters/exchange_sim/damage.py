"""What a fault does to the bytes of a frame.

Lives here: frames whose words lie, frames that end too early, stamps that are off. Sans I/O. May
import: events.wire. Always holds: the codec refuses what ``malformed`` and ``truncated`` give.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from events.wire.kite import FULL_SIZE, INDEX_FULL_SIZE

Draw = Callable[[int], int]
"""A number below the one given."""

TEXT_AS_BINARY: Final = b'{"type":"message","data":"text where binary is due"}'


def malformed(frame: bytes, draw: Draw) -> bytes:
    """A frame of at least one packet, made unreadable in one of several ways."""
    return _WAYS[draw(len(_WAYS))](frame)


def truncated(frame: bytes, draw: Draw) -> bytes:
    """A frame that ends somewhere after its count; it is not taken for a heartbeat."""
    return frame[: 2 + draw(len(frame) - 2)]


def _one_packet_more(frame: bytes) -> bytes:
    return (int.from_bytes(frame[:2], "big") + 1).to_bytes(2, "big") + frame[2:]


def _no_packet(frame: bytes) -> bytes:
    return b"\x00\x00" + frame[2:]


def _negative_count(frame: bytes) -> bytes:
    return b"\xff\xff" + frame[2:]


def _odd_length(frame: bytes) -> bytes:
    return frame[:2] + b"\x00\x2d" + frame[4:]


def _trailing_bytes(frame: bytes) -> bytes:
    return frame + b"\x00\x00\x00"


def _text(frame: bytes) -> bytes:
    return TEXT_AS_BINARY


_WAYS: Final = (
    _one_packet_more,
    _no_packet,
    _negative_count,
    _odd_length,
    _trailing_bytes,
    _text,
)

_STAMPS_AT: Final = {FULL_SIZE: (44, 60), INDEX_FULL_SIZE: (28,)}
"""Where a packet holds times in epoch seconds."""


def shifted(packet: bytes, offset_ms: int) -> bytes:
    """A packet with its times moved, to the whole second; a time that is not set stays so."""
    for at in _STAMPS_AT.get(len(packet), ()):
        stamp = int.from_bytes(packet[at : at + 4], "big")
        if stamp:
            moved = (stamp + offset_ms // 1_000) & 0xFFFF_FFFF
            packet = packet[:at] + moved.to_bytes(4, "big") + packet[at + 4 :]
    return packet
