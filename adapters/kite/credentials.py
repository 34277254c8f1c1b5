"""Who we are to the broker today: keys and the day's access token, found in one order.

Lives here: the environment's names, the token file, the order between the two, the planned expiry.
May import: adapters.kite.secret, engine.rulebook's calendar. Always holds: the token file is made
and read 0600 by its owner alone, outside any version-controlled folder; two sources that disagree
are an error and never a choice; no message holds a key or a token.
Start reading at ``credentials``.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters.kite.secret import Secret, why_not_secret
from engine.rulebook import add_days, day_of, hhmm_of, hhmmss_of, iso_day, ist_ns

KEY_VARIABLE: Final = "AXIOM_KITE_API_KEY"
TOKEN_VARIABLE: Final = "AXIOM_KITE_ACCESS_TOKEN"
SECRET_VARIABLE: Final = "AXIOM_KITE_API_SECRET"
TOKEN_FILE: Final = "kite-token.toml"
FILE_MODE: Final = 0o600
FILE_BYTES_MAX: Final = 16_384
EXPIRY_HHMM: Final = "06:00"
"""IST. The broker ends every access token then, at the latest (kite.trade, "User", login flow)."""

CONTROLLED: Final = (".git", ".hg", ".svn", ".jj", ".bzr", "_darcs", ".fslckout", "CVS")
"""What stands in a folder under version control. In a worktree ``.git`` is a file."""

_DATE: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2}) ([0-9]{2}:[0-9]{2}:[0-9]{2})")
_USER: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_FIELDS: Final = frozenset(("user_id", "api_key", "access_token", "login_time", "planned_expiry"))


class CredentialError(Exception):
    """The broker cannot be spoken to: one line that says what to do, without a key or a token."""


class TokenExpired(CredentialError):  # noqa: N818 - named for the condition
    """There is a token, and its time is over."""


@dataclass(frozen=True)
class Credentials:
    """What one session with the broker needs. Times are ns UTC; None where only the environment
    gives the token, which says nothing of when it was made. ``origin`` is ``environment`` or
    ``file``."""

    api_key: Secret
    access_token: Secret
    user_id: str | None
    login_ns: int | None
    expires_ns: int | None
    origin: str


def token_path(desk_folder: Path) -> Path:
    """Where the desk in ``desk_folder`` keeps its token."""
    return desk_folder / TOKEN_FILE


def planned_expiry(login_ns: int) -> int:
    """The first 06:00 IST after ``login_ns`` (both ns UTC)."""
    today = ist_ns(day_of(login_ns), EXPIRY_HHMM)
    if login_ns < today:
        return today
    return ist_ns(add_days(day_of(login_ns), 1), EXPIRY_HHMM)


def ist_text(ns: int) -> str:
    """``YYYY-MM-DD HH:MM`` IST of ``ns`` (UTC)."""
    return f"{iso_day(day_of(ns))} {hhmm_of(ns)}"


def ns_of(text: str) -> int | None:
    """ns UTC of ``YYYY-MM-DD HH:MM:SS`` IST, as the broker writes times; None for anything else."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, time_of_day = match.groups()
    try:
        return ist_ns(int(year + month + day), time_of_day)
    except ValueError:  # a day or a time that no calendar has
        return None


# --- the one order -------------------------------------------------------------------------------


def credentials(
    path: Path, now_ns: int, environment: Mapping[str, str] = os.environ
) -> Credentials:
    """Key and token: from the environment, else from the token file at ``path``.

    Raises ``CredentialError`` where there is none, where the two name different ones, where the
    file is not private, where one is a placeholder; ``TokenExpired`` for one past its planned time.
    """
    key = from_environment(KEY_VARIABLE, environment)
    token = from_environment(TOKEN_VARIABLE, environment)
    kept = read_token(path)
    if kept is not None:
        _agree(KEY_VARIABLE, key, kept.api_key)
        _agree(TOKEN_VARIABLE, token, kept.access_token)
        found = kept
    elif token is None:
        raise CredentialError("there is no access token: give 'axiom login'")
    elif key is None:
        raise CredentialError(f"{TOKEN_VARIABLE} is set and {KEY_VARIABLE} is not: set both")
    else:
        found = Credentials(key, token, None, None, None, "environment")
    if found.expires_ns is not None and now_ns >= found.expires_ns:
        at = ist_text(found.expires_ns)
        raise TokenExpired(f"the access token expired at {at} IST: give 'axiom login'")
    return found


def from_environment(name: str, environment: Mapping[str, str] = os.environ) -> Secret | None:
    """The secret in a variable; None where it is not set. Raises ``CredentialError`` for what
    cannot be one."""
    text = environment.get(name)
    if text is None:
        return None
    why = why_not_secret(text)
    if why is not None:
        raise CredentialError(f"{name} {why}: set it right, or unset it")
    return Secret(text)


