"""Engine, projector and reader are killed again and again, and nothing is lost or seen twice."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from journal.writer import JournalWriter
from projections.duck.projector import ensure_projection
from projections.duck.publish import published_path
from tests.projections.duck.journals import UID, groups_of
from tests.projections.duck.test_projector import (
    ROOT,
    contents,
    lives,
    tick_digests,
    wait_while_alive,
)

CYCLES: Final = 300
KILLS: Final = 200
FAST: Final = "fast"
"""The engine writes as fast as it can once a file of this name stands beside the session."""

ENGINE = """
import sys, time
from pathlib import Path
from journal.writer import JournalWriter
from tests.projections.duck.journals import UID, groups_of
folder, fast = Path(sys.argv[1]), Path(sys.argv[1]).parent / sys.argv[3]
if folder.exists():
    writer, _ = JournalWriter.resume(folder)
else:
    writer = JournalWriter.create(folder, UID)
head, seq = writer.head_seq, 0
with writer:
    for group in groups_of(int(sys.argv[2])):
        rest = group[max(head - seq, 0):]
        seq += len(group)
        if rest:
            writer.wait_durable(writer.append(rest))
            if not fast.exists():
                time.sleep(0.3)
"""
"""Goes on where its journal ends, also within a group, and closes it once all is written."""

PROJECTOR = """
import sys
from pathlib import Path
from projections.duck.projector import Projector, ProjectorOptions
options = ProjectorOptions(batch_rows=100, tick_rows=150, publish_ms=50)
with Projector(Path(sys.argv[1]), options=options) as projector:
    projector.run(follow=True)
"""
"""Small steps, published as often as it can: a kill falls into any of them."""

READER = """
import sys
from pathlib import Path
from projections.duck.query import QueryRefused, run_query
path, last = Path(sys.argv[1]), 0
while True:
    if not path.exists():
        continue
    try:
        ((seen, top, ticks),) = run_query(path, "SELECT (SELECT count(*) FROM v1.entries), "
            "(SELECT coalesce(max(seq), 0) FROM v1.entries), (SELECT count(*) FROM v1.ticks)").rows
    except QueryRefused as refused:
        sys.stderr.write(f"{refused}\\n")
        continue
    if seen != top or top < last:
        sys.stderr.write(f"{seen} entries up to {top}, {last} before\\n")
    last = top
"""
"""Opens the published file over and over; a refusal, a gap, a step back is a line of its own."""


class Party:
    """A process that is killed and begun again; ``said`` gathers what it wrote of itself."""

    def __init__(self, program: str, *arguments: str) -> None:
        self._command = [sys.executable, "-P", "-c", program, *arguments]
        self.said = ""
        self.process = self._begin()

    def _begin(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(self._command, env=environment, stderr=subprocess.PIPE)

    def kill(self) -> bool:
        """SIGKILL; whether it lived until then."""
        lived = self.process.poll() is None
        self.process.kill()
        self.said += self.process.communicate()[1].decode()
        return lived

    def again(self) -> None:
        """Begin once more."""
        self.process = self._begin()

    def end(self) -> int:
        """Wait for its own end; its exit code."""
        self.said += self.process.communicate(timeout=120)[1].decode()
        return self.process.returncode


@pytest.mark.slow
def test_whoever_is_killed_the_tables_are_those_of_an_undisturbed_run(
    tmp_path: Path,
) -> None:
    """One of the three is killed with -9 at a moment by chance, the others go on: the reader never
    meets a refusal, a gap or a step back; in the end every table and the tick file are those of a
    session that nobody disturbed."""
    chance, folder = random.Random(KILLS), tmp_path / "live" / f"2025-08-29-backtest-{UID}"
    folder.parent.mkdir()
    engine = Party(ENGINE, str(folder), str(CYCLES), FAST)
    wait_while_alive(engine.process, (folder / "watermark").exists)
    projector = Party(PROJECTOR, str(folder))
    reader = Party(READER, str(published_path(folder)))
    parties = (engine, projector, reader)
    try:
        lived = 0
        for number in range(KILLS):
            one = parties[number % 3]
            lives(one.process, chance.uniform(0.05, 0.9))
            lived += one.kill()
            one.again()
        (folder.parent / FAST).touch()
        assert engine.end() == 0
        assert projector.end() == 0
    finally:
        for one in parties:
            one.kill()
    assert lived >= KILLS * 9 // 10
    assert (engine.said, projector.said, reader.said) == ("", "", "")
    assert contents(published_path(folder)) == contents(_undisturbed(tmp_path))
    assert tick_digests(published_path(folder)) == tick_digests(_undisturbed(tmp_path))


def _undisturbed(parent: Path) -> Path:
    folder = parent / "alone" / f"2025-08-29-backtest-{UID}"
    if not folder.exists():
        folder.parent.mkdir()
        with JournalWriter.create(folder, UID) as writer:
            for group in groups_of(CYCLES):
                writer.append(group)
    return ensure_projection(folder)
