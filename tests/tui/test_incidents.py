"""Incidents and alarms: one row each, acknowledged through the engine, shown until then, and the
bell that rings for few of them."""

from __future__ import annotations

import pytest

from projections.live.view import LiveView
from tests.projections.live.story import Story, a_day
from tests.projections.live.trouble import (
    KEY,
    a_troubled_day,
    acknowledge,
    raise_incident,
    resolve_incident,
)
from tests.tui.screen import SIZES, Screen, on_screen, view_of
from tests.tui.test_app import check_golden, check_shape, in_mode
from tests.tui.test_bar import frame_of, lamp, text
from tui.ports import Answer, Command, Ports
from tui.view import bar
from tui.view.alarms import BELL_EVERY_NS, STALE_HELD, Bell, alarms
from tui.view.incidents import detail, incidents_table, pointed, timeline_table

SCENES = {
    "incidents": (False, "REPLAY", 0.0),
    "incidents-live": (True, "SIM", 0.0),
    "incidents-dead": (True, "SIM", 4.2),
}


class Recorder:
    """A control that keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[Command] = []

    def give(self, command: Command) -> Answer:
        self.given.append(command)
        return Answer("ACCEPTED", f"{command.verb} accepted (entry 99)", 99)


def live(story: Story, mode: str = "SIM") -> LiveView:
    return in_mode(view_of(story), mode)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scene", SCENES)
def test_the_pane_is_as_it_was_agreed(scene: str, size: tuple[int, int]) -> None:
    """Recorded, live and dead at both sizes."""
    is_live, mode, silent = SCENES[scene]
    story = a_troubled_day() if is_live else a_troubled_day().close()

    async def use(screen: Screen) -> None:
        await screen.press("i")
        screen.clock.advance(silent)
        await screen.settle()
        check_shape(screen, mode)
        check_golden(screen, scene)

    view = live(story) if is_live else view_of(story)
    on_screen(view, use, size=size, live=is_live, state="FOLLOWING" if is_live else "ENDED")


@pytest.mark.parametrize("size", SIZES)
def test_a_quiet_day_says_so(size: tuple[int, int]) -> None:
    """Without an incident the pane says that there was none."""

    async def use(screen: Screen) -> None:
        await screen.press("i", "a", "A", "enter")
        check_shape(screen, "REPLAY")
        await screen.press("1", "i")
        screen.clock.advance(6)
        await screen.settle()
        check_golden(screen, "incidents-empty")

    on_screen(view_of(a_day().close()), use, size=size)


def test_the_same_again_is_one_row_with_a_count() -> None:
    """A code about a subject that comes back is counted and has to be seen once more."""
    story = a_day()
    for number in (1, 2, 3):
        story.at(730 + number)
        raise_incident(story, number, "BROKER_UNREACHABLE", 2, "books")
        acknowledge(story, f"I{number}")
        assert not alarms(frame_of(view_of(story)))
        if number < 3:
            resolve_incident(story, number, "BROKER_UNREACHABLE", "books")
    raise_incident(story, 4, "BROKER_UNREACHABLE", 2, "quotes")
    rows = incidents_table(frame_of(view_of(story))).rows
    assert [(row.key, row.cells[5][0]) for row in rows] == [
        (("incident", "BROKER_UNREACHABLE", "quotes"), "1"),
        (("incident", "BROKER_UNREACHABLE", "books"), "3"),
    ]
    assert [row.cells[2][0] for row in rows] == ["✗ OPEN", "▲ seen"]
    assert [row.key for row in alarms(frame_of(view_of(story)))] == [
        ("BROKER_UNREACHABLE", "quotes", 1)
    ]


def test_only_what_the_engine_took_is_acknowledged() -> None:
    """A refused wish leaves the alarm; nobody's other command touches it."""
    story = a_day()
    raise_incident(story, 1, "AUTH_LOST", 1, "AB1234")
    acknowledge(story, "I1", "REFUSED")
    acknowledge(story, "I7")
    assert len(alarms(frame_of(view_of(story)))) == 1
    acknowledge(story, "I1")
    assert not alarms(frame_of(view_of(story)))
    row = view_of(story).watch.incidents[0]
    assert (row.acked_by, row.is_open) == ("asha", True)


def test_an_alarm_stands_at_the_top_and_survives_a_restart_of_the_screen() -> None:
    """It comes from the journal: a new model over the same entries shows the same alarm."""
    story = a_troubled_day()
    lines = []
    for _ in range(2):
        frame = frame_of(live(story))
        line = bar.alert_line(frame, 120)
        assert line is not None
        lines.append(text(line))
        assert lamp(live(story), "ALM").number == "1"
        assert lamp(live(story), "ALM").shape == "✗"
    assert lines[0] == lines[1]
    assert lines[0].startswith(f" ✗ SEV1 POSITION_DIFFERS {KEY} for 0.0s  (i to see and ack")
    acknowledge(story, "I3")
    assert bar.alert_line(frame_of(live(story)), 120) is None
    assert lamp(live(story), "ALM").shape == "●"


