"""projections/packs/compliance.py and journal/verify_pack.py: a pack proves itself, or says not."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.base import Event
from events.envelope import encode_envelope
from events.registry import BY_KIND
from journal.close import close_session
from journal.session_folder import ledger_of, ledger_path, sessions_folder
from journal.verify_pack import Found, NoPackError, compare, main, unpack, verify_pack
from projections.packs.compliance import CompliancePack, _cell, _years_on, write_compliance_pack
from projections.packs.entries import items_of
from projections.packs.files import DamagedError, PackError
from tests.events.samples import sample
from tests.projections.packs.desk import ACCOUNT, ADDRESS, ALGO, NAME, write


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed, sealed session in the ledger of its desk."""
    home = tmp_path_factory.mktemp("home")
    folder = sessions_folder(home, "main") / NAME
    folder.parent.mkdir(parents=True)
    write(folder)
    close_session(folder, ledger_path(home, "main"))
    return folder


@pytest.fixture(scope="module")
def written(closed: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CompliancePack]:
    """Its pack."""
    place = tmp_path_factory.mktemp("out") / "pack"
    return place, write_compliance_pack(closed, place)


@pytest.fixture
def pack(written: tuple[Path, CompliancePack], tmp_path: Path) -> Path:
    """An own copy of the pack."""
    return shutil.copytree(written[0], tmp_path / "pack")


def _orders(pack: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (pack / "orders.jsonl").read_text("utf-8").splitlines()]


def test_the_pack_holds_every_order_with_its_chain(
    closed: Path, written: tuple[Path, CompliancePack]
) -> None:
    """100 % of the orders that the journal tells of, all complete, in both tables."""
    place, told = written
    said = {
        getattr(item.event, "order_id", None)
        for item in items_of(closed)
        if item.envelope.kind in ("OrderChanged", "OrderSendStarted")
    }
    table = (place / "orders.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    assert {one["order_id"] for one in _orders(place)} == {row["order_id"] for row in rows} == said
    assert told.orders == len(rows) >= 6
    assert told.broken == ()
    assert {row["complete"] for row in rows} == {"yes"}
    assert {row["algo_id"] for row in rows} == {ALGO}
    assert {row["address"] for row in rows} == {ADDRESS}
    assert all(row["tag"] == row["authority"] and row["code_digest"] == "c" * 64 for row in rows)


def test_the_pack_proves_itself_alone(written: tuple[Path, CompliancePack], tmp_path: Path) -> None:
    """With nothing of ours on the path, from its own folder, by its own two files."""
    copy = shutil.copytree(written[0], tmp_path / "far")
    environment = {"PATH": os.environ["PATH"], "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "verify.py", ".", "--head", written[1].head_hash],
        cwd=copy, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done
    assert f"OK . compliance of {NAME}" in done.stdout
    assert f"pack {written[1].pack_sha256}" in done.stdout
    assert done.stdout.count("note ") == 1  # of the manifest, which an invented session has not
    assert sorted(path.name for path in copy.iterdir()) == sorted(
        path.name for path in written[0].iterdir()
    )


def test_without_the_decompressor_it_says_what_to_install(pack: Path) -> None:
    """One line, exit 2; nothing is left in the folder."""
    before = sorted(pack.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-S", "verify.py", "."], cwd=pack, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"]}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "cannot look: this Python lacks the package zstandard: run pip install zstandard\n"
    )
    assert sorted(pack.rglob("*")) == before


