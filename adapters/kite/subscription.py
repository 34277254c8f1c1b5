"""What a connection is subscribed to, and whether that is what its frames show.

Lives here: the sharing out of instruments over connections, the requests that ask for them, and
``Seen``, which compares. May import: events.wire, msgspec. Always holds: pure; the broker never
acknowledges a request, so a subscription counts as standing only for what was seen since, in the
mode asked for; lists come out sorted by token. Start reading at ``Seen``.

Requests: Kite Connect v3 documentation, "WebSocket streaming"::

    {"a": "subscribe", "v": [token, ...]}    {"a": "unsubscribe", "v": [token, ...]}
    {"a": "mode", "v": ["ltp" | "quote" | "full", [token, ...]]}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from events.wire.kite import (
    FULL_SIZE,
    INDEX_FULL_SIZE,
    INDEX_QUOTE_SIZE,
    LTP_SIZE,
    QUOTE_SIZE,
    unpack_run,
    walk,
)

LTP: Final = "ltp"
QUOTE: Final = "quote"
FULL: Final = "full"
MODES: Final = (LTP, QUOTE, FULL)
MIXED: Final = "mixed"
"""Said of a connection with more than one mode."""

_MODE_OF_SIZE: Final = MappingProxyType(
    {LTP_SIZE: LTP, INDEX_QUOTE_SIZE: QUOTE, QUOTE_SIZE: QUOTE, INDEX_FULL_SIZE: FULL,
     FULL_SIZE: FULL}
)  # fmt: skip
_STAMP_FIELD: Final = MappingProxyType({INDEX_FULL_SIZE: 2, FULL_SIZE: 5})
"""Where the exchange's time stands among a packet's hot fields."""


class TooManyInstruments(ValueError):  # noqa: N818 - named for the condition
    """More instruments than the connections may carry; the message says how many fit."""


class Subscription(msgspec.Struct, frozen=True):
    """One instrument by its token and the mode it is wanted in.

    ``essential``: the connection does not count as verified until it was seen (an index, a future);
    any other that was not seen has no quote, and so blocks only itself.
    """

    token: int
    mode: str
    essential: bool


Wanted = dict[int, Subscription]


def share_out(
    held: Sequence[Wanted], wanted: Iterable[Subscription], tokens_max: int, connections_max: int
) -> list[Wanted]:
    """What each connection shall carry: an instrument stays where it is, a new one goes to the
    first connection with room. Raises ``TooManyInstruments``, ``ValueError`` for an unknown mode.
    """
    left = {one.token: one for one in wanted}
    for one in left.values():
        if one.mode not in MODES:
            raise ValueError(f"{one.mode!r} is not a mode: ltp, quote or full")
    if len(left) > tokens_max * connections_max:
        raise TooManyInstruments(
            f"{len(left)} instruments are wanted and {tokens_max * connections_max} can be "
            f"subscribed to ({connections_max} connections of {tokens_max}): watch fewer"
        )
    shares: list[Wanted] = []
    for carried in held:
        shares.append({token: left.pop(token) for token in carried if token in left})
    while len(shares) < connections_max:
        shares.append({})
    for share in shares:
        room = tokens_max - len(share)
        for token in list(left)[:room]:
            share[token] = left.pop(token)
    return shares


def mode_of(subscriptions: Iterable[Subscription]) -> str:
    """The one mode of some subscriptions, or ``mixed``; ``full`` of none."""
    modes = sorted({one.mode for one in subscriptions})
    return (modes or [FULL])[0] if len(modes) <= 1 else MIXED


def subscribe_requests(subscriptions: Iterable[Subscription], batch: int) -> list[str]:
    """The texts that subscribe to instruments and set their modes, ``batch`` tokens in each."""
    texts = []
    by_mode: dict[str, list[int]] = {}
    for one in subscriptions:
        by_mode.setdefault(one.mode, []).append(one.token)
    for mode, tokens in sorted(by_mode.items()):
        for part in _batches(sorted(tokens), batch):
            texts.append(_text("subscribe", part))
            texts.append(_text("mode", [mode, part]))
    return texts


def unsubscribe_requests(tokens: Iterable[int], batch: int) -> list[str]:
    """The texts that end subscriptions."""
    return [_text("unsubscribe", part) for part in _batches(sorted(tokens), batch)]


def _batches(tokens: Sequence[int], batch: int) -> list[Sequence[int]]:
    return [tokens[at : at + batch] for at in range(0, len(tokens), batch)]


def _text(action: str, value: object) -> str:
    return msgspec.json.encode({"a": action, "v": value}).decode()


def _stamped(wanted: Iterable[Subscription]) -> bool:
    return any(one.mode == FULL for one in wanted)


class Seen:
    """What a connection has still to show: each instrument in its mode, and the present.

    ``missing`` holds the tokens not seen since they were asked for. ``fresh`` is whether a packet
    carried an exchange time at or after ``since_s`` (epoch seconds, session clock): what comes
    first after a reconnection is a snapshot and may be old. Where no mode has a time it is true.
    """

    def __init__(self, since_s: int, wanted: Mapping[int, Subscription]) -> None:
        self.missing: Wanted = dict(wanted)
        self.fresh = not _stamped(wanted.values())
        self.wrong_mode = 0
        self._since_s = since_s
        self._has_stamps = not self.fresh

    @property
    def done(self) -> bool:
        """Nothing is left to look for."""
        return self.fresh and not self.missing

    def ask(self, wanted: Iterable[Subscription]) -> None:
        """Look for these from now on, also where they were seen in another mode."""
        asked = tuple(wanted)
        self.missing.update((one.token, one) for one in asked)
        if not self._has_stamps and _stamped(asked):
            self._has_stamps, self.fresh = True, False

    def forget(self, tokens: Iterable[int]) -> None:
        """These are no longer subscribed to."""
        for token in tokens:
            self.missing.pop(token, None)

    def look(self, data: bytes) -> None:
        """Tick off what one frame shows. Raises ``FrameError`` for a malformed one: it shows
        nothing, whatever its readable part holds."""
        for run in walk(data).runs:
            mode, stamp = _MODE_OF_SIZE[run.size], _STAMP_FIELD.get(run.size)
            for fields in unpack_run(data, run):
                one = self.missing.get(fields[0])
                if one is not None:
                    if one.mode == mode:
                        del self.missing[one.token]
                    else:
                        self.wrong_mode += 1
                if stamp is not None and fields[stamp] >= self._since_s:
                    self.fresh = True

    def holds(self, subscribed: int, missing_max_per_mille: int) -> bool:
        """Does the subscription stand as a whole: fresh, every essential instrument seen, and not
        more than a share of the others missing?"""
        if not self.fresh or any(one.essential for one in self.missing.values()):
            return False
        return len(self.missing) * 1000 <= subscribed * missing_max_per_mille
