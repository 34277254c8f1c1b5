"""The login of the simulated exchange's one account, and the person who makes it anew.

Lives here: ``demo_login``, ``renewed``, ``Person``. May import: adapters.kite, events, cli.errors.
Always holds: only a simulated exchange is spoken to, on loopback; a token that the exchange has
ended is not used on as if it lived: another login takes its place, as it would at the broker.
Start reading at ``Person``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

from adapters.kite.callback import LoginError
from adapters.kite.credentials import Credentials
from adapters.kite.login import exchange
from adapters.kite.secret import Secret
from cli.errors import UserError
from events.base import Event
from events.broker import AuthStatus

DEMO: Final = "demo"
"""User, key, secret and first token of the simulated exchange's one account."""

PERSON_S: Final = 60
"""Market seconds from the news that the login is lost to the next one."""

ANSWER_S: Final = 10.0
LOGIN_PATH: Final = f"/connect/login?api_key={DEMO}&v=3"
PROFILE_PATH: Final = "/user/profile"
LOST: Final = ("EXPIRED", "REFUSED")

_REQUEST_TOKEN: Final = re.compile(r'id="request_token">([0-9a-f]+)<')


def demo_login() -> Credentials:
    """The login that a simulated exchange begins with."""
    return Credentials(Secret(DEMO), Secret(DEMO), DEMO, None, None, "environment")


def renewed(rest: str, now_ns: int) -> Credentials:
    """Another login at a simulated exchange: its page, then the exchange of what it shows.
    ``now_ns`` is the session's time. Raises ``LoginError``, ``OSError`` and ``HTTPException``."""
    page = _got(rest, LOGIN_PATH, {})[1]
    shown = _REQUEST_TOKEN.search(page)
    if shown is None:
        raise LoginError(f"the login page at {rest} shows no request token")
    return exchange(rest, Secret(DEMO), Secret(shown.group(1)), Secret(DEMO), now_ns)


def living_login(rest: str, now_ns: int) -> Credentials:
    """The first login where the exchange still takes it, else another. Raises ``UserError``."""
    try:
        status, _ = _got(rest, PROFILE_PATH, {"Authorization": f"token {DEMO}:{DEMO}"})
        return renewed(rest, now_ns) if status == 403 else demo_login()
    except (LoginError, OSError, HTTPException) as error:
        raise UserError(f"no login at {rest} ({error}): is the exchange running?") from error


def _got(rest: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    address = urlsplit(rest)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_S)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


class Person:
    """Who logs in anew a while after a session has said that its login is lost.

    Called, it gives the login that counts now. ``wait_s`` are real seconds, ``now_ns`` is the
    session clock. ``heard`` may be called from any thread, and returns at once.
    """

    def __init__(self, rest: str, wait_s: float, now_ns: Callable[[], int]) -> None:
        self._rest, self._wait_s, self._now_ns = rest, wait_s, now_ns
        self._login = demo_login()
        self._one = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def __call__(self) -> Credentials:
        return self._login

    def heard(self, event: Event) -> None:
        """A fact of the session: news of a lost login is acted on, once at a time."""
        if not isinstance(event, AuthStatus) or event.status not in LOST:
            return
        with self._one:
            if self._thread is None and not self._ended.is_set():
                self._thread = threading.Thread(target=self._log_in, name="demo-login", daemon=True)
                self._thread.start()

    def _log_in(self) -> None:
        """Again and again until it comes about: the exchange may be out of reach meanwhile."""
        done = False
        while not done and not self._ended.wait(self._wait_s):
            try:
                self._login = renewed(self._rest, self._now_ns())
                done = True
            except (LoginError, OSError, HTTPException):
                done = False
        with self._one:
            self._thread = None

    def close(self) -> None:
        """No more logins."""
        self._ended.set()
        thread = self._thread
        if thread is not None:
            thread.join(ANSWER_S)
