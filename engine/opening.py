"""The facts with which a session on a market begins, all at its anchor.

Lives here: a session's identity, the account of a fresh one, the facts before the first frame. May
import: events, engine. Always holds: pure; whatever a session depends on is in its first fact.
Start reading at ``opening_facts``.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from engine import config as settings
from engine.config import Config
from engine.ports import Market
from events.base import Event
from events.feed import FeedStatus
from events.registry import schema_digest
from events.session import (
    ArtifactLoaded,
    CarriedOver,
    CarriedRisk,
    InstrumentsLoaded,
    RuleRow,
    SessionOpened,
)

BACKTEST: Final = "BACKTEST"
VIRTUAL: Final = "virtual"
OPENING_ENTRIES: Final = 8
"""The opening facts and what they lead to, unless positions were carried over."""


def rulebook_digest(rows: tuple[RuleRow, ...]) -> str:
    """SHA-256 (hex) of the rows that are journaled."""
    return hashlib.sha256(msgspec.msgpack.encode(rows)).hexdigest()


def session_opened(
    market: Market,
    config: Config,
    rows: tuple[RuleRow, ...],
    code_digest: str,
    mode: str = BACKTEST,
    anchor_ns: int | None = None,
) -> SessionOpened:
    """The identity of a session of this market under this configuration.

    ``anchor_ns`` is where its clock starts, when that is later than the market's day.
    """
    flat = settings.flatten(config)
    return SessionOpened(
        mode=mode,
        day=market.day,
        anchor_ns=market.anchor_ns if anchor_ns is None else anchor_ns,
        rate=0,
        account=VIRTUAL,
        market=market.identity,
        cycle_rule=market.cycle_rule,
        code_digest=code_digest,
        schema_digest=schema_digest(),
        rulebook_digest=rulebook_digest(rows),
        settings=flat,
        settings_digest=settings.digest(flat),
    )


def fresh_account(config: Config, day: int) -> CarriedOver:
    """What a fresh virtual account carries: nothing but its capital."""
    capital = config.account.capital_paise
    risk = CarriedRisk("NORMAL", day, 0, (), (), ())
    return CarriedOver(None, None, day, 0, 0, 0, 0, 0, (), capital, (), (), (), (), risk, ())


def opening_facts(
    opened: SessionOpened, carried: CarriedOver, market: Market, rows: tuple[RuleRow, ...]
) -> tuple[Event, ...]:
    """The facts before the first frame, all at the anchor."""
    instruments = market.instruments()
    return (
        opened,
        carried,
        ArtifactLoaded("RULEBOOK", "rulebook", opened.rulebook_digest, rows),
        InstrumentsLoaded(market.dump_digest, instruments),
        FeedStatus(0, "CONNECTED", True, len(instruments)),
    )
