"""The writer: whole groups in, durable in order, fail once and for all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.envelope import SplitEnvelope, encode_envelope
from journal.close import close_session
from journal.errors import JournalClosed, JournalExists, SequenceGap
from journal.log import OpenGroup, WriterOptions
from journal.reader import JournalReader
from journal.verify import verify_session
from journal.writer import JournalWriter
from tests.journal.journals import (
    FAST,
    UID,
    Said,
    build,
    chain_of,
    flat,
    make_group,
    make_groups,
    read_all,
    write_session,
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Entries come back byte for byte, in order, with the group marks they were written with."""
    groups = make_groups([1, 3, 2, 5, 1, 1])
    head = write_session(tmp_path / "s", [groups[:2], groups[2:]])
    assert head == (13, chain_of(flat(groups)))
    with JournalReader(tmp_path / "s") as reader:
        entries = list(reader)
        assert reader.closed
        assert reader.position.chain == head[1]
        assert reader.session_uid == UID
    assert [entry.data for entry in entries] == flat(groups)
    assert [entry.seq for entry in entries] == list(range(1, 14))
    marks = [index == len(group) - 1 for group in groups for index in range(len(group))]
    assert [entry.group_end for entry in entries] == marks


@pytest.mark.parametrize("reserve", [0, 1 << 16])
def test_an_open_group_ends_with_its_rest(tmp_path: Path, reserve: int) -> None:
    """What is taken as an open group has no end mark on the disk, is found as incomplete when the
    journal is opened again, and ends with what is taken then."""
    whole, group = make_groups([2, 3])
    folder = tmp_path / "s"
    options = WriterOptions(reserve_size_bytes=reserve)
    with JournalWriter.create(folder, UID, options=options) as writer:
        writer.append(whole)
        writer.append(OpenGroup(group[:1]))
        writer.close(final=False)
    with JournalReader(folder) as reader:
        assert [entry.group_end for entry in reader] == [False, True, False]
    writer, tail = JournalWriter.resume(folder, options=options)
    with writer:
        assert list(tail.incomplete) == list(group[:1])
        writer.append(group[1:])
    assert read_all(folder) == flat([whole, group])
    assert verify_session(folder).ok


def test_the_chain_does_not_depend_on_batches(tmp_path: Path) -> None:
    """The head hash is the same however the same entries were batched, cut and coded."""
    groups = make_groups([2] * 40, b"y" * 50)
    expected = chain_of(flat(groups))
    options = (
        WriterOptions(linger_ms=0),
        WriterOptions(block_size_bytes=100),
        WriterOptions(segment_size_bytes=500),
        WriterOptions(codec="zstd"),
        WriterOptions(sync="at_close"),
    )
    for number, choice in enumerate(options):
        batches = [[group] for group in groups] if number % 2 else [groups]
        head = write_session(tmp_path / str(number), batches, options=choice)
        assert head == (80, expected)
        assert read_all(tmp_path / str(number)) == flat(groups)


def test_a_wrong_seq_takes_nothing(tmp_path: Path) -> None:
    """A group that does not continue the journal is refused, and the right one still fits."""
    with JournalWriter.create(tmp_path / "s", UID) as writer:
        assert writer.append(make_group(1, 2)) == 2
        for bad in (make_group(4, 1), make_group(2, 1), ()):
            with pytest.raises(SequenceGap):
                writer.append(bad)
        assert writer.append(make_group(3, 2)) == 4
        assert writer.head_hash == chain_of(make_group(1, 2) + make_group(3, 2))
    with pytest.raises(JournalClosed):
        writer.append(make_group(5, 1))
    assert len(read_all(tmp_path / "s")) == 4


def test_an_envelope_in_two_pieces_is_journaled_as_one(tmp_path: Path) -> None:
    """Chain, seqs and entries are those of whole envelopes, wherever the pieces part."""
    datas = [make_group(seq, 1, b"x" * 150 * seq)[0] for seq in range(1, 40)]
    ends = []
    for name, cut in (("whole", None), ("short", 8), ("long", 100)):
        with JournalWriter.create(tmp_path / name, UID) as writer:
            for data in datas:
                pieces = data if cut is None else SplitEnvelope(data[:cut], data[cut:])
                writer.append((pieces,))
            ends.append(writer.close())
        assert read_all(tmp_path / name) == datas
    assert ends == [(len(datas), chain_of(datas))] * 3


def test_a_session_is_begun_once(tmp_path: Path) -> None:
    """A folder that holds a journal does not take another."""
    write_session(tmp_path / "s", [[make_group(1, 1)]])
    with pytest.raises(JournalExists):
        JournalWriter.create(tmp_path / "s", UID)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(stamps=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=20))
def test_j12_a_clock_that_jumps_changes_no_order(
    tmp_path_factory: pytest.TempPathFactory, stamps: list[int]
) -> None:
    """J12: timestamps that go back, leap or stand still annotate and order nothing: entries are
    written, recovered, sealed, verified and read in the order of their seqs, with one chain."""
    groups = [
        (encode_envelope(seq, "Said", 1, ts, seq, Said(seq, b"t")),)
        for seq, ts in enumerate(stamps, start=1)
    ]
    folder = tmp_path_factory.mktemp("j") / "s"
    build(folder, [[group] for group in groups], options=WriterOptions(segment_size_bytes=200))
    closed = close_session(folder, None, files=FAST)
    assert (closed.head_seq, closed.head_hash) == (len(stamps), chain_of(flat(groups)))
    assert read_all(folder) == flat(groups)
    assert verify_session(folder).ok
