"""With what a session begins: its identity holds all it depends on, its account only capital."""

from __future__ import annotations

from msgspec.structs import replace

from engine.opening import fresh_account, opening_facts, rulebook_digest, session_opened
from events.envelope import payload_digest
from events.feed import FeedStatus
from events.session import ArtifactLoaded, InstrumentsLoaded
from tests.engine.fabricated import DAY, SmallMarket, relaxed, small_rows

CODE = "c" * 64


def test_the_identity_follows_whatever_the_session_depends_on() -> None:
    """Other code, mode, setting, rule or clock is another session; the same again is the same."""
    market, config, rows = SmallMarket(), relaxed(), small_rows()
    one = payload_digest(session_opened(market, config, rows, CODE))
    others = (
        session_opened(market, config, rows, "d" * 64),
        session_opened(market, config, rows, CODE, "PAPER"),
        session_opened(market, relaxed(account={"capital_paise": 7}), rows, CODE),
        session_opened(market, config, rows[1:], CODE),
        session_opened(market, config, rows, CODE, anchor_ns=market.anchor_ns + 1),
    )
    assert one == payload_digest(session_opened(market, config, rows, CODE))
    assert len({one, *map(payload_digest, others)}) == 1 + len(others)


def test_the_opening_facts_hold_what_the_identity_names() -> None:
    """The session first, then its account, the rules by their digest, the market's instruments, and
    a connection that has them all."""
    market, rows = SmallMarket(), small_rows()
    opened = session_opened(market, relaxed(), rows, CODE)
    account = fresh_account(relaxed(), DAY)
    first, carried, rulebook, loaded, feed = opening_facts(opened, account, market, rows)
    assert (first, carried) == (opened, account)
    assert isinstance(rulebook, ArtifactLoaded)
    assert isinstance(loaded, InstrumentsLoaded)
    assert isinstance(feed, FeedStatus)
    assert rulebook.digest == opened.rulebook_digest == rulebook_digest(rulebook.rows)
    assert loaded.rows == market.instruments()
    assert feed.subscribed == len(loaded.rows) > 0


def test_a_fresh_account_carries_its_capital_alone() -> None:
    """A virtual account begins with the configured capital and nothing else."""
    carried = fresh_account(relaxed(account={"capital_paise": 7}), DAY)
    assert (carried.capital_paise, carried.day, carried.previous_session) == (7, DAY, None)
    counts = (carried.realised_paise, carried.charges_paise, carried.trades_today)
    assert (counts, carried.loss_streak, carried.halts) == ((0, 0, 0), 0, ())


def test_the_rulebook_s_digest_is_its_content_s() -> None:
    """Another value in one row is another digest."""
    rows = small_rows()
    changed = (replace(rows[0], source="elsewhere"), *rows[1:])
    assert rulebook_digest(rows) == rulebook_digest(tuple(rows))
    assert rulebook_digest(rows) != rulebook_digest(changed)
