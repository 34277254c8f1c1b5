"""``axiom rulebook``: the dated rules in force with their sources, their check, and own rows.

Lives here: ``show``, ``check``, ``add`` and ``amend``. May import: ``cli``, adapters' rulebook,
engine's. Always holds: a row is never edited, a later one supersedes it; whoever adds one, or
amends a day that runs, says from where it is.
"""

from __future__ import annotations

import getpass
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError, told_as_user_error
from cli.load import overlay_path, parse_day
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from adapters.rulebook.check import Finding
    from adapters.rulebook.load import LoadedRow

IST: Final = timedelta(hours=5, minutes=30)
PRIVATE: Final = 0o077
SOURCE_SHOWN: Final = 48
_COLUMNS: Final = ("name", "scope", "from", "to", "value", "unit", "state", "origin", "source")


@click.group(name="rulebook")
def command() -> None:
    """The dated rulebook: hours, holidays, lots, freeze quantities, charges, limits, with sources.

    \b
    Examples:
        axiom rulebook show --name lot
        axiom rulebook check
        axiom rulebook add lot 65 --scope NIFTY --from 2027-01-01 --source "NSE FAOP99999"
        axiom rulebook amend session.fno.close 17:00 --scope NSE --reason extended --source NSE
    """


@command.command(name="show")
@click.option("--day", metavar="DAY", help="In force on this day (default: today).")
@click.option("--name", metavar="NAME", help="Only this rule, or those that begin with NAME.")
@click.option("--scope", metavar="SCOPE", help="Only this scope: NSE, NIFTY, ZERODHA, '*'.")
@click.option("--all", "every", is_flag=True, help="Rows of every day, not only those in force.")
@recorded_options
def show_rules(
    day: str | None, name: str | None, scope: str | None, every: bool, common: Common
) -> None:
    """The rows in force on a day, with source and origin (package, library or overlay).

    State: unsure is a row without a first-hand source; stale one that has ended and that nothing
    followed (a freeze quantity then stands in, hours and lots block).

    \b
    Examples:
        axiom rulebook show --day 2026-08-03 --name session
        axiom rulebook show --scope NIFTY --json
    """
    from cli.output import say, show, table, write_json

    if every and day is not None:
        raise UserError("--all shows the rows of every day: leave --day out")
    rows = [
        row
        for row in _shown(_load(common), None if every else _day(day))
        if _matches(row, name, scope)
    ]
    if common.json:
        write_json(rows)
    elif rows:
        show(table(_COLUMNS, [[_cell(row, column) for column in _COLUMNS] for row in rows]))
    else:
        say("no row is in force for that: leave --name or --scope out, or give another --day")


@command.command(name="check")
@click.option("--day", metavar="DAY", help="As of this day (default: today).")
@recorded_options
def check_rules(day: str | None, common: Common) -> int:
    """Look for overlaps, gaps, ended and missing rows, unknown names and bad values.

    Exit code 1 when something is wrong; a rule that no code reads, or that ends soon, is noted.

    \b
    Example:
        axiom rulebook check --json
    """
    from adapters.rulebook.check import UNCOVERED, findings
    from cli.output import clean, show, write_json
    from engine.rulebook import iso_day

    as_of = _day(day)
    found = [*_of_the_file(overlay_path(common)), *findings(_load(common), as_of)]
    wrong = [one for one in found if one.wrong]
    if common.json:
        write_json({"ok": not wrong, "day": iso_day(as_of), "findings": found})
        return EXIT_BAD if wrong else EXIT_GOOD
    for one in found:
        show(
            f"{'wrong' if one.wrong else 'note ':5}  {one.kind:12}  {clean(one.name)} for"
            f" {clean(one.scope)}: {clean(one.sentence)}"
        )
        if one.wrong or one.kind in ("ENDING", UNCOVERED):
            show(f"       to do: {clean(one.what_to_do)}")
    show(f"{iso_day(as_of)}: {len(wrong)} wrong, {len(found) - len(wrong)} noted")
    return EXIT_BAD if wrong else EXIT_GOOD


