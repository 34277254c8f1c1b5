"""How a running session is asked to end: by a signal, by a person at the terminal, by the setting.

Lives here: ``Ending``. May import: engine.live's words, ``cli.output``. Always holds: a signal only
leaves a note and wakes the engine, which goes on while a person thinks; a second one never ends the
process in the middle; without a terminal the setting decides; a terminal that is closed ends
nothing.
Start reading at ``Ending.__call__``.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from cli.output import say
from engine.live import FLATTEN, LEAVE, EndRequest

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
KEEP: Final = "KEEP"
ANSWERS: Final = {"f": FLATTEN, "l": LEAVE, "k": KEEP}
QUESTION: Final = (
    "open: [f]latten, [l]eave protected (entries are cancelled, stops stay), [k]eep running? "
)


class Ending:
    """The ``Ends`` of ``engine.live``: hears signals, asks a person where there is one.

    ``policy`` is FLATTEN or LEAVE, for whoever cannot be asked. ``wake`` lets the engine look, once
    there is one: what is heard before that, it hears first.
    """

    def __init__(self, policy: str, ask: Callable[[str], str] | None = None) -> None:
        self._policy, self._ask = policy, ask
        self.wake: Callable[[], None] = _nobody
        self._heard: list[int] = []
        self._answer: EndRequest | None = None
        self._asking: threading.Thread | None = None

    def __call__(self, exposed: int) -> EndRequest | None:
        """What was asked since the last call; ``exposed`` positions and orders are open."""
        if self._answer is not None:
            answer, self._answer = self._answer, None
            return answer
        if not self._heard:
            return None
        number = self._heard.pop(0)
        why = signal.Signals(number).name
        if not exposed:
            return EndRequest(LEAVE, "signal", why)
        if number != signal.SIGINT or self._ask is None:
            return EndRequest(self._policy, "signal", why)
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(
                target=self._question, args=(exposed, why), name="ending", daemon=True
            )
            self._asking.start()
        return None

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """For as long as the session is driven, signals ask it to end, and a terminal that is
        closed takes nothing along but the person there. Main thread only."""
        terminals = [fd for fd in (0, 1, 2) if os.isatty(fd)]

        def hear(number: int, frame: FrameType | None) -> None:
            self._heard.append(number)
            self.wake()

        def hang_up(number: int, frame: FrameType | None) -> None:
            self._ask = None
            nowhere = os.open(os.devnull, os.O_RDWR)
            for fd in terminals:
                os.dup2(nowhere, fd)
            os.close(nowhere)

        before = [(number, signal.signal(number, hear)) for number in SIGNALS]
        before.append((signal.SIGHUP, signal.signal(signal.SIGHUP, hang_up)))
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def _question(self, exposed: int, why: str) -> None:
        ask = self._ask
        policy = answered(ask, exposed) if ask is not None else KEEP
        if policy == KEEP:
            say("the session goes on")
            return
        self._answer = EndRequest(policy, "terminal", why)
        self.wake()


def answered(ask: Callable[[str], str], exposed: int) -> str:
    """What a person says: FLATTEN, LEAVE, or KEEP for anything else."""
    try:
        said = ask(f"{exposed} {QUESTION}").strip().lower()
    except EOFError:
        said = ""
    return ANSWERS.get(said[:1], KEEP)


def _nobody() -> None:
    """No engine waits yet."""


def asks_here() -> Callable[[str], str] | None:
    """How a person at the terminal is asked; None where there is nobody."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def ask(question: str) -> str:
        sys.stderr.write(question)
        sys.stderr.flush()
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line

    return ask
