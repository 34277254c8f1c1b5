"""A session's projection, made when it is first asked for.

Lives here: the call that every asking verb begins with. May import: projections, journal, ``cli``.
Always holds: building is said on standard error; whatever stands in its way is a ``UserError``.
"""

from __future__ import annotations

from pathlib import Path

from cli.errors import told_as_user_error
from cli.output import say


def projection_of(folder: Path) -> Path:
    """The published projection of a session's folder, built or caught up first if need be.

    Nothing is made in a folder that holds no session. Raises ``UserError``.
    """
    from cli.recorded import first_fact
    from journal.errors import JournalError
    from projections.duck.projector import ensure_projection
    from projections.duck.store import ProjectionError

    first_fact(folder)
    with told_as_user_error(JournalError, ProjectionError):
        return ensure_projection(folder, say)
