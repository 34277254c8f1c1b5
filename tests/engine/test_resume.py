"""Resume: after a death at any entry, or within one, the session goes on as if nothing had been."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import runner
from engine.apply import Entry
from engine.carry import carry_over
from engine.checkpoint import state_hash
from engine.config import merge
from engine.core import Core, encode_fact
from engine.opening import rulebook_digest
from engine.ports import MarketFrame
from engine.resume import (
    EngineFault,
    Rebuilt,
    ResumeError,
    Running,
    can_derive,
    check_market,
    facts_left,
)
from engine.runner import (
    RunReport,
    own_code_digest,
    resume_market,
    run_market,
)
from events.envelope import encode_envelope
from events.registry import BY_KIND, schema_digest
from events.session import (
    CarriedOver,
    OperatorCommand,
    SessionClosed,
    SessionOpened,
    SessionResumed,
    TailCut,
)
from journal.block import HEADER_BYTES, WORD_BYTES
from journal.close import close_session
from journal.errors import JournalClosed, JournalCorrupt, JournalLocked
from journal.reader import read_entries
from journal.verify import verify_session
from journal.writer import JournalWriter
from replay.session import replay_session
from replay.whatif import whatif
from tests.engine.cut import (
    ENTRY_BLOCKS,
    account,
    check_session,
    config,
    cut_again,
    cut_session,
    datas_of,
    derive_unbroken,
    group_of,
    market,
    other_code,
    ran,
    read,
    state_at,
    whole,
)
from tests.engine.fabricated import SmallMarket, small_rows
from tests.journal.journals import build, snapshot

ENTRIES = len(whole().entries)
OTHER = "ab" * 32


def resume(folder: Path) -> RunReport:
    return resume_market(folder, market(), small_rows(), account(), options=ENTRY_BLOCKS)


def check_resumed(folder: Path, seq: int, *, torn: bool) -> None:
    """Everything that must hold of a session that died after entry ``seq`` and went on."""
    before = [data for group in datas_of(whole()) for data in group][:seq]
    entries = check_session(folder, resume(folder))
    assert [one.data for one in entries[:seq]] == before, "what was kept has changed"
    kinds = [one.envelope.kind for one in entries]
    ended = kinds.index("SessionClosed") < seq
    assert kinds.count("SessionResumed") == (not ended)
    assert kinds.count("TailCut") == (torn and not ended)


INSIDE = tuple(seq for seq in range(1, ENTRIES) if group_of(seq) == group_of(seq + 1))
"""Entries after which a group is incomplete."""


def at_cuts(tmp_path: Path, seqs: Iterable[int], torn: Callable[[int], int]) -> None:
    count = 0
    for seq in seqs:
        count += 1
        folder = cut_session(tmp_path / f"{seq}-{torn(seq)}", seq, torn(seq))
        check_resumed(folder, seq, torn=torn(seq) > 0)
        shutil.rmtree(folder)
    ran(f"{count} sessions resumed")


@pytest.mark.slow
def test_j01_after_a_death_between_entries_the_session_goes_on(tmp_path: Path) -> None:
    """At boundaries of entries, within the opening, inside groups and in the closing: what was kept
    stands as it stood, the rest of the group comes first, and derivations are those of an engine
    that never died."""
    at_cuts(tmp_path, {*range(1, 8), *INSIDE[3::9], *range(11, ENTRIES, 17), ENTRIES}, lambda _: 0)


def test_j01_after_a_death_within_an_entry_the_session_goes_on(tmp_path: Path) -> None:
    """A torn entry is cut, the cut is in the journal, and the session goes on as before it."""
    at_cuts(tmp_path, range(3, ENTRIES, 29), lambda seq: 30 + seq % 100)


@pytest.mark.slow
def test_j01_after_a_death_at_every_entry_the_session_goes_on(tmp_path: Path) -> None:
    """The same at every boundary there is, and within every second entry."""
    at_cuts(tmp_path / "between", range(1, ENTRIES + 1), lambda _: 0)
    at_cuts(tmp_path / "within", range(1, ENTRIES, 2), lambda seq: 1 + seq * 7 % 139)


def test_a_checkpoint_changes_nothing_but_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resumed from the state of a minute, from a damaged one, or from the journal's start: the same
    journal to the byte; with a whole one nothing before it is applied again."""
    report = run_market(tmp_path, market(), config(), small_rows())
    kept = [path for path in report.folder.iterdir() if path.name.startswith("checkpoints")]
    assert kept, sorted(path.name for path in report.folder.iterdir())
    states = kept[0].read_bytes()
    applied: list[int] = []
    take = Core.take

    def noting(core: Core, entry: Entry) -> None:
        applied.append(entry.seq)
        take(core, entry)

    monkeypatch.setattr(Core, "take", noting)
    ends, counts = [], []
    damaged = bytes([states[0] ^ 1]) + states[1:]
    for content in (states, damaged, None):
        cut_again(report.folder, 150, torn_bytes=9)
        if content is not None:
            kept[0].write_bytes(content)
        applied.clear()
        again = resume(report.folder)
        ends.append((again.head_hash, again.digest, again.facts, state_hash(again.state)))
        counts.append(len(applied))
    assert ends[0] == ends[1] == ends[2]
    assert counts[0] < counts[1] == counts[2]


