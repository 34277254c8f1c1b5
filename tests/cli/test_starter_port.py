"""What the screen starts for a person: a process whose lines are read and which ends with it."""

from __future__ import annotations

import sys
from pathlib import Path

from cli import starter_port
from cli.starter_port import LINES_KEPT, Child, DemoStarter

SAYS = "import sys; [print(i) for i in range(300)]; print('\\xff', file=sys.stderr); sys.exit(3)"
WAITS = "import signal; print('here', flush=True); signal.pause()"


def test_its_last_lines_and_its_code_are_there_when_it_ends() -> None:
    """Both outputs in one list, only the last ones kept; the code comes after all lines."""
    child = Child((sys.executable, "-c", SAYS))
    child._process.wait(30)
    assert child.code() == 3
    assert len(child.lines()) == LINES_KEPT
    assert "299" in child.lines()
    child.stop()
    assert child.code() == 3


def test_it_is_ended_with_the_screen() -> None:
    """One that runs has no code; told to stop it is gone."""
    child = Child((sys.executable, "-c", WAITS))
    assert child.code() is None
    child.stop()
    assert child.code() is not None


def test_the_demo_is_this_program_on_this_desk(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """``axiom demo --headless`` of the same home and desk."""
    asked: list[tuple[str, ...]] = []

    class Noted:
        def __init__(self, command: tuple[str, ...]) -> None:
            asked.append(command)

    monkeypatch.setattr(starter_port, "Child", Noted)
    DemoStarter(tmp_path, "main").demo()
    words = asked[0][asked[0].index("demo") :]
    assert words == ("demo", "--headless", "--home", str(tmp_path), "--desk", "main")
