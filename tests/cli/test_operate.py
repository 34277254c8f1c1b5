"""The verbs of an operator: what was typed reaches the engine as it is, and its answer is the exit
code; without an engine nothing is pretended."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.control.place import kill_files, runtime_folders
from adapters.control.protocol import Status
from cli.verbs.operate import WORDS, Word
from engine.commands import BY_VERB, COMMANDS
from tests.adapters.control.desk import Desk, running, short_folder
from tests.cli.conftest import Call


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's runtime folder of the test."""
    with short_folder() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        yield folder


@contextmanager
def engine(runtime: Path, home: Path, mode: str = "SIM", **options: Any) -> Iterator[Desk]:
    """An engine of the home's desk that accepts whatever reaches it."""
    folders = runtime_folders(home, "main")
    assert folders[0].parent.parent == runtime
    files = kill_files(home, "main", folders[:1])
    options = {"obliging": True, **options}
    with running(runtime, mode=mode, folder=folders[0], files=files, **options) as desk:
        desk.server.publish(Status("2026-11-20-sim-0", mode, "READY", (), 1, 2, (), (), ()))
        yield desk


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What the person types when he is asked."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def words_of(word: Word) -> list[str]:
    """A command line of a verb that lacks nothing but the word."""
    words = [word.name]
    if word.about is not None:
        words.append("I3")
    if word.reason == "REASON":
        words.append("looked at it")
    if word.one:
        words.append(word.flags[0].name)
    return words


def test_the_verbs_are_the_commands() -> None:
    """Each command of the engine is one verb, and each verb a command; that of the rulebook is
    ``axiom rulebook amend``, that of a limit ``axiom config set``, and a waiver is given to
    ``axiom run``."""
    verbs = sorted((*(word.verb for word in WORDS), "AMEND", "SET", "WAIVE"))
    assert verbs == sorted(spec.verb for spec in COMMANDS)
    for word in WORDS:
        assert word.name == word.verb.lower()
        assert (word.about is None) == (BY_VERB[word.verb].subject is None)
        assert (word.reason == "REASON") == BY_VERB[word.verb].why


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.name)
def test_each_verb_reaches_the_engine(
    axiom: Call, runtime: Path, tmp_path: Path, word: Word
) -> None:
    """With the mode's word where it is dangerous; accepted is 0, and the JSON says what became."""
    with engine(runtime, tmp_path) as desk:
        answer = axiom(*words_of(word), "--confirm", "SIM", "--json", "--home", tmp_path)
        document = answer.document
        assert answer.code == 0, answer
        (command,) = desk.taken
        assert (command.verb, command.channel) == (word.verb, "SOCKET")
        assert document == {
            "verb": word.verb, "command_id": command.command_id, "outcome": "ACCEPTED",
            "reason": "CMD_ACCEPTED", "seq": 1, "sentence": "The command was taken. Nothing to do.",
        }  # fmt: skip


VALUES = [
    ("halt", None), ("halt --cancel", "CANCEL"), ("halt --flatten", "FLATTEN"),
    ("halt --flatten --cancel", "FLATTEN"), ("resolve i1 --lapsed", "LAPSED"),
    ("resolve i1 --order 25", "ORDER:25"), ("resolve i1 --holds 0 --why sold", "HOLDS:0"),
    ("stop --flatten", "FLATTEN"),
    ("stop --leave-protected", "LEAVE_PROTECTED"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "value"), VALUES)
def test_flags_are_the_value(
    axiom: Call, runtime: Path, tmp_path: Path, line: str, value: str | None
) -> None:
    """Each flag is its word of the table; the stronger level of a halt wins."""
    with engine(runtime, tmp_path) as desk:
        assert axiom(*line.split(), "--confirm", "SIM", "--home", tmp_path).code == 0
        assert desk.taken[-1].value == value


def test_a_reason_is_kept_as_given(axiom: Call, runtime: Path, tmp_path: Path) -> None:
    """Spaces and all; what could move a cursor is written out, since a halt is never refused."""
    with engine(runtime, tmp_path) as desk:
        axiom("halt", "  too  fast: 24,000 ₹ ", "--home", tmp_path)
        axiom("halt", "a\x1b[2Jb\nc" + "x" * 600, "--home", tmp_path)
        axiom("ack", "I1", "--why", "seen", "--home", tmp_path)
        whys = [command.why for command in desk.taken]
    assert whys[0] == "  too  fast: 24,000 ₹ "
    assert whys[1].startswith("a\\u001b[2Jb\\u000ac")
    assert len(whys[1]) == 500
    assert whys[2] == "seen"


