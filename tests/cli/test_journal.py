"""``axiom journal``: entries as they stand, and sealing."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.recorded import state_and_end
from cli.verbs.journal import shown_entry
from engine.apply import APPLY
from engine.state import State
from events.envelope import decode_envelope, encode_envelope
from events.session import OperatorCommand
from journal.ledger import read_ledger
from journal.reader import read_entries
from journal.session_folder import ledger_path
from journal.writer import JournalWriter
from tests.cli.conftest import Call, contents
from tests.cli.test_sessions import begin
from tests.engine.cut import cut_session, read
from tests.engine.fabricated import small_run
from tests.journal.journals import build

UID = "0123456789ab"


def kinds_of(folder: Path) -> Counter[str]:
    """Entries by kind, counted apart."""
    return Counter(decode_envelope(entry.data).kind for entry in read_entries(folder))


def test_info_counts_what_is_there(axiom: Call, session: Path) -> None:
    """Entries by kind and segments, with sizes that are those on the disk."""
    document = axiom("journal", "info", "latest", "--json").document
    kinds = kinds_of(session)
    assert {row["kind"]: row["entries"] for row in document["kinds"]} == kinds
    assert document["entries"] == kinds.total()
    assert document["bytes"] == sum(p.stat().st_size for p in session.glob("*.ax[js]"))
    assert [row["file"] for row in document["segments"]] == ["000001.axs"]
    text = axiom("journal", "info", "latest").out
    assert "FeedFrame" in text
    assert document["head_hash"] in text


def test_cat_shows_whole_entries(axiom: Call, session: Path) -> None:
    """Each entry of the range once, in order, its payload by the names of its fields."""
    answer = axiom("journal", "cat", "latest", "--from", "5", "--to", "40", "--json")
    rows = answer.document
    assert [row["seq"] for row in rows] == list(range(5, 41))
    assert list(rows[0]) == ["seq", "ts", "ts_ist", "kind", "version", "cause", "payload"]
    frames = axiom("journal", "cat", "latest", "--kind", "FeedFrame", "--json").document
    frame = frames[-1]
    assert len(bytes.fromhex(frame["payload"]["data"])) == frame["payload"]["length_bytes"]
    lines = axiom("journal", "cat", "latest", "--from", "5", "--to", "40").out.splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(5, 41))


def test_cat_of_one_kind(axiom: Call, session: Path) -> None:
    """Only that kind, in any spelling of case; a range without one is an empty array."""
    rows = axiom("journal", "cat", "latest", "--kind", "decisionmade", "--json").document
    assert len(rows) == kinds_of(session)["DecisionMade"]
    assert {row["kind"] for row in rows} == {"DecisionMade"}
    words = ("journal", "cat", "latest", "--kind", "DecisionMade", "--to", "3", "--json")
    assert axiom(*words).document == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cat", "latest", "--kind", "Decision"), "did you mean DecisionMade"),
        (("cat", "latest", "--kind", "zzzzzz"), "did you mean one of SessionOpened"),
        (("cat", "latest", "--from", "9", "--to", "3"), "before the beginning"),
        (("cat", "latest", "--from", "0"), "--from"),
        (("cat", "latest", "--from", "x"), "--from"),
        (("tail", "latest", "-n", "0"), "-n"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    axiom: Call, home: Path, words: tuple[str, ...], said: str
) -> None:
    """One line, exit 2."""
    assert said in axiom("journal", *words).refusal


def test_hostile_text_is_shown_as_text(axiom: Call, tmp_path: Path) -> None:
    """What somebody wrote into a command cannot touch the terminal; JSON keeps it to the letter."""
    why = "\x1b[2Jgone\r\n" + "x" * 1_000
    event = OperatorCommand("HALT", "someone", why, None, None, "", "NONE")
    folder = tmp_path / "s"
    folder.mkdir(mode=0o700)
    with JournalWriter.create(folder, UID) as writer:
        group = small_run().groups[0]
        writer.append([group.fact_data, *group.datas])
        seq = writer.head_seq + 1
        writer.append([encode_envelope(seq, "OperatorCommand", 2, group.fact.ts, seq, event)])
        writer.close()
    line = axiom("journal", "tail", folder, "-n", "1").out
    assert line.rstrip("\n").isprintable()
    assert "characters)" in line
    rows = axiom("journal", "tail", folder, "-n", "1", "--json").document
    assert rows[0]["payload"]["why"] == why


@pytest.mark.parametrize(
    ("kind", "version"), [("OperatorCommand", 99), ("Unheard", 1), ("SessionClosed", 1)]
)
def test_an_entry_of_another_release_is_shown_without_names(kind: str, version: int) -> None:
    """An unknown kind, a newer version, a payload of another shape: its values, no refusal."""
    values = ["a", 1, [True]]
    data = msgspec.msgpack.encode((7, kind, version, 1, 7, values))
    row = shown_entry(data)
    assert (row["kind"], row["version"], row["payload"]) == (kind, version, values)


def test_tail_shows_the_last_entries(axiom: Call, session: Path) -> None:
    """As many as asked for, ending at the head; of a short session all."""
    end = state_and_end(session)[1].seq
    rows = axiom("journal", "tail", "latest", "-n", "3", "--json").document
    assert [row["seq"] for row in rows] == [end - 2, end - 1, end]
    assert len(axiom("journal", "tail", "latest", "-n", "100000", "--json").document) == end
    follow = axiom("journal", "tail", "latest", "-n", "2", "--follow")
    assert len(follow.out.splitlines()) == 2  # closed: nothing more can come


def test_only_acknowledged_entries_are_shown(axiom: Call, tmp_path: Path) -> None:
    """Of a session that is being written, what is durable."""
    folder = tmp_path / f"2026-11-20-sim-{UID}"
    writer = begin(folder)
    try:
        rows = axiom("journal", "cat", folder, "--json").document
        assert len(rows) == writer.durable_seq
        info = axiom("journal", "info", folder, "--json").document
        assert (info["state"], info["entries"]) == ("running", writer.durable_seq)
    finally:
        writer.close()


def test_half_a_journal_is_not_half_an_answer(axiom: Call, session: Path) -> None:
    """What can be read is shown; the document stays open, and the line says where it broke."""
    segment = session / "000001.axs"
    segment.write_bytes(segment.read_bytes()[:-100])
    answer = axiom("journal", "cat", "latest", "--json")
    assert answer.code == 1
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.out or "[")
    assert "JOURNAL_CORRUPT" in answer.err
    assert axiom("journal", "info", "latest").damage


# --- seal --------------------------------------------------------------------------------------


def closed_session(parent: Path) -> Path:
    """A session that ended in order and was not sealed."""
    folder = parent / f"2026-11-20-sim-{UID}"
    begin(folder).close()
    return folder


def test_sealing_a_closed_session(axiom: Call, home: Path, session: Path) -> None:
    """It is sealed, verified, in the ledger; the head is the same; again changes nothing."""
    folder = closed_session(session.parent)
    state, end = state_and_end(folder)
    assert state == "closed"
    document = axiom("journal", "seal", folder.name, "--json").document
    assert document == {
        "session": folder.name,
        "state": "sealed",
        "sealed": ["000001.axs"],
        "entries": end.seq,
        "head_hash": end.chain.hex(),
        "why_none": None,
    }
    assert [r.session for r in read_ledger(ledger_path(home, "main"))] == [
        session.name,
        folder.name,
    ]
    assert axiom("verify", folder.name).code == 0
    before = contents(home)
    again = axiom("journal", "seal", folder.name, "--json").document
    assert (again["sealed"], again["why_none"]) == ([], "every segment was sealed before")
    assert contents(home) == before


def test_sealing_a_copy_writes_no_ledger(axiom: Call, home: Path, tmp_path: Path) -> None:
    """A folder outside the desk is sealed where it is; no ledger appears anywhere."""
    folder = closed_session(tmp_path)
    ledger = ledger_path(home, "main").read_bytes()
    assert axiom("journal", "seal", folder).code == 0
    assert state_and_end(folder)[0] == "sealed"
    assert ledger_path(home, "main").read_bytes() == ledger
    assert [p.name for p in tmp_path.rglob("ledger.axl")] == ["ledger.axl"]  # the home's own


def test_a_running_session_is_left_alone(axiom: Call, session: Path) -> None:
    """Only finished segments are sealed beside a writer, and it can go on."""
    folder = session.parent / f"2026-11-20-sim-{UID}"
    writer = begin(folder)
    try:
        document = axiom("journal", "seal", folder.name, "--close", "--json").document
        assert (document["state"], document["sealed"]) == ("running", [])
        group = small_run().groups[6]
        writer.append([group.fact_data, *group.datas])
    finally:
        writer.close()
    assert axiom("verify", folder.name).code == 0


def test_a_dead_session_is_ended_only_when_asked(axiom: Call, home: Path, session: Path) -> None:
    """Without --close it stays as it was; with it what was acknowledged is kept, its close as
    crashed is recorded behind it, and it is sealed."""
    folder = session.parent / f"2026-11-20-sim-{UID}"
    writer = begin(folder)
    dead = folder.with_name(f"{folder.name}-2")
    shutil.copytree(folder, dead)
    writer.close()
    before: dict[str, Any] = contents(dead)
    end = state_and_end(dead)[1]
    document = axiom("journal", "seal", dead.name, "--json").document
    assert (document["state"], document["sealed"]) == ("crashed", [])
    assert "--close" in document["why_none"]
    assert (
        "nothing sealed: its last segment is not finished"
        in axiom("journal", "seal", dead.name).out
    )
    assert {k: v for k, v in contents(dead).items() if k in before} == before
    document = axiom("journal", "seal", dead.name, "--close", "--json").document
    assert (document["state"], document["entries"]) == ("sealed", end.seq + 1)
    assert axiom("verify", dead.name).code == 0
    (closed,) = axiom("journal", "cat", dead.name, "--from", f"{end.seq + 1}", "--json").document
    assert (closed["kind"], closed["payload"]) == ("SessionClosed", {"reason": "CRASHED"})


def test_a_torn_session_that_is_ended_says_what_was_cut(axiom: Call, session: Path) -> None:
    """What was cut is in its journal, its end in the ledger; again is nothing new."""
    folder = cut_session(session.parent, 70, 50)
    assert axiom("journal", "seal", folder.name, "--close").code == 0
    kinds = [one.envelope.kind for one in read(folder)[-2:]]
    assert kinds == ["TailCut", "SessionClosed"]
    record = read_ledger(ledger_path(session.parents[3], "main"))[-1]
    assert (record.session, record.head_seq) == (folder.name, len(read(folder)))
    assert axiom("replay", folder.name, "--json").document["outcome"] == "identical"
    before = contents(folder)
    assert axiom("journal", "seal", folder.name, "--close").code == 0
    assert contents(folder) == before


def test_what_this_engine_cannot_take_up_is_ended_by_its_files(
    axiom: Call, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fact on which the core fails keeps no session from being ended: it is closed as it stands,
    and the line says that its journal does not know of it."""
    folder = cut_session(session.parent, 70)

    def failing(*_: object) -> State:
        raise ZeroDivisionError("no spread")

    monkeypatch.setitem(APPLY, "FeedFrame", failing)
    answer = axiom("journal", "seal", folder.name, "--close", "--json")
    assert (answer.code, answer.document["state"], answer.document["entries"]) == (0, "sealed", 70)
    assert "without a close in its journal" in answer.err and "no spread" in answer.err


