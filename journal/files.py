"""The one door to the disk: what the journal asks of a file system, and the real one.

Lives here: the port ``Files`` and ``OsFiles``. May import: the standard library. Always holds:
folders are made 0700 and files 0600 at creation, a symbolic link in the last place of a path is
never followed, only regular files are opened (a pipe or a device under a segment's name would
never end), a write is whole or an error, and nothing else in this room touches a file.
Start reading at ``Files``; ``journal/simulated.py`` has the same verbs on a disk that fails.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, Protocol

How = Literal["create", "edit", "read", "lock"]

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600


class Files(Protocol):
    """The verbs. A handle is an int; offsets and sizes are bytes; failures are ``OSError``."""

    def open(self, path: Path, how: How) -> int:
        """create: must not exist; edit: must exist; read: read only; lock: made if absent."""

    def close(self, handle: int) -> None: ...

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
        """Write all of ``data`` at ``offset``; a short write is continued, never accepted. A view
        is not looked at any more after the return."""

    def read(self, handle: int, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``; fewer only at the end of the file."""

    def size(self, handle: int) -> int: ...

    def truncate(self, handle: int, size: int) -> None: ...

    def allocate(self, handle: int, size: int) -> None:
        """Grow to ``size`` zero bytes whose space on the disk is taken now, not when written."""

    def sync(self, handle: int) -> None:
        """Return when the file's bytes and size are on the disk."""

    def sync_dir(self, folder: Path) -> None:
        """Return when the folder's names are on the disk."""

    def rename(self, source: Path, target: Path) -> None:
        """Atomically, replacing ``target``."""

    def unlink(self, path: Path) -> None: ...

    def names(self, folder: Path) -> tuple[str, ...]:
        """The names in a folder, sorted."""

    def make_folder(self, folder: Path, *, exclusive: bool = False) -> None:
        """With its parents, each 0700 at creation and its name synced in the folder above; an
        existing folder stays as it is, or is a ``FileExistsError`` when ``exclusive``."""

    def mode(self, path: Path) -> int:
        """Permission bits."""

    def lock(self, handle: int, *, wait: bool = False) -> bool:
        """Take the exclusive lock of an open descriptor; False when another holds it."""

    def unlock(self, handle: int) -> None:
        """Let go of the lock, also for forked processes that share the descriptor."""

    def free_space(self, folder: Path) -> int:
        """Bytes an ordinary user may still write."""


_FLAGS: Final[dict[How, int]] = {
    "create": os.O_RDWR | os.O_CREAT | os.O_EXCL,
    "edit": os.O_RDWR,
    "read": os.O_RDONLY,
    "lock": os.O_RDWR | os.O_CREAT,
}
_FULL_SYNC: Final[int | None] = getattr(fcntl, "F_FULLFSYNC", None)
"""macOS: a plain sync there stops at the drive's cache."""
_ZEROS_BYTES: Final = 1024 * 1024


def write_whole(
    take: Callable[[int, memoryview], int], offset: int, data: bytes | memoryview
) -> None:
    """Write all of ``data`` through ``take(offset, rest)``, which says how many bytes it took.

    Raises ``OSError`` when the disk takes nothing, so that no disk can make this endless.
    """
    rest = memoryview(data)
    while rest:
        taken = take(offset, rest)
        if taken == 0:
            raise OSError(errno.EIO, "the disk took no bytes")
        offset += taken
        rest = rest[taken:]


def read_whole(give: Callable[[int, int], bytes], offset: int, length: int) -> bytes:
    """Read ``length`` bytes through ``give(offset, length)``; fewer only at the end of the file."""
    data = give(offset, length)
    while 0 < len(data) < length:
        more = give(offset + len(data), length - len(data))
        if not more:
            break
        data += more
    return data


def _pwrite(handle: int, offset: int, data: memoryview) -> int:
    return os.pwrite(handle, data, offset)


def _pread(handle: int, offset: int, length: int) -> bytes:
    return os.pread(handle, length, offset)


class OsFiles:
    """``Files`` on the operating system (Linux; macOS best effort)."""

    def open(self, path: Path, how: How) -> int:
        # Without O_NONBLOCK opening a pipe waits for its other end for ever.
        flags = _FLAGS[how] | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        handle = os.open(path, flags, FILE_MODE)
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return handle

    def close(self, handle: int) -> None:
        os.close(handle)

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
        write_whole(functools.partial(_pwrite, handle), offset, data)

    def read(self, handle: int, offset: int, length: int) -> bytes:
        return read_whole(functools.partial(_pread, handle), offset, length)

    def size(self, handle: int) -> int:
        return os.fstat(handle).st_size

    def truncate(self, handle: int, size: int) -> None:
        os.ftruncate(handle, size)

    def allocate(self, handle: int, size: int) -> None:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, size)
            return
        for at in range(self.size(handle), size, _ZEROS_BYTES):
            self.write(handle, at, bytes(min(_ZEROS_BYTES, size - at)))

    def sync(self, handle: int) -> None:
        if _FULL_SYNC is not None:
            fcntl.fcntl(handle, _FULL_SYNC)
        else:
            os.fdatasync(handle)

    def sync_dir(self, folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def rename(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def unlink(self, path: Path) -> None:
        os.unlink(path)

    def names(self, folder: Path) -> tuple[str, ...]:
        return tuple(sorted(os.listdir(folder)))

    def make_folder(self, folder: Path, *, exclusive: bool = False) -> None:
        if exclusive:
            self.make_folder(folder.parent)
            os.mkdir(folder, FOLDER_MODE)
            self.sync_dir(folder.parent)
            return
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for path in reversed(missing):
            try:
                os.mkdir(path, FOLDER_MODE)
            except FileExistsError:
                if not path.is_dir():
                    raise
            self.sync_dir(path.parent)

    def mode(self, path: Path) -> int:
        return os.stat(path).st_mode & 0o777

    def lock(self, handle: int, *, wait: bool = False) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def unlock(self, handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)

    def free_space(self, folder: Path) -> int:
        status = os.statvfs(folder)
        return status.f_bavail * status.f_frsize


OS_FILES: Final = OsFiles()
"""The real disk."""
