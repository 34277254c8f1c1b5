"""Where an engine is reached: private folders under a hash of its home and desk.

Lives here: the candidates for the runtime folder, their safety, the places of the kill file, and
those of a broker's account. May
import: the standard library. Always holds: a folder is used only where it is our own and closed to
everybody else; the asker and the engine look at the same candidates, whatever their environments
say. Start reading at ``runtime_folders``.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

RUNTIME_VARIABLE: Final = "XDG_RUNTIME_DIR"
SOCKET_NAME: Final = "control.sock"
KILL_NAME: Final = "KILL"
PATH_BYTES_MAX: Final = 104
"""The shortest limit of a socket's path among the systems that we run on."""

_HASH_CHARS: Final = 16
_PRIVATE: Final = 0o700
_OTHERS: Final = 0o077


class PlaceUnsafe(Exception):  # noqa: N818 - named for the condition
    """A folder that somebody else could use or has made; one line that says which and why."""


def runtime_folders(
    home: Path, desk: str, environment: Mapping[str, str] | None = None
) -> tuple[Path, ...]:
    """The folders in which an engine of (home, desk) may be reached, the best first; not made.

    An engine that was started in a terminal and an asker that a timer started have different
    environments, so the system's own folder for the user and ``/tmp`` are always among them.
    """
    words = os.environ if environment is None else environment
    uid = os.getuid()
    roots = []
    named = words.get(RUNTIME_VARIABLE, "")
    if os.path.isabs(named):
        roots.append(Path(named) / "axiom")
    roots.append(Path(f"/run/user/{uid}/axiom"))
    roots.append(Path(f"/tmp/axiom-{uid}"))  # anybody's folder: ours in it is checked before use
    name = hashlib.sha256(f"{os.path.realpath(home)}\0{desk}".encode()).hexdigest()[:_HASH_CHARS]
    return tuple(dict.fromkeys(root / name for root in roots))


def account_roots() -> tuple[Path, ...]:
    """The folders of this user that every process of his knows, whatever its environment says; the
    one first that outlives his logging out."""
    uid = os.getuid()
    return Path(f"/tmp/axiom-{uid}"), Path(f"/run/user/{uid}/axiom")


def account_folders(account: str) -> tuple[Path, ...]:
    """Where a broker's account has its lock and its count, whatever home and desk; not made.

    ``account`` is a name of a-z, 0-9 and -. The first that can be made is where it is counted; all
    that can be are locked.
    """
    return tuple(root / f"account-{account}" for root in account_roots())


def kill_files(home: Path, desk: str, folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """Every place where the kill file is looked for: the desk's folder, then the runtime folders.

    The desk's is the one that a person finds; the others stand when the home's disk does not.
    """
    return (home / "desks" / desk / KILL_NAME, *(folder / KILL_NAME for folder in folders))


def socket_path(folder: Path) -> Path:
    """The socket in a runtime folder. Raises ``PlaceUnsafe`` where its path is too long."""
    path = folder / SOCKET_NAME
    if len(os.fsencode(path)) > PATH_BYTES_MAX:
        raise PlaceUnsafe(f"{path} is longer than a socket's path may be: {PATH_BYTES_MAX} bytes")
    return path


def make_folder(folder: Path) -> Path:
    """Make a runtime folder and the one above it, 0700 from the start, and check both.

    Raises ``PlaceUnsafe`` where either is not ours alone, or cannot be made.
    """
    for part in (folder.parent, folder):
        try:
            part.mkdir(mode=_PRIVATE)
        except FileExistsError:
            pass  # whose it is, is looked at below
        except OSError as error:
            raise PlaceUnsafe(f"{part} cannot be made: {error.strerror}") from error
        check_folder(part)
    return folder


def check_folder(folder: Path) -> None:
    """Raise ``PlaceUnsafe`` unless ``folder`` is a folder of this user that nobody else may use."""
    try:
        found = os.lstat(folder)
    except OSError as error:
        raise PlaceUnsafe(f"{folder} cannot be looked at: {error.strerror}") from error
    if not stat.S_ISDIR(found.st_mode):
        raise PlaceUnsafe(f"{folder} is not a folder: remove what stands there")
    if found.st_uid != os.getuid():
        raise PlaceUnsafe(f"{folder} belongs to {login_of(found.st_uid)}: it is not used")
    if found.st_mode & _OTHERS:
        raise PlaceUnsafe(f"{folder} is open to others: chmod 700 it")


def login_of(uid: int) -> str:
    """The login name behind a user id; the id itself where the system knows no name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"
