"""``axiom tui``: what is refused before a screen is taken, and how the screen is wired."""

from __future__ import annotations

from pathlib import Path

import pytest

import cli.screen
import tui.run
from projections.why import sentence
from tests.cli.conftest import Call
from tui.ports import Opened, Ports


def test_without_a_terminal_it_could_not_run(axiom: Call, home: Path) -> None:
    """One line that names what answers without a screen."""
    assert "axiom why" in axiom("tui").refusal
    assert "axiom why" in axiom("tui", "--json").refusal


def test_a_folder_without_a_session_is_refused(axiom: Call, tmp_path: Path) -> None:
    """Before anything is drawn."""
    assert "JOURNAL_MISSING" in axiom("tui", tmp_path).refusal


def test_the_screen_gets_the_session_and_the_one_sentence(
    axiom: Call, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorded session is not live; its exit code is the program's; the words are why's."""
    seen: dict[str, object] = {}

    def run(folder: Path, **named: object) -> int:
        seen.update(named, folder=folder)
        return 0

    monkeypatch.setattr(tui.run, "run", run)
    assert axiom("tui", session.name).code == 0
    ports = seen.pop("ports")
    assert isinstance(ports, Ports)
    assert (ports.explain, ports.control) == (sentence, None)
    assert ports.least_change is not None
    assert ports.least_change(1) == "entry 1 is no decision."
    assert ports.desk is not None
    assert ports.desk.find(session.name) == Opened(session.name, session, False)
    ports_of = seen.pop("ports_of")
    assert callable(ports_of)
    assert ports_of(Opened(session.name, session, True)).least_change is None
    assert seen == {"folder": session, "live": False}


def test_only_a_running_session_gets_a_control(
    axiom: Call, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desk's own engine is commanded; a copy of its session elsewhere has none."""
    import shutil

    import cli.recorded
    from cli.control_port import EngineControl

    seen: list[object] = []

    def run(folder: Path, *, ports: Ports, **named: object) -> int:
        seen.append(ports.control)
        return 0

    monkeypatch.setattr(tui.run, "run", run)
    monkeypatch.setattr(cli.recorded, "is_running", lambda folder: True)
    assert axiom("tui", session.name).code == 0
    elsewhere = session.parents[4] / "elsewhere"
    shutil.copytree(session, elsewhere)
    assert axiom("tui", elsewhere).code == 0
    assert isinstance(seen[0], EngineControl)
    assert seen[1] is None


def test_an_empty_home_gets_a_screen_only_where_there_is_a_terminal(
    axiom: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal the first use is a screen; without one the refusal stays; so does that of a
    session that was named."""
    shown: list[object] = []

    def run(folder: Path | None, **named: object) -> int:
        shown.append(folder)
        return 0

    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "new"))
    monkeypatch.setattr(tui.run, "run", run)
    assert "has no session" in axiom("tui").refusal
    monkeypatch.setattr(cli.screen, "on_terminal", lambda: True)
    assert axiom("tui").code == 0
    assert shown == [None]
    assert "has no session 'x'" in axiom("tui", "x").refusal
