"""projections/packs/incident.py: a window leaves without what may not, and proves what it can."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from events import governance, session
from events.base import Event
from events.envelope import decode_envelope
from journal.verify_pack import verify_pack
from journal.writer import JournalWriter
from projections.packs.entries import items_of
from projections.packs.files import PackError
from projections.packs.incident import BLIND_BYTES, Window, write_incident_bundle
from tests.projections.packs.desk import ACCOUNT, ADDRESS, APPROVER, NAME, UID, AtABroker

TOKEN = "s3cr3ttoken99"
SECOND = 1_000_000_000


class WithIncident(AtABroker):
    """A session in which something went wrong, and people wrote too much."""

    def _desk(self) -> Iterator[Event]:
        yield from super()._desk()
        evidence = (session.Setting("fault", f"access_token={TOKEN} refused from {ADDRESS}"),)
        yield governance.IncidentRaised("I1", "BROKER_UNREACHABLE", 1, "books", evidence)
        yield session.OperatorCommand(
            "ACK", APPROVER, f"{ACCOUNT} called, ask ravi@example.com", "I1", None, "c9", "SOCKET"
        )
        yield self._frame()
        yield governance.IncidentResolved("I1", "BROKER_UNREACHABLE", "books", APPROVER)
        yield self._frame()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That session, closed."""
    place = tmp_path_factory.mktemp("desk") / NAME
    with JournalWriter.create(place, UID) as writer:
        for group in WithIncident(cycles=30).groups():
            writer.append(group)
    return place


