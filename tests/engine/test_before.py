"""What a new session begins from: one that goes on, is carried over, or is damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.carry import EXITS_ONLY, carry_over
from engine.opening import BACKTEST, VIRTUAL, rulebook_digest
from engine.resume import EngineFault, Running
from engine.runner import (
    Before,
    Desk,
    before_session,
    own_code_digest,
    run_market,
)
from events.orders import FillApplied, IntentApproved
from events.registry import schema_digest
from events.session import CarriedOver, SessionClosed, SessionOpened
from journal.errors import JournalLocked
from journal.ledger import read_ledger
from journal.manifest import Manifest, write_manifest
from journal.verify import verify_session
from journal.watermark import held_entries
from journal.writer import JournalWriter
from replay.session import replay_session
from tests.engine.cut import (
    account,
    config,
    cut_session,
    datas_of,
    group_of,
    market,
    other_code,
    ran,
    read,
    state_at,
    whole,
)
from tests.engine.fabricated import small_rows
from tests.journal.journals import snapshot

NEXT_DAY = 20261123
HOLDING = next(seq for seq in range(1, 190) if state_at(seq).positions and state_at(seq).exits)
WORKING = next(seq for seq in range(HOLDING, 1, -1) if state_at(seq).orders)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    sessions = tmp_path / "main" / "sessions"
    sessions.mkdir(parents=True, mode=0o700)
    return Desk(sessions, sessions.parent / "ledger.axl")


def running(day: int = 20261120) -> Running:
    rows = rulebook_digest(small_rows())
    return Running(own_code_digest(), schema_digest(), rows, day)


def ask(desk: Desk, ours: Running | None = None, *, exits_only: bool = False) -> Before:
    return before_session(desk, ours or running(), BACKTEST, VIRTUAL, exits_only=exits_only)


def begun(folder: Path, at: int) -> Path:
    """The session with a manifest that says when it was begun."""
    about = Manifest(
        folder.name, folder.name[-12:], "2026-11-20", "backtest", "axiom", "3", "x", "h", 1, at
    )
    write_manifest(folder, about)
    return folder


def carried_at(seq: int, folder: Path, *, day: int = 20261120, lost: bool = False) -> CarriedOver:
    """What the state after an entry carries, beside the head hash that is not compared."""
    carried = carry_over(state_at(seq), "", day, orders_unknown=lost)
    return replace(carried, previous_session=folder.name[-12:])


def same(carried: CarriedOver | None, expected: CarriedOver) -> bool:
    assert carried is not None
    return replace(carried, previous_head_hash="") == expected


def test_a_new_account_begins_from_nothing(desk: Desk, tmp_path: Path) -> None:
    """No sessions folder, none in it, or none of this mode."""
    assert ask(Desk(tmp_path / "none", None)) == Before()
    assert ask(desk) == Before()
    begun(cut_session(desk.sessions, 90), 1)
    assert before_session(desk, running(), "PAPER", VIRTUAL) == Before()


def test_a_crashed_session_of_this_engine_goes_on(desk: Desk) -> None:
    """It is named to be resumed, and nothing of it has changed yet."""
    folder = begun(cut_session(desk.sessions, 90, torn_bytes=40), 1)
    before = snapshot(folder)
    assert ask(desk) == Before(resume=folder)
    assert snapshot(folder) == before
    assert ask(desk, replace(running(), code_digest="cd" * 32)).resume is None


@pytest.mark.parametrize("seq", [HOLDING, WORKING])
def test_the_next_start_closes_a_crashed_predecessor(desk: Desk, seq: int) -> None:
    """Of other code: closed as crashed, sealed, in the ledger, and every counter, pause and
    position is carried; asked again, the same is carried and nothing is closed twice."""
    folder = begun(cut_session(desk.sessions, seq, 0, other_code), 1)
    first = ask(desk)
    assert (first.resume, first.beside, first.closed) == (None, None, (folder,))
    assert same(first.carried, carried_at(seq, folder))
    assert read(folder)[-1].event == SessionClosed("CRASHED")
    assert desk.ledger is not None
    (line,) = read_ledger(desk.ledger)
    assert first.carried is not None
    assert (line.session, line.head_hash) == (folder.name, first.carried.previous_head_hash)
    assert verify_session(folder, ledger=desk.ledger).ok
    assert ask(desk) == replace(first, closed=())
    assert len(read_ledger(desk.ledger)) == 1


def test_a_session_of_the_day_before_is_closed_and_its_counts_are_not_today_s(desk: Desk) -> None:
    """Same code, another day: positions and capital come over, counts of the day do not."""
    folder = begun(cut_session(desk.sessions, HOLDING), 1)
    end = whole_group_end(HOLDING)
    found = ask(desk, running(NEXT_DAY))
    assert found.closed == (folder,)
    assert same(found.carried, carried_at(end, folder, day=NEXT_DAY))
    assert found.carried is not None
    assert found.carried.positions and not found.carried.trades_today


def whole_group_end(seq: int) -> int:
    groups = whole().groups
    return next(g.fact.seq + len(g.datas) for g in groups if seq <= g.fact.seq + len(g.datas))


def test_the_newest_decides_and_what_held_nothing_is_passed_over(desk: Desk) -> None:
    """By the manifest's time: an older one is not looked at; a folder that an engine died in before
    its journal, its first entry or its account was durable has nothing to say."""
    ended = run_market(desk.sessions, market(), config(), small_rows())
    begun(ended.folder, 5)
    older = begun(cut_session(desk.sessions, HOLDING, 0, other_code), 4)
    before = snapshot(older)
    empty, unborn, silent = (desk.sessions / f"2026-11-20-backtest-{digit * 12}" for digit in "abc")
    for folder in (empty, unborn):
        folder.mkdir(mode=0o700)
    (unborn / "watermark").write_bytes(b"")
    assert not held_entries(unborn)
    JournalWriter.create(silent, "c" * 12).close(final=False)
    for at, folder in enumerate((silent, unborn, empty), 7):
        begun(folder, at)
    bare = begun(rename(cut_session(desk.sessions.parent / "y", 1), desk.sessions), 6)
    found = ask(desk)
    assert found.closed == (bare,)
    assert found.resume is None and found.beside is None
    assert found.carried is not None
    assert found.carried.previous_head_hash == ended.head_hash
    assert found.carried.trades_today == ended.trades
    assert snapshot(older) == before


def rename(folder: Path, parent: Path) -> Path:
    """The session as the second with its uid."""
    return Path(shutil.move(folder, parent / f"{folder.name}-2"))


def test_a_session_of_another_account_is_not_ours(desk: Desk) -> None:
    """Whatever it held or however it is damaged behind its opening."""
    folder = begun(cut_session(desk.sessions, HOLDING, 0, other_account), 1)
    assert ask(desk) == Before()
    damage(folder, 9_000)
    assert ask(desk) == Before()


def other_account(opened: SessionOpened) -> SessionOpened:
    return replace(opened, account="AB1234")


def test_an_engine_that_still_runs_is_not_closed(desk: Desk) -> None:
    """Its lock is held: the start is refused, also for one that would only exit."""
    folder = begun(cut_session(desk.sessions, HOLDING, 0, other_code), 1)
    writer, _ = JournalWriter.resume(folder)
    for exits_only in (False, True):
        with pytest.raises(JournalLocked):
            ask(desk, exits_only=exits_only)
    writer.close(final=False)


# --- beside a damaged session --------------------------------------------------------------------


def damage(folder: Path, offset: int) -> None:
    segment = folder / "000001.axj"
    data = segment.read_bytes()
    segment.write_bytes(data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :])


def entries_before(folder: Path, offset: int) -> int:
    """How many entries stand whole before a byte of the segment."""
    size, count = 0, 0
    for data in [data for group in datas_of(whole()) for data in group]:
        size += 132 + 4 + len(data)
        if size > offset:
            return count
        count += 1
    return count


def test_beside_a_damaged_session_only_exits_are_opened(desk: Desk) -> None:
    """A start is refused and names what to do; with exits only the last readable state is carried,
    its working orders as unknown, and the damaged session is not touched."""
    folder = begun(cut_session(desk.sessions, 180), 1)
    damage(folder, byte_after(WORKING))
    before = snapshot(folder)
    with pytest.raises(EngineFault, match=r"axiom verify.*--exits-only") as refusal:
        ask(desk)
    assert folder.name in str(refusal.value)
    assert "\n" not in str(refusal.value)
    found = ask(desk, exits_only=True)
    assert (found.beside, found.resume, found.closed) == (folder, None, ())
    expected = carried_at(WORKING, folder, lost=True)
    assert expected.unknown_orders and expected.positions
    assert same(found.carried, replace(expected, halts=(*expected.halts, EXITS_ONLY)))
    assert snapshot(folder) == before


def byte_after(seq: int) -> int:
    """A byte of the entry after ``seq``."""
    flat = [data for group in datas_of(whole()) for data in group][:seq]
    return sum(132 + 4 + len(data) for data in flat) + 140


def test_the_session_beside_it_sells_what_is_held_and_buys_nothing(desk: Desk) -> None:
    """Run on the rest of the market: no intent, the carried position is closed, its replay is
    identical; the next start carries on without the halt, and with the orders still unknown."""
    folder = begun(cut_session(desk.sessions, 180), 1)
    damage(folder, byte_after(WORKING))
    found = ask(desk, exits_only=True)
    report = run_market(
        desk.sessions, market(), config(), small_rows(), found.carried,
        anchor_ns=state_at(WORKING).now,
    )  # fmt: skip
    events = [one.event for one in read(report.folder)]
    assert not [e for e in events if isinstance(e, IntentApproved)]
    assert [e for e in events if isinstance(e, FillApplied)]
    assert report.state.positions == ()
    assert replay_session(report.folder).outcome == "identical"
    after = ask(desk)
    assert after.carried is not None and found.carried is not None
    assert EXITS_ONLY not in after.carried.halts
    assert after.carried.unknown_orders == found.carried.unknown_orders
    assert after.carried.previous_session == report.state.uid


def test_exits_only_beside_a_whole_session_closes_it(desk: Desk) -> None:
    """A person may ask for it: the session that would have gone on is closed, its account carried
    under the halt, and its paper orders ended with it."""
    folder = begun(cut_session(desk.sessions, HOLDING), 1)
    found = ask(desk, exits_only=True)
    assert (found.closed, found.beside) == ((folder,), None)
    assert found.carried is not None
    assert found.carried.halts == (EXITS_ONLY,)
    assert found.carried.unknown_orders == ()
    assert replay_session(folder).outcome == "identical"


@pytest.mark.parametrize("lost", ["watermark", "000001.axj"])
def test_a_lost_file_is_damage_not_an_empty_session(desk: Desk, lost: str) -> None:
    """Without its watermark all that stands there is read; without its segment nothing is known,
    and nothing is opened at all."""
    folder = begun(cut_session(desk.sessions, HOLDING), 1)
    watermark = (folder / "watermark").read_bytes()
    (folder / lost).unlink()
    with pytest.raises(EngineFault, match="cannot be taken up"):
        ask(desk)
    if lost == "watermark":
        assert same(
            replace(ask(desk, exits_only=True).carried or account(), halts=()),
            carried_at(HOLDING, folder, lost=True),
        )
        return
    assert held_entries(folder)
    with pytest.raises(EngineFault, match=r"nothing of .* can be read"):
        ask(desk, exits_only=True)
    (folder / "watermark").write_bytes(bytes([watermark[0] ^ 1]) + watermark[1:])
    assert held_entries(folder)


@pytest.mark.slow
def test_damage_anywhere_is_never_passed_over(desk: Desk) -> None:
    """A changed byte all over what was acknowledged: refused, or beside it with a state that the
    session had; the older session is never taken for the last."""
    ended = run_market(desk.sessions, market(), config(), small_rows())
    begun(ended.folder, 1)
    folder = begun(rename(cut_session(desk.sessions.parent / "y", 150), desk.sessions), 2)
    whole_bytes = (folder / "000001.axj").read_bytes()
    cases = 0
    acknowledged = whole().groups[group_of(151)].fact.seq - 1
    for offset in range(0, byte_after(acknowledged - 1), 3_701):
        (folder / "000001.axj").write_bytes(whole_bytes)
        damage(folder, offset)
        with pytest.raises(EngineFault, match="cannot be taken up"):
            ask(desk)
        readable = entries_before(folder, offset)
        if state_at(readable).carried is None:
            with pytest.raises(EngineFault, match="nothing of"):
                ask(desk, exits_only=True)
        else:
            found = ask(desk, exits_only=True)
            assert found.beside == folder and found.carried is not None
            assert same(replace(found.carried, halts=()), carried_at(
                readable, Path(str(folder).removesuffix("-2")), lost=True
            ))  # fmt: skip
        cases += 1
    ran(f"{cases} damaged sessions")
    assert cases > 40
