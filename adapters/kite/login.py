"""A day's login at the broker, and its end: request token in, credentials out.

Lives here: ``exchange`` and ``invalidate``, over the official client. May import: adapters.kite;
kiteconnect inside functions, since its import costs a second. Always holds: what the client raises,
whatever it is, is not passed on, since its text may hold an address with a token; the broker's own
sentence is, cut and with every secret of ours taken out; nothing of a .netrc is sent, and to this
machine itself nothing goes by way of a proxy. Start reading at ``exchange``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from adapters.kite.callback import LoginError
from adapters.kite.credentials import CredentialError, Credentials, new_credentials, ns_of
from adapters.kite.roots import fence_loggers, is_loopback
from adapters.kite.secret import Secret, masked
from engine.rulebook import NS_PER_DAY

TIMEOUT_S: Final = 15
SENTENCE_MAX: Final = 200


class LoginRefused(LoginError):  # noqa: N818 - named for what happened
    """The broker said no; the message holds its own sentence."""


def exchange(
    root: str, api_key: Secret, request_token: Secret, api_secret: Secret, now_ns: int
) -> Credentials:
    """The access token for a request token, by ``POST /session/token`` with its checksum.

    ``now_ns`` (ns UTC) is the login's time where the broker says none near it. Raises
    ``LoginRefused``, or ``LoginError`` where there was no answer or none that can be used.
    """
    kept = (api_key, request_token, api_secret)

    def ask(client: Any) -> object:
        return client.generate_session(request_token.reveal(), api_secret.reveal())

    data = _asked(root, api_key, None, ask, kept)
    if not isinstance(data, dict) or data.get("api_key", api_key.reveal()) != api_key.reveal():
        raise LoginError("the broker's answer is not to this login: begin again")
    token, user, at = data.get("access_token"), data.get("user_id"), data.get("login_time")
    if not isinstance(token, str):
        raise LoginError("the broker's answer holds no access token: begin again")
    told = ns_of(at.strftime("%Y-%m-%d %H:%M:%S")) if isinstance(at, datetime) else None
    # A time far from ours is of another clock, a simulated day's: the expiry is judged by ours.
    login_ns = told if told is not None and abs(told - now_ns) < NS_PER_DAY else now_ns
    try:
        return new_credentials(
            api_key, Secret(token), user if isinstance(user, str) else None, login_ns
        )
    except CredentialError as error:
        raise LoginError(str(error)) from None


def invalidate(root: str, kept: Credentials) -> None:
    """End a login at the broker; one that is over already is ended. Raises as ``exchange``."""

    def ask(client: Any) -> object:
        return client.invalidate_access_token()

    _asked(root, kept.api_key, kept.access_token, ask, (kept.api_key, kept.access_token))


def _asked(
    root: str,
    api_key: Secret,
    access_token: Secret | None,
    ask: Callable[[Any], object],
    kept: tuple[Secret, ...],
) -> object:
    """The client's answer. Every error leaves as ours, without the one it came from."""
    from kiteconnect import KiteConnect
    from kiteconnect.exceptions import (
        DataException,
        KiteException,
        NetworkException,
        TokenException,
    )

    fence_loggers()
    client = KiteConnect(
        api_key.reveal(),
        access_token=access_token.reveal() if access_token is not None else None,
        root=root,
        timeout=TIMEOUT_S,
    )
    session = client.reqsession
    session.max_redirects = 0  # what is sent is for this host alone
    session.trust_env = not is_loopback(root)
    session.auth = _as_it_is
    try:
        return ask(client)
    except (DataException, NetworkException):
        raise LoginError("the broker has no answer at the moment: try again") from None
    except TokenException as error:
        if access_token is not None:
            return None  # it was over already
        raise LoginRefused(_sentence(error, kept)) from None
    except KiteException as error:
        raise LoginRefused(_sentence(error, kept)) from None
    except OSError as error:  # what requests raises is one
        raise LoginError(
            f"the broker cannot be reached ({type(error).__name__}): look at the network, try again"
        ) from None
    except Exception as error:  # noqa: BLE001
        # The boundary to other people's code: its own faults on an answer that it does not expect.
        raise LoginError(
            f"the broker's answer cannot be read ({type(error).__name__}): try again"
        ) from None
    finally:
        session.close()


def _as_it_is(request: Any) -> Any:
    """In the place of what requests would take from a .netrc: it replaces the header of ours."""
    return request


def _sentence(error: Exception, kept: tuple[Secret, ...]) -> str:
    """What the broker said, on one line and without a secret of ours."""
    text = " ".join(str(error).split())
    for one in kept:
        text = one.out_of(text)
    return f"the broker refused: {masked(text)[:SENTENCE_MAX].rstrip('.')}"