def test_a_session_may_die_again_and_again(tmp_path: Path) -> None:
    """Resumed, killed and resumed: each resumption is in the journal, and the day is the same."""
    folder = cut_session(tmp_path, 40)
    for seq in (60, 61, 90, 150):
        resume(folder)
        cut_again(folder, seq)
    report = resume(folder)
    entries = read(folder)
    core, derived = derive_unbroken(entries)
    assert [one.data for one in entries if not one.envelope.is_fact] == derived
    assert state_hash(report.state) == state_hash(core.state)
    assert [one.envelope.kind for one in entries].count("SessionResumed") >= 4
    assert replay_session(folder).outcome == "identical"


class Death(NamedTuple):
    """After which part (in thousandths) of what is there, and how many bytes of the next entry."""

    part: int
    torn_bytes: int


def check_deaths(parent: Path, deaths: list[Death]) -> None:
    """A session that dies as often as said, each time anywhere in what it has by then."""
    first, *rest = deaths
    folder = cut_session(parent, *placed(first, ENTRIES))
    for death in rest:
        resume(folder)
        cut_again(folder, *placed(death, len(read(folder))))
    check_session(folder, resume(folder))


def placed(death: Death, entries: int) -> tuple[int, int]:
    seq = 1 + (entries - 1) * death.part // 1_000
    return seq, (death.torn_bytes if seq < entries else 0)


DEATHS = st.lists(
    st.builds(Death, st.integers(0, 1_000), st.sampled_from((0, 0, 1, 40, 131))),
    min_size=1, max_size=4,
)  # fmt: skip


def test_j01_any_deaths_anywhere(tmp_path: Path) -> None:
    """Property: however often it dies, wherever, with whatever of an entry left behind, the day is
    the one that never died."""

    @given(DEATHS)
    @settings(max_examples=8, deadline=None)
    def anywhere(deaths: list[Death]) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as parent:
            check_deaths(Path(parent), deaths)

    anywhere()


@pytest.mark.slow
def test_j01_many_deaths_anywhere(tmp_path: Path) -> None:
    """The same for as many as the profile asks."""

    @given(DEATHS)
    @settings(max_examples=60, deadline=None)
    def anywhere(deaths: list[Death]) -> None:
        with tempfile.TemporaryDirectory(dir=tmp_path) as parent:
            check_deaths(Path(parent), deaths)

    anywhere()


# --- the pure part -------------------------------------------------------------------------------


