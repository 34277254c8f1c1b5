"""What is taken out of entries before they leave: accounts, addresses, people, secrets.

Lives here: what counts as such, and ``Redactor``. May import: events, projections.packs. Always
holds: the same word gets the same stand-in throughout; every place that was changed is listed; what
is not changed keeps its bytes.
Start reading at ``Redactor.redact``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

ACCOUNT: Final = "account"
ADDRESS: Final = "address"
PERSON: Final = "person"
SECRET: Final = "secret"

PERSONAL: Final[dict[str, str]] = {
    "account": ACCOUNT,
    "who": PERSON,
    "approver": PERSON,
    "egress": ADDRESS,
}
"""Fields by name, in whichever event or row, and what they hold."""

_SETTINGS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    (re.compile(r"(^|[._])(account|user|client)(_id)?$"), ACCOUNT),
    (re.compile(r"egress|address|host|url|email|phone"), ADDRESS),
    (re.compile(r"token|secret|password|api_key|webhook|chat"), SECRET),
)
"""Settings by the words in their keys."""

_WORD_MIN: Final = 4
"""A shorter word is looked for in its own fields alone: elsewhere it means something else."""

_SAID: Final = re.compile(
    r"(?i)\b((?:api|access|request|refresh|public)[_-]?(?:key|token)|enctoken|secret|password"
    r"|passcode|otp|totp|pin|authorization|checksum)(\s*[=:]\s*)(?:token\s+)?(\S+)"
)
_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z0-9.-]*[A-Za-z]")
_ADDRESS: Final = re.compile(r"(?<![0-9A-Za-z.:])(?:[0-9A-Fa-f]*:[0-9A-Fa-f:.]+|(?:\d+\.){3}\d+)")

_CLEAN_MAX: Final = 50_000
"""Texts that are known to hold nothing: most are words of a table, said again and again."""

Place = tuple[int, ...]


class Redaction(msgspec.Struct, frozen=True):
    """One change in an entry: the field by name, its place by numbers, and what was there."""

    field: str
    place: Place
    what: str


class Redactor:
    """Stand-ins for what may not leave, the same in every entry."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self._words: dict[str, str] = {}
        self._search: re.Pattern[str] | None = None
        self._clean: set[str] = set()

    def learn(self, values: Any) -> None:
        """Take in what a session's entry names, so that its words are found in free text too."""
        for what, word in _personal(values, ""):
            self._stand_in(what, word)
            if len(word) >= _WORD_MIN and word not in self._words:
                self._words[word] = what
                self._clean.clear()
                longest = sorted(self._words, key=lambda one: (-len(one), one))
                choices = "|".join(re.escape(one) for one in longest)
                self._search = re.compile(f"(?<![A-Za-z0-9])(?:{choices})(?![A-Za-z0-9])")

    def redact(self, values: Any) -> tuple[Any, tuple[Redaction, ...]]:
        """The values (as ``named`` gives them) with stand-ins, and every change."""
        changes: list[Redaction] = []
        return self._walk(values, "", (), changes, None), tuple(changes)

    def text(self, text: str) -> tuple[str, tuple[str, ...]]:
        """A free text with stand-ins, and what was taken out."""
        if text in self._clean:
            return text, ()
        found: list[str] = []

        def put(what: str, word: str) -> str:
            found.append(what)
            return self._stand_in(what, word)

        whole = text
        text = _SAID.sub(lambda hit: f"{hit[1]}{hit[2]}{put(SECRET, hit[3])}", text)
        text = _EMAIL.sub(lambda hit: put(ADDRESS, hit[0]), text)
        text = _ADDRESS.sub(lambda hit: put(ADDRESS, hit[0]) if _is_ip(hit[0]) else hit[0], text)
        if self._search is not None:
            text = self._search.sub(lambda hit: put(self._words[hit[0]], hit[0]), text)
        if not found and len(self._clean) < _CLEAN_MAX:
            self._clean.add(whole)
        return text, tuple(found)

    def _stand_in(self, what: str, word: str) -> str:
        if (what, word) not in self._names:
            self._counts[what] = self._counts.get(what, 0) + 1
            self._names[what, word] = f"[{what} {self._counts[what]}]"
        return self._names[what, word]

    def _walk(
        self, value: Any, field: str, place: Place, changes: list[Redaction], what: str | None
    ) -> Any:
        if what is not None and value not in (None, "") and not isinstance(value, dict | list):
            changes.append(Redaction(field, place, what))
            return self._stand_in(what, str(value))
        if isinstance(value, dict):
            return {
                name: self._walk(
                    one, f"{field}.{name}".lstrip("."), (*place, at), changes, _what(value, name)
                )
                for at, (name, one) in enumerate(value.items())
            }
        if isinstance(value, list):
            return [
                self._walk(one, field, (*place, at), changes, None) for at, one in enumerate(value)
            ]
        if isinstance(value, str):
            text, found = self.text(value)
            changes += [Redaction(field, place, one) for one in dict.fromkeys(found)]
            return text
        return value


def _what(row: dict[str, Any], name: str) -> str | None:
    """What a field holds by its name, or a setting's value by its key."""
    if name in PERSONAL:
        return PERSONAL[name]
    if name == "value" and isinstance(row.get("key"), str):
        return setting_holds(row["key"])
    return None


def setting_holds(key: str) -> str | None:
    """What the value of a setting is, where it may not leave."""
    return next((what for words, what in _SETTINGS if words.search(key)), None)


def _personal(value: Any, name: str) -> Iterator[tuple[str, str]]:
    """(what, word) of every personal field below a value."""
    if isinstance(value, dict):
        for field, one in value.items():
            what = _what(value, field)
            if what is not None and isinstance(one, str) and one:
                yield what, one
            yield from _personal(one, field)
    elif isinstance(value, list):
        for one in value:
            yield from _personal(one, name)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text.rstrip(".:"))
    except ValueError:
        return False
    return True


def tally(changes: Iterable[tuple[str, Redaction]]) -> list[dict[str, Any]]:
    """How often what was taken out of which field of which kind, in order of kind and field."""
    counts: dict[tuple[str, str, str], int] = {}
    for kind, one in changes:
        key = (kind, one.field, one.what)
        counts[key] = counts.get(key, 0) + 1
    return [
        {"kind": kind, "field": field, "what": what, "times": counts[kind, field, what]}
        for kind, field, what in sorted(counts)
    ]
