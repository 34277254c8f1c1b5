"""A session's projection, made when it is first asked for.

Lives here: the call that every asking verb begins with. May import: projections, journal, ``cli``.
Always holds: building is said on standard error, at once where a person waits at a terminal, else
with the answer, so that a refusal stays one line; whatever stands in its way is a ``UserError``.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.errors import told_as_user_error
from cli.output import say

if TYPE_CHECKING:
    from projections.duck.query import QueryResult


GRACE_S: Final = 5.0
"""So long after its time a query that does not stop is waited for."""


class Projection:
    """A published projection; ``file`` is what may be asked."""

    def __init__(self, folder: Path, *, anew: bool = False) -> None:
        """Build or catch up the projection of a session's folder, if need be; ``anew`` in any case.

        Nothing is made in a folder that holds no session. Raises ``UserError``.
        """
        from cli.recorded import first_fact
        from journal.errors import JournalError
        from projections.duck.projector import ensure_projection
        from projections.duck.store import ProjectionError

        self._unsaid: list[str] = []
        first_fact(folder)
        hear = say if sys.stderr.isatty() else self._unsaid.append
        with told_as_user_error(JournalError, ProjectionError):
            self.file = ensure_projection(folder, hear, anew=anew)

    def say_what_was_built(self) -> None:
        """Say what has not been said yet; called when the answer is there."""
        while self._unsaid:
            say(self._unsaid.pop(0))


@contextmanager
def ended_at_last(after_s: float) -> Iterator[None]:
    """The program ends where what is inside takes longer: one function of SQL over one huge value
    hears no interruption, and neither its time nor its memory is counted."""
    timer = threading.Timer(after_s, _end, (after_s,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(after_s: float) -> None:
    # Nothing is being written: the published file is open for reading alone.
    say(f"axiom: the query took longer than {after_s:g} s and could not be stopped: ask for less")
    sys.stderr.flush()
    os._exit(2)


def answered(
    folders: Sequence[Path], sql: str, *, anew: bool = False, many: bool = False
) -> QueryResult:
    """The rows of one SELECT on the contracts of sessions, built first where they are missing;
    ``many``: as of many, however many there are. Raises ``UserError``."""
    return answers(folders, (sql,), anew=anew, many=many)[0]


def answers(
    folders: Sequence[Path], asked: Sequence[str], *, anew: bool = False, many: bool = False
) -> list[QueryResult]:
    """The same of several SELECTs, in their order. Raises ``UserError``."""
    from projections.duck.many import run_query_many
    from projections.duck.query import DEFAULT_LIMITS, QueryRefused, run_query

    built = [Projection(folder, anew=anew) for folder in folders]
    files = [one.file for one in built]
    with (
        told_as_user_error(QueryRefused),
        ended_at_last(DEFAULT_LIMITS.time_s * len(asked) + GRACE_S),
    ):
        results = [run_query_many(files, s) if many else run_query(files[0], s) for s in asked]
    for one in built:
        one.say_what_was_built()
    return results
