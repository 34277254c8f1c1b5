"""Checkpoints of a session: states as opaque bytes, each with its place in the journal.

Lives here: the file's layout, its opening for more, the search for the newest that can be trusted.
May import: reader, files, errors. Always holds: a cache. Nothing in the journal
refers to it, and losing or deleting it changes nothing but how long a way to a state is. Whatever
is in doubt (another session, code or schema, another chain at its seq, bytes that do not read back)
is passed over and said, never trusted and never an error.
Start reading at ``newest_checkpoint``; the thread that writes is ``checkpointer.py``.

One file, only ever longer: a header (magic, key, CRC), then records, each a header with its CRC and
the state's bytes, compressed. The first record stands alone; the others are compressed against its
bytes, since most of a state never changes. A record that is torn hides all behind it.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec
import zstandard

from journal.errors import JournalError
from journal.files import OS_FILES, Files
from journal.reader import chain_at

CHECKPOINTS_NAME: Final = "checkpoints.axc"

RAW_BYTES_MAX: Final = 32 * 1024 * 1024
"""A state is about 0.3 KiB an instrument; this is a hundred thousand of them."""
RECORDS_MAX: Final = 20_000
"""A minute apart, that is two weeks of session time."""
TRIES_MAX: Final = 8
"""Records that may fail their checks before all are given up."""

_MAGIC: Final = b"\x89AXC\r\n\x1a\n"
_RECORD_MAGIC: Final = b"AXCP"
_VERSION: Final = 1
_FILE: Final = struct.Struct("<8sI32s")
_RECORD: Final = struct.Struct("<4sIQqII32s32s")
_CRC: Final = struct.Struct("<I")
FILE_BYTES: Final = _FILE.size + _CRC.size
RECORD_BYTES: Final = _RECORD.size + _CRC.size
_LEVEL: Final = 3
_WINDOW_BYTES_MAX: Final = 1 << 25
_RAW_DICT: Final = zstandard.DICT_TYPE_RAWCONTENT

T = TypeVar("T")


class CheckpointKey(msgspec.Struct, frozen=True):
    """Whose states they are: 12 hex digits of the session, the digests of code and schema."""

    session_uid: str
    code_digest: str
    schema_digest: str

    @property
    def digest(self) -> bytes:
        """32 bytes that name the key."""
        return hashlib.sha256(msgspec.msgpack.encode(self)).digest()


class Record(msgspec.Struct, frozen=True):
    """The header of one record: the state after entry ``seq``, where the session time was ``ts``
    (ns UTC) and the chain ``chain``. ``digest`` is the SHA-256 of the state's bytes."""

    seq: int
    ts: int
    raw_bytes: int
    stored_bytes: int
    chain: bytes
    digest: bytes

    def pack(self) -> bytes:
        """The header's bytes, its CRC last."""
        body = _RECORD.pack(
            _RECORD_MAGIC, 0, self.seq, self.ts, self.raw_bytes, self.stored_bytes, self.chain,
            self.digest,
        )  # fmt: skip
        return body + _CRC.pack(zlib.crc32(body))


class Newest(msgspec.Struct, Generic[T], frozen=True):
    """The newest state that passed every check, None where none did: ``seq`` is then 0.

    ``discarded`` says of each that did not why, in a line.
    """

    seq: int
    state: T | None
    discarded: tuple[str, ...]


class Doubtful(ValueError):  # noqa: N818 - named for the condition
    """A file or a record that is not to be used; the message says why."""


def newest_checkpoint(
    folder: Path,
    key: CheckpointKey,
    decode: Callable[[int, bytes], T],
    *,
    seq: int | None = None,
    ts: int | None = None,
    files: Files = OS_FILES,
) -> Newest[T]:
    """The newest checkpoint at or before ``seq``, or with a session time of at most ``ts``.

    ``decode`` makes the state after an entry of its bytes and raises ``ValueError`` where they are
    none. Raises nothing of its own: what is in doubt is in ``discarded``. One that is ahead of the
    journal (they are not synced together) is passed over without a word.
    """
    try:
        with _opened(folder, files) as handle:
            return _newest(folder, handle, key, decode, _within(seq, ts), files)
    except FileNotFoundError:
        return Newest(0, None, ())
    except (OSError, Doubtful) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return Newest(0, None, (f"{CHECKPOINTS_NAME}: {why}",))


