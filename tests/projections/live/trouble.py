"""A morning on which a broker is asked, and not everything goes well.

The morning of ``story`` with its open position, then: the login is taken, the books are compared
and found equal, the clock is measured, a frame is dropped, the books differ twice, what differs
becomes an incident that is seen by a person, another one passes by itself.
"""

from __future__ import annotations

from events import broker, feed, governance, session
from tests.projections.live.story import CALL, SECOND, Story, a_day

SYMBOL = "NIFTY26NOV24500CE"
KEY = f"NFO:{SYMBOL}:NRML"


def holding(units: int) -> broker.BrokerPosition:
    """The broker's row of the call."""
    return broker.BrokerPosition(
        "NFO", SYMBOL, "NRML", units, 0, 260, 260 - units, 3_000_000, 1_300_000, 12_815
    )


def report(number: int, status: str = "COMPLETE", filled: int = 130) -> broker.BrokerReport:
    """An order of the broker's book."""
    return broker.BrokerReport(
        f"25112000012345{number}", None, None, status, None, None, (f"ax{number:018d}",), "regular",
        "NFO", SYMBOL, "BUY", "NRML", "LIMIT", "DAY", 130, filled, filled * 11_240, 11_250, 0,
        None, None,
    )  # fmt: skip


def books(story: Story, units: int | None, *, failed: tuple[str, ...] = ()) -> int:
    """The broker's books as received; ``units`` None: the positions were not. Returns the seq."""
    return story.fact(
        broker.BrokerSnapshot(
            "PERIODIC", story.now - SECOND, (report(1), report(2, "OPEN", 0)), (),
            None if units is None else (holding(units),),
            broker.BrokerFunds(8_420_000_00, 8_420_000_00, 0), failed,
        )
    )  # fmt: skip


def compared(story: Story, units: int, *, differ: bool) -> int:
    """A comparison; its verdict follows from what the broker holds. Returns the verdict's seq."""
    seq = books(story, units)
    if differ:
        story.derive(governance.DifferenceFound(KEY, "POSITION_DIFFERS", 130, units), seq)
    status = "DIFFERS" if differ else "EQUAL"
    return story.derive(governance.Reconciled("PERIODIC", status, 2, 1, 0, int(differ)), seq)


def raise_incident(
    story: Story, number: int, code: str, severity: int, subject: str, **evidence: int
) -> int:
    """An incident as the engine raises it. Returns its seq."""
    cause = story.fact(feed.TimerTick(story.now, 0))
    pairs = tuple(session.Setting(key, value) for key, value in evidence.items())
    return story.derive(
        governance.IncidentRaised(f"I{number}", code, severity, subject, pairs), cause
    )


def resolve_incident(
    story: Story, number: int, code: str, subject: str, who: str | None = None
) -> None:
    """The end of an incident."""
    cause = story.fact(feed.TimerTick(story.now, 0))
    story.derive(governance.IncidentResolved(f"I{number}", code, subject, who), cause)


def acknowledge(story: Story, incident_id: str, outcome: str = "ACCEPTED") -> None:
    """A person's word about an incident, and the engine's answer."""
    command = f"c{len(story.envelopes)}"
    seq = story.fact(
        session.OperatorCommand("ACK", "asha", "", incident_id, None, command, "SOCKET")
    )
    story.derive(governance.CommandAnswered(command, "ACK", outcome, "CMD_ACCEPTED"), seq)


def a_troubled_day() -> Story:
    """See the top. The position in the call is open, its books differ, and that is not seen yet."""
    story = a_day()
    story.fact(broker.AuthStatus("OK", "AB1234", story.now + 20 * 3_600 * SECOND, None))
    compared(story, 130, differ=False)
    story.fact(feed.ClockStepped(12_000_000, 500_000_000, "NTP"))
    for lag in (3, 4, 3, 40):
        story.fact(feed.HealthObserved("RECEIVE_LAG_MS", "OK", lag, 250))
    story.fact(feed.HealthObserved("DISK_FREE_MB", "OK", 52_310, 2_048))
    story.at(722).fact(feed.FramesDropped(0, 3, 4_200, story.now - SECOND, story.now))
    raise_incident(story, 1, "FRAMES_DROPPED", 2, "0", frames=3)
    acknowledge(story, "I1")
    story.at(723).fact(feed.TimerTick(story.now, 2))
    raise_incident(story, 2, "HISTORY_FAILED", 3, "NIFTY 50")
    resolve_incident(story, 2, "HISTORY_FAILED", "NIFTY 50")
    story.at(724).quotes(bid=12_815)
    compared(story, 65, differ=True)
    seq = compared(story.at(725), 65, differ=True)
    cause = story.envelopes[seq - 1].cause
    evidence = (session.Setting("ours", 130), session.Setting("theirs", 65))
    story.derive(governance.IncidentRaised("I3", "POSITION_DIFFERS", 1, KEY, evidence), cause)
    return story


__all__ = ["CALL", "KEY", "SYMBOL", "a_troubled_day"]
