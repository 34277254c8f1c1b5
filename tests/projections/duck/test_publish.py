"""projections/duck/publish.py: readers see no lock, no half, no past after the present."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb

from projections.duck.publish import DIGEST_NAME, publish, read_status
from projections.duck.store import START, Checkpoint, Store
from projections.rows import RowBuffer
from tests.projections.builders import envelopes


def test_readers_beside_a_publisher(tmp_path: Path) -> None:
    """Readers that reopen without pause always see rows and checkpoint of one moment, in order."""
    store = Store.create(tmp_path / "work.duckdb", "s", "0" * 12)
    target = tmp_path / "session.duckdb"
    publish(store, target)
    done = threading.Event()
    seen: list[tuple[int, int]] = []
    reader = threading.Thread(target=_read, args=(target, done, seen))
    reader.start()
    buffer = RowBuffer()
    for count, envelope in enumerate(envelopes(cycles=12), 1):
        buffer.add(envelope)
        if count % 20 == 0:
            point = Checkpoint(envelope.seq, bytes(32), envelope.ts, False, 0)
            store.apply(buffer.take(), point)
            publish(store, target)
    done.set()
    reader.join()
    store.close()
    assert len(seen) > 3
    assert all(rows == seq for rows, seq in seen)
    assert seen == sorted(seen)


def _read(target: Path, done: threading.Event, seen: list[tuple[int, int]]) -> None:
    # Opened through a link of its own each time: within one process DuckDB gives out an open
    # database again by its path, which another process never meets.
    number = 0
    while not done.is_set():
        number += 1
        own = target.with_name(f"reader{number}.duckdb")
        own.hardlink_to(target)
        with duckdb.connect(str(own), read_only=True) as connection:
            found = connection.execute(
                "SELECT (SELECT count(*) FROM base.entries), applied_seq FROM base.checkpoint"
            ).fetchone()
        own.unlink()
        assert found is not None
        seen.append((found[0], found[1]))


def test_published_file_is_a_whole_copy(tmp_path: Path) -> None:
    """The published file alone, without a write-ahead log beside it, holds what was applied."""
    store = Store.create(tmp_path / "work.duckdb", "s", "0" * 12)
    buffer = RowBuffer()
    for envelope in envelopes(cycles=2)[:5]:
        buffer.add(envelope)
    store.apply(buffer.take(), Checkpoint(5, b"h" * 32, 9, False, 0))
    publish(store, tmp_path / "session.duckdb")
    store.close()
    status = read_status(tmp_path / "session.duckdb")
    assert (status.session, status.checkpoint.seq, status.checkpoint.hash) == ("s", 5, b"h" * 32)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [DIGEST_NAME, "session.duckdb", "work.duckdb"]


def test_failed_batch_leaves_nothing(tmp_path: Path) -> None:
    """A batch that fails in its middle changes neither rows nor checkpoint."""
    store = Store.create(tmp_path / "work.duckdb", "s", "0" * 12)
    buffer = RowBuffer()
    for envelope in envelopes(cycles=2):
        buffer.add(envelope)
    rows = buffer.take()
    rows["decisions"] = [(*row[:-1], "x" * 3, "one too many") for row in rows["decisions"]]
    try:
        store.apply(rows, Checkpoint(99, bytes(32), 0, False, 0))
    except ValueError:
        failed = True
    assert failed
    assert store.checkpoint() == START
    found = store.connection.execute("SELECT count(*) FROM base.entries").fetchall()
    assert found == [(0,)]
    store.close()
