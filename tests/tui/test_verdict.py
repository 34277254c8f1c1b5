"""Can it trade, and if not why: the head of Home."""

from __future__ import annotations

import msgspec
import pytest

from events import governance, risk, session
from projections.live.view import LiveView
from tests.projections.live.story import OPEN_NS, SECOND, Story, a_day
from tests.tui.screen import Screen, on_screen, view_of
from tui.store import Frame, Store
from tui.view.text import line_width
from tui.view.verdict import breakers_of, plot_lines, verdict_lines, verdict_of


def running(view: LiveView, mode: str = "SIM") -> Frame:
    """A frame of a running session of this mode."""
    assert view.session is not None
    changed = msgspec.structs.replace(view.session, mode=mode, rate=1)
    view = msgspec.structs.replace(view, session=changed)
    return Screen(view, live=True, state="FOLLOWING").store.frame()


def ready(story: Story, status: str, *codes: str) -> Story:
    story.derive(governance.ReadinessChanged(status, codes), len(story.envelopes))
    return story


def test_a_backtest_has_no_readiness_and_the_stages_decide() -> None:
    """Allowed; whoever waits is named with its stage and reason."""
    verdict = verdict_of(running(view_of(a_day()), "BACKTEST"))
    assert (verdict.shape, verdict.word) == ("●", "ENTRIES ALLOWED")
    assert verdict.why == "1 of 2 wait: BANKNIFTY N4 QUOTE_SPREAD_WIDE"


def test_readiness_that_was_not_said_is_not_known() -> None:
    """A running engine that has not said so is not taken for ready."""
    verdict = verdict_of(running(view_of(a_day())))
    assert (verdict.shape, verdict.word) == ("?", "NOT KNOWN")


@pytest.mark.parametrize(
    ("status", "codes", "word", "why"),
    [
        ("READY", (), "● ENTRIES ALLOWED", "1 of 2 wait"),
        ("DEGRADED", (), "▲ ENTRIES ALLOWED", "degraded"),
        ("BLOCKED", ("GOV_NOT_ARMED",), "✗ NO ENTRIES", "Nobody armed the session"),
        ("BLOCKED", ("FEED_DOWN", "GOV_LOGIN"), "✗ NO ENTRIES", "(+1 more)"),
        ("BOOTING", (), "✗ NO ENTRIES", "BOOTING"),
        ("MARKET_CLOSED", (), "✗ NO ENTRIES", "MARKET_CLOSED"),
    ],
)
def test_readiness_says_it_first(status: str, codes: tuple[str, ...], word: str, why: str) -> None:
    """Its state, its first code in words, and how many more bar entries."""
    frame = running(view_of(ready(a_day(), status, *codes)))
    verdict = verdict_of(frame)
    assert f"{verdict.shape} {verdict.word}" == word
    assert why in verdict.why
    lines = verdict_lines(frame, 120)
    assert f"readiness {status} for 0.0s" in "".join(text for text, _ in lines[1])


def test_a_halt_and_a_risk_state_stand_in_the_way() -> None:
    """A halt of the risk limits is told by its code, a state without one by its name."""
    story = ready(a_day(), "READY")
    story.derive(
        risk.RiskTransitioned(
            "NORMAL", "HARD_HALT", "LIMIT", "RISK_DAILY_LOSS", ("RISK_DAILY_LOSS",), 9, 5
        ),
        len(story.envelopes),
    )
    assert "halted: RISK_DAILY_LOSS" in verdict_of(running(view_of(story))).why
    story.derive(
        risk.RiskTransitioned(
            "HARD_HALT", "RECOVERY", "NEW_DAY", "RISK_DAY_OPENED", (), None, None
        ),
        len(story.envelopes),
    )
    assert "risk is RECOVERY: RISK_DAY_OPENED" in verdict_of(running(view_of(story))).why


def test_the_phase_of_the_session_stands_in_the_way() -> None:
    """After the last entry no stage needs to be asked."""
    view = msgspec.structs.replace(view_of(ready(a_day(), "READY")), ts=OPEN_NS + 349 * 60 * SECOND)
    assert "NO-ENTRY" in verdict_of(running(view)).why


def test_silence_leaves_nothing_certain() -> None:
    """An engine that says nothing any more, or has said nothing yet, is not known."""
    frame = running(view_of(ready(a_day(), "READY")))
    assert verdict_of(msgspec.structs.replace(frame, no_data=True)).word == "NOT KNOWN"
    empty = Store(Screen(view_of(Story())).clock, live=True).frame()
    assert verdict_of(empty).word == "NOT KNOWN"
    told = "".join(text for text, _ in verdict_lines(empty, 120)[1])
    assert "incidents ?" in told
    assert "breakers ?" in told


def test_breakers_are_found_wherever_they_are_said() -> None:
    """In readiness, and in the stages of the last decisions."""
    assert breakers_of(view_of(a_day())) == ()
    story = ready(a_day(), "BLOCKED", "GOV_FEED_BREAKER")
    story.at(740).cycle_of("NIFTY", ("N7_GOVERNANCE_LOCKS_OK", "GOV_REJECT_BURST"))
    assert breakers_of(view_of(story)) == ("feed", "refusals")


def test_the_next_scheduled_event_is_counted_down_to() -> None:
    """The journaled rulebook dates it; without one ahead that is said."""
    story = a_day()
    rows = (
        ("calendar.covered", "YES"),
        ("session.fno.open", "09:15"),
        ("session.fno.close", "15:40"),
    )
    dated = tuple(
        session.RuleRow(name, "*", 20260101, 20261231, value, "text", "a test", False)
        for name, value in rows
    )
    event = session.RuleRow("event.at", "RBI", 20261120, 20261120, "10:00", "ist", "a test", False)
    story.fact(session.ArtifactLoaded("RULEBOOK", "rulebook", "d" * 64, (*dated, event)))
    told = "".join(text for text, _ in verdict_lines(running(view_of(story)), 120)[1])
    assert "event RBI 10:00 in 00:32:59" in told
    told = "".join(text for text, _ in verdict_lines(running(view_of(a_day())), 120)[1])
    assert "no event today" in told


def test_plots_stand_side_by_side_in_their_room() -> None:
    """Words above the blocks; before the first bar that is said, and the room is kept."""
    view = view_of(a_day())
    frame = running(view)
    for row in (*view.underlyings, None):
        lines = plot_lines(frame, row, 120)
        assert len(lines) == 4
        assert {line_width(line) for line in lines} == {120}
    text = "".join(part for part, _ in plot_lines(frame, view.underlyings[0], 120)[0])
    assert "NIFTY by bar  24,512.35 to 24,575.35  last 24,575.35" in text
    assert "NET P&L by bar" in text
    assert "no bar yet" in "".join(part for part, _ in plot_lines(frame, None, 120)[0])


def test_home_begins_with_the_verdict() -> None:
    """The first line of the body answers, at both sizes, also as the engine falls silent."""

    async def use(screen: Screen) -> None:
        width = screen.app.size.width
        first = 3 if width >= 120 else 2
        assert "● ENTRIES ALLOWED" in screen.lines()[first]
        screen.clock.advance(9)
        await screen.settle()
        assert "? NOT KNOWN" in screen.lines()[first + 1]

    view = running(view_of(ready(a_day(), "READY"))).view
    for size in ((80, 24), (120, 40)):
        on_screen(view, use, size=size, live=True, state="FOLLOWING")
