"""projections/duck/ticks.py: tick files are sorted, and the same however they were cut."""

from __future__ import annotations

from pathlib import Path

import duckdb

from events.feed import FeedFrame
from events.upcast import current_event
from projections.duck.ticks import TickFiles
from projections.ticks import TickBuffer
from tests.projections.builders import OPEN_NS, envelopes


def test_sealing_does_not_depend_on_the_cut(tmp_path: Path) -> None:
    """However many files the ticks were written in, the sealed one has the same bytes, sorted."""
    digests = set()
    for pieces in (1, 2, 5):
        (folder := tmp_path / str(pieces)).mkdir()
        with duckdb.connect() as connection:
            files, written = TickFiles(folder, connection), []
            for envelopes_ in _cut(pieces):
                buffer = TickBuffer([256265])
                for seq, event in envelopes_:
                    buffer.add(seq, OPEN_NS + seq, event)
                written.append(files.write(buffer.take(), envelopes_[0][0], envelopes_[-1][0]))
            sealed = files.seal(written)
            assert sealed is not None
            files.keep_only([sealed])
            assert [path.name for path in folder.iterdir()] == [sealed.file]
            digests.add(sealed.sha256)
            order = connection.execute(
                f"SELECT list((coalesce(instrument, 99), token, ts, seq, idx)) "
                f"FROM '{folder / sealed.file}'"
            ).fetchall()[0][0]
        assert order == sorted(order)
        assert len(order) == sealed.rows
    assert len(digests) == 1


def _cut(pieces: int) -> list[list[tuple[int, FeedFrame]]]:
    frames = []
    for envelope in envelopes(cycles=20):
        event = current_event(envelope)
        if isinstance(event, FeedFrame):
            frames.append((envelope.seq, event))
    size = -(-len(frames) // pieces)
    return [frames[begin : begin + size] for begin in range(0, len(frames), size)]


def test_nothing_to_seal(tmp_path: Path) -> None:
    """A session without a packet has no tick file."""
    with duckdb.connect() as connection:
        assert TickFiles(tmp_path, connection).seal([]) is None