@command.command(name="add")
@click.argument("name")
@click.argument("value")
@click.option("--scope", default="*", show_default=True, help="Whom it rules: NSE, NIFTY, '*'.")
@click.option("--from", "first", metavar="DAY", required=True, help="First day, included.")
@click.option("--to", "last", metavar="DAY", help="Last day, included (default: open-ended).")
@click.option("--source", required=True, help="Where it is written: a circular, a page.")
@click.option("--who", help="Who adds it (default: this machine's user).")
@click.option("--unsure", is_flag=True, help="The source is not first-hand.")
@recorded_options
def add_rule(
    name: str,
    value: str,
    scope: str,
    first: str,
    last: str | None,
    source: str,
    who: str | None,
    unsure: bool,
    common: Common,
) -> None:
    """Add one row to the desk's overlay: it rules its days over what stood there.

    Rows are never edited or removed: a later one supersedes a mistake. A session that runs keeps
    the rules that it was opened with.

    \b
    Examples:
        axiom rulebook add freeze 1800 --scope NIFTY --from 2026-12-01 --to 2026-12-31 \\
            --source "NSE FAOP99998 of 30 Nov 2026"
        axiom rulebook add calendar.holiday "Election day" --from 2026-12-09 --to 2026-12-09 \\
            --source "NSE FAOP99997"
    """
    from adapters.rulebook.load import OPEN_ENDED, RulebookError
    from adapters.rulebook.overlay import append_row
    from cli.paths import make_private
    from events.session import RuleRow

    valid_from = parse_day(first)
    valid_to = OPEN_ENDED if last is None else parse_day(last)
    before = _load(common)
    row = RuleRow(name, scope, valid_from, valid_to, *_value(name, value), source, unsure)
    _refuse_bad(row, before)
    path = overlay_path(common)
    make_private(path.parent)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    with told_as_user_error(RulebookError):
        added = append_row(path, row, who or getpass.getuser(), now)
    _tell(common, path, added, before)


@command.command(name="amend")
@click.argument("rule")
@click.argument("value", metavar="HH:MM")
@click.option("--scope", required=True, help="Whose hour it is: NSE, BSE or '*' for both.")
@click.option("--reason", required=True, help="Why it changes: a halt, an extension.")
@click.option("--source", required=True, help="Where it is written: a circular, a page.")
@click.option("--confirm", metavar="WORD", help="The word of the mode, if it is asked for.")
@click.option("--id", "command_id", metavar="ID", help="Ask again about this command.")
@recorded_options
def amend_rule(
    rule: str,
    value: str,
    scope: str,
    reason: str,
    source: str,
    confirm: str | None,
    command_id: str | None,
    common: Common,
) -> int:
    """Tell the engine that runs that an hour of this day is another from here on.

    A halt is a later open (session.fno.open); a day that ends earlier or later is another close
    (session.fno.close). Last entry, square-off and the session's end move with the close. It holds
    for this session alone, over a restart too; another one needs the row in the rulebook ('axiom
    rulebook add', that day). Exit code 0 when the engine accepted it, 1 when it refused, 2 when no
    engine answered.

    \b
    RULE is one of
        session.fno.open    session.fno.close    session.fno.expiry_close
        session.cash.open   session.cash.close
        session.cash.auction_from                session.cash.auction_to

    \b
    Example:
        axiom rulebook amend session.fno.open 13:30 --scope NSE \\
            --reason "market-wide halt" --source "NSE press release of 26 Nov 2026"
    """
    from cli.verbs.operate import give
    from engine.commands import AMEND, NOT_AMENDABLE, VALUE, kept
    from engine.rulebook import AMENDABLE, amendment_fault

    fault = amendment_fault(rule, scope, value)
    if fault is not None:
        raise UserError(f"{VALUE if rule in AMENDABLE else NOT_AMENDABLE}: {fault}")
    if not reason.strip() or not source.strip():
        raise UserError("CMD_WHY_MISSING: say why with --reason and where it is written: --source")
    why = kept(f"{reason.strip()} (source: {source.strip()})")
    return give(common, AMEND, rule, f"{scope}:{value}", why, confirm, command_id)


def _tell(common: Common, path: Path, added: LoadedRow, before: tuple[LoadedRow, ...]) -> None:
    """The new row, what it supersedes, and whose own rows win over it: it says nothing for them."""
    from msgspec.structs import replace

    from adapters.rulebook.load import clash
    from cli.output import say, write_json

    row = added.row
    replaced = [_document(one) for one in before if clash(one.row, row)]
    nearer = [
        _document(one)
        for one in before
        if row.scope == "*" != one.row.scope and clash(replace(one.row, scope="*"), row)
    ]
    if common.json:
        write_json({"added": _document(added), "supersedes": replaced, "yields_to": nearer,
                    "file": str(path)})  # fmt: skip
        return
    say(f"added to {path}: {_line(_document(added))}")
    for one in replaced:
        say(f"supersedes, on its days: {_line(one)}")
    for one in nearer:
        say(f"does not hold for {one['scope']}, whose own row wins: {_line(one)}")


def _day(text: str | None) -> int:
    """The day that was asked for, else today in India."""
    if text is not None:
        return parse_day(text)
    today = datetime.now(UTC) + IST
    return today.year * 10_000 + today.month * 100 + today.day


