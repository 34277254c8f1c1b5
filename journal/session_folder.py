"""Where sessions live: ``<home>/desks/<desk>/sessions/<day>-<mode>-<uid>[-<n>]/``.

Lives here: names and paths, the making of a session's folder. May import: files, errors. Always
holds: a name that could leave its folder is refused before it meets a path; folders are 0700; an
existing session's folder is never used twice.
Start reading at ``make_session_folder``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec

from journal.errors import BadSessionName, WriteFailed, write_failure
from journal.files import OS_FILES, Files
from journal.ledger import LEDGER_NAME

SESSIONS_NAME: Final = "sessions"
"""The folder of a desk whose sessions its ledger names; derived ones are in another."""

_PART: Final = re.compile(r"[a-z0-9-]{1,64}")
_SESSION: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})-([a-z]{1,16})-([0-9a-f]{12})(?:-([1-9][0-9]{0,5}))?"
)
_COPIES_MAX: Final = 999_999


class SessionName(msgspec.Struct, frozen=True):
    """The parts of a folder's name. ``copy`` is 1 for the first with this uid."""

    day: str
    mode: str
    uid: str
    copy: int = 1

    def __str__(self) -> str:
        suffix = f"-{self.copy}" if self.copy > 1 else ""
        return f"{self.day}-{self.mode}-{self.uid}{suffix}"


def parse_session_name(name: str) -> SessionName:
    """The parts of ``name``. Raises ``BadSessionName``."""
    match = _SESSION.fullmatch(name)
    if match is None or match[4] == "1":
        raise BadSessionName(f"{name!r} is not a session: DAY-MODE-UID is expected")
    return SessionName(match[1], match[2], match[3], int(match[4] or 1))


def desk_folder(home: Path, desk: str) -> Path:
    """The folder of a desk. Raises ``BadSessionName`` for a name other than [a-z0-9-]{1,64}."""
    if _PART.fullmatch(desk) is None:
        raise BadSessionName(f"{desk!r} is not a desk: use a-z, 0-9 and -, at most 64")
    return home / "desks" / desk


def sessions_folder(home: Path, desk: str) -> Path:
    """Where a desk's sessions are."""
    return desk_folder(home, desk) / SESSIONS_NAME


def ledger_path(home: Path, desk: str) -> Path:
    """The desk's ledger of sessions."""
    return desk_folder(home, desk) / LEDGER_NAME


def ledger_of(session: Path) -> Path:
    """The ledger of the desk that a session's folder is in (it need not exist)."""
    return session.resolve().parent.parent / LEDGER_NAME


def make_session_folder(
    parent: Path, *, day: str, mode: str, uid: str, files: Files = OS_FILES
) -> Path:
    """Make a new folder under ``parent``; a second session with the same uid gets ``-2``.

    ``day`` is YYYY-MM-DD, ``uid`` 12 hex digits. Raises ``BadSessionName``, ``WriteFailed``.
    """
    name = parse_session_name(str(SessionName(day, mode, uid)))
    for copy in range(1, _COPIES_MAX + 1):
        folder = parent / str(msgspec.structs.replace(name, copy=copy))
        try:
            files.make_folder(folder, exclusive=True)
            files.sync_dir(parent)
        except FileExistsError:
            continue
        except OSError as error:
            raise write_failure("the folder cannot be made", error, folder) from error
        return folder
    raise WriteFailed("every copy number of this session is taken", path=parent)
