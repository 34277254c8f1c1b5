"""The desk's sessions as the screen asks for them: what a journal's end tells, and damage."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cli.days_port import DeskLibrary
from cli.verdicts import VERDICTS_NAME
from engine.runner import own_code_digest
from tests.cli.conftest import Call


def test_a_finished_day_is_told_by_its_end(axiom: Call, home: Path, session: Path) -> None:
    """Decisions, trades and the net result are those of the day's own summary."""
    library = DeskLibrary(home, "main")
    (day,) = library.days()
    assert (day.session, day.mode) == (session.name, "BACKTEST")
    assert day.state in ("closed", "sealed")
    assert day.fault is None
    assert day.decisions is not None
    assert day.decisions > 0
    assert day.net_paise is not None
    facts = dict(day.facts)
    assert facts["closed"] == "END_OF_DAY"
    assert any(name.startswith("day type ") for name in facts)
    found = library.newest()
    assert found is not None
    assert (found.folder, found.running) == (session, False)


def test_a_damaged_session_is_a_row_with_its_line(home: Path, session: Path) -> None:
    """A torn file costs its own row and no other; the verb that tells more is named."""
    for file in session.iterdir():
        if file.suffix.startswith(".ax"):
            file.write_bytes(b"no journal")
    (day,) = DeskLibrary(home, "main").days()
    assert day.decisions is None
    assert day.fault


def test_an_empty_desk_has_no_days(tmp_path: Path) -> None:
    """Nothing is made by asking; a session that is not there is a lookup that fails."""
    library = DeskLibrary(tmp_path / "nowhere", "main")
    assert library.days() == ()
    assert library.newest() is None
    with pytest.raises(LookupError, match="no session 'x'"):
        library.find("x")
    assert not (tmp_path / "nowhere").exists()


def test_a_replay_gives_its_verdict_and_keeps_it(home: Path, session: Path) -> None:
    """The verdict of a process of its own, with the end and the code that it is about, private in
    the home; the next library has it; what is no session gives none, in one line."""
    library = DeskLibrary(home, "main")
    (before,) = library.days()
    assert before.parity is None
    verdict = library.replay(session.name)
    assert (verdict.word, verdict.identical, verdict.first) == ("identical", True, None)
    assert verdict.code == verdict.recorded_code == own_code_digest()
    (day,) = DeskLibrary(home, "main").days()
    assert day.parity == verdict
    assert (verdict.entries, verdict.head) == (day.entries, day.head)
    assert stat.S_IMODE((home / VERDICTS_NAME).stat().st_mode) == 0o600
    assert library.replay("x").word.startswith("no verdict: ")


def test_a_verdict_that_cannot_be_kept_is_given(home: Path, session: Path) -> None:
    """With why it is not kept."""
    (home / VERDICTS_NAME).mkdir()
    verdict = DeskLibrary(home, "main").replay(session.name)
    assert verdict.word == "identical"
    assert verdict.unkept
