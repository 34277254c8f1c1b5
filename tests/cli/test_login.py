"""S01, S08: ``axiom login`` as a person calls it: browser and paste, refusals, and logging out."""

from __future__ import annotations

import io
import stat
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.kite.credentials import (
    credentials,
    ist_text,
    ns_of,
    planned_expiry,
    read_token,
    token_path,
)
from adapters.kite.secret import Secret
from cli.paths import desk_folder
from cli.verbs import login
from tests.adapters.kite.broker import KEY, REQUEST, SECRET, TOKEN, Broker
from tests.cli.conftest import Answer, Call

CANARIES = (KEY, SECRET, REQUEST, TOKEN)
NAMES = ("AXIOM_KITE_API_KEY", "AXIOM_KITE_API_SECRET", "AXIOM_KITE_ACCESS_TOKEN")


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that takes the login."""
    with Broker() as one:
        one.login_time = f"{ist_text(time.time_ns())}:07"
        yield one


def ends(broker: Broker) -> str:
    """When a login of that time is over."""
    return ist_text(planned_expiry(ns_of(broker.login_time) or 0))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the token will be; key and secret are in the environment."""
    home = tmp_path / "home"
    monkeypatch.setenv("AXIOM_HOME", str(home))
    for name, value in zip(NAMES, (KEY, SECRET), strict=False):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(NAMES[2], raising=False)
    return token_path(desk_folder(home, "main"))


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """What comes through a pipe on standard input."""
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def words(broker: Broker, *more: str) -> list[str]:
    """The verb against the small broker."""
    return ["login", "--rest", broker.root, "--page", f"{broker.root}/connect/login", *more]


def hides(answer: Answer) -> None:
    """Nothing secret was shown (the key stands in the login page's address, of --paste alone)."""
    shown = answer.out + answer.err
    assert [text for text in CANARIES[1:] if text in shown] == []


Browse = Callable[[Broker], list[str]]


@pytest.fixture
def browse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Browse]:
    """Puts a browser in place that goes where it is sent; gives the addresses it was given."""
    threads: list[threading.Thread] = []

    def put(broker: Broker) -> list[str]:
        opened: list[str] = []

        def visit(address: str) -> None:
            broker.redirect = address.rpartition("/")[0] + "/"
            with urllib.request.urlopen(address, timeout=20) as page:
                page.read()

        def open_it(address: str) -> bool:
            opened.append(address)
            threads.append(threading.Thread(target=visit, args=(address,), name="test-browser"))
            threads[-1].start()
            return True

        monkeypatch.setattr("webbrowser.open", open_it)
        monkeypatch.setenv("DISPLAY", ":0")
        return opened

    yield put
    for thread in threads:
        thread.join(20)


def test_a_browser_logs_in_and_the_token_is_kept(
    axiom: Call, broker: Broker, path: Path, browse: Browse
) -> None:
    """S08: the browser is opened on a page without key or token, comes back, and the token is kept
    0600 until 06:00 IST; JSON holds no secret."""
    opened = browse(broker)
    answer = axiom(*words(broker, "--port", "0", "--json"))
    assert answer.code == 0, answer
    assert answer.document == {
        "ok": True, "desk": "main", "user": "AB1234", "login_time": broker.login_time[:-3],
        "planned_expiry": ends(broker), "file": str(path),
    }  # fmt: skip
    hides(answer)
    assert KEY not in answer.out + answer.err + "".join(opened)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    found = credentials(path, time.time_ns(), {})
    assert (found.api_key, found.access_token) == (Secret(KEY), Secret(TOKEN))
    assert SECRET not in path.read_text()


def test_a_login_that_is_cancelled_keeps_nothing(
    axiom: Call, broker: Broker, path: Path, browse: Browse
) -> None:
    """The broker's page sends back without success: one line, exit 2, no file."""
    broker.outcome = f"request_token={REQUEST}&status=cancelled"
    browse(broker)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.cli.test_login.urllib.request.urlopen", _tolerant)
        assert "not completed" in axiom(*words(broker, "--port", "0")).err
    assert not path.exists()


def _tolerant(address: str, timeout: float) -> io.BytesIO:
    """A browser shows also a page that says no."""
    opener = urllib.request.build_opener(_ShowsErrors)
    with opener.open(address, timeout=timeout) as page:
        return io.BytesIO(page.read())


class _ShowsErrors(urllib.request.HTTPDefaultErrorHandler):
    def http_error_default(self, req, fp, code, msg, hdrs):  # type: ignore[no-untyped-def]
        """The page as it is."""
        return fp


