"""The projector: tails a session's journal into SQL and publishes what it has.

Lives here: the loop that applies, the command that a parent spawns. May import: journal, events,
projections. Always holds: only whole groups are applied; rows and checkpoint change together; a
projection whose (seq, chain hash) is not that of the journal is thrown away and built again;
nothing here writes to the journal. Start reading at ``ensure_projection``, ``Projector.run``.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from events.envelope import Envelope, EnvelopeError, chain_hash, decode_envelope
from events.feed import FeedFrame
from events.registry import PayloadError, UnknownKindError, VersionTooNewError
from events.session import InstrumentsLoaded
from events.upcast import current_event
from journal.block import Entry
from journal.errors import JournalError, JournalLocked, JournalMissing
from journal.lock import FileLock
from journal.reader import JournalReader, chain_at
from journal.watermark import read_watermark
from projections import tables
from projections.duck.publish import (
    WORK_FOLDER,
    copy_private,
    is_as_published,
    make_folders,
    publish,
    published_path,
    read_status,
    ticks_folder,
)
from projections.duck.store import Checkpoint, ProjectionError, Store, TickFile, digests
from projections.duck.ticks import TickFiles
from projections.rows import RowBuffer
from projections.ticks import TickBuffer

_WORK_NAME: Final = "work.duckdb"
_LOCK_NAME: Final = "projector.lock"
_PUBLISH_SHARE: Final = 10
_WAIT_S: Final = 30.0
_NICENESS: Final = 5

Say = Callable[[str], None]
Stop = Callable[[], bool]


class ProjectorOptions(msgspec.Struct, frozen=True):
    """When the projector applies and publishes.

    A batch is applied at ``batch_rows`` rows or after ``batch_ms``, whichever comes first; a tick
    file is written at ``tick_rows`` packets or after ``tick_ms``; a file is published every
    ``publish_ms``, later where publishing is slow: it may take at most a tenth of the time.
    """

    batch_rows: int = 50_000
    batch_ms: int = 250
    tick_rows: int = 250_000
    tick_ms: int = 300_000
    publish_ms: int = 1_500
    poll_ms: int = 20


DEFAULT_OPTIONS: Final = ProjectorOptions()


def silent(_: str) -> None:
    """Nobody wants to hear."""


def _never() -> bool:
    return False


def ensure_projection(
    folder: Path,
    say: Say = silent,
    *,
    options: ProjectorOptions = DEFAULT_OPTIONS,
    anew: bool = False,
) -> Path:
    """The published projection of a session, built or caught up first if need be.

    A file that stands at the journal's end is taken as it is, unless its bytes are no longer those
    that were published: then nothing of it is taken. ``anew`` takes nothing of what is there and
    builds it from the journal. ``say`` hears one line when there is work to do. While another
    projector follows the session, its file is taken as it is. Raises ``ProjectionError`` and the
    journal's errors.
    """
    if not folder.is_dir():
        raise ProjectionError(f"{folder}: no such session folder")
    path = published_path(folder)
    if not anew and path.exists() and _is_current(folder, path):
        return path
    make_folders(folder)
    try:
        projector = Projector(folder, options=options, say=say, anew=anew)
    except JournalLocked:
        if anew:
            raise
        return _await_published(path)
    with projector:
        return projector.run()


def _is_current(folder: Path, path: Path) -> bool:
    """Does the published file stand at the journal's acknowledged end, with the same chain?"""
    try:
        status, mark = read_status(path), read_watermark(folder)
    except (ProjectionError, JournalError):
        return False
    point = status.checkpoint
    return (
        status.version == tables.VERSION
        and status.session == folder.resolve().name
        and (point.seq, point.hash, point.closed) == (mark.seq, mark.chain, mark.closed)
        and all((ticks_folder(path) / item.file).exists() for item in status.tick_files)
        and is_as_published(folder)
    )


def _await_published(path: Path) -> Path:
    """The file of the projector that runs elsewhere, once there is one."""
    limit = time.monotonic() + _WAIT_S
    while not path.exists():
        if time.monotonic() > limit:
            raise ProjectionError("another projector works here but has published nothing; retry")
        time.sleep(0.05)
    return path


