"""One holder at a time, and the kernel lets go when the holder dies.

Lives here: ``FileLock`` over ``flock`` on an open descriptor; the locks of a desk and of a broker
account. May import: files, session_folder, errors. Always holds: a second taker is refused, in this
process or another (``lockf`` would grant the first); a forked child holds nothing; the file's text
is the holder's pid, for the message only, and is never trusted.
Start reading at ``FileLock.take``, then ``take_desk_lock``.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from pathlib import Path
from typing import Final

from journal.errors import JournalLocked, write_failure
from journal.files import OS_FILES, Files
from journal.session_folder import desk_folder

DESK_LOCK_NAME: Final = "desk.lock"
ACCOUNT_LOCK_NAME: Final = "account.lock"
_PID_BYTES_MAX: Final = 20
_held: Final[weakref.WeakSet[FileLock]] = weakref.WeakSet()


class FileLock:
    """A held lock. Release it, or die: either frees it."""

    def __init__(self, path: Path, handle: int, files: Files) -> None:
        self.path = path
        self._handle: int | None = handle
        self._files = files
        _held.add(self)

    @classmethod
    def take(cls, path: Path, *, wait: bool = False, files: Files = OS_FILES) -> FileLock:
        """Take the lock at ``path``. Raises ``JournalLocked`` when held, naming the holder, and
        ``WriteFailed`` when the file cannot be opened."""
        try:
            handle = files.open(path, "lock")
        except OSError as error:
            raise write_failure("the lock does not open", error, path) from error
        try:
            if not files.lock(handle, wait=wait):
                holder = files.read(handle, 0, _PID_BYTES_MAX).decode("ascii", "replace").strip()
                raise JournalLocked(
                    f"process {holder or 'unknown'} is writing here; stop it first", path=path
                )
            # On a full disk the lock must still be taken; the text is only for a message.
            with contextlib.suppress(OSError):
                files.truncate(handle, 0)
                files.write(handle, 0, f"{os.getpid()}\n".encode("ascii"))
        except BaseException:
            files.close(handle)
            raise
        return cls(path, handle, files)

    def release(self) -> None:
        """Let go. A second call does nothing."""
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self._files.truncate(self._handle, 0)
            self._files.unlock(self._handle)
            self.forget()

    def forget(self) -> None:
        """Close the descriptor only: in a forked child the parent keeps its lock."""
        if self._handle is not None:
            self._files.close(self._handle)
            self._handle = None

    def __enter__(self) -> FileLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _forget_all() -> None:
    """A forked child shares the lock of its parent, and would keep it after the parent's death."""
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_forget_all)


def take_desk_lock(home: Path, desk: str, *, files: Files = OS_FILES) -> FileLock:
    """The right to run the engine of a desk: one process at a time.

    Raises ``JournalLocked`` naming the holder's pid, ``BadSessionName``, ``WriteFailed``.
    """
    return _take_in(desk_folder(home, desk), DESK_LOCK_NAME, files)


def take_account_lock(folder: Path, *, files: Files = OS_FILES) -> FileLock:
    """The right to send orders for the broker account that has this folder: in LIVE one engine,
    whatever its home and its desk. Raises ``JournalLocked`` and ``WriteFailed``."""
    return _take_in(folder, ACCOUNT_LOCK_NAME, files)


def _take_in(folder: Path, name: str, files: Files) -> FileLock:
    try:
        files.make_folder(folder)
    except OSError as error:
        raise write_failure("the folder cannot be made", error, folder) from error
    return FileLock.take(folder / name, files=files)
