"""The hashes of states that the screen shows: they are the engine's, and a replay has the same."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cli.hashes import SessionHashes
from engine.checkpoint import state_hash
from journal.reader import JournalReader
from projections.live import LiveModel
from replay.travel import state_at
from tests.cli.test_replay import diverged  # noqa: F401
from tui.view.hashes import hash_line


def test_a_recorded_hash_is_the_engines_state_there(session: Path) -> None:
    """Each of a real session: the SHA-256 of the state after that entry, as applying every entry
    from the first on gives it."""
    found = SessionHashes(session).recorded()
    assert len(found) > 3
    assert [one.seq for one in found] == sorted({one.seq for one in found})
    for one in found:
        state = state_at(session, one.seq, from_start=True).state
        assert (state_hash(state), state.now) == (one.digest, one.ts)


def test_a_replay_to_a_recorded_hash_has_the_same(session: Path) -> None:
    """The facts alone lead to the very hash; the screen at that entry, and at the next one, shows
    the recorded hash and says that they are equal."""
    hashes = SessionHashes(session)
    kept = hashes.recorded()
    middle = kept[len(kept) // 2]
    found = hashes.rederive(middle.seq)
    assert (found.seq, found.digest) == (middle.seq, middle.digest)
    assert (found.first, found.other_code) == (None, None)
    model = LiveModel()
    with JournalReader(session) as reader:
        for entry in reader:
            model.fold_bytes(entry.data)
            if entry.seq in (middle.seq, middle.seq + 1):
                line = hash_line(model.view(), kept, {middle.seq: found})
                text = "".join(piece for piece, _ in line)
                assert f"{middle.digest[:12]} at #{middle.seq} recorded" in text
                assert "● equal: the replay has the same" in text


def test_where_entries_differ_the_first_is_told(diverged: Path) -> None:  # noqa: F811
    """A reason that was changed and chained anew: its seq, whatever the hash."""
    with JournalReader(diverged) as reader:
        last = max(entry.seq for entry in reader)
    found = SessionHashes(diverged).rederive(last)
    assert found.first is not None
    assert found.first <= last


def test_what_is_no_session_has_no_hashes(tmp_path: Path) -> None:
    """Nothing is recorded there, and a replay is one line."""
    assert SessionHashes(tmp_path).recorded() == ()
    with pytest.raises(ValueError, match="did not end"):
        SessionHashes(tmp_path).rederive(5)


def test_a_session_that_ends_before_is_told(session: Path) -> None:
    """An entry behind its end has no state."""
    with pytest.raises(ValueError, match="the session ends at entry"):
        SessionHashes(session).rederive(1_000_000)


def test_a_checkpoint_of_another_chain_is_said(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that the journal does not have at its entry is of another journal: no replay is run."""
    hashes = SessionHashes(session)
    records = hashes._records()
    moved = tuple(msgspec.structs.replace(one, chain=bytes(32)) for one in records)
    monkeypatch.setattr(hashes, "_records", lambda: moved)
    with pytest.raises(ValueError, match="beside another journal"):
        hashes.rederive(records[0].seq)
