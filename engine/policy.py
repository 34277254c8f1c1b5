"""The policy table: where a market or a mode may be judged by another limit, row by row.

Lives here: the rows and the one function that applies them. May import: events, engine.state.
Always holds: a row that applies is named in the evidence of every gate it touches; LIVE has no row;
this and the order route are the only readers of the mode.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from engine.state import State

When = Literal["PAGES"]


class PolicyRow(msgspec.Struct, frozen=True):
    """One relaxation: ``gate``'s limit becomes ``limit_ms`` where ``when`` applies."""

    name: str
    gate: str
    when: When
    limit_ms: int
    why: str


POLICY: Final[tuple[PolicyRow, ...]] = (
    PolicyRow(
        "PAGES_LINK_AGE", "link_age", "PAGES", 130_000,
        "A market of pages gives one about each minute; more than 130 s without one is an outage.",
    ),
    PolicyRow(
        "PAGES_STAMP_AGE", "page_age", "PAGES", 150_000,
        "The exchange's page stamps are 71 s old in the median and 139 s at worst.",
    ),
    PolicyRow(
        "PAGES_SPOT_AGE", "spot_age", "PAGES", 130_000,
        "The estimated index prints with each page that changes it.",
    ),
    PolicyRow(
        "PAGES_CONTRACT_AGE", "contract_age", "PAGES", 330_000,
        "A page repeats unchanged contracts silently; five without a change are a quote.",
    ),
)  # fmt: skip
"""Relaxations outside LIVE. Every one is a fact about the market, not a wish about the result."""

CYCLE_RULES: Final[dict[When, str]] = {"PAGES": "AFTER_SNAPSHOT"}
"""A market of pages is one whose cycles follow its snapshots."""

LIVE: Final = "LIVE"


def applies(state: State, when: When) -> bool:
    """Whether the session's market is of the row's kind; never in LIVE."""
    opened = state.opened
    if opened is None or opened.mode == LIVE:
        return False
    return opened.cycle_rule.kind == CYCLE_RULES[when]


def loosening_waits(state: State) -> bool:
    """Whether a looser limit waits for the next session: in LIVE a limit is only ever tightened."""
    return state.opened is not None and state.opened.mode == LIVE


def is_live(state: State) -> bool:
    """Whether the routing of LIVE holds."""
    return state.opened is not None and state.opened.mode == LIVE


def unknown_blocks(state: State) -> bool:
    """Whether what needs a past (a contract's change of open interest, the opening range, the trend
    of longer bars) refuses while it is not known: in LIVE. Elsewhere a session may begin at any
    time, and the row's mark says what was not known."""
    return state.opened is not None and state.opened.mode == LIVE


def limit_ms(state: State, gate: str, configured_ms: int) -> tuple[int, tuple[str, ...]]:
    """The limit in force in ms and the marks for the evidence: the row's name where one applies."""
    for row in POLICY:
        if row.gate == gate and applies(state, row.when):
            return row.limit_ms, (row.name,)
    return configured_ms, ()
