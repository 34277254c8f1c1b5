"""What an operator may ask for, as a table that both ends of a channel judge by.

Lives here: the verbs with what each needs, and the checks of a command. May import: events. Always
holds: the same command gets the same answer wherever it is asked; a refusal is a code of
``events.reasons``; the kill switch needs no reason and no word, so that nothing stands before it.
Start reading at ``COMMANDS``, then ``checked``.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from events.session import OperatorCommand

LIVE: Final = "LIVE"
PAPER: Final = "PAPER"
SIM: Final = "SIM"
BACKTEST: Final = "BACKTEST"
RECORD: Final = "RECORD"

MODES: Final = (LIVE, PAPER, SIM, RECORD, BACKTEST)
_TRADING: Final = (LIVE, PAPER, SIM)
_SENDING: Final = (LIVE, SIM)
"""Modes in which an order can be at a broker."""

AMEND: Final = "AMEND"
WAIVE: Final = "WAIVE"
SET: Final = "SET"
SET_PREFIX: Final = "TO:"
STOP_SETTING: Final = "orders.protective_stop"
"""What a waiver is about, as WAIVE's subject."""

CANCEL: Final = "CANCEL"
FLATTEN: Final = "FLATTEN"
LEVELS: Final[tuple[str | None, ...]] = (None, CANCEL, FLATTEN)
"""The kill switch, from the least: no new entries; and cancel all; and close every position."""

LAPSED: Final = "LAPSED"
ORDER_PREFIX: Final = "ORDER:"
HOLDS_PREFIX: Final = "HOLDS:"
LEAVE_PROTECTED: Final = "LEAVE_PROTECTED"

EXIT: Final = "EXIT"
PROMOTE: Final = "PROMOTE"
QUARANTINE: Final = "QUARANTINE"
PROMOTED: Final = ("PILOT:", "LIVE:", "RESEARCH", "PAPER", "RETIRED")
"""Where a strategy is moved to; what follows are code, parameters and algo id, by colons."""

AMENDED: Final = ("NSE:", "BSE:", "*:")
"""The exchange whose hour is amended, or both; what follows is the hour (``NSE:17:00``)."""

ACCEPTED: Final = "CMD_ACCEPTED"
NOT_CONFIRMED: Final = "CMD_NOT_CONFIRMED"
BUSY: Final = "CMD_BUSY"
ID_REUSED: Final = "CMD_ID_REUSED"
EXPIRED: Final = "CMD_EXPIRED"
SUBJECT_UNKNOWN: Final = "CMD_SUBJECT_UNKNOWN"
VALUE: Final = "CMD_VALUE"
NOT_AMENDABLE: Final = "CMD_NOT_AMENDABLE"
AMEND_PAST: Final = "CMD_AMEND_PAST"
AMEND_OVER: Final = "CMD_AMEND_OVER"
NO_SUCH_MOVE: Final = "CMD_NO_SUCH_MOVE"
OTHER_DIGEST: Final = "CMD_OTHER_DIGEST"
EXITING: Final = "CMD_EXITING"
BOOKS_DISAGREE: Final = "CMD_BOOKS_DISAGREE"
"""What the ends of a channel and the core say beside the codes of ``checked``."""