def _agree(name: str, given: Secret | None, kept: Secret) -> None:
    if given is not None and given != kept:
        raise CredentialError(
            f"{name} and the token file name different ones: unset the variable, or remove the file"
            " with 'axiom login --forget'"
        )


# --- the token file ------------------------------------------------------------------------------


def read_token(path: Path) -> Credentials | None:
    """What the token file holds; None where there is none. Raises ``CredentialError`` for a file
    that others may read, is no plain file of ours, lies under version control, or cannot be read as
    one. Whether it has expired is not asked here."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        _check_private(path, os.fstat(handle))
        refuse_version_control(path)
        data = os.read(handle, FILE_BYTES_MAX + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        os.close(handle)
    return _parsed(path, data)


def _unreadable(path: Path, error: OSError) -> CredentialError:
    if error.errno == errno.ELOOP:
        return CredentialError(f"{path} is a symbolic link: put the file itself there")
    return CredentialError(f"{path} cannot be read: {error.strerror}")


def _check_private(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise CredentialError(f"{path} is not a plain file: remove it and give 'axiom login'")
    if found.st_uid != os.geteuid():
        raise CredentialError(f"{path} belongs to another user: remove it and give 'axiom login'")
    loose = stat.S_IMODE(found.st_mode) & 0o077
    if loose:
        mode = stat.S_IMODE(found.st_mode)
        raise CredentialError(
            f"{path} may be read by others (mode {mode:03o}): chmod 600 it, and give 'axiom login'"
            " anew if somebody else uses this machine"
        )


def refuse_version_control(path: Path) -> None:
    """Raises ``CredentialError`` where ``path`` lies in a folder under version control."""
    real = Path(os.path.realpath(path.parent))
    for folder in (real, *real.parents):
        if any(os.path.lexists(folder / name) for name in CONTROLLED):
            raise CredentialError(
                f"{path} would lie in {folder}, which is under version control: choose another home"
                " with --home or AXIOM_HOME"
            )


def _parsed(path: Path, data: bytes) -> Credentials:
    """Raises ``CredentialError`` without a cause: a parser's own message may quote the file."""
    text: dict[str, str] | None = None
    if len(data) <= FILE_BYTES_MAX:
        try:
            tree = tomllib.loads(data.decode("ascii"))
        except (UnicodeDecodeError, tomllib.TOMLDecodeError):
            tree = {}
        if tree.keys() == _FIELDS and all(isinstance(value, str) for value in tree.values()):
            text = tree
    if text is None:
        raise CredentialError(f"{path} is not a token file of this program: give 'axiom login'")
    for name in ("api_key", "access_token"):
        why = why_not_secret(text[name])
        if why is not None:
            raise CredentialError(f"{name} in {path} {why}: give 'axiom login'")
    login, expiry = ns_of(text["login_time"]), ns_of(text["planned_expiry"])
    if login is None or expiry is None or expiry != planned_expiry(login):
        raise CredentialError(f"the times in {path} are not what a login writes: 'axiom login'")
    key, token = Secret(text["api_key"]), Secret(text["access_token"])
    return Credentials(key, token, text["user_id"] or None, login, expiry, "file")


def new_credentials(
    api_key: Secret, access_token: Secret, user_id: str | None, login_ns: int
) -> Credentials:
    """What a login at ``login_ns`` (ns UTC) gave. Raises ``CredentialError`` for what is none."""
    for name, one in (("api_key", api_key), ("access_token", access_token)):
        why = why_not_secret(one.reveal())
        if why is not None:
            raise CredentialError(f"the broker's {name} {why}: nothing was kept")
    user = user_id if user_id and _USER.fullmatch(user_id) else None
    return Credentials(api_key, access_token, user, login_ns, planned_expiry(login_ns), "file")


def write_token(path: Path, kept: Credentials) -> None:
    """Keep credentials at ``path``, in place of what is there: whole, 0600 from its first byte on.

    The folder must be there. Raises ``CredentialError`` under version control, and ``OSError``.
    """
    refuse_version_control(path)
    assert kept.login_ns is not None, "a token of the environment is not kept"
    assert kept.expires_ns is not None, "a login has its planned expiry"
    lines = {
        "user_id": kept.user_id or "",
        "api_key": kept.api_key.reveal(),
        "access_token": kept.access_token.reveal(),
        "login_time": _seconds(kept.login_ns),
        "planned_expiry": _seconds(kept.expires_ns),
    }
    text = "".join(f'{name} = "{_escaped(value)}"\n' for name, value in lines.items())
    part = path.with_name(f".{path.name}.{os.getpid()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    part.unlink(missing_ok=True)  # of a login that died, under a process number used again
    try:
        with os.fdopen(os.open(part, flags, FILE_MODE), "wb") as file:
            file.write(text.encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        os.rename(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def forget_token(path: Path) -> bool:
    """Remove the token file; False where there was none."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _seconds(ns: int) -> str:
    return f"{iso_day(day_of(ns))} {hhmmss_of(ns)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