def test_a_refusal_of_the_engine_is_1(axiom: Call, runtime: Path, tmp_path: Path) -> None:
    """With its code, its sentence and the entry that says so."""
    with engine(runtime, tmp_path, obliging=False) as desk:
        sink = desk.server._sink

        def refusing(command: Any, until_ns: int | None) -> bool:
            sink(command, until_ns)
            desk.answer(desk.next(), "REFUSED", "CMD_SUBJECT_UNKNOWN")
            return True

        desk.server._sink = refusing
        answer = axiom("ack", "I9", "--home", tmp_path)
    assert answer.code == 1
    assert answer.out.startswith("ACK refused (entry 1): CMD_SUBJECT_UNKNOWN: The engine does not")


def test_one_position_is_closed_by_its_id(axiom: Call, runtime: Path, tmp_path: Path) -> None:
    """The id and the reason arrive as they are typed; what the engine does not hold is one line
    and 1, another mode's word too; a place for an id that holds none is 2."""
    words = ("exit", "774a773c0c027f6f", "--why", "results tonight", "--home", tmp_path)
    with engine(runtime, tmp_path) as desk:
        assert axiom(*words, "--confirm", "SIM").out == "EXIT accepted (entry 1)\n"
        (command,) = desk.taken
        assert (command.verb, command.subject, command.value, command.why) == (
            "EXIT", "774a773c0c027f6f", None, "results tonight")  # fmt: skip
        assert axiom(*words, "--confirm", "LIVE").code == 1
        assert len(desk.taken) == 1
        assert "CMD_TEXT" in axiom("exit", "*", "--confirm", "SIM", "--home", tmp_path).refusal
    with engine(runtime, tmp_path, obliging=False) as desk:
        sink = desk.server._sink
        for code in ("CMD_SUBJECT_UNKNOWN", "CMD_EXITING"):

            def refusing(command: Any, until_ns: int | None, code: str = code) -> bool:
                sink(command, until_ns)
                desk.answer(desk.next(), "REFUSED", code)
                return True

            desk.server._sink = refusing
            answer = axiom(*words, "--confirm", "SIM")
            assert (answer.code, answer.out.count("\n")) == (1, 1)
            assert f": {code}: The " in answer.out


