"""The hashes of a session's states, for the screen: those that were recorded, and a replay's own.

Lives here: ``SessionHashes``. May import: ``cli``, the engine's keys, the journal. Always holds:
the replay is a process of its own, so a screen that asks goes on painting; what was recorded is the
digest of each checkpoint, made while the session ran and of no use under another chain.
Start reading at ``SessionHashes.recorded``.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from cli.diverged import replay_document
from cli.errors import UserError
from cli.recorded import first_fact
from engine.runner import checkpoint_key
from journal.checkpoints import CheckpointKey, Record, chain_at, recorded_states
from journal.errors import JournalError
from journal.reader import JournalReader
from tui.ports import Rederived, StateHash


class _Makings(msgspec.Struct, frozen=True):
    code: tuple[str, str]


class _First(msgspec.Struct, frozen=True):
    seq: int


class _Report(msgspec.Struct, frozen=True):
    """What is read of a replay's document."""

    head_seq: int
    state_hash: str
    makings: _Makings
    first_divergence: _First | None


class SessionHashes:
    """Of one session's folder (``tui.ports.Hashes``)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def recorded(self) -> tuple[StateHash, ...]:
        """The digests of its checkpoints, oldest first; none where there are none."""
        return tuple(StateHash(one.seq, one.ts, one.digest.hex()) for one in self._records())

    def rederive(self, seq: int) -> Rederived:
        """What the facts up to an entry lead to. Raises ``ValueError`` with a line."""
        self._check_chain(seq)
        document = replay_document(self._folder, "--until", str(seq))
        try:
            report = msgspec.convert(document, _Report)
        except msgspec.ValidationError:
            raise ValueError(f"the journal is damaged: {document.get('problem')}") from None
        if report.head_seq < seq:
            raise ValueError(f"the session ends at entry {report.head_seq}")
        first, (there, here) = report.first_divergence, report.makings.code
        return Rederived(
            report.head_seq,
            report.state_hash,
            None if first is None else first.seq,
            None if there == here else there,
        )

    def _records(self) -> tuple[Record, ...]:
        try:
            opened = first_fact(self._folder)
            with JournalReader(self._folder) as reader:
                uid = reader.session_uid
        except (UserError, JournalError):
            return ()
        if uid is None:
            return ()
        then = CheckpointKey(uid, opened.code_digest, opened.schema_digest)
        return recorded_states(self._folder, (then, checkpoint_key(uid)))

    def _check_chain(self, seq: int) -> None:
        """A checkpoint that the journal has another chain for is of another journal."""
        for one in self._records():
            if one.seq == seq and self._chain(seq) != one.chain:
                raise ValueError(f"the hash at #{seq} was recorded beside another journal")

    def _chain(self, seq: int) -> bytes | None:
        try:
            return chain_at(self._folder, seq)
        except JournalError as error:
            raise ValueError(f"the journal is damaged: {error}") from error