WHO_CHARS_MAX: Final = 64
WHY_CHARS_MAX: Final = 500

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_UNITS: Final = re.compile("[0-9]{1,9}")
_UNFIT: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What could move a cursor, turn a line around or not be written at all."""


class CommandSpec(msgspec.Struct, frozen=True):
    """One verb. ``subject`` names what it is about, None for nothing; ``values`` are its words,
    where a word that ends in a colon is followed by an id (``HOLDS:`` by a number of units, and
    then a reason must be given, as after ``PILOT:`` and ``LIVE:``), and None means that it may be
    left out.

    ``dangerous``: a person types the mode's word first. ``halted``: works while entries are halted.
    ``expires``: an engine that comes to it late does not carry it out. What stops, closes or turns
    down is carried out however late; what lets in or changes the books was asked of that moment.
    """

    verb: str
    subject: str | None
    values: tuple[str | None, ...]
    why: bool
    dangerous: bool
    modes: tuple[str, ...]
    halted: bool
    expires: bool
    sentence: str


def _c(
    verb: str,
    sentence: str,
    subject: str | None = None,
    values: tuple[str | None, ...] = (None,),
    *,
    why: bool = False,
    dangerous: bool = False,
    modes: tuple[str, ...] = _TRADING,
    halted: bool = True,
    expires: bool = True,
) -> CommandSpec:
    return CommandSpec(verb, subject, values, why, dangerous, modes, halted, expires, sentence)


COMMANDS: Final = (
    _c("HALT", "No new entries; with CANCEL every working order is cancelled; with FLATTEN every"
       " position is closed too.", values=LEVELS, modes=MODES, expires=False),
    _c("RESUME", "Entries may go on after a halt.", why=True, dangerous=True, modes=MODES),
    _c("APPROVE", "An entry that waits for a person may be sent.", "REQUEST", halted=False),
    _c("REJECT", "An entry that waits for a person is turned down.", "REQUEST", expires=False),
    _c("ARM", "Approved entries may be sent for a while.", dangerous=True, halted=False),
    _c("DISARM", "No approved entry may be sent.", expires=False),
    _c("FLATTEN", "Every order is cancelled and every position closed.", dangerous=True,
       expires=False),
    _c(EXIT, "This position is closed, a pair as a whole; nothing else is touched.", "POSITION",
       dangerous=True, expires=False),
    _c("RESOLVE", "An order whose fate is unknown did not happen, or is the one named; of a"
       " position the broker holds so many units.", "INTENT", (LAPSED, ORDER_PREFIX, HOLDS_PREFIX),
       dangerous=True, modes=_SENDING),
    _c("ADOPT", "A position or order that is not ours is managed from here on.", "ORDER",
       dangerous=True, modes=_SENDING),
    _c("ACK", "A person has seen an incident.", "INCIDENT", modes=(*_TRADING, RECORD),
       expires=False),
    _c(PROMOTE, "A strategy moves in its lifecycle; to PILOT and LIVE with the code and the"
       " parameters that it is promoted with.", "STRATEGY", PROMOTED, dangerous=True),
    _c(QUARANTINE, "A strategy may not enter any more.", "STRATEGY", expires=False),
    _c("STOP", "The session ends; what is open is closed, or left with its resting stop.",
       values=(FLATTEN, LEAVE_PROTECTED), dangerous=True, modes=(*_TRADING, RECORD), expires=False),
    _c(WAIVE, "No stop rests at the broker in this session, as its configuration wants it.",
       "SETTING", why=True, dangerous=True, modes=(LIVE,)),
    _c(SET, "A limit of entries is another from here on; in LIVE a looser one waits for the next"
       " session.", "SETTING", (SET_PREFIX,), why=True),
    _c(AMEND, "An hour of this day is another from here on: the market is halted, or its day ends"
       " earlier or later.", "RULE", AMENDED, why=True, dangerous=True, modes=(*_TRADING, RECORD)),
)  # fmt: skip

BY_VERB: Final = {spec.verb: spec for spec in COMMANDS}


def checked(command: OperatorCommand, mode: str, *, halted: bool) -> str | None:
    """The code why a command is not to be carried out in a session of ``mode``; None where it is.

    ``halted``: new entries are halted. Whether the subject exists is not judged here.
    """
    spec = BY_VERB.get(command.verb)
    if spec is None:
        return "CMD_UNKNOWN"
    if not _fit(command):
        return "CMD_TEXT"
    if (command.subject is None) != (spec.subject is None):
        return "CMD_SUBJECT"
    if not _is_value(command.value, spec.values):
        return VALUE
    why = spec.why or (command.value or "").startswith((HOLDS_PREFIX, *PROMOTED[:2]))
    if why and not command.why.strip():
        return "CMD_WHY_MISSING"
    if mode not in spec.modes:
        return "CMD_NOT_IN_MODE"
    return "CMD_WHILE_HALTED" if halted and not spec.halted else None


def unconfirmed(verb: str, mode: str, word: str | None) -> str | None:
    """The code where a dangerous verb comes without the mode's word: whoever thinks that he is on
    paper does not type LIVE. None where the word is right or none is needed."""
    spec = BY_VERB.get(verb)
    if spec is None or not spec.dangerous or word == word_of(mode):
        return None
    return NOT_CONFIRMED


def word_of(mode: str) -> str:
    """What a person types to confirm in a session of ``mode``: the mode itself."""
    return mode


def kept(text: str, chars_max: int = WHY_CHARS_MAX) -> str:
    """``text`` as a command may hold it: unchanged where it is fit; else its control characters
    written out and its end cut, since a halt is not lost over the spelling of its reason."""
    shown = _UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return shown if len(shown) <= chars_max else f"{shown[: chars_max - 1]}…"


def is_id(text: str) -> bool:
    """Whether ``text`` can be the id of a command, an order, an incident."""
    return _ID.fullmatch(text) is not None


def _is_value(value: str | None, values: tuple[str | None, ...]) -> bool:
    if value in values:
        return value is None or not value.endswith(":")
    if value is None:
        return False
    word, colon, rest = value.partition(":")
    if f"{word}{colon}" == HOLDS_PREFIX and _UNITS.fullmatch(rest) is None:
        return False
    return f"{word}{colon}" in values and is_id(rest)


def _fit(command: OperatorCommand) -> bool:
    """Ids are ids; texts have a length, and nothing that could not be shown as it is."""
    texts = ((command.who, WHO_CHARS_MAX), (command.why, WHY_CHARS_MAX))
    # What no socket brought (a file, a signal, a journal of an older release) may have no id.
    ids = (command.subject, command.command_id or None)
    return all(len(text) <= most and not _UNFIT.search(text) for text, most in texts) and all(
        one is None or is_id(one) for one in ids
    )