def test_a_dangerous_verb_asks_for_the_word_of_the_mode(
    axiom: Call, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T07: naming the session and what will happen; a wrong word, or none, does nothing."""
    with engine(runtime, tmp_path, "LIVE") as desk:
        for text in ("SIM\n", "live\n", "yes\n", ""):
            typed(monkeypatch, text)
            assert axiom("flatten", "--home", tmp_path).code == 2
        assert desk.taken == []
        typed(monkeypatch, "LIVE\n")
        answer = axiom("flatten", "--home", tmp_path)
        assert (answer.code, answer.out) == (0, "FLATTEN accepted (entry 1)\n")
        assert "every position closed" in answer.err
        assert "Type LIVE to confirm" in answer.err


def test_nobody_is_asked_where_nobody_is(axiom: Call, runtime: Path, tmp_path: Path) -> None:
    """--json is headless: the flag is named; another mode's word is refused by the engine."""
    with engine(runtime, tmp_path, "LIVE") as desk:
        line = axiom("arm", "--json", "--home", tmp_path).refusal
        assert "--confirm LIVE" in line
        answer = axiom("arm", "--confirm", "SIM", "--home", tmp_path)
        assert (answer.code, "CMD_NOT_CONFIRMED" in answer.out) == (1, True)
        assert desk.taken == []


def test_a_halt_asks_for_nothing(
    axiom: Call, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E10: no word, no reason, no status, at any level, with nobody at the keyboard."""
    typed(monkeypatch, "")
    with engine(runtime, tmp_path, "LIVE") as desk:
        desk.server._status = None
        for level in ([], ["--cancel"], ["--flatten"]):
            assert axiom("halt", *level, "--home", tmp_path).code == 0
        assert desk.kill.halted


def test_the_same_id_again_is_the_same_answer(axiom: Call, runtime: Path, tmp_path: Path) -> None:
    """T07: a command given twice under its id happens once."""
    with engine(runtime, tmp_path) as desk:
        answers = [axiom("disarm", "--id", "d1", "--home", tmp_path) for _ in range(2)]
        assert answers[0] == answers[1]
        assert len(desk.taken) == 1


def test_an_engine_that_does_not_answer_is_not_known(
    axiom: Call, runtime: Path, tmp_path: Path
) -> None:
    """2, with the id to ask again by; of a halt it is said that it is in force already."""
    from adapters.control.server import Limits

    with engine(runtime, tmp_path, obliging=False, limits=Limits(answer_s=0.05)) as desk:
        line = axiom("disarm", "--home", tmp_path).refusal
        (id_,) = re.findall(r"--id (\w+)", line)
        assert desk.next().command_id == id_
        assert "no entry leaves from here on" in axiom("halt", "--home", tmp_path).refusal
        assert desk.kill.halted


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.name)
def test_without_an_engine_each_verb_says_so(
    axiom: Call, runtime: Path, tmp_path: Path, word: Word
) -> None:
    """2, one line that says what to do, with and without --json, and no home is made."""
    home = tmp_path / "none"
    for more in ([], ["--json"], ["--confirm", "LIVE"]):
        line = axiom(*words_of(word), *more, "--home", home).refusal
        assert "no engine of desk 'main' answers" in line
        assert ("halt --file" in line) == (word.name == "halt")
    assert not home.exists()


WRONG = [
    ("resume", "Missing argument 'REASON'"),
    ("resume ''", "CMD_WHY_MISSING"),
    ("resolve i1", "one of --lapsed, --order or --holds"),
    ("resolve i1 --lapsed --order 2", "one of --lapsed, --order or --holds"),
    ("resolve i1 --order '2 3'", "CMD_VALUE"),
    ("resolve i1 --holds none --why sold", "CMD_VALUE"),
    ("resolve i1 --holds 0", "CMD_WHY_MISSING"),
    ("stop", "one of --flatten or --leave-protected"),
    ("approve ../x", "CMD_TEXT"),
    ("ack", "Missing argument 'INCIDENT'"),
    ("disarm --id '; rm'", "CMD_TEXT"),
    ("flatten --emergency", "asks for its word: --confirm LIVE"),
    ("flatten --include-short", "belongs to 'axiom flatten --emergency'"),
    ("flatten --rest http://127.0.0.1:1", "belongs to 'axiom flatten --emergency'"),
]


@pytest.mark.parametrize(("line", "said"), WRONG)
def test_what_no_engine_could_take_is_not_sent(
    axiom: Call, runtime: Path, tmp_path: Path, line: str, said: str
) -> None:
    """2 and what is wrong, whether an engine runs or not."""
    import shlex

    with engine(runtime, tmp_path) as desk:
        assert said in axiom(*shlex.split(line), "--home", tmp_path).refusal
        assert desk.taken == []


# --- the kill file --------------------------------------------------------------------------------


def test_a_file_halts_the_engine_that_runs(axiom: Call, runtime: Path, tmp_path: Path) -> None:
    """E10: without its socket: a file in the desk's folder and beside the socket is one halt."""
    with engine(runtime, tmp_path, obliging=False) as desk:
        desk.server.close()
        answer = axiom("halt", "enough", "--flatten", "--file", "--json", "--home", tmp_path)
        command = desk.next()
        assert (answer.code, len(answer.document["files"])) == (0, 2)
        assert (command.value, command.why, command.channel) == ("FLATTEN", "enough", "FILE")
        assert desk.kill.halted


def test_a_file_waits_for_the_next_engine(axiom: Call, runtime: Path, tmp_path: Path) -> None:
    """Nobody runs: it is put in the desk's folder alone, private, and halts whoever starts."""
    assert axiom("halt", "--file", "--home", tmp_path).code == 0
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert path == tmp_path / "desks" / "main" / "KILL"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    with engine(runtime, tmp_path, obliging=False) as desk:
        assert desk.kill.halted
    assert list(runtime.rglob("KILL")) == []


def test_a_file_that_goes_nowhere_is_said(axiom: Call, runtime: Path, tmp_path: Path) -> None:
    """A home that cannot be written and no engine's folder: 2, and what is left to do."""
    (tmp_path / "desks").touch()
    answer = axiom("halt", "--file", "--home", tmp_path)
    assert answer.code == 2
    assert "could be put nowhere" in answer.err


def test_a_full_home_is_no_obstacle(
    axiom: Call, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E10: the desk's disk takes nothing; the runtime folder has the file, which is heard."""
    with engine(runtime, tmp_path, obliging=False) as desk:
        (tmp_path / "desks").touch()
        answer = axiom("halt", "--cancel", "--file", "--home", tmp_path)
        assert answer.code == 0
        assert desk.next().value == "CANCEL"


# --- axiom rulebook amend -------------------------------------------------------------------------

SAID = ("--scope", "NSE", "--reason", "extended", "--source", "NSE press release")


def test_an_amendment_reaches_the_engine(axiom: Call, runtime: Path, tmp_path: Path) -> None:
    """As a command with the rule, whose hour and which, and reason and source; accepted is 0."""
    words = ("rulebook", "amend", "session.fno.close", "17:00", *SAID)
    with engine(runtime, tmp_path) as desk:
        answer = axiom(*words, "--confirm", "SIM", "--json", "--home", tmp_path)
        assert (answer.code, answer.document["outcome"]) == (0, "ACCEPTED")
        (command,) = desk.taken
    assert (command.verb, command.subject, command.value) == (
        "AMEND", "session.fno.close", "NSE:17:00")  # fmt: skip
    assert command.why == "extended (source: NSE press release)"
    line = axiom(*words, "--confirm", "SIM", "--home", tmp_path).refusal
    assert "no engine of desk 'main' answers" in line


@pytest.mark.parametrize(
    ("rule", "value", "said", "words"),
    [
        ("lot", "17:00", SAID, "CMD_NOT_AMENDABLE: 'lot' does not change within a day"),
        ("session.fno.close", "25:00", SAID, "CMD_VALUE: '25:00' is not a time of day"),
        ("session.fno.close", "17:00", ("--scope", "NFO", *SAID[2:]), "CMD_VALUE: 'NFO' is no"),
        ("session.fno.close", "17:00", (*SAID[:4], "--source", " "), "CMD_WHY_MISSING: say why"),
    ],
)
def test_an_amendment_that_cannot_be_asks_no_engine(
    axiom: Call, runtime: Path, tmp_path: Path, rule: str, value: str, said: tuple[str, ...],
    words: str,
) -> None:  # fmt: skip
    """One line with its code and what to give instead; the engine hears nothing."""
    with engine(runtime, tmp_path) as desk:
        line = axiom("rulebook", "amend", rule, value, *said, "--home", tmp_path).refusal
        assert words in line
        assert desk.taken == []


def test_an_amendment_takes_the_word_of_the_mode(
    axiom: Call, runtime: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T07: an early close sells what is held, and a late one lets entries go on."""
    words = ("rulebook", "amend", "session.fno.open", "13:30", *SAID)
    with engine(runtime, tmp_path, "LIVE") as desk:
        typed(monkeypatch, "yes\n")
        assert axiom(*words, "--home", tmp_path).code == 2
        assert desk.taken == []
        typed(monkeypatch, "LIVE\n")
        assert axiom(*words, "--home", tmp_path).code == 0


# --- axiom config set -----------------------------------------------------------------------------

WHY = ("--reason", "budget day")


def test_a_limit_reaches_the_engine(axiom: Call, runtime: Path, tmp_path: Path) -> None:
    """As a command with the setting, its value and why; it asks for no word. Accepted is 0."""
    words = ("config", "set", "risk.trades_day_max", "2", *WHY)
    with engine(runtime, tmp_path) as desk:
        answer = axiom(*words, "--json", "--home", tmp_path)
        assert (answer.code, answer.document["outcome"]) == (0, "ACCEPTED")
        (command,) = desk.taken
    assert (command.verb, command.subject, command.value, command.why) == (
        "SET", "risk.trades_day_max", "TO:2", "budget day")  # fmt: skip
    line = axiom(*words, "--home", tmp_path).refusal
    assert "no engine of desk 'main' answers" in line


@pytest.mark.parametrize(
    ("key", "value", "why", "words"),
    [
        ("risk.trades", "2", WHY, "CMD_SUBJECT_UNKNOWN: 'risk.trades' is no limit"),
        ("plan.stop_bps", "2", WHY, "CMD_SUBJECT_UNKNOWN: 'plan.stop_bps' is no limit"),
        ("risk.trades_day_max", "two", WHY, "CMD_VALUE: 'two' is no value of risk.trades_day_max"),
        ("risk.lots_max", "0", WHY, "CMD_VALUE: risk.lots_max is 1 to 100000, not 0"),
        ("risk.lots_max", "2", ("--reason", " "), "CMD_WHY_MISSING: say why"),
    ],
)
def test_a_limit_that_cannot_be_asks_no_engine(
    axiom: Call, runtime: Path, tmp_path: Path, key: str, value: str, why: tuple[str, ...],
    words: str,
) -> None:  # fmt: skip
    """One line with its code and what to give instead; the engine hears nothing."""
    with engine(runtime, tmp_path) as desk:
        line = axiom("config", "set", key, value, *why, "--home", tmp_path).refusal
        assert words in line
        assert desk.taken == []
