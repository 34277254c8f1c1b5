"""The configuration of the alerts: a TOML file of its own, since it holds secrets.

Lives here: its shape, its reading. May import: msgspec, ``adapters.kite.secret``. Always holds: the
file, and a token's file, is ours alone (0600) or refused; no message about a fault holds what
stands in it. Start reading at ``read_settings``.
"""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from adapters.kite.secret import Secret, why_not_secret

FILE_NAME: Final = "alerts.toml"
FILE_BYTES_MAX: Final = 16_384
TELEGRAM: Final = "https://api.telegram.org"
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_OTHERS: Final = 0o077


class AlertsError(Exception):
    """The configuration cannot be used: one line that says what to do, without a secret."""


class _Telegram(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    chat_id: int | str
    token: str | None = None
    token_file: str | None = None
    address: str = TELEGRAM


class _Webhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str


class Timing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When is what news. ``expect`` is the mode whose session must have begun, or none."""

    silent_s: Annotated[int, Meta(ge=2, le=3_600)] = 15
    reminder_minutes: Annotated[int, Meta(ge=1, le=1_440)] = 15
    per_hour: Annotated[int, Meta(ge=4, le=1_000)] = 40
    start_by_hhmm: Annotated[int, Meta(ge=0, le=2359)] = 910
    expect: str = "none"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    telegram: _Telegram | None = None
    webhook: _Webhook | None = None
    timing: Timing = Timing()


class TelegramWay(msgspec.Struct, frozen=True):
    """A chat that a bot writes into."""

    address: str
    token: Secret
    chat_id: str


class WebhookWay(msgspec.Struct, frozen=True):
    """An address that takes a POST. It is a secret: whoever knows it may write there."""

    url: Secret


class Settings(msgspec.Struct, frozen=True):
    """Where alerts go, and when."""

    telegram: TelegramWay | None
    webhook: WebhookWay | None
    timing: Timing


def read_settings(path: Path) -> Settings:
    """The configuration in a file of 0600. Raises ``AlertsError``."""
    try:
        tree = tomllib.loads(_private_text(path))
        file = msgspec.convert(tree, _File)
    except tomllib.TOMLDecodeError:
        # The error's own words may quote the line, and the line may be the token's.
        raise AlertsError(f"{path} is not TOML") from None
    except msgspec.ValidationError as error:
        raise AlertsError(f"{path}: {error}") from None
    if file.timing.start_by_hhmm % 100 > 59:
        raise AlertsError(f"{path}: timing.start_by_hhmm is not a time of day (HHMM)")
    telegram = None if file.telegram is None else _telegram(file.telegram, path)
    webhook = None if file.webhook is None else WebhookWay(Secret(file.webhook.url))
    if webhook is not None:
        _check_address(webhook.url.reveal(), f"{path}: webhook.url")
    return Settings(telegram, webhook, file.timing)


def _telegram(section: _Telegram, path: Path) -> TelegramWay:
    if (section.token is None) == (section.token_file is None):
        raise AlertsError(f"{path}: telegram needs one of token and token_file")
    _check_address(section.address, f"{path}: telegram.address")
    token = section.token
    if token is None:
        token = _private_text(path.parent / Path(section.token_file or "").expanduser()).strip()
    why = why_not_secret(token)
    if why is not None or "/" in token:
        raise AlertsError(f"{path}: the token of telegram {why or 'has a separator in it'}")
    return TelegramWay(section.address.rstrip("/"), Secret(token), str(section.chat_id))


def _check_address(address: str, what: str) -> None:
    """HTTPS, or HTTP to this very machine; no name and password in it."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise AlertsError(f"{what} is no address") from None
    plain = parts.scheme == "http" and host in LOOPBACK
    if not host or parts.username is not None or not (parts.scheme == "https" or plain):
        raise AlertsError(f"{what} must be an https:// address (http:// only on this machine)")
    if not address.isascii() or not address.isprintable() or " " in address:
        raise AlertsError(f"{what} has a character that no address has")


def _private_text(path: Path) -> str:
    """The text of a file that is ours alone."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(path, flags)
    except OSError as error:
        raise AlertsError(f"{path} cannot be read: {error.strerror}") from error
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise AlertsError(f"{path} is not a file")
        if found.st_uid != os.getuid() or found.st_mode & _OTHERS:
            raise AlertsError(f"{path} holds secrets and is open to others: chmod 600 it")
        data = os.read(handle, FILE_BYTES_MAX + 1)
    finally:
        os.close(handle)
    if len(data) > FILE_BYTES_MAX:
        raise AlertsError(f"{path} is longer than {FILE_BYTES_MAX} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise AlertsError(f"{path} is not UTF-8") from None