def test_acknowledging_gives_a_command_and_the_journal_changes_the_row() -> None:
    """``a`` sends ACK of the row; the row changes with the engine's entry, not before."""
    control = Recorder()

    async def use(screen: Screen) -> None:
        await screen.press("i", "a")
        await screen.app.workers.wait_for_complete()
        await screen.settle()
        assert control.given == [Command("ACK", "I3", None, "", None)]
        assert "ACK accepted (entry 99)" in screen.lines()[-1]
        assert "✗ OPEN" in screen.text()
        story = a_troubled_day()
        acknowledge(story, "I3")
        screen.give(live(story))
        await screen.settle()
        assert "✗ OPEN" not in screen.text()
        assert "ACKNOWLEDGED by asha" in screen.text()
        await screen.press("a")
        assert "Nothing to acknowledge" in screen.lines()[-1]
        assert len(control.given) == 1

    ports = Ports(control=control)
    on_screen(live(a_troubled_day()), use, live=True, state="FOLLOWING", ports=ports)


@pytest.mark.slow
def test_all_at_once() -> None:
    """``A`` acknowledges what is open and unseen, and nothing else."""
    story = a_troubled_day()
    raise_incident(story, 4, "AUTH_LOST", 1, "AB1234")
    control = Recorder()

    async def use(screen: Screen) -> None:
        await screen.press("i", "A")
        await screen.app.workers.wait_for_complete()
        assert sorted(str(one.subject) for one in control.given) == ["I3", "I4"]

    on_screen(live(story), use, live=True, state="FOLLOWING", ports=Ports(control=control))


def test_in_a_recorded_session_nothing_is_acknowledged() -> None:
    """The key explains itself; no command object is there to be asked."""

    async def use(screen: Screen) -> None:
        await screen.press("i", "a")
        assert "Nothing to command" in screen.lines()[-1]

    on_screen(view_of(a_troubled_day().close()), use)


def test_the_story_of_an_incident_is_told_in_order() -> None:
    """What led to it and what followed, newest first; the words are the reason table's."""
    frame = frame_of(view_of(a_troubled_day()))
    key = ("incident", "POSITION_DIFFERS", KEY)
    row = pointed(frame, key)
    assert row is not None
    told = [line.cells[2][0] for line in timeline_table(frame, row).rows]
    difference = next(place for place, one in enumerate(told) if one.startswith("BOOKS DIFFER"))
    raised = next(place for place, one in enumerate(told) if one.startswith("RAISED"))
    assert difference > raised
    assert "broker holds less" in detail(frame, key)
    assert "ours 130  theirs 65" in detail(frame, key)
    seqs = [line.key[1] for line in timeline_table(frame, row).rows]  # type: ignore[index]
    assert seqs == sorted(seqs, reverse=True)


def test_a_stale_held_instrument_is_an_alarm() -> None:
    """Within its limit nothing; one frame past it an alarm that the engine need not raise; a new
    price ends it."""
    story = a_day()
    story.at(780).quotes(bid=0)
    view = live(story)

    async def use(screen: Screen) -> None:
        assert STALE_HELD not in screen.text()
        screen.clock.advance(60)
        screen.give(view)
        screen.clock.advance(0.1)
        later = a_day()
        later.at(782.1).cycle_of("NIFTY", ("N4_QUOTE_OK", "QUOTE_STALE"))
        screen.give(live(later))
        await screen.settle()
        assert "SEV2 STALE_HELD NIFTY26NOV24500CE" in screen.text()
        assert "DATA ✗ 1 held" in screen.lines()[1]
        await screen.press("i")
        assert "✗ NOW" in screen.text()
        assert "price of an instrument that is held is old" in screen.text()
        await screen.press("a")
        assert "Nothing to acknowledge" in screen.lines()[-1]
        later.at(783).quotes()
        screen.give(live(later))
        await screen.settle()
        assert STALE_HELD not in screen.text()

    on_screen(view, use, size=(200, 50), live=True, state="FOLLOWING")


def test_the_bell_rings_for_new_loud_alarms_and_seldom() -> None:
    """What stood at the start is silent; a new SEV1 rings once; another within ten seconds waits
    for them; SEV3 is silent; switched off, nothing rings."""
    story = a_troubled_day()
    bells = [Bell(on=True), Bell(on=False)]

    def ask(at_s: float) -> list[bool]:
        frame = frame_of(live(story))
        return [bell.due(frame, alarms(frame), int(at_s * 1e9)) for bell in bells]

    assert ask(0) == [False, False]
    raise_incident(story, 4, "AUTH_LOST", 1, "AB1234")
    assert ask(1) == [True, False]
    assert ask(1.1) == [False, False]
    raise_incident(story, 5, "HISTORY_FAILED", 3, "INDIA VIX")
    assert ask(2) == [False, False]
    raise_incident(story, 6, "EXIT_REFUSED", 1, "X")
    assert ask(3) == [False, False]
    assert ask(1 + BELL_EVERY_NS / 1e9 - 0.1) == [False, False]
    assert ask(1 + BELL_EVERY_NS / 1e9) == [True, False]
    assert ask(30) == [False, False]


def test_the_terminal_is_rung(monkeypatch: pytest.MonkeyPatch) -> None:
    """The app rings for what is new while it follows; a recorded session never does."""
    rung: list[bool] = []

    async def use(screen: Screen) -> None:
        monkeypatch.setattr(screen.app, "bell", lambda: rung.append(screen.app._live))
        await screen.settle()
        screen.give(live(a_troubled_day()), "FOLLOWING" if screen.app._live else "ENDED")
        await screen.settle()
        await screen.settle()

    on_screen(live(a_day()), use, live=True, state="FOLLOWING")
    on_screen(view_of(a_day()), use)
    assert rung == [True]
