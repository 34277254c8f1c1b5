"""What a check is given and what it answers.

Lives here: ``Context`` (where to look, and the doors to the outside), ``Outcome``, ``Check``,
``Row``. May import: ``cli``. Always holds: a check asks the outside only through the context's
doors, so that a test can stand in for each. Start reading at ``Check``.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import msgspec

from cli.machine import MachineSettings
from engine.config import DEFAULTS, Config
from engine.rulebook import day_of

Verdict = Literal["ok", "warn", "bad"]

ROOT: Final = Path(__file__).resolve().parents[2]
"""The checkout, or where the program is installed."""

COMMAND_S_MAX: Final = 5.0


def run_command(words: Sequence[str]) -> str | None:
    """What a command of this machine says; None where it is not there, fails or takes too long."""
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            list(words), capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False,
            env=environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None


def _no_address(url: str) -> str | None:
    from cli.doctor.address import ask_address

    return ask_address(url)


@dataclass(frozen=True)
class Context:
    """Where a check looks. ``settings`` are this machine's; ``fault`` is what is wrong with the
    configuration, so that the other checks go on without it.

    ``seen_address`` is the address that the caller found orders to leave from, if it did;
    ``config`` are the settings that the session would have.
    """

    home: Path
    desk: str
    live: bool
    settings: MachineSettings = field(default_factory=MachineSettings)
    fault: str | None = None
    seen_address: str | None = None
    root: Path = ROOT
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    now_ns: Callable[[], int] = time.time_ns
    run: Callable[[Sequence[str]], str | None] = run_command
    ask_address: Callable[[str], str | None] = _no_address
    config: Config = DEFAULTS

    @property
    def day(self) -> int:
        """Today in India, yyyymmdd."""
        return day_of(self.now_ns())


class Outcome(msgspec.Struct, frozen=True):
    """What a check found. ``verdict`` None is unknown: bad for LIVE, a warning otherwise.

    ``to_do`` stands in for what the reason table says to do, where more is known.
    """

    verdict: Verdict | None
    sentence: str
    to_do: str | None = None


def good(sentence: str) -> Outcome:
    """All is well."""
    return Outcome("ok", sentence)


def warned(sentence: str, to_do: str | None = None) -> Outcome:
    """Not as it should be, and no reason to stop."""
    return Outcome("warn", sentence, to_do)


def bad(sentence: str, to_do: str | None = None) -> Outcome:
    """A reason to stop."""
    return Outcome("bad", sentence, to_do)


def unknown(sentence: str, to_do: str | None = None) -> Outcome:
    """It could not be found out."""
    return Outcome(None, sentence, to_do)


class Check(msgspec.Struct, frozen=True):
    """One line of the table: ``code`` is its reason code, ``title`` what has to hold.

    ``only_live`` checks are of no interest to anything but LIVE.
    """

    code: str
    title: str
    look: Callable[[Context], Outcome]
    only_live: bool = False


class Row(msgspec.Struct, frozen=True):
    """A check's answer as it is shown. ``known`` is false where it could not be found out."""

    code: str
    title: str
    verdict: Verdict
    known: bool
    sentence: str
    what_to_do: str | None
