"""``replay.open_session``: the frames are what was recorded, and the page about them runs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

import replay
from engine.core import Core
from events.envelope import decode_envelope
from events.feed import FeedFrame
from events.upcast import current_event
from events.wire import kite
from journal.close import close_session
from journal.reader import JournalReader
from journal.session_folder import ledger_path
from journal.writer import JournalWriter
from projections.duck.projector import ensure_projection
from projections.tables import TABLES
from replay.notebook import RecordedSession
from replay.session import ReplayError
from tests.engine.fabricated import SmallMarket, relaxed, run_small, small_run

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/NOTEBOOKS.md"
UID = "0123456789ab"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose desk has one closed session that traded."""
    home = tmp_path_factory.mktemp("home")
    parent = home / "desks/main/sessions"
    parent.mkdir(parents=True, mode=0o700)
    config = relaxed(contract={"delta_milli_min": 400, "delta_milli_max": 650})
    report = run_small(parent, SmallMarket(minutes=8, names=("NIFTY", "BANKNIFTY")), config)
    close_session(report.folder, ledger_path(home, "main"))
    return home


@pytest.fixture(scope="module")
def session(home: Path) -> RecordedSession:
    return replay.open_session("latest", home=home)


def test_every_table_is_what_the_projection_holds(session: RecordedSession, tmp_path: Path) -> None:
    """Row for row and column for column the base tables that the projector makes of the session,
    all of them; what is added is a time in India, or a symbol."""
    copy = shutil.copytree(session.folder, tmp_path / session.id)
    file = ensure_projection(copy)
    filled = 0
    with duckdb.connect(str(file), read_only=True) as connection:
        for table in TABLES:
            names = [column.name for column in table.columns]
            columns = ", ".join(f'"{name}"' for name in names)
            rows = connection.execute(f"SELECT {columns} FROM base.{table.name}").fetchall()
            frame = session.table(table.name)
            assert sorted(frame.select(names).rows(), key=repr) == sorted(rows, key=repr), (
                table.name
            )
            added = [name for name in frame.columns if name not in names]
            assert all(name.endswith("_ist") or name == "tradingsymbol" for name in added)
            filled += bool(rows)
    sys.stdout.write(f"{len(TABLES)} tables compared, {filled} with rows\n")
    assert filled > 15


def test_ticks_are_the_packets_of_the_frames(session: RecordedSession) -> None:
    """Each packet of each frame once, in the order of receipt, decoded as the codec decodes it."""
    expected: list[tuple[object, ...]] = []
    with JournalReader(session.folder) as reader:
        for entry in reader:
            envelope = decode_envelope(entry.data)
            event = current_event(envelope)
            if isinstance(event, FeedFrame):
                expected += [
                    (envelope.seq, place, envelope.ts, tick.token, tick.last_price or None)
                    for place, tick in enumerate(kite.decode_frame(event.data))
                    if not isinstance(tick, kite.SkippedPacket)
                ]
    ticks = session.ticks()
    assert ticks.select("seq", "idx", "ts", "token", "ltp_paise").rows() == expected
    symbol = session.instruments()["tradingsymbol"][3]
    one = session.ticks(symbol)
    assert set(one["tradingsymbol"]) == {symbol}
    assert 0 < one.height < ticks.height
    with pytest.raises(ReplayError, match="no instrument 'NOSUCH'"):
        session.ticks("NOSUCH")


def test_frames_are_typed(session: RecordedSession) -> None:
    """ns UTC is an integer, India's time a time with its zone and the same moment; paise and units
    are integers; columns stand beside what they say more of."""
    for frame in (session.ticks(), session.bars(), session.decisions(), session.gates(),
                  session.orders(), session.fills(), session.positions()):  # fmt: skip
        assert frame.height > 0
        for name, kind in frame.schema.items():
            if name.endswith(("_paise", "_units")) and name not in AVERAGES:
                assert kind == pl.Int64, name
            if name.endswith("_ist"):
                assert kind == pl.Datetime("ns", "Asia/Kolkata"), name
        assert frame.columns.index("ts_ist") == frame.columns.index("ts") + 1
        assert (frame["ts_ist"].dt.epoch("ns") == frame["ts"]).all()
    bars = session.bars(60_000)
    assert set(bars["bar_ms"]) == {60_000}
    assert (bars["start_ist"].dt.epoch("ns") == bars["start_ts"]).all()


AVERAGES = ("ema_fast_paise", "ema_slow_paise", "atr_paise", "vwap_paise")


