"""The control socket's bytes: any cut of the stream is the same messages, and what is no message of
ours is refused by name before anything of it is kept."""

from __future__ import annotations

import contextlib
import itertools
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.control.protocol import (
    ANSWER_BYTES_MAX,
    MAGIC,
    REQUEST_BYTES_MAX,
    VERSION,
    CommandAnswer,
    CommandRequest,
    Fault,
    Figure,
    Frames,
    OpenApproval,
    OpenIncident,
    ProtocolError,
    Status,
    StatusAnswer,
    StatusRequest,
    answer_of,
    frame,
    request_of,
)

TEXTS = st.text(max_size=40)
MAYBE = st.none() | TEXTS
REQUESTS = st.builds(CommandRequest, TEXTS, MAYBE, MAYBE, TEXTS, MAYBE, TEXTS) | st.builds(
    StatusRequest
)


def header(length: int, magic: bytes = MAGIC, version: int = VERSION) -> bytes:
    """A header as it stands before a payload."""
    return struct.pack(">4sHI", magic, version, length)


@given(st.lists(REQUESTS, max_size=5), st.lists(st.integers(0, 400), max_size=20))
def test_any_cut_of_the_stream_gives_the_requests(
    requests: list[CommandRequest | StatusRequest], cuts: list[int]
) -> None:
    """What was framed comes out once, in order, wherever the stream is cut."""
    stream = b"".join(frame(request) for request in requests)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut <= len(stream))})
    frames = Frames(REQUEST_BYTES_MAX)
    got = []
    for begin, end in itertools.pairwise(places):
        got += [request_of(payload) for payload in frames.feed(stream[begin:end])]
    assert got == requests
    assert len(frames) == 0


def test_answers_come_back_as_they_were() -> None:
    """Every kind of answer, with the figures of a status."""
    status = Status(
        "s", "SIM", "READY", ("GOV_HALTED",), 7, 8, (Figure("a_ms", 1.5), Figure("b", None)),
        (OpenApproval("r", "TREND", "BUY", "NIFTY26NOV25000CE", 75, 1, 2, 3, 4, 5, 6, None, None),),
        (OpenIncident("I1", 1, "AUTH_LOST", "login", 7, False),),
    )  # fmt: skip
    for answer in (
        CommandAnswer("c", "ACCEPTED", "CMD_ACCEPTED", 7),
        StatusAnswer(status, 3),
        StatusAnswer(None, None),
        Fault("OVERSIZE", 1),
    ):
        (payload,) = Frames(ANSWER_BYTES_MAX).feed(frame(answer))
        assert answer_of(payload) == answer


@given(st.binary(min_size=1, max_size=64))
def test_what_does_not_begin_as_a_frame_is_no_frame(data: bytes) -> None:
    """The first byte that differs ends it: nothing waits for a length that a stranger chose."""
    if MAGIC.startswith(data[: len(MAGIC)]):
        return
    with pytest.raises(ProtocolError, match="NOT_CONTROL"):
        list(Frames(REQUEST_BYTES_MAX).feed(data))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "NOT_CONTROL"),
        (b"\x16\x03\x01\x02\x00\x01", "NOT_CONTROL"),
        (header(REQUEST_BYTES_MAX + 1), "OVERSIZE"),
        (header(0xFFFF_FFFF), "OVERSIZE"),
        (header(1, version=1), "OTHER_VERSION"),
        (header(0, version=0), "OTHER_VERSION"),
    ],
)
def test_a_wrong_header_is_refused_at_once(data: bytes, code: str) -> None:
    """S07: by its header alone, without a byte of its payload."""
    frames = Frames(REQUEST_BYTES_MAX)
    with pytest.raises(ProtocolError) as refused:
        list(frames.feed(data))
    assert refused.value.code == code


def test_no_more_is_held_than_a_frame() -> None:
    """The room that is left shrinks to nothing at the largest frame, and is back after it."""
    frames = Frames(16)
    whole = frames.room
    assert list(frames.feed(header(16) + b"x" * 15)) == []
    assert frames.room == 1
    assert list(frames.feed(b"x")) == [b"x" * 16]
    assert frames.room == whole


PAYLOADS = [
    b"",
    b"\xc1",
    msgspec.msgpack.encode(["command", "HALT"]),
    msgspec.msgpack.encode(["command", "HALT", None, None, "", None, "c", "more"]),
    msgspec.msgpack.encode(["command", 1, None, None, "", None, "c"]),
    msgspec.msgpack.encode(["shutdown"]),
    msgspec.msgpack.encode({"verb": "HALT"}),
    msgspec.msgpack.encode(["status"]) + b"\x00",
    b"\x96\xa7command\xa4HALT\xc0\xc0\xa1\xff\xc0\xa1c",
    b"\x91" * REQUEST_BYTES_MAX,
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_of_another_shape_is_malformed(payload: bytes) -> None:
    """Too little, too much, another type, another tag, not UTF-8, nested without end."""
    with pytest.raises(ProtocolError, match="MALFORMED"):
        request_of(payload)


@given(st.binary(max_size=200))
def test_any_payload_is_a_request_or_malformed(payload: bytes) -> None:
    """No other error comes out of bytes that anybody sent."""
    with contextlib.suppress(ProtocolError):
        assert isinstance(request_of(payload), CommandRequest | StatusRequest)
