"""A model saved and taken up again is the model that went on; anything else is refused."""

from __future__ import annotations

import zlib
from collections import deque
from functools import cache

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.envelope import Envelope
from events.registry import BY_KIND
from projections.live import packing
from projections.live.model import LiveModel
from projections.live.packing import NotPacked, Plain, plain
from projections.live.saved import (
    Saved,
    SavedUnfitError,
    head_of,
    model_of,
    packed,
    saved_bytes,
    unpacked,
)
from tests.projections.live.story import Story, a_day
from tests.tui.recorded import NAMES, entries

RELEASE, UID, CHAIN = "r" * 64, "0123456789ab", b"c" * 32


@cache
def envelopes(name: str) -> tuple[Envelope, ...]:
    """A golden session, or the story of a day."""
    if name == "a day":
        return tuple(a_day().close().envelopes)
    return tuple(envelope for envelope, _ in entries(name))


def folded(name: str, upto: int) -> LiveModel:
    model = LiveModel()
    for envelope in envelopes(name)[:upto]:
        model.fold(envelope)
    return model


def through(model: LiveModel) -> LiveModel:
    """The model after a night in a file."""
    data = saved_bytes(model, release=RELEASE, uid=UID, chain=CHAIN)
    return model_of(head_of(data, release=RELEASE, uid=UID))


@given(st.data())
def test_a_fold_that_was_kept_is_the_fold_that_went_on(data: st.DataObject) -> None:
    """Cut anywhere, once or more often: the view there and at the end is that of one fold."""
    name = data.draw(st.sampled_from((*NAMES, "a day")))
    all_of_it = envelopes(name)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(all_of_it)), max_size=3)))
    model, at = LiveModel(), 0
    for cut in (*cuts, len(all_of_it)):
        for envelope in all_of_it[at:cut]:
            model.fold(envelope)
        at = cut
        model = through(model)
        assert model.view() == folded(name, cut).view()
        assert model.standing() == folded(name, cut).standing()


def test_what_is_saved_names_its_place() -> None:
    """Seq and chain stand in the head, readable without making a model."""
    model = folded("a day", 40)
    saved = head_of(
        saved_bytes(model, release=RELEASE, uid=UID, chain=CHAIN), release=RELEASE, uid=UID
    )
    assert (saved.seq, saved.chain) == (model.seq, CHAIN)


@given(st.data())
def test_a_changed_bit_is_refused(data: st.DataObject) -> None:
    """Whichever bit of the file is flipped, nothing is made of it."""
    good = _good()
    place = data.draw(st.integers(0, len(good) * 8 - 1))
    bad = bytearray(good)
    bad[place // 8] ^= 1 << place % 8
    with pytest.raises(SavedUnfitError):
        head_of(bytes(bad), release=RELEASE, uid=UID)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    """What no screen wrote is refused with a reason, never with a crash."""
    with pytest.raises(SavedUnfitError):
        head_of(data, release=RELEASE, uid=UID)
    with pytest.raises(SavedUnfitError):
        unpacked(zlib.compress(data))


@cache
def _good() -> bytes:
    return saved_bytes(folded("a day", 30), release=RELEASE, uid=UID, chain=CHAIN)


def test_another_release_or_session_is_refused() -> None:
    """A fold of other code, or of another journal, says so."""
    with pytest.raises(SavedUnfitError, match="another release"):
        head_of(_good(), release="s" * 64, uid=UID)
    with pytest.raises(SavedUnfitError, match="another session"):
        head_of(_good(), release=RELEASE, uid="ba9876543210")


def test_a_place_that_lies_is_refused() -> None:
    """The model must stand where its head says."""
    lying = msgspec.structs.replace(head_of(_good(), release=RELEASE, uid=UID), seq=29)
    with pytest.raises(SavedUnfitError, match="damaged"):
        model_of(lying)


def test_a_model_holds_what_it_held() -> None:
    """Each part by itself, nested ones too: not only what a view shows of it."""
    for name in (*NAMES, "a day"):
        model = folded(name, len(envelopes(name)))
        assert contents(through(model)) == contents(model)


def contents(value: object) -> object:
    """A value with the room's own objects opened, so that it can be compared."""
    if isinstance(value, dict):
        return {key: contents(one) for key, one in value.items()}
    if isinstance(value, list | tuple | deque):
        return type(value).__name__, getattr(value, "maxlen", None), [*map(contents, value)]
    if hasattr(value, "__dict__"):
        return type(value), contents(vars(value))
    return type(value), value


def test_every_event_can_be_part_of_a_model() -> None:
    """A notice holds whatever event it tells of."""
    structs = {spec.struct for spec in BY_KIND.values()}
    assert {f"{one.__module__}.{one.__qualname__}" for one in structs} <= packing._table().keys()


@pytest.mark.parametrize("value", [Story(), zlib.compress, Saved, (1, object()), {"a": 1j}])
def test_what_no_model_holds_is_not_packed(value: object) -> None:
    """A mistake of the room is found when it is made, not when a file is read."""
    with pytest.raises(NotPacked):
        plain(value)


@pytest.mark.parametrize(
    "said",
    [
        Plain(("builtins.eval",), (), [8, 0]),
        Plain(("os.system",), (), [7, 0, "true"]),
        Plain(("projections.live.saved.Saved",), (), [7, 0]),
        Plain((f"{LiveModel.__module__}.LiveModel",), (), [7, 0]),
        Plain((f"{LiveModel.__module__}.Standing",), (), [8, 0]),
        Plain((f"{LiveModel.__module__}.Standing",), (), [6, 0, ["x"]]),
        Plain((f"{LiveModel.__module__}.Standing",), (), [7, 0, 1]),
        Plain((), (), [8, 0]),
        Plain((), (), [9, 0]),
        Plain((), (), [10]),
        Plain((), (), [2, 1]),
        Plain((), (), []),
        Plain((), (), "a model"),
    ],
)
def test_nothing_else_is_ever_made(said: Plain) -> None:
    """Functions, foreign classes, wrong shapes and anything but a model are refused."""
    with pytest.raises(SavedUnfitError):
        unpacked(zlib.compress(msgspec.msgpack.encode(said)))


def test_a_bomb_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is unpacked than a model can be."""
    monkeypatch.setattr("projections.live.saved.RAW_BYTES_MAX", 1_000)
    with pytest.raises(SavedUnfitError):
        unpacked(packed(folded("a day", 30)))
