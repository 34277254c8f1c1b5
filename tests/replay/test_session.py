"""Replay of a session: identical, the exact place of every planted difference, other code."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

import replay.session
from engine.runner import own_code_digest
from events.decision import DecisionMade
from events.envelope import decode_envelope, encode_envelope
from events.feed import TimerTick
from events.orders import IntentApproved
from events.past.intent_approved_v1 import IntentApprovedV1
from events.session import SessionOpened, TailCut
from journal.close import close_session
from journal.errors import ChainBroken, JournalMissing
from journal.log import WriterOptions
from journal.reader import JournalReader
from journal.recovery import inspect_session
from journal.writer import JournalWriter
from replay.divergence import ABSENT, Divergence
from replay.session import ReplayError, Until, replay_session
from tests.engine.fabricated import run_small, small_run
from tests.journal.journals import FAST, build
from tests.replay.journals import (
    UID,
    Line,
    bare,
    cause_of,
    changed,
    groups_of,
    lines,
    plant,
    record,
    short_run,
    where,
    write,
)

ROOT = Path(__file__).resolve().parents[2]
OTHER_CODE = "0" * 64


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The short session as it was derived. Read only."""
    return record(tmp_path_factory.mktemp("sound") / "session", lines())


# --- identical -----------------------------------------------------------------------------------


def test_a_run_replays_identical(tmp_path: Path) -> None:
    """What the runner wrote is derived again to the byte, with the run's own figures and digest."""
    ran = run_small(tmp_path)
    report = replay_session(ran.folder)
    assert (report.outcome, report.identical, report.comparison) == ("identical", True, "bytes")
    assert report.first_divergence is None
    assert report.decisions is None
    assert (report.facts, report.derivations, report.ticks) == (
        ran.facts, ran.derivations, ran.ticks
    )  # fmt: skip
    assert report.digest == report.recorded_digest == ran.digest
    assert (report.head_seq, report.unrecorded) == (ran.head_seq, 0)
    assert report.ticks_per_s > 0


def test_the_digest_is_of_whole_derivation_envelopes(sound: Path) -> None:
    """Both digests are the SHA-256 over every derivation's bytes in order, and over no fact's."""
    whole = hashlib.sha256()
    with JournalReader(sound) as reader:
        for entry in reader:
            if not decode_envelope(entry.data).is_fact:
                whole.update(entry.data)
    report = replay_session(sound)
    assert report.digest == report.recorded_digest == whole.hexdigest() == short_run().digest


def test_progress_is_told_by_seq(tmp_path: Path) -> None:
    """Every so many entries, in order, up to the head."""
    told: list[int] = []
    report = replay_session(run_small(tmp_path).folder, on_progress=told.append)
    assert told == sorted(set(told))
    assert 0 < told[-1] <= report.head_seq


# --- a planted difference ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ts", "cause"])
def test_a_changed_envelope_is_located(tmp_path: Path, name: str) -> None:
    """The time and the cause of a derivation are compared as its payload is."""
    groups = [list(group) for group in groups_of(lines())]
    group = next(one for one in groups[::-1] if len(one) > 2)
    was = decode_envelope(group[2])
    other = replace(was, **{name: getattr(was, name) - 1})
    group[2] = msgspec.msgpack.encode(other)
    report = replay_session(write(tmp_path / "s", map(tuple, groups)))
    assert bare(report.first_divergence) == Divergence(
        was.seq, was.kind, name, getattr(other, name), getattr(was, name), other.cause
    )


def test_a_missing_derivation_is_located(tmp_path: Path) -> None:
    """Left out at a group's end it is absent where it should stand; within, another is there."""
    given = lines()
    last = next(p for p in where("DecisionMade", given) if given[p + 1].fact)
    first = replay_session(
        record(tmp_path / "end", [*given[:last], *given[last + 1 :]])
    ).first_divergence
    assert bare(first) == Divergence(
        last + 1, "DecisionMade", "", ABSENT, "derived", cause_of(given, last)
    )
    inner = where("SnapshotTaken", given)[3]
    first = replay_session(
        record(tmp_path / "in", [*given[:inner], *given[inner + 1 :]])
    ).first_divergence
    following = given[inner + 1].kind
    assert bare(first) == Divergence(
        inner + 1, following, "kind", following, "SnapshotTaken", cause_of(given, inner)
    )


