"""The screen's control against the engine's own end of the socket: the same lines as the verbs, the
kill file where nobody answers, and no control for a session of somebody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.control.kill import read_kill_file
from adapters.control.place import kill_files, runtime_folders
from cli.control_port import EngineControl, control_of
from cli.options import Common
from cli.paths import make_private, sessions_folder
from tests.adapters.control.desk import short_folder
from tests.cli.conftest import Call
from tests.cli.test_operate import engine
from tui.ports import Answer, Command

HALT = Command("HALT", None, None, "news", None)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's runtime folder of the test."""
    with short_folder() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        yield folder


@pytest.fixture
def common(tmp_path: Path, runtime: Path) -> Common:
    """A desk without a session."""
    return Common(tmp_path, "main", None, False)


def test_a_command_reaches_the_engine_and_its_line_is_the_verbs(
    axiom: Call, common: Common, runtime: Path
) -> None:
    """Level, reason and word as they were given; accepted with the entry; the same words as on the
    command line."""
    with engine(runtime, common.home) as desk:
        control = EngineControl(common)
        answer = control.give(Command("HALT", None, "CANCEL", "too  fast", None))
        (command,) = desk.taken
        assert (command.verb, command.value, command.why) == ("HALT", "CANCEL", "too  fast")
        assert command.channel == "SOCKET"
        assert answer == Answer("ACCEPTED", "HALT accepted (entry 1)", 1)
        said = axiom("halt", "too fast", "--home", common.home).out.strip()
        assert said == "HALT accepted (entry 2)"
        told = control.give(Command("RESUME", None, None, "looked at it", "SIM"))
        assert told.outcome == "ACCEPTED"
        assert len({one.command_id for one in desk.taken}) == 3


def test_the_engine_judges_the_word(common: Common, runtime: Path) -> None:
    """A dangerous verb without the mode's word reaches nobody, whatever a screen may think."""
    with engine(runtime, common.home, mode="PAPER") as desk:
        for word in (None, "SIM", "paper", ""):
            answer = EngineControl(common).give(Command("FLATTEN", None, None, "", word))
            assert answer.outcome == "REFUSED"
            assert answer.text.startswith("FLATTEN refused: CMD_NOT_CONFIRMED: ")
        assert desk.taken == []


def test_what_no_engine_could_take_is_refused_before_it_is_sent(common: Common) -> None:
    """With the code and its sentence."""
    answer = EngineControl(common).give(Command("RESUME", None, None, " ", "SIM"))
    assert answer.outcome == "REFUSED"
    assert answer.text.startswith("CMD_WHY_MISSING: ")


def test_a_halt_without_an_engine_leaves_the_kill_file(common: Common) -> None:
    """With its level and its reason, where the next engine looks; the line says where."""
    make_private(common.home / "desks" / "main")
    answer = EngineControl(common).give(Command("HALT", None, "FLATTEN", "news", "SIM"))
    file = kill_files(common.home, "main", runtime_folders(common.home, "main"))[0]
    assert (answer.outcome, answer.seq) == ("UNANSWERED", None)
    assert answer.text == f"no engine answers; the kill file is left at {file}"
    found = read_kill_file(file)
    assert found is not None
    assert (found.level, found.why) == ("FLATTEN", "news")


def test_a_halt_that_is_not_answered_leaves_the_kill_file_in_time(
    common: Common, runtime: Path
) -> None:
    """An engine that takes the connection and says nothing: before the screen's two seconds are
    over the file is there, and the engine's own watch takes it up."""
    with engine(runtime, common.home, obliging=False) as desk:
        begun = time.monotonic()
        answer = EngineControl(common).give(HALT)
        assert time.monotonic() - begun < 2.0
        assert answer.outcome == "UNANSWERED"
        assert "did not answer in time; the kill file is left at" in answer.text
        assert desk.kill.halted
        channels = {desk.next().channel, desk.next().channel}
        assert channels == {"SOCKET", "FILE"}


def test_others_than_a_halt_leave_no_file(common: Common) -> None:
    """And say what starts an engine."""
    answer = EngineControl(common).give(Command("APPROVE", "r1", None, "", None))
    assert answer.outcome == "UNANSWERED"
    assert answer.text == "no engine of desk 'main' answers: 'axiom run' starts one"
    files = kill_files(common.home, "main", runtime_folders(common.home, "main"))
    assert not any(file.exists() for file in files)


def test_a_command_that_waits_for_its_entry_is_pending(common: Common, runtime: Path) -> None:
    """The engine has it and has not journaled an answer: nobody calls that accepted."""
    options: dict[str, Any] = {"obliging": False, "limits": _short_answers()}
    with engine(runtime, common.home, **options):
        answer = EngineControl(common).give(HALT)
    assert answer.outcome == "PENDING"
    assert "no entry leaves from here on" in answer.text


def _short_answers() -> Any:
    from adapters.control.server import Limits

    return Limits(answer_s=0.1)


def test_only_a_session_of_the_desk_has_a_control(common: Common, tmp_path: Path) -> None:
    """A folder elsewhere may be live by another engine: this desk's is not commanded for it."""
    own = make_private(sessions_folder(common.home, "main") / "2026-11-20-sim-0")
    other = make_private(tmp_path / "elsewhere" / "2026-11-20-sim-0")
    assert isinstance(control_of(common, own), EngineControl)
    assert control_of(common, other) is None
    there = Common(common.home, "second", None, False)
    assert control_of(there, own) is None
