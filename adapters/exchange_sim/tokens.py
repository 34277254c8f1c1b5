"""Who may speak: the token exchange with its checksum, the daily flush, the second login.

Lives here: sessions of the one account. May import: hashlib, errors, spec, words. Always holds: at
most one access token lives; a request token is good once and for minutes. Start reading at
``Tokens.exchange``.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from adapters.exchange_sim.errors import KiteError, token_error
from adapters.exchange_sim.spec import AccountSpec, Behaviour, FaultSwitches
from adapters.exchange_sim.words import Data, stamp
from adapters.markets.synthetic_random import SplitMix64, substream
from engine.rulebook import NS_PER_DAY, NS_PER_S, add_days, day_of, ist_ns

REQUEST_INVALID: Final = "Token is invalid or has expired."
CHECKSUM_INVALID: Final = "Invalid `checksum`."

_STREAM: Final = 71
_LISTS: Final[dict[str, Any]] = {
    "exchanges": ["NSE", "BSE", "NFO", "BFO"],
    "products": ["CNC", "NRML", "MIS"],
    "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
}


def checksum(api_key: str, token: str, api_secret: str) -> str:
    """SHA-256 (hex) over the three texts, one after the other."""
    return hashlib.sha256(f"{api_key}{token}{api_secret}".encode()).hexdigest()


class Tokens:
    """The account's sessions. The token of the specification is alive from the start."""

    def __init__(
        self, account: AccountSpec, behaviour: Behaviour, faults: FaultSwitches, day: int
    ) -> None:
        self._account = account
        self._behaviour = behaviour
        self._faults = faults
        self._rng = SplitMix64(substream(behaviour.seed, _STREAM))
        self._access: str | None = account.access_token
        self._dies_ns = ist_ns(add_days(day, 1), behaviour.flush_hhmm)
        self._requests: dict[str, int] = {}
        self.logins = 0
        """Access tokens that were given so far."""

    def login(self, now_ns: int) -> str:
        """What the login page redirects with: a request token."""
        token = self._word(32)
        self._requests[token] = now_ns + self._behaviour.request_token_s * NS_PER_S
        return token

    def exchange(self, now_ns: int, api_key: str, request_token: str, digest: str) -> Data:
        """A request token for an access token; every earlier access token is dead from now on.

        Raises ``KiteError``.
        """
        account = self._account
        if api_key != account.api_key:
            raise token_error()
        expires_ns = self._requests.pop(request_token, None)
        if expires_ns is None or now_ns >= expires_ns:
            raise KiteError(403, "TokenException", REQUEST_INVALID)
        if digest != checksum(api_key, request_token, account.api_secret):
            raise KiteError(403, "TokenException", CHECKSUM_INVALID)
        self._access = self._word(32)
        self.logins += 1
        self._dies_ns = self._flush_after(now_ns)
        return {
            **self.profile(),
            "api_key": account.api_key,
            "access_token": self._access,
            "public_token": self._word(32),
            "enctoken": self._word(64),
            "refresh_token": "",
            "silo": "",
            "login_time": stamp(self._faults.stamped(now_ns)),
        }

    def ok(self, now_ns: int, api_key: str, token: str) -> bool:
        """Whether a call with this key and token is one of the account's."""
        alive = self._access is not None and now_ns < self._dies_ns
        return alive and api_key == self._account.api_key and token == self._access

    def invalidate(self, api_key: str, token: str) -> bool:
        """Log out. Raises ``KiteError`` for a token that is not alive."""
        if self._access is None or (api_key, token) != (self._account.api_key, self._access):
            raise token_error()
        self._access = None
        return True

    def kill(self) -> None:
        """A master logout from elsewhere: no token lives."""
        self._access = None

    def profile(self) -> Data:
        """The user, without any token."""
        user = self._account.user_id
        return {
            "user_id": user,
            "user_type": "individual",
            "email": f"{user}@example.org",
            "user_name": f"Simulated {user}",
            "user_shortname": user,
            "broker": "ZERODHA",
            **{name: list(words) for name, words in _LISTS.items()},
            "avatar_url": None,
            "meta": {"demat_consent": "consent"},
        }

    def _flush_after(self, now_ns: int) -> int:
        """The first flush after a login."""
        flush = ist_ns(day_of(now_ns), self._behaviour.flush_hhmm)
        return flush if now_ns < flush else flush + NS_PER_DAY

    def _word(self, size: int) -> str:
        letters = "".join(f"{self._rng.draw():016x}" for _ in range(size // 16 + 1))
        return letters[:size]
