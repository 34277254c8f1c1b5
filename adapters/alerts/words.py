"""What a message says, from the reason table.

Lives here: a message as text for a person and as fields for a program. May import: events,
``engine.rulebook``'s calendar. Always holds: the sentence and what to do are the table's own; what
comes from a journal is shown without control characters, and cut.
Start reading at ``text_of``.
"""

from __future__ import annotations

from typing import Final

from adapters.alerts.post import OVER, STILL, Message
from engine.rulebook import day_of, hhmmss_of, iso_day
from events.reasons import BY_CODE

WORD_CHARS_MAX: Final = 200
TEXT_CHARS_MAX: Final = 1_500
DETAILS_MAX: Final = 12
_MINUTE_NS: Final = 60_000_000_000


def text_of(message: Message) -> str:
    """The message for a person, a few lines."""
    news = message.news
    row = BY_CODE.get(news.code)
    lines = [f"{_head(message)} {shown(news.code)}"]
    if row is not None:
        lines.append(row.sentence)
        if message.state != OVER:
            lines.append(f"What to do: {row.what_to_do}")
    if news.subject:
        lines.append(f"About: {shown(news.subject)}")
    details = [f"{shown(name)} {shown(value)}" for name, value in news.detail[:DETAILS_MAX]]
    if details:
        lines.append(", ".join(details))
    lines.append(f"{shown(news.session)} {_clock(message.now_ns)}".strip())
    if message.held_back:
        lines.append(f"({message.held_back} messages were held back within the hour)")
    return "\n".join(lines)[:TEXT_CHARS_MAX]


def fields_of(message: Message) -> dict[str, object]:
    """The message for a program; its keys are documented in ``docs/OPERATING.md``."""
    news = message.news
    row = BY_CODE.get(news.code)
    return {
        "state": message.state,
        "code": news.code,
        "severity": news.severity,
        "subject": shown(news.subject),
        "session": news.session,
        "sentence": row.sentence if row is not None else "",
        "what_to_do": row.what_to_do if row is not None else "",
        "detail": {shown(name): shown(value) for name, value in news.detail[:DETAILS_MAX]},
        "ts": message.now_ns,
        "since_ts": message.since_ns,
        "text": text_of(message),
    }


def shown(text: str) -> str:
    """Text from a journal, as it may stand in a message."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    return clean if len(clean) <= WORD_CHARS_MAX else f"{clean[: WORD_CHARS_MAX - 1]}…"


def _head(message: Message) -> str:
    if message.state == OVER:
        return "[OVER]"
    minutes = (message.now_ns - message.since_ns) // _MINUTE_NS
    still = f" still, {minutes} min" if message.state == STILL else ""
    return f"[SEV{message.news.severity}{still}]"


def _clock(ns: int) -> str:
    return f"{iso_day(day_of(ns))} {hhmmss_of(ns)} IST"
