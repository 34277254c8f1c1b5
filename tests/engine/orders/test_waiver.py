"""In LIVE the setting alone takes no stop away; a person's journaled word does, for a session."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.commands import STOP_SETTING, WAIVE
from engine.core import Core
from engine.orders.watch import loose
from events.base import Event
from events.governance import CommandAnswered, IncidentRaised
from events.risk import SettingsDeferred
from events.session import ConfigChanged, OperatorCommand, Setting
from tests.engine.orders.test_leaving import NO_STOP
from tests.engine.orders.told import MANY, Settings, Told

WORD = OperatorCommand(
    WAIVE, "asha", "stops are kept at another desk", STOP_SETTING, None, "w1", "NONE"
)


def entered(settings: Settings = NO_STOP, mode: str = "LIVE") -> Told:
    """A session of the mode whose entry works at the broker."""
    desk, _ = Told.working(settings)
    opened = desk.state.opened
    assert opened is not None
    desk.core = Core(replace(desk.state, opened=replace(opened, mode=mode)))
    return desk


def filled(desk: Told) -> list[str]:
    """The entry is filled: the order types of what is sent then."""
    entry = desk.order("ENTRY")
    desk.update(desk.report(entry, "COMPLETE", entry.quantity_units))
    return [message.order_type for message in desk.send()]


def reasons(said: list[Event]) -> list[str]:
    """How a command was answered."""
    return [one.reason for one in said if isinstance(one, CommandAnswered)]


def test_the_setting_alone_waives_nothing_in_live() -> None:
    """Without the word the stop is sent, and a long without one is loose and told of; in SIM, with
    its simulated broker, the setting is enough."""
    desk = entered()
    assert filled(desk) == ["SL"]
    assert loose(desk.state) == 1
    desk.tick(6_000)
    assert "POSITION_UNPROTECTED" in desk.open_codes()
    assert filled(entered(mode="SIM")) == []


def test_a_waiver_is_journaled_and_stays_open() -> None:
    """Accepted once, an incident with who and why that nothing but the session's end closes: not
    being seen, not the word again; no stop is sent and none is missed."""
    desk = entered()
    said = desk.tell(WORD)
    assert reasons(said) == ["CMD_ACCEPTED"]
    (raised,) = [one for one in said if isinstance(one, IncidentRaised)]
    assert (raised.code, raised.subject) == ("STOP_WAIVED", STOP_SETTING)
    assert raised.evidence == (Setting("who", "asha"), Setting("why", WORD.why))
    assert filled(desk) == []
    assert loose(desk.state) == 0
    desk.tick(6_000)
    assert "POSITION_UNPROTECTED" not in desk.open_codes()
    again = desk.tell(replace(WORD, command_id="w2"))
    assert reasons(again) == ["CMD_ACCEPTED"]
    assert not any(isinstance(one, IncidentRaised) for one in again)
    desk.tell(OperatorCommand("ACK", "asha", "", raised.incident_id, None, "a1", "SOCKET"))
    (kept,) = [one for one in desk.state.desk.incidents if one.code == "STOP_WAIVED"]
    assert kept.acknowledged


def test_a_setting_that_changes_takes_no_stop_away() -> None:
    """A session of LIVE that began with its stops, and is told otherwise later: that waits for the
    next session, and they are sent."""
    desk = entered(MANY)
    assert reasons(desk.tell(WORD)) == ["CMD_SUBJECT_UNKNOWN"]
    without = (Setting("orders.protective_stop", False),)
    said = desk.tell(ConfigChanged(without, "asha", "a try"))
    assert [one for one in said if isinstance(one, SettingsDeferred)] == [
        SettingsDeferred(without, "RISK_LIMIT_DEFERRED")
    ]
    assert desk.state.config.orders.protective_stop
    assert filled(desk) == ["SL"]


@pytest.mark.parametrize(
    ("command", "mode", "reason"),
    [
        (replace(WORD, subject="risk.lots_max"), "LIVE", "CMD_SUBJECT_UNKNOWN"),
        (replace(WORD, why=" "), "LIVE", "CMD_WHY_MISSING"),
        (replace(WORD, subject=None), "LIVE", "CMD_SUBJECT"),
        (WORD, "SIM", "CMD_NOT_IN_MODE"),
    ],
)
def test_a_word_that_waives_nothing_is_refused(
    command: OperatorCommand, mode: str, reason: str
) -> None:
    """About another setting, without its reason, in another mode: refused, and nothing is open."""
    desk = entered(mode=mode)
    assert reasons(desk.tell(command)) == [reason]
    assert "STOP_WAIVED" not in desk.open_codes()