class Projector:
    """The one projector of a session. Holds the projection's lock until closed.

    Raises ``JournalLocked`` when another holds it, ``JournalMissing`` when there is no journal,
    ``ProjectionError`` when the projection cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        options: ProjectorOptions = DEFAULT_OPTIONS,
        say: Say = silent,
        anew: bool = False,
    ) -> None:
        self.folder = folder
        self._options = options
        self._say = say
        make_folders(folder)
        self._published = published_path(folder)
        self._work = folder / WORK_FOLDER / _WORK_NAME
        self._lock = FileLock.take(folder / WORK_FOLDER / _LOCK_NAME)
        try:
            if anew:
                self._published.unlink(missing_ok=True)
                _remove(self._work)
            self._store = self._open_store()
        except BaseException:
            self._lock.release()
            raise
        self._begin()

    def _begin(self) -> None:
        self._point = self._store.checkpoint()
        self._rows = RowBuffer()
        self._ticks = TickBuffer(self._store.instrument_tokens())
        self._files = TickFiles(ticks_folder(self._published), self._store.connection)
        self._tick_files = self._store.tick_files()
        point, files = _published_state(self._published)
        # A kill may have left the published file behind the own one, and a reader has it open.
        self._files.keep_only((*self._tick_files, *files))
        self._open_group: list[Entry] = []
        self._seq, self._ts, self._chain = self._point.seq, self._point.ts, self._point.hash
        now = time.monotonic()
        self._applied_at = self._published_at = self._tick_file_at = now
        self._publish_every_s = self._options.publish_ms / 1000
        published = (point, files) == (self._point, self._tick_files)
        self._unpublished = not (published and is_as_published(self.folder))

    def __enter__(self) -> Projector:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and free the lock. What is not applied is read again next time."""
        self._store.close()
        if self._point.closed and not self._unpublished:
            _remove(self._work)  # the published file is a whole copy of it
        self._lock.release()

    # -- the file --------------------------------------------------------------------------------

    def _open_store(self) -> Store:
        """The projection to go on with: the own file, else the published one, else a new one."""
        session, uid = self.folder.resolve().name, _session_uid(self.folder)
        if not self._work.exists() and is_as_published(self.folder):
            copy_private(self._published, self._work)
        if self._work.exists():
            store = self._usable(session, uid)
            if store is not None:
                return store
            self._say(f"the projection of {session} does not match its journal; building it again")
            _remove(self._work)
        else:
            self._say(f"building the projection of {session}")
        return Store.create(self._work, session, uid)

    def _usable(self, session: str, uid: str) -> Store | None:
        """The own file when it is of this session and stands on this journal's chain, else None."""
        try:
            store = Store.open(self._work)
        except ProjectionError:
            return None
        try:
            point = store.checkpoint()
            digests(store.connection)  # reads every row: a damaged file says so now, not later
            fits = (
                store.identity() == (session, uid, tables.VERSION)
                and chain_at(self.folder, point.seq) == point.hash
                and self._has_files(store.tick_files())
            )
        except ProjectionError:
            fits = False
        if fits:
            self._say(f"catching up the projection of {session} from seq {point.seq}")
            return store
        store.close()
        return None

    def _has_files(self, files: tuple[TickFile, ...]) -> bool:
        return all((ticks_folder(self._published) / item.file).exists() for item in files)

    # -- the loop --------------------------------------------------------------------------------

    def run(self, *, follow: bool = False, stop: Stop = _never) -> Path:
        """Apply what the journal holds, publish, and give back the published file.

        With ``follow`` go on until the session is closed or ``stop()`` is true, applying and
        publishing as time passes; without, nobody waits for what is in between.
        """
        first = min(self._point.seq, self._point.ticks_seq) + 1
        with JournalReader(self.folder, from_seq=first, verify_chain=False) as reader:
            for block in self._blocks(reader, follow=follow, stop=stop):
                if block is not None:
                    self._take(block, reader)
                if follow:
                    self._maybe_apply(idle=block is None)
                    self._maybe_publish()
                if stop():
                    break
            self._finish(closed=reader.closed)
        return self._published

    def _blocks(
        self, reader: JournalReader, *, follow: bool, stop: Stop
    ) -> Iterator[list[Entry] | None]:
        if follow:
            return reader.follow_blocks(poll_s=self._options.poll_ms / 1000, stop=stop)
        return reader.iter_blocks()

    def _take(self, block: list[Entry], reader: JournalReader) -> None:
        """Add the whole groups of a block; an open group waits for its end.

        The chain is computed here, not in the reader, because checkpoints fall between groups.
        """
        self._open_group.extend(block)
        if not block[-1].group_end and not any(entry.group_end for entry in block):
            return
        entries, self._open_group = self._open_group, []
        begin = 0
        for place, entry in enumerate(entries, 1):
            if entry.group_end:
                self._add_group(entries[begin:place])
                begin = place
        self._open_group = entries[begin:]
        end = reader.position
        if not self._open_group and end.seq == self._seq and end.chain != self._chain:
            raise ProjectionError(
                f"the journal's chain does not hold at seq {end.seq}: run `axiom verify`"
            )

    def _add_group(self, entries: list[Entry]) -> None:
        for entry in entries:
            try:
                self._add(decode_envelope(entry.data))
            except (EnvelopeError, UnknownKindError, VersionTooNewError, PayloadError) as error:
                raise ProjectionError(str(error)) from error
            if entry.seq > self._seq:
                self._chain = chain_hash(self._chain, entry.data)
                self._seq = entry.seq
        self._rows.end_group()
        if self._rows.count >= self._options.batch_rows:
            self._apply()

    def _add(self, envelope: Envelope) -> None:
        if envelope.seq > self._point.ticks_seq and envelope.kind == "FeedFrame":
            frame = current_event(envelope)
            assert isinstance(frame, FeedFrame)
            self._ticks.add(envelope.seq, envelope.ts, frame)
        if envelope.seq <= self._seq:
            return  # in the tables already; read again for its ticks only
        event = self._rows.add(envelope)
        self._ts = envelope.ts
        if isinstance(event, InstrumentsLoaded):
            self._ticks.set_instruments([row.token for row in event.rows])

    def _maybe_apply(self, *, idle: bool) -> None:
        waited_ms = (time.monotonic() - self._applied_at) * 1000
        if self._rows.count and (idle or waited_ms >= self._options.batch_ms):
            self._apply()

    def _apply(self, *, closed: bool = False) -> None:
        """Bring rows, ticks that are due and the checkpoint into the file."""
        files = self._due_ticks(force=closed)
        ticks_seq = self._seq if not self._ticks.count else self._point.ticks_seq
        point = Checkpoint(self._seq, self._chain, self._ts, closed, ticks_seq)
        self._store.apply(self._rows.take(), point, files)
        self._point = point
        self._applied_at = time.monotonic()
        self._unpublished = True

    def _due_ticks(self, *, force: bool) -> tuple[TickFile, ...] | None:
        """Write a tick file when it is time; all files then, None when nothing changed."""
        now = time.monotonic()
        old = (now - self._tick_file_at) * 1000 >= self._options.tick_ms
        due = self._ticks.count >= self._options.tick_rows or force or old
        if not (due and self._ticks.count):
            return None
        span = (self._ticks.first_seq, self._ticks.last_seq)
        self._tick_files = (*self._tick_files, self._files.write(self._ticks.take(), *span))
        self._tick_file_at = now
        return self._tick_files

    def _maybe_publish(self) -> None:
        if self._unpublished and time.monotonic() - self._published_at >= self._publish_every_s:
            self._publish()

    def _publish(self) -> None:
        took_s = publish(self._store, self._published)
        self._unpublished = False
        self._published_at = time.monotonic()
        self._publish_every_s = max(self._options.publish_ms / 1000, _PUBLISH_SHARE * took_s)

    def _finish(self, *, closed: bool) -> None:
        """The end of a run: what is whole is applied; a closed session's ticks are sealed."""
        if closed and self._open_group:
            self._add_group(self._open_group)
        if self._rows.count or (closed and not self._point.closed):
            self._apply(closed=closed)
        elif self._ticks.count:
            self._apply(closed=self._point.closed)
        if closed and not all(item.sealed for item in self._tick_files):
            sealed = self._files.seal(self._tick_files)
            self._tick_files = (sealed,) if sealed else ()
            self._store.apply({}, self._point, self._tick_files)
            self._unpublished = True
        if self._unpublished:
            self._publish()
        self._files.keep_only(self._tick_files)


