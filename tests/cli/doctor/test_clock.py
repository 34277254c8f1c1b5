"""The clock's offset: by a time server on loopback, by chronyc and timedatectl, or unknown."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.doctor.clock import (
    ClockError,
    _ntp,
    _unix_ns,
    ask_time,
    chrony_offset,
    clock,
    timesync_offset,
)
from tests.cli.doctor.place import NOW, context
from tests.cli.time_server import PACKET, stamp

S = 1_000_000_000


@contextmanager
def server(answer: Callable[[bytes], bytes | None]) -> Iterator[str]:
    """A time server on loopback that answers one question; gives HOST:PORT."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(10)

        def serve() -> None:
            question, asker = listener.recvfrom(512)
            data = answer(question)
            if data is not None:
                listener.sendto(data, asker)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join()


def good(ahead_ns: int, **changes: int) -> Callable[[bytes], bytes]:
    """A server whose clock is so far ahead of ours."""

    def answer(question: bytes) -> bytes:
        origin = PACKET.unpack(question)[-1]
        head, stratum = changes.get("head", 0x24), changes.get("stratum", 2)
        at = stamp(NOW + ahead_ns)
        return PACKET.pack(
            head, stratum, 0, 0, 0, 0, 0, 0, changes.get("origin", origin),
            changes.get("received", at), at,
        )  # fmt: skip

    return answer


@pytest.mark.parametrize("ahead_ms", [0, 20, -20, 900, 5_000, -86_400_000])
def test_a_server_says_how_far_we_are_behind(ahead_ms: int) -> None:
    """To the microsecond, in both directions."""
    with server(good(ahead_ms * 1_000_000)) as host:
        assert abs(ask_time(host, lambda: NOW) - ahead_ms * 1_000_000) < 1_000


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (good(0, stratum=0), "not synchronised"),
        (good(0, stratum=16), "not synchronised"),
        (good(0, head=0xE4), "not synchronised"),
        (good(0, head=0x23), "not synchronised"),
        (good(0, received=0), "not synchronised"),
        (good(0, origin=1), "another question"),
        (lambda _: b"x", "no NTP"),
    ],
)
def test_an_answer_that_is_none_is_refused(answer: Callable[[bytes], bytes], says: str) -> None:
    """Unsynchronised servers, kisses of death, forged origins, noise."""
    with server(answer) as host, pytest.raises(ClockError, match=says):
        ask_time(host, lambda: NOW)


@pytest.mark.parametrize("host", ["127.0.0.1:1", "127.0.0.1:99999", "127.0.0.1:x"])
def test_a_server_that_is_not_there_is_unknown(host: str, tmp_path: Path) -> None:
    """One line, and no verdict."""
    outcome = clock(context(tmp_path, settings={"ntp_host": host}))
    assert outcome.verdict is None
    assert "did not answer" in outcome.sentence


@given(st.integers(0, 4_000_000_000 * S), st.integers(-S, S))
def test_times_go_over_the_wire_and_back(ns: int, off: int) -> None:
    """To a nanosecond, past the end of the era of 2036 too."""
    assert abs(_unix_ns(_ntp(ns), ns + off) - ns) <= 1


CHRONY = """\
Reference ID    : C0A80001 (192.168.0.1)
Stratum         : 3
System time     : {} seconds {} of NTP time
Leap status     : {}
"""


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        (CHRONY.format("0.000012345", "slow", "Normal"), 12_345),
        (CHRONY.format("0.250000000", "fast", "Normal"), -250_000_000),
        (CHRONY.format("0.000012345", "slow", "Not synchronised"), None),
        (CHRONY.format("1.2.3", "slow", "Normal"), None),
        ("506 Cannot talk to daemon", None),
        ("", None),
    ],
)
def test_chronyc(text: str, offset: int | None) -> None:
    """Slow is behind; what is not kept, or not these words, is unknown."""
    assert chrony_offset(text) == offset


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("       Server: 1.2.3.4\n       Offset: +1.5ms\n        Delay: 3ms\n", 1_500_000),
        ("       Offset: -372us\n", -372_000),
        ("       Offset: 2s\n", 2 * S),
        ("       Offset: n/a\n", None),
        ("", None),
    ],
)
def test_timedatectl(text: str, offset: int | None) -> None:
    """With its sign and unit, or unknown."""
    assert timesync_offset(text) == offset


@pytest.mark.parametrize(
    ("seconds", "verdict"), [("0.09", "ok"), ("0.2", "warn"), ("1.0", "warn"), ("1.001", "bad")]
)
def test_over_a_second_refuses(tmp_path: Path, seconds: str, verdict: str) -> None:
    """A tenth of a second is warned of, more than a second is bad."""
    said = CHRONY.format(seconds, "fast", "Normal")
    outcome = clock(context(tmp_path, run=lambda words: said if words[0] == "chronyc" else None))
    assert outcome.verdict == verdict
    assert "ahead by chrony" in outcome.sentence


def test_the_services_are_asked_in_order_and_nobody_else(tmp_path: Path) -> None:
    """chronyc, then timedatectl; where neither says, it is unknown what the clock does."""
    asked: list[str] = []

    def run(words: object) -> str | None:
        assert isinstance(words, tuple)
        asked.append(words[0])
        return None

    assert clock(context(tmp_path, run=run)).verdict is None
    assert asked == ["chronyc", "timedatectl"]
    by_systemd = clock(
        context(tmp_path, run=lambda words: "Offset: +3ms\n" if "timesync" in words[-1] else None)
    )
    assert by_systemd.verdict == "ok"
    assert "systemd-timesyncd" in by_systemd.sentence
