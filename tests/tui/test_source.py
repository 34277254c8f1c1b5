"""From a real journal to the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from journal.errors import JournalError
from journal.log import WriterOptions
from journal.writer import JournalWriter
from projections.live import packing
from tests.projections.live.story import Story, a_day
from tests.tui.screen import HandClock, view_of
from tui.source import Batches, EntryLike, Reading, Source
from tui.store import Store

UID = "0123456789ab"
DEADLINE_S = 20.0


def groups_of(story: Story) -> list[list[bytes]]:
    """Envelopes as the runner hands them over: a fact with what it caused."""
    groups: list[list[bytes]] = []
    for envelope in story.envelopes:
        if envelope.is_fact or not groups:
            groups.append([])
        groups[-1].append(msgspec.msgpack.encode(envelope))
    return groups


BLOCKS = WriterOptions(block_size_bytes=4_096)
"""Small ones, so that a short story has many."""


def write(folder: Path, story: Story) -> None:
    writer = JournalWriter.create(folder, UID, options=BLOCKS)
    for group in groups_of(story):
        writer.append(group)
    writer.close()


def tidy(story: Story) -> Story:
    """The story with each derivation's cause in its own group, as the journal demands."""
    fact = 1
    for place, envelope in enumerate(story.envelopes):
        if envelope.is_fact:
            fact = envelope.seq
        else:
            story.envelopes[place] = msgspec.structs.replace(envelope, cause=fact)
    return story


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "session"
    write(path, tidy(a_day().close()))
    return path


def test_a_finished_session_is_read_to_its_end(folder: Path) -> None:
    """What is published last equals a fold of all that was written, and the state says ended."""
    store = Store(HandClock(), live=False)
    source = Source(store, HandClock())
    source.run(Reading(folder, source.stop, live=False).batches())
    frame = store.frame()
    assert frame.state == "ENDED"
    assert frame.view == view_of(tidy(a_day().close()))


def test_live_and_recorded_give_the_same_view(folder: Path) -> None:
    """The tail reader and the whole reader end at equal views."""
    views = []
    for live in (True, False):
        store = Store(HandClock(), live=live)
        source = Source(store, HandClock())
        source.run(Reading(folder, source.stop, live=live).batches())
        views.append(store.frame().view)
    assert views[0] == views[1]


def half_written(tmp_path: Path) -> tuple[Path, JournalWriter, list[list[bytes]]]:
    """A session of which a part is durable, its writer, and the groups that are still to come."""
    groups = groups_of(tidy(a_day().close()))
    writer = JournalWriter.create(tmp_path / "session", UID)
    for group in groups[:20]:
        writer.append(group)
    writer.wait_durable(writer.head_seq, DEADLINE_S)
    return tmp_path / "session", writer, groups[20:]


def test_a_running_writer_is_followed(tmp_path: Path) -> None:
    """Entries written after the reader began are published; the final block ends the thread."""
    folder, writer, rest = half_written(tmp_path)
    reached = threading.Event()
    store = _Watched(reached, want=writer.head_seq)
    source = Source(store, _Ticking())
    thread = source.start(folder, live=True)
    assert reached.wait(DEADLINE_S)
    assert store.frame().state in ("LOADING", "FOLLOWING")
    for group in rest:
        writer.append(group)
    writer.close()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert store.frame().view == view_of(tidy(a_day().close()))
    assert store.frame().state == "ENDED"


class _Ticking(HandClock):
    """A clock that moves by itself, so that every batch is due for publishing."""

    def mono_ns(self) -> int:
        self.advance(1)
        return self.now


class _Watched(Store):
    def __init__(self, reached: threading.Event, want: int) -> None:
        super().__init__(HandClock(), live=True)
        self._reached = reached
        self._want = want

    def publish(self, published) -> None:  # type: ignore[no-untyped-def]
        super().publish(published)
        if published.view.seq >= self._want:
            self._reached.set()


def test_the_reader_stops_when_told(tmp_path: Path) -> None:
    """Leaving the screen ends the thread even while the engine is running."""
    folder = tmp_path / "session"
    writer = JournalWriter.create(folder, UID)
    writer.append(groups_of(tidy(a_day()))[0])
    writer.wait_durable(writer.head_seq, DEADLINE_S)
    source = Source(Store(HandClock(), live=True), HandClock())
    thread = source.start(folder, live=True)
    source.stop.set()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    writer.close()