def test_every_cut_group_is_finished_to_the_byte() -> None:
    """At each entry inside each group: what is missing is what the uninterrupted run has there, and
    the state after it is the same, from the journal's start or from any state on the way."""
    core, count = Core(), 0
    for index, group in enumerate(whole().groups):
        datas = datas_of(whole())[index]
        before = core.state
        core.step(group.fact.seq, group.fact.ts, group.fact.event)
        for kept in range(1, len(datas)):
            rebuilt = Rebuilt(Core(before))
            assert rebuilt.rest_of(datas[:kept]) == datas[kept:]
            assert state_hash(rebuilt.core.state) == state_hash(core.state)
            count += 1
    assert count == len(INSIDE)
    ran(f"{count} cut groups")


def test_the_state_is_the_same_from_any_state_on_the_way() -> None:
    """E02: entries after a saved state, or all of them: the same state hash, figures and digest."""
    flat = [data for group in datas_of(whole()) for data in group]
    core, saved = Core(), [Core().state]
    for group in whole().groups:
        core.step(group.fact.seq, group.fact.ts, group.fact.event)
        saved.append(core.state)
    expected = state_hash(whole().core.state)
    for state in saved[::8]:
        rebuilt = Rebuilt(Core(state))
        for data in flat:
            rebuilt.take(data)
        assert state_hash(rebuilt.core.state) == expected
        assert rebuilt.digest.hexdigest() == whole().digest
        assert rebuilt.facts + rebuilt.derivations == len(flat)


@pytest.mark.parametrize("field", ["code_digest", "schema_digest", "rulebook_digest", "day"])
def test_what_differs_is_named(field: str) -> None:
    """E09: each of code, schema, rulebook and day alone keeps a session from going on; only the
    first two keep its last group from being derived."""
    opened = whole().groups[0].fact.event
    assert isinstance(opened, SessionOpened)
    ours = running()
    assert ours.differs_from(opened) == ()
    other = replace(opened, **{field: 20261119 if field == "day" else OTHER})
    assert ours.differs_from(other) == (field.removesuffix("_digest"),)
    assert can_derive(ours.differs_from(other)) == (field in ("rulebook_digest", "day"))


def running() -> Running:
    rows = rulebook_digest(small_rows())
    return Running(own_code_digest(), schema_digest(), rows, market().day)


def test_a_market_that_gives_something_else_is_refused() -> None:
    """Another last fact, too few facts, another identity, day or instruments: named, not run on."""
    state = whole().core.state
    last = [g.fact for g in whole().groups if g.fact.kind in ("FeedFrame", "TimerTick")][-1]
    assert list(facts_left(market(), state, (last.ts, last.event))) == []
    with pytest.raises(ResumeError, match="is not the one that was recorded"):
        facts_left(market(), state, (last.ts + 1, last.event))
    with pytest.raises(ResumeError, match="took"):
        facts_left(SmallMarket(minutes=5, every_ms=10_000, cadence_ms=20_000), state, None)
    check_market(market(), state)
    for other, what in (
        (SmallMarket(minutes=6, every_ms=10_000, cadence_ms=20_000, seed=2), "market: kind"),
        (SmallMarket(minutes=6, every_ms=10_000, cadence_ms=5_000), "cycle rule: kind GRID"),
    ):
        with pytest.raises(ResumeError, match=f"ran on another {what}"):
            check_market(other, state)
    fewer = replace(state, instruments=state.instruments[1:])
    with pytest.raises(ResumeError, match="other instruments"):
        check_market(market(), fewer)


# --- what cannot go on ---------------------------------------------------------------------------


def other_rules(opened: SessionOpened) -> SessionOpened:
    return replace(opened, rulebook_digest=OTHER)


HOLDING = next(
    seq for seq in INSIDE if state_at(seq).positions and state_at(seq).account.loss_streak
)
"""Inside a group, with a position held after a trade that lost."""


