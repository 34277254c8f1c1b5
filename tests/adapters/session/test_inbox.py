"""F11, J19: the inbox keeps order, loses only whole oldest frames, and says which."""

from __future__ import annotations

import threading
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from adapters.session.clock import SessionClock
from adapters.session.inbox import SessionInbox
from events.base import Event
from events.broker import AuthStatus
from events.feed import FeedFrame, FramesDropped

DEADLINE_S = 20.0


class HandClock:
    """A clock that is read as set; a wait is as long as the clock says."""

    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns

    def left_s(self, until_ns: int) -> float:
        return (until_ns - self.ns) / 1e9


def frame(number: int, connection: int = 0, size: int = 4) -> FeedFrame:
    return FeedFrame(connection, "kite", 1, False, size, None, number.to_bytes(size, "big"))


def order(number: int) -> AuthStatus:
    """Stands for an order update, a result, a command: whatever is no frame."""
    return AuthStatus("OK", str(number), None, None)


def all_of(inbox: SessionInbox) -> list[tuple[int, Event]]:
    found = []
    while (one := inbox.take(0)) is not None:
        found.append(one)
    return found


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1)), max_size=60), st.integers(1, 8))
def test_only_the_oldest_frames_go_and_each_is_told(
    posted: list[tuple[bool, int]], most: int
) -> None:
    """Whatever is posted to a full inbox: all that is no frame is there, in order; of the frames
    the last ones are; what went is told by count, bytes and times, before what came after it."""
    clock = HandClock()
    inbox = SessionInbox(clock, frames_max=most)
    frames: list[tuple[int, FeedFrame]] = []
    others: list[Event] = []
    for number, (is_frame, connection) in enumerate(posted, 1):
        clock.ns = number
        if is_frame:
            frames.append((number, frame(number, connection)))
            inbox.post(frames[-1][1])
        else:
            others.append(order(number))
            inbox.post(others[-1])
    found = all_of(inbox)
    kept = [(at, e) for at, e in found if isinstance(e, FeedFrame)]
    told = [e for _, e in found if isinstance(e, FramesDropped)]
    gone = frames[: max(len(frames) - most, 0)]
    assert kept == frames[len(gone) :]
    assert [e for _, e in found if isinstance(e, AuthStatus)] == others
    assert inbox.dropped == len(gone) == sum(one.frames for one in told)
    for one in told:
        mine = [at for at, e in gone if e.connection == one.connection]
        assert (one.frames, one.length_bytes) == (len(mine), 4 * len(mine))
        assert (one.first_ts, one.last_ts) == (mine[0], mine[-1])
    assert all(isinstance(e, FramesDropped) for _, e in found[: len(told)])
    rest = [at for at, _ in found[len(told) :]]
    assert rest == sorted(rest)


def test_bytes_are_bounded_too() -> None:
    """Few but large frames do not fill the memory."""
    inbox = SessionInbox(HandClock(), bytes_max=100)
    for number in range(10):
        inbox.post(frame(number, size=30))
    found = all_of(inbox)
    assert isinstance(found[0][1], FramesDropped)
    assert (found[0][1].frames, len(found)) == (7, 4)


def test_what_is_dropped_later_is_told_again() -> None:
    """A second flood after the first was told is a fact of its own."""
    inbox = SessionInbox(HandClock(), frames_max=1)
    told = []
    for _ in range(2):
        for number in range(3):
            inbox.post(frame(number))
        told.append(all_of(inbox)[0][1])
    assert [one.frames for one in told if isinstance(one, FramesDropped)] == [2, 2]
    assert inbox.most_frames() == 1


def test_a_reader_that_waits_gets_what_another_thread_posts() -> None:
    """No polling: the reader is woken by the post, long before its time is over."""
    inbox = SessionInbox(SessionClock(0))
    found: list[tuple[int, Event] | None] = []
    reader = threading.Thread(target=lambda: found.append(inbox.take(10**12)))
    reader.start()
    inbox.post(order(1))
    reader.join(DEADLINE_S)
    assert [one and one[1] for one in found] == [order(1)]


def test_a_reader_can_be_woken_and_is_let_go_at_its_time() -> None:
    """A wake before the wait counts too; without either it returns when its time is there."""
    inbox = SessionInbox(SessionClock(0, rate=1_000))
    inbox.wake()
    assert inbox.take(10**15) is None
    assert inbox.take(30_000_000_000) is None  # 30 ms of real time
    assert inbox.take(0) is None


def test_what_is_not_wanted_any_more_goes() -> None:
    """It is asked when its turn comes, each once; what stands behind it is taken in its place."""
    inbox = SessionInbox(HandClock())
    asked: list[int] = []

    def wanted(number: int, answer: bool) -> bool:
        asked.append(number)
        return answer

    for number, answer in enumerate((False, True, False, False)):
        inbox.post(order(number), partial(wanted, number, answer))
    inbox.post(frame(4))
    inbox.post(order(5))
    assert asked == []
    assert [event for _, event in all_of(inbox)] == [order(1), frame(4), order(5)]
    assert asked == [0, 1, 2, 3]


def test_many_threads_lose_nothing() -> None:
    """Eight threads post a thousand each: each one's order is kept, and nothing is missing."""
    inbox = SessionInbox(SessionClock(0))

    def post(who: int) -> None:
        for number in range(1_000):
            inbox.post(AuthStatus("OK", f"{who} {number}", None, None))

    threads = [threading.Thread(target=post, args=(who,)) for who in range(8)]
    for thread in threads:
        thread.start()
    found: list[Event] = []
    while len(found) < 8_000:
        one = inbox.take(int(DEADLINE_S * 1e9))
        assert one is not None, "facts are missing"
        found.append(one[1])
    for thread in threads:
        thread.join(DEADLINE_S)
    for who in range(8):
        mine = [e.account for e in found if isinstance(e, AuthStatus) and e.account
                and e.account.startswith(f"{who} ")]  # fmt: skip
        assert mine == [f"{who} {number}" for number in range(1_000)]
