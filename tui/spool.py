"""Bytes that are wanted again, on the disk instead of in memory.

Lives here: ``Spool``, a file without a name. May import: the standard library. Always holds: the
file is nobody else's and is gone with whoever holds it, also when that dies; what was put in comes
back as it was, or an ``OSError``. Start reading at ``Spool.put``.
"""

from __future__ import annotations

import os
import tempfile
import weakref


class Spool:
    """Grows by what is put in; made with its first bytes."""

    def __init__(self) -> None:
        self._handle: int | None = None
        self._end = 0

    def put(self, data: bytes) -> tuple[int, int]:
        """Keep some bytes; where they are. Raises ``OSError``, and then nothing was kept."""
        if self._handle is None:
            self._handle = _nameless()
            weakref.finalize(self, os.close, self._handle)
        written = 0
        while written < len(data):
            written += os.pwrite(self._handle, data[written:], self._end + written)
        at = self._end, len(data)
        self._end += len(data)
        return at

    def get(self, at: tuple[int, int]) -> bytes:
        """What was put there. Raises ``OSError``."""
        if self._handle is None:
            raise OSError("nothing was put into this spool")
        offset, length = at
        data = os.pread(self._handle, length, offset)
        if len(data) != length:
            raise OSError("the spool was cut short")
        return data


def _nameless() -> int:
    """A new file, 0600, whose name is taken away at once."""
    handle, name = tempfile.mkstemp(prefix="axiom-screen-")
    os.unlink(name)
    return handle
