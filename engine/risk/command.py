"""A limit that an operator moves while a session runs: what may be asked for, and what follows.

Lives here: the judgement of the command SET and the fact that it leads to. May import: events,
engine. Always holds: pure; only limits of entries and their switches can be set, so that no command
changes how a position is left; in LIVE a looser one is told to wait (``machine``).
Start reading at ``change_refused``.
"""

from __future__ import annotations

from typing import Final

from engine import commands
from engine.config import ConfigError, flatten, from_settings, setting_specs
from engine.policy import loosening_waits
from engine.risk.limits import PROFILE_KEY, SWITCHES, split_change, tighter_side
from engine.state import State
from events.session import ConfigChanged, OperatorCommand, Setting

DEFERRED: Final = "RISK_LIMIT_DEFERRED"

TABLES: Final = "instrument_gates."
"""A table that is journaled, and gates no entry."""

WORDS: Final = {"true": True, "false": False}


def settable_keys() -> tuple[str, ...]:
    """Every setting that the command may be about, sorted."""
    return tuple(spec.key for spec in setting_specs() if is_settable(spec.key))


def is_settable(key: str) -> bool:
    """Whether a setting is a limit of entries, one of their switches, or the limits' profile."""
    family = key.endswith(".enabled") and not key.startswith(TABLES)
    return family or key in SWITCHES or key == PROFILE_KEY or tighter_side(key) is not None


def change_of(event: OperatorCommand) -> ConfigChanged | None:
    """The fact that a command SET leads to: its subject is the setting, its value the new one.
    None where there is no such setting, or the text is no value of its kind."""
    key = event.subject or ""
    text = (event.value or "").removeprefix(commands.SET_PREFIX)
    spec = next((one for one in setting_specs() if one.key == key), None)
    if spec is None or not is_settable(key):
        return None
    value: int | bool | str | None = text
    if spec.type == "bool":
        value = WORDS.get(text)
    elif spec.type == "int":
        value = int(text) if text.isascii() and text.isdigit() else None
    if value is None:
        return None
    return ConfigChanged((Setting(key, value),), event.who, event.why)


def waits_for_session(state: State, event: OperatorCommand) -> bool:
    """Whether some of what a command sets does not act in this session: in LIVE what loosens."""
    change = change_of(event)
    if change is None or not loosening_waits(state):
        return False
    wanted = flatten(from_settings(change.settings, state.config))
    return bool(split_change(flatten(state.config), wanted)[1])


def change_refused(state: State, event: OperatorCommand) -> str | None:
    """The code why a setting cannot be set so; None where it can."""
    if event.subject not in settable_keys():
        return commands.SUBJECT_UNKNOWN
    change = change_of(event)
    if change is None:
        return commands.VALUE
    try:
        from_settings(change.settings, state.config)
    except ConfigError:
        return commands.VALUE
    return None
