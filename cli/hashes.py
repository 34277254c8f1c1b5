"""The hashes of a session's states, for the screen: those that were recorded, and a replay's own.

Lives here: ``SessionHashes``. May import: ``cli``, the engine's keys, the journal. Always holds:
the replay is a process of its own, so a screen that asks goes on painting; what was recorded is the
digest of each checkpoint, made while the session ran and of no use under another chain.
Start reading at ``SessionHashes.recorded``.
"""

from __future__ import annotations

from pathlib import Path

from cli.diverged import replay_document
from cli.errors import UserError
from cli.recorded import first_fact
from engine.runner import checkpoint_key
from journal.checkpoints import CheckpointKey, Record, recorded_states
from journal.errors import JournalError
from journal.reader import JournalReader, chain_at
from tui.ports import Rederived, StateHash


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
        said = replay_document(str(self._folder), "--until", str(seq))
        if said.head_seq is None or said.state_hash is None or said.makings is None:
            raise ValueError(f"the journal is damaged: {said.problem}")
        if said.head_seq < seq:
            raise ValueError(f"the session ends at entry {said.head_seq}")
        first, (there, here) = said.first_divergence, said.makings.code
        return Rederived(
            said.head_seq,
            said.state_hash,
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
