"""A model as bytes and back, so that a session need not be folded from its start again.

Lives here: ``saved_bytes`` and ``model_of``. May import: msgspec, events, projections.live, the
standard library. Always holds: what comes back has the view of what went in, and goes on as it
would have; bytes of another release, of another session, or changed by a single bit are refused
with a reason; nothing but the room's own objects and the events' frozen structs is ever made from
them, whatever they say. Start reading at ``model_of``.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Final, NoReturn

import msgspec

from events.envelope import UNDECODABLE
from projections.live.model import LiveModel
from projections.live.packing import Plain, made, plain

RAW_BYTES_MAX: Final = 1 << 28
"""A model is some megabytes; what claims to be more is no model."""

_LEVEL: Final = 1


class SavedUnfitError(ValueError):
    """Bytes that are not used; the message says why, for a person."""


class Saved(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Where a model stood. ``release`` names the code that folded it, ``uid`` the session; the last
    entry folded is ``seq``, and the journal's chain there ``chain``. ``digest`` is of all of it."""

    form: str
    release: str
    uid: str
    seq: int
    chain: bytes
    digest: bytes
    body: bytes


FORM: Final = "axiom-live-2"
_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(Saved)
_plain_decoder: Final = msgspec.msgpack.Decoder(Plain)


def saved_bytes(model: LiveModel, *, release: str, uid: str, chain: bytes) -> bytes:
    """All of a model that has folded a session up to a place of its chain."""
    body = packed(model)
    bare = Saved(FORM, release, uid, model.seq, chain, b"", body)
    return _encoder.encode(msgspec.structs.replace(bare, digest=_digest(bare)))


def head_of(data: bytes, *, release: str, uid: str) -> Saved:
    """What was saved, checked but not unpacked. Raises ``SavedUnfitError``."""
    try:
        found = _decoder.decode(data)
    except UNDECODABLE:
        _refuse("it is damaged")
    bare = msgspec.structs.replace(found, digest=b"")
    if found.form != FORM or found.release != release:
        _refuse("another release wrote it")
    if found.digest != _digest(bare):
        _refuse("it is damaged")
    if found.uid != uid:
        _refuse("it is of another session")
    return found


def model_of(saved: Saved) -> LiveModel:
    """The model, ready to fold the entry after ``saved.seq``. Raises ``SavedUnfitError``."""
    model = unpacked(saved.body)
    if model.seq != saved.seq:
        _refuse("it is damaged")
    return model


def _digest(bare: Saved) -> bytes:
    return hashlib.sha256(_encoder.encode(bare)).digest()


def _refuse(why: str) -> NoReturn:
    raise SavedUnfitError(why)


# --- the body ------------------------------------------------------------------------------------


def packed(model: LiveModel) -> bytes:
    """The model alone, for the process that made it."""
    model.settle()
    return zlib.compress(_encoder.encode(plain(model)), _LEVEL)


def unpacked(body: bytes) -> LiveModel:
    """A model of ``packed``. Raises ``SavedUnfitError``."""
    opener = zlib.decompressobj()
    try:
        raw = opener.decompress(body, RAW_BYTES_MAX)
        found = made(_plain_decoder.decode(raw))
    except _BROKEN as error:
        raise SavedUnfitError("it is damaged") from error
    if not isinstance(found, LiveModel):
        _refuse("it is damaged")
    return found


_BROKEN: Final = (
    zlib.error, msgspec.MsgspecError, AttributeError, LookupError, TypeError, ValueError,
    RecursionError,
)  # fmt: skip