def test_the_last_derivation_of_all_may_not_be_missing(tmp_path: Path) -> None:
    """A session whose last group was written whole but short has diverged."""
    given = lines()
    report = replay_session(record(tmp_path / "s", given[:-1]))
    assert report.outcome == "diverged"
    assert report.first_divergence is not None
    assert (report.first_divergence.seq, report.unrecorded) == (len(given), 0)


def test_an_extra_derivation_is_located(tmp_path: Path) -> None:
    """One that nothing led to is recorded and not derived."""
    given = lines()
    place = next(p for p in where("DecisionMade", given) if given[p + 1].fact)
    extra = [*given[: place + 1], given[place], *given[place + 1 :]]
    first = replay_session(record(tmp_path / "s", extra)).first_divergence
    assert bare(first) == Divergence(
        place + 2, "DecisionMade", "", "recorded", ABSENT, cause_of(given, place)
    )


def test_a_derivation_of_another_kind_is_located(tmp_path: Path) -> None:
    """Both kinds are named."""
    given = lines()
    place = where("DecisionMade", given)[2]
    snapshot = given[where("SnapshotTaken", given)[2]].event
    report = replay_session(record(tmp_path / "s", changed(given, place, snapshot)))
    assert bare(report.first_divergence) == Divergence(
        place + 1, "SnapshotTaken", "kind", "SnapshotTaken", "DecisionMade",
        cause_of(given, place),
    )  # fmt: skip


def test_a_payload_that_is_none_of_its_kind_is_a_difference(tmp_path: Path) -> None:
    """A derivation with fields that its kind does not have is located, both payloads given."""
    given = lines()
    place = where("DecisionMade", given)[0]
    groups = [list(group) for group in groups_of(given)]
    group = next(g for g in groups if decode_envelope(g[0]).seq == cause_of(given, place))
    at = place + 1 - decode_envelope(group[0]).seq
    was = decode_envelope(group[at])
    group[at] = encode_envelope(was.seq, was.kind, was.version, was.ts, was.cause, TimerTick(1, 2))
    first = replay_session(write(tmp_path / "s", map(tuple, groups))).first_divergence
    assert bare(first) == Divergence(
        place + 1, "DecisionMade", "payload", "920102", bytes(was.payload).hex(), was.cause
    )


# --- where to stop -------------------------------------------------------------------------------


def test_until_a_seq_takes_whole_groups(sound: Path) -> None:
    """Any seq of a group stops after that group; the digests are of that part."""
    given = lines()
    place = where("GatesEvaluated", given)[5]
    end = next(p for p in range(place, len(given)) if given[p].fact)
    for seq in (cause_of(given, place), place + 1, end):
        report = replay_session(sound, until=Until(seq=seq))
        assert (report.outcome, report.head_seq) == ("identical", end)
        assert report.facts + report.derivations == end


def test_until_a_time_takes_the_facts_up_to_it(sound: Path) -> None:
    """A fact at that very time is taken, the next is not."""
    given = lines()
    place = where("TimerTick", given)[9]
    ts = given[place].ts
    report = replay_session(sound, until=Until(ts=ts))
    later = next(p for p, line in enumerate(given) if line.ts > ts)
    assert report.head_seq == later
    assert replay_session(sound, until=Until(ts=ts - 1)).head_seq < place + 1


def test_a_difference_after_the_stop_is_not_looked_at(tmp_path: Path) -> None:
    """A replay says what it compared, no more."""
    given = lines()
    place = where("DecisionMade", given)[-1]
    event = given[place].event
    assert isinstance(event, DecisionMade)
    folder = record(tmp_path / "s", changed(given, place, replace(event, reason="X")))
    assert replay_session(folder).outcome == "diverged"
    stop = cause_of(given, place) - 1
    assert replay_session(folder, until=Until(seq=stop)).outcome == "identical"


def test_a_stop_before_the_first_entry_is_refused(sound: Path) -> None:
    """Nothing to replay is no identical replay."""
    with pytest.raises(ReplayError, match="nothing to replay"):
        replay_session(sound, until=Until(ts=1))


# --- a group that a crash cut --------------------------------------------------------------------


