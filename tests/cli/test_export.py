"""``axiom export``: Parquet of every contract, into a folder that holds nothing else."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from journal.verify_pack import verify_pack
from journal.writer import JournalWriter
from tests.cli.conftest import Call, contents, only_session
from tests.projections.packs.desk import NAME, UID, AtABroker, write


def test_every_contract_is_written(axiom: Call, built: Path, tmp_path: Path) -> None:
    """Ticks, bars, decisions and gates among them; rows and digest are those of the files."""
    answer = axiom("export", "latest", "--to", tmp_path / "out" / "day", "--json")
    assert answer.code == 0
    files = {row["contract"]: row for row in answer.document["files"]}
    assert {"ticks", "bars", "decisions", "gates"} <= set(files)
    for row in files.values():
        path = Path(row["file"])
        assert pq.read_metadata(path).num_rows == row["rows"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == row["sha256"]
    assert files["decisions"]["rows"] == 192
    assert len(list((tmp_path / "out" / "day").iterdir())) == len(files)


def test_a_copied_session_exports_the_same_bytes(axiom: Call, built: Path, tmp_path: Path) -> None:
    """From its folder alone, with its projection built anew."""
    copy = shutil.copytree(built, tmp_path / "copy" / built.name)
    shutil.rmtree(copy / "published")
    assert axiom("export", built, "--to", tmp_path / "a").code == 0
    assert axiom("export", copy, "--to", tmp_path / "b", "--home", tmp_path / "none").code == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize(
    ("there", "said"),
    [("file in it", "is not empty"), ("file", "is not a folder"), ("link", "is not a folder")],
)
def test_a_target_in_use_is_refused(
    axiom: Call, built: Path, tmp_path: Path, there: str, said: str
) -> None:
    """One line, exit 2; what was there is there."""
    target = tmp_path / "target"
    if there == "file in it":
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    elif there == "file":
        target.write_text("mine")
    else:
        target.symlink_to(tmp_path / "nowhere")
    before = contents(tmp_path)
    assert said in axiom("export", "latest", "--to", target).refusal
    assert contents(tmp_path) == before


def test_a_target_that_cannot_be_made_is_refused(axiom: Call, built: Path, tmp_path: Path) -> None:
    """A folder below a file is no place."""
    (tmp_path / "file").touch()
    assert axiom("export", "latest", "--to", tmp_path / "file" / "below").refusal


def test_a_compliance_pack_proves_itself(axiom: Call, session: Path, tmp_path: Path) -> None:
    """Every order complete, exit 0; the pack's verifier agrees; no Parquet is beside it."""
    answer = axiom("export", "latest", "--to", tmp_path / "pack", "--compliance", "--json")
    assert (answer.code, answer.err) == (0, "")
    told = answer.document
    assert told["session"] == session.name
    assert told["orders"] == told["complete"] == len(orders_of(tmp_path / "pack")) > 0
    assert told["broken"] == []
    assert all(Path(row["file"]).is_file() for row in told["files"])
    assert not list((tmp_path / "pack").rglob("*.parquet"))
    found = verify_pack(tmp_path / "pack", head=told["head_hash"])
    assert (found.problems, found.digest) == ([], told["pack_sha256"])
    assert found.proved > 0
    text = axiom("export", "latest", "--to", tmp_path / "again", "--compliance")
    assert f"{told['orders']} of {told['orders']} orders with an unbroken chain" in text.out
    assert contents(tmp_path / "again") == contents(tmp_path / "pack")


def test_a_broken_chain_is_a_bad_answer(axiom: Call, home: Path, tmp_path: Path) -> None:
    """Exit 1 with the order and its missing link; the pack is there for who must look into it."""
    folder = write(only_session(home).parent / NAME, "RegimeAssessed")
    answer = axiom("export", folder, "--to", tmp_path / "pack", "--compliance", "--json")
    assert answer.code == 1
    assert answer.document["broken"]
    assert {"regime"} == {name for one in answer.document["broken"] for name in one["missing"]}
    assert answer.document["complete"] < answer.document["orders"]
    assert "BROKEN" in axiom("export", folder, "--to", tmp_path / "b", "--compliance").out


