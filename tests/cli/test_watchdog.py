"""The watchdog over a real journal, under a virtual clock: what a person hears, when, and once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.alerts.channels import Dispatcher
from adapters.alerts.post import Message
from adapters.alerts.settings import Timing
from adapters.rulebook.load import load_rows
from cli.paths import make_private, sessions_folder
from cli.watching import Watching
from engine.rulebook import Rulebook, ist_ns
from events.base import Event
from events.envelope import encode_envelope
from events.feed import TimerTick
from events.registry import BY_STRUCT
from events.session import SessionAmended, SessionClosed
from journal.lock import FileLock
from journal.writer import JournalWriter
from tests.adapters.alerts.events import S, answered, order, raised, resolved, wanted
from tests.cli.conftest import Call

UID = "0123456789ab"
DAY = 20261120
OPEN_NS = ist_ns(DAY, "09:15")
DEADLINE_S = 30.0


class Heard:
    """A channel that keeps what it was given."""

    name = "heard"

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> None:
        self.messages.append(message)

    def take(self) -> list[tuple[str, str]]:
        """(state, code) of what came since the last look."""
        found = [(one.state, one.news.code) for one in self.messages]
        self.messages.clear()
        return found


class Kit:
    """A home, a clock, a watchdog and what it said."""

    def __init__(self, home: Path, expect: str = "none") -> None:
        self.home, self.now_ns, self.heard = home, OPEN_NS, Heard()
        self.parent = make_private(sessions_folder(home, "main"))
        timing = Timing(silent_s=15, reminder_minutes=10, expect=expect)
        sender = Dispatcher((self.heard,), lambda line: None, lambda seconds: None)
        rulebook = Rulebook(load_rows(None))
        self.watching = Watching(home, "main", timing, rulebook, sender, lambda: self.now_ns)

    def turn(self, after_s: int = 0) -> list[tuple[str, str]]:
        """Let time pass and look; gives what was heard."""
        self.now_ns += after_s * S
        self.watching.turn()
        return self.heard.take()

    @contextmanager
    def engine(self, mode: str = "live", uid: str = UID) -> Iterator[Engine]:
        """An engine that writes a session."""
        folder = self.parent / f"2026-11-20-{mode}-{uid}"
        folder.mkdir(mode=0o700)
        with JournalWriter.create(folder, uid) as writer:
            yield Engine(writer, self)


class Engine:
    """Writes entries, each a group, durable at return."""

    def __init__(self, writer: JournalWriter, kit: Kit) -> None:
        self.writer, self._kit = writer, kit

    def write(self, *events: Event) -> None:
        """Journal events as they come."""
        for event in events:
            seq, spec = self.writer.head_seq + 1, BY_STRUCT[type(event)]
            ts = self._kit.now_ns
            self.writer.append([encode_envelope(seq, spec.kind, spec.version, ts, seq, event)])
        assert self.writer.wait_durable(self.writer.head_seq, DEADLINE_S)

    def tick(self) -> None:
        """A sign of life."""
        self.write(TimerTick(self._kit.now_ns, 0))


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    """A watchdog of an empty desk."""
    one = Kit(tmp_path)
    yield one
    one.watching.close()


def test_each_kind_of_news_is_heard_once_and_its_end_once(kit: Kit) -> None:
    """Incidents, unknown orders, approvals, as the journal has them; lesser ones are not."""
    with kit.engine() as engine:
        engine.write(raised("I1"), raised("I2", severity=3), order("UNKNOWN"), wanted())
        assert kit.turn() == [
            ("BEGAN", "FEED_GAP"), ("BEGAN", "ALERT_ORDER_UNKNOWN"),
            ("BEGAN", "ALERT_APPROVAL_WANTED"),
        ]  # fmt: skip
        engine.write(raised("I1"), order("UNKNOWN"))
        assert kit.turn() == []
        engine.write(resolved("I1"), order("FILLED"), answered("USED"))
        assert sorted(kit.turn()) == [
            ("OVER", "ALERT_APPROVAL_WANTED"), ("OVER", "ALERT_ORDER_UNKNOWN"),
            ("OVER", "FEED_GAP"),
        ]  # fmt: skip


def test_what_was_over_before_the_first_look_is_not_told(kit: Kit) -> None:
    """A watchdog that starts at noon tells what is open, not the morning."""
    with kit.engine() as engine:
        engine.write(raised("I1"), resolved("I1"), raised("I2"), order("UNKNOWN"), order("FILLED"))
        assert kit.turn() == [("BEGAN", "FEED_GAP")]


def test_what_lasts_is_reminded_of(kit: Kit) -> None:
    """Each ten minutes, as long as the engine lives and it is open."""
    with kit.engine() as engine:
        engine.write(raised())
        heard = []
        for _ in range(31):
            heard += kit.turn(after_s=60)
            engine.tick()
        assert [state for state, code in heard if code == "FEED_GAP"] == ["BEGAN", *["STILL"] * 3]


@pytest.mark.parametrize(
    ("mode", "at", "heard"),
    [("live", "09:15", True), ("live", "15:50", False), ("live", "09:05", False),
     ("sim", "23:00", True), ("backtest", "10:00", False)],
)  # fmt: skip
def test_a_silent_engine_is_told_in_market_hours(kit: Kit, mode: str, at: str, heard: bool) -> None:
    """E11: fifteen seconds without an entry; a simulated market has no hours; a backtest is no
    engine to watch."""
    kit.now_ns = ist_ns(DAY, at)
    with kit.engine(mode) as engine:
        engine.tick()
        assert kit.turn() == []
        assert kit.turn(after_s=14) == []
        found = kit.turn(after_s=1)
        assert found == ([("BEGAN", "ALERT_ENGINE_SILENT")] if heard else [])
        engine.tick()
        assert kit.turn() == ([("OVER", "ALERT_ENGINE_SILENT")] if heard else [])


@pytest.mark.parametrize(
    ("close", "at", "heard"),
    [("17:00", "16:30", True), ("17:00", "17:00", False), ("14:00", "14:30", False)],
)
def test_an_amended_day_is_watched_in_its_new_hours(
    kit: Kit, close: str, at: str, heard: bool
) -> None:
    """E11: extended, silence is told after the old close; ended early, it is not; of the next
    session the hours are the rulebook's again."""
    with kit.engine() as engine:
        engine.write(SessionAmended("session.fno.close", "NSE", close, "ana", "NSE"))
        kit.turn()
        kit.now_ns = ist_ns(DAY, at)
        engine.tick()
        assert kit.turn() == []
        assert kit.turn(after_s=15) == ([("BEGAN", "ALERT_ENGINE_SILENT")] if heard else [])
        engine.write(SessionClosed("END_OF_DAY"))
        kit.turn()
    kit.now_ns = ist_ns(DAY, "14:30" if close == "14:00" else "16:30")
    with kit.engine(uid="ba9876543210") as engine:
        engine.tick()
        kit.turn()
        again = kit.turn(after_s=15)
        assert again == ([("BEGAN", "ALERT_ENGINE_SILENT")] if close == "14:00" else [])


