"""The day's checks: configuration, calendar, rulebook, the list of instruments."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.exchange_sim.listing import Listings
from adapters.kite.dump_file import keep_dump
from adapters.markets.synthetic import SyntheticMarket
from adapters.rulebook.load import load_rows
from adapters.rulebook.overlay import append_row
from cli.doctor import day
from cli.doctor.check import Context
from cli.paths import make_private, sessions_folder
from engine.config import Config, merge
from engine.rulebook import Rulebook, ist_ns
from events.session import Instrument, MarketIdentity, RuleRow
from tests.cli.doctor.place import DAY, NOW, context
from tests.engine.fabricated import SmallMarket, relaxed, run_small


def _at(home: Path, when: int, live: bool = False) -> dict[str, object]:
    return {"now_ns": lambda: ist_ns(when, "08:45"), "live": live}


def test_a_faulty_configuration_is_a_row(tmp_path: Path) -> None:
    """The other checks go on without it."""
    assert day.configuration(context(tmp_path)).verdict == "ok"
    found = day.configuration(context(tmp_path, fault="my.toml: unknown section [luck]"))
    assert (found.verdict, found.sentence) == ("bad", "my.toml: unknown section [luck]")


@pytest.mark.parametrize(
    ("when", "plain", "live", "says"),
    [
        (20260811, "ok", "ok", "trades from 09:15 to 15:40"),
        (20260731, "ok", "ok", "trades from 09:15 to 15:30"),
        (20261124, "ok", "bad", "no trading"),
        (20260809, "ok", "bad", "no trading"),
        (20261108, "warn", "bad", "without hours"),
        (20270104, "warn", "bad", "covered by no calendar"),
    ],
)
def test_today_by_the_calendar(tmp_path: Path, when: int, plain: str, live: str, says: str) -> None:
    """Only LIVE has something against a day without trading."""
    found = day.calendar(context(tmp_path, **_at(tmp_path, when)))
    assert found.verdict == plain
    assert says in found.sentence
    assert day.calendar(context(tmp_path, **_at(tmp_path, when, live=True))).verdict == live


@pytest.mark.parametrize(
    ("when", "plain", "live"),
    [(20260811, "ok", "ok"), (20261126, "warn", "warn"), (20270104, "warn", "bad")],
)
def test_the_rulebook_of_today(tmp_path: Path, when: int, plain: str, live: str) -> None:
    """An ended freeze quantity is warned of; an ended lot or calendar stops LIVE."""
    assert day.rulebook(context(tmp_path, **_at(tmp_path, when))).verdict == plain
    assert day.rulebook(context(tmp_path, **_at(tmp_path, when, live=True))).verdict == live


def test_events_that_nobody_knows_are_told_in_one_line(tmp_path: Path) -> None:
    """By kind, and only where a calendar does not cover the day: the budget of 2027 here."""
    assert "events" not in day.rulebook(context(tmp_path)).sentence
    found = day.rulebook(context(tmp_path, **_at(tmp_path, 20270104)))
    assert found.verdict == "warn"
    assert found.sentence.startswith("no calendar of BUDGET events covers the day; ")
    assert "\n" not in found.sentence


def test_a_faulty_overlay_is_bad_for_everybody(tmp_path: Path) -> None:
    """A row of an unknown rule, and a file that cannot be read."""
    desk = tmp_path / "desks" / "main"
    desk.mkdir(parents=True)
    row = RuleRow("lots", "NIFTY", DAY, DAY, 5, "units", "x", False)
    append_row(desk / "rulebook.toml", row, "ana", "2026-08-11T03:00:00Z")
    found = day.rulebook(context(tmp_path))
    assert found.verdict == "bad"
    assert "did you mean lot?" in found.sentence
    (desk / "rulebook.toml").write_text("[[row]\n")
    assert day.rulebook(context(tmp_path)).verdict == "bad"
    assert day.calendar(context(tmp_path)).verdict is None


def test_the_instruments_of_today(tmp_path: Path) -> None:
    """Missing and refused are bad for LIVE alone; read, they are counted."""
    assert day.instruments(context(tmp_path)).verdict == "warn"
    assert day.instruments(context(tmp_path, live=True)).verdict == "bad"
    folder = tmp_path / "instruments"
    folder.mkdir()
    market = SyntheticMarket(7, day=DAY)
    rows = market.instruments()
    listed = Listings(rows, Rulebook(load_rows()), DAY).csv(None)
    keep_dump(folder, listed, ist_ns(DAY, "08:31"))
    found = day.instruments(context(tmp_path, live=True))
    assert found.verdict == "ok"
    assert found.sentence.startswith(f"{len(rows)} instruments of 2026-08-11, all")
    other = context(tmp_path, live=True, settings={"underlyings": "NIFTY,BANKEX"})
    assert "no index of BANKEX" in day.instruments(other).sentence
    keep_dump(folder, listed + listed[-300:], ist_ns(DAY, "08:40"))
    assert "stands in line" in day.instruments(context(tmp_path, live=True)).sentence
    assert (
        day.instruments(context(tmp_path, live=True, now_ns=lambda: NOW + 86_400 * 10**9)).verdict
        == "bad"
    )


class KiteMarket(SmallMarket):
    """Two minutes of a market whose instruments are from the broker's list of that day."""

    @property
    def identity(self) -> MarketIdentity:
        return replace(super().identity, kind="kite")

    def instruments(self) -> tuple[Instrument, ...]:
        return SyntheticMarket(7, day=self.day).instruments()


