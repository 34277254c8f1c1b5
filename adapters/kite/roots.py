"""Where the broker is: its addresses, and what else may stand in their place.

Lives here: the three addresses, the check of another one, the fence around what others log and
print. May import: the standard library. Always holds: nothing is spoken in the clear but to this
machine itself; a root is a host, since the official client drops its path.
Start reading at ``checked_root``.
"""

from __future__ import annotations

import logging
import sys
from typing import Final
from urllib.parse import urlsplit

REST_ROOT: Final = "https://api.kite.trade"
LOGIN_PAGE: Final = "https://kite.zerodha.com/connect/login"
FEED_ROOT: Final = "wss://ws.kite.trade"

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
_SECURE: Final = {"https": "http", "wss": "ws"}

TALKATIVE: Final = {
    "asyncio": logging.WARNING,
    "autobahn": logging.WARNING,
    "kiteconnect": logging.WARNING,
    "requests": logging.WARNING,
    "twisted": logging.WARNING,
    "urllib3": logging.ERROR,  # its warnings name whole addresses, queries included
    "websockets": logging.WARNING,
}
"""Loggers of others that would write addresses, headers or bodies below these levels."""


class BadRoot(ValueError):  # noqa: N818 - named for what it is
    """An address that is not spoken to: one line that says what is expected."""


def checked_root(root: str, scheme: str, *, path: bool = False) -> str:
    """``root`` without a final slash. ``scheme`` is ``https`` or ``wss``; their plain forms are for
    a loopback host alone. ``path`` allows a path. Raises ``BadRoot``."""
    try:
        parts = urlsplit(root)
        port = parts.port
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise BadRoot(f"this is no address: {error}") from None
    if parts.scheme not in (scheme, _SECURE[scheme]) or not parts.hostname or port == 0:
        raise BadRoot(f"an address {scheme}://HOST[:PORT] is expected")
    if parts.username is not None or parts.query or parts.fragment:
        raise BadRoot(f"an address {scheme}://HOST[:PORT] is expected, with nothing after it")
    if parts.path not in ("", "/") and not path:
        raise BadRoot(f"an address {scheme}://HOST[:PORT] is expected, without a path")
    if parts.scheme != scheme and not is_loopback(root):
        raise BadRoot(f"without encryption only this machine is spoken to: write {scheme}://")
    return root.rstrip("/")


def is_loopback(root: str) -> bool:
    """Does an address lead to this machine?"""
    return urlsplit(root).hostname in LOOPBACK


def fence_loggers() -> None:
    """Hold the talkative loggers, and those below them, where they name no secret: whatever the
    root logger is set to, and whoever opened one of them before. Call it once the client's own
    library is imported: ``http.client`` prints headers and bodies where its debug level is set, and
    the classes that the client uses no longer ask it."""
    for name in list(logging.root.manager.loggerDict):
        top = name.partition(".")[0]
        if top in TALKATIVE:
            _hold(logging.getLogger(name), TALKATIVE[top])
    for name, level in TALKATIVE.items():
        logging.getLogger(name).setLevel(max(level, logging.getLogger(name).level))
    connections = sys.modules.get("urllib3.connection")
    if connections is not None:
        for kind in (connections.HTTPConnection, connections.HTTPSConnection):
            kind.debuglevel = 0


def _hold(log: logging.Logger, level: int) -> None:
    if log.level != logging.NOTSET:
        log.setLevel(max(level, log.level))