def recorded_states(
    folder: Path, keys: tuple[CheckpointKey, ...], files: Files = OS_FILES
) -> tuple[Record, ...]:
    """The headers of a session's checkpoints, oldest first, as far as they can be read: which state
    had which digest. None where there is no file, or one of none of the keys. Raises nothing; no
    state is read, and whether the journal still has the chain is not looked at.
    """
    found: list[Record] = []
    try:
        with _opened(folder, files) as handle:
            head = files.read(handle, 0, FILE_BYTES)
            if head in [pack_file_header(key) for key in keys]:
                found.extend(record for _, record in records(handle, files))
    except (OSError, Doubtful):
        return tuple(found)
    return tuple(found)


def _within(seq: int | None, ts: int | None) -> Callable[[Record], bool]:
    def within(record: Record) -> bool:
        return (seq is None or record.seq <= seq) and (ts is None or record.ts <= ts)

    return within


def _newest(
    folder: Path,
    handle: int,
    key: CheckpointKey,
    decode: Callable[[int, bytes], T],
    within: Callable[[Record], bool],
    files: Files,
) -> Newest[T]:
    check_key(files.read(handle, 0, FILE_BYTES), key)
    discarded: list[str] = []
    places = list(_places(handle, files, within, discarded))
    base: bytes | None = None
    for offset, record in reversed(places[-TRIES_MAX:]):
        try:
            if base is None:
                base = _raw(handle, *places[0], None, files)
            raw = base if (offset, record) == places[0] else _raw(
                handle, offset, record, base, files
            )  # fmt: skip
            state = decode(record.seq, raw)
            chain = chain_at(folder, record.seq, files)
            if chain is None:
                continue  # ahead of what is acknowledged: of use later, or never
            if chain != record.chain:
                raise Doubtful("the journal has another chain there")
        except (ValueError, OSError, JournalError) as error:
            discarded.append(f"seq {record.seq}: {error}")
            continue
        return Newest(record.seq, state, tuple(discarded))
    return Newest(0, None, tuple(discarded))


def _places(
    handle: int, files: Files, within: Callable[[Record], bool], discarded: list[str]
) -> Iterator[tuple[int, Record]]:
    """Offset and header of each record within the limit, as far as they can be read."""
    try:
        for offset, record in records(handle, files):
            if not within(record):
                return
            yield offset, record
    except Doubtful as error:
        discarded.append(f"{CHECKPOINTS_NAME}: {error}")


# --- the file ------------------------------------------------------------------------------------


def pack_file_header(key: CheckpointKey) -> bytes:
    """The first bytes of a file for this key."""
    body = _FILE.pack(_MAGIC, _VERSION, key.digest)
    return body + _CRC.pack(zlib.crc32(body))


def check_key(data: bytes, key: CheckpointKey) -> None:
    """Raise ``Doubtful`` unless ``data`` is the header of a file for this key."""
    if len(data) < FILE_BYTES or not data.startswith(_MAGIC):
        raise Doubtful("not a file of checkpoints")
    if data != pack_file_header(key):
        raise Doubtful("damaged, or of another session, other code or another schema")


def records(handle: int, files: Files) -> Iterator[tuple[int, Record]]:
    """The offset and the header of each record, by their lengths; their bytes are not looked at.

    Raises ``Doubtful`` where a header is damaged, cut, out of order or beyond the limits.
    """
    size, offset, seq, count = files.size(handle), FILE_BYTES, 0, 0
    while offset < size:
        record = _parse_record(files.read(handle, offset, RECORD_BYTES))
        end = offset + RECORD_BYTES + record.stored_bytes
        count += 1
        if record.seq <= seq or end > size or count > RECORDS_MAX:
            raise Doubtful(f"the record at byte {offset} is cut, out of order or one too many")
        yield offset, record
        offset, seq = end, record.seq


def _parse_record(data: bytes) -> Record:
    body = data[: _RECORD.size]
    if len(data) < RECORD_BYTES or zlib.crc32(body) != _CRC.unpack_from(data, _RECORD.size)[0]:
        raise Doubtful("a record's header is damaged or cut")
    magic, reserved, *fields = _RECORD.unpack(body)
    record = Record(*fields)
    if magic != _RECORD_MAGIC or reserved or max(fields[2:4]) > RAW_BYTES_MAX:
        raise Doubtful("a record's header is none of ours")
    return record


