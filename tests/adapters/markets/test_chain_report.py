"""What the checker says of a file: the recorded day's known figures, and every planted oddity."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.markets.chain import open_chain
from adapters.markets.chain_file import ChainFileError
from adapters.markets.chain_report import ChainReport, describe_chain
from engine.rulebook import hhmmss_of
from tests.adapters.markets.chain_fixture import RULEBOOK, Rows, changed, page, small_day, write
from tests.adapters.markets.test_chain import REAL, needs_data


def described(tmp_path: Path, rows: Rows) -> ChainReport:
    return describe_chain(write(tmp_path / "day.parquet", rows), RULEBOOK)


def test_the_small_day_is_described(tmp_path: Path) -> None:
    """Counts, gap, ages and stale pages of the generated day, and no problem."""
    report = described(tmp_path, small_day())
    assert (report.rows, report.snapshots, report.contracts) == (180, 5, 36)
    assert report.expiries == (20250902, 20250930)
    assert (report.packets, report.index_prints) == (36 + 1 + 1 + 3, 3)
    assert (report.quiet_pages, report.stale_pages) == (2, 2)
    [gap] = report.gaps
    assert (hhmmss_of(gap.from_ts), hhmmss_of(gap.to_ts)) == ("09:27:34", "09:31:00")
    assert (report.stamp_age_s_median, report.stamp_age_s_max) == (97, 229)
    assert report.problems == report.notes == ()


def test_the_report_names_the_market_that_a_backtest_would_see(tmp_path: Path) -> None:
    """The digest in the report is the one in the session's identity."""
    path = write(tmp_path / "day.parquet", small_day())
    market = open_chain(path, RULEBOOK)
    assert describe_chain(path, RULEBOOK).content_digest == market.identity.content_digest


FIRST = page("09:24:16", "09:22:45")
ODDITIES: dict[str, tuple[Rows, str]] = {
    "ahead": (page("09:24:16", "09:24:17"), "1 pages carry an exchange stamp later"),
    "backward": ([*FIRST, *page("09:25:16", "09:22:44")], "1 pages carry an exchange stamp older"),
    "hours": (page("15:30:00", "15:29:00"), "1 pages lie outside trading hours"),
    "crossed": (changed(FIRST, ask_paise=119_995), "1 quotes have a bid at or above the ask"),
    "half": (changed(FIRST, bid_qty=0), "1 quotes have a price without quantity"),
    "tick": (changed(FIRST, ltp_paise=119_998), "1 quotes are off the tick"),
    "no_index": ([row | {"bid_paise": 0, "bid_qty": 0} for row in FIRST], "1 fresh pages allow no"),
}


@pytest.mark.parametrize("case", list(ODDITIES))
def test_a_planted_contradiction_is_the_one_problem(tmp_path: Path, case: str) -> None:
    """Canary of each check: one planted fault, one problem of that name and count."""
    rows, sentence = ODDITIES[case]
    [problem] = described(tmp_path, rows).problems
    assert problem.startswith(sentence)


def test_missing_contracts_and_falling_volume_are_notes(tmp_path: Path) -> None:
    """Oddities of a real day are told, but they are no reason to refuse it."""
    second = changed(page("09:25:16", "09:23:45"), volume_contracts=99)
    report = described(tmp_path, [*FIRST, *second[:-1]])
    assert report.problems == ()
    assert [note[:40] for note in report.notes] == [
        "1 pages lack contracts that other pages ",
        "1 times the day's volume of a contract f",
    ]


def test_a_file_that_cannot_be_read_is_refused_not_described(tmp_path: Path) -> None:
    """The checker raises the same typed error as opening does."""
    with pytest.raises(ChainFileError, match="no such file"):
        describe_chain(tmp_path / "none.parquet", RULEBOOK)


@needs_data
def test_the_recorded_day_has_its_known_figures() -> None:
    """29 August 2025: rows, pages, expiries, the outage, stale pages and ages, without problem."""
    report = describe_chain(REAL, RULEBOOK)
    assert (report.rows, report.snapshots, report.contracts) == (467_524, 306, 1528)
    assert len(report.expiries) == 18
    assert (report.packets, report.index_prints) == (291_527, 292)
    assert (report.quiet_pages, report.stale_pages) == (9, 14)
    assert (report.stamp_age_s_median, report.stamp_age_s_max) == (71, 139)
    assert [(hhmmss_of(gap.from_ts), hhmmss_of(gap.to_ts)) for gap in report.gaps] == [
        ("09:59:02", "10:01:26"),
        ("10:08:04", "10:11:05"),
        ("10:16:18", "10:35:10"),
        ("10:37:57", "10:41:02"),
    ]
    assert report.problems == ()
    assert report.notes == (
        "22 pages lack contracts that other pages have",
        "12 times the day's volume of a contract fell",
    )


@needs_data
def test_the_recorded_days_index_stays_below_its_forward() -> None:
    """The estimate lies 14 to 18 points under the nearest forward all day: carry, not noise."""
    market = open_chain(REAL, RULEBOOK)
    prints = [index for _, _, _, _, index in market.pages() if index is not None]
    assert len(prints) == 292
    assert min(prints) > 2_442_000
    assert max(prints) < 2_458_500
    assert prints[-1] == pytest.approx(2_446_800 - 1_500, abs=200)
