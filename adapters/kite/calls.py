"""One call of the broker's official client, fenced on every side.

Lives here: the client's construction, the fence in the place of its HTTP session, ``Caller``. May
import: kiteconnect (inside the constructor alone: its import costs a second and starts a reactor),
adapters.kite. Always holds: whatever the client raises becomes a row of the error table and nothing
escapes; key and token are in the client for the length of one call, and in no message and no record
even where the broker repeats them; a redirect is never followed, since the client's library would
turn a POST into a GET; nothing of the environment (a proxy, a .netrc) changes where a request goes
or who sends it.
Start reading at ``Caller.call``.

What the client does wrong and the fence puts right (5.2.2): it logs the token in its debug mode,
which is never on; it gives every body that is no JSON the status 502; it takes a success in words
at any status; it knows no class for want of money; its one timeout bounds a single read, not an
answer that drips.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec

from adapters.kite.credentials import Credentials
from adapters.kite.errors import Verdict, name_of, verdict_of
from adapters.kite.reports import DamagedData, readable
from adapters.kite.roots import REST_ROOT, checked_root, fence_loggers
from adapters.kite.secret import Secret, masked

BODY_BYTES_MAX: Final = 64 * 1024 * 1024
"""The dump of all instruments has about 10 MB."""

IPV4: Final = "0.0.0.0"
IPV6: Final = "::"
_PIECE_BYTES: Final = 64 * 1024
_OK: Final = 200
UNNAMED: Final = "GeneralException"
"""What the broker's documentation takes an error without a class for."""

Got = TypeVar("Got")


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds: to connect, between two pieces of an answer, and for the whole body."""

    connect_s: float = 3.0
    read_s: float = 7.0
    whole_s: float = 10.0


class Reply(msgspec.Struct, Generic[Got], frozen=True):
    """What came of a call. ``verdict`` is None for an answer, which is then ``data``; else the row
    of the error table with the broker's own class, status and words, without a secret in them."""

    data: Got | None
    verdict: Verdict | None
    error_class: str | None
    http_status: int | None
    message: str | None


class WriteFenced(Exception):  # noqa: N818 - named for the condition
    """A request that would change something, from a client that may only read."""


class AnswerTooSlow(Exception):  # noqa: N818 - named for the condition
    """A body that drips."""


class AnswerTooLong(Exception):  # noqa: N818 - named for the condition
    """A body that does not end."""


class StrangeAnswer(Exception):  # noqa: N818 - named for the condition
    """A success in words at a status that is none."""


class Answer:
    """What the client may see of a response: the four things that it reads."""

    def __init__(self, status: int, headers: Any, content: bytes) -> None:
        self.status_code = status
        self.headers = headers
        self.content = content

    def json(self) -> Any:
        """The body parsed. Raises ``ValueError``."""
        return json.loads(self.content)

    def error(self) -> tuple[str, str] | None:
        """The broker's own class and words for its error, also where the client has no class of
        that name or trips over an envelope without one; None where the body is no error."""
        try:
            body = self.json()
        except (ValueError, RecursionError):
            return None
        if not isinstance(body, dict):
            return None
        named, said = body.get("error_type"), body.get("message")
        if not isinstance(named, str) or not named:
            if body.get("status") != "error":
                return None
            named = UNNAMED
        return named, said if isinstance(said, str) else ""


CALCULATORS: Final = ("/margins/basket",)
"""What is asked by a POST and changes nothing (kite.trade, "Margin calculation")."""