@pytest.fixture(scope="module")
def bundle(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of its incident, half a minute each way."""
    place = tmp_path_factory.mktemp("out") / "bundle"
    write_incident_bundle(folder, place, Window(incident_id="I1", around_ns=30 * SECOND))
    return place


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bundle, tmp_path / "bundle")


def _lines(place: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (place / "entries.jsonl").read_text("utf-8").splitlines()]


def _pack(place: Path) -> dict[str, Any]:
    whole: dict[str, Any] = json.loads((place / "pack.json").read_text("utf-8"))
    return whole


def test_the_window_is_around_the_incident_and_whole(folder: Path, bundle: Path) -> None:
    """Every entry of half a minute before and after, in groups, none beside them."""
    told = _pack(bundle)
    raised = next(item for item in items_of(folder) if item.envelope.kind == "IncidentRaised")
    at = raised.envelope.ts
    inside = [item.seq for item in items_of(folder) if abs(item.envelope.ts - at) <= 30 * SECOND]
    assert [line["seq"] for line in _lines(bundle)] == inside
    assert (told["first_seq"], told["last_seq"]) == (inside[0], inside[-1])
    assert told["incident"]["code"] == "BROKER_UNREACHABLE"
    assert told["incident"]["raised_seq"] == raised.seq
    assert told["incident"]["resolved_seq"] > raised.seq
    assert all(line["cause"] >= inside[0] for line in _lines(bundle))


def test_nothing_that_may_not_leave_is_in_any_file(bundle: Path) -> None:
    """Account, address, people, token, mail: in no file, as text or inside the entries' bytes."""
    lines = _lines(bundle)
    raw = b"".join(base64.b64decode(line["data"]) for line in lines if line["data"])
    files = b"".join(path.read_bytes() for path in bundle.rglob("*") if path.is_file())
    for word in (ACCOUNT, ADDRESS, APPROVER, TOKEN, "ravi@example.com"):
        assert word.encode() not in raw + files, word
    listed = json.loads((bundle / "redactions.json").read_text("utf-8"))
    assert {one["what"] for one in listed["redacted"]} == {
        "account", "address", "person", "secret",
    }  # fmt: skip
    changed = sum(len(line["redacted"]) for line in lines)
    assert changed == sum(one["times"] for one in listed["redacted"]) > 0
    assert all(line["data"] is None for line in lines if line["redacted"])


def test_the_bundle_proves_itself_alone(bundle: Path, tmp_path: Path) -> None:
    """With Python alone, no decompressor and nothing of ours: most entries prove their place."""
    copy = shutil.copytree(bundle, tmp_path / "far")
    done = subprocess.run(
        [sys.executable, "-S", "verify.py", "."],
        cwd=copy, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done
    assert f"OK . incident of {NAME}" in done.stdout
    found = verify_pack(copy)
    lines = _lines(copy)
    whole = len([line for line in lines if line["data"]])
    assert found.proved + found.unproved == len(lines)
    assert 0 < found.proved < whole


def test_the_session_proves_every_entry(folder: Path, bundle: Path) -> None:
    """Beside the session all of them are proved, what is left of the redacted ones too."""
    shutil.copy(bundle / "verify.py", bundle.parent / "alone.py")
    found = verify_pack(bundle, session=folder)
    assert (found.problems, found.unproved) == ([], 0)
    assert found.proved == len(_lines(bundle))


def _guessable(place: Path, session_lines: dict[int, bytes]) -> list[int]:
    """Redacted entries between two hashes that are told, with nothing hidden between but them."""
    told = _pack(place)
    lines = _lines(place)
    hashes = [told["hash_before"], *(line["hash"] for line in lines)]
    if told["last_seq"] == told["head_seq"]:
        hashes[-1] = hashes[-1] or told["head_hash"]
    known = [at for at, one in enumerate(hashes) if one is not None]
    found = []
    for begin, end in pairwise(known):
        between = lines[begin:end]
        blind = any(
            line["omitted"] == "frame" and len(session_lines[line["seq"]]) >= BLIND_BYTES
            for line in between
        )
        if not blind:
            found += [line["seq"] for line in between if line["redacted"]]
    return found


@pytest.mark.parametrize("frames", [False, True], ids=["without", "with frames"])
@pytest.mark.parametrize("last_s", [0, 5, 60, 10_000])
def test_no_redacted_entry_can_be_guessed_from_its_hashes(
    folder: Path, tmp_path: Path, frames: bool, last_s: int
) -> None:
    """Between two hashes that are told, a redacted entry never stands without a hidden frame; over
    windows of the whole session and of its end, where the head is a hash as well."""
    data = {item.seq: item.data for item in items_of(folder)}
    end = decode_envelope(data[max(data)]).ts
    place = tmp_path / "bundle"
    write_incident_bundle(folder, place, Window(from_ts=end - last_s * SECOND), frames=frames)
    assert _guessable(place, data) == []
    assert verify_pack(place).ok
    assert verify_pack(place, session=folder).problems == []


def test_the_guess_would_be_possible_with_all_hashes(folder: Path, bundle: Path) -> None:
    """Canary of that: with the hashes that are kept back, an account is found by trying."""
    target = next(item for item in items_of(folder) if item.envelope.kind == "AuthStatus")
    line = next(line for line in _lines(bundle) if line["seq"] == target.seq)
    assert line["hash"] is None
    chain = bytes(32)
    for item in items_of(folder):
        before, chain = chain, hashlib.sha256(chain + item.data).digest()
        if item.seq == target.seq:
            break
    blank = target.data.replace(ACCOUNT.encode(), b"%s")
    tried = (f"AB{number:04d}".encode() for number in range(10_000))
    hits = [one for one in tried if hashlib.sha256(before + blank % one).digest() == chain]
    assert hits == [ACCOUNT.encode()]


def test_frames_go_along_where_asked(folder: Path, tmp_path: Path) -> None:
    """With their bytes, as they stand in the journal."""
    window = Window(incident_id="I1", around_ns=30 * SECOND)
    write_incident_bundle(folder, tmp_path / "b", window, frames=True)
    frames = [line for line in _lines(tmp_path / "b") if line["kind"] == "FeedFrame"]
    data = {item.seq: item.data for item in items_of(folder)}
    assert frames
    assert all(base64.b64decode(line["data"]) == data[line["seq"]] for line in frames)


def test_twice_is_the_same_bytes(folder: Path, bundle: Path, tmp_path: Path) -> None:
    """The same window of the same session."""
    write_incident_bundle(
        folder, tmp_path / "again", Window(incident_id="I1", around_ns=30 * SECOND)
    )
    for path in bundle.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def _sealed(place: Path, lines: list[dict[str, Any]]) -> None:
    """Write changed lines, and put every digest right."""
    data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    (place / "entries.jsonl").write_bytes(data)
    whole = _pack(place)
    whole["files"]["entries.jsonl"] = {
        "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    (place / "pack.json").write_text(json.dumps(whole), encoding="utf-8")


def _proved(lines: list[dict[str, Any]]) -> int:
    """The place of a line that proves itself."""
    return next(
        at for at, (one, two) in enumerate(pairwise(lines), 1)
        if one["hash"] and two["hash"] and two["data"] and two["kind"] == "GatesEvaluated"
    )  # fmt: skip


def _value(lines: list[dict[str, Any]]) -> None:
    lines[_proved(lines)]["values"]["cycle"] += 1


def _bytes(lines: list[dict[str, Any]]) -> None:
    """An entry's bytes, its values and its SHA-256 all changed: only the chain tells."""
    line = lines[_proved(lines)]
    data = bytearray(base64.b64decode(line["data"]))
    at = data.index(b"NIFTY")
    data[at : at + 5] = b"NIFTX"
    line["data"] = base64.b64encode(data).decode()
    line["values"]["underlying"] = line["values"]["underlying"].replace("NIFTY", "NIFTX")
    line["sha256"] = hashlib.sha256(data).hexdigest()


def _drop(lines: list[dict[str, Any]]) -> None:
    del lines[_proved(lines)]


def _cut(lines: list[dict[str, Any]]) -> None:
    del lines[-1]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (_value, "ENTRY_DIFFERS"),
        (_bytes, "CHAIN_BROKEN"),
        (_drop, "ENTRY_MISSING"),
        (_cut, "ENTRY_MISSING"),
    ],
)
def test_a_changed_line_is_found(
    copy: Path, change: Callable[[list[dict[str, Any]]], None], code: str
) -> None:
    """Though every digest of the bundle was put right."""
    lines = _lines(copy)
    _sealed(copy, lines)
    assert verify_pack(copy).ok
    change(lines)
    _sealed(copy, lines)
    assert verify_pack(copy).problems[0].startswith(code)


def test_a_changed_value_beside_a_redacted_one_needs_the_session(folder: Path, copy: Path) -> None:
    """What a redacted entry still says cannot prove itself: only the session tells."""
    lines = _lines(copy)
    line = next(line for line in lines if line["kind"] == "OperatorCommand")
    line["values"]["verb"] = "HALT"
    _sealed(copy, lines)
    assert verify_pack(copy).ok
    (problem,) = verify_pack(copy, session=folder).problems
    assert problem.startswith(f"ENTRY_DIFFERS seq {line['seq']}")


def test_what_is_not_there_is_one_line(folder: Path, tmp_path: Path) -> None:
    """An incident that nobody raised, a window without an entry; nothing is made."""
    with pytest.raises(PackError, match="no incident I7"):
        write_incident_bundle(folder, tmp_path / "b", Window(incident_id="I7"))
    with pytest.raises(PackError, match="no entry of"):
        write_incident_bundle(folder, tmp_path / "b", Window(to_ts=5))
    assert not (tmp_path / "b").exists()
