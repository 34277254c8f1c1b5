"""The verbs as a table: the index of everything the program can be asked.

Lives here: names, groups and one-line summaries, so that ``axiom --help`` needs no verb's code. May
import: nothing. Always holds: each row has its file in ``verbs/`` and each file its row.
Start reading at ``VERBS``.
"""

from __future__ import annotations

import builtins
import keyword
from typing import Final, NamedTuple


class Verb(NamedTuple):
    """One row: where a verb stands in the help, and ``module:attribute`` of its click command."""

    name: str
    group: str
    summary: str
    target: str


def _verb(name: str, group: str, summary: str) -> Verb:
    module = name.replace("-", "_")
    # A verb that is a word of Python keeps its name; its file ends in an underscore.
    suffix = "_" if keyword.iskeyword(module) else ""
    return Verb(name, group, summary, f"cli.verbs.{module}{suffix}:command")


def _operate(name: str, summary: str) -> Verb:
    """A verb that speaks to the engine: all of them are one file, where one that is a built-in
    name of Python ends in an underscore."""
    suffix = "_" if hasattr(builtins, name) else ""
    return Verb(name, "Operate", summary, f"cli.verbs.operate:{name}{suffix}")


GROUPS: Final = ("Run", "Ask", "Prove", "Operate")
"""The headings of the help, in order."""

VERBS: Final[tuple[Verb, ...]] = (
    _verb("demo", "Run", "a whole simulated trading day, explained and replayed"),
    _verb("backtest", "Run", "run the engine on a market under a virtual clock"),
    _verb("run", "Run", "run the engine in real time: simulated, on paper, or live"),
    _verb("status", "Run", "the running engine in one screen"),
    _verb("record", "Run", "record the feed: no strategies, no orders"),
    _verb("sessions", "Ask", "list the sessions of a desk"),
    _verb("explain", "Ask", "what a reason code or a gate means"),
    _verb("verify", "Prove", "check a session's chain, seals and ledger"),
    _verb("replay", "Prove", "re-derive a session from its facts and compare"),
    _verb("whatif", "Prove", "the same facts under another configuration"),
    _verb("sweep", "Prove", "sessions under every configuration of a grid"),
    _verb("diff", "Prove", "two sessions' decisions, side by side"),
    _verb("journal", "Prove", "the entries of a session, and its seal"),
    _verb("query", "Ask", "one SELECT on the contracts of a session"),
    _verb("ask", "Ask", "a question by its name, from a list"),
    _verb("why", "Ask", "why there was no trade, or why this one"),
    _verb("order", "Ask", "one order by any of its ids or its tag"),
    _verb("report", "Ask", "a day or a week as an audit report: one page, and JSON"),
    _verb("at", "Ask", "the engine's whole state at any entry or time"),
    _verb("export", "Ask", "a session as Parquet files"),
    _verb("tui", "Run", "open the terminal UI on a session"),
    _verb("login", "Operate", "log in at the broker Kite for the day"),
    _operate("halt", "no new entry, until resumed; also cancel, also flatten"),
    _operate("resume", "let entries go on after a halt"),
    _operate("flatten", "cancel every order and close every position"),
    _operate("exit", "close one position, and nothing else"),
    _operate("stop", "end the session of the engine that runs"),
    _operate("arm", "let approved entries be sent for a while"),
    _operate("disarm", "let no approved entry be sent"),
    _operate("approve", "approve an entry that waits for a person"),
    _operate("reject", "turn down an entry that waits for a person"),
    _operate("resolve", "say what became of an order whose fate is unknown"),
    _operate("adopt", "manage an order that is not ours from here on"),
    _operate("ack", "say that a person has seen an incident"),
    _operate("promote", "move a strategy in its lifecycle"),
    _operate("quarantine", "let a strategy enter no more"),
    _verb("import", "Operate", "check and describe a recorded file"),
    _verb("backup", "Operate", "a second copy of a desk's sessions, elsewhere"),
    _verb("restore", "Operate", "sessions back from a backup"),
    _verb("watchdog", "Operate", "tell a person what the engine cannot: alerts"),
    _verb("doctor", "Operate", "is this machine ready, and what stands against LIVE"),
    _verb("rulebook", "Operate", "the dated rules with their sources: show, check, add, amend"),
    _verb("exchange-sim", "Run", "the local exchange that speaks Kite Connect"),
    _verb(
        "config",
        "Operate",
        "the configuration in force, the check of a file, a limit of the session that runs",
    ),
)
"""Every verb, in the order in which the help lists them."""
