"""``axiom query``: one SELECT on a session's contracts.

Lives here: the verb over the locked connection. May import: ``cli``, projections. Always holds: the
session's projection is built or caught up first, and that is said; a refusal is one line, and
changes nothing.
"""

from __future__ import annotations

import click

from cli.errors import UserError, told_as_user_error
from cli.options import Common, anew_option, recorded_options
from cli.paths import LATEST


@click.command(name="query")
@click.argument("words", nargs=-1, metavar='[SESSION] "SELECT ..."')
@anew_option
@recorded_options
def command(words: tuple[str, ...], anew: bool, common: Common) -> None:
    """Run one read-only SELECT on the contracts of a session (default: latest).

    The contracts are the views and macros of schema v1; the second example lists them, the third
    the columns of one with their units.

    \b
    Examples:
        axiom query latest "select reason, count(*) n from v1.decisions group by 1 order by n desc"
        axiom query "select view_name, comment from duckdb_views() where schema_name = 'v1'"
        axiom query "select column_name, comment from duckdb_columns() where table_name = 'gates'"
    """
    from cli.output import show, table, write_json
    from cli.projection import Projection
    from projections.duck.query import QueryRefused, check_select, run_query

    session, sql = _session_and_sql(words)
    folder = common.session(session)
    with told_as_user_error(QueryRefused):
        check_select(sql)  # before a projection is built for it
    projection = Projection(folder, anew=anew)
    with told_as_user_error(QueryRefused):
        result = run_query(projection.file, sql)
    projection.say_what_was_built()
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