def _raw(
    handle: int, offset: int, record: Record, base: bytes | None, files: Files
) -> bytes:  # fmt: skip
    """The state's bytes of a record. Raises ``Doubtful``, ``OSError``."""
    stored = files.read(handle, offset + RECORD_BYTES, record.stored_bytes)
    return unpack_state(record, stored, base)


def pack_state(raw: bytes, base: zstandard.ZstdCompressionDict | None) -> bytes:
    """A state's bytes as they are stored: against the first record's, or alone."""
    return zstandard.ZstdCompressor(level=_LEVEL, dict_data=base).compress(raw)


def base_of(raw: bytes) -> zstandard.ZstdCompressionDict:
    """The first record's bytes, as what the others are compressed against."""
    base = zstandard.ZstdCompressionDict(raw, dict_type=_RAW_DICT)
    base.precompute_compress(level=_LEVEL)
    return base


def unpack_state(record: Record, stored: bytes, base: bytes | None) -> bytes:
    """The state's bytes again. Raises ``Doubtful`` unless they are exactly those that were stored.

    The frame's own word about its size is read before anything is allocated.
    """
    against = None if base is None else zstandard.ZstdCompressionDict(base, dict_type=_RAW_DICT)
    try:
        if zstandard.frame_content_size(stored) != record.raw_bytes:
            raise Doubtful("its lengths disagree")
        raw = zstandard.ZstdDecompressor(against, max_window_size=_WINDOW_BYTES_MAX).decompress(
            stored, max_output_size=record.raw_bytes, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise Doubtful(f"it does not decompress: {error}") from error
    if hashlib.sha256(raw).digest() != record.digest:
        raise Doubtful("its bytes are not those that were written")
    return raw


@contextmanager
def _opened(folder: Path, files: Files) -> Iterator[int]:
    handle = files.open(folder / CHECKPOINTS_NAME, "read")
    try:
        yield handle
    finally:
        files.close(handle)


class CheckpointFile:
    """The file, open for more. One owner; not thread-safe."""

    def __init__(self, handle: int, files: Files, end: int, base: bytes | None) -> None:
        self._handle = handle
        self._files = files
        self._end = end
        self._base = None if base is None else base_of(base)

    @classmethod
    def open(
        cls, folder: Path, key: CheckpointKey, head_seq: int, files: Files = OS_FILES
    ) -> CheckpointFile:
        """Go on with the file of a session that stands at ``head_seq``, or begin one.

        What does not belong there any more is cut off; a file that is in doubt is replaced.
        Raises ``OSError``.
        """
        path = folder / CHECKPOINTS_NAME
        if CHECKPOINTS_NAME in files.names(folder):
            try:
                return cls._reopened(files.open(path, "edit"), key, head_seq, files)
            except (OSError, Doubtful):
                files.unlink(path)
        handle = files.open(path, "create")
        try:
            files.write(handle, 0, pack_file_header(key))
        except OSError:
            files.close(handle)
            raise
        return cls(handle, files, FILE_BYTES, None)

    @classmethod
    def _reopened(
        cls, handle: int, key: CheckpointKey, head_seq: int, files: Files
    ) -> CheckpointFile:
        try:
            check_key(files.read(handle, 0, FILE_BYTES), key)
            places: list[tuple[int, Record]] = []
            end = FILE_BYTES
            for offset, record in _places(handle, files, lambda r: r.seq <= head_seq, []):
                places.append((offset, record))
                end = offset + RECORD_BYTES + record.stored_bytes
            base = _raw(handle, *places[0], None, files) if places else None
            files.truncate(handle, end)
        except (OSError, Doubtful):
            files.close(handle)
            raise
        return cls(handle, files, end, base)

    def add(self, seq: int, ts: int, chain: bytes, raw: bytes) -> None:
        """Write the state after entry ``seq``. Not synced: it is a cache. Raises ``OSError``."""
        stored = pack_state(raw, self._base)
        digest = hashlib.sha256(raw).digest()
        record = Record(seq, ts, len(raw), len(stored), chain, digest)
        self._files.write(self._handle, self._end, record.pack() + stored)
        self._end += RECORD_BYTES + len(stored)
        if self._base is None:
            self._base = base_of(raw)

    def close(self) -> None:
        self._files.close(self._handle)
