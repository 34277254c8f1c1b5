"""Space that is taken before it is needed, for the day the disk is full.

Lives here: ``Reserve``, a file that becomes a session's next segment when no other can be written.
May import: files, errors. Always holds: its space is on the disk from the beginning; its name is
one that readers and recovery ignore until it is a segment; it is used once.
Start reading at ``Reserve.prepare``.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from journal.errors import write_failure
from journal.files import Files

RESERVE_NAME: Final = "reserve.tmp"


class Reserve:
    """``size_bytes`` of zeros beside the segments."""

    def __init__(self, folder: Path, size_bytes: int, files: Files) -> None:
        self.size_bytes = size_bytes
        self.path = folder / RESERVE_NAME
        self._files = files

    @classmethod
    def prepare(cls, folder: Path, size_bytes: int, files: Files) -> Reserve:
        """Take the space now; one that a dead writer left is replaced.

        Raises ``JournalFull`` when there is too little, ``WriteFailed``.
        """
        self = cls(folder, size_bytes, files)
        try:
            if RESERVE_NAME in files.names(folder):
                files.unlink(self.path)
            handle = files.open(self.path, "create")
            try:
                files.allocate(handle, size_bytes)
                files.sync(handle)
            finally:
                files.close(handle)
            files.sync_dir(folder)
        except OSError as error:
            self.discard()
            what = f"free some space: no reserve of {size_bytes} bytes can be made"
            raise write_failure(what, error, self.path) from error
        return self

    def become(self, segment: Path) -> None:
        """Give the file a segment's name, durably. Raises ``OSError``."""
        self._files.rename(self.path, segment)
        self._files.sync_dir(segment.parent)

    def discard(self) -> None:
        """Give the space back; if that fails, the next writer's preparation does it."""
        with contextlib.suppress(OSError):
            self._files.unlink(self.path)