def test_orders_and_positions_are_in_their_last_state(session: RecordedSession) -> None:
    """One row each, the last of their changes."""
    changes = session.table("order_events")
    orders = session.orders()
    assert orders.height == changes["order_id"].n_unique() < changes.height
    for row in orders.iter_rows(named=True):
        of_order = changes.filter(pl.col("order_id") == row["order_id"])
        assert row["seq"] == of_order["seq"].max()
    positions = session.positions()
    assert positions["position_id"].is_unique().all()


def test_the_state_at_a_decision(session: RecordedSession) -> None:
    """By seq and by time, the state that applying every fact up to there leads to."""
    seqs = session.decisions()["seq"].to_list()
    state = session.state_at(seqs[40])
    assert state.seq == seqs[40]
    assert state.decisions == 41
    moment = session.decisions()["ts_ist"][40]
    assert isinstance(moment, datetime)
    at_time = session.state_at(moment)
    assert at_time == session.state_at(moment.replace(tzinfo=None))
    assert at_time == session.state_at(at_time.seq)
    assert at_time.now == session.decisions()["ts"][40]
    whole = moment.strftime("%H:%M")
    assert session.state_at(whole) == session.state_at(f"{whole}:00")
    facts = Core()
    with JournalReader(session.folder) as reader:
        for entry in reader:
            envelope = decode_envelope(entry.data)
            if envelope.is_fact and envelope.seq <= at_time.seq:
                facts.step(envelope.seq, envelope.ts, current_event(envelope))
    assert facts.state == at_time
    for bad in (10**9, "25:00", "soon", "01:00"):
        with pytest.raises(ReplayError):
            session.state_at(bad)


def test_a_session_is_found(
    home: Path, session: RecordedSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By path, by id, as the latest, by the environment; what is none is told what to do."""
    assert replay.open_session(session.folder).id == session.id
    assert replay.open_session(session.id, home=home).folder == session.folder
    monkeypatch.setenv("AXIOM_HOME", str(home))
    assert replay.open_session("latest").folder == session.folder
    for bad, words in (
        ({"session": "nope"}, "not there"),
        ({"session": "latest", "home": tmp_path}, "no session yet"),
        ({"session": str(tmp_path / "none")}, "not there"),
    ):
        with pytest.raises(ReplayError, match=words):
            replay.open_session(**bad)
    monkeypatch.delenv("AXIOM_HOME")
    with pytest.raises(ReplayError, match="AXIOM_HOME"):
        replay.open_session("latest")
    with pytest.raises(ReplayError, match="no table 'nope'"):
        session.table("nope")


def test_a_running_session_is_read_to_its_acknowledged_end(tmp_path: Path) -> None:
    """Frames stay what they were until they are forgotten."""
    groups = small_run().groups
    with JournalWriter.create(tmp_path / "s", UID) as writer:
        for group in groups[:20]:
            last = writer.append([group.fact_data, *group.datas])
        assert writer.wait_durable(last, 30)
        running = replay.open_session(tmp_path / "s")
        seqs = running.table("entries")["seq"].to_list()
        assert seqs == list(range(1, last + 1))
        for group in groups[20:40]:
            last = writer.append([group.fact_data, *group.datas])
        assert writer.wait_durable(last, 30)
        assert running.table("entries").height == len(seqs)
        running.reload()
        assert running.table("entries").height == last


def blocks(text: str) -> list[str]:
    """The Python of a page."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_page_runs(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every block of docs/NOTEBOOKS.md in order, as one notebook; its frames have rows."""
    monkeypatch.setenv("AXIOM_HOME", str(home))
    names: dict[str, Any] = {}
    found = blocks(PAGE.read_text())
    assert len(found) >= 6
    for number, block in enumerate(found):
        exec(compile(block, f"NOTEBOOKS.md, block {number}", "exec"), names)
    for name in ("funnel", "nearest", "minute", "spread_paise", "fills", "changes"):
        assert names[name].height > 0, name
    assert names["result_paise"].item() != 0
    assert str(names["session"].day) in capsys.readouterr().out


def test_canary_a_page_that_does_not_run_is_found() -> None:
    """A block with a name that is none fails."""
    (block,) = blocks("text\n```python\nnothing_of_that_name\n```\n")
    with pytest.raises(NameError):
        exec(block, {})


def test_a_replay_does_not_load_polars() -> None:
    """The notebook's names are loaded when they are asked for, and only then."""
    program = (
        "import sys, replay, replay.session; assert 'polars' not in sys.modules; "
        "replay.open_session; assert 'polars' in sys.modules and 'duckdb' not in sys.modules"
    )
    subprocess.run((sys.executable, "-c", program), cwd=ROOT, check=True)
    with pytest.raises(AttributeError):
        _ = replay.no_such_name
