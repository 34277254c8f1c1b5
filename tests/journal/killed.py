"""The process that dies: a session that kills itself at a given step, and the one that forks it.

Run as ``python -m tests.journal.killed FOLDER EVERY``: for every EVERY-th place a child is forked,
lives a session under FOLDER/<place>, and is killed with -9 there. A place is a step of the disk and
whether the kill comes before it, in the middle of its bytes, or after it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from journal.close import close_session
from journal.files import How
from journal.log import WriterOptions
from journal.manifest import Manifest, write_manifest
from journal.session_folder import make_session_folder
from journal.writer import JournalWriter
from tests.journal.journals import UID, FastFiles, Group, make_groups

NAME = f"2025-08-29-paper-{UID}"
GROUPS = make_groups([2, 1, 3, 1, 2, 1], b"k" * 40)
OPTIONS = WriterOptions(
    segment_size_bytes=300, block_size_bytes=120, linger_ms=0, idle_sync_ms=3_600_000
)
WHEN = ("before", "within", "after")
SAID_NAME = "acknowledged"


class MortalFiles(FastFiles):
    """The real disk (without its syncs: a process dies, not the machine) until the kill."""

    def __init__(self, step: int, when: str) -> None:
        self.left, self.when = step, when

    def _around(self, act: Callable[[], object], half: Callable[[], object] | None = None) -> None:
        self.left -= 1
        if self.left == -1 and self.when != "after":
            if self.when == "within" and half is not None:
                half()
            os.kill(os.getpid(), signal.SIGKILL)
        act()
        if self.left == -1:
            os.kill(os.getpid(), signal.SIGKILL)

    def open(self, path: Path, how: How) -> int:
        made: list[int] = []
        if how == "read":
            return super().open(path, how)
        opened = super().open
        self._around(lambda: made.append(opened(path, how)))
        return made[0]

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
        put = super().write
        self._around(
            lambda: put(handle, offset, data), lambda: put(handle, offset, data[: len(data) // 2])
        )

    def truncate(self, handle: int, size: int) -> None:
        cut = super().truncate
        self._around(lambda: cut(handle, size))

    def sync(self, handle: int) -> None:
        self._around(lambda: None)

    def sync_dir(self, folder: Path) -> None:
        self._around(lambda: None)

    def rename(self, source: Path, target: Path) -> None:
        move = super().rename
        self._around(lambda: move(source, target))

    def unlink(self, path: Path) -> None:
        remove = super().unlink
        self._around(lambda: remove(path))


def say(writer: JournalWriter, groups: list[Group], tell: Callable[[str], None]) -> None:
    """Append groups and tell each when it is durable."""
    for group in groups:
        last = writer.append(group)
        assert writer.wait_durable(last, 60)
        tell(str(last))


def live(desk: Path, files: FastFiles, tell: Callable[[str], None]) -> None:
    """A session from its folder to the ledger; ``tell`` says what was acknowledged, at once."""
    folder = make_session_folder(
        desk / "sessions", day="2025-08-29", mode="paper", uid=UID, files=files
    )
    manifest = Manifest(NAME, UID, "2025-08-29", "paper", "axiom", "3", "x", "h", 1, 2)
    write_manifest(folder, manifest, files=files)
    writer = JournalWriter.create(folder, UID, options=OPTIONS, files=files)
    say(writer, GROUPS[:3], tell)
    writer.close(final=False)
    writer, _ = JournalWriter.resume(folder, options=OPTIONS, files=files)
    say(writer, GROUPS[3:], tell)
    writer.close()
    tell("closed")
    close_session(folder, desk / "ledger.axl", files=files)
    tell("recorded")


def die(desk: Path, place: int) -> bool:
    """Fork a child that lives in ``desk`` and dies at ``place``; False when it outlived it."""
    child = os.fork()
    if child == 0:
        desk.mkdir(mode=0o700)
        said = os.open(desk / SAID_NAME, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        files = MortalFiles(place // len(WHEN), WHEN[place % len(WHEN)])

        def tell(what: str) -> None:
            os.write(said, f"{what}\n".encode())

        live(desk, files, tell)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), status
    return status != 0


def main(folder: Path, every: int) -> None:
    """Kill a child at every ``every``-th place until one outlives its place."""
    place = 0
    while die(folder / str(place), place):
        place += every
    sys.stdout.write(f"{place}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