def torn(folder: Path, given: list[Line]) -> Path:
    """A session whose writer died between two blocks of its last group, closed afterwards."""
    groups = list(groups_of(given))
    cut = max(i for i, group in enumerate(groups) if len(group) > 3)
    options = WriterOptions(block_size_bytes=256)
    segment = build(folder, [groups[:cut]], [groups[cut]], options=options, uid=UID)
    size = inspect_session(folder).scan.end_offset
    with segment.open("r+b") as file:
        file.truncate(size - 1)
    close_session(folder, None, files=FAST)
    return folder


def test_a_group_that_a_crash_cut_is_nobodys_difference(tmp_path: Path) -> None:
    """What is there is compared; what was never written is counted, and not a divergence."""
    report = replay_session(torn(tmp_path / "s", lines()))
    assert (report.outcome, report.first_divergence) == ("identical", None)
    assert report.unrecorded >= 1


def test_canary_a_cut_group_that_says_something_else_has_diverged(tmp_path: Path) -> None:
    """The part of a cut group that is there must be right."""
    given = lines()
    cut = max(p for p in range(len(given) - 3) if given[p].fact and not given[p + 3].fact)
    fault = plant(given[cut + 1].event, cut + 2, Random(1))
    assert fault is not None
    report = replay_session(torn(tmp_path / "s", changed(given, cut + 1, fault.event)))
    assert report.first_divergence is not None
    assert report.first_divergence.seq == cut + 2


def test_a_cut_group_is_closed_by_a_tail_cut_and_by_nothing_else(tmp_path: Path) -> None:
    """In the middle of a session an unfinished group needs a ``TailCut`` of another engine, else
    it diverged: the engine that was cut would have finished it."""
    given = lines()
    groups = list(groups_of(given))
    place = next(i for i, group in enumerate(groups) if i > 40 and len(group) > 3)
    open_group = groups[place][:3]
    seq = decode_envelope(open_group[-1]).seq + 1
    ts = decode_envelope(open_group[-1]).ts
    for event, outcome in (
        (TailCut(seq - 1, 9, "OTHER_CODE"), "identical"),
        (TailCut(seq - 1, 9, "TORN"), None),
        (TimerTick(ts, 0), None),
    ):
        line = Line.of(event, ts, True)
        follows = encode_envelope(seq, line.kind, line.version, ts, seq, event)
        entries = [*_entries(groups[:place]), *_entries([open_group], whole=False)]
        comparison = replay.session._Comparison(other_engine=False)
        for entry in (*entries, *_entries([(follows,)])):
            comparison.take(entry)
        assert (comparison.first is None) == (outcome == "identical"), line.kind


def _entries(groups: list[tuple[bytes, ...]], whole: bool = True) -> Iterator[Any]:
    from journal.block import Entry

    for group in groups:
        for place, data in enumerate(group):
            last = whole and place == len(group) - 1
            yield Entry(decode_envelope(data).seq, data, last)


# --- other code, other versions ------------------------------------------------------------------


def other_code(given: list[Line]) -> list[Line]:
    """The session as if other code had recorded it."""
    opened = given[0].event
    assert isinstance(opened, SessionOpened)
    return changed(given, 0, replace(opened, code_digest=OTHER_CODE))


def test_other_code_with_the_same_derivations(tmp_path: Path) -> None:
    """It is called other code, and that every derivation is the same is said."""
    report = replay_session(record(tmp_path / "s", other_code(lines())))
    assert (report.outcome, report.identical) == ("other_engine", True)
    assert report.digest == report.recorded_digest
    assert report.decisions is not None
    assert report.decisions.count == 0


def test_other_code_that_decided_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The decisions that differ are listed by their gate; the first difference is located."""
    from engine.gates import strategy
    from tests.engine.fabricated import SmallMarket, relaxed, run_core, small_facts

    with monkeypatch.context() as patched:
        patched.setattr(strategy, "regime_allows", lambda family, regime, live: False)
        market = SmallMarket(minutes=8, every_ms=6_000, cadence_ms=15_000)
        old = run_core(small_facts(market, relaxed(warmup={"bars_min": 2})))
    assert not old.events("IntentApproved")
    report = replay_session(record(tmp_path / "s", other_code(lines(old))))
    assert (report.outcome, report.identical) == ("other_engine", False)
    assert report.first_divergence is not None
    assert report.first_divergence.field == "official[7].verdict"
    diff = report.decisions
    assert diff is not None
    trades = [e for e in short_run().events("DecisionMade") if getattr(e, "outcome", "") == "TRADE"]
    assert len(diff.gained) == len(trades) > 0
    assert not diff.lost
    cause = diff.gained[0].first_cause
    assert cause is not None
    assert (cause.kind, cause.stage) == ("CHANGED_GATE", "N8_STRATEGY_SELECT")
    assert cause.gate in ("family_trend", "family_mean_revert")


def test_equal_code_is_this_programs(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest in ``SessionOpened`` is compared with the one of the code that runs now."""
    monkeypatch.setattr(replay.session, "own_code_digest", lambda: OTHER_CODE)
    assert replay_session(sound).outcome == "other_engine"
    monkeypatch.setattr(replay.session, "own_code_digest", own_code_digest)
    assert replay_session(sound).outcome == "identical"


