"""F01, F04: a feed of several connections is up where all of them are."""

from __future__ import annotations

from engine.feed import unheard_ns
from engine.gates import feed as n2
from engine.orders.outbox import quotes_due
from engine.readiness import readiness
from events.feed import FeedStatus, TimerTick
from events.session import SessionResumed
from events.wire.kite import encode_frame
from tests.engine.build import quote_of, view_of
from tests.engine.fabricated import frame_of, full_packet
from tests.engine.orders.told import Told
from tests.engine.orders.world import SECOND

UP0, UP1 = FeedStatus(0, "CONNECTED", True, 2_500), FeedStatus(1, "CONNECTED", True, 900)
ASKED1 = FeedStatus(1, "CONNECTED", False, 900)
LOST0, LOST1 = FeedStatus(0, "LOST", False, 2_500), FeedStatus(1, "LOST", False, 900)
WANTED1 = FeedStatus(1, "WANTED", False, 900)


def _link_up(desk: Told) -> bool:
    rows = {row.gate: row.verdict for row in n2.judge(view_of(desk.state)).rows}
    assert (rows["link_up"] == "PASS") == ("FEED_DOWN" not in readiness(desk.state)[1])
    return rows["link_up"] == "PASS"


def test_the_link_is_up_where_every_connection_is_verified() -> None:
    """F04: whichever connection said something last, one that is lost, asked for or not verified
    keeps the link down, for N2 and for readiness; the last one to come back brings it up."""
    desk = Told()
    ups = []
    for one in (UP1, LOST0, UP1, UP0, LOST1, UP0, ASKED1, UP1, LOST0, LOST1, UP0, UP1):
        desk.tell(one)
        ups.append(_link_up(desk))
    assert ups == [True, False, False, True, False, False, False, True, False, False, False, True]


def test_a_connection_that_never_comes_up_is_missed() -> None:
    """A second connection that is wanted and was never up keeps the link down."""
    desk = Told()
    assert _link_up(desk), "canary: the first one alone is up"
    for one in (WANTED1, UP0):
        desk.tell(one)
        assert not _link_up(desk)
    desk.tell(UP1)
    assert _link_up(desk)


def test_after_a_resume_every_connection_of_before_is_waited_for() -> None:
    """An engine that died had two connections: the first alone, back again, is not the feed."""
    desk = Told()
    desk.tell(UP1)
    desk.tell(SessionResumed(desk.state.seq, "0" * 64, 0))
    ups = []
    for one in (UP0, UP1):
        desk.tell(one)
        ups.append(_link_up(desk))
    assert ups == [False, True]


def _ticks(desk: Told, seconds: int) -> None:
    """Beats of the connection that is left, and ticks."""
    for _ in range(seconds):
        desk.tick()


def test_a_position_is_blind_where_its_connection_may_be_the_lost_one() -> None:
    """F01: frames of the other connection go on, and the held contract is not seen any more:
    POSITION_BLIND once the link's age is over, its quote is asked for, and both end with the
    connection."""
    desk, entry = Told.bought()
    desk.tell(UP1)
    limit_s = desk.state.config.feed.link_age_ms_max // 1_000
    desk.tell(LOST1)
    _ticks(desk, limit_s - 1)
    assert desk.open_codes() == set()
    _ticks(desk, 3)
    assert desk.open_codes() == {"POSITION_BLIND"}
    assert [place for place, _ in quotes_due(desk.state)] == [entry.contract]
    desk.tell(UP1)
    desk.tell(TimerTick(desk.now, 0))
    assert desk.open_codes() == set()
    assert quotes_due(desk.state) == ()


def test_a_contract_that_is_seen_is_not_on_the_lost_connection() -> None:
    """F01: its book came after the loss, so the lost connection is another's: it is not blind."""
    desk, entry = Told.bought()
    desk.tell(UP1)
    desk.tell(LOST1)
    row = desk.state.instruments[entry.contract]
    ltp = quote_of(desk.state, entry.contract).ltp_paise
    book = full_packet(row.token, ltp, row.lot_units, 90_000, desk.now // SECOND)
    desk.tell(frame_of(encode_frame([book])))
    _ticks(desk, desk.state.config.feed.link_age_ms_max // 1_000 + 3)
    assert desk.open_codes() == set()
    assert quotes_due(desk.state) == ()


def test_order_updates_are_unheard_while_the_first_connection_is_lost() -> None:
    """They come over the first: while it is lost nothing is heard, however alive the second is."""
    desk, _ = Told.bought()
    desk.tell(UP1)
    for lost, heard in ((LOST1, True), (LOST0, False)):
        other = desk.fork()
        other.tell(lost)
        _ticks(other, 9)
        assert (unheard_ns(other.state) < 2 * SECOND) is heard
