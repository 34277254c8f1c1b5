"""``axiom diff``: what two sessions decided otherwise, and the gate behind each difference."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.config import merge
from replay.diff import KINDS, diff_sessions
from tests.cli.conftest import CONFIG, NAMES, SILENT, Call, contents
from tests.engine.fabricated import SmallMarket, run_small
from tests.replay.journals import changed, lines, record, where

ROW = {
    "kind", "ts", "underlying", "before", "after", "before_stage", "after_stage", "before_reason",
    "after_reason", "before_lots", "after_lots", "before_contract", "after_contract",
    "stage", "gate", "contract_filter", "first_cause",
}  # fmt: skip


@pytest.fixture(scope="module")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The session of ``home`` again, allowed one trade and two lots only."""
    config = merge(CONFIG, {"risk": {"trades_day_max": 1, "lots_max": 2}})
    market = SmallMarket(minutes=8, names=NAMES, silent=SILENT)
    return run_small(tmp_path_factory.mktemp("fewer"), market, config).folder


def test_the_differences_are_given(axiom: Call, session: Path, fewer: Path) -> None:
    """The keys of the contract, every row with its gate; nothing is written."""
    before = contents(session)
    answer = axiom("diff", "latest", fewer, "--json")
    assert answer.code == 0
    document = answer.document
    assert {*document} == {
        "before", "after", *KINDS, "rows", "decisions", "days", "makings"
    }  # fmt: skip
    assert (document["before"], document["after"]) == (session.name, fewer.name)
    assert len(document["lost"]) > 0
    assert len(document["size_changed"]) > 0
    assert len(document["rows"]) == sum(len(document[kind]) for kind in KINDS)
    assert all({*row} == ROW for row in document["rows"])
    assert {row["gate"] for row in document["rows"] if row["kind"] == "lost"} == {"trades_day"}
    assert document["makings"]["settings"] == [
        "risk.lots_max: 5 -> 2", "risk.trades_day_max: 20 -> 1",
    ]  # fmt: skip
    assert len(document["lost"]) == len(diff_sessions(session, fewer).diff.lost)
    assert contents(session) == before


def test_it_is_told_in_lines(axiom: Call, session: Path, fewer: Path) -> None:
    """Counts, the first lines of each kind with the gate, and the settings that differ."""
    answer = axiom("diff", session, fewer)
    assert answer.code == 0
    assert "trades lost: " in answer.out
    assert "TRADE_APPROVED -> RISK_TRADES_DAY because trades_day judged otherwise" in answer.out
    assert "setting differs: risk.trades_day_max: 20 -> 1" in answer.err
    rows = diff_sessions(session, fewer).diff.size_changed
    assert rows
    for one in rows:
        sizes = f"{one.before_lots} lots of {one.before_contract} -> 2 lots of {one.after_contract}"
        assert f"{one.underlying}: {sizes} by the cap on lots\n" in answer.out


def test_a_session_against_itself(axiom: Call, session: Path) -> None:
    """No difference is a good answer too."""
    document = axiom("diff", "latest", "latest", "--json").document
    assert document["rows"] == []
    assert document["makings"]["settings"] == []
    told = axiom("diff", "latest", "latest")
    assert "differs" not in told.err
    assert "trades gained: 0" in told.out


def test_two_days_are_said_to_be_two(axiom: Call, session: Path, tmp_path: Path) -> None:
    """A line on standard error says that the time of day is compared."""
    opened = lines()[0].event
    other = record(tmp_path / "s", changed(lines(), 0, replace(opened, day=20261119)))
    assert "these are two days (20261120, 20261119)" in axiom("diff", session, other).err


def test_sessions_without_a_decision_are_refused(axiom: Call, tmp_path: Path) -> None:
    """Nothing to compare is no equality."""
    given = lines()
    empty = record(tmp_path / "s", given[: where("TimerTick", given)[0]])
    assert "holds a decision" in axiom("diff", empty, empty).refusal


def test_what_cannot_be_compared_is_one_line(axiom: Call, session: Path, tmp_path: Path) -> None:
    """A session that is not there, a folder that is none, one argument, damage."""
    assert "2099" in axiom("diff", "latest", "2099-01-01-backtest-000000000000").refusal
    assert axiom("diff", "latest", tmp_path).refusal
    assert axiom("diff", "latest").code == 2
    segment = session / "000001.axs"
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(data)
    assert "JOURNAL_CORRUPT" in axiom("diff", "latest", "latest").damage