@pytest.mark.parametrize("change", [other_code, other_rules])
@pytest.mark.parametrize("torn", [0, 50])
def test_under_other_code_a_successor_carries_everything_over(
    tmp_path: Path, change: Callable[[SessionOpened], SessionOpened], torn: int
) -> None:
    """The crashed session is closed as it was left; its successor has every counter, pause and
    position, and trades the rest of the day; other code finishes no group of it, and says so."""
    folder = cut_session(tmp_path, HOLDING, torn, change)
    report = resume(folder)
    assert report.folder != folder
    left = read(folder)
    codes = change is other_code
    end = HOLDING if codes else state_after_group(HOLDING)
    added = [one.event for one in left[end:]]
    cut = TailCut(HOLDING, left_bytes(added), "OTHER_CODE" if codes else "TORN")
    assert added == [*([cut] if codes or torn else []), SessionClosed("CRASHED")]
    assert left_bytes(added) >= torn
    assert (left_bytes(added) > 0) == (torn > 0)
    before = state_at(HOLDING) if codes else replace(state_at(end), seq=0)
    began = read(report.folder)
    carried = began[1].event
    assert isinstance(carried, CarriedOver)
    assert carried == replace(
        carry_over(before, carried.previous_head_hash or "", market().day, orders_unknown=False),
        previous_session=folder.name[-12:],
    )
    assert carried.positions and carried.loss_streak and carried.cooldowns
    assert began[0].envelope.ts == left[-1].envelope.ts
    frames = [one.envelope.ts for one in began if one.envelope.kind == "FeedFrame"]
    assert min(frames) > left[-1].envelope.ts
    assert replay_session(report.folder).outcome == "identical"
    close_session(folder, None)
    close_session(report.folder, None)
    assert carried.previous_head_hash == verify_session(folder).head_hash
    assert verify_session(folder).ok and verify_session(report.folder).ok
    replayed = replay_session(folder)
    assert (replayed.outcome, replayed.identical) == (
        "other_engine" if codes else "identical",
        True,
    )


def state_after_group(seq: int) -> int:
    """The last seq of an entry's group."""
    group = whole().groups[group_of(seq)]
    return group.fact.seq + len(group.datas)


def left_bytes(added: Sequence[object]) -> int:
    """What the TailCut among the added facts says was cut."""
    return sum(one.cut_bytes for one in added if isinstance(one, TailCut))


def answers_to(index: int, ts: int, halt: OperatorCommand) -> list[bytes]:
    """What a command leads to behind the groups before ``index``."""
    core = Core()
    for group in whole().groups[:index]:
        core.step(group.fact.seq, group.fact.ts, group.fact.event)
    return [one.data for one in core.step(core.state.seq + 1, ts, halt)]


def test_a_halt_holds_over_a_death(tmp_path: Path) -> None:
    """What an operator halted before the engine died is halted in the session that goes on, and in
    a successor."""
    index = group_of(150)
    kept = datas_of(whole())[:index]
    seq, ts = whole().groups[index].fact.seq, whole().groups[index - 1].fact.ts
    halt = OperatorCommand("HALT", "trader", "news", None, None, "", "NONE")
    command = [encode_fact(seq, ts, halt), *answers_to(index, ts, halt)]
    for change in (None, other_code):
        folder = cut_session(tmp_path / f"{change}", 90, 0, change or (lambda opened: opened))
        first = read(folder)[0].data
        shutil.rmtree(folder)
        groups = [(first,), *kept[1:], tuple(command)]
        build(folder, [groups], options=ENTRY_BLOCKS, uid=folder.name[-12:])
        report = resume(folder)
        assert (report.folder == folder) == (change is None)
        assert report.state.account.halts == ("GOV_HALTED",)
        assert replay_session(report.folder).outcome == "identical"


