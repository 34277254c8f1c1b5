"""How a session is asked to end: a signal leaves a note, a person is asked, the setting decides."""

from __future__ import annotations

import os
import queue
import signal
import threading

import pytest

from cli.ending import Ending
from engine.live import FLATTEN, LEAVE, EndRequest

DEADLINE_S = 20.0


class Wakes:
    """Counts wakes, and lets a test wait for one."""

    def __init__(self) -> None:
        self.seen: queue.Queue[None] = queue.Queue()

    def __call__(self) -> None:
        self.seen.put(None)

    def wait(self) -> None:
        self.seen.get(timeout=DEADLINE_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_a_person_the_setting_decides(number: int) -> None:
    """What is open is flattened or left as it says; with nothing open nothing is decided."""
    wakes = Wakes()
    ending = Ending(FLATTEN)
    ending.wake = wakes
    before = signal.getsignal(number)
    with ending.hearing():
        assert ending(2) is None
        os.kill(os.getpid(), number)
        wakes.wait()
        name = signal.Signals(number).name
        assert ending(2) == EndRequest(FLATTEN, "signal", name)
        assert ending(2) is None
        for _ in range(2):
            os.kill(os.getpid(), number)
        assert [ending(0), ending(0)] == [EndRequest(LEAVE, "signal", name)] * 2
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("said", "policy"),
    [("f", FLATTEN), ("leave", LEAVE), ("K", None), ("", None), ("what?", None), (None, None)],
)
def test_a_person_is_asked_while_the_engine_goes_on(said: str | None, policy: str | None) -> None:
    """The engine looks on meanwhile and gets no answer until there is one; no answer that is
    understood, or none at all, keeps it running."""
    asked, may = queue.Queue[str](), threading.Event()

    def ask(question: str) -> str:
        asked.put(question)
        assert may.wait(DEADLINE_S)
        if said is None:
            raise EOFError
        return said

    wakes = Wakes()
    ending = Ending(LEAVE, ask)
    ending.wake = wakes
    with ending.hearing():
        os.kill(os.getpid(), signal.SIGINT)
        wakes.wait()
        assert ending(3) is None
        assert asked.get(timeout=DEADLINE_S).startswith("3 open: ")
        os.kill(os.getpid(), signal.SIGINT)  # once more while the question stands: no second one
        wakes.wait()
        assert ending(3) is None
        may.set()
        assert ending._asking is not None
        ending._asking.join(DEADLINE_S)
        assert asked.empty()
        wanted = None if policy is None else EndRequest(policy, "terminal", "SIGINT")
        assert ending(3) == wanted


def test_a_terminator_is_not_asked_back() -> None:
    """SIGTERM follows the setting at once, also where there is a terminal."""
    wakes = Wakes()
    ending = Ending(LEAVE, lambda _: pytest.fail("asked"))
    ending.wake = wakes
    with ending.hearing():
        os.kill(os.getpid(), signal.SIGTERM)
        wakes.wait()
        assert ending(1) == EndRequest(LEAVE, "signal", "SIGTERM")


def test_what_is_heard_before_there_is_an_engine_is_heard_first() -> None:
    """A signal while the session is still begun ends nothing in the middle, and is not lost."""
    ending = Ending(LEAVE)
    with ending.hearing():
        os.kill(os.getpid(), signal.SIGTERM)
        assert ending(0) == EndRequest(LEAVE, "signal", "SIGTERM")
