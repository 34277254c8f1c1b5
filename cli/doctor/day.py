"""The day: configuration, calendar, rulebook, the list of instruments.

Lives here: checks. May import: ``cli``, adapters' rulebook and lists, engine.rulebook. Always
holds: the rulebook is read as an engine that starts now would read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from adapters.kite.dump_file import read_kept
from adapters.kite.instruments import DumpError, Watch, choose
from adapters.rulebook.check import Finding, findings
from adapters.rulebook.load import LoadedRow, RulebookError, load_all
from cli.doctor.check import Context, Outcome, bad, good, unknown, warned
from cli.load import OVERLAY_NAME
from cli.paths import desk_folder
from engine.rulebook import Rulebook, hhmm_of, iso_day

INSTRUMENTS_NAME: Final = "instruments"
"""The folder of the home with the broker's daily lists."""

USED_AND_MARKED: Final = ("freeze",)
"""Rules that, once ended, are stood in for by a stricter one; every other blocks."""

OF_TODAY: Final = ("EXPIRED", "MISSING")
"""Findings that stop a session of today and nothing else."""

TOLD_MAX: Final = 2


def configuration(context: Context) -> Outcome:
    """The file that was given is one that a run would take."""
    return good("the configuration is good") if context.fault is None else bad(context.fault)


def _rows(context: Context) -> tuple[LoadedRow, ...]:
    overlay = desk_folder(context.home, context.desk) / OVERLAY_NAME
    return load_all(overlay if overlay.is_file() else None)


def calendar(context: Context) -> Outcome:
    """Today is a day on which the exchanges trade, with hours that are known."""
    day = context.day
    try:
        book = Rulebook(tuple(one.row for one in _rows(context)))
    except (RulebookError, ValueError) as error:
        return unknown(f"the rulebook cannot be read: {error}")
    trading = book.is_trading_day(day)
    if trading is False:
        # Nothing is wrong with a machine on a Sunday; only LIVE has nothing to do there.
        return Outcome("bad" if context.live else "ok", f"no trading on {iso_day(day)}")
    window = book.session_window(day, "fno", "NSE")
    if window is None:
        what = "a trading day without hours" if trading else "covered by no calendar"
        return Outcome("bad" if context.live else "warn", f"{iso_day(day)} is {what}")
    return good(
        f"{iso_day(day)} trades from {hhmm_of(window.open_ns)} to {hhmm_of(window.close_ns)} IST"
    )


def rulebook(context: Context) -> Outcome:
    """No fault in the rows; what has ended and is stood in for is a warning."""
    try:
        rows = _rows(context)
    except RulebookError as error:
        return bad(str(error))
    wrong = [one for one in findings(rows, context.day) if one.wrong]
    faults = [one for one in wrong if one.kind not in OF_TODAY]
    blocks = [one for one in wrong if one.kind in OF_TODAY and one.name not in USED_AND_MARKED]
    if faults or (blocks and context.live):
        return bad(_told(faults or blocks))
    if wrong:
        return warned(_told(blocks or wrong), "axiom rulebook check")
    return good(f"{len(rows)} rows, nothing wrong on {iso_day(context.day)}")


def _told(found: Sequence[Finding]) -> str:
    texts = [f"{one.name} for {one.scope}: {one.sentence}" for one in found[:TOLD_MAX]]
    more = len(found) - len(texts)
    return "; ".join(texts) + (f"; and {more} more" if more else "")


def instruments(context: Context) -> Outcome:
    """The broker's list of today is kept, can be read, and lists all that is watched."""
    folder, names = context.home / INSTRUMENTS_NAME, context.settings.names
    try:
        dump = read_kept(folder, context.day, names)
        # One strike anywhere: whether there are an index, a future and options of each at all.
        choose(dump, [Watch(name, 1, 0, 0) for name in names])
    except DumpError as error:
        # Without LIVE or PAPER nobody needs a list.
        return bad(str(error)) if context.live else warned(str(error))
    except OSError as error:
        return unknown(f"the list of instruments cannot be read: {error}")
    return good(f"{dump.lines} instruments of {iso_day(dump.day)}, all that is watched among them")
