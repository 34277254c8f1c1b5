"""One holder at a time, and the kernel lets go when the holder dies.

Lives here: ``FileLock`` over ``flock`` on an open descriptor. May import: files, errors. Always
holds: a second taker is refused, in this process or another (``lockf`` would grant the first);
the file's text is the holder's pid, for the message only, and is never trusted.
Start reading at ``FileLock.take``.
"""

from __future__ import annotations

import os
from pathlib import Path

from journal.errors import JournalLocked
from journal.files import OS_FILES, Files

_PID_BYTES_MAX = 20


class FileLock:
    """A held lock. Release it, or die: either frees it."""

    def __init__(self, path: Path, handle: int, files: Files) -> None:
        self.path = path
        self._handle: int | None = handle
        self._files = files

    @classmethod
    def take(cls, path: Path, *, wait: bool = False, files: Files = OS_FILES) -> FileLock:
        """Take the lock at ``path``. Raises ``JournalLocked`` when held, naming the holder."""
        handle = files.open(path, "lock")
        try:
            if not files.lock(handle, wait=wait):
                holder = files.read(handle, 0, _PID_BYTES_MAX).decode("ascii", "replace").strip()
                raise JournalLocked(
                    f"process {holder or 'unknown'} is writing here; stop it first", path=path
                )
            files.truncate(handle, 0)
            files.write(handle, 0, f"{os.getpid()}\n".encode("ascii"))
        except BaseException:
            files.close(handle)
            raise
        return cls(path, handle, files)

    def release(self) -> None:
        """Let go. A second call does nothing."""
        if self._handle is not None:
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