def as_version_1(event: IntentApproved) -> IntentApprovedV1:
    fields = IntentApprovedV1.__struct_fields__
    return IntentApprovedV1(*(getattr(event, name) for name in fields))


def test_an_old_version_is_compared_as_far_as_it_says_anything(tmp_path: Path) -> None:
    """A version 1 without the field of version 2 is identical by upcast; its digest is its own."""
    given = lines()
    place = where("IntentApproved", given)[0]
    event = given[place].event
    assert isinstance(event, IntentApproved)
    assert event.reference_paise is not None
    report = replay_session(record(tmp_path / "s", changed(given, place, as_version_1(event))))
    assert (report.outcome, report.identical) == ("identical", True)
    assert report.comparison == "upcast"
    assert report.digest != report.recorded_digest


@pytest.mark.parametrize("field", ["limit_paise", "stop_paise", "intent_id"])
def test_canary_an_old_version_that_says_something_else_has_diverged(
    tmp_path: Path, field: str
) -> None:
    """The fields that version 1 has are compared, and the one that differs is named: never the
    field that it lacks."""
    given = lines()
    place = where("IntentApproved", given)[0]
    event = given[place].event
    assert isinstance(event, IntentApproved)
    was = getattr(event, field)
    other = as_version_1(replace(event, **{field: was * 2}))
    report = replay_session(record(tmp_path / "s", changed(given, place, other)))
    assert bare(report.first_divergence) == Divergence(
        place + 1, "IntentApproved", field, was * 2, was, cause_of(given, place)
    )


@pytest.mark.parametrize(
    ("kind", "version", "code"),
    [("DecisionMade", 99, "VERSION_TOO_NEW"), ("TimerTick", 99, "VERSION_TOO_NEW"),
     ("TimerTick", 0, "PAYLOAD_INVALID")],
)  # fmt: skip
def test_what_this_release_cannot_read_stops_with_a_code(
    tmp_path: Path, kind: str, version: int, code: str
) -> None:
    """A newer version is never guessed at; a fact that cannot be read is named."""
    given = lines()
    place = where(kind, given)[4]
    other = [*given[:place], given[place]._replace(version=version), *given[place + 1 :]]
    with pytest.raises(ReplayError, match=f"{code}: seq {place + 1}"):
        replay_session(record(tmp_path / "s", other))


def test_a_fact_out_of_time_or_of_no_kind_is_refused(tmp_path: Path) -> None:
    """The session clock never goes back, and a derivation cannot be its own cause."""
    given = lines()
    place = where("TimerTick", given)[4]
    for name, line in (
        ("early", given[place]._replace(ts=given[place].ts - 10**12)),
        ("kind", given[place + 1]._replace(fact=True)),
    ):
        other = [*given[:place], line, *given[place + 1 :]]
        with pytest.raises(ReplayError, match=f"seq {place + 1}, {line.kind}, cannot be a fact"):
            replay_session(record(tmp_path / name, other))


def test_a_session_that_begins_with_something_else_is_refused(tmp_path: Path) -> None:
    """Without its first fact a session has no code to compare with."""
    with pytest.raises(ReplayError, match="begins with CarriedOver"):
        replay_session(record(tmp_path / "s", lines()[1:]))


# --- damage and absence --------------------------------------------------------------------------


def test_an_empty_or_missing_folder_is_refused(tmp_path: Path) -> None:
    """There is no journal to replay."""
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(JournalMissing):
            replay_session(folder)


def test_a_begun_session_without_an_entry_is_refused(tmp_path: Path) -> None:
    """A journal that was only made holds nothing to replay."""
    JournalWriter.create(tmp_path / "s", UID, files=FAST).close(final=False)
    with pytest.raises(ReplayError, match="nothing to replay"):
        replay_session(tmp_path / "s")


