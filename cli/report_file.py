"""Where a report is written, and what it may take the place of.

Lives here: ``check_place`` and ``write_report``. May import: projections.report.html (how a report
begins), ``cli``. Always holds: only another report is written over; the file is 0600 and whole, or
not there; new folders are 0700. Start reading at ``write_report``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cli.errors import UserError
from cli.paths import make_private

FOLDER: Final = "reports"
FILE_MODE: Final = 0o600


def check_place(target: Path) -> Path:
    """The absolute path of a report to be written; ``UserError`` when something else is there."""
    from projections.report.html import MARKER

    place = Path(os.path.abspath(target.expanduser()))
    if place.is_symlink():
        raise UserError(f"{place} is a symbolic link: give the file itself with --to")
    if place.is_dir():
        raise UserError(f"{place} is a folder: give a file in it with --to")
    if not place.exists():
        return place
    try:
        with place.open("rb") as file:
            begins = file.read(len(MARKER))
    except OSError as error:
        raise UserError(f"{place} cannot be read: {error.strerror}") from error
    if begins != MARKER.encode():
        raise UserError(f"{place} is not a report and is left as it is: give another with --to")
    return place


def write_report(target: Path, page: str) -> Path:
    """Write a page, whole or not at all. Raises ``UserError``."""
    place = check_place(target)
    make_private(place.parent)
    partial = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        partial.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(partial, flags, FILE_MODE), "wb") as file:
            file.write(page.encode())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(place)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise UserError(f"{place} cannot be written: {error.strerror}; give --to") from error
    return place
