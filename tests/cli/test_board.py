"""The board: what waits for a person and what is open, told from the core's own state."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from adapters.control.protocol import (
    ANSWER_BYTES_MAX,
    LISTED_MAX,
    Status,
    StatusAnswer,
    frame,
)
from adapters.control.server import ControlServer
from adapters.session.clock import SessionClock, boot_ns
from adapters.session.inbox import SessionInbox
from adapters.session.latency import LatencyMeter
from cli.begin import Begun
from cli.board import Board, open_approvals, open_incidents
from cli.options import Common
from engine.cycle import decide_cycle
from engine.gates.approval import apply_approval_requested
from engine.lookup import lookup_for
from engine.state import Incident, State
from events.governance import ApprovalRequested
from events.session import OperatorCommand
from tests.engine.build import at_trade, with_config

S = 1_000_000_000


def _asked() -> tuple[State, ApprovalRequested]:
    """A session in which the core itself has asked for an approval."""
    state = at_trade().state
    assert state.opened is not None
    state = replace(with_config(state, approval={"required": True}),
                    opened=replace(state.opened, rate=1, mode="PAPER"))  # fmt: skip
    events = decide_cycle(state, 0, lookup_for(state).slot_of, state.seq + 1)
    request = next(one for one in events if isinstance(one, ApprovalRequested))
    return apply_approval_requested(state, request, state.now, lookup_for(state)), request


def test_a_request_is_listed_as_the_core_asked_for_it() -> None:
    """Each figure of the event, the contract by its tradingsymbol, and how long it holds."""
    state, request = _asked()
    (one,) = open_approvals(state, request.expires_ts - 7 * S)
    assert one.contract == state.instruments[request.contract].tradingsymbol
    assert one.expires_s == 7
    assert open_approvals(state, request.expires_ts + S)[0].expires_s == 0
    names = ("request_id", "side", "low_paise", "high_paise", "stop_paise", "target_paise",
             "risk_paise")  # fmt: skip
    assert [getattr(one, name) for name in names] == [getattr(request, name) for name in names]
    assert (one.strategy, one.units) == (request.strategy_id, request.quantity_units)
    assert one.low_paise < one.high_paise
    assert one.risk_paise > 0


def test_incidents_are_listed_the_worst_first_and_never_past_the_longest_answer() -> None:
    """Of a thousand with the longest subjects as many as there is room for: the answer fits."""
    state, _ = _asked()
    many = tuple(
        Incident(f"I{n}", "POSITION_DIFFERS", 1 + n % 3, "S" * 5_000, n, n % 2 == 0)
        for n in range(1_000)
    )
    desk = replace(state.desk, incidents=many, requests=state.desk.requests * 1_000)
    state = replace(state, desk=desk)
    found = open_incidents(state)
    assert len(found) == LISTED_MAX
    assert [(one.severity, one.since_ts) for one in found] == [
        (1, 3 * place) for place in range(LISTED_MAX)
    ]
    assert (found[0].incident_id, found[0].acknowledged) == ("I0", True)
    status = Status("s", "LIVE", "READY", (), 1, 2, (), open_approvals(state, 0), found)
    assert len(frame(StatusAnswer(status, 1))) < ANSWER_BYTES_MAX // 2


def test_a_command_that_waited_too_long_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of the inbox comes what is in time, and what has no time; the rest is told as expired."""
    inbox, told = SessionInbox(SessionClock(0)), list[str]()
    monkeypatch.setattr(ControlServer, "expired", lambda _, id_: told.append(id_))
    common = Common(tmp_path, "main", None, json=False)
    board = Board(common, "SIM", cast("Begun", None), inbox, LatencyMeter())
    times = {"late": boot_ns() - 1, "in time": boot_ns() + 3_600 * S, "no time": None}
    for id_, until_ns in times.items():
        command = OperatorCommand("ARM", "asha", "", None, None, id_, "SOCKET")
        assert board._take_in_time(command, until_ns)
    taken = []
    while (one := inbox.take(0)) is not None:
        assert isinstance(one[1], OperatorCommand)
        taken.append(one[1].command_id)
    board._server.close()
    board.kill.close()
    assert (taken, told) == (["in time", "no time"], ["late"])
