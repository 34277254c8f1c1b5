"""Makers of small journals for the tests of this room: real envelopes of a plain test event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from events.envelope import GENESIS_HASH, chain_hash, encode_envelope
from journal.files import OsFiles
from journal.log import SessionLog, WriterOptions
from journal.reader import JournalReader
from journal.watermark import WatermarkFile
from journal.writer import DEFAULT_OPTIONS, JournalWriter

UID = "0123456789ab"
TS_FIRST = 1_756_438_500_000_000_000

Group = tuple[bytes, ...]


class Said(msgspec.Struct, frozen=True, array_like=True):
    """A test event: a number and some bytes."""

    number: int
    content: bytes


def make_group(first_seq: int, size: int, content: bytes = b"x") -> Group:
    """A fact with seq ``first_seq`` and its ``size - 1`` derivations."""
    return tuple(
        encode_envelope(seq, "Said", 1, TS_FIRST + first_seq, first_seq, Said(seq, content))
        for seq in range(first_seq, first_seq + size)
    )


def make_groups(sizes: Iterable[int], content: bytes = b"x", first_seq: int = 1) -> list[Group]:
    """Groups of these sizes, one after the other."""
    groups = []
    for size in sizes:
        groups.append(make_group(first_seq, size, content))
        first_seq += size
    return groups


def flat(groups: Iterable[Group]) -> list[bytes]:
    return [data for group in groups for data in group]


def chain_of(datas: Iterable[bytes]) -> bytes:
    chain = GENESIS_HASH
    for data in datas:
        chain = chain_hash(chain, data)
    return chain


def write_session(
    folder: Path,
    batches: Sequence[Sequence[Group]],
    *,
    final: bool = True,
    options: WriterOptions = DEFAULT_OPTIONS,
    uid: str = UID,
) -> tuple[int, bytes]:
    """A journal in which each batch of groups was synced before the next was appended."""
    writer = JournalWriter.create(folder, uid, options=options)
    for batch in batches:
        for group in batch:
            last = writer.append(group)
        assert writer.wait_durable(last, 60)
    return writer.close(final=final)


class FastFiles(OsFiles):
    """The real disk without its syncs: for tests that open thousands of small journals."""

    def sync(self, handle: int) -> None:
        """Nothing to wait for: the process does not die."""

    def sync_dir(self, folder: Path) -> None:
        """As ``sync``."""


FAST = FastFiles()


def build(
    folder: Path,
    acknowledged: Sequence[Sequence[Group]],
    written: Sequence[Group] = (),
    *,
    options: WriterOptions = DEFAULT_OPTIONS,
    uid: str = UID,
) -> Path:
    """The folder a writer leaves when it dies: batches that were synced and acknowledged, one
    block each, then perhaps one that was written and not synced. Returns the last segment."""
    FAST.make_folder(folder)
    watermark = WatermarkFile.create(folder, bytes.fromhex(uid), FAST)
    log = SessionLog(folder, bytes.fromhex(uid), watermark, options, FAST)
    for batch in acknowledged:
        for group in batch:
            log.add_group(group)
        log.sync()
    for group in written:
        log.add_group(group)
    log.flush()
    log.close()
    return max(files_of(folder, ".axj"))


def read_all(folder: Path, from_seq: int = 1) -> list[bytes]:
    with JournalReader(folder, from_seq=from_seq) as reader:
        return [entry.data for entry in reader]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Name and content of every file, to show that nothing changed."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def files_of(folder: Path, suffix: str) -> Iterator[Path]:
    yield from sorted(folder.glob(f"*{suffix}"))
