"""``axiom report``: a day or a week of sessions as one page that opens offline, and as JSON.

Lives here: the verb; what is in a report is ``projections.report``'s. May import: everything, when
it runs. Always holds: nothing is judged again but by the replay, which is asked for its verdict
alone; only another report is written over. Start reading at ``day``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError, told_as_user_error
from cli.options import Common, anew_option, recorded_options
from cli.paths import LATEST

if TYPE_CHECKING:
    from projections.report.inputs import Absent, Inputs, Parity, Thresholds
    from projections.report.model import Report

_TO = click.option(
    "--to", "target", metavar="FILE", type=click.Path(path_type=Path),
    help="Where to write the page instead.",
)  # fmt: skip


@click.group(name="report")
def command() -> None:
    """A day or a week as an audit report: one HTML file that opens offline, and JSON.

    \b
    Examples:
        axiom report day
        axiom report day latest --to day.html --json
        axiom report week --sessions 2026-11
    """


@command.command(name="day")
@click.argument("session", default=LATEST)
@_TO
@click.option("--no-replay", is_flag=True, help="Leave the replay out; the report says so.")
@anew_option
@recorded_options
def day(session: str, target: Path | None, no_replay: bool, anew: bool, common: Common) -> int:
    """The report of a SESSION (default: latest), in its folder or in --to.

    Verdict, readiness, funnel, blockers by 5 minutes, the market with every decision, trades with
    their trail, execution, feed, reconciliation, risk, incidents, commands, configuration, and the
    verdict of a replay. What was not recorded is said with its reason. Exit code 1 when the replay
    diverged or the journal is damaged; the report is written all the same.

    \b
    Examples:
        axiom report day latest
        axiom report day latest --no-replay --to day.html --json
    """
    from cli.projection import Projection
    from cli.report_file import FOLDER, check_place
    from projections.duck.ask import AskError
    from projections.duck.report import read_day
    from projections.report.day import day_report

    folder = common.session(session)
    place = check_place(target or folder / FOLDER / "day.html")
    projection = Projection(folder, anew=anew)
    with told_as_user_error(AskError):
        parity = _parity(folder, projection.file, left_out=no_replay)
        given = read_day(projection.file, folder.name, parity)
    projection.say_what_was_built()
    _write(place, day_report(given), common)
    return EXIT_BAD if getattr(parity, "outcome", None) in ("diverged", "damaged") else EXIT_GOOD


def _parity(folder: Path, published: Path, *, left_out: bool) -> Parity | Absent:
    from cli.parity import parity_of
    from projections.report.inputs import Absent

    if left_out:
        return Absent("it was left out by --no-replay; 'axiom replay' gives it")
    return parity_of(folder, published)


@command.command(name="week")
@click.argument("sessions", nargs=-1)
@click.option(
    "--sessions", "select", metavar="SELECT", multiple=True,
    help="Ids, 'all', a day, month or year (2026-11), or DAY..DAY; several with commas.",
)  # fmt: skip
@_TO
@anew_option
@recorded_options
def week(
    sessions: tuple[str, ...],
    select: tuple[str, ...],
    target: Path | None,
    anew: bool,
    common: Common,
) -> None:
    """The report of several SESSIONS (default: those of the latest one's week and mode).

    Trends by day, what stood in the way, nearest misses, and thresholds worth a look: suggestions
    with the what-if that tries them, never applied. A session that cannot be read is named with its
    reason. The page is in the desk's folder or in --to.

    \b
    Examples:
        axiom report week
        axiom report week --sessions 2026-11-16..2026-11-20 --to week.html --json
    """
    from cli.chosen import chosen_sessions, week_of_latest
    from cli.paths import desk_folder
    from cli.report_file import FOLDER, check_place
    from projections.report.week import WeekInputs, week_report

    words = (*sessions, *select)
    folders = chosen_sessions(common, words) if words else week_of_latest(common)
    if not folders:
        raise UserError("no session was named: 'axiom sessions' lists them")
    name = f"week-{folders[0].name[:10]}-{folders[-1].name[:10]}.html"
    place = check_place(target or desk_folder(common.home, common.desk) / FOLDER / name)
    read: list[Inputs] = []
    left_out: list[tuple[str, str]] = []
    for folder in folders:
        try:
            read.append(_of_week(folder, anew=anew))
        except UserError as error:
            left_out.append((folder.name, str(error)))
    given = WeekInputs(tuple(read), tuple(left_out), _thresholds())
    _write(place, week_report(given), common)


def _of_week(folder: Path, *, anew: bool) -> Inputs:
    from cli.projection import Projection
    from projections.duck.ask import AskError
    from projections.duck.report import read_of_week

    projection = Projection(folder, anew=anew)
    projection.say_what_was_built()
    with told_as_user_error(AskError):
        return read_of_week(projection.file, folder.name)


def _thresholds() -> Thresholds:
    """The table of limits that a what-if may move, as a report takes it."""
    from projections.report.inputs import Threshold, Thresholds
    from replay.limits import LIMITS, NOT_OF_DEGREE, STRATEGIES

    def family(setting: str) -> str | None:
        section = setting.partition(".")[0]
        return section.upper() if section in STRATEGIES else None

    movable = tuple(
        Threshold(one.setting, one.gates, one.toward, one.bound, family(one.setting))
        for one in LIMITS
    )
    return Thresholds(movable, NOT_OF_DEGREE)


def _write(place: Path, report: Report, common: Common) -> None:
    from cli.output import clean, show, write_json
    from cli.report_file import write_report
    from projections.report.html import page
    from projections.report.model import document

    file = write_report(place, page(report))
    if common.json:
        write_json({"file": str(file), **document(report)})
        return
    for line in document(report)["sections"]["verdict"].get("sentences", ()):
        show(clean(line))
    absent = [one for one in report.sections if one.reason is not None]
    for one in absent:
        show(clean(f"{one.title}: {one.reason}"))
    show(str(file))
