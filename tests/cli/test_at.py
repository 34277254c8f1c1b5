"""``axiom at``: the state at an entry or a time, whole or one value of it, and wrong questions."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

import cli.verbs.at
from cli.output import ist_time, plain
from engine.state import State
from events.envelope import decode_envelope
from journal.checkpoints import CHECKPOINTS_NAME
from journal.reader import read_entries
from replay.travel import state_at
from tests.cli.conftest import Call, contents


def entries(session: Path) -> list[tuple[int, int]]:
    """(seq, ts) of every entry."""
    return [(e.seq, decode_envelope(e.data).ts) for e in read_entries(session)]


def test_the_whole_state_is_one_document(axiom: Call, session: Path) -> None:
    """Every field of the state by its name, all the way in, and nothing in the home changes."""
    before = contents(session.parent)
    end = entries(session)[-1][0]
    for seq in (1, end // 2, end):
        answer = axiom("at", "latest", seq, "--json")
        assert answer.code == 0
        assert answer.document == plain(state_at(session, seq).state)
        assert list(answer.document) == list(State.__struct_fields__)
        assert f"after entry {seq}, " in answer.err
    assert contents(session.parent) == before


@pytest.mark.parametrize("place", [3, 40, -2])
def test_a_time_is_that_of_the_last_entry_at_or_before_it(
    axiom: Call, session: Path, place: int
) -> None:
    """As HH:MM:SS and as ISO, in IST, at the second and behind it."""
    times = sorted({ts for _, ts in entries(session)})
    ts = times[place]
    last = max(seq for seq, at in entries(session) if at <= ts)
    for text in (ist_time(ts), f"2026-11-20T{ist_time(ts)}", f"{ist_time(ts + 10**8)}"):
        assert axiom("at", "latest", text, "--path", "seq", "--json").document == last
    assert axiom("at", "latest", "15:59", "--path", "seq", "--json").document == len(
        entries(session)
    )


PATHS = ("account.realised_paise", "quotes[NIFTYFUT].ltp_paise", "markets[0].day_type", "account")


@pytest.mark.parametrize("path", PATHS)
def test_one_value_by_its_path(axiom: Call, session: Path, path: str) -> None:
    """As JSON the value alone; as text the value, or its fields one a line."""
    end = len(entries(session))
    document = axiom("at", "latest", end, "--json", "--path", path).document
    value: Any = plain(state_at(session, end).state)
    if path.startswith("quotes"):
        value = value["quotes"][1]["ltp_paise"]
    elif path.startswith("markets"):
        value = value["markets"][0]["day_type"]
    else:
        for name in path.split("."):
            value = value[name]
    assert document == value
    text = axiom("at", "latest", end, "--path", path).out
    if isinstance(value, dict):
        lines = dict(line.split(maxsplit=1) for line in text.splitlines())
        assert list(lines) == list(value)
        assert lines["trades_today"] == str(value["trades_today"])
    else:
        assert text == f"{value}\n"


def test_text_shows_every_field_and_says_how_to_see_the_rest(axiom: Call, session: Path) -> None:
    """Each field of the state begins a line; a long list is a count and the path to its rows; a
    time is told in IST."""
    end = len(entries(session))
    text = axiom("at", "latest", end).out
    begun = {line.split()[0].partition("[")[0] for line in text.splitlines()}
    assert set(State.__struct_fields__) <= begun
    assert "(--path quotes, --path quotes[0])" in text
    assert " IST)" in text.splitlines()[0]
    assert max(map(len, text.splitlines())) < 200
    table = axiom("at", "latest", end, "--path", "quotes").out.splitlines()
    assert table[0].split()[:3] == ["place", "name", "ltp_paise"]
    assert len(table) == 2 + len(state_at(session, end).state.quotes)
    assert axiom("at", "latest", end, "--path", "orders").out == "none\n"
    assert axiom("at", "latest", 3, "--path", "instruments").out == "none\n"
    for path in ("accs", "vols", "rule_rows", "underlyings[0].expiries", "slots", "uid", "now"):
        assert axiom("at", "latest", end, "--path", path).out.strip()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("0",), "the first entry of a session is 1"),
        (("99999999",), "the session ends at entry"),
        (("half",), "is not a time"),
        (("25:00",), "is not a time"),
        (("08:00",), "the session begins at 09:00:00 IST"),
        (("5", "--path", "account.realized_paise"), "did you mean 'realised_paise'?"),
        (("5", "--path", "nothing at all"), "is no path"),
        (("5", "--path", "quotes[5000]"), "it goes from [0] to"),
        (("5", "--path", ""), "is no path"),
        ((), "Missing argument"),
    ],
)
def test_a_wrong_question_is_refused_in_one_line(
    axiom: Call, session: Path, words: tuple[str, ...], said: str
) -> None:
    """Exit 2, nothing on standard output, and what to do."""
    assert said in axiom("at", "latest", *words).refusal.replace("'SEQ|TIME'", "")
    assert said in axiom("at", "latest", *words, "--json").refusal


def test_a_damaged_journal_is_refused(axiom: Call, session: Path) -> None:
    """Where the entries that are needed are damaged there is no state."""
    (segment,) = session.glob("*.axs")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert "JOURNAL_CORRUPT" in axiom("at", "latest", "15:00").damage


def test_without_checkpoints_the_answer_is_the_same(axiom: Call, session: Path) -> None:
    """Deleted or damaged they cost time, and what is in doubt is said."""
    end = len(entries(session))
    with_them = axiom("at", "latest", end, "--json")
    assert "from the checkpoint at" in with_them.err
    path = session / CHECKPOINTS_NAME
    path.write_bytes(path.read_bytes()[:200])
    damaged = axiom("at", "latest", end, "--json")
    assert "checkpoints in doubt, passed over: 1" in damaged.err
    path.unlink()
    without = axiom("at", "latest", end, "--json")
    assert "from the session's start" in without.err
    assert with_them.out == damaged.out == without.out


def test_a_session_of_other_code_is_said_to_be_one(
    axiom: Call, session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is given all the same."""
    moment = msgspec.structs.replace(state_at(session, 5), other_code=True)

    def travel(folder: Path, place: str) -> Any:
        return moment

    monkeypatch.setattr(cli.verbs.at, "_travel", travel)
    answer = axiom("at", "latest", "5", "--json")
    assert answer.code == 0
    assert "recorded by other code" in answer.err


def test_a_session_anywhere_is_travelled(axiom: Call, session: Path, tmp_path: Path) -> None:
    """A copied folder, by its path."""
    copy = shutil.copytree(session, tmp_path / "aside" / session.name)
    assert axiom("at", copy, "7", "--json").out == axiom("at", "latest", "7", "--json").out
