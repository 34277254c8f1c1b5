"""S08: the way back from the login page: one answer, with our state, on this machine only."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.kite.callback import (
    Callback,
    LoginError,
    login_address,
    new_state,
    pasted_token,
)
from adapters.kite.secret import Secret

KEY, REQUEST, STATE = "canarykey31", "canaryrequest32", "state-33"
ADDRESS = "https://kite.example/login?secret-place"
WAIT_S = 20.0


@pytest.fixture
def callback() -> Iterator[Callback]:
    """Waiting on a free port."""
    with Callback(0, STATE, lambda: ADDRESS) as one:
        yield one


def ask(one: Callback, target: str, host: str | None = None) -> tuple[int, str, dict[str, str]]:
    """Status, page and headers of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", one.port, timeout=WAIT_S)
    headers = {} if host is None else {"Host": host}
    connection.request("GET", target, headers=headers)
    answer = connection.getresponse()
    page = answer.read().decode()
    connection.close()
    return answer.status, page, dict(answer.getheaders())


def good(state: str = STATE, token: str = REQUEST, status: str = "success") -> str:
    """The address that the broker sends the browser back to."""
    return f"/?request_token={token}&action=login&status={status}&state={state}"


def test_the_address_holds_key_and_state_and_is_escaped() -> None:
    """The page of the broker, version 3, with the state in what it gives back."""
    parts = urlsplit(login_address("https://kite.example/login", Secret(KEY), "a&b=c"))
    fields = parse_qs(parts.query)
    assert fields["api_key"] == [KEY]
    assert fields["v"] == ["3"]
    assert parse_qs(fields["redirect_params"][0]) == {"state": ["a&b=c"]}
    assert new_state() != new_state()


def test_the_answer_is_taken_once_and_leaves_the_history(callback: Callback) -> None:
    """S08: the first answer is the token, a second is gone; the page takes it out of history."""
    status, page, headers = ask(callback, good())
    assert status == 200
    assert "history.replaceState" in page
    assert REQUEST not in page
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert callback.wait(WAIT_S) == Secret(REQUEST)
    assert ask(callback, good(token="another1"))[0] == 410
    assert callback.wait(WAIT_S) == Secret(REQUEST)


def test_the_start_sends_the_browser_on(callback: Callback) -> None:
    """The page that is opened holds no key; it leads to the address that does."""
    assert KEY not in callback.start
    path = urlsplit(callback.start).path
    status, _, headers = ask(callback, path)
    assert (status, headers["Location"]) == (302, ADDRESS)
    assert ask(callback, "/")[0] == 404
    assert ask(callback, "/favicon.ico")[0] == 404


@pytest.mark.parametrize(
    "target",
    [good(state="other"), good(state=""), f"/?request_token={REQUEST}", "/?status=success",
     good(state=STATE + "x"), "/?state=" + "s" * 5_000, good(state="%ff%fe")],
)  # fmt: skip
def test_an_answer_without_our_state_changes_nothing(callback: Callback, target: str) -> None:
    """S08: another login's answer, a forged one, none: refused, and the wait goes on."""
    assert ask(callback, target)[0] == 403
    with pytest.raises(LoginError, match="no login came back within 0 s"):
        callback.wait(0.01)
    assert ask(callback, good())[0] == 200
    assert callback.wait(WAIT_S) == Secret(REQUEST)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "127.0.0.1", ""])
def test_only_this_machine_s_name_is_answered(callback: Callback, host: str) -> None:
    """S07: a page elsewhere that resolves to this machine gets nothing, not even the start."""
    assert ask(callback, urlsplit(callback.start).path, host)[0] == 400
    assert ask(callback, good(), host)[0] == 400
    assert ask(callback, good(), f"localhost:{callback.port}")[0] == 200


@pytest.mark.parametrize(
    ("target", "words"),
    [(good(status="cancelled"), "not completed"), (good(token="a b"), "no request token"),
     (good() + "&request_token=two2", "no request token"),
     (f"/?state={STATE}", "no request token")],
)  # fmt: skip
def test_a_login_that_failed_ends_the_wait(callback: Callback, target: str, words: str) -> None:
    """With our state and no token, the person is told at once."""
    ask(callback, target.replace(" ", "%20"))
    with pytest.raises(LoginError, match=words):
        callback.wait(WAIT_S)


def test_a_connection_that_says_nothing_holds_nobody_up(callback: Callback) -> None:
    """A browser opens connections ahead and leaves them idle: the answer comes past them."""
    with socket.create_connection(("127.0.0.1", callback.port)):
        assert ask(callback, good())[0] == 200
    assert callback.wait(WAIT_S) == Secret(REQUEST)


def test_a_port_that_is_taken_is_told() -> None:
    """One line with what to do; and listening is on loopback alone."""
    with Callback(0, STATE, lambda: ADDRESS) as one:
        with pytest.raises(LoginError, match=f"port {one.port} .* --port"):
            Callback(one.port, STATE, lambda: ADDRESS)
        assert one._server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "text",
    [REQUEST, f"  {REQUEST}\n", f"https://app.example/x{good()[1:]}", f"http://127.0.0.1:1{good()}",
     f"127.0.0.1:8765{good()}"],
)  # fmt: skip
def test_token_or_whole_address_may_be_pasted(text: str) -> None:
    """The token alone, or the address with it in any form that a browser shows."""
    assert pasted_token(text, STATE) == Secret(REQUEST)


@pytest.mark.parametrize(
    "text",
    ["", " ", "two words", "xxxx", "https://app.example/", "http://[", "request_token", "a" * 9_999,
     f"https://app.example/{good(state='other')}", f"https://app.example/?request_token={REQUEST}",
     f"https://app.example/{good(status='error')}", "\x00", "naïve"],
)  # fmt: skip
def test_what_is_no_answer_is_refused_without_repeating_it(text: str) -> None:
    """S08: another login's address, one without a state, nonsense: one line, none of it in it."""
    with pytest.raises(LoginError) as caught:
        pasted_token(text, STATE)
    assert REQUEST not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)