def test_a_damaged_journal_ends_the_reader_with_its_own_line(folder: Path) -> None:
    """A changed byte below the acknowledged end: FAILED with the code, and the thread is over."""
    segment = sorted(folder.glob("*.axj"))[0]
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 0x40
    segment.write_bytes(bytes(data))
    store = Store(HandClock(), live=False)
    source = Source(store, HandClock())
    source.run(Reading(folder, source.stop, live=False).batches())
    frame = store.frame()
    assert frame.state == "FAILED"
    assert frame.fault is not None
    assert "JOURNAL_C" in frame.fault
    assert frame.no_data


def test_what_was_shown_stays_when_reading_fails() -> None:
    """A reader that breaks off keeps the view of what came before."""
    story = a_day()

    def batches() -> Iterator[Sequence[EntryLike] | None]:
        yield [_Entry(msgspec.msgpack.encode(envelope)) for envelope in story.envelopes]
        raise JournalError("the disk went away")

    store = Store(HandClock(), live=True)
    Source(store, HandClock()).run(batches())
    frame = store.frame()
    assert frame.view == view_of(story)
    assert frame.fault == "JOURNAL_ERROR: the disk went away"


class _Entry:
    def __init__(self, data: bytes) -> None:
        self.data = data


def test_publishing_is_at_most_ten_times_a_second() -> None:
    """Many small batches in one moment are one view; an idle source publishes what is left."""
    story = a_day()
    counts: list[int] = []

    class Counting(Store):
        def publish(self, published) -> None:  # type: ignore[no-untyped-def]
            counts.append(published.view.seq)
            super().publish(published)

    def batches() -> Batches:
        for envelope in story.envelopes:
            yield [_Entry(msgspec.msgpack.encode(envelope))]
        yield None
        yield None

    Source(Counting(HandClock(), live=True), HandClock()).run(batches())
    last = story.envelopes[-1].seq
    assert counts == [1, last, last]


def test_a_restarted_engine_is_followed_on_without_a_row_twice(tmp_path: Path) -> None:
    """The writer lets go without an end, leaves a torn tail, and goes on: each entry is folded
    once, the view is that of the whole story."""
    folder, writer, rest = half_written(tmp_path)
    reached = threading.Event()
    store = _Watched(reached, want=writer.head_seq)
    source = Source(store, _Ticking())
    thread = source.start(folder, live=True)
    assert reached.wait(DEADLINE_S)
    writer.close(final=False)
    segment = sorted(folder.glob("*.axj"))[-1]
    with segment.open("ab") as file:
        file.write(b"half a block that nobody acknowledged")
    writer, tail = JournalWriter.resume(folder)
    assert tail.cut_bytes
    for group in rest:
        writer.append(group)
    writer.close()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert store.frame().view == view_of(tidy(a_day().close()))