def _load(common: Common) -> tuple[LoadedRow, ...]:
    from adapters.rulebook.load import RulebookError, load_all

    overlay = overlay_path(common)
    with told_as_user_error(RulebookError):
        return load_all(overlay if overlay.is_file() else None)


def _shown(rows: tuple[LoadedRow, ...], day: int | None) -> list[dict[str, Any]]:
    """Rows in force on a day, and of rules that have ended the row that stands for them."""
    from adapters.rulebook.catalogue import RULES
    from engine.rulebook import EXPIRING, Rulebook, strictest

    order = {spec.name: place for place, spec in enumerate(RULES)}
    ranked = sorted(rows, key=lambda one: order.get(one.row.name, len(order)))
    if day is None:
        return [_document(one) for one in ranked]
    book = Rulebook(tuple(one.row for one in rows))
    stale = []
    for name, scope in dict.fromkeys((one.row.name, one.row.scope) for one in rows):
        if name in EXPIRING:
            recent = book.recent(name, scope, day)
            stale.append(strictest(recent) if name == "freeze" else book.ended(name, scope, day))
    shown = []
    for one in ranked:
        if one.row.valid_from <= day <= one.row.valid_to:
            shown.append(_document(one))
        elif one.row in stale and not (one.row.scope == "*" and _is_in_force(rows, one, day)):
            shown.append({**_document(one), "stale": True})
    return shown


def _is_in_force(rows: tuple[LoadedRow, ...], one: LoadedRow, day: int) -> bool:
    """Whether the rule is in force for any scope: then a row for all that ended is history."""
    return any(
        other.row.name == one.row.name and other.row.valid_from <= day <= other.row.valid_to
        for other in rows
    )


def _document(one: LoadedRow) -> dict[str, Any]:
    """A row as the answer has it; ``to`` is None where it is open-ended."""
    from adapters.rulebook.load import OPEN_ENDED
    from engine.rulebook import iso_day

    row = one.row
    return {
        "name": row.name,
        "scope": row.scope,
        "from": iso_day(row.valid_from),
        "to": None if row.valid_to == OPEN_ENDED else iso_day(row.valid_to),
        "value": row.value,
        "unit": row.unit,
        "source": row.source,
        "unsure": row.unsure,
        "stale": False,
        "origin": one.origin,
        "who": one.who,
        "added": one.added,
    }


def _matches(row: dict[str, Any], name: str | None, scope: str | None) -> bool:
    named = name is None or row["name"] == name or row["name"].startswith(f"{name.rstrip('.')}.")
    return named and (scope is None or row["scope"] == scope)


def _cell(row: dict[str, Any], column: str) -> object:
    if column == "state":
        return " ".join(word for word in ("unsure", "stale") if row[word]) or None
    if column == "origin" and row["who"] is not None:
        return f"{row['origin']} ({row['who']})"
    if column == "source" and len(row["source"]) > SOURCE_SHOWN:
        return row["source"][: SOURCE_SHOWN - 1] + "~"
    return row[column]


def _line(row: dict[str, Any]) -> str:
    until = row["to"] or "further notice"
    return (
        f"{row['name']} for {row['scope']} is {row['value']} {row['unit']} from {row['from']} to"
        f" {until} ({row['origin']}: {row['source']})"
    )


def _value(name: str, text: str) -> tuple[int | str, str]:
    """The value and unit of a new row. ``UserError`` for a name that is no rule."""
    from adapters.rulebook.catalogue import BY_NAME, parse_value, unknown_name

    spec = BY_NAME.get(name)
    if spec is None:
        raise UserError(unknown_name(name))
    return parse_value(text, spec), spec.unit


def _refuse_bad(row: Any, known: tuple[LoadedRow, ...]) -> None:
    from adapters.rulebook.catalogue import fault_of
    from engine.rulebook import iso_day

    if row.valid_to < row.valid_from:
        raise UserError(
            f"the row ends on {iso_day(row.valid_to)}, before it begins: --to is its last day"
        )
    names = tuple(dict.fromkeys(o.row.scope for o in known if o.row.name == "index.exchange"))
    fault = fault_of(row, names)
    if fault is not None:
        raise UserError(f"{row.name}: {fault}")


def _of_the_file(overlay: Path) -> list[Finding]:
    """An overlay that others may read or write is wrong."""
    from adapters.rulebook.check import Finding

    if not overlay.is_file() or not stat.S_IMODE(overlay.stat().st_mode) & PRIVATE:
        return []
    mode = stat.S_IMODE(overlay.stat().st_mode)
    return [
        Finding(
            "PERMISSIONS", True, overlay.name, "*", f"{overlay} is {mode:o}, not 600",
            f"chmod 600 {overlay}",
        )
    ]  # fmt: skip
