"""The state's hash at the cursor: the recorded one with its entry, and what a replay came to."""

from __future__ import annotations

import threading

import pytest

from events import session
from tests.projections.live.story import Story, a_day
from tests.tui.days import answered as workers_done
from tests.tui.pages import StoryTravel
from tests.tui.screen import SIZES, HandClock, Screen, on_screen, view_of
from tests.tui.test_app import check_golden, check_shape, in_mode
from tests.tui.test_replay import answered
from tui.ports import Ports, Rederived, StateHash
from tui.view.hashes import Outcome, hash_line, recorded_at, seen_text

A, B, CODE = "a1" * 32, "b2" * 32, "c3" * 32
STORY = a_day().close()
VIEW = view_of(STORY)
KEPT = (StateHash(40, 1, A), StateHash(100, 2, B))


class HandHashes:
    """Hashes by heart; a replay waits until it may end."""

    def __init__(self, found: Rederived | None = None) -> None:
        self.found = found
        self.asked: list[int] = []
        self.may_end = threading.Event()
        self.may_end.set()

    def recorded(self) -> tuple[StateHash, ...]:
        return KEPT

    def rederive(self, seq: int) -> Rederived:
        self.asked.append(seq)
        assert self.may_end.wait(20)
        if self.found is None:
            raise ValueError("the journal is damaged: torn")
        return self.found


def ports(hashes: HandHashes | None) -> Ports:
    return Ports(travel=StoryTravel(STORY.envelopes, HandClock()), hashes=hashes)


def text_of(outcomes: dict[int, Outcome], kept: tuple[StateHash, ...] | None = KEPT) -> str:
    return "".join(piece for piece, _ in hash_line(VIEW, kept, outcomes))


def test_the_recorded_hash_is_the_newest_at_or_before_the_cursor() -> None:
    """Before the first none; at one that one; behind the last the last."""
    found = [recorded_at(VIEW, KEPT, seq) for seq in (39, 40, 99, 100, 5_000)]
    assert found == [None, KEPT[0], KEPT[0], KEPT[1], KEPT[1]]


def test_a_resumed_session_holds_one_in_its_journal() -> None:
    """The hash from which an engine went on counts where it is the newer one."""
    story = Story("SIM", rate=1).setting_up()
    last = len(story.envelopes)
    story.fact(session.SessionResumed(last, B, 0))
    view = view_of(story)
    assert recorded_at(view, ()) == StateHash(last, 0, B)
    assert recorded_at(view, (StateHash(last - 1, 5, A),)) == StateHash(last, 0, B)
    later = StateHash(last + 1, 5, A)
    assert recorded_at(view, (later,)) == later


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Rederived(100, B, None, None), "● equal: the replay has the same"),
        (Rederived(100, A, None, None), f"✗ DIFFERS: replayed {A[:12]}"),
        (Rederived(100, A, 97, None), f"✗ DIFFERS: replayed {A[:12]}, first entry #97"),
        (Rederived(100, B, 97, None), "✗ equal, but entries differ, first entry #97"),
        (Rederived(100, A, 97, CODE), f"? {A[:12]}, first entry #97: by other code {CODE[:12]}"),
        (Rederived(100, B, None, CODE), "● equal: the replay has the same"),
        (Rederived(101, B, None, None), "? the replay came to #101"),
        ("the journal is damaged: torn", "? the journal is damaged: torn"),
        (None, "replaying to #100 ..."),
    ],
)
def test_what_a_replay_came_to_is_said(found: Outcome, said: str) -> None:
    """Equal only where hash and entries are; other code is no fault; a replay that runs says so."""
    assert text_of({100: found}) == f"  STATE HASH {B[:12]} at #100 recorded   {said}"


def test_what_was_not_recorded_is_said() -> None:
    """Not yet read, none up to here, and a replay without a hash to compare."""
    assert "reading what was recorded" in text_of({}, None)
    none = f"none was recorded up to #{VIEW.seq}   "
    assert text_of({}, ()).endswith(none + "h replays and compares")
    for found, said in (
        (Rederived(VIEW.seq, A, None, None), "● every entry is replayed to the same"),
        (Rederived(VIEW.seq, A, 9, None), "✗ the replay differs, first entry #9"),
        (Rederived(VIEW.seq, A, 9, CODE), f"? recorded by other code {CODE[:12]}, first entry #9"),
    ):
        assert text_of({VIEW.seq: found}, ()).endswith(none + said)


def test_the_last_hash_of_what_was_seen_is_in_the_journal() -> None:
    """Each cycle's snapshot holds one, of its underlying."""
    seen = VIEW.seen_hash
    assert seen is not None
    assert seen_text(VIEW) == f"{seen.of} ffffffffffff at #{seen.seq}"
    assert seen_text(view_of(Story("SIM", rate=1).setting_up())) == "-"


@pytest.mark.parametrize("size", SIZES)
def test_h_replays_to_the_recorded_hash_and_compares(size: tuple[int, int]) -> None:
    """Off the painting thread, once, to the entry of the hash that stands at or before the cursor;
    what it came to stays with that entry, wherever one goes."""
    hashes = HandHashes(Rederived(100, B, None, None))
    hashes.may_end.clear()

    async def use(screen: Screen) -> None:
        await screen.press("t", "o")
        await answered(screen, "#130")
        await screen.settle()
        assert f"STATE HASH {B[:12]} at #100 recorded   h replays and compares" in screen.text()
        await screen.press("h", "h")
        assert "replaying to #100 ..." in screen.text()
        hashes.may_end.set()
        await workers_done(screen)
        assert hashes.asked == [100]
        check_shape(screen, "REPLAY")
        check_golden(screen, "replay-hash")
        await screen.press("o")
        await answered(screen, "#60")
        assert f"STATE HASH {A[:12]} at #40 recorded   h replays" in screen.text()
        await screen.press("o")
        await answered(screen, "#100")
        assert "#100 recorded   ● equal" in screen.text()

    on_screen(VIEW, use, size=size, ports=ports(hashes))


def test_h_without_a_way_to_replay_says_so() -> None:
    """No port, and a replay that cannot be told: a line each."""

    async def alone(screen: Screen) -> None:
        await screen.press("t", "h")
        assert "This screen cannot replay" in screen.lines()[-1]

    async def torn(screen: Screen) -> None:
        await screen.press("t")
        await workers_done(screen)
        await screen.press("h")
        await workers_done(screen)
        assert "? the journal is damaged: torn" in screen.text()

    on_screen(VIEW, alone, ports=ports(None))
    on_screen(VIEW, torn, ports=ports(HandHashes()))


def test_a_running_session_reads_again_with_each_minute() -> None:
    """What was recorded since stands there after the next minute, and not each frame anew."""
    counted: list[int] = []

    class Counting(HandHashes):
        def recorded(self) -> tuple[StateHash, ...]:
            counted.append(1)
            return KEPT

    story = a_day()

    async def use(screen: Screen) -> None:
        await screen.press("t")
        await workers_done(screen)
        await screen.settle()
        assert len(counted) == 1
        story.at(900).quotes()
        screen.give(in_mode(view_of(story), "SIM"))
        await screen.settle()
        await workers_done(screen)
        assert len(counted) == 2

    view = in_mode(view_of(story), "SIM")
    on_screen(view, use, live=True, state="FOLLOWING", ports=ports(Counting()))
