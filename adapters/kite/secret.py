"""A text that must not be seen: keys, tokens, secrets of the broker.

Lives here: ``Secret``, the words that are only placeholders for one, and ``masked`` for texts of
others. May import: the standard library. Always holds: no way of showing, encoding or copying a
secret gives its text; ``reveal`` is the one way to it, and a test lists who calls it.
Start reading at ``Secret``.
"""

from __future__ import annotations

import hmac
import re
from typing import Any, Final, NoReturn
from urllib.parse import quote

HIDDEN: Final = "***"
CHARS_MAX: Final = 512
"""More than any key or token that the broker gives."""

SOUGHT_CHARS_MIN: Final = 8
"""A shorter one is a word of a simulated exchange, such as demo: it stands in much that is none."""

_PRINTABLE: Final = re.compile(r"[!-~]+")
_PLACEHOLDER: Final = re.compile(
    r"(your|my|enter|insert|put|replace|paste|change)([_-].*|.*(key|token|secret|here|me).*)"
    r"|[<\[{(].*[>\]})]|x{3,}|\*+|\.{3,}|-+"
    r"|todo|tbd|none|null|nil|undefined|placeholder|example|dummy|fixme"
    r"|(kite[_-]?)?(api[_-]?key|api[_-]?secret|access[_-]?token|request[_-]?token|token|secret)",
    re.IGNORECASE,
)

_NAMED: Final = re.compile(
    r"((?:request|access|refresh|public)_?token|enctoken|api_?(?:key|secret)|checksum)"
    r"(%3D|['\"]?\s*[=:]\s*['\"]?)[^\s'\"&,;)}\]]+",
    re.IGNORECASE,
)
_HEADER: Final = re.compile(
    r"\b(token +(?=[^\s:'\",]+:[^\s'\",])|(?:basic|bearer) +(?=[\w+/=.~-]{16}))[^\s'\",]+",
    re.IGNORECASE,
)
_BOT: Final = re.compile(r"/bot[0-9]+(:|%3A)[A-Za-z0-9_-]+", re.IGNORECASE)


class Secret:
    """A text behind a door. ``str``, ``repr`` and ``format`` give ``***``; encoders, pickle and
    copy are refused with ``TypeError``. Two compare in constant time; there is no hash.
    """

    __slots__ = ("_hidden",)

    def __init__(self, text: str) -> None:
        self._hidden = text

    def reveal(self) -> str:
        """The text itself: only where it leaves the process, never into a name that lives on."""
        return self._hidden

    def out_of(self, text: str) -> str:
        """``text`` with three stars wherever it holds this one, plain or as an address writes it.
        Ask before a text is cut: a part of a secret is not found."""
        if len(self._hidden) < SOUGHT_CHARS_MIN:
            return text
        return text.replace(self._hidden, HIDDEN).replace(quote(self._hidden, safe=""), HIDDEN)

    def out_of_bytes(self, data: bytes) -> bytes:
        """As ``out_of``, for what has not been decoded."""
        if len(self._hidden) < SOUGHT_CHARS_MIN:
            return data
        for form in (self._hidden, quote(self._hidden, safe="")):
            data = data.replace(form.encode(), HIDDEN.encode())
        return data

    def __repr__(self) -> str:
        return HIDDEN

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, specification: str) -> str:
        return HIDDEN

    def __bool__(self) -> bool:
        return bool(self._hidden)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._hidden.encode(), other._hidden.encode())

    __hash__ = None  # type: ignore[assignment]

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("a secret is not copied, pickled or encoded")

    __copy__ = __deepcopy__ = __reduce__ = __getstate__ = _refuse

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self._refuse()

    def __init_subclass__(cls) -> None:
        raise TypeError("a secret has no kinds: a subclass could show it")


def why_not_secret(text: str) -> str | None:
    """Why ``text`` cannot be a key or a token, without the text in it; None where it can."""
    if not text:
        return "is empty"
    if len(text) > CHARS_MAX:
        return f"is longer than {CHARS_MAX} characters"
    if _PRINTABLE.fullmatch(text) is None:
        return "has a space or another character that no key has"
    if _PLACEHOLDER.fullmatch(text):
        return "is a placeholder, not a real one"
    return None


def masked(text: str) -> str:
    """A text that was written by others, an error's for one, without what it calls a secret: the
    value of a field with such a name, a header's credentials, a bot's part of an address."""
    text = _NAMED.sub(rf"\1\2{HIDDEN}", text)
    text = _BOT.sub(rf"/bot{HIDDEN}", text)
    return _HEADER.sub(rf"\1{HIDDEN}", text)
