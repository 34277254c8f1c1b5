"""An engine in real time as a process of its own, for tests of the verbs that start and ask one.

Lives here: ``started``, ``until``. Always holds: every wait has a deadline, and no process
outlives its test.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from journal.reader import JournalReader
from tests.cli.conftest import Call

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
AXIOM = (sys.executable, "-P", "-m", "cli.main")
SMALL = ("--market", "synthetic:small", "--speed", "60")


class Engine:
    """A started engine: its process, and the session that it began."""

    def __init__(self, home: Path, *words: str, by: Iterable[str] = AXIOM) -> None:
        command = [*by, *words, "--home", str(home), "--json"]
        self.child = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.said: list[str] = []
        self.folder = home / "desks/main/sessions" / self._begun()

    def _begun(self) -> str:
        """The session's name, once the engine says that it begins or goes on with it."""
        assert self.child.stderr is not None
        for line in self.child.stderr:
            self.said.append(line)
            if ": begins (" in line or ": goes on (" in line:
                return line.partition(":")[0]
        raise AssertionError("".join(self.said))

    def wait_for(self, entries: int) -> None:
        """Until so many entries are durable."""
        end = time.monotonic() + DEADLINE_S
        with JournalReader(self.folder) as reader:
            for block in reader.follow_blocks(poll_s=0.02, stop=lambda: time.monotonic() > end):
                if block and block[-1].seq >= entries:
                    return
        raise AssertionError(f"{self.folder.name} did not come to {entries} entries")

    def told(self, number: int) -> None:
        self.child.send_signal(number)

    def kill(self) -> None:
        """kill -9; nothing where it has ended. Its pipes are closed."""
        if self.child.poll() is None:
            self.child.kill()
        for pipe in (self.child.stdout, self.child.stderr):
            assert pipe is not None
            pipe.close()
        self.child.wait(DEADLINE_S)

    def answer(self) -> tuple[int, Any]:
        """Its exit code and its document, once it ends."""
        out, complaint = self.child.communicate(timeout=DEADLINE_S)
        assert out or self.child.returncode, complaint
        return self.child.returncode, json.loads(out) if out else complaint


@contextmanager
def started(home: Path, *words: str, by: Iterable[str] = AXIOM) -> Iterator[Engine]:
    """An engine for as long as the context lasts; ended by force where it has not. ``by`` is the
    program."""
    engine = Engine(home, *words, by=by)
    try:
        yield engine
    finally:
        engine.kill()


def until(axiom: Call, wanted: Any) -> Any:
    """The first status that is as wanted."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        answer = axiom("status", "--json")
        if answer.code == 0 and wanted(answer.document):
            return answer.document
    raise AssertionError("the status never came to that")
