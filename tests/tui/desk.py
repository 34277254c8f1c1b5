"""A desk at work for the screens: orders at a broker, approvals, commands, limits, and a control.

Lives here: a story with all of it, and controls that answer, refuse, think for long or are dead.
"""

from __future__ import annotations

import threading
import time

import msgspec

from events import broker, decision, governance, orders, risk, session
from tests.projections.live.story import CALL, PUT_TOKEN, Story, full_packet
from tui.ports import Answer, Command, Ports

PUT = 4
LIMITS = (
    session.Setting("risk.daily_loss_bps_max", 500),
    session.Setting("risk.profit_lock_bps_max", 1_000),
    session.Setting("risk.trades_day_max", 6),
    session.Setting("risk.loss_streak_max", 3),
)
UNKNOWN = "O0000000000000000U"


def a_desk(mode: str = "SIM") -> Story:
    """An open pair, a stop that rests, an order of unknown fate, one that was refused, an entry
    that waits for a person, a command that was refused and one without an answer."""
    story = Story(mode, rate=1).setting_up()
    story.fact(session.ConfigChanged(LIMITS, "ana", "limits of the day"))
    story.at(-5).quotes()
    for minute in range(6):
        story.at(60 * minute).quotes(bid=12_815 - 40 * minute)
        story.cycle_of("BANKNIFTY", ("N4_QUOTE_OK", "QUOTE_SPREAD_WIDE"))
        story.bar(0, 2_451_235 + 700 * minute)
    story.at(400).quotes(bid=11_230)
    story.exit(story.entry())
    intent = story.at(500).entry(price=12_500)
    pair_sold(story, intent)
    at_broker(story, f"{intent}P", intent, "PROTECT", "SELL", CALL, 130, 10_000, trigger=10_050)
    for minute in range(7, 10):
        story.at(60 * minute + 90).quotes(bid=12_815 + 100 * minute)
        story.frame(full_packet(PUT_TOKEN, 4_700, 4_720 - 30 * minute))
        story.bar(0, 2_451_235 + 100 * minute)
    unknown_order(story)
    asked(story, "r0000000000a", left_s=107)
    refused(story, "r0000000000z")
    story.at(700).quotes(bid=12_815)
    story.frame(full_packet(PUT_TOKEN, 4_600, 4_620))
    limits_row(story)
    return story


def pair_sold(story: Story, intent: str) -> None:
    """The leg that is sold against a long, and its own position."""
    cause = story.frame()
    leg = f"{intent}S"
    story.derive(
        orders.SpreadApproved(
            intent, leg, "NIFTY", "trend-1", PUT, 30, 4_810, 4_815, 20_000, 7_700, 3_000, 15_000,
            100_000, cause,
        ),
        cause,
    )  # fmt: skip
    story.derive(
        orders.PositionChanged(
            leg, "NIFTY", "trend-1", PUT, "OPEN", -30, 4_810, story.now, 3_000, 15_000, 0, 0, 2_000,
            None,
        ),
        cause,
    )  # fmt: skip


def at_broker(
    story: Story, order: str, authority: str, role: str, side: str, contract: int, units: int,
    limit: int, *, trigger: int | None = None, outcome: str = "ACCEPTED", said: str | None = None,
) -> None:  # fmt: skip
    """A message, its answer, and the state that follows from it."""
    cause = story.frame()
    kind = "SL" if trigger else "LIMIT"
    story.derive(
        governance.OrderWanted(order, authority, "PLACE", kind, units, limit, trigger, "X"), cause
    )
    changed(story, order, authority, role, side, contract, units, limit, "PENDING", "ORDER_WANTED")
    story.fact(
        broker.OrderSendStarted(
            1, "PLACE", order, authority, "tag", None, "regular", "NFO", "SYM", side, "MIS", kind,
            "DAY", units, limit, trigger, None, None, "trend-1", "c" * 64, "e" * 64, None, None,
            None,
        )
    )  # fmt: skip
    if outcome == "":
        return
    story.fact(
        broker.OrderSendResult(
            1, order, outcome, "251120000000042" if outcome == "ACCEPTED" else None, None, None,
            200, said, 38_000,
        )
    )  # fmt: skip
    status, reason = {
        "ACCEPTED": ("WORKING", "ORDER_ACCEPTED"),
        "UNKNOWN": ("UNKNOWN", "ORDER_UNKNOWN"),
        "REFUSED": ("REJECTED", "ORDER_REFUSED_MARGIN"),
    }[outcome]
    changed(story, order, authority, role, side, contract, units, limit, status, reason)