@pytest.mark.parametrize("form", ["token", "address"])
def test_an_answer_is_pasted_without_echo(
    axiom: Call, broker: Broker, path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """The token alone, or the address that the browser was sent back to, from standard input."""
    state = "state-9"
    monkeypatch.setattr("adapters.kite.callback.new_state", lambda: state)
    whole = f"http://127.0.0.1:8765/?request_token={REQUEST}&status=success&state={state}"
    typed(monkeypatch, REQUEST if form == "token" else whole)
    answer = axiom(*words(broker, "--paste"))
    assert answer.code == 0, answer
    assert answer.out == f"logged in as AB1234 until {ends(broker)} IST; kept in {path}\n"
    assert "/connect/login?v=3&api_key=" in answer.err
    hides(answer)
    assert read_token(path) is not None


def test_a_person_at_a_terminal_is_asked_without_echo(
    axiom: Call, broker: Broker, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Key, secret and answer are asked for one after the other through the hidden prompt; a second
    login knows the key from the file."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    asked: list[str] = []
    answers = {"API key": KEY, "API secret": SECRET, "paste it": REQUEST}

    def hidden(prompt: str, stream: object) -> str:
        asked.append(prompt)
        return next(text for words, text in answers.items() if prompt.startswith(words))

    monkeypatch.setattr("getpass.getpass", hidden)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for count in (3, 2):
        asked.clear()
        answer = axiom(*words(broker, "--paste"))
        assert answer.code == 0, answer
        assert len(asked) == count
        hides(answer)
    answers["API secret"] = "your_api_secret"
    assert "placeholder" in axiom(*words(broker, "--paste")).refusal


def test_the_broker_s_no_is_exit_code_one(
    axiom: Call, broker: Broker, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused: 1, one line with the broker's sentence and without the token it repeats; no file."""
    monkeypatch.setenv(NAMES[1], "canarysecret-wrong")
    typed(monkeypatch, REQUEST)
    answer = axiom(*words(broker, "--paste"))
    assert (answer.code, answer.out) == (1, "")
    assert "Token is invalid or has expired. (***)" in answer.err
    hides(answer)
    typed(monkeypatch, REQUEST)
    answer = axiom(*words(broker, "--paste", "--json"))
    assert answer.code == 1
    assert answer.document["ok"] is False
    hides(answer)
    assert not path.exists()


def test_what_can_be_refused_is_refused_before_the_login(
    axiom: Call, broker: Broker, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each wrong call is one line and exit 2, and the broker is not asked."""
    cases = [
        (["--paste", "--forget"], {}, "two things"),
        (["--rest", "http://api.kite.trade"], {}, "https://"),
        (["--rest", "https://a/b"], {}, "without a path"),
        (["--page", "nowhere"], {}, "an address"),
        (["--port", "65536"], {}, "65536"),
        ([], {NAMES[0]: "your_api_key"}, "placeholder"),
        ([], {NAMES[1]: ""}, "empty"),
        ([], {NAMES[2]: TOKEN}, "unset it"),
        (["--desk", "../x"], {}, "not a desk id"),
        (["--config", "x.toml"], {}, "x.toml"),
    ]
    for more, variables, expected in cases:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            answer = axiom(*words(broker), *more)
            assert expected in answer.refusal, answer
            hides(answer)
    for name in NAMES[:2]:
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv(name)
            assert f"{name} is not set" in axiom(*words(broker)).refusal
    (tmp_path / ".git").mkdir()
    assert "under version control" in axiom(*words(broker)).refusal
    assert broker.requests == []
    assert not path.parent.exists()


def test_pasted_nonsense_is_refused_without_repeating_it(
    axiom: Call, broker: Broker, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing, nonsense, another login's address: one line, exit 2; the broker is not asked."""
    for lines in (
        [],
        [""],
        ["no token at all"],
        [f"http://x/?request_token={REQUEST}&state=other"],
    ):
        typed(monkeypatch, *lines)
        answer = axiom(*words(broker, "--paste"))
        assert (answer.code, answer.out) == (2, "")
        hides(answer)
    assert broker.requests == []


def test_forgetting_ends_both(
    axiom: Call, broker: Broker, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The login ends at the broker and the file goes; again: there is nothing to forget."""
    typed(monkeypatch, REQUEST)
    assert axiom(*words(broker, "--paste")).code == 0
    answer = axiom(*words(broker, "--forget", "--json"))
    assert (answer.code, answer.document) == (0, {"ok": True, "removed": True, "problem": None})
    assert broker.requests[-1][0] == "DELETE"
    assert not path.exists()
    again = axiom(*words(broker, "--forget"))
    assert (again.code, again.out) == (0, "there was no login to forget\n")
    hides(answer)


def test_forgetting_without_a_broker_removes_the_file_and_says_so(
    axiom: Call, broker: Broker, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S01: exit 1 with what is left to happen by itself; a file that others read goes too."""
    with Broker() as gone:
        away = words(gone, "--forget")
    for loose in (False, True):
        typed(monkeypatch, REQUEST)
        assert axiom(*words(broker, "--paste")).code == 0
        if loose:
            path.chmod(0o644)
        answer = axiom(*away)
        assert (answer.code, answer.out) == (1, "")
        assert "ends at 06:00 IST by itself" in answer.err
        hides(answer)
        assert not path.exists()


def test_a_file_that_is_broken_is_replaced_by_the_next_login(
    axiom: Call, broker: Broker, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the refusal tells to do does help."""
    path.parent.mkdir(parents=True, mode=0o700)
    path.write_text("access_token = ")
    typed(monkeypatch, REQUEST)
    assert axiom(*words(broker, "--paste")).code == 0
    assert read_token(path) is not None


def test_without_a_screen_no_browser_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine without a display nothing is started in the person's terminal."""
    monkeypatch.setattr("webbrowser.open", lambda _: pytest.fail("opened"))
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not login.open_browser("http://127.0.0.1:1/")