def test_a_session_without_an_entry_is_listed_and_ended(axiom: Call, session: Path) -> None:
    """Its engine died before the first one: it is no damage, nothing goes on from it, and it can be
    ended."""
    folder = session.parent / f"2026-11-20-backtest-{UID}"
    build(folder, [], uid=UID)
    (folder / "writer.lock").write_text("4242\n")
    rows = {row["session"]: row for row in axiom("sessions", "--json").document}
    row = rows[folder.name]
    assert (row["state"], row["mode"], row["entries"]) == ("crashed", "BACKTEST", 0)
    assert "--resume" not in axiom("sessions").err
    assert "seal" in axiom("backtest", "synthetic", "--resume", folder.name).refusal
    answer = axiom("journal", "seal", folder.name, "--close", "--json")
    assert (answer.document["state"], answer.err) == ("sealed", "")
    states = {row["session"]: row["state"] for row in axiom("sessions", "--json").document}
    assert states[folder.name] == "sealed"


def test_a_damaged_session_is_not_sealed(axiom: Call, session: Path) -> None:
    """The refusal names the place, and the file is as it was."""
    folder = closed_session(session.parent)
    segment = folder / "000001.axj"
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert "JOURNAL_CORRUPT" in axiom("journal", "seal", folder.name).damage
    assert segment.read_bytes() == data


@pytest.mark.parametrize("state", ["crashed", "closed"])
def test_a_cut_journal_is_not_blessed(axiom: Call, session: Path, state: str) -> None:
    """Cut before its acknowledged end it is refused as recovery refuses it, whatever could still be
    sealed of it; every byte stays."""
    folder = session.parent / f"2026-11-20-sim-{UID}"
    writer = begin(folder)
    if state == "closed":
        writer.close()
        cut = folder
    else:
        cut = folder.with_name(f"{folder.name}-2")
        shutil.copytree(folder, cut)
        writer.close()
    segment = cut / "000001.axj"
    segment.write_bytes(segment.read_bytes()[: segment.stat().st_size // 2])
    assert state_and_end(cut)[0] == state
    before = contents(cut)
    for words in ((), ("--close",)):
        assert "JOURNAL_CORRUPT" in axiom("journal", "seal", cut.name, *words).damage
        assert {k: v for k, v in contents(cut).items() if not k.endswith("lock")} == {
            k: v for k, v in before.items() if not k.endswith("lock")
        }