def test_what_if_of_a_resumed_day_is_that_of_the_whole_day(tmp_path: Path) -> None:
    """Another configuration over a session that died twice changes what it changes over the one
    that never died."""
    folder = cut_session(tmp_path / "cut", 70, torn_bytes=50)
    resume(folder)
    cut_again(folder, 120)
    resume(folder)
    never = run_market(tmp_path / "whole", market(), config(), small_rows()).folder
    tighter = [
        whatif(one, tmp_path / f"derived-{one.parent.name}",
               lambda was: merge(was, {"risk": {"trades_day_max": 1}})).diff
        for one in (folder, never)
    ]  # fmt: skip
    mine, theirs = ((len(d.gained), len(d.lost), len(d.reason_changed)) for d in tighter)
    assert mine == theirs
    assert mine[1] > 0, "the other configuration changed nothing: nothing was shown"


def test_a_successor_that_dies_goes_on_too(tmp_path: Path) -> None:
    """A successor began later than its market's day: its place in it is found again."""
    first = resume(cut_session(tmp_path, HOLDING, 0, other_code))
    entries = len(read(first.folder))
    expected = [one.data for one in read(first.folder) if not one.envelope.is_fact]
    ends = [e.seq for e in read_entries(first.folder) if e.group_end and 10 < e.seq < entries - 9]
    cut_again(first.folder, ends[len(ends) // 2] + 1)
    again = resume(first.folder)
    core, derived = derive_unbroken(read(again.folder))
    assert again.folder == first.folder
    assert [one.data for one in read(again.folder) if not one.envelope.is_fact] == derived
    assert len(derived) == len(expected)
    assert state_hash(again.state) == state_hash(core.state)


def test_a_crashed_session_gets_its_successor_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Death after its final block, before the watermark said so and before the successor began: the
    successor is made when it is asked for, and not a second time."""
    folder = cut_session(tmp_path, HOLDING, 0, other_code)
    lagging = (folder / "watermark").read_bytes()

    def dies(*_: object, **__: object) -> RunReport:
        raise EngineFault("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(runner, "run_market", dies)
        with pytest.raises(EngineFault, match="killed here"):
            resume(folder)
    (folder / "watermark").write_bytes(lagging)
    report = resume(folder)
    carried = read(report.folder)[1].event
    assert isinstance(carried, CarriedOver)
    assert carried.previous_head_hash == verify_session(folder).head_hash
    assert (
        carried.positions
        == carry_over(state_at(HOLDING), "", market().day, orders_unknown=False).positions
    )
    with pytest.raises(EngineFault, match=f"{report.folder.name} goes on from it"):
        resume(folder)


def test_a_group_that_is_derived_otherwise_is_not_finished(tmp_path: Path) -> None:
    """Canary: one changed derivation in the durable part of the last group stops the resumption,
    names its seq, and nothing is appended."""
    folder = cut_session(tmp_path, HOLDING)
    group = whole().groups[group_of(HOLDING)]
    first = group.derived[0]
    groups = datas_of(whole())[: group_of(HOLDING)]
    forged = encode_envelope(
        first.seq, first.kind, BY_KIND[first.kind].version, first.ts + 1, first.cause, first.event
    )
    shutil.rmtree(folder)
    segment = build(
        folder, [groups], [(group.fact_data, forged, group.datas[1])],
        options=ENTRY_BLOCKS, uid=folder.name[-12:],
    )  # fmt: skip
    with segment.open("r+b") as file:
        file.truncate(segment.stat().st_size - HEADER_BYTES - WORD_BYTES - len(group.datas[1]))
    with pytest.raises(EngineFault, match=f"seq {first.seq} was recorded otherwise"):
        resume(folder)
    assert len(read(folder)) == first.seq


def test_what_cannot_go_on_is_refused_as_it_is(tmp_path: Path) -> None:
    """Another market, a session without its account, one that is closed, running or damaged: one
    line each, and no entry more."""
    folder = cut_session(tmp_path / "a", 90)
    with pytest.raises(EngineFault, match="another market"):
        resume_market(folder, SmallMarket(), small_rows())
    with pytest.raises(EngineFault, match="not the one that was recorded"):
        resume_market(folder, Fewer(minutes=6, every_ms=10_000, cadence_ms=20_000), small_rows())
    assert len(read(folder)) == 90
    bare = cut_session(tmp_path / "b", 1)
    with pytest.raises(EngineFault, match="before it held its account"):
        resume_market(bare, market(), small_rows())
    assert len(read(bare)) == 1
    writer, _ = JournalWriter.resume(folder)
    with pytest.raises(JournalLocked):
        resume(folder)
    writer.close(final=False)
    resume(folder)
    with pytest.raises(JournalClosed):
        resume(folder)
    damaged = cut_session(tmp_path / "c", 90)
    segment = damaged / "000001.axj"
    data = segment.read_bytes()
    segment.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    before = snapshot(damaged)
    with pytest.raises(JournalCorrupt):
        resume(damaged)
    after = snapshot(damaged)
    assert {n: d for n, d in after.items() if n != "writer.lock"} == {
        n: d for n, d in before.items() if n != "writer.lock"
    }


class Fewer(SmallMarket):
    """A market that says it is the same and gives a frame less at the start."""

    def frames(self) -> Iterator[MarketFrame]:
        frames = super().frames()
        next(frames)
        return frames


def test_a_session_that_only_lacks_its_final_block_is_closed(tmp_path: Path) -> None:
    """Its close was recorded: nothing is appended after it, also by other code."""
    for change in (lambda opened: opened, other_code):
        folder = cut_session(tmp_path / change.__name__, ENTRIES, 0, change)
        report = resume(folder)
        assert (report.folder, report.head_seq) == (folder, ENTRIES)
        assert verify_session(folder).closed


def test_a_replay_checks_the_state_a_session_went_on_from(tmp_path: Path) -> None:
    """A state hash that the facts do not lead to is a divergence at the SessionResumed."""
    groups = datas_of(whole())[:40]
    seq = sum(map(len, groups)) + 1
    ts = whole().groups[39].fact.ts
    state = state_at(seq - 1)
    for said, after, field in (
        (state_hash(state), seq - 1, None),
        (OTHER, seq - 1, "state_hash"),
        (state_hash(state), seq - 2, "after_seq"),
    ):
        fact = encode_fact(seq, ts, SessionResumed(after, said, 0))
        folder = tmp_path / f"{field}"
        build(folder, [[*groups, (fact,)]], options=ENTRY_BLOCKS)
        report = replay_session(folder)
        if field is None:
            assert report.outcome == "identical"
            continue
        first = report.first_divergence
        assert report.outcome == "diverged" and first is not None
        assert (first.seq, first.kind, first.field) == (seq, "SessionResumed", field)


def test_a_replay_checks_where_a_cut_is_told_of(tmp_path: Path) -> None:
    """A ``TailCut`` that does not stand behind its group, or leaves a whole one open, is a
    divergence at that fact."""
    index = next(n for n in range(30, 60) if len(datas_of(whole())[n]) > 2)
    groups, last = datas_of(whole())[:index], datas_of(whole())[index]
    ts = whole().groups[index].fact.ts
    first = sum(map(len, groups)) + 1
    head = first + len(last) - 1
    cases = (
        (TailCut(head, 9, "TORN"), None),
        (TailCut(first, 9, "TORN"), None),
        (TailCut(first - 1, 9, "TORN"), "after_seq"),
        (TailCut(head + 1, 9, "TORN"), "after_seq"),
        (TailCut(head, 9, "OTHER_CODE"), "reason"),
    )
    for number, (cut, field) in enumerate(cases):
        fact = encode_fact(head + 1, ts, cut)
        folder = tmp_path / f"{number}"
        build(folder, [[*groups, last, (fact,)]], options=ENTRY_BLOCKS)
        report = replay_session(folder)
        where = report.first_divergence
        found = None if where is None else (where.seq, where.kind, where.field)
        assert found == (None if field is None else (head + 1, "TailCut", field)), cut
        assert report.outcome == ("identical" if field is None else "diverged")
