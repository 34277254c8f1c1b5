"""The envelope: six fields that can be read before the kind is known, and the chain over it."""

from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.envelope import (
    GENESIS_HASH,
    SEQ_FIRST,
    EnvelopeError,
    chain_hash,
    decode_envelope,
    encode_envelope,
    encode_payload,
    is_canonical,
    payload_digest,
    split_envelope,
)
from events.feed import FeedFrame, TimerTick
from events.session import SessionClosed

TICK = TimerTick(1_756_440_900_000_000_000, 2)
OWN_VECTOR = "9607a954696d65725469636b0109079 2cf186021b14977a80002".replace(" ", "")
"""seq 7, TimerTick version 1, ts 9, cause 7 and the payload, written out by hand."""


def test_an_envelope_is_these_bytes() -> None:
    """An array of six, the payload nested as it is: checked against bytes written by hand."""
    data = encode_envelope(7, "TimerTick", 1, 9, 7, TICK)
    assert data.hex() == OWN_VECTOR
    assert data.endswith(encode_payload(TICK))


def test_an_envelope_is_read_before_its_kind_is_known() -> None:
    """A kind that nobody knows still shows its six fields, and its payload stays as it is."""
    head = (9, "FromTheFuture", 12, 5, 8)
    data = encode_envelope(*head, TICK)
    envelope = decode_envelope(data)
    fields = (envelope.seq, envelope.kind, envelope.version, envelope.ts, envelope.cause)
    assert fields == head
    assert bytes(envelope.payload) == encode_payload(TICK)
    assert is_canonical(data)


def test_a_fact_is_its_own_cause() -> None:
    """A fact's cause is its own seq; a derivation's is an earlier one."""
    assert decode_envelope(encode_envelope(7, "TimerTick", 1, 9, 7, TICK)).is_fact
    assert not decode_envelope(encode_envelope(8, "DecisionMade", 1, 9, 7, TICK)).is_fact


WHOLE = encode_envelope(7, "TimerTick", 1, 9, 7, TICK)


@pytest.mark.parametrize("cut", range(len(WHOLE)))
def test_a_cut_envelope_is_refused(cut: int) -> None:
    """Wherever it is cut, what is left is not an envelope, and one typed error says so."""
    with pytest.raises(EnvelopeError, match="not an envelope"):
        decode_envelope(WHOLE[:cut])


@pytest.mark.parametrize(
    "data",
    [
        WHOLE + b"\x00",
        b"",
        b"\x80",
        msgspec.msgpack.encode([1, "A", 1, 1, 1]),
        msgspec.msgpack.encode([1, "A", 1, 1, 1, [], 7]),
        msgspec.msgpack.encode(["1", "A", 1, 1, 1, []]),
        msgspec.msgpack.encode([1.5, "A", 1, 1, 1, []]),
        msgspec.msgpack.encode({"seq": 1}),
        msgspec.msgpack.encode([1, None, 1, 1, 1, []]),
        b"\x96\x01\xa2\xf2\xff\x01\x01\x01\x90",
    ],
    ids=[
        "trailing",
        "empty",
        "map",
        "five",
        "seven",
        "word",
        "float",
        "fields",
        "no kind",
        "no text",
    ],
)
def test_what_is_not_exactly_one_envelope_is_refused(data: bytes) -> None:
    """Too much, too little or another type: refused, never guessed."""
    with pytest.raises(EnvelopeError):
        decode_envelope(data)


@given(st.binary(max_size=60))
def test_any_bytes_give_an_envelope_or_the_one_error(data: bytes) -> None:
    """No input ends in another error."""
    try:
        envelope = decode_envelope(data)
    except EnvelopeError:
        return
    assert isinstance(envelope.seq, int)


def test_a_longer_form_of_a_number_is_not_canonical() -> None:
    """The same seq in two bytes reads the same and is told apart."""
    longer = WHOLE.replace(b"\x96\x07", b"\x96\xcc\x07")
    assert decode_envelope(longer) == decode_envelope(WHOLE)
    assert is_canonical(WHOLE)
    assert not is_canonical(longer)


def test_the_chain_is_sha256_of_the_hash_before_and_the_bytes() -> None:
    """Counted again with the library's own hash, from 32 zero bytes on."""
    assert bytes(32) == GENESIS_HASH
    assert SEQ_FIRST == 1
    first = chain_hash(GENESIS_HASH, WHOLE)
    assert first == hashlib.sha256(bytes(32) + WHOLE).digest()
    assert chain_hash(first, b"x") == hashlib.sha256(first + b"x").digest()


def test_a_payload_digest_is_sha256_of_the_canonical_payload() -> None:
    """In hex, lower case; another event has another digest."""
    event = SessionClosed("END_OF_DAY")
    assert payload_digest(event) == hashlib.sha256(b"\x91\xaaEND_OF_DAY").hexdigest()
    assert payload_digest(SessionClosed("OPERATOR")) != payload_digest(event)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 4_096, 65_535, 65_536, 100_000])
def test_an_envelope_in_two_pieces_is_the_same_bytes(size: int) -> None:
    """Around each form of the length word the pieces put together are the canonical envelope."""
    body = bytes(range(256)) * (size // 256 + 1)
    frames = [FeedFrame(0, "kite.v3", 1, False, size, None, d) for d in (body[:size], b"")]
    whole, empty = (encode_envelope(70_000, "FeedFrame", 1, 5, 70_000, one) for one in frames)
    split = split_envelope(empty, body[:size])
    assert split.head + split.body == whole
    assert len(split) == len(whole)
    assert split.startswith(whole[:6]) and not split.startswith(b"\x00")


def test_only_an_empty_body_can_be_replaced() -> None:
    """Canary: what does not end with no bytes is a programming error."""
    with pytest.raises(AssertionError, match="must be bytes"):
        split_envelope(encode_envelope(1, "TimerTick", 1, 5, 1, TimerTick(5, 3)), b"x")