def test_the_chain_is_checked_on_the_way(sound: Path, tmp_path: Path) -> None:
    """Entries that do not give the hash of their block are damage, not a difference."""
    folder = shutil.copytree(sound, tmp_path / "s")
    segment = folder / "000001.axj"
    data = segment.read_bytes()
    _forge(segment, data)
    with pytest.raises(ChainBroken):
        replay_session(folder)


def _forge(segment: Path, data: bytes) -> None:
    """Change a payload byte of the first block and make its CRCs right: only the chain is wrong."""
    import zlib

    from journal.block import HEADER_BYTES, pack_header, parse_header

    header = parse_header(data[:HEADER_BYTES])
    stored = bytearray(data[HEADER_BYTES : header.end_offset])
    stored[len(stored) // 2] ^= 1
    header = replace(header, payload_crc=zlib.crc32(stored))
    segment.write_bytes(pack_header(header) + bytes(stored) + data[header.end_offset :])


# --- behind a running writer ---------------------------------------------------------------------


def feed(writer: JournalWriter, begun: threading.Event, may_end: threading.Event) -> None:
    """Write the short session in two halves, the second once the reader is at work."""
    groups = list(groups_of(lines()))
    with writer:
        for place, group in enumerate(groups):
            if place == len(groups) // 2:
                writer.wait_durable(writer.head_seq, 30)
                begun.set()
                assert may_end.wait(60)
            writer.append(group)


def test_it_follows_a_running_writer_to_the_end(tmp_path: Path) -> None:
    """A replay that begins in the middle of a session ends with it, identical."""
    begun, may_end = threading.Event(), threading.Event()
    writer = JournalWriter.create(tmp_path / "s", UID, files=FAST)
    thread = threading.Thread(target=feed, args=(writer, begun, may_end))
    thread.start()
    try:
        assert begun.wait(60)
        polls = iter((False, False, True))
        half = replay_session(tmp_path / "s", follow=True, stop=lambda: next(polls))
        may_end.set()
        whole = replay_session(tmp_path / "s", follow=True)
    finally:
        may_end.set()
        thread.join(60)
    assert half.outcome == whole.outcome == "identical"
    assert 0 < half.head_seq < whole.head_seq == len(lines())


def follower(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "replay", str(folder), "--follow"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    )


def test_it_follows_from_a_process_of_its_own(tmp_path: Path) -> None:
    """``python -m replay --follow`` prints one report once the session is closed, exit 0."""
    begun, may_end = threading.Event(), threading.Event()
    writer = JournalWriter.create(tmp_path / "s", UID, files=FAST)
    thread = threading.Thread(target=feed, args=(writer, begun, may_end))
    thread.start()
    try:
        assert begun.wait(60)
        child = follower(tmp_path / "s")
        may_end.set()
        out, err = child.communicate(timeout=60)
    finally:
        may_end.set()
        thread.join(60)
    assert (child.returncode, err) == (0, b"")
    report = msgspec.json.decode(out)
    assert (report["outcome"], report["head_seq"]) == ("identical", len(lines()))


@pytest.mark.parametrize("fault", ["diverged", "absent"])
def test_the_follower_says_how_it_went(tmp_path: Path, fault: str) -> None:
    """A difference is exit 1 with the report; a folder without a journal is exit 2 in one line."""
    given = lines()
    place = where("DecisionMade", given)[0]
    folder = tmp_path / "s"
    if fault == "diverged":
        event = given[place].event
        assert isinstance(event, DecisionMade)
        record(folder, changed(given, place, replace(event, reason="X")))
    out, err = follower(folder).communicate(timeout=60)
    if fault == "diverged":
        assert msgspec.json.decode(out)["first_divergence"]["field"] == "reason"
    else:
        assert out == b""
        assert err.startswith(b"replay: JOURNAL_MISSING")
        assert err.count(b"\n") == 1


def test_facts_come_with_their_seq_and_time(sound: Path) -> None:
    """Every fact of a session, in order, and no derivation."""
    given = lines()
    expected = [(p + 1, line.ts, line.event) for p, line in enumerate(given) if line.fact]
    assert list(replay.session.facts_of_session(sound)) == expected
    assert len(small_run().groups) > len(expected)
