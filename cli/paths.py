"""Where things are: the home, its desks, their sessions.

Lives here: the resolution of ``--home``, ``--desk`` and ``SESSION``. May import: platformdirs,
``cli.errors``, the journal's names and manifest. Always holds: a home is absolute and never the
working directory by default; what is created is private to its owner (0700).
Start reading at ``resolve_home``, then ``resolve_session``.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cli.errors import UserError
from journal import session_folder
from journal.errors import JournalError
from journal.manifest import read_manifest

HOME_VARIABLE: Final = "AXIOM_HOME"
PRIVATE_MODE: Final = 0o700
DEFAULT_DESK: Final = "main"
LATEST: Final = "latest"

_DESK: Final = re.compile(r"[a-z0-9-]{1,64}")


def resolve_home(option: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """The absolute home: ``--home``, else AXIOM_HOME, else the user's data folder. Not created.

    A relative ``--home`` is meant from where the person stands; a relative AXIOM_HOME would mean
    another place in every folder, so it raises ``UserError``.
    """
    if option:
        return _folder(_absolute(option), "--home")
    variable = environment.get(HOME_VARIABLE)
    if variable:
        if not Path(variable).expanduser().is_absolute():
            raise UserError(f"{HOME_VARIABLE} is '{variable}': make it an absolute path")
        return _folder(_absolute(variable), HOME_VARIABLE)
    return _platform_home()


def check_desk(desk: str) -> str:
    """``desk`` itself when it is a desk id, else ``UserError``."""
    if not _DESK.fullmatch(desk):
        raise UserError(f"'{desk}' is not a desk id: 1 to 64 of a-z, 0-9 and '-'")
    return desk


def desk_folder(home: Path, desk: str) -> Path:
    """Where a desk keeps its sessions and its ledger; may not exist yet."""
    return session_folder.desk_folder(home, check_desk(desk))


def sessions_folder(home: Path, desk: str) -> Path:
    """The folder of a desk's sessions; what is derived from them lives elsewhere."""
    return session_folder.sessions_folder(home, check_desk(desk))


def make_private(folder: Path) -> Path:
    """Create ``folder`` and its missing parents, each 0700 from the moment it exists.

    Folders that are already there keep their permissions. Raises ``UserError`` when something else
    is in the way or the place cannot be written.
    """
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    try:
        for part in reversed(missing):
            part.mkdir(mode=PRIVATE_MODE, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create {folder}: {error.strerror}") from error
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: choose another with --home")
    return folder


def resolve_session(home: Path, desk: str, session: str) -> Path:
    """The folder of a session named by id, by path or as ``latest``; raises ``UserError``.

    A name with a separator in it, or ``.``, is a path; anything else is an id of the desk.
    """
    if session == LATEST:
        return latest_session(home, desk)
    if os.sep in session or session in (".", ".."):
        return _session_at(session)
    found = sessions_folder(home, desk) / session
    if session and found.is_dir():
        return found
    raise UserError(_no_such_session(home, desk, session))


def latest_session(home: Path, desk: str) -> Path:
    """The session of the desk that was begun last, whatever trading day it is of."""
    folders = list_sessions(home, desk)
    if not folders:
        raise UserError(f"desk '{desk}' has no session in {home} yet: try 'axiom demo'")
    return folders[-1]


def list_sessions(home: Path, desk: str) -> list[Path]:
    """The folders of a desk's sessions, the one begun first at the front."""
    folder = sessions_folder(home, desk)
    try:
        found = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    except FileNotFoundError:
        return []
    return sorted(found, key=_begun)


def _begun(session: Path) -> tuple[int, str]:
    """When a session was begun (ns UTC) and its name: by its manifest, else by its oldest file.

    The folder's own time will not do: sealing an old session touches it.
    """
    try:
        manifest = read_manifest(session)
    except JournalError:
        manifest = None  # `axiom verify` is where damage is told; a list must not stop at it
    if manifest is not None:
        return manifest.created_ts, session.name
    ages = [entry.stat().st_mtime_ns for entry in os.scandir(session) if entry.is_file()]
    return min(ages, default=session.stat().st_mtime_ns), session.name


def _folder(home: Path, said_by: str) -> Path:
    """``home`` itself, unless something that is no folder stands there or above it."""
    there = next(place for place in (home, *home.parents) if os.path.lexists(place))
    if os.path.exists(there) and not os.path.isdir(there):
        raise UserError(f"{there} is a file, not a folder: choose another home with {said_by}")
    return home


def _absolute(text: str) -> Path:
    return Path(os.path.abspath(Path(text).expanduser()))


def _platform_home() -> Path:
    """The platform's folder for a user's data; its import is not free, so it waits until here."""
    from platformdirs import user_data_path

    home = user_data_path("axiom", appauthor=False)
    if not home.is_absolute():
        raise UserError(f"this account has no home folder: give --home or set {HOME_VARIABLE}")
    return home


def _session_at(text: str) -> Path:
    folder = _absolute(text)
    if folder.is_dir():
        return folder
    what = "a file, not a session's folder" if folder.exists() else "not there"
    raise UserError(f"{text} is {what}: name a session by id, by its folder, or as 'latest'")


def _no_such_session(home: Path, desk: str, session: str) -> str:
    known = [p.name for p in list_sessions(home, desk)]
    close = difflib.get_close_matches(session, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"desk '{desk}' has no session '{session}'; {hint}'axiom sessions' lists them"
