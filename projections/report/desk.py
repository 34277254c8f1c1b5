"""The sections about risk, incidents, people, the configuration in force, and the replay.

Lives here: from rows to blocks. May import: projections. Always holds: what was not recorded is
told apart from what did not happen. Start reading at ``risk``.
"""

from __future__ import annotations

from typing import Final

from projections import why
from projections.report.inputs import Inputs, Parity
from projections.report.market import joined
from projections.report.model import (
    Bar,
    Bars,
    Block,
    Lane,
    Lanes,
    Part,
    Series,
    Span,
    Steps,
    Text,
    facts,
    table,
)
from projections.report.sections import Made, Nothing, not_recorded
from projections.report.words import absence, end_ts, reason_or_none, with_next

PERMYRIAD: Final = 10_000
RISK_LOOKS: Final = {
    "NORMAL": "good", "RECOVERY": "warn", "SOFT_HALT": "warn", "HARD_HALT": "bad",
}  # fmt: skip


def risk(given: Inputs) -> Made:
    """The risk state and the account's day, its moves, and the halts it began with."""
    blocks = [*_risk_charts(given), *_halts(given)]
    states = [{**row, "text": why.reason_text(row["reason"])} for row in given.all("risk_states")]
    if states:
        blocks.append(table("states", "The account's day at each change", _RISK_COLUMNS, states))
    if not blocks:
        return not_recorded("This session recorded no state of its risk.")
    if not given.all("risk_transitions") and absence(given, "risk_transitions") is None:
        blocks.append(Text("halts", ("The risk state never moved, and no halt began or ended.",)))
    return tuple(blocks)


def _risk_charts(given: Inputs) -> list[Block]:
    """The state and the money over the day; none where no state was recorded."""
    states = given.all("risk_states")
    if not states:
        return []
    start, end = states[0]["ts"], end_ts(given)
    net = tuple((row["ts"], row["realised_paise"] - row["charges_paise"]) for row in states)
    at_risk = tuple((row["ts"], row["open_risk_paise"]) for row in states)
    series = (Series("net of the day", "c0", net), Series("open risk", "c3", at_risk))
    spans = tuple(
        Span(
            row["ts"], after, row["status"], RISK_LOOKS.get(row["status"], "idle"),
            why.reason_text(row["reason"]),
        )
        for row, after in with_next(states, end)
    )  # fmt: skip
    lanes = (Lane("risk state", joined(spans)),)
    caption = "Net of the day after charges, and risk of what is open"
    return [
        Lanes("timeline", "Risk state", start, end, lanes),
        Steps("money", caption, "paise", start, end, series),
    ]


def _halts(given: Inputs) -> list[Block]:
    """Halts that the session began with, and every move since."""
    blocks: list[Block] = []
    carried = given.one("carried")
    if carried and carried["halts"]:
        halts = [(code, why.reason_text(code)) for code in carried["halts"].split(",")]
        spec = "halt code Halt\ntext text Meaning"
        blocks.append(table("carried_halts", "Halts that the session began with", spec, halts))
    moves = [
        {**row, "text": why.reason_text(row["reason"])} for row in given.all("risk_transitions")
    ]
    if moves:
        blocks.append(table("transitions", "Moves of the risk state, and halts", _MOVES, moves))
    return blocks


_MOVES: Final = """
ts ts Time
risk_before code From
risk_after code To
risk_trigger code By
halts code Halts
reason code Reason
text text Meaning
seq count Seq
"""
_RISK_COLUMNS: Final = """
ts ts Time
status code State
realised_paise result Gross
charges_paise paise Charges
open_risk_paise paise Open risk
trades_today count Trades
loss_streak count Losses in a row
reason code Reason
text text Meaning
"""


def incidents(given: Inputs) -> Made:
    """Incidents with their ends, and where the session was reopened."""
    rows = [
        {**row, "text": why.reason_text(row["incident_code"])} for row in given.all("incidents")
    ]
    cuts = [
        *({**row, "what": "TailCut"} for row in given.all("tail_cuts")),
        *({**row, "what": "SessionResumed"} for row in given.all("resumed")),
    ]
    blocks: list[Block] = []
    if rows:
        blocks.append(table("incidents", "Incidents", _INCIDENT_COLUMNS, rows))
    if cuts:
        cuts.sort(key=lambda row: row["seq"])
        blocks.append(
            table(
                "reopened", "Where the session was reopened",
                "ts ts Time\nwhat code Entry\nafter_seq count After seq\n"
                "cut_bytes count Bytes cut\nseq count Seq", cuts,
            )
        )  # fmt: skip
    return tuple(blocks) or Nothing("No incident was raised.")


_INCIDENT_COLUMNS: Final = """
ts ts Time
severity count Severity
incident_code code Incident
subject code Subject
evidence code Evidence
resolved_ts ts Ended
resolved_by text Ended by
text text Meaning
seq count Seq
"""


def commands(given: Inputs) -> Made:
    """What people asked for, and what they were answered."""
    blocks: list[Block] = []
    if given.all("commands"):
        rows = [{**row, "text": reason_or_none(row["reason"])} for row in given.all("commands")]
        blocks.append(table("commands", "Commands and their answers", _COMMAND_COLUMNS, rows))
    if given.all("approvals"):
        rows = [{**row, "text": reason_or_none(row["reason"])} for row in given.all("approvals")]
        blocks.append(table("approvals", "Entries that waited for a person", _APPROVALS, rows))
    if given.all("amendments"):
        blocks.append(
            table(
                "amendments", "Hours of the day that were amended",
                "ts ts Time\nname code Rule\nscope text Scope\nvalue text Value\nwho text Who\n"
                "source text Source", given.all("amendments"),
            )
        )  # fmt: skip
    return tuple(blocks) or Nothing("Nobody asked the engine for anything.")