def test_a_journal_cut_short_is_no_crash(folder: Path) -> None:
    """Whatever is missing of the last segment: the reader ends with a line, or what is there."""
    segment = sorted(folder.glob("*.axj"))[-1]
    data = segment.read_bytes()
    for size in (0, 1, len(data) // 3, len(data) - 1):
        segment.write_bytes(data[:size])
        store = Store(HandClock(), live=False)
        source = Source(store, HandClock())
        source.run(Reading(folder, source.stop, live=False).batches())
        frame = store.frame()
        assert (frame.state == "FAILED") == (frame.fault is not None)
        assert frame.view.unreadable == 0


# --- what is kept of a session -------------------------------------------------------------------


class Shelf:
    """States in memory."""

    def __init__(self, fault: str | None = None) -> None:
        self.kept: dict[str, bytes] = {}
        self.loaded = 0
        self.name = "release"
        self.fault = fault

    def release(self) -> str:
        return self.name

    def load(self, session: str) -> bytes | None:
        self.loaded += 1
        return self.kept.get(session)

    def keep(self, session: str, data: bytes) -> None:
        if self.fault is not None:
            raise OSError(self.fault)
        self.kept[session] = data


@pytest.fixture(autouse=True)
def _keep_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.source.KEEP_ENTRIES_MIN", 1)


def opened(folder: Path, shelf: Shelf, *, live: bool = False) -> tuple[Store, list[int]]:
    """A session read to its end with a shelf; the seqs of the views it published."""
    seqs: list[int] = []

    class Noting(Store):
        def publish(self, published) -> None:  # type: ignore[no-untyped-def]
            seqs.append(published.view.seq)
            super().publish(published)

    store = Noting(HandClock(), live=live)
    Source(store, _Ticking(), shelf).read(folder, live=live)
    return store, seqs


@pytest.mark.parametrize("live", [False, True])
def test_a_session_goes_on_from_what_was_kept(folder: Path, live: bool) -> None:
    """Opened again it begins at its end, with the same view and nothing to say."""
    shelf = Shelf()
    first, seqs = opened(folder, shelf, live=live)
    assert len(seqs) > 2
    again, seqs = opened(folder, shelf, live=live)
    assert set(seqs) == {first.frame().view.seq}
    assert again.frame().view == first.frame().view == view_of(tidy(a_day().close()))
    assert again.frame().said is None


def test_a_screen_begun_anew_at_two_goes_on_where_the_first_one_was(tmp_path: Path) -> None:
    """Left in the middle of a running session; what came since is folded on top."""
    folder, writer, rest = half_written(tmp_path)
    half = writer.head_seq
    shelf = Shelf()
    reached = threading.Event()
    source = Source(_Watched(reached, want=half), _Ticking(), shelf)
    thread = source.start(folder, live=True)
    assert reached.wait(DEADLINE_S)
    source.stop.set()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert list(shelf.kept) == ["session"]
    for group in rest:
        writer.append(group)
    writer.close()
    store, seqs = opened(folder, shelf, live=True)
    assert min(seqs) >= half
    assert store.frame().view == view_of(tidy(a_day().close()))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda shelf: setattr(shelf, "name", "newer"), "another release"),
        (lambda shelf: shelf.kept.update(session=b"nonsense"), "damaged"),
        (lambda shelf: shelf.kept.update(session=shelf.kept["session"][:-1]), "damaged"),
    ],
)
def test_what_does_not_fit_is_thrown_away_and_said(
    folder: Path, spoil: Callable[[Shelf], None], why: str
) -> None:
    """The session is read from its start, to the same view, and one line says so."""
    shelf = Shelf()
    opened(folder, shelf)
    spoil(shelf)
    store, seqs = opened(folder, shelf)
    assert min(seqs) < max(seqs)
    assert store.frame().view == view_of(tidy(a_day().close()))
    said = store.frame().said
    assert said is not None
    assert why in said


def test_a_journal_that_is_another_one_at_that_place_is_read_anew(
    folder: Path, tmp_path: Path
) -> None:
    """The same session id with other entries: the chain tells."""
    shelf = Shelf()
    opened(folder, shelf)
    other = tmp_path / "other" / "session"
    story = tidy(a_day().close())
    last = story.envelopes[-1]
    story.envelopes[-1] = msgspec.structs.replace(last, ts=last.ts + 1)
    write(other, story)
    store, _ = opened(other, shelf)
    assert store.frame().view == view_of(story)
    assert "another one there" in (store.frame().said or "")


def test_a_journal_that_became_shorter_is_read_anew(folder: Path, tmp_path: Path) -> None:
    """What was kept lies beyond its end."""
    shelf = Shelf()
    opened(folder, shelf)
    story = tidy(a_day())
    write(tmp_path / "other" / "session", story)
    store, _ = opened(tmp_path / "other" / "session", shelf)
    assert store.frame().view == view_of(story)
    assert store.frame().said is not None


def test_a_shelf_that_breaks_is_said_once(folder: Path) -> None:
    """No state is kept any more; the session is shown all the same."""
    store, _ = opened(folder, Shelf(fault="the disk is full"))
    assert store.frame().said == "The state of this session is not kept: the disk is full"
    assert store.frame().state == "ENDED"


def test_a_model_that_cannot_be_kept_is_said_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of ours in what a model may hold costs the kept state, never the screen."""
    monkeypatch.setattr(packing, "_MODULES", ())
    packing._table.cache_clear()
    try:
        store, _ = opened(folder, Shelf())
    finally:
        packing._table.cache_clear()
    assert "is no part of a model" in (store.frame().said or "")
    assert store.frame().state == "ENDED"


def test_how_far_it_is_stands_in_every_frame_until_the_end(folder: Path) -> None:
    """While a session is caught up with, a frame knows its end and that nothing is of now."""
    behind: list[tuple[int | None, bool]] = []

    class Noting(Store):
        def publish(self, published) -> None:  # type: ignore[no-untyped-def]
            super().publish(published)
            behind.append((self.now().behind, self.now().no_data))

    last = len(a_day().close().envelopes)
    Source(Noting(HandClock(), live=True), _Ticking()).read(folder, live=True)
    left, old = zip(*behind, strict=True)
    assert left[0] is not None
    assert 0 < left[0] < last
    assert left[-1] is None
    assert old == tuple(one is not None for one in left)
