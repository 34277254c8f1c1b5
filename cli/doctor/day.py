"""The day: configuration, calendar, rulebook, the list of instruments.

Lives here: checks. May import: ``cli``, adapters' rulebook and lists, engine.rulebook, journal.
Always holds: the rulebook is read as an engine that starts now would read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from adapters.kite.dump_file import FOLDER, read_kept
from adapters.kite.instruments import DumpError, Watch, changed_instruments, choose
from adapters.rulebook.check import UNCOVERED, Finding, findings
from adapters.rulebook.load import LoadedRow, RulebookError, load_all
from cli.doctor.check import Context, Outcome, bad, good, unknown, warned
from cli.load import OVERLAY_NAME
from cli.paths import desk_folder, list_sessions
from cli.recorded import opening_of
from engine.rulebook import OWN_TIMES, Rulebook, broker_rules, hhmm_of, iso_day, ist_ns
from events.session import Instrument, InstrumentsLoaded, SessionOpened

USED_AND_MARKED: Final = ("freeze",)
"""Rules that, once ended, are stood in for by a stricter one; every other blocks."""

OF_TODAY: Final = ("EXPIRED", "MISSING")
"""Findings that stop a session of today and nothing else."""

TOLD_MAX: Final = 2
CHANGES_TOLD: Final = 5
SESSIONS_LOOKED_AT: Final = 20
KITE_MARKET: Final = "kite"
"""The kind of a market whose instruments are from the broker's list."""


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
    """No fault in the rows; what has ended and is stood in for is a warning, and so are scheduled
    events that nobody knows: exits need a session even where no entry would be made."""
    try:
        rows = _rows(context)
    except RulebookError as error:
        return bad(str(error))
    found = findings(rows, context.day)
    wrong = [one for one in found if one.wrong]
    faults = [one for one in wrong if one.kind not in OF_TODAY]
    blocks = [one for one in wrong if one.kind in OF_TODAY and one.name not in USED_AND_MARKED]
    if faults or (blocks and context.live):
        return bad(_told(faults or blocks))
    uncovered = [one.scope for one in found if one.kind == UNCOVERED]
    told = [f"no calendar of {', '.join(uncovered)} events covers the day"] if uncovered else []
    told += [_told(blocks or wrong)] if wrong else []
    if told:
        return warned("; ".join(told), "axiom rulebook check")
    return good(f"{len(rows)} rows, nothing wrong on {iso_day(context.day)}")


def own_times(context: Context) -> Outcome:
    """The desk is out before the broker closes intraday positions by itself, and no later than by
    its own rows while the broker's hour is only hearsay."""
    try:
        book = Rulebook(tuple(one.row for one in _rows(context)))
    except (RulebookError, ValueError) as error:
        return unknown(f"the rulebook cannot be read: {error}")
    day, session = context.day, context.config.session
    rows = [book.lookup(name, "*", day) for name in OWN_TIMES]
    known = [row for row in rows if row is not None]
    if len(known) < len(OWN_TIMES):
        return unknown("the rulebook does not say the desk's own times")
    limits = [hhmm_of(ist_ns(day, str(row.value))) for row in known]
    of_today = all(row.valid_from == row.valid_to == day for row in known)
    names = ("last_entry_hhmm", "square_off_hhmm", "deadline_hhmm")
    set_to = [f"{at // 100:02d}:{at % 100:02d}" for at in (getattr(session, n) for n in names)]
    times = limits if of_today else [*set_to[:2], max(set_to[1:])]
    broker = broker_rules(book, day)
    hearsay = broker.mis_square_off_ns is None or "squareoff.mis" in broker.unsure
    late = [
        f"session.{n} {at}" for n, at, most in zip(names, times, limits, strict=True) if at > most
    ]
    if late and hearsay:
        return bad(f"{', '.join(late)}: later than {', '.join(limits)}, and when the broker closes "
                   "intraday positions is not confirmed")  # fmt: skip
    closes = None if broker.mis_square_off_ns is None else hhmm_of(broker.mis_square_off_ns)
    if closes is not None and times[-1] >= closes and context.config.orders.product == "MIS":
        return bad(f"the deadline {times[-1]} is not before {closes}, when the broker closes them")
    return good(f"last entry {times[0]}, square-off {times[1]}, deadline {times[2]}")


def _told(found: Sequence[Finding]) -> str:
    texts = [f"{one.name} for {one.scope}: {one.sentence}" for one in found[:TOLD_MAX]]
    more = len(found) - len(texts)
    return "; ".join(texts) + (f"; and {more} more" if more else "")


def instruments(context: Context) -> Outcome:
    """The broker's list of today is kept, can be read, and lists all that is watched."""
    folder, names = context.home / FOLDER, context.settings.names
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


def contracts(context: Context) -> Outcome:
    """What was watched or held in the last session on the broker's list is the same today: lot,
    tick, expiry, token. An exchange may date a listed contract anew, or change its lot."""
    last = _last_watched(context)
    if last is None:
        return good("no session on the broker's list yet to compare with")
    name, rows = last
    try:
        dump = read_kept(context.home / FOLDER, context.day, context.settings.names)
    except (DumpError, OSError) as error:
        return unknown(f"there is no list of today to compare {name} with: {error}")
    keys = [(row.exchange, row.tradingsymbol) for row in rows]
    changes = changed_instruments(rows, dump.rows, keys, context.day)
    if changes:
        texts = [
            f"{one.tradingsymbol} {one.field} was {one.before}, is {one.after}"
            for one in changes[:CHANGES_TOLD]
        ]
        more = len(changes) - len(texts)
        return bad("; ".join(texts) + (f"; and {more} more" if more else "") + f" (since {name})")
    return good(f"the {len(rows)} instruments of {name} are what they were")


def _last_watched(context: Context) -> tuple[str, tuple[Instrument, ...]] | None:
    """The newest session of the desk on the broker's list, and the instruments it began with."""
    for folder in reversed(list_sessions(context.home, context.desk)[-SESSIONS_LOOKED_AT:]):
        rows = _instruments_of(folder)
        if rows is not None:
            return folder.name, rows
    return None


def _instruments_of(folder: Path) -> tuple[Instrument, ...] | None:
    """The instruments of a session on the broker's list; None for any other, or one whose opening
    cannot be read (another check tells of damage)."""
    opening = opening_of(folder)
    opened = next((one for one in opening if isinstance(one, SessionOpened)), None)
    if opened is None or opened.market.kind != KITE_MARKET:
        return None
    return next((one.rows for one in opening if isinstance(one, InstrumentsLoaded)), None)
