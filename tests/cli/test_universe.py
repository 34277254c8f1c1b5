"""The day's list of instruments is asked for again where others asked the broker too often."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from adapters.kite.broker import KiteReads
from adapters.kite.calls import Reply
from adapters.kite.errors import Verdict
from cli import universe
from cli.errors import UserError
from cli.universe import QUOTE_S, QUOTE_TRIES, Today

BUSY: Reply[bytes] = Reply(None, Verdict("UNKNOWN", "RATE"), "NetworkException", 429, "too many")
LIST: Reply[bytes] = Reply(b"rows", None, None, 200, None)


class Reads:
    """A broker that answers in turn; how long was waited between."""

    def __init__(self, *replies: Reply[bytes]) -> None:
        self.replies = list(replies)
        self.rested: list[float] = []

    def dump(self) -> Reply[bytes]:
        return self.replies.pop(0)

    def rest(self, seconds: float) -> None:
        self.rested.append(seconds)


def _fetched(reads: Reads, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(universe, "read_dump", lambda data, *_: data)
    return universe._dump(cast(KiteReads, reads), Path(), Today(20261120, 0, True), ("NIFTY",))


def test_a_busy_second_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once a second is over the list is there; without a refusal nobody waits."""
    reads = Reads(BUSY, BUSY, LIST)
    assert _fetched(reads, monkeypatch) == b"rows"
    assert reads.rested == [QUOTE_S, QUOTE_S]
    reads = Reads(LIST)
    assert _fetched(reads, monkeypatch) == b"rows"
    assert reads.rested == []


def test_what_stays_busy_or_fails_otherwise_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the last try it is said; any other fault is not tried again."""
    reads = Reads(*[BUSY] * (QUOTE_TRIES + 1))
    with pytest.raises(UserError, match=r"was not had \(RATE\): try again"):
        _fetched(reads, monkeypatch)
    assert (len(reads.rested), reads.replies) == (QUOTE_TRIES, [])
    other: Reply[bytes] = Reply(None, Verdict("UNKNOWN", "TOKEN"), "TokenException", 403, "gone")
    reads = Reads(other, LIST)
    with pytest.raises(UserError, match="TOKEN"):
        _fetched(reads, monkeypatch)
    assert reads.rested == []
