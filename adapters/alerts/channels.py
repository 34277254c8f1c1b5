"""The ways out of an alert: a Telegram chat, a webhook. Each tried a few times, then told on.

Lives here: one POST with its limits, the two channels, ``Dispatcher`` over them. May import: the
standard library, this package. Always holds: every wait has an end; no redirect is followed; what
is said of a failure is its kind and the status, never an address, a body or a token.
Start reading at ``Dispatcher.send``.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from typing import Final, Protocol
from urllib.parse import SplitResult, urlsplit

from adapters.alerts.news import SOON, News
from adapters.alerts.post import BEGAN, OVER, Message
from adapters.alerts.settings import Settings, TelegramWay, WebhookWay
from adapters.alerts.words import fields_of, text_of

TIMEOUT_S: Final = 5.0
TRIES: Final = 3
PAUSE_S: Final = 1.0
PAUSE_S_MAX: Final = 30.0
BODY_BYTES_MAX: Final = 64 * 1024
CHANNEL_FAILED: Final = "ALERT_CHANNEL_FAILED"

_OK: Final = range(200, 300)
_AGAIN: Final = (408, 425, 429, 500, 502, 503, 504)

Say = Callable[[str], None]
Pause = Callable[[float], None]


class ChannelError(Exception):
    """A message did not leave. ``again``: another try may help, after ``wait_s`` where told."""

    def __init__(self, what: str, *, again: bool, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.again = again
        self.wait_s = wait_s


class Channel(Protocol):
    """A way out. ``send`` raises ``ChannelError`` and nothing else of the network."""

    @property
    def name(self) -> str: ...

    def send(self, message: Message) -> None: ...


class Telegram:
    """A bot's message into a chat, as plain text."""

    name = "telegram"

    def __init__(self, way: TelegramWay) -> None:
        self._way = way

    def send(self, message: Message) -> None:
        """One try. Raises ``ChannelError``."""
        body = {"chat_id": self._way.chat_id, "text": text_of(message)}
        way = self._way
        post_json(f"{way.address}/bot{way.token.reveal()}/sendMessage", body)


class Webhook:
    """A POST of the message's fields as JSON."""

    name = "webhook"

    def __init__(self, way: WebhookWay) -> None:
        self._way = way

    def send(self, message: Message) -> None:
        """One try. Raises ``ChannelError``."""
        post_json(self._way.url.reveal(), fields_of(message))


def post_json(address: str, body: object) -> None:
    """POST ``body``; good is 2xx. Raises ``ChannelError`` without a word of the address."""
    try:
        data = json.dumps(body).encode()
        parts = urlsplit(address)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        with closing(_connection(parts)) as connection:
            connection.set_debuglevel(0)  # whoever turns it on for all: it prints the address
            connection.request("POST", target, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            with answer:
                answer.read(BODY_BYTES_MAX)
            status, wait = answer.status, answer.getheader("Retry-After") or ""
    except Exception as error:  # noqa: BLE001
        # The boundary to the network: whatever it raises, its words may hold the address, and the
        # address is a secret; and a way out that fails ends nothing.
        raise ChannelError(type(error).__name__, again=True) from None
    if status not in _OK:
        wait_s = float(wait) if wait.isascii() and wait.isdigit() else None
        raise ChannelError(f"HTTP {status}", again=status in _AGAIN, wait_s=wait_s)


def _connection(parts: SplitResult) -> HTTPConnection:
    """Not yet connected. Raises ``OSError`` where no certificates can be loaded."""
    host, port = parts.hostname or "", parts.port
    if parts.scheme != "https":
        return HTTPConnection(host, port, timeout=TIMEOUT_S)
    trusted = ssl.create_default_context()
    return HTTPSConnection(host, port, timeout=TIMEOUT_S, context=trusted)


def channels_of(settings: Settings) -> tuple[Channel, ...]:
    """The ways out that are configured."""
    found: list[Channel] = []
    if settings.telegram is not None:
        found.append(Telegram(settings.telegram))
    if settings.webhook is not None:
        found.append(Webhook(settings.webhook))
    return tuple(found)


class Dispatcher:
    """Sends each message on every channel. A channel that fails is told once on the others, and
    once when it works again; ``say`` writes a line of the log, ``pause`` waits seconds."""

    def __init__(self, channels: Sequence[Channel], say: Say, pause: Pause) -> None:
        self._channels = tuple(channels)
        self._say = say
        self._pause = pause
        self._failing: dict[str, int] = {}

    def send(self, message: Message) -> bool:
        """Whether at least one channel has it."""
        self._say(" | ".join(text_of(message).splitlines()))
        sent = False
        turned: list[tuple[Channel, str, bool]] = []
        for channel in self._channels:
            error = self._tried(channel, message)
            failing = channel.name in self._failing
            sent |= error is None
            if error is not None:
                self._say(f"{channel.name} failed: {error}")
            if (error is not None) != failing:
                turned.append((channel, str(error or ""), error is None))
        since = {channel.name: self._turned(channel, over, message) for channel, _, over in turned}
        for channel, why, _ in turned:
            self._tell_others(channel, why, since[channel.name], message)
        return sent

    def _turned(self, channel: Channel, over: bool, message: Message) -> int:
        """Note that a channel fails, or works again; gives since when it failed (ns UTC)."""
        since_ns = self._failing.pop(channel.name, message.now_ns)
        if not over:
            self._failing[channel.name] = since_ns
        return since_ns

    def _tried(self, channel: Channel, message: Message) -> ChannelError | None:
        """None where it left, else why not. One that fails already gets one try."""
        tries = 1 if channel.name in self._failing else TRIES
        for attempt in range(1, tries + 1):
            try:
                channel.send(message)
            except ChannelError as error:
                if attempt == tries or not error.again:
                    return error
                wait_s = error.wait_s if error.wait_s is not None else PAUSE_S * attempt
                self._pause(min(wait_s, PAUSE_S_MAX))
            else:
                return None
        raise AssertionError("a last try returns")

    def _tell_others(self, failed: Channel, why: str, since_ns: int, message: Message) -> None:
        over = failed.name not in self._failing
        detail = (("error", why),) if why else ()
        news = News(
            f"channel:{failed.name}", CHANNEL_FAILED, SOON, failed.name, detail,
            message.news.session, over,
        )  # fmt: skip
        state = OVER if over else BEGAN
        told = Message(news, state, message.now_ns, since_ns, 0)
        self._say(" | ".join(text_of(told).splitlines()))
        for channel in self._channels:
            if channel.name != failed.name and channel.name not in self._failing:
                error = self._tried(channel, told)
                if error is not None:
                    self._say(f"{channel.name} failed: {error}")
