"""``axiom sessions``: every state that a session can be left in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cli.recorded import first_fact, state_and_end
from journal.writer import JournalWriter
from tests.cli.conftest import Call, contents
from tests.engine.fabricated import small_run

KEYS = ["session", "desk", "mode", "day", "state", "entries", "head_hash"]
UID = "0123456789ab"


def begin(folder: Path) -> JournalWriter:
    """A session that is being written: the first facts, durable."""
    folder.mkdir(mode=0o700)
    writer = JournalWriter.create(folder, UID)
    for group in small_run().groups[:6]:
        last = writer.append([group.fact_data, *group.datas])
    assert writer.wait_durable(last, 30)
    return writer


def test_a_list_has_the_keys_of_the_contract(axiom: Call, home: Path, session: Path) -> None:
    """One object a session, in order of beginning; the head hash is the one that verify finds."""
    answer = axiom("sessions", "--json")
    assert answer.code == 0
    (row,) = answer.document
    assert list(row) == KEYS
    verified = axiom("verify", "latest", "--json").document
    assert (row["entries"], row["head_hash"]) == (verified["entries"], verified["head_hash"])
    assert (row["session"], row["desk"], row["state"]) == (session.name, "main", "sealed")
    assert (row["mode"], row["day"]) == ("BACKTEST", "2026-11-20")


def test_an_empty_desk_is_an_empty_list(axiom: Call, home: Path) -> None:
    """Nothing on standard output but the document; for people a word on what to do."""
    assert axiom("sessions", "--desk", "two", "--json").document == []
    answer = axiom("sessions", "--desk", "two")
    assert (answer.code, answer.out) == (0, "")
    assert "axiom demo" in answer.err


def test_running_open_and_crashed_are_told_apart(
    axiom: Call, session: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By the writer's lock: held; left in order; left with a dead writer's name in it."""
    folder = session.parent / f"2026-11-20-sim-{UID}"
    writer = begin(folder)
    try:
        assert state_and_end(folder)[0] == "running"
        copy = shutil.copytree(folder, folder.with_name(f"{folder.name}-2"))
        assert (folder / "writer.lock").read_text().strip().isdecimal()
        assert state_and_end(copy)[0] == "crashed"
    finally:
        writer.close(final=False)
    assert state_and_end(folder)[0] == "open"
    states = {row["session"]: row["state"] for row in axiom("sessions", "--json").document}
    assert states == {session.name: "sealed", folder.name: "open", copy.name: "crashed"}


def test_looking_changes_nothing(axiom: Call, home: Path) -> None:
    """A list leaves every byte where it was."""
    before = contents(home)
    axiom("sessions")
    assert contents(home) == before


@pytest.mark.parametrize("damage", ["no segment", "no start"])
def test_a_damaged_session_is_a_row(axiom: Call, session: Path, damage: str) -> None:
    """The list goes on; what the session does not say is null."""
    segment = session / "000001.axs"
    if damage == "no segment":
        segment.unlink()
    else:
        segment.write_bytes(b"x" * 200)
    (row,) = axiom("sessions", "--json").document
    assert (row["state"], row["entries"], row["mode"]) == ("damaged", None, None)
    assert "damaged" in axiom("sessions").out


def test_a_session_that_was_taken_away_is_missing(axiom: Call, session: Path) -> None:
    """The ledger knows how it ended; that its folder is gone is said."""
    entries = first_row(axiom)["entries"]
    shutil.rmtree(session)
    row = first_row(axiom)
    assert (row["session"], row["state"], row["entries"]) == (session.name, "missing", entries)
    assert (row["mode"], row["day"]) == ("BACKTEST", "2026-11-20")


def first_row(axiom: Call) -> dict[str, object]:
    rows = axiom("sessions", "--json").document
    assert isinstance(rows[0], dict)
    return rows[0]


def test_a_broken_ledger_does_not_hide_the_sessions(axiom: Call, home: Path) -> None:
    """It is named on standard error, and the list is given from the folders."""
    (home / "desks/main/ledger.axl").write_text("x\n")
    answer = axiom("sessions", "--json")
    assert len(answer.document) == 1
    assert "LEDGER_CORRUPT" in answer.err


def test_without_a_watermark_the_seals_speak(session: Path) -> None:
    """A sealed session needs no watermark to say where it ends."""
    state, end = state_and_end(session)
    (session / "watermark").unlink()
    assert state_and_end(session) == (state, end)
    assert first_fact(session).day == 20261120
