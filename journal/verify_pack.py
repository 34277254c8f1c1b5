"""A verifier of what ``axiom export --compliance`` and ``--incident`` write, for who has only that.

Lives here: the check of a pack against itself and against the journal in it, and of a bundle
against itself and, where it can be had, its session. May import: the standard library; beside it,
as ``journal_verify.py``, a copy of our journal's verifier, and nothing else of ours. Always holds:
it only reads; every problem has a code and a place; what could not be proved is said.
Run: ``python verify.py FOLDER [--head HASH] [--session FOLDER]``; exit 0 intact, 1 problems, 2
could not look. Start reading at ``verify_pack``.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import importlib.util
import json
import os
import re
import stat
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACK = "pack.json"
PACK_BYTES_MAX = 64 * 1024 * 1024
JOURNAL_VERIFIER = "journal_verify.py"
NAME = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
SEGMENT = re.compile(r"[0-9]{6}\.(axj|axs)")
BYTES_MARK = "base64:"
PROBLEMS_MAX = 100
READ_BYTES = 1024 * 1024


def open_flags() -> int:
    """To read bytes, of no link and no pipe, as far as the system knows these."""
    wanted = ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY")
    flags = os.O_RDONLY
    for name in wanted:
        flags |= getattr(os, name, 0)
    return flags


@dataclass
class Found:
    """What was found. ``proved`` counts the entries that were laid beside the journal, or that
    prove themselves; ``unproved`` those that only the session can prove."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pack: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    proved: int = 0
    unproved: int = 0

    @property
    def ok(self) -> bool:
        return not self.problems

    def problem(self, code: str, place: str, message: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(f"{code} {place}: {message}")


class NoPackError(Exception):
    """There is nothing here that could be looked at."""


def verify_pack(folder: Path, *, head: str | None = None, session: Path | None = None) -> Found:
    """Check a pack or a bundle. ``head`` is the session's head hash (hex) as it was kept elsewhere,
    ``session`` the session's folder, where a bundle is to be proved against it. Raises
    ``NoPackError`` and ``OSError``."""
    found = Found()
    data = _read(folder / PACK, PACK_BYTES_MAX)
    try:
        pack = json.loads(data)
        if not isinstance(pack, dict):
            raise ValueError("no object")
        found.pack = pack
        kind = found.pack["kind"]
        _check_files(found, folder)
        found.digest = hashlib.sha256(data).hexdigest()
        if head is not None and found.pack["head_hash"] is None:
            found.notes.append("the bundle does not tell its session's head: it was not compared")
        elif head is not None and head.lower() != found.pack["head_hash"]:
            found.problem("HEAD_DIFFERS", PACK, f"it says {found.pack['head_hash']}")
        if kind == "compliance":
            _check_compliance(found, folder)
        elif kind == "incident":
            _check_incident(found, folder, session)
        else:
            found.problem("PACK_UNKNOWN", PACK, f"a pack of the kind {kind!r}")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        found.problem("PACK_CORRUPT", PACK, f"not as it was written: {error!r}")
    return found


# -- files ---------------------------------------------------------------------------------------


def _open(path: Path) -> int:
    """A descriptor of a regular file, never of a link or a pipe. Raises ``OSError``."""
    handle = os.open(path, open_flags())
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(f"{path} is no regular file")
    return handle


def _read(path: Path, limit: int) -> bytes:
    try:
        handle = _open(path)
    except FileNotFoundError as error:
        raise NoPackError(f"{path.parent} holds no {PACK}: give the folder of a pack") from error
    with os.fdopen(handle, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise NoPackError(f"{path} is larger than {limit} bytes")
    return data


def _check_files(found: Found, folder: Path) -> None:
    """Each file that the pack names is there with its size and digest; none beside them."""
    files = found.pack["files"]
    for name, told in files.items():
        try:
            size, digest = _digest(_inside(folder, name))
        except ValueError as error:
            found.problem("PACK_CORRUPT", PACK, str(error))
            continue
        except OSError as error:
            found.problem("FILE_MISSING", name, str(error.strerror or error))
            continue
        if (size, digest) != (told["bytes"], told["sha256"]):
            found.problem("FILE_CHANGED", name, "size or SHA-256 is not the one in pack.json")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    for name in sorted(there - set(files) - {PACK}):
        if "__pycache__" not in name:
            found.notes.append(f"{name} is no part of the pack")


def _inside(folder: Path, name: str) -> Path:
    """A place in the pack. Raises ``ValueError`` for a name that leads out of it."""
    if NAME.fullmatch(name) is None or ".." in name.split("/"):
        raise ValueError(f"{name!r} names no place in the pack")
    return folder / name


def _json_lines(folder: Path, name: str) -> Iterator[Any]:
    with os.fdopen(_open(_inside(folder, name)), "rb") as file:
        for line in file:
            yield json.loads(line)


def _digest(path: Path) -> tuple[int, str]:
    total, digest = 0, hashlib.sha256()
    with os.fdopen(_open(path), "rb") as file:
        while data := file.read(READ_BYTES):
            total += len(data)
            digest.update(data)
    return total, digest.hexdigest()


# -- a compliance pack ---------------------------------------------------------------------------


def _check_compliance(found: Found, folder: Path) -> None:
    """The journal verifies, ends as the pack says, and holds each entry that the orders name."""
    pack = found.pack
    journal = _inside(folder, pack["journal"])
    ledger = _inside(folder, pack["ledger"]) if pack["ledger"] else None
    verifier = _journal_verifier(folder)
    if not _check_journal(found, verifier, journal, ledger):
        found.notes.append("the journal is not as it was written: no entry was laid beside it")
        return
    wanted: dict[int, list[dict[str, Any]]] = {}
    for number, order in enumerate(_json_lines(folder, pack["orders"]), 1):
        if not order["complete"]:
            names = ", ".join(order["missing"])
            found.notes.append(f"order {order['order_id']} is told as broken: {names}")
        for shown in _entries_of(order):
            wanted.setdefault(shown["seq"], []).append({**shown, "line": number})
    for seq, data in _walk(verifier, journal):
        for shown in wanted.pop(seq, ()):
            compare(found, f"{pack['orders']} line {shown['line']} seq {seq}", shown, data)
    for seq in sorted(wanted):
        found.problem("ENTRY_MISSING", pack["orders"], f"the journal holds no entry {seq}")


def _journal_verifier(folder: Path) -> Any:
    """Our journal's verifier: beside this file, or in the pack."""
    for place in (Path(__file__).resolve().parent, folder.resolve()):
        path = place / JOURNAL_VERIFIER
        if path.is_file():
            spec = importlib.util.spec_from_file_location("journal_verify", path)
            assert spec is not None and spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules["journal_verify"] = module
            sys.dont_write_bytecode = True
            try:
                spec.loader.exec_module(module)
            except ModuleNotFoundError as error:
                raise NoPackError(
                    f"this Python lacks the package {error.name}: run pip install {error.name}"
                ) from error
            return module
    raise NoPackError(f"{JOURNAL_VERIFIER} is missing: it stands beside verify.py in the pack")


def _check_journal(found: Found, verifier: Any, journal: Path, ledger: Path | None) -> bool:
    """Whether the journal is intact."""
    report = verifier.verify_session(journal, ledger=ledger)
    found.problems += [str(problem) for problem in report.problems]
    found.notes += list(report.notes)
    said = (found.pack["uid"], found.pack["head_seq"], found.pack["head_hash"])
    have = (report.session_uid, report.head_seq, report.head_hash)
    if said != have:
        found.problem("HEAD_DIFFERS", PACK, f"it says {said}, the journal {have}")
    return bool(report.ok)


def _entries_of(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from order["config_changes"]
    for link in order["links"]:
        yield from link["entries"]
        for tick in link["ticks"]:
            yield tick["frame"]


def _walk(verifier: Any, journal: Path) -> Iterator[tuple[int, bytes]]:
    """(seq, bytes) of every entry, of a journal that was verified. A segment that a dying seal left
    twice is read once."""
    names = sorted(path.name for path in journal.iterdir() if SEGMENT.fullmatch(path.name))
    sealed = {name[:6] for name in names if name.endswith(".axs")}
    seq = 0
    for name in names:
        if name.endswith(".axj") and name[:6] in sealed:
            continue
        with os.fdopen(_open(journal / name), "rb") as file:
            offset = 0
            while True:
                try:
                    header = verifier._header_at(file, offset, int(name[:6]), name.endswith(".axs"))
                except verifier.Bad:
                    break  # a torn tail, which the verifier has judged
                if header is None:
                    break
                stored = file.read(header.stored_bytes)
                for data, _ in verifier._entries(verifier._expand(header, stored)):
                    seq += 1
                    yield seq, data
                offset = header.end_offset


def compare(found: Found, place: str, shown: dict[str, Any], data: bytes) -> None:
    """What is shown of an entry against its bytes: head, digest, and each value."""
    if hashlib.sha256(data).hexdigest() != shown["sha256"]:
        found.problem("ENTRY_DIFFERS", place, "its SHA-256 is not that of the journal's entry")
        return
    seq, kind, version, ts, cause, payload = unpack(data)
    head = (shown["seq"], shown["kind"], shown["version"], shown["ts"], shown["cause"])
    if head != (seq, kind, version, ts, cause):
        found.problem("ENTRY_DIFFERS", place, "seq, kind, version, ts or cause is another")
    elif "values" in shown and not shown.get("upcast") and plain(shown["values"]) != payload:
        found.problem("ENTRY_DIFFERS", place, "a value is not the journal's")
    else:
        found.proved += 1


# -- an incident bundle --------------------------------------------------------------------------


def _check_incident(found: Found, folder: Path, session: Path | None) -> None:
    """Entries that stand here whole prove themselves by their hashes; all of them, and that what
    was taken out is as it says, against the session."""
    lines = list(_json_lines(folder, found.pack["entries"]))
    before: str | None = found.pack["hash_before"]
    for place, line in enumerate(lines):
        expected = found.pack["first_seq"] + place
        if line["seq"] != expected:
            found.problem("ENTRY_MISSING", f"seq {expected}", f"seq {line['seq']} stands there")
            return
        _check_line(found, line, before)
        before = line["hash"]
    if lines and lines[-1]["seq"] != found.pack["last_seq"]:
        found.problem("ENTRY_MISSING", PACK, f"the last should be {found.pack['last_seq']}")
    if session is not None:
        _check_against(found, folder, lines, session)


def _check_line(found: Found, line: dict[str, Any], before: str | None) -> None:
    place = f"seq {line['seq']}"
    if line["data"] is None:
        found.unproved += 1
        return
    data = base64.b64decode(line["data"], validate=True)
    head = (line["seq"], line["kind"], line["version"], line["ts"], line["cause"])
    *told, payload = unpack(data)
    if tuple(told) != head or not (line["upcast"] or plain(line["values"]) == payload):
        found.problem("ENTRY_DIFFERS", place, "what is shown is not what its bytes say")
    elif line["sha256"] != hashlib.sha256(data).hexdigest():
        found.problem("ENTRY_DIFFERS", place, "its SHA-256 is another")
    elif before is None or line["hash"] is None:
        found.unproved += 1
    elif hashlib.sha256(bytes.fromhex(before) + data).hexdigest() == line["hash"]:
        found.proved += 1
    else:
        found.problem("CHAIN_BROKEN", place, "its bytes do not lead from hash to hash")


def _check_against(found: Found, folder: Path, lines: list[dict[str, Any]], session: Path) -> None:
    """The session verifies, and each entry is the one that stands in it."""
    verifier = _journal_verifier(folder)
    report = verifier.verify_session(session, ledger=None)
    found.problems += [str(problem) for problem in report.problems]
    if report.session_uid != found.pack["uid"]:
        found.problem("HEAD_DIFFERS", PACK, f"a bundle of {found.pack['uid']}")
        return
    if not report.ok:
        found.notes.append("the session is not as it was written: nothing was laid beside it")
        return
    wanted = {line["seq"]: line for line in lines}
    chain, found.proved, found.unproved = bytes(32), 0, 0
    for seq, data in _walk(verifier, session):
        chain = hashlib.sha256(chain + data).digest()
        if seq == found.pack["head_seq"] and found.pack["head_hash"] not in (None, chain.hex()):
            found.problem("HEAD_DIFFERS", PACK, "the session had another hash there")
        line = wanted.pop(seq, None)
        if line is not None:
            _compare_redacted(found, line, data, chain.hex())
    for seq in sorted(wanted):
        found.problem("ENTRY_MISSING", f"seq {seq}", "the session has no such entry")


def _compare_redacted(found: Found, line: dict[str, Any], data: bytes, chain: str) -> None:
    place = f"seq {line['seq']}"
    *head, payload = unpack(data)
    if head != [line["seq"], line["kind"], line["version"], line["ts"], line["cause"]]:
        found.problem("ENTRY_DIFFERS", place, "seq, kind, version, ts or cause is another")
    elif line["hash"] not in (None, chain):
        found.problem("CHAIN_BROKEN", place, "the session's chain has another hash here")
    elif line["data"] is not None and base64.b64decode(line["data"]) != data:
        found.problem("ENTRY_DIFFERS", place, "other bytes stand in the session")
    elif (
        line["values"] is not None
        and not line["upcast"]
        and not _fits(plain(line["values"]), payload, line["redacted"], ())
    ):
        found.problem("ENTRY_DIFFERS", place, "a value that was left is not the session's")
    else:
        found.proved += 1


def _fits(shown: Any, true: Any, redacted: list[dict[str, Any]], path: tuple[int, ...]) -> bool:
    """Whether values agree wherever nothing was taken out."""
    if any(tuple(one["place"]) == path for one in redacted):
        return True
    if isinstance(shown, list) and isinstance(true, list):
        return len(shown) == len(true) and all(
            _fits(one, other, redacted, (*path, place))
            for place, (one, other) in enumerate(zip(shown, true, strict=True))
        )
    return bool(shown == true)


# -- values --------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """Shown values as an entry holds them: objects as their values in order, bytes as bytes."""
    if isinstance(value, dict):
        return [plain(one) for one in value.values()]
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, str) and value.startswith(BYTES_MARK):
        return base64.b64decode(value[len(BYTES_MARK) :], validate=True)
    return value


def unpack(data: bytes) -> Any:
    """One MessagePack value. Raises ``ValueError`` for anything else, or for bytes behind it."""
    try:
        value, at = _value(data, 0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError(f"not MessagePack: {error}") from error
    if at != len(data):
        raise ValueError("bytes behind the value")
    return value


NUMBERS = {
    0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
    0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
}  # fmt: skip
CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}
SIZES = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4}


def _value(data: bytes, at: int) -> tuple[Any, int]:
    first = data[at]
    at += 1
    if first < 0x80:
        return first, at
    if first >= 0xE0:
        return first - 0x100, at
    if first in CONSTANTS:
        return CONSTANTS[first], at
    if first in NUMBERS:
        layout = NUMBERS[first]
        (number,) = struct.unpack_from(layout, data, at)
        return number, at + struct.calcsize(layout)
    if first & 0xE0 == 0xA0:
        return _taken(data, at, first & 0x1F)
    if first & 0xF0 == 0x90:
        return _list(data, at, first & 0x0F)
    size = SIZES.get(first)
    if size is None:
        raise ValueError(f"a value that no entry holds begins with {first:#x}")
    count = int.from_bytes(data[at : at + size], "big")
    at += size
    if first >= 0xDC:
        return _list(data, at, count)
    return _taken(data, at, count, text=first >= 0xD9)


def _taken(data: bytes, at: int, count: int, *, text: bool = True) -> tuple[str | bytes, int]:
    taken = data[at : at + count]
    if len(taken) < count:
        raise ValueError("it ends inside a value")
    return (taken.decode("utf-8") if text else taken), at + count


def _list(data: bytes, at: int, count: int) -> tuple[list[Any], int]:
    values: list[Any] = []
    for _ in range(count):
        value, at = _value(data, at)
        values.append(value)
    return values, at


# -- the program ---------------------------------------------------------------------------------


def _tell(found: Found, folder: Path) -> None:
    pack = found.pack
    lines = [f"PROBLEM {one}" for one in found.problems] + [f"note {one}" for one in found.notes]
    kind, session = pack.get("kind", "?"), pack.get("session", "?")
    lines.append(
        f"{'OK' if found.ok else 'BAD'} {folder} {kind} of {session}: {found.proved} entries "
        f"proved, {found.unproved} provable by the session alone, head {pack.get('head_hash')}"
    )
    lines.append(f"pack {found.digest}")
    sys.stdout.write("\n".join(lines) + "\n")


def main(arguments: Sequence[str]) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Verify a compliance pack or an incident bundle.")
    parser.add_argument("folder", type=Path, help="the pack's folder, . for this one")
    parser.add_argument("--head", help="the session's head hash that you kept elsewhere (hex)")
    parser.add_argument("--session", type=Path, help="of a bundle: the session it was taken from")
    options = parser.parse_args(arguments)
    try:
        found = verify_pack(options.folder, head=options.head, session=options.session)
    except (NoPackError, OSError) as error:
        sys.stderr.write(f"cannot look: {error}\n")
        return 2
    _tell(found, options.folder)
    return 0 if found.ok else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
