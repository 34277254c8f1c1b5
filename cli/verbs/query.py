"""``axiom query``: one SELECT on a session's contracts.

Lives here: the verb over the locked connection. May import: ``cli``, projections. Always holds: the
session's projection is built or caught up first, and that is said; a refusal is one line, and
changes nothing.
"""

from __future__ import annotations

import click

from cli.errors import UserError, told_as_user_error
from cli.options import Common, anew_option, named_sessions, recorded_options, sessions_option
from cli.paths import LATEST


@click.command(name="query")
@click.argument("words", nargs=-1, metavar='[SESSION] "SELECT ..."')
@sessions_option
@anew_option
@recorded_options
def command(words: tuple[str, ...], select: tuple[str, ...], anew: bool, common: Common) -> None:
    """Run one read-only SELECT on the contracts of a session (default: latest).

    With --sessions the same contracts are over all of the sessions named: a seq is of its session,
    so two views are joined by (session, seq), and a macro's answer has its session in front.

    The contracts are the views and macros of schema v1; the second example lists them, the third
    the columns of one with their units.

    \b
    Examples:
        axiom query latest "select reason, count(*) n from v1.decisions group by 1 order by n desc"
        axiom query "select view_name, comment from duckdb_views() where schema_name = 'v1'"
        axiom query "select column_name, comment from duckdb_columns() where table_name = 'gates'"
        axiom query --sessions 2026-11 "select session, count(*) n from v1.decisions group by 1"
    """
    from cli.output import show, table, write_json
    from cli.projection import answered
    from projections.duck.query import QueryRefused, check_select

    session, sql = _session_and_sql(words)
    folders = named_sessions(common, session if len(words) == 2 else None, select)
    with told_as_user_error(QueryRefused):
        check_select(sql)  # before a projection is built for it
    result = answered(folders, sql, anew=anew, many=bool(select))
    if common.json:
        write_json(result.objects())
    else:
        show(table(result.columns, result.rows))


def _session_and_sql(words: tuple[str, ...]) -> tuple[str, str]:
    """What was asked of which session. ``UserError`` where the shell has torn the SELECT apart."""
    if len(words) == 1 and len(words[0].split()) > 1:
        return LATEST, words[0]
    if len(words) == 2:
        return words[0], words[1]
    raise UserError(
        'give one SELECT in quotes: axiom query [SESSION] "select count(*) from v1.decisions"'
    )
