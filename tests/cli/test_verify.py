"""``axiom verify``: what is intact, what is not, and where."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Call, contents


def test_an_intact_session_is_good(axiom: Call, session: Path) -> None:
    """Exit 0 with the keys of the contract; nothing in the folder changes."""
    before = contents(session)
    answer = axiom("verify", session.name, "--json")
    assert answer.code == 0
    document = answer.document
    assert document["ok"] is True
    assert document["problems"] == document["notes"] == []
    assert document["entries"] > 700
    assert document["session"] == session.name
    assert contents(session) == before
    assert "is intact" in axiom("verify", session.name).out


def test_the_head_that_was_kept_elsewhere_is_compared(axiom: Call, session: Path) -> None:
    """The right hash is good in either case; another one is a problem, exit 1."""
    head = axiom("verify", "latest", "--json").document["head_hash"]
    assert axiom("verify", "latest", "--head", head.upper()).code == 0
    answer = axiom("verify", "latest", "--head", "0" * 64, "--json")
    assert answer.code == 1
    assert [p["code"] for p in answer.document["problems"]] == ["HEAD_DIFFERS"]
    assert "64 hex digits" in axiom("verify", "latest", "--head", "abc").refusal


@pytest.mark.parametrize("part", range(8))
def test_canary_one_changed_byte_is_found_and_named(axiom: Call, session: Path, part: int) -> None:
    """A bit turned anywhere in the sealed segment: exit 1, with file and offset."""
    segment = session / "000001.axs"
    data = bytearray(segment.read_bytes())
    data[part * (len(data) - 1) // 7] ^= 1
    segment.write_bytes(data)
    answer = axiom("verify", "latest", "--json")
    assert answer.code == 1
    assert answer.document["ok"] is False
    problem = answer.document["problems"][0]
    assert problem["file"] == "000001.axs"
    assert 0 <= problem["offset"] < len(data)
    assert f"PROBLEM {problem['code']}" in axiom("verify", "latest").out


def test_half_a_file_is_bad(axiom: Call, session: Path) -> None:
    """A sealed segment cut in the middle is no session of that ledger."""
    segment = session / "000001.axs"
    segment.write_bytes(segment.read_bytes()[: segment.stat().st_size // 2])
    answer = axiom("verify", "latest", "--json")
    assert answer.code == 1
    assert "LEDGER_DIFFERS" in [p["code"] for p in answer.document["problems"]]


def test_a_copied_folder_is_intact_with_a_note(axiom: Call, session: Path, tmp_path: Path) -> None:
    """Without its desk's ledger, in a home that knows nothing of it."""
    copy = shutil.copytree(session, tmp_path / "elsewhere" / "of" / session.name)
    answer = axiom("verify", copy, "--home", tmp_path / "empty", "--json")
    assert answer.code == 0
    assert answer.document["problems"] == []
    assert any("ledger" in note for note in answer.document["notes"])


def test_segments_that_went_away_are_bad_and_a_foreign_folder_is_none(
    axiom: Call, session: Path, tmp_path: Path
) -> None:
    """A robbed session is exit 1; a folder that never held one is exit 2."""
    (session / "000001.axs").unlink()
    assert axiom("verify", "latest").code == 1
    (session / "watermark").unlink()
    (session / "manifest.json").unlink(missing_ok=True)
    answer = axiom("verify", "latest", "--json")
    assert (answer.code, answer.document["ok"]) == (1, False)  # the ledger remembers
    assert "holds no journal" in axiom("verify", tmp_path).refusal
