"""From a real journal to the store."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import pytest

from journal.errors import JournalError
from journal.writer import JournalWriter
from tests.projections.live.story import Story, a_day
from tests.tui.screen import HandClock, view_of
from tui.source import Batches, EntryLike, Source, read_journal
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


def write(folder: Path, story: Story) -> None:
    writer = JournalWriter.create(folder, UID)
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
    source.run(read_journal(folder, source.stop, live=False))
    frame = store.frame()
    assert frame.state == "ENDED"
    assert frame.view == view_of(tidy(a_day().close()))


def test_live_and_recorded_give_the_same_view(folder: Path) -> None:
    """The tail reader and the whole reader end at equal views."""
    views = []
    for live in (True, False):
        store = Store(HandClock(), live=live)
        source = Source(store, HandClock())
        source.run(read_journal(folder, source.stop, live=live))
        views.append(store.frame().view)
    assert views[0] == views[1]


def test_a_running_writer_is_followed(tmp_path: Path) -> None:
    """Entries written after the reader began are published; the final block ends the thread."""
    story = tidy(a_day().close())
    groups = groups_of(story)
    folder = tmp_path / "session"
    writer = JournalWriter.create(folder, UID)
    for group in groups[:20]:
        writer.append(group)
    writer.wait_durable(writer.head_seq, DEADLINE_S)
    reached = threading.Event()
    store = _Watched(reached, want=writer.head_seq)
    source = Source(store, _Ticking())
    thread = source.start(folder, live=True)
    assert reached.wait(DEADLINE_S)
    assert store.frame().state in ("LOADING", "FOLLOWING")
    for group in groups[20:]:
        writer.append(group)
    writer.close()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert store.frame().view == view_of(story)
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
    source.run(read_journal(folder, source.stop, live=False))
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
    story = tidy(a_day().close())
    groups = groups_of(story)
    folder = tmp_path / "session"
    writer = JournalWriter.create(folder, UID)
    for group in groups[:20]:
        writer.append(group)
    writer.wait_durable(writer.head_seq, DEADLINE_S)
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
    for group in groups[20:]:
        writer.append(group)
    writer.close()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert store.frame().view == view_of(story)


def test_a_journal_cut_short_is_no_crash(folder: Path) -> None:
    """Whatever is missing of the last segment: the reader ends with a line, or what is there."""
    segment = sorted(folder.glob("*.axj"))[-1]
    data = segment.read_bytes()
    for size in (0, 1, len(data) // 3, len(data) - 1):
        segment.write_bytes(data[:size])
        store = Store(HandClock(), live=False)
        source = Source(store, HandClock())
        source.run(read_journal(folder, source.stop, live=False))
        frame = store.frame()
        assert (frame.state == "FAILED") == (frame.fault is not None)
        assert frame.view.unreadable == 0