def _published_state(published: Path) -> tuple[Checkpoint | None, tuple[TickFile, ...]]:
    """Where the published file stands; nothing where there is none that could be opened."""
    try:
        status = read_status(published)
    except ProjectionError:
        return None, ()
    return status.checkpoint, status.tick_files


def _session_uid(folder: Path) -> str:
    with JournalReader(folder) as reader:
        uid = reader.session_uid
    if uid is None:
        raise JournalMissing("the session holds no entry yet", path=folder)
    return uid


def _remove(work: Path) -> None:
    for path in (work, work.with_name(work.name + ".wal")):
        path.unlink(missing_ok=True)


# --- as a process ------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """``python -P -m projections.duck.projector FOLDER [--follow]``: 0 done, 2 could not run.

    With ``--follow`` it waits for the journal to begin, and ends when the session is closed, when
    it is told to (SIGTERM, SIGINT), or when its parent is gone.
    """
    parser = argparse.ArgumentParser(prog="projections.duck.projector", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--follow", action="store_true", help="go on until the session is closed")
    options = parser.parse_args(arguments)
    stop = _stop_when_told()
    os.umask(0o077)
    if options.follow:
        os.nice(_NICENESS)  # a slow reader may lag; it may not slow the engine
    try:
        projector = _open(options.folder, wait=options.follow, stop=stop)
        if projector is not None:
            with projector:
                projector.run(follow=options.follow, stop=stop)
    except (ProjectionError, JournalError, OSError) as error:
        sys.stderr.write(f"projector: {error}\n")
        return 2
    return 0


def _open(folder: Path, *, wait: bool, stop: Stop) -> Projector | None:
    while True:
        try:
            return Projector(folder, say=lambda line: print_line(line))
        except JournalMissing:
            if not wait:
                raise
        if stop():
            return None
        time.sleep(DEFAULT_OPTIONS.poll_ms / 1000)


def print_line(line: str) -> None:
    """Messages go to standard error."""
    sys.stderr.write(f"{line}\n")


def _stop_when_told() -> Stop:
    told: list[int] = []
    parent = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, _: told.append(which))
    return lambda: bool(told) or os.getppid() != parent


if __name__ == "__main__":
    sys.exit(main())
