# ruff: noqa: N818 (named for the condition, like their codes)
"""Everything the journal refuses, by name.

Lives here: one exception per reason, each with a code a surface can show and the place it is
about. May import: the standard library. Always holds: the code never changes its meaning; the
message is one line and says where (file, byte offset, seq) when there is a where.
Start reading at ``JournalError``.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import ClassVar, Final

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a disk says that has no space left for this user or file."""


class JournalError(Exception):
    """The journal refuses to go on. ``code`` is stable, ``offset`` bytes, ``seq`` an entry.

    ``damage``: it was looked at, and is not what was written; else it could not be looked at.
    ``to_do`` is what a person can do about it, where the kind alone says that.
    """

    code: ClassVar[str] = "JOURNAL_ERROR"
    damage: ClassVar[bool] = False
    to_do: ClassVar[str | None] = None

    def __init__(
        self,
        message: str,
        *,
        path: Path | None = None,
        offset: int | None = None,
        seq: int | None = None,
    ) -> None:
        self.message = message
        self.path = path
        self.offset = offset
        self.seq = seq
        super().__init__(message)

    def __str__(self) -> str:
        where = [
            f"{label} {value}"
            for label, value in (("file", self.path), ("offset", self.offset), ("seq", self.seq))
            if value is not None
        ]
        place = f" ({', '.join(where)})" if where else ""
        to_do = f"; {self.to_do}" if self.to_do is not None else ""
        return f"{self.code}: {self.message}{place}{to_do}"


class JournalCorrupt(JournalError):
    """Acknowledged bytes are damaged, missing or changed. Nothing was modified."""

    code = "JOURNAL_CORRUPT"
    damage = True


class ChainBroken(JournalCorrupt):
    """Intact blocks whose hashes do not follow from one another: an edit, not a torn write."""

    code = "JOURNAL_CHAIN_BROKEN"


class SegmentGap(JournalCorrupt):
    """A segment is missing, doubled, or belongs to another session."""

    code = "SEGMENT_GAP"


class WatermarkDamaged(JournalCorrupt):
    """The watermark is missing or unreadable, so the acknowledged end is unknown."""

    code = "JOURNAL_WATERMARK_DAMAGED"


class TailTooLong(JournalError):
    """The torn tail is longer than recovery may cut on its own. Nothing was modified."""

    code = "JOURNAL_TAIL_TOO_LONG"
    damage = True


class VersionTooNew(JournalError):
    """A block of a newer format than this code knows."""

    code = "VERSION_TOO_NEW"


class JournalMissing(JournalError):
    """No journal in this folder."""

    code = "JOURNAL_MISSING"
    to_do = "name a session by its id or its folder: 'axiom sessions' lists them"


class JournalExists(JournalError):
    """A new session was asked for in a folder that already holds one."""

    code = "JOURNAL_EXISTS"


class JournalClosed(JournalError):
    """The session has its final block: nothing can follow it."""

    code = "JOURNAL_CLOSED"


class JournalLocked(JournalError):
    """Another process holds the lock."""

    code = "JOURNAL_LOCKED"


class JournalForked(JournalError):
    """This process is a fork of the writer's: only the original may write."""

    code = "JOURNAL_FORKED"


class UnsafePermissions(JournalError):
    """The folder is open to other users of this machine."""

    code = "JOURNAL_PERMISSIONS"


class SequenceGap(JournalError):
    """The envelopes handed over do not continue the journal. Nothing was taken."""

    code = "JOURNAL_SEQ_GAP"


class EntryTooLarge(JournalError):
    """An envelope longer than the format allows. Nothing was taken."""

    code = "JOURNAL_ENTRY_TOO_LARGE"


class ReadFailed(JournalError):
    """The disk refused a read."""

    code = "JOURNAL_READ_FAILED"


class WriteFailed(JournalError):
    """The disk refused a write. Fatal for this writer, never retried."""

    code = "JOURNAL_WRITE_FAILED"


class JournalFull(WriteFailed):
    """No space is left for the journal. Fatal for this writer."""

    code = "JOURNAL_FULL"
    to_do = "free some space on that disk"


def write_failure(
    doing: str,
    error: OSError,
    path: Path | None,
    *,
    offset: int | None = None,
    seq: int | None = None,
) -> WriteFailed:
    """The named refusal for what the disk said: ``JournalFull`` where it has no space."""
    kind = JournalFull if error.errno in _FULL else WriteFailed
    return kind(f"{doing}: {error.strerror}", path=path, offset=offset, seq=seq)


class ReserveOnly(JournalFull):
    """The disk is full and this group is not essential. Nothing was taken; the writer goes on."""


class SyncFailed(WriteFailed):
    """A sync failed: what is on the disk is unknown. Fatal for this writer, never retried."""

    code = "JOURNAL_SYNC_FAILED"


class WriterFailed(JournalError):
    """The writer thread met a programming error; what is durable stays as it was."""

    code = "JOURNAL_WRITER_FAILED"


class LedgerCorrupt(JournalError):
    """The ledger of sessions is not the chain it should be."""

    code = "LEDGER_CORRUPT"
    damage = True


class BadSessionName(JournalError):
    """A name that cannot be a desk or a session."""

    code = "SESSION_NAME_BAD"


class BackupDiffers(JournalError):
    """A session and its copy are not one the beginning of the other. Nothing was modified."""

    code = "BACKUP_DIFFERS"
    damage = True


class UnsafePath(JournalError):
    """A symbolic link where a folder of ours belongs: it could lead anywhere."""

    code = "PATH_UNSAFE"
