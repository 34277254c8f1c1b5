"""The engine behind a screen: a process of its own that says why it did not begin."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import stat
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from cli import screen
from cli.errors import UserError
from cli.options import Common
from cli.screen import begun_session, start_engine
from journal.reader import JournalReader
from tests.cli.conftest import Call
from tests.cli.live_runs import DEADLINE_S, ROOT, SMALL


@pytest.fixture
def common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Common:
    """An empty home."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    return Common(tmp_path / "home", "main", None, False)


def test_the_engine_outlives_its_screen_and_ends_in_order(axiom: Call, common: Common) -> None:
    """Its session is named once it begins; it has a process group of its own, so that no key of the
    terminal reaches it; told to end it does; what it said is in a private file."""
    engine, log = start_engine(["run", "--mode", "sim", *SMALL], common)
    try:
        name = begun_session(engine, log)
        assert common.session(name).is_dir()
        assert os.getpgid(engine.pid) == engine.pid != os.getpgrp()
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(DEADLINE_S) == 0
    finally:
        engine.kill()
        engine.wait(DEADLINE_S)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert "ended by OPERATOR" in log.read_text()
    assert axiom("replay", name, "--json").document["identical"]


@pytest.mark.slow
def test_a_terminal_that_is_closed_takes_no_engine_along(axiom: Call, common: Common) -> None:
    """An engine in the foreground of a terminal: the terminal is gone, the session goes on with
    nowhere to write to, and a signal ends it in order."""
    master, slave = pty.openpty()

    def own_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    command = [sys.executable, "-P", "-m", "cli.main", "run", "--mode", "sim", *SMALL]
    engine = subprocess.Popen(
        [*command, "--headless"], cwd=ROOT, stdin=slave, stdout=slave, stderr=slave,
        start_new_session=True, preexec_fn=own_terminal,
    )  # fmt: skip
    os.close(slave)
    try:
        name = _begun_name(master)
        os.close(master)
        with JournalReader(common.session(name)) as reader:
            end = time.monotonic() + DEADLINE_S
            entries = reader.follow_blocks(poll_s=0.05, stop=lambda: time.monotonic() > end)
            assert any(block and block[-1].seq > 400 for block in entries)
        assert engine.poll() is None
        engine.send_signal(signal.SIGTERM)
        assert engine.wait(DEADLINE_S) == 0
    finally:
        engine.kill()
        engine.wait(DEADLINE_S)
    assert axiom("replay", name, "--json").document["identical"]


def _begun_name(master: int) -> str:
    """The session's name, as the engine says it on its terminal."""
    said = b""
    while b": begins (" not in said:
        said += os.read(master, 4_096)
    return said.decode().partition(": begins (")[0].split()[-1]


@pytest.mark.parametrize(
    ("answer", "flag"),
    [("f", "--flatten"), ("l", "--leave-protected"), ("k", None), ("", None), (None, None)],
)
def test_whoever_leaves_the_screen_is_asked_what_is_to_become_of_what_is_open(
    common: Common, monkeypatch: pytest.MonkeyPatch, answer: str | None, flag: str | None
) -> None:
    """Flatten, leave protected, or keep running, which is also what no answer means; nobody is
    asked where nothing is open."""
    given: list[str] = []

    def stop(_: Common, one: str) -> int:
        given.append(one)
        return 0

    monkeypatch.setattr("cli.verbs.operate.stop_engine", stop)

    def ask(question: str) -> str:
        assert "2 open" in question
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr(screen, "_open_now", lambda _: 2)
    assert screen._asked(common, ask) == 0
    assert given == ([flag] if flag else [])
    monkeypatch.setattr(screen, "_open_now", lambda _: 0)
    assert screen._asked(common, ask) == 0
    assert len(given) == (1 if flag else 0)


@pytest.mark.parametrize("aside", ["stdin", "stdout", "stderr"])
def test_a_screen_needs_all_three_streams(monkeypatch: pytest.MonkeyPatch, aside: str) -> None:
    """One that goes elsewhere leaves no terminal to paint on: no engine is begun behind a screen
    that nobody sees."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours), os.fdopen(theirs, "r+b", buffering=0) as terminal:
        for name in ("stdin", "stdout", "stderr"):
            monkeypatch.setattr(sys, name, terminal)
        assert screen.on_terminal()
        with Path(os.devnull).open() as elsewhere:
            monkeypatch.setattr(sys, aside, elsewhere)
            assert not screen.on_terminal()


def test_an_engine_that_does_not_begin_says_why(common: Common) -> None:
    """Its own last line, where the person is."""
    engine, log = start_engine(["run", "--mode", "sim", "--market", "nowhere"], common)
    with pytest.raises(UserError, match="'nowhere' is not a market"):
        begun_session(engine, log)
    assert engine.wait(DEADLINE_S) == 2