def test_a_process_that_died_is_told_and_one_that_ended_is_not(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E11: by the writer's lock; a closed session ends what was open of it."""
    runs = [True]
    monkeypatch.setattr("cli.watching.is_running", lambda folder: runs[0])
    with kit.engine() as engine:
        engine.write(raised())
        assert kit.turn() == [("BEGAN", "FEED_GAP")]
        runs[0] = False
        assert kit.turn() == [("BEGAN", "ALERT_ENGINE_GONE")]
        runs[0] = True
        engine.tick()
        assert kit.turn() == [("OVER", "ALERT_ENGINE_GONE")]
        engine.write(SessionClosed("END_OF_DAY"))
        engine.writer.close()
    runs[0] = False
    assert kit.turn(after_s=700) == []
    assert kit.watching.closed


def test_a_session_that_has_not_begun_by_ten_past_nine(tmp_path: Path) -> None:
    """On a trading day, of the mode that is expected, until it begins or the market closes."""
    kit = Kit(tmp_path, expect="live")
    kit.now_ns = ist_ns(DAY, "09:09")
    assert kit.turn() == []
    assert kit.turn(after_s=60) == [("BEGAN", "ALERT_SESSION_NOT_STARTED")]
    with kit.engine("paper", "000000000001") as paper:
        paper.tick()
        assert kit.turn() == [], "another mode is not it"
    with kit.engine() as engine:
        engine.tick()
        assert ("OVER", "ALERT_SESSION_NOT_STARTED") in kit.turn()
        kit.watching.close()
    for quiet in (ist_ns(20261121, "10:00"), ist_ns(20261123, "09:00")):
        kit.now_ns = quiet  # a Saturday; before the time on a Monday
        assert ("BEGAN", "ALERT_SESSION_NOT_STARTED") not in kit.turn()
    kit.watching.close()


def test_a_damaged_journal_is_news_and_no_end(kit: Kit) -> None:
    """It is told, tried again after a minute, and the watchdog goes on."""
    with kit.engine() as engine:
        engine.write(raised())
        (segment,) = engine.writer.folder.glob("000001.*")
        data = segment.read_bytes()
        segment.write_bytes(data[:60] + bytes([data[60] ^ 1]) + data[61:])
        assert kit.turn() == [("BEGAN", "ALERT_JOURNAL_UNREADABLE")]
        segment.write_bytes(data)
        assert kit.turn(after_s=1) == [], "a whole journal is not read again each second"
        assert ("OVER", "ALERT_JOURNAL_UNREADABLE") in kit.turn(after_s=60)


def test_a_folder_without_a_first_entry_is_waited_for(kit: Kit) -> None:
    """An engine that has just made its folder; a folder that is none of ours."""
    (kit.parent / "notes").mkdir()
    (kit.parent / f"2026-11-20-live-{UID}").mkdir()
    assert kit.turn() == []


# --- the verb -------------------------------------------------------------------------------------


def test_a_wrong_configuration_is_one_line(axiom: Call, tmp_path: Path) -> None:
    """2: a file that is open to others, one that is missing, an expectation that is none."""
    path = tmp_path / "alerts.toml"
    path.write_text("[timing]\nexpect = 'lively'\n")
    path.chmod(0o644)
    assert "chmod 600" in axiom("watchdog", "--home", tmp_path).refusal
    path.chmod(0o600)
    assert "timing.expect" in axiom("watchdog", "--home", tmp_path).refusal
    assert "cannot be read" in axiom("watchdog", "--alerts", tmp_path / "no").refusal


def test_one_watchdog_a_desk(axiom: Call, tmp_path: Path) -> None:
    """The second says who is there, and ends."""
    lock = FileLock.take(make_private(tmp_path / "desks" / "main") / "watchdog.lock")
    try:
        assert str(os.getpid()) in axiom("watchdog", "--home", tmp_path).refusal
    finally:
        lock.release()


def test_the_program_watches_and_ends_with_the_session(tmp_path: Path) -> None:
    """As `run` starts it: a process of its own that says what is news and ends at the close."""
    kit = Kit(tmp_path)
    with kit.engine("sim") as engine:
        engine.write(raised())
        words = ["-P", "-m", "cli.main", "watchdog", "--until-closed", "--home", str(tmp_path)]
        with subprocess.Popen(
            [sys.executable, *words], stderr=subprocess.PIPE, text=True, env={**os.environ}
        ) as child:
            assert child.stderr is not None
            lines = [child.stderr.readline() for _ in range(2)]
            assert lines[1].startswith("[SEV1] FEED_GAP | No frame for longer")
            engine.write(SessionClosed("END_OF_DAY"))
            engine.writer.close()
            assert child.wait(DEADLINE_S) == 0