class Fence:
    """Stands where the client's HTTP session stood, and passes requests on to it."""

    def __init__(self, session: Any, may_write: bool, timeouts: Timeouts) -> None:
        self._session = session
        self._may_write = may_write
        self._timeouts = timeouts
        self.secrets: tuple[Secret, ...] = ()
        self.answer: Answer | None = None
        self.status: int | None = None

    def request(self, method: str, url: str, **options: Any) -> Answer:
        """As ``requests.Session.request``. Raises what that raises, and the fence's own."""
        self.forget()
        reads = method == "GET" or (method == "POST" and url.endswith(CALCULATORS))
        if not reads and not self._may_write:
            raise WriteFenced(f"a {method} from a client that may only read")
        options["allow_redirects"] = False
        options["stream"] = True
        options["timeout"] = (self._timeouts.connect_s, self._timeouts.read_s)
        response = self._session.request(method, url, **options)
        try:
            self.status = response.status_code
            content = self._body(response.raw)
        finally:
            response.close()
        for secret in self.secrets:
            content = secret.out_of_bytes(content)
        self.answer = Answer(response.status_code, response.headers, content)
        return self.answer

    def forget(self) -> None:
        """Before a request: nothing has been answered."""
        self.answer, self.status = None, None

    def _body(self, raw: Any) -> bytes:
        """The body, within its time and its length: a drip would outlive any read's timeout."""
        until = time.monotonic() + self._timeouts.whole_s
        pieces, size = [], 0
        while piece := raw.read1(_PIECE_BYTES, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > BODY_BYTES_MAX:
                raise AnswerTooLong(f"more than {BODY_BYTES_MAX} bytes")
            if time.monotonic() > until:
                raise AnswerTooSlow(f"more than {self._timeouts.whole_s} s for an answer")
        return b"".join(pieces)

    def close(self) -> None:
        """End its connections."""
        self._session.close()


class Caller:
    """The client with its fence. For one thread at a time.

    ``login`` is asked before each call and may raise ``CredentialError``. ``local_address`` is
    where requests leave from: ``0.0.0.0`` pins IPv4 (a host with both families is refused when the
    system picks the one that is not registered), ``::`` IPv6, else one address of this machine.
    Raises ``BadRoot`` for a root that is not spoken to.
    """

    def __init__(
        self,
        login: Callable[[], Credentials],
        *,
        may_write: bool,
        root: str = REST_ROOT,
        timeouts: Timeouts | None = None,
        local_address: str = IPV4,
    ) -> None:
        from kiteconnect import KiteConnect

        fence_loggers()
        self._login = login
        self._client = KiteConnect("", root=checked_root(root, "https"), debug=False)
        session = self._client.reqsession
        session.trust_env = False
        for scheme in ("https://", "http://"):
            session.get_adapter(scheme).init_poolmanager(
                1, 1, block=False, source_address=(local_address, 0)
            )
        self._fence = Fence(session, may_write, timeouts or Timeouts())
        self._client.reqsession = self._fence

    def call(self, kind: str, ask: Callable[[Any], Got]) -> Reply[Got]:
        """Make one call. ``kind`` is PLACE, MODIFY, CANCEL or READ; ``ask`` calls the client that
        it is given, once, and may turn its answer into records (``DamagedData``)."""
        self._fence.forget()
        self._fence.secrets = ()
        try:
            login = self._login()
            self._fence.secrets = (login.access_token, login.api_key)
            self._client.access_token = login.access_token.reveal()
            self._client.api_key = login.api_key.reveal()
            data = ask(self._client)
            if self._fence.status != _OK:
                raise StrangeAnswer(f"a success at HTTP {self._fence.status}")
        except Exception as error:  # noqa: BLE001
            # The boundary to other people's code: whatever it raises is a row of the table, and a
            # class that is new there is UNKNOWN.
            return self._failed(kind, error)
        finally:
            self._client.access_token, self._client.api_key = None, None
        return Reply(data, None, None, self._fence.status, None)

    def _failed(self, kind: str, error: Exception) -> Reply[Any]:
        """The reply behind an error. The error itself ends here: it may carry the request."""
        answer = self._fence.answer
        said = answer.error() if answer is not None else None
        text = error.field if isinstance(error, DamagedData) else str(error)
        error_class, text = said or (name_of(error), text)
        verdict = verdict_of(kind, error_class, self._fence.status, text)
        for secret in self._fence.secrets:
            text, error_class = secret.out_of(text), secret.out_of(error_class)
        words = readable(masked(text))
        return Reply(None, verdict, readable(error_class), self._fence.status, words)

    def close(self) -> None:
        """End its connections; a later call opens them again."""
        self._fence.close()
