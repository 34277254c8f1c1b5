"""The watchdog beside a run: only where alerts are configured, gone with its session, left by a
death."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import guard
from cli.options import Common
from events.session import SessionClosed
from tests.adapters.alerts.events import raised
from tests.adapters.control.desk import until
from tests.cli.test_watchdog import Kit


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    """A home with alerts that go nowhere but into the log."""
    path = tmp_path / "alerts.toml"
    path.touch(0o600)
    return Kit(tmp_path)


def log_of(kit: Kit) -> str:
    """What the watchdog said."""
    path = kit.home / "desks" / "main" / guard.LOG_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_text()


def common_of(home: Path) -> Common:
    """The options of a run."""
    return Common(home, "main", None, False)


def test_without_a_configuration_there_is_none(tmp_path: Path) -> None:
    """No process, no log."""
    with guard.watchdog_beside(common_of(tmp_path)):
        assert list(tmp_path.iterdir()) == []


def test_it_ends_with_its_session(kit: Kit) -> None:
    """It says what was news, and nothing is left."""
    with kit.engine("sim") as engine, guard.watchdog_beside(common_of(kit.home)):
        engine.write(raised())
        until(lambda: "FEED_GAP" in log_of(kit))
        engine.write(SessionClosed("END_OF_DAY"))
        engine.writer.close()
    assert guard._left == []


def test_it_stays_where_the_engine_fails(kit: Kit) -> None:
    """E11: and tells that the process is gone: its session was not closed."""

    def failing_run() -> None:
        with kit.engine("sim") as engine, guard.watchdog_beside(common_of(kit.home)):
            engine.write(raised())
            until(lambda: "FEED_GAP" in log_of(kit))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing_run()
    (child,) = guard._left
    try:
        until(lambda: "ALERT_ENGINE_GONE" in log_of(kit))
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()
        guard._left.clear()
