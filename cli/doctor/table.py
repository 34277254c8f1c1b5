"""The table of checks: what ``axiom doctor`` looks at, and what LIVE needs before it begins.

Lives here: the rows, running them, the preconditions of LIVE. May import: ``cli``, events.reasons.
Always holds: every row has a reason code; in LIVE what is not known is bad; ``docs/LIVE.md`` is
made from this table. Start reading at ``CHECKS``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

import msgspec

from cli.doctor import broker, build, clock, day, machine, sessions
from cli.doctor.check import Check, Context, Row, Verdict, unknown
from cli.errors import UserError
from events.reasons import BY_CODE

CHECKS: Final[tuple[Check, ...]] = (
    Check("LIVE_PYTHON", "Python is one that the engine is known on", machine.python),
    Check("LIVE_LIBRARIES", "libraries are those that were locked", machine.libraries),
    Check("LIVE_ROOMS", "no foreign package stands in for a room", machine.rooms),
    Check("LIVE_CONFIG", "the configuration is one that a run takes", day.configuration),
    Check("LIVE_HOME", "the home is private to its owner", machine.home),
    Check("LIVE_DISK", "the disk has room for two days at least", machine.disk),
    Check("LIVE_CLOCK", "the clock is within a second of a time server", clock.clock),
    Check("LIVE_CALENDAR", "today is a trading day with known hours", day.calendar),
    Check("LIVE_RULEBOOK", "no rule of today has ended or is at fault", day.rulebook),
    Check("LIVE_TIMES", "the desk is out before the broker squares off", day.own_times, True),
    Check("LIVE_INSTRUMENTS", "the broker's instruments of today are here", day.instruments),
    Check("LIVE_CONTRACTS", "contracts watched before are what they were", day.contracts, True),
    Check("LIVE_DESK_BUSY", "no other engine runs this desk", sessions.desk_lock),
    Check("LIVE_LEDGER", "the ledger is sound and no session is gone", sessions.ledger),
    Check("LIVE_LAST_SESSION", "the last session is sound", sessions.last_session),
    Check("LIVE_LOGIN", "a login holds until the close", broker.login),
    Check("LIVE_ADDRESS", "orders leave from the registered address", broker.address, True),
    Check("ACCOUNT_SHARED", "no other engine here trades the account", broker.account, True),
    Check("LIVE_BUILD", "the program is an unchanged release", build.clean_build, True),
    Check("LIVE_RELEASE_CHECK", "release-check was good for it", build.release_check, True),
)
"""Every check, in the order in which they are shown."""


def run_checks(context: Context, checks: Iterable[Check] = CHECKS) -> tuple[Row, ...]:
    """The answers, in order; those that only LIVE needs are left out without it."""
    return tuple(_row(one, context) for one in checks if context.live or not one.only_live)


def _row(check: Check, context: Context) -> Row:
    try:
        found = check.look(context)
    except (OSError, UserError) as error:
        found = unknown(f"it cannot be looked at: {error}")
    unsaid: Verdict = "bad" if context.live else "warn"
    verdict = found.verdict or unsaid
    to_do = None if verdict == "ok" else found.to_do or BY_CODE[check.code].what_to_do
    return Row(check.code, check.title, verdict, found.verdict is not None, found.sentence, to_do)


def preconditions(context: Context) -> tuple[Row, ...]:
    """What stands against LIVE here and now: the rows that are bad; none is: it may begin.

    Whoever starts LIVE asks with the session's own settings and the address that it found, before
    it takes the locks of desk and account (its own would count as another's); it must still take
    them, since between this look and the start another may.
    """
    rows = run_checks(dataclasses.replace(context, live=True))
    return tuple(row for row in rows if row.verdict == "bad")


def is_good(rows: Iterable[Row]) -> bool:
    """Whether nothing is bad."""
    return all(row.verdict != "bad" for row in rows)


def as_documents(rows: Iterable[Row]) -> list[dict[str, object]]:
    """The rows as ``--json`` has them."""
    return [msgspec.structs.asdict(row) for row in rows]
