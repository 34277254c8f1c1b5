"""The manifest: what is worth knowing about a session and must not be in its journal.

Lives here: ``Manifest``, its file, the sessions in the order that theirs tell. May import:
session_folder, files, errors. Always holds: nothing derives from it (host, pid and wall time would
make two equal sessions differ); it carries its own digest, so a changed byte shows; it is replaced
as a whole or not at all.
Start reading at ``Manifest``.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from pathlib import Path
from typing import Final

import msgspec

from journal.errors import BadSessionName, JournalCorrupt, write_failure
from journal.files import OS_FILES, Files
from journal.session_folder import parse_session_name

MANIFEST_NAME: Final = "manifest.json"
_PARTIAL_NAME: Final = "manifest.json.tmp"
_SIZE_BYTES_MAX: Final = 1024 * 1024
_UNSAID: Final = (1 << 63) - 1
"""Of a session without a readable manifest it is not known when it began: it counts as newest."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who made a session, where and when. ``created_ts`` is ns UTC by the wall
    clock at creation, and is never rewritten."""

    session: str
    uid: str
    day: str
    mode: str
    program: str
    python: str
    platform: str
    host: str
    pid: int
    created_ts: int


def describe_session(*, session: str, uid: str, day: str, mode: str, program: str) -> Manifest:
    """A manifest of this process and moment; ``program`` is the name and version."""
    return Manifest(
        session,
        uid,
        day,
        mode,
        program,
        platform.python_version(),
        platform.platform(),
        platform.node(),
        os.getpid(),
        time.time_ns(),
    )


def encode_manifest(manifest: Manifest) -> bytes:
    """Its only form: JSON with sorted keys, its digest among them, and a newline."""
    fields = msgspec.structs.asdict(manifest)
    digest = hashlib.sha256(_canonical(fields)).hexdigest()
    return _canonical({**fields, "digest": digest}) + b"\n"


def decode_manifest(data: bytes, path: Path) -> Manifest:
    """Raises ``JournalCorrupt`` for anything but what ``encode_manifest`` gives."""
    try:
        fields = json.loads(data)
        fields.pop("digest")
        manifest = msgspec.convert(fields, Manifest)
    except (ValueError, AttributeError, KeyError, RecursionError, msgspec.MsgspecError) as error:
        raise JournalCorrupt(f"not a manifest: {error}", path=path) from error
    if encode_manifest(manifest) != data:
        raise JournalCorrupt("the manifest was changed", path=path)
    return manifest


def write_manifest(folder: Path, manifest: Manifest, *, files: Files = OS_FILES) -> None:
    """Write or replace the manifest of a session's folder. Raises ``WriteFailed``."""
    partial = folder / _PARTIAL_NAME
    try:
        if _PARTIAL_NAME in files.names(folder):
            files.unlink(partial)
        handle = files.open(partial, "create")
        try:
            files.write(handle, 0, encode_manifest(manifest))
            files.sync(handle)
        finally:
            files.close(handle)
        files.rename(partial, folder / MANIFEST_NAME)
        files.sync_dir(folder)
    except OSError as error:
        raise write_failure("the manifest", error, folder) from error


def read_manifest(folder: Path, *, files: Files = OS_FILES) -> Manifest | None:
    """The manifest, or None when there is none. Raises ``JournalCorrupt``."""
    path = folder / MANIFEST_NAME
    try:
        handle = files.open(path, "read")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalCorrupt(f"does not open: {error.strerror}", path=path) from error
    try:
        return decode_manifest(files.read(handle, 0, _SIZE_BYTES_MAX), path)
    finally:
        files.close(handle)


def sessions_newest_first(parent: Path, mode: str, *, files: Files = OS_FILES) -> list[Path]:
    """The folders of a mode's sessions under ``parent``, the one begun last at the front; whatever
    has no session's name is passed over."""
    try:
        names = files.names(parent)
    except FileNotFoundError:
        return []
    found: list[tuple[int, str]] = []
    for name in names:
        try:
            if parse_session_name(name).mode != mode.lower():
                continue
        except BadSessionName:
            continue
        found.append((_begun_ns(parent / name, files), name))
    return [parent / name for _, name in sorted(found, reverse=True)]


def _begun_ns(folder: Path, files: Files) -> int:
    try:
        manifest = read_manifest(folder, files=files)
    except JournalCorrupt:
        return _UNSAID
    return manifest.created_ts if manifest is not None else _UNSAID


def _canonical(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
