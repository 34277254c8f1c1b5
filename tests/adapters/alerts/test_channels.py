"""The ways out, against a server on loopback: what arrives, what is tried again, what is told of a
failure, and that no secret is in any of it."""

from __future__ import annotations

import io
import json
import logging
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from adapters.alerts.channels import ChannelError, Dispatcher, Telegram, Webhook, channels_of
from adapters.alerts.news import (
    APPROVAL,
    GONE,
    NOT_STARTED,
    ORDER_UNKNOWN,
    SILENT,
    UNREADABLE,
    News,
)
from adapters.alerts.post import BEGAN, OVER, STILL, Message
from adapters.alerts.settings import Settings, TelegramWay, Timing, WebhookWay
from adapters.alerts.words import TEXT_CHARS_MAX, fields_of, text_of
from adapters.kite.secret import Secret
from events.reasons import BY_CODE
from tests.adapters.alerts.events import T0, S

CANARY = "8123456:AAcanaryCanaryCANARY"


def message(code: str = "FEED_GAP", state: str = BEGAN, **changes: Any) -> Message:
    """A message about something."""
    named = {"subject": "NFO:NIFTY", "detail": (("age_ms", "9000"),), "severity": 1, **changes}
    news = News(
        "k", code, named["severity"], named["subject"], named["detail"], "s1", state == OVER
    )
    return Message(news, state, T0, T0 - 600 * S, 0)


class Server:
    """What a receiving server saw, and what it says: statuses in order, then 200."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.seen: list[tuple[str, Any]] = []
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}


@contextmanager
def serving() -> Iterator[Server]:
    """A server on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.seen.append((self.path, json.loads(body)))
            status = server.statuses.pop(0) if server.statuses else 200
            if status == 0:
                self.connection.close()
                return
            self.send_response(status)
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(f"no: {self.path}".encode())

        def log_request(self, *_: Any) -> None:
            """Nothing on standard error."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(http.server_port)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def telegram(server: Server) -> Telegram:
    """A bot of that server."""
    return Telegram(TelegramWay(server.address, Secret(CANARY), "-100200"))


def webhook(server: Server) -> Webhook:
    """A hook of that server."""
    return Webhook(WebhookWay(Secret(f"{server.address}/hook/{CANARY}?k=1")))


# --- what arrives ---------------------------------------------------------------------------------


def test_telegram_gets_a_text_and_the_webhook_fields() -> None:
    """Each in the form that it takes, with the sentence of the reason table."""
    with serving() as server:
        telegram(server).send(message())
        webhook(server).send(message())
    (bot, text), (hook, fields) = server.seen
    assert bot == f"/bot{CANARY}/sendMessage"
    assert text["chat_id"] == "-100200"
    assert text["text"].startswith("[SEV1] FEED_GAP\nNo frame for longer than")
    assert "What to do: " in text["text"]
    assert hook == f"/hook/{CANARY}?k=1"
    assert (fields["state"], fields["code"], fields["severity"]) == ("BEGAN", "FEED_GAP", 1)
    assert fields["detail"] == {"age_ms": "9000"}
    assert fields["text"] == text["text"]


CODES = [SILENT, GONE, NOT_STARTED, ORDER_UNKNOWN, APPROVAL, UNREADABLE, "ALERT_CHANNEL_FAILED"]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("state", [BEGAN, STILL, OVER])
def test_the_words_are_the_tables(code: str, state: str) -> None:
    """The sentence, and what to do as long as there is something to do."""
    text = text_of(message(code, state))
    assert BY_CODE[code].sentence in text
    assert (BY_CODE[code].what_to_do in text) == (state != OVER)
    head = {BEGAN: "[SEV1] ", STILL: "[SEV1 still, 10 min] ", OVER: "[OVER] "}[state]
    assert text.startswith(head + code)
    assert text.splitlines()[-1].endswith("IST")


def test_what_a_journal_holds_cannot_break_a_message() -> None:
    """T06: control characters, a page of text, a code of another release."""
    hostile = message(
        "NEW_CODE", subject="a\x1b[2J\nSEV1" + "x" * 5_000, detail=(("k\r", "v" * 999),)
    )
    text = text_of(hostile)
    assert "\x1b" not in text
    assert len(text) <= TEXT_CHARS_MAX
    assert text.splitlines()[1].startswith("About: a [2J SEV1xxx")
    assert fields_of(hostile)["sentence"] == ""


def test_what_was_held_back_is_said() -> None:
    """The person knows that there was more."""
    held = Message(message().news, BEGAN, T0, T0, 7)
    assert "7 messages were held back" in text_of(held)


# --- failures -------------------------------------------------------------------------------------


class Log:
    """The watchdog's lines, and its pauses in seconds."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.pauses: list[float] = []


def dispatcher(*channels: Any) -> tuple[Dispatcher, Log]:
    """One with a log, and no real pause."""
    log = Log()
    return Dispatcher(channels, log.lines.append, log.pauses.append), log


def test_a_busy_server_is_tried_again_a_few_times() -> None:
    """With pauses that grow, or as long as the server asks for, up to a limit."""
    with serving() as server:
        server.statuses = [500, 503]
        sender, log = dispatcher(webhook(server))
        assert sender.send(message())
        assert (len(server.seen), log.pauses) == (3, [1.0, 2.0])
        server.statuses, server.headers = [429, 429], {"Retry-After": "7"}
        assert sender.send(message())
        assert log.pauses[2:] == [7.0, 7.0]
        server.statuses, server.headers = [429], {"Retry-After": "9999"}
        assert sender.send(message())
        assert log.pauses[4:] == [30.0]


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404])
def test_a_definite_no_is_not_asked_again(status: int) -> None:
    """One try; a redirect is not followed, wherever it leads."""
    with serving() as server:
        server.statuses, server.headers = [status] * 9, {"Location": f"{server.address}/elsewhere"}
        sender, log = dispatcher(webhook(server))
        assert not sender.send(message())
        assert (len(server.seen), log.pauses) == (1, [])
        assert f"webhook failed: HTTP {status}" in log.lines


