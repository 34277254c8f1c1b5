"""The program as it is called: exit codes, one line for whatever goes wrong, a quick help."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from cli import __version__
from cli.main import INTERRUPTED, build_group, load, main, run
from cli.table import GROUPS, VERBS, Verb

ROOT = Path(__file__).resolve().parents[2]
HELP_CPU_MS_MAX = 200
HEAVY = ("duckdb", "polars", "pyarrow", "textual", "msgspec", "holidays", "journal", "engine")

SAMPLES = tuple(
    Verb(name, GROUPS[0], f"the sample {name}", f"tests.cli.sample_verbs:{name}")
    for name in ("end", "ask", "where", "journal")
)


def call(*words: str) -> int:
    """Run the program over the sample verbs."""
    return run(build_group(SAMPLES), words)


@pytest.mark.parametrize(
    ("how", "code", "said"),
    [
        ("good", 0, ""),
        ("bad", 1, ""),
        ("exit", 1, ""),
        ("user", 2, "axiom: there is no such session: see 'axiom sessions'\n"),
        ("refused", 1, "axiom: refused\n"),
        ("disk", 2, "axiom: journal/000001.axj: No space left on device; free"),
        ("stop", 2, f"axiom: {INTERRUPTED}\n"),
        ("abort", 2, f"axiom: {INTERRUPTED}\n"),
    ],
)
def test_each_ending_has_its_exit_code_and_one_line(
    capfd: pytest.CaptureFixture[str], how: str, code: int, said: str
) -> None:
    """A verb's value, a user's error, a full disk and an interrupt end as the contract says."""
    assert call("end", how) == code
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1 if said else 0)
    assert err.startswith(said)


@pytest.mark.parametrize("how", ["bug", "wrong"])
def test_a_bug_is_one_line_that_asks_for_a_report(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Nobody sees a traceback; the line names the error and where it was raised."""
    monkeypatch.delenv("AXIOM_DEBUG", raising=False)
    assert call("end", how) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("axiom: internal error: ")
    assert err.count("\n") == 1
    assert "please report" in err


