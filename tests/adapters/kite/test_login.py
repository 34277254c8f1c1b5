"""S01: the token exchange through the official client, and its errors without a secret."""

from __future__ import annotations

import io
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from adapters.kite.callback import LoginError
from adapters.kite.credentials import Credentials, ist_text
from adapters.kite.login import LoginRefused, exchange, invalidate
from adapters.kite.secret import Secret
from engine.rulebook import ist_ns
from tests.adapters.kite.broker import KEY, REQUEST, SECRET, TOKEN, Broker

NOW = ist_ns(20261126, "09:00")
CANARIES = (KEY, SECRET, REQUEST, TOKEN)


@pytest.fixture
def broker() -> Iterator[Broker]:
    """A broker that takes the login."""
    with Broker() as one:
        yield one


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that any logger writes, with the root open to DEBUG."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(level)
    root.removeHandler(handler)


def log_in(broker: Broker, request: str = REQUEST, secret: str = SECRET) -> Credentials:
    """One exchange."""
    return exchange(broker.root, Secret(KEY), Secret(request), Secret(secret), NOW)


def test_a_good_login_is_exchanged_with_its_checksum(broker: Broker, log: io.StringIO) -> None:
    """Key, request token and checksum go out; user, time and token come back; nothing is logged."""
    kept = log_in(broker)
    assert (kept.api_key, kept.access_token) == (Secret(KEY), Secret(TOKEN))
    assert (kept.user_id, kept.origin) == ("AB1234", "file")
    assert ist_text(kept.login_ns or 0) == "2026-11-26 08:41"
    assert ist_text(kept.expires_ns or 0) == "2026-11-27 06:00"
    (method, path, body) = broker.requests[0]
    assert (method, path) == ("POST", "/session/token")
    assert SECRET not in body
    assert [text for text in CANARIES if text in log.getvalue()] == []


@pytest.mark.parametrize("told", ["", "2026-11-20 09:15:00", "2026-12-26 08:41:07"])
def test_a_login_without_a_time_near_ours_has_ours(broker: Broker, told: str) -> None:
    """Where the broker's time is none, or that of another day's clock, the login was now."""
    broker.login_time = told
    assert log_in(broker).login_ns == NOW


def test_the_documented_vector_of_the_checksum(broker: Broker) -> None:
    """The broker's documented example gives the checksum that is published with it."""
    key, request, secret = "my_api_key", "my_request_token", "my_api_secret"
    with pytest.raises(LoginRefused):
        exchange(broker.root, Secret(key), Secret(request), Secret(secret), NOW)
    expected = "9d183880c6b1b8cbef59720852c4b880eefc4de66027736a55bc5c51fcdc7464"
    assert broker.requests[0][2].endswith(f"checksum={expected}")


JSON = "application/json"
Answered = tuple[int, str, bytes]


def error(status: int, kind: str | None, message: str) -> Answered:
    """An error in the broker's envelope."""
    document = {"status": "error", "message": message, "data": None}
    if kind is not None:
        document["error_type"] = f"{kind}Exception"
    return status, JSON, json.dumps(document).encode()


def success(data: object) -> Answered:
    """A success in the broker's envelope."""
    return 200, JSON, json.dumps({"status": "success", "data": data}).encode()


TIME = {"login_time": ""}
ERRORS: list[tuple[str, Answered, bool]] = [
    ("token", error(403, "Token", "Token is invalid"), True),
    ("input", error(400, "Input", "Invalid `checksum`."), True),
    ("no class", error(403, None, "Incorrect `api_key`."), False),
    ("new class", error(403, "New", "x"), True),
    ("echo", error(400, "Input", f"bad {REQUEST} of {KEY}"), True),
    ("html", (502, "text/html", f"<html>{REQUEST}</html>".encode()), False),
    ("half", (200, JSON, b'{"status":"succ'), False),
    ("no type", (200, "", b"{}"), False),
    ("no data", (200, JSON, b'{"status":"success"}'), False),
    ("a list", success([]), False),
    ("null", success(None), False),
    ("no token", success(TIME), False),
    ("empty token", success({**TIME, "access_token": ""}), False),
    ("number", success({**TIME, "access_token": 7}), False),
    ("another key", success({**TIME, "access_token": "abcd", "api_key": "other"}), False),
    ("network", error(503, "Network", "m"), False),
]