_COMMAND_COLUMNS: Final = """
ts ts Time
who text Who
verb code Command
subject code Subject
value code Value
why text Why
channel code Channel
answer code Answer
reason code Reason
text text Meaning
seq count Seq
"""
_APPROVALS: Final = """
ts ts Asked
underlying text Underlying
strategy_id text Strategy
tradingsymbol code Contract
quantity_units count Units
risk_paise paise Risk
approval_outcome code Outcome
who text By
closed_ts ts Ended
text text Meaning
"""


# --- configuration and replay ----------------------------------------------------------------


def configuration(given: Inputs) -> Made:
    """What was in force, by digest and by value."""
    session = given.one("session")
    if session is None:
        return not_recorded("The projection knows no session.")
    blocks: list[Block] = [facts("digests", "Digests", _DIGESTS, session)]
    blocks.append(facts("market", "Market", _MARKET, session))
    if given.all("rules"):
        blocks.append(
            table(
                "rules", "Dated rules and models in force",
                "kind code Kind\nrows count Rows\nunsure count Without a first-hand source\n"
                "digest digest Digest", given.all("rules"),
            )
        )  # fmt: skip
    settings = given.all("settings")
    changed = [row for row in settings if row["kind"] != "SessionOpened"]
    if changed:
        spec = "ts ts Time\nkey code Setting\nvalue code Value\nwho text Who\nwhy text Why"
        blocks.append(table("changes", "Settings changed in the session", spec, changed))
    if given.all("effects"):
        caption = "Decisions by reason, 30 minutes before and after each change"
        spec = (
            "ts ts Changed\nkey code Setting\nvalue code Value\nreason code Reason\n"
            "before_n count Before\nafter_n count After"
        )
        blocks.append(table("effects", caption, spec, given.all("effects")))
    if given.all("deferred"):
        rows = [{**row, "text": reason_or_none(row["reason"])} for row in given.all("deferred")]
        spec = (
            "ts ts Time\nkey code Setting\nvalue code Value\nreason code Reason\ntext text Meaning"
        )
        blocks.append(table("deferred", "Settings that wait for another session", spec, rows))
    opened = [row for row in settings if row["kind"] == "SessionOpened"]
    if opened:
        spec = "key code Setting\nvalue code Value"
        blocks.append(
            table("settings", "Settings that the session opened with", spec, opened, narrow=True)
        )
    return tuple(blocks)


_DIGESTS: Final = """
code_digest digest Engine's code
schema_digest digest Event schema
rulebook_digest digest Rulebook
settings_digest digest Settings
head_hash digest Chain hash at the end
"""
_MARKET: Final = """
market_kind text Market
market_profile text Profile
market_seed count Seed
market_content_digest digest Content
market_lacks text Lacks
bar_ms ms Bar
cycle_kind code Cycle
cycle_cadence_ms ms Every
previous_session code Carries over from
"""

_PARITY_TEXT: Final = {
    "identical": "Every derivation is the same, byte for byte.",
    "diverged": "The same code derived something else from the recorded facts: the journal's "
    "derivations or the machine cannot be trusted until this is explained.",
    "other_engine": "Other code recorded this session, so a difference is no failure.",
    "damaged": "The journal is damaged, so its replay proves nothing.",
    "failed": "The session could not be replayed.",
}


def replay(given: Inputs) -> Made:
    """The parity meter and the first difference."""
    found = given.parity
    assert isinstance(found, Parity)  # the section's row needs it
    permyriad = PERMYRIAD * found.identical // found.decisions if found.decisions else None
    looks = (
        Part("good", "identical", found.identical),
        Part("bad", "not shown to be", max(found.decisions - found.identical, 0)),
    )
    lines = [_PARITY_TEXT[found.outcome], *((found.problem,) if found.problem else ())]
    if found.outcome == "diverged":
        lines.append("Decisions after the first difference are not counted as identical.")
    row = {
        **{name: getattr(found, name) for name in found.__struct_fields__},
        "share": None if permyriad is None else f"{permyriad // 100}.{permyriad % 100:02d} %",
    }
    blocks: list[Block] = [Text("sentences", tuple(lines))]
    if found.decisions:
        blocks.append(Bars("meter", "Parity of decisions", (Bar(row["share"] or "", looks),)))
    blocks.append(facts("verdict", "", _PARITY, row))
    if found.first is not None:
        first = {name: getattr(found.first, name) for name in found.first.__struct_fields__}
        blocks.append(facts("first_difference", "First difference", _FIRST, first))
    if found.changes:
        spec = "kind text Decisions\ncount count Number"
        blocks.append(table("changes", "Decisions that differ", spec, found.changes))
    return tuple(blocks)


_PARITY: Final = """
outcome code Outcome
share text Decisions identical
identical count Identical
decisions count Decisions
facts count Facts
derivations count Derivations
comparison text Compared as
recorded_digest digest Recorded
digest digest Replayed
recorded_code digest Recorded by code
code digest Replayed by code
"""
_FIRST: Final = """
seq count Seq
kind code Entry
field code Field
recorded code Recorded
replayed code Replayed
cause count Caused by fact
"""