def test_it_runs_where_a_file_is_opened_otherwise(
    pack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system knows no links to refuse (Windows), both verifiers still look."""
    monkeypatch.delattr(os, "O_NOFOLLOW")
    monkeypatch.delattr(os, "O_NONBLOCK")
    assert verify_pack(pack).problems == []


def test_every_named_entry_is_laid_beside_the_journal(
    written: tuple[Path, CompliancePack],
) -> None:
    """As many proofs as entries are named; the verdict is not of an empty look."""
    named = [
        entry
        for order in _orders(written[0])
        for link in order["links"]
        for entry in (*link["entries"], *(tick["frame"] for tick in link["ticks"]))
    ] + [entry for order in _orders(written[0]) for entry in order["config_changes"]]
    assert any(entry["kind"] == "ConfigChanged" for entry in named)
    found = verify_pack(written[0])
    assert (found.problems, found.proved) == ([], len(named))
    assert len(named) > 10 * written[1].orders


def test_twice_is_the_same_bytes(
    closed: Path, written: tuple[Path, CompliancePack], tmp_path: Path
) -> None:
    """Also from a copy of the session elsewhere; files are 0600, folders 0700."""
    copy = tmp_path / "desks" / "main" / "sessions" / NAME
    shutil.copytree(closed, copy)
    shutil.copy(ledger_of(closed), ledger_of(copy))
    again = write_compliance_pack(copy, tmp_path / "again")
    assert again == written[1]
    for path in (tmp_path / "again").rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600)
        if path.is_file():
            other = written[0] / path.relative_to(tmp_path / "again")
            assert path.read_bytes() == other.read_bytes()


def test_what_to_keep_and_how_long(written: tuple[Path, CompliancePack]) -> None:
    """Five years from the session's day, for each file, known by its digest."""
    kept = json.loads((written[0] / "retention.json").read_text("utf-8"))
    assert (kept["keep_years"], kept["keep_through"]) == (5, "2030-08-29")
    files = {name: digest for row in kept["rows"] for name, digest in row["files"].items()}
    assert {"orders.csv", "orders.jsonl", f"journal/{NAME}/000001.axs"} <= set(files)
    for name, digest in files.items():
        assert hashlib.sha256((written[0] / name).read_bytes()).hexdigest() == digest
    assert _years_on(20280229, 5) == "2033-02-28"


def test_a_broken_chain_is_told(tmp_path: Path) -> None:
    """The canary: a journal that verifies, in which no approval was recorded: each entry is listed
    as broken, with the link; the pack itself is intact, and its verifier repeats it."""
    folder = write(tmp_path / NAME, "ApprovalClosed")
    told = write_compliance_pack(folder, tmp_path / "pack")
    entries = [one for one in _orders(tmp_path / "pack") if one["role"] == "ENTRY"]
    assert {name for name, _ in told.broken} == {one["order_id"] for one in entries}
    assert {missing for _, missing in told.broken} == {("approval",)}
    assert "no ApprovalClosed names the intent" in (tmp_path / "pack/README.txt").read_text("utf-8")
    found = verify_pack(tmp_path / "pack")
    assert found.ok
    assert any("told as broken: approval" in note for note in found.notes)


def _rewritten(pack: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the orders, and put every digest of the pack right."""
    lines = _orders(pack)
    change(lines)
    data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()
    (pack / "orders.jsonl").write_bytes(data)
    whole = json.loads((pack / "pack.json").read_text("utf-8"))
    told = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    whole["files"]["orders.jsonl"] = told
    (pack / "pack.json").write_text(json.dumps(whole), encoding="utf-8")


def _entry(orders: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(
        entry for link in orders[0]["links"] for entry in link["entries"] if entry["kind"] == kind
    )


def _value(orders: list[dict[str, Any]]) -> None:
    _entry(orders, "FillApplied")["values"]["price_paise"] += 5


def _deep_value(orders: list[dict[str, Any]]) -> None:
    _entry(orders, "GatesEvaluated")["values"]["official"][5]["rows"][0]["limit"] = 7


def _time(orders: list[dict[str, Any]]) -> None:
    _entry(orders, "OrderSendStarted")["ts"] -= 1


def _digest(orders: list[dict[str, Any]]) -> None:
    _entry(orders, "IntentApproved")["sha256"] = "0" * 64


def _beyond(orders: list[dict[str, Any]]) -> None:
    _entry(orders, "IntentApproved")["seq"] = 10**9


@pytest.mark.parametrize("change", [_value, _deep_value, _time, _digest, _beyond])
def test_a_changed_order_is_found_though_its_digests_are_right(
    pack: Path, change: Callable[[list[dict[str, Any]]], None]
) -> None:
    """What is shown is laid beside the journal's own entry, value by value."""
    _rewritten(pack, lambda orders: None)
    assert verify_pack(pack).ok
    _rewritten(pack, change)
    (problem,) = verify_pack(pack).problems
    assert problem.startswith(("ENTRY_DIFFERS", "ENTRY_MISSING"))


@pytest.fixture(scope="module")
def named(written: tuple[Path, CompliancePack]) -> list[tuple[dict[str, Any], bytes]]:
    """Every entry that the pack shows with its values, and its bytes in the journal."""
    data = {item.seq: item.data for item in items_of(written[0] / "journal" / NAME)}
    return [
        (entry, data[entry["seq"]])
        for order in _orders(written[0])
        for link in order["links"]
        for entry in link["entries"]
        if entry.get("values")
    ]


@given(data=st.data())
def test_any_changed_value_of_any_entry_is_found(
    named: list[tuple[dict[str, Any], bytes]], data: Any
) -> None:
    """Whichever leaf of whichever entry: one problem, at its place; unchanged it is proved."""
    shown, stored = data.draw(st.sampled_from(named))
    entry = deepcopy(shown)
    found = Found()
    compare(found, "here", entry, stored)
    assert (found.problems, found.proved) == ([], 1)
    holder, key = data.draw(st.sampled_from(list(_leaves(entry["values"]))))
    old = holder[key]
    holder[key] = data.draw(st.sampled_from([None, 1, -7, "x", True, 0.5]))
    if holder[key] == old:  # 1 and True are one value to who reads JSON
        return
    compare(found, "here", entry, stored)
    assert found.problems == ["ENTRY_DIFFERS here: a value is not the journal's"]


def _leaves(value: Any) -> Iterator[tuple[Any, Any]]:
    """(holder, key) of every value that holds no other."""
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(one, dict | list) and one:
            yield from _leaves(one)
        else:
            yield value, key


HOSTILE = (
    "", "null", "[]", "{}", '{"kind": "compliance"}', '{"kind": "incident", "files": {}}',
    '{"kind": "compliance", "files": []}', '{"kind": 7, "files": {}}', "[" * 100_000,
    '{"kind": "compliance", "files": {"a": 1}}', '{"kind": "incident", "files": {"a": null}}',
    '{"kind": "compliance", "files": {}, "journal": "../x", "ledger": null, "orders": "o"}',
    '{"kind": "incident", "files": {}, "entries": "/etc/passwd", "hash_before": null}',
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_pack_is_a_problem_and_no_traceback(tmp_path: Path, text: str) -> None:
    """Whatever stands in ``pack.json``: it is named, nothing outside is read."""
    (tmp_path / "pack.json").write_text(text)
    found = verify_pack(tmp_path)
    assert found.problems
    assert main([str(tmp_path)]) == 1


def test_a_changed_file_is_found(pack: Path) -> None:
    """A byte more in the table, a file gone, a file beside them, a byte of the journal."""
    with (pack / "orders.csv").open("ab") as file:
        file.write(b"x")
    (pack / "README.txt").unlink()
    (pack / "mine.txt").write_text("mine")
    segment = next((pack / "journal" / NAME).glob("*.axs"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    found = verify_pack(pack)
    told = "\n".join(found.problems)
    assert "FILE_CHANGED orders.csv" in told
    assert "FILE_MISSING README.txt" in told
    assert f"FILE_CHANGED journal/{NAME}/{segment.name}" in told
    assert "JOURNAL_CORRUPT" in told
    assert found.notes.count("mine.txt is no part of the pack") == 1


def test_a_head_kept_elsewhere_is_compared(pack: Path) -> None:
    """A pack that was made anew as a whole is found by the head, and by nothing else."""
    assert verify_pack(pack, head="0" * 64).problems[0].startswith("HEAD_DIFFERS")


def test_only_a_whole_intact_session_gets_a_pack(closed: Path, tmp_path: Path) -> None:
    """Damage is an answer, and no pack is made; an open session is refused."""
    copy = shutil.copytree(closed, tmp_path / NAME)
    segment = next(copy.glob("*.axs"))
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    with pytest.raises(DamagedError, match="not as it was written"):
        write_compliance_pack(copy, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()
    with pytest.raises(PackError, match="cannot be made"):
        write_compliance_pack(closed, segment / "below")
    with pytest.raises(NoPackError):
        verify_pack(tmp_path)


def test_a_pack_names_no_file_outside_itself(pack: Path) -> None:
    """A name that leads out of the folder is a problem, and is not followed."""
    whole = json.loads((pack / "pack.json").read_text("utf-8"))
    whole["files"]["../outside"] = {"bytes": 1, "sha256": "0" * 64}
    (pack / "pack.json").write_text(json.dumps(whole), encoding="utf-8")
    said = "PACK_CORRUPT pack.json: '../outside' names no place in the pack"
    assert verify_pack(pack).problems == [said]


def test_the_account_is_in_the_pack(written: tuple[Path, CompliancePack]) -> None:
    """It is for who may see it: nothing is redacted here, and its page says so."""
    assert "account's id" in (written[0] / "README.txt").read_text("utf-8")
    opened: Any = next(iter(items_of(written[0] / "journal" / NAME))).event
    assert opened.account == ACCOUNT


@pytest.mark.parametrize("kind", sorted(BY_KIND))
def test_the_verifier_reads_every_kind(kind: str) -> None:
    """Its own reading of MessagePack gives the values of every sample of every kind."""
    for style in ("full", "bare"):
        event: Event = sample(BY_KIND[kind].struct, style)
        data = encode_envelope(7, kind, 1, 1_756_439_100_000_000_000, 7, event)
        assert unpack(data) == msgspec.msgpack.decode(data)


def test_a_cell_is_never_a_formula() -> None:
    """A broker's word that a spreadsheet would run is shown as text; numbers stay numbers."""
    assert _cell("=1+1") == "'=1+1"
    assert _cell(-5) == "-5"
    assert _cell(["a", "b"]) == "a b"