def changed(
    story: Story, order: str, authority: str, role: str, side: str, contract: int, units: int,
    limit: int, status: str, reason: str,
) -> None:  # fmt: skip
    """An order's state."""
    story.derive(
        orders.OrderChanged(
            order, authority, role, contract, side, status, reason, units, 0, limit
        ),
        len(story.envelopes),
    )


def unknown_order(story: Story) -> None:
    """One refused, one of unknown fate."""
    at_broker(
        story, "O0000000000000000R", "I9", "ENTRY", "BUY", PUT, 60, 5_000, outcome="REFUSED",
        said="Insufficient funds: [need] 1,20,000",
    )  # fmt: skip
    at_broker(story, UNKNOWN, "I000000000000000U", "ENTRY", "BUY", PUT, 30, 5_100,
              outcome="UNKNOWN")  # fmt: skip


def asked(story: Story, request: str, *, left_s: int) -> None:
    """An entry waits for a person for so long."""
    story.derive(
        governance.ApprovalRequested(
            request, "NIFTY", "trend-1", CALL, "BUY", 65, 12_700, 12_950, 10_000, 16_000, 190_000,
            3, story.now + left_s * 1_000_000_000, None, None,
        ),
        len(story.envelopes),
    )  # fmt: skip


def commanded(
    story: Story, verb: str, id_: str, *, value: str | None = None, subject: str | None = None,
    outcome: str | None = "ACCEPTED", reason: str = "CMD_ACCEPTED", channel: str = "SOCKET",
) -> int:  # fmt: skip
    """A command and, unless ``outcome`` is None, its answer."""
    seq = story.fact(session.OperatorCommand(verb, "ana", "a test", subject, value, id_, channel))
    if outcome is None:
        return seq
    return story.derive(governance.CommandAnswered(id_, verb, outcome, reason), seq)


def refused(story: Story, subject: str) -> None:
    """A command that the engine refused."""
    commanded(
        story, "APPROVE", "c-old", subject=subject, outcome="REFUSED", reason="CMD_SUBJECT_UNKNOWN"
    )


def halted(story: Story, value: str | None = None) -> int:
    """The engine took a halt; returns the seq of its answer."""
    seq = commanded(story, "HALT", "c-halt", value=value)
    story.derive(
        risk.RiskTransitioned(
            "NORMAL", "SOFT_HALT", "OPERATOR", "GOV_HALTED", ("GOV_HALTED",), None, None
        ),
        seq,
    )
    return seq


def limits_row(story: Story) -> None:
    """A decision whose risk gates were measured with positions held."""
    tick = story.derive(risk_gates(story), len(story.envelopes))
    story.derive(
        decision.DecisionMade(
            99, "NIFTY", "NO_TRADE", "N6_RISK_OK", "RISK_POSITION_OPEN", None, None, "TREND_UP",
            "TREND_DAY", tick, tick, None, None,
        ),
        tick,
    )  # fmt: skip


def risk_gates(story: Story) -> decision.GatesEvaluated:
    """N6 with figures of a book that is held."""
    gates = story.gates_event("NIFTY", 1, ("N6_RISK_OK", "RISK_POSITION_OPEN"))
    measured = {"exposure": (1_625_000, 4_000_000), "net_delta": (412_000, 2_000_000),
                "drawdown": (520_000, 600_000)}  # fmt: skip
    official = tuple(
        msgspec.structs.replace(
            verdict,
            rows=tuple(
                msgspec.structs.replace(
                    row, observed=measured[row.gate][0], limit=measured[row.gate][1]
                )
                if row.gate in measured
                else row
                for row in verdict.rows
            ),
        )
        for verdict in gates.official
    )
    return msgspec.structs.replace(gates, official=official)


class Control:
    """A control that a test plays: ``given`` is what came; it answers with ``answer``, after
    ``may_answer`` is set; ``at_s`` is the process's time when the last one came."""

    def __init__(self, answer: Answer | None = None, *, slow: bool = False) -> None:
        self.given: list[Command] = []
        self.at_s = 0.0
        self.may_answer = threading.Event()
        self.answered = threading.Event()
        self._answer = answer
        if not slow:
            self.may_answer.set()

    def give(self, command: Command) -> Answer:
        self.at_s = time.process_time()
        self.given.append(command)
        assert self.may_answer.wait(20)
        try:
            return self._answer or Answer("ACCEPTED", f"{command.verb} accepted (entry 77)", 77)
        finally:
            self.answered.set()


class BrokenControl:
    """One that breaks."""

    def give(self, command: Command) -> Answer:
        raise OSError("no such socket")


def with_control(control: Control | BrokenControl) -> Ports:
    """Ports with nothing but a control."""
    return Ports(control=control)