def test_an_open_or_damaged_session_gets_no_pack(
    axiom: Call, session: Path, tmp_path: Path
) -> None:
    """Damage is exit 1, an unfinished session exit 2, each one line; nothing is made."""
    unfinished = tmp_path / "open" / NAME
    with JournalWriter.create(unfinished, UID) as writer:
        for group in AtABroker(cycles=2).groups():
            writer.append(group)
        assert writer.wait_durable(writer.head_seq)
        said = axiom("export", unfinished, "--to", tmp_path / "pack", "--compliance").refusal
    assert "is not closed" in said
    segment = next(session.glob("*.axs"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert axiom("export", session, "--to", tmp_path / "pack", "--compliance").damage
    assert not (tmp_path / "pack").exists()


def test_a_window_proves_itself(axiom: Call, session: Path, tmp_path: Path) -> None:
    """Half a minute of the session, redacted; its verifier agrees, alone and beside the session."""
    begin, end = "09:16:00", "09:16:30"
    words = ("export", "latest", "--from", begin, "--until", end)
    answer = axiom(*words, "--to", tmp_path / "w", "--json")
    assert (answer.code, answer.err) == (0, "")
    told = answer.document
    assert told["entries"] == told["last_seq"] - told["first_seq"] + 1 > 10
    found = verify_pack(tmp_path / "w", session=session)
    assert (found.problems, found.proved) == ([], told["entries"])
    assert found.digest == told["pack_sha256"]
    lines = (tmp_path / "w" / "entries.jsonl").read_text("utf-8").splitlines()
    times = [json.loads(line)["ts_ist"][11:19] for line in lines]
    assert (min(times), max(times)) >= (begin, begin)
    assert max(times) <= end
    text = axiom(*words, "--to", tmp_path / "t", "--frames")
    assert f"{told['entries']} entries, seq {told['first_seq']}" in text.out


def test_the_old_files_are_written(axiom: Call, session: Path, tmp_path: Path) -> None:
    """Four files and a note; as many rows as the document says, one a decision."""
    answer = axiom("export", "latest", "--to", tmp_path / "old", "--legacy", "--json")
    assert (answer.code, answer.err) == (0, "")
    told = {Path(one["file"]).name: one["rows"] for one in answer.document["files"]}
    assert told == {
        "gate_status.jsonl": 192, "blocked_candidates.jsonl": told["blocked_candidates.jsonl"],
        "incidents.jsonl": 0, "sla_check.json": 1, "LEGACY.txt": None,
    }  # fmt: skip
    for name in ("gate_status.jsonl", "blocked_candidates.jsonl"):
        assert len((tmp_path / "old" / name).read_text("utf-8").splitlines()) == told[name] > 0
    assert "LEGACY.txt" in axiom("export", session, "--to", tmp_path / "b", "--legacy").out


def test_a_window_has_what_is_asked_or_one_line(axiom: Call, session: Path, tmp_path: Path) -> None:
    """No such incident, no such time, two kinds at once: exit 2, and nothing is made."""
    asked = {
        "no incident I9": ("--incident", "I9"),
        "is not a time": ("--from", "noon"),
        "is not a length of time": ("--incident", "I1", "--around", "soon"),
        "no entry of": ("--from", "23:00"),
        "not both": ("--incident", "I1", "--until", "10:00"),
        "--compliance and a window are two exports": ("--compliance", "--from", "10:00"),
        "--compliance and --legacy are two exports": ("--compliance", "--legacy"),
        "--frames goes with": ("--frames",),
    }
    for said, words in asked.items():
        assert said in axiom("export", session, "--to", tmp_path / "w", *words).refusal
    assert not (tmp_path / "w").exists()


def orders_of(pack: Path) -> list[str]:
    """The lines of a pack's orders."""
    return (pack / "orders.jsonl").read_text("utf-8").splitlines()