def test_debug_shows_the_traceback_before_the_line(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With AXIOM_DEBUG=1 the same bug shows where it came from, and still ends with 2."""
    monkeypatch.setenv("AXIOM_DEBUG", "1")
    assert call("end", "bug") == 2
    err = capfd.readouterr().err
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("axiom: internal error: ZeroDivisionError")


@pytest.mark.parametrize("debug", ["0", "1"])
def test_no_line_and_no_traceback_holds_what_an_error_calls_a_secret(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, debug: str
) -> None:
    """S01, S08: a bug whose words quote an address, and a pasted address as a verb, an option's
    value or a word too many: what follows request_token= is three stars."""
    monkeypatch.setenv("AXIOM_DEBUG", debug)
    pasted = "http://127.0.0.1:8765/?request_token=canary7Q2x9TqLw&status=success"
    assert main([pasted]) == 2
    assert main(["login", "--port", pasted]) == 2
    assert main(["sessions", pasted]) == 2
    assert main(["login", pasted]) == 2
    monkeypatch.setattr("cli.main._invoke", lambda *_: _bug(pasted))
    assert main(["sessions"]) == 2
    out, err = capfd.readouterr()
    assert (out, "Traceback" in err) == ("", debug == "1")
    assert err.count("request_token=***") >= 4
    assert "canary7Q" not in err


def _bug(text: str) -> int:
    raise ZeroDivisionError(text)


def test_no_process_leaves_a_core_file() -> None:
    """S01: its memory would hold a key and a token; children inherit the limit."""
    main(["--version"])
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ned"], "there is no verb 'ned'; did you mean end? 'axiom --help' lists them"),
        (["zzz"], "there is no verb 'zzz'; 'axiom --help' lists them"),
        (["--zzz"], "No such option '--zzz'; see 'axiom --help'"),
        (["end"], "Missing argument"),
        (["end", "well"], "'well' is not one of"),
        (["where", "--zzz"], "see 'axiom where --help'"),
        (["where", "a", "b"], "Got unexpected extra argument (b); see 'axiom where --help'"),
        (["journal"], "'axiom journal' needs another word; see 'axiom journal --help'"),
        (["journal", "zzz"], "see 'axiom journal --help'"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(
    capfd: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Each way to mistype a command is answered with what to read, on standard error."""
    assert call(*words) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("axiom: ")
    assert err.count("\n") == 1
    assert said in err


def test_a_verb_with_words_passes_its_exit_code_on() -> None:
    """The value of a nested verb is the program's exit code too."""
    assert call("journal", "info") == 1


def test_a_question_without_anybody_to_answer_is_exit_2(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """A prompt that meets the end of its input could not run; it was not interrupted."""
    start = "import sys; from tests.cli.test_main import call; sys.exit(call('ask'))"
    done = python(start)
    assert done.returncode == 2
    assert "give it as a flag" in done.stderr


def test_a_reader_that_leaves_is_no_error() -> None:
    """``axiom … | head`` ends quietly, with nothing on standard error."""
    start = "import sys; from tests.cli.test_main import call; sys.exit(call('end', 'pipe'))"
    done = python(start)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("closed", [(0,), (2,), (0, 2)])
def test_closed_input_and_error_are_no_fault(closed: tuple[int, ...]) -> None:
    """The answer is given as always, and nothing is written into a file by mistake."""
    script = f"exec {sys.executable} -m cli.main --version {_closing(closed)}"
    done = subprocess.run(["sh", "-c", script], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"axiom {__version__}\n".encode())


def test_a_closed_output_is_refused() -> None:
    """Nobody would get the answer: one line, exit 2."""
    script = f"exec {sys.executable} -m cli.main explain FEED_GAP {_closing((1,))}"
    done = subprocess.run(["sh", "-c", script], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count(b"\n") == 1
    assert b"standard output is closed" in done.stderr


def _closing(streams: tuple[int, ...]) -> str:
    return " ".join(f"{number}{'<' if number == 0 else '>'}&-" for number in streams)


def python(start: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of Python from the checkout."""
    return subprocess.run(
        [sys.executable, *words, "-c", start],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_version_and_help(capfd: pytest.CaptureFixture[str]) -> None:
    """``--version`` is one line; no word at all shows the help, with every verb of the table."""
    assert main(["--version"]) == 0
    assert capfd.readouterr().out == f"axiom {__version__}\n"
    assert main([]) == 0
    out = capfd.readouterr().out
    assert out.startswith("Usage: axiom ")
    assert [verb.name for verb in VERBS if f"  {verb.name} " not in out] == []


def test_help_imports_no_room_and_no_verb() -> None:
    """What costs time to import waits until a verb runs."""
    start = (
        "import sys; from cli.main import main; main(['--help']);"
        "print(*sys.modules, file=sys.stderr)"
    )
    loaded = python(start).stderr.split()
    assert "click" in loaded
    assert [m for m in loaded if m in HEAVY or m.startswith("cli.verbs.")] == []


def test_help_answers_quickly() -> None:
    """``axiom --help`` costs under 200 ms of CPU, start of the interpreter included."""
    costs = [_cpu_ms([sys.executable, "-m", "cli.main", "--help"]) for _ in range(3)]
    assert min(costs) < HELP_CPU_MS_MAX


def _cpu_ms(words: list[str]) -> float:
    process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return (usage.ru_utime + usage.ru_stime) * 1000


def test_an_intruder_stops_the_program(tmp_path: Path) -> None:
    """A foreign ``events`` earlier on the path is named in one line, and nothing runs."""
    (tmp_path / "events").mkdir()
    (tmp_path / "events/__init__.py").touch()
    start = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "from cli.main import main; sys.exit(main(['--version']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", start, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"'events' would be imported from {tmp_path / 'events'}" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_target_that_is_no_command_is_found_out() -> None:
    """A row that points at something else fails when it is loaded, by name."""
    with pytest.raises(TypeError, match="sample_verbs:ENDINGS is not a click command"):
        load(Verb("x", GROUPS[0], "x", "tests.cli.sample_verbs:ENDINGS"))
