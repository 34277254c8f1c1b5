"""Canary secrets, and the search for them in all that the program leaves behind.

Lives here: ``value`` (a secret that stands nowhere else), ``Search`` (is one of them in these
bytes, plain or encoded, whole or only its beginning or its end), ``texts_of`` (every file below a
folder as bytes, and what its format hides: journals, databases, Parquet, compressed files). Always
holds: a file that cannot be read is an error, never an empty one. Start reading at ``Search``.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import duckdb
import numpy as np
import zstandard

from events.envelope import decode_envelope
from events.upcast import current_event
from journal.errors import JournalError
from journal.reader import read_entries

PART = 8
"""So many characters of a secret's beginning, or end, are as bad as the whole."""

CHARS = 32
HEAD = 4
ZSTD, GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"
DATABASE, TABLES = ".duckdb", ".parquet"
ZSTD_BYTES_MAX = 1 << 28


def value(name: str) -> str:
    """The secret of that name: letters and digits, as the broker's are."""
    text = base64.b64encode(hashlib.sha256(f"canary of {name}".encode()).digest()).decode()
    return text.translate(str.maketrans("+/=", "xyz"))[:CHARS]


def forms(part: bytes) -> set[bytes]:
    """How ``part`` may stand in an output: plain, as an address writes it, in hex of either case,
    in base64 at each of its three places."""
    found = {part, quote(part, safe="").encode(), part.hex().encode(), part.hex().upper().encode()}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + part)
        first, last = -(-8 * before // 6), 8 * (before + len(part)) // 6
        found.add(coded[first:last])
    return found


class Search:
    """Looks for secrets, each by its name. A thousand forms in a hundred megabytes: the places
    where the first bytes of any may stand are found by a table over all of them at once."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._forms: dict[bytes, str] = {}
        for name, secret in secrets.items():
            assert len(secret) >= PART, f"{name} is too short to be sought"
            for part in (secret[:PART], secret[-PART:]):
                self._forms.update(dict.fromkeys(forms(part.encode()), name))
        self._by_head: dict[int, list[bytes]] = {}
        for form in self._forms:
            self._by_head.setdefault(int.from_bytes(form[:HEAD], "little"), []).append(form)
        self._heads = np.array(sorted(self._by_head), dtype=np.uint32)
        self._low = np.zeros(1 << 16, dtype=np.bool_)
        self._low[self._heads & 0xFFFF] = True

    def __len__(self) -> int:
        return len(self._forms)

    def names_in(self, data: bytes, allowed: Iterable[str] = ()) -> list[str]:
        """The secrets of which something stands in ``data``, but for those that may."""
        found = {self._forms[form] for form in self._standing(data)}
        return sorted(found - set(allowed))

    def _standing(self, data: bytes) -> Iterator[bytes]:
        """The forms that stand in ``data``."""
        data = data + bytes(2 * HEAD)
        for shift in range(HEAD):
            words = np.frombuffer(data, "<u4", (len(data) - shift) // HEAD, shift)
            likely = np.flatnonzero(self._low[words & 0xFFFF])
            for place in likely[np.isin(words[likely], self._heads)].tolist():
                at = place * HEAD + shift
                heads = self._by_head[int(words[place])]
                yield from (form for form in heads if data.startswith(form, at))


def texts_of(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below ``root``, and once more what is packed in it; the name says where."""
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_dir() and any(path.glob("000001.*")):
            yield f"{name} (journal)", _journal(path)
        if not path.is_file():
            continue
        data = path.read_bytes()
        yield name, data
        if data.startswith(ZSTD):
            reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data))
            yield f"{name} (unpacked)", reader.read(ZSTD_BYTES_MAX)
        elif data.startswith(GZIP):
            yield f"{name} (unpacked)", gzip.decompress(data)
        elif path.suffix in (DATABASE, TABLES):
            yield f"{name} (tables)", _tables(path)


def _journal(folder: Path) -> bytes:
    """The entries as they are kept, and as they are understood."""
    lines: list[bytes] = []
    try:
        for entry in read_entries(folder):
            lines += (bytes(entry.data), repr(current_event(decode_envelope(entry.data))).encode())
    except JournalError as error:
        # What comes before the end that a killed engine left is looked at all the same.
        lines.append(str(error).encode())
    assert lines, f"no entry in {folder}"
    return b"\n".join(lines)


def _tables(path: Path) -> bytes:
    """Every column of every table, as text."""
    lines: list[bytes] = []
    alone = path.suffix == TABLES
    with duckdb.connect(":memory:" if alone else str(path), read_only=not alone) as base:
        queries = [f"FROM read_parquet('{path}')"]
        if not alone:
            found = base.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
            assert found, f"no table in {path}"
            queries = [f'FROM "{schema}"."{table}"' for schema, table in found]
        for query in queries:
            rows = base.execute(f"SELECT COLUMNS(*)::VARCHAR {query}").fetchall()
            lines += ("\t".join(map(str, row)).encode() for row in rows)
    return b"\n".join(lines)
