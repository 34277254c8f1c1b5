"""E02: an engine that is started anew in an extended day goes on after the rulebook's close."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.rulebook.load import load_rows
from cli.amended import until_amended
from cli.options import Common
from cli.paths import make_private, sessions_folder
from cli.universe import Today
from engine.rulebook import Rulebook, ist_ns
from events.base import Event
from events.envelope import encode_envelope
from events.registry import BY_STRUCT
from events.session import SessionAmended, SessionClosed
from journal.writer import JournalWriter

DAY = 20261120
UID = "0123456789ab"
LONGER = SessionAmended("session.fno.close", "NSE", "17:00", "ana", "NSE")


def left(home: Path, events: Sequence[Event], name: str = f"2026-11-20-paper-{UID}") -> None:
    """A session that took these events and whose engine died."""
    folder = make_private(sessions_folder(home, "main")) / name
    folder.mkdir(mode=0o700)
    with suppress(KeyboardInterrupt), JournalWriter.create(folder, UID) as writer:
        for seq, event in enumerate(events, 1):
            spec, ts = BY_STRUCT[type(event)], ist_ns(DAY, "12:00")
            writer.append([encode_envelope(seq, spec.kind, spec.version, ts, seq, event)])
        assert writer.wait_durable(writer.head_seq, 30.0)
        raise KeyboardInterrupt


def closes(home: Path, hhmm: str, mode: str = "PAPER") -> int:
    """The amended close as a start at that time sees it; 0 for none."""
    today = Today(DAY, ist_ns(DAY, hhmm), simulated=False)
    common = Common(home, "main", None, False)
    return until_amended(common, mode, Rulebook(load_rows()), today).amended_close_ns


def test_an_open_session_is_gone_on_with_after_the_old_close(tmp_path: Path) -> None:
    """Only after it, and only in its own mode."""
    left(tmp_path, (LONGER,))
    assert closes(tmp_path, "15:40") == closes(tmp_path, "16:59") == ist_ns(DAY, "17:00")
    assert closes(tmp_path, "15:39") == 0
    assert closes(tmp_path, "15:40", "LIVE") == 0


@pytest.mark.parametrize(
    "events",
    [(), (LONGER, SessionClosed("OPERATOR"))],
    ids=["nothing amended", "closed"],
)
def test_canary_any_other_day_ends_by_the_rulebook(tmp_path: Path, events: Sequence[Event]) -> None:
    """The close that is found is not later than the rulebook's, or there is none."""
    left(tmp_path, events or (SessionAmended("lot", "NSE", 1, "ana", "x"),))
    assert closes(tmp_path, "15:41") <= ist_ns(DAY, "15:40")


def test_where_there_is_no_session_nothing_is_amended(tmp_path: Path) -> None:
    """Nor by one of another day, or one that cannot be read."""
    assert closes(tmp_path, "15:41") == 0
    left(tmp_path, (LONGER,), f"2026-11-19-paper-{UID}")
    assert closes(tmp_path, "15:41") == 0
    (sessions_folder(tmp_path, "main") / f"2026-11-20-paper-{UID}").mkdir(mode=0o700)
    assert closes(tmp_path, "15:41") == 0