def _desk(home: Path, market: SmallMarket) -> Context:
    """A desk with one session of that market, on the next morning, with a list of that day."""
    run_small(make_private(sessions_folder(home, "main")), market, relaxed())
    return context(home, live=True, now_ns=lambda: ist_ns(20261123, "08:45"))


def _list(home: Path, rows: tuple[Instrument, ...]) -> None:
    folder = make_private(home / "instruments")
    listed = Listings(rows, Rulebook(load_rows()), 20261123).csv(None)
    keep_dump(folder, listed, ist_ns(20261123, f"08:3{len(list(folder.iterdir()))}"))


def test_contracts_are_what_they_were_in_the_last_session(tmp_path: Path) -> None:
    """F12: against the list of today: the same, then a lot and an expiry changed, both values
    told; without a list of today it is not known."""
    market = KiteMarket(minutes=2)
    place = _desk(tmp_path, market)
    assert day.contracts(place).verdict is None
    rows = market.instruments()
    _list(tmp_path, rows)
    assert day.contracts(place).verdict == "ok"
    at = next(i for i, row in enumerate(rows) if row.kind == "CE" and row.expiry > 20261130)
    moved = replace(rows[at], lot_units=75, expiry=20261202)
    _list(tmp_path, (*rows[:at], moved, *rows[at + 1 :]))
    found = day.contracts(place)
    assert found.verdict == "bad"
    symbol = rows[at].tradingsymbol
    assert f"{symbol} expiry was {rows[at].expiry}, is 20261202" in found.sentence
    assert f"{symbol} lot_units was {rows[at].lot_units}, is 75" in found.sentence


def test_other_sessions_are_nothing_to_compare_with(tmp_path: Path) -> None:
    """A generated day's instruments are its own; a damaged opening is another check's matter."""
    place = _desk(tmp_path, SmallMarket(minutes=2))
    assert day.contracts(place).verdict == "ok"
    assert day.contracts(context(tmp_path / "none", live=True)).verdict == "ok"
    folder = run_small(
        make_private(sessions_folder(tmp_path, "main")), KiteMarket(minutes=2), relaxed()
    ).folder
    next(folder.glob("*.axj")).write_bytes(b"not a journal")
    assert "no session on the broker's list" in day.contracts(place).sentence


LATER = {"square_off_hhmm": 1520, "deadline_hhmm": 1522}


def _hour(home: Path, hhmm: str, *, unsure: bool) -> None:
    """The broker's own hour, as somebody added it to the desk's overlay."""
    row = RuleRow("squareoff.mis", "ZERODHA", 20260803, 99991231, hhmm, "ist", "a call", unsure)
    overlay = home / "desks" / "main" / "rulebook.toml"
    make_private(overlay.parent)
    append_row(overlay, row, "asha", "2026-08-11T03:00:00Z")


@pytest.mark.parametrize(
    ("session", "hour", "unsure", "verdict", "says"),
    [
        ({}, None, True, "ok", "deadline 15:12"),
        (LATER, None, True, "bad", "is not confirmed"),
        ({"deadline_hhmm": 1513}, None, True, "bad", "session.deadline_hhmm 15:13"),
        (LATER, "15:35", True, "bad", "is not confirmed"),
        (LATER, "15:35", False, "ok", "square-off 15:20, deadline 15:22"),
        (LATER, "15:22", False, "bad", "is not before 15:22"),
        ({}, "15:10", True, "bad", "is not before 15:10"),
        ({}, "15:10", False, "bad", "is not before 15:10"),
    ],
)
def test_the_desk_is_out_before_the_broker(
    tmp_path: Path, session: dict[str, int], hour: str | None, unsure: bool, verdict: str, says: str
) -> None:
    """Later times than the desk's own rows need a broker's hour that somebody has confirmed; none
    is as late as that hour."""
    if hour is not None:
        _hour(tmp_path, hour, unsure=unsure)
    given = merge(Config(), {"session": session})
    found = day.own_times(context(tmp_path, live=True, config=given))
    assert found.verdict == verdict
    assert says in found.sentence


def test_what_is_carried_overnight_is_no_matter_of_the_broker_s_hour(tmp_path: Path) -> None:
    """NRML positions are not closed by the broker: its confirmed hour does not bound them."""
    _hour(tmp_path, "15:10", unsure=False)
    given = merge(Config(), {"orders": {"product": "NRML"}})
    assert day.own_times(context(tmp_path, live=True, config=given)).verdict == "ok"
