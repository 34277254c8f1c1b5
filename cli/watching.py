"""The watchdog's turns: the desk's journal read on, its process looked at, what is due sent.

Lives here: ``Watching``. May import: ``cli``, adapters.alerts, journal's reader, events,
engine.rulebook. Always holds: nothing of the engine is asked and nothing of the desk is written; a
journal that cannot be read is news and no end; what was over before the first look is not told.
Start reading at ``Watching.turn``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from adapters.alerts.channels import Dispatcher
from adapters.alerts.news import HEARD, Desk, Look, News
from adapters.alerts.post import Post
from adapters.alerts.settings import Timing
from cli.paths import DEFAULT_DESK, list_sessions, sessions_folder
from cli.recorded import is_running
from engine.commands import BACKTEST, SIM
from engine.rulebook import Rulebook, amended_rows, day_of, iso_day, ist_ns
from events.base import Event
from events.envelope import EnvelopeError, decode_envelope
from events.session import SessionAmended
from events.upcast import current_event
from journal.errors import BadSessionName, JournalError, JournalMissing
from journal.reader import JournalReader
from journal.session_folder import parse_session_name

CLOSE_HHMM: Final = "15:40"
"""Until when a session may still be missing, where the day's hours are not known."""

NONE: Final = "none"
AGAIN_NS: Final = 60_000_000_000
"""A journal that cannot be read is tried again after this: from its beginning."""


class Watching:
    """One desk, watched. ``now_ns`` is the wall clock (ns UTC)."""

    def __init__(
        self, home: Path, desk: str, timing: Timing, rulebook: Rulebook, dispatcher: Dispatcher,
        now_ns: Callable[[], int],
    ) -> None:  # fmt: skip
        self._home, self._name, self._timing = home, desk, timing
        self._rulebook, self._dispatcher, self._now_ns = rulebook, dispatcher, now_ns
        self._hours = rulebook
        self._desk = Desk(timing.silent_s, "" if desk == DEFAULT_DESK else f" --desk {desk}")
        self._post = Post(timing.reminder_minutes * 60, timing.per_hour)
        self._folder: Path | None = None
        self._listed: tuple[int, tuple[Path, ...]] = (-1, ())
        self._reader: JournalReader | None = None
        self._unreadable: str | None = None
        self._again_ns = 0

    @property
    def closed(self) -> bool:
        """Whether the session that is watched was closed; True before there is one."""
        return self._desk.closed

    def turn(self) -> None:
        """Read what came, look at the process, send what is due."""
        sessions = self._sessions()
        news = self._newest(sessions[-1]) if sessions else []
        now_ns = self._now_ns()
        news += self._desk.look(self._look(sessions, now_ns))
        for message in self._post.take(news, now_ns):
            self._dispatcher.send(message)
        for message in self._post.due(self._desk.open_news, self._now_ns()):
            self._dispatcher.send(message)

    def close(self) -> None:
        """Let go of the journal."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    # -- the journal ---------------------------------------------------------------------------

    def _sessions(self) -> tuple[Path, ...]:
        """The desk's sessions that an engine ran in real time, the one begun last at the end."""
        try:
            changed_ns = sessions_folder(self._home, self._name).stat().st_mtime_ns
        except OSError:
            return ()
        if changed_ns != self._listed[0]:
            found = list_sessions(self._home, self._name)
            self._listed = (changed_ns, tuple(p for p in found if _mode(p) not in ("", BACKTEST)))
        return self._listed[1]

    def _newest(self, folder: Path) -> list[News]:
        if folder != self._folder:
            self.close()
            self._folder, self._unreadable, self._hours = folder, None, self._rulebook
            self._desk.begin(folder.name, self._now_ns())
        if self._unreadable is not None and self._now_ns() < self._again_ns:
            return []
        first = self._reader is None
        try:
            if self._reader is None:
                self._reader = JournalReader(folder, verify_chain=False)
            news = self._read(self._reader)
        except JournalMissing:
            return []  # its engine has yet to write the first block
        except (JournalError, EnvelopeError, ValueError) as error:
            self._unreadable = getattr(error, "code", None) or str(error).partition(":")[0]
            self._again_ns = self._now_ns() + AGAIN_NS
            self.close()
            return []
        self._unreadable = None
        return list(self._desk.open_news) if first else news

    def _read(self, reader: JournalReader) -> list[News]:
        """What came since the last turn."""
        news: list[News] = []
        for entry in reader:
            envelope = decode_envelope(entry.data)
            if envelope.kind == SessionAmended.__name__:
                self._amend(current_event(envelope), day_of(envelope.ts))
            if envelope.kind in HEARD:
                news += self._desk.entry(current_event(envelope), self._now_ns())
            else:
                self._desk.progress(self._now_ns())
        return news

    def _amend(self, event: Event, day: int) -> None:
        """The session's day is another from here on, and so are the hours it is watched in."""
        assert isinstance(event, SessionAmended)
        words = event.name, event.scope, event.value, event.source
        self._hours = Rulebook(amended_rows(self._hours.rows, day, *words))

    # -- what is seen from outside -------------------------------------------------------------

    def _look(self, sessions: tuple[Path, ...], now_ns: int) -> Look:
        day = day_of(now_ns)
        window = self._hours.session_window(day, "fno")
        opened = window is not None and window.open_ns <= now_ns < window.close_ns
        folder = self._folder
        expected = folder is not None and (_mode(folder) == SIM or opened)
        running = folder is not None and is_running(folder)
        missing = self._missing(sessions, day, now_ns)
        return Look(now_ns, running, expected, missing, self._unreadable)

    def _missing(self, sessions: tuple[Path, ...], day: int, now_ns: int) -> bool:
        """Whether the day's session should have begun and has not. Where no calendar says whether
        the exchange trades, it should."""
        mode = self._timing.expect.upper()
        if mode == NONE.upper() or self._rulebook.is_trading_day(day) is False:
            return False
        window = self._rulebook.session_window(day, "fno")
        by = self._timing.start_by_hhmm
        by_ns = ist_ns(day, f"{by // 100:02d}:{by % 100:02d}")
        until_ns = window.close_ns if window is not None else ist_ns(day, CLOSE_HHMM)
        begun = any(p.name.startswith(iso_day(day)) and _mode(p) == mode for p in sessions)
        return by_ns <= now_ns < until_ns and not begun


def _mode(folder: Path) -> str:
    """The mode in a session's name; empty for a folder that is none."""
    try:
        return parse_session_name(folder.name).mode.upper()
    except BadSessionName:
        return ""
