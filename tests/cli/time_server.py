"""A time server on loopback, for what will not begin without one.

Lives here: ``time_server``, ``PACKET``, ``stamp``. Always holds: no thread outlives the context.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cli.doctor.clock import ERA_NTP_S, NTP_UNIX_S

PACKET = struct.Struct("!BBbbIIIQQQQ")
"""The whole of an NTP packet's header (RFC 5905, figure 8)."""

S = 1_000_000_000


def stamp(ns: int) -> int:
    """An NTP time, reckoned apart from the code under test."""
    return ((ns // S + NTP_UNIX_S) % ERA_NTP_S << 32) + ((ns % S) << 32) // S


@contextmanager
def time_server(ahead_ms: int = 0) -> Iterator[str]:
    """A time server whose clock is so far ahead of ours; gives HOST:PORT."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                question, asker = listener.recvfrom(512)
                if not question:
                    return
                at = stamp(time.time_ns() + ahead_ms * 1_000_000)
                origin = PACKET.unpack(question)[-1]
                answer = PACKET.pack(0x24, 2, 0, 0, 0, 0, 0, 0, origin, at, at)
                listener.sendto(answer, asker)

        thread = threading.Thread(target=serve, name="test-time-server")
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.sendto(b"", listener.getsockname())
            thread.join()
