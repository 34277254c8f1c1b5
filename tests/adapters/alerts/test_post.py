"""When a message is due: de-duplicated, reminded of, over once, and no more than the hour's."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.alerts.news import News
from adapters.alerts.post import BEGAN, HOUR_NS, OVER, STILL, Post
from tests.adapters.alerts.events import T0, S

NEWS = News("incident:I1", "FEED_GAP", 1, "x", (), "s1")
END = replace(NEWS, over=True)


def test_once_then_reminders_then_over() -> None:
    """Said when it begins, each ten minutes while it lasts, and once at its end."""
    post = Post(reminder_s=600, per_hour=40)
    states = [one.state for one in post.take([NEWS], T0)]
    for second in range(0, 1_801, 60):
        states += [one.state for one in post.take([NEWS], T0 + second * S)]
        states += [one.state for one in post.due([NEWS], T0 + second * S)]
    states += [one.state for one in post.take([END], T0 + 1_900 * S)]
    assert states == [BEGAN, STILL, STILL, STILL, OVER]
    assert post.take([END], T0 + 1_901 * S) == []


def test_the_end_of_what_nobody_heard_of_is_not_told() -> None:
    """No message that begins with an end."""
    assert Post(600, 40).take([END], T0) == []


def test_what_is_no_longer_open_is_not_reminded_of() -> None:
    """A session that was closed takes its incidents with it."""
    post = Post(600, 40)
    post.take([NEWS], T0)
    assert post.due([], T0 + 601 * S) == []
    assert post.due([NEWS], T0 + 1_300 * S) == []


def test_a_flood_is_held_back_and_counted() -> None:
    """The hour's number leaves and no more; what must be acted on now has the half that is kept;
    the next message says how many did not leave."""
    post = Post(600, per_hour=10)
    lesser = [replace(NEWS, key=f"a{n}", severity=2) for n in range(30)]
    urgent = [replace(NEWS, key=f"b{n}") for n in range(30)]
    assert len(post.take(lesser, T0)) == 5
    assert [one.held_back for one in post.take(urgent, T0 + S)] == [25, 0, 0, 0, 0]
    (later,) = post.take([replace(NEWS, key="c")], T0 + HOUR_NS + 2 * S)
    assert later.held_back == 25


def test_what_was_held_back_is_told_as_its_beginning_later() -> None:
    """The first that is heard of it is that it began, and since when."""
    post = Post(600, per_hour=2)
    for key in ("a", "b"):
        post.take([replace(NEWS, key=key)], T0)
    assert post.take([replace(NEWS, key="late")], T0) == []
    open_ = [replace(NEWS, key="late")]
    found = [one for n in range(1, 8) for one in post.due(open_, T0 + n * 601 * S)]
    assert [(one.state, one.since_ns) for one in found[:1]] == [(BEGAN, T0)]


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 900)), max_size=120))
def test_no_hour_has_more_than_its_number(steps: list[tuple[int, bool, int]]) -> None:
    """Whatever happens, at any pace; and a thing that began is not begun again before its end."""
    post, now_ns, sent = Post(60, 6), T0, []
    open_: dict[str, News] = {}
    said: dict[str, str] = {}
    for key, over, pause_s in steps:
        now_ns += pause_s * S
        news = replace(NEWS, key=f"k{key}", over=over, severity=1 + key % 2)
        open_.pop(news.key, None) if over else open_.setdefault(news.key, news)
        for one in (*post.take([news], now_ns), *post.due(open_.values(), now_ns)):
            sent.append(one.now_ns)
            assert one.state == BEGAN or said.get(one.news.key) in (BEGAN, STILL)
            said[one.news.key] = one.state
    for at_ns in sent:
        assert sum(at_ns <= other < at_ns + HOUR_NS for other in sent) <= 6