@pytest.mark.parametrize(("name", "answer", "refused"), ERRORS, ids=[row[0] for row in ERRORS])
def test_every_other_answer_is_one_line(
    broker: Broker, log: io.StringIO, name: str, answer: Answered, refused: bool
) -> None:
    """S01: refused, unreadable, incomplete: one line, no secret in it, its traceback or a log."""
    broker.answer = answer
    shown = said(lambda: log_in(broker), refused=refused)
    assert [text for text in CANARIES if text in shown + log.getvalue()] == [], name


def said(do: Callable[[], object], *, refused: bool) -> str:
    """The one line of a LoginError and all that a traceback of it shows."""
    with pytest.raises(LoginError) as caught:
        do()
    assert isinstance(caught.value, LoginRefused) is refused
    assert "\n" not in str(caught.value)
    return "".join(traceback.format_exception(caught.value))


def test_nobody_there_is_told_by_its_kind(broker: Broker, log: io.StringIO) -> None:
    """S01: no connection, and a redirection to another host: neither is followed nor quoted."""
    with Broker() as other:
        broker.answer, broker.location = (307, "text/html", b""), f"{other.root}/session/token"
        shown = said(lambda: log_in(broker), refused=False)
        assert other.requests == []
    gone = other.root
    shown += said(
        lambda: exchange(gone, Secret(KEY), Secret(REQUEST), Secret(SECRET), NOW), refused=False
    )
    kept = log_in_elsewhere()
    shown += said(lambda: invalidate(gone, kept), refused=False)
    assert "cannot be reached" in shown
    assert [text for text in CANARIES if text in shown + log.getvalue()] == []


def log_in_elsewhere() -> Credentials:
    """A login of a broker that is not there any more."""
    with Broker() as one:
        return log_in(one)


def test_logging_out_ends_the_login_at_the_broker(broker: Broker, log: io.StringIO) -> None:
    """The token is named to the broker; one that is over already is no error; nothing is logged,
    also where somebody had opened the logger that would."""
    kept = log_in(broker)
    logging.getLogger("urllib3.connectionpool").setLevel(logging.DEBUG)
    invalidate(broker.root, kept)
    assert broker.requests[-1][:2] == (
        "DELETE", f"/session/token?api_key={KEY}&access_token={quote(TOKEN)}",
    )  # fmt: skip
    broker.answer = ERRORS[0][1]
    invalidate(broker.root, kept)
    assert [text for text in CANARIES if text in log.getvalue()] == []


def test_canary_an_open_urllib3_would_log_the_token(broker: Broker, log: io.StringIO) -> None:
    """The same call without the fence does write the token: the fence is what holds."""
    kept = log_in(broker)
    logger = logging.getLogger("urllib3.connectionpool")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adapters.kite.login.fence_loggers", lambda: logger.setLevel(logging.DEBUG))
        invalidate(broker.root, kept)
    assert TOKEN in log.getvalue()


def test_whatever_the_client_raises_is_told_by_its_kind(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S01: an error of no known kind, with all that was sent in its words, and its frames on the
    stack: one line without any of it, and no error behind it."""

    def send(self: object, request: requests.PreparedRequest, **_: object) -> None:
        raise RuntimeError(f"{request.url} {request.headers} {request.body!r} {SECRET}")

    monkeypatch.setattr(requests.Session, "send", send)
    shown = said(lambda: log_in(broker), refused=False)
    assert "cannot be read (RuntimeError)" in shown
    assert [text for text in CANARIES if text in shown] == []
    assert "During handling" not in shown and "direct cause" not in shown


def test_nothing_of_the_environment_goes_along(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S01: a .netrc for the broker's host does not take the place of our header, and to this
    machine itself nothing goes by way of a proxy."""
    (tmp_path / "netrc").write_text("default login x password canarynetrc85\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    invalidate(broker.root, log_in(broker))
    assert [method for method, *_ in broker.requests] == ["POST", "DELETE"]
    assert [one for one in broker.headers if "Basic" in str(one.get("Authorization"))] == []
