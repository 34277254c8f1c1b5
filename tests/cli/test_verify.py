"""``axiom verify``: what is intact, what is not, and where."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from journal.close import close_session
from tests.cli.conftest import Call, contents
from tests.journal.journals import build, make_groups


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


def test_a_session_that_is_gone_is_named_wherever_one_asks(axiom: Call, session: Path) -> None:
    """A second session whose folder is taken away is a problem of its own id, of the session beside
    it, and of the desk; with it back all three are good."""
    desk = session.parent.parent
    other = f"2026-11-21-backtest-{'a' * 12}"
    build(session.parent / other, [make_groups([2, 1])], uid="a" * 12)
    close_session(session.parent / other, desk / "ledger.axl")
    asked = (session.name, other, str(desk))
    assert [axiom("verify", name).code for name in asked] == [0, 0, 0]
    shutil.rmtree(session.parent / other)
    for name in asked:
        answer = axiom("verify", name, "--json")
        assert (answer.code, answer.document["ok"]) == (1, False)
        (problem,) = answer.document["problems"]
        assert problem["code"] == "SESSION_MISSING"
        assert (other in problem["message"], problem["file"]) == (True, "ledger.axl")
    words = [axiom("verify", name).out for name in asked]
    assert f"{session.name} is intact, its desk is NOT" in words[0]
    assert f"{other} is MISSING" in words[1]
    assert "desk main is NOT intact: 1 of 1 sessions intact, 2 in the ledger" in words[2]


def test_a_desk_has_a_head_of_its_own(axiom: Call, session: Path) -> None:
    """A desk's folder is checked whole: damage in a session is named with its session, and the
    hash of any of the ledger's records is a head that can be kept elsewhere."""
    desk = session.parent.parent
    whole = axiom("verify", desk, "--json").document
    assert (whole["ok"], whole["records"], len(whole["sessions"])) == (True, 1, 1)
    assert whole["entries"] == whole["sessions"][0]["entries"] > 700
    assert axiom("verify", desk, "--head", whole["head_hash"].upper()).code == 0
    other = axiom("verify", desk, "--head", "0" * 64, "--json")
    assert [problem["code"] for problem in other.document["problems"]] == ["HEAD_DIFFERS"]
    assert other.code == 1
    segment = session / "000001.axs"
    segment.write_bytes(segment.read_bytes()[:-1])
    bad = axiom("verify", desk, "--json")
    assert bad.code == 1
    assert bad.document["problems"][0]["file"] == f"{session.name}/000001.axs"
    assert "1 in the ledger" in axiom("verify", desk).out


def test_a_ledger_that_was_cut_shows_against_its_head(axiom: Call, session: Path) -> None:
    """Without its last record the ledger is a shorter, intact one: a note says that the session has
    no record, and the head that was kept says that one is gone."""
    ledger = session.parent.parent / "ledger.axl"
    head = axiom("verify", session.parent.parent, "--json").document["head_hash"]
    ledger.write_bytes(b"")
    alone = axiom("verify", session.name, "--json")
    assert (alone.code, alone.document["notes"]) == (
        0,
        ["the ledger has no record of this session"],
    )
    kept = axiom("verify", session.parent.parent, "--head", head, "--json")
    assert [problem["code"] for problem in kept.document["problems"]] == ["HEAD_DIFFERS"]


def test_a_missing_manifest_is_a_note(axiom: Call, session: Path) -> None:
    """It proves nothing, so it is no problem; that it is gone is said."""
    (session / "manifest.json").unlink()
    answer = axiom("verify", "latest", "--json")
    assert (answer.code, answer.document["problems"]) == (0, [])
    assert any("no manifest" in note for note in answer.document["notes"])
