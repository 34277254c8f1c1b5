"""What can be read of a damaged session: all before the damage, nothing that was not written."""

from __future__ import annotations

from pathlib import Path

from journal.log import WriterOptions
from journal.salvage import Salvage
from tests.journal.journals import (
    chain_of,
    files_of,
    flat,
    make_groups,
    read_all,
    snapshot,
    write_session,
)

SMALL = WriterOptions(segment_size_bytes=600, block_size_bytes=200)
GROUPS = make_groups([2, 1, 3, 2, 4, 1, 2, 3, 1, 2], b"y" * 40)


def salvaged(folder: Path) -> tuple[list[bytes], Salvage]:
    salvage = Salvage(folder)
    return [entry.data for entry in salvage], salvage


def test_a_whole_session_is_read_to_its_end(tmp_path: Path) -> None:
    """Closed or not, over several segments: every entry, the chain at the end, and no complaint;
    the folder is as it was."""
    for final in (True, False):
        folder = tmp_path / f"{final}"
        write_session(folder, [[group] for group in GROUPS], final=final, options=SMALL)
        before = snapshot(folder)
        entries, salvage = salvaged(folder)
        assert entries == read_all(folder) == flat(GROUPS)
        assert (salvage.seq, salvage.chain) == (len(entries), chain_of(entries))
        assert salvage.stopped == ""
        assert snapshot(folder) == before


def test_damage_ends_it_and_what_stands_before_is_given(tmp_path: Path) -> None:
    """A changed byte anywhere: what is given is the beginning of what was written, and it says why
    it ended; a lost watermark is no damage here."""
    folder = tmp_path / "s"
    write_session(folder, [[group] for group in GROUPS], final=False, options=SMALL)
    (folder / "watermark").unlink()
    said = flat(GROUPS)
    cases = given = 0
    for path in files_of(folder, ".axj"):
        whole = path.read_bytes()
        for offset in range(0, len(whole), 11):
            path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 4]) + whole[offset + 1 :])
            entries, salvage = salvaged(folder)
            assert entries == said[: len(entries)]
            assert (salvage.seq, salvage.chain) == (len(entries), chain_of(entries))
            assert salvage.stopped or entries == said
            cases, given = cases + 1, given + len(entries)
        path.write_bytes(whole)
    assert salvaged(folder)[0] == said
    assert 0 < given < cases * len(said)


def test_a_missing_segment_ends_it(tmp_path: Path) -> None:
    """What stands behind a gap does not continue what stands before it."""
    folder = tmp_path / "s"
    write_session(folder, [[group] for group in GROUPS], options=SMALL)
    first, second, *_ = files_of(folder, ".axj")
    held = salvaged(folder)[0]
    second.unlink()
    entries, _ = salvaged(folder)
    assert 0 < len(entries) < len(held)
    first.unlink()
    assert salvaged(folder)[0] == []
    assert salvaged(tmp_path / "none")[1].stopped
