"""The engine behind a screen: a process of its own that says why it did not begin."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from cli.errors import UserError
from cli.options import Common
from cli.screen import begun_session, start_engine
from tests.cli.conftest import Call
from tests.cli.live_runs import DEADLINE_S, SMALL


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


def test_an_engine_that_does_not_begin_says_why(common: Common) -> None:
    """Its own last line, where the person is."""
    engine, log = start_engine(["run", "--mode", "sim", "--market", "nowhere"], common)
    with pytest.raises(UserError, match="'nowhere' is not a market"):
        begun_session(engine, log)
    assert engine.wait(DEADLINE_S) == 2