def test_a_failing_channel_is_told_once_on_the_other_and_again_when_it_works() -> None:
    """And costs one try a message meanwhile; the log has every failure."""
    with serving() as well, serving() as ill:
        ill.statuses = [500] * 5
        sender, log = dispatcher(telegram(well), webhook(ill))
        for _ in range(4):
            assert sender.send(message())
        texts = [body["text"].splitlines()[0] for _, body in well.seen]
        assert texts == [
            "[SEV1] FEED_GAP", "[SEV2] ALERT_CHANNEL_FAILED", "[SEV1] FEED_GAP", "[SEV1] FEED_GAP",
            "[SEV1] FEED_GAP", "[OVER] ALERT_CHANNEL_FAILED",
        ]  # fmt: skip
        assert len(ill.seen) == 3 + 1 + 1 + 1
        assert sum(line == "webhook failed: HTTP 500" for line in log.lines) == 3


def test_all_channels_failing_ends_nothing() -> None:
    """A dead network: false, the lines of the log, and the next message is tried."""
    with serving() as server:
        gone = server.address
    sender, log = dispatcher(
        Telegram(TelegramWay(gone, Secret(CANARY), "1")), Webhook(WebhookWay(Secret(f"{gone}/")))
    )
    assert not sender.send(message())
    assert not sender.send(message())
    assert sum("failed: ConnectionRefusedError" in line for line in log.lines) == 4


def test_a_server_that_hangs_up_is_no_crash() -> None:
    """Nothing, or something that is not HTTP, comes back."""
    with serving() as server:
        server.statuses = [0, 0, 0]
        sender, log = dispatcher(webhook(server))
        assert not sender.send(message())
        assert any("webhook failed: " in line for line in log.lines)


def test_the_channels_are_those_of_the_file() -> None:
    """None, one or both."""
    hook, bot = WebhookWay(Secret("https://x/")), TelegramWay("https://y", Secret("t"), "1")
    assert [one.name for one in channels_of(Settings(bot, hook, Timing()))] == [
        "telegram",
        "webhook",
    ]
    assert channels_of(Settings(None, None, Timing())) == ()


# --- S01 ------------------------------------------------------------------------------------------


def everything_said(statuses: list[int], caplog: pytest.LogCaptureFixture) -> str:
    """All that a faulty day of alerts leaves behind, with debug logging on: both outputs, the log,
    the messages themselves, the errors with their chains."""
    out = io.StringIO()
    caplog.set_level(logging.DEBUG)
    with serving() as server, redirect_stdout(out), redirect_stderr(out):
        hook, bot = webhook(server), telegram(server)
        sender, log = dispatcher(bot, hook)
        for status in statuses:
            server.statuses = [status] * 6
            sender.send(message())
            for channel in (bot, hook):
                server.statuses = [status]
                try:
                    channel.send(message())
                except ChannelError:
                    out.write(traceback.format_exc())
        out.write(repr((hook, bot, vars(hook), vars(bot))))
        bodies = [body for _, body in server.seen]
    return f"{out.getvalue()}{caplog.text}{log.lines}{json.dumps(bodies)}"


def test_no_secret_is_in_anything_that_is_left_behind(caplog: pytest.LogCaptureFixture) -> None:
    """S01: the token is in both addresses, and the server's own answers quote it."""
    said = everything_said([0, 200, 301, 400, 401, 403, 404, 429, 500, 502], caplog)
    assert "ChannelError: HTTP 403" in said
    assert "webhook failed: HTTP 404" in said
    assert CANARY not in said
    assert "AAcanary" not in said


def test_canary_a_secret_that_is_said_is_found(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same look, at a channel that quotes its address."""

    def leaky(self: Webhook, message: Message) -> None:
        raise ChannelError(self._way.url.reveal(), again=False)

    monkeypatch.setattr(Webhook, "send", leaky)
    assert CANARY in everything_said([200], caplog)


def test_any_error_of_the_way_is_told_by_its_kind(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """S01: an error of no known kind with the address in its words, certificates that cannot be
    loaded, a library that prints what it sends: nothing of the address is shown, nothing ends."""
    lines: list[str] = []
    with serving() as server:
        monkeypatch.setattr("http.client.HTTPConnection.debuglevel", 1)
        assert Dispatcher((telegram(server), webhook(server)), lines.append, _no_pause).send(
            message()
        )
        monkeypatch.setattr("http.client.HTTPConnection.request", _quotes_all)
        secure = Webhook(WebhookWay(Secret(f"https://127.0.0.1:1/{CANARY}")))
        monkeypatch.setattr("ssl.create_default_context", _no_certificates)
        both = (telegram(server), secure)
        assert not Dispatcher(both, lines.append, _no_pause).send(message())
    assert "telegram failed: RuntimeError" in lines
    assert "webhook failed: FileNotFoundError" in lines
    streams = capfd.readouterr()
    assert CANARY[8:16] not in "".join((*lines, streams.out, streams.err))


def _no_pause(seconds: float) -> None:
    assert seconds > 0


def _quotes_all(self: object, method: str, url: str, *rest: object) -> None:
    raise RuntimeError(f"{method} {url} {rest}")


def _no_certificates() -> None:
    raise FileNotFoundError(CANARY)
