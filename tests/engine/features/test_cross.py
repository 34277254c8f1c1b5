"""Cross-asset: correlation against the statistics library, alignment, minutes that both have."""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from engine.bars import MINUTE_NS, Bar
from engine.features.cross import PAIRS_MIN, alignment, correlation, peer_of
from engine.features.momentum import change_over
from engine.features.reading import GAP, NOT_OFFERED, TOO_FEW, change_ppm, known, unknown
from tests.engine.features.series import minute_bar, minutes


@given(minutes(most=31, holes=False), minutes(most=31, holes=False))
@settings(deadline=None)
def test_the_correlation_is_pearsons(ours: list[Bar], theirs: list[Bar]) -> None:
    """Of the changes from minute to minute that both have, as the statistics library has it."""
    count = min(len(ours), len(theirs))
    changes = [
        [change_ppm(after.close_paise, before.close_paise) for before, after in pairwise(s[:count])]
        for s in (ours, theirs)
    ]
    found = correlation(tuple(ours), tuple(theirs))
    if count - 1 < PAIRS_MIN or any(len(set(one)) == 1 for one in changes):
        assert found.reason == TOO_FEW
    else:
        oracle = statistics.correlation(
            [float(x) for x in changes[0]], [float(x) for x in changes[1]]
        )
        assert found.value == pytest.approx(oracle * 1000, abs=0.51)


def line(count: int, factor: int) -> tuple[Bar, ...]:
    """Minutes whose changes go one way and back, ``factor`` times as far."""
    moves = [0, 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    return tuple(
        minute_bar(n, [2_400_000 + factor * 100 * moves[n % len(moves)]]) for n in range(count)
    )


def test_the_same_and_the_opposite_way_are_a_thousand() -> None:
    """Canary beside: they are told apart, and from unlike ones."""
    ours = line(31, 1)
    assert correlation(ours, line(31, 3)).value == 1_000
    assert correlation(ours, line(31, -1)).value == -1_000
    unlike = tuple(minute_bar(n, [2_400_000 + (n * n * 7_919) % 900]) for n in range(31))
    value = correlation(ours, unlike).number
    assert value is not None
    assert abs(value) < 900


def test_changes_over_missing_minutes_and_gaps_do_not_count() -> None:
    """A minute that one of them lacks joins its neighbours; a hole or a gap is none of theirs."""
    ours = line(31, 1)
    assert correlation(ours, ours[:10] + ours[11:]).value == 1_000
    assert correlation(ours, ours[:5] + ours[20:]).reason == TOO_FEW
    gapped = minute_bar(30, [2_400_000], None, True)
    assert correlation((*ours[:-1], gapped), ours).reason == GAP
    assert correlation((), ours).reason == TOO_FEW


def test_a_peer_is_read_at_our_minute() -> None:
    """A peer that is a minute ahead is read where we are, one that is behind is unknown."""
    ours, theirs = line(20, 1), line(25, 2)
    found = peer_of("SENSEX", ours, theirs)
    end = ours[-1].start_ts
    assert found.peer.change_1m_ppm == change_over(theirs, end, 1).value
    assert found.peer.change_15m_ppm == change_over(theirs, end, 15).value
    assert found.unknown == (f"SENSEX.correlation_milli {TOO_FEW}",)
    behind = peer_of("SENSEX", ours, theirs[:19])
    assert behind.peer.change_1m_ppm is None
    assert peer_of("SENSEX", (), ()).peer.change_5m_ppm is None
    assert end % MINUTE_NS == 0


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [(5, (1, 2), 1000), (-5, (1, 2), -1000), (5, (1, -2), 0), (5, (1, 0), 500), (0, (4,), 0)],
)
def test_alignment_is_the_share_that_went_our_way(
    own: int, others: tuple[int, ...], expected: int
) -> None:
    """Those that went our way less those that went the other, of those that are known."""
    blank = peer_of("X", (), ())
    peers = tuple(replace(blank, change_5m=known(one)) for one in others)
    assert alignment(known(own), peers).value == expected
    with_unknown = (*peers, blank)
    assert alignment(known(own), with_unknown).value == expected


def test_alignment_without_anything_to_compare_is_unknown() -> None:
    """No other index, none of ours, none of theirs: each with its reason."""
    blank = peer_of("X", (), ())
    assert alignment(known(1), ()).reason == NOT_OFFERED
    assert alignment(unknown(GAP), (blank,)).reason == GAP
    assert alignment(known(1), (blank,)).reason == TOO_FEW
