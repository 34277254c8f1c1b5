"""E10, E11: the engine of ``run --mode sim``, as a process with a position at its broker, when a
disk, the feed, the screen, descriptors or memory fail it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import pytest

from adapters.control.client import NoAnswer, ask
from adapters.control.kill import write_kill_file
from adapters.control.place import kill_files, runtime_folders
from adapters.control.protocol import CommandRequest
from adapters.control.server import LIMITS
from cli.errors import EXIT_COULD_NOT_RUN
from engine.commands import CANCEL, FLATTEN, LEVELS
from events.base import Event
from events.envelope import decode_envelope
from events.governance import CommandAnswered, IncidentRaised
from events.registry import decode_event
from events.session import OperatorCommand
from journal.reader import JournalReader
from tests.cli.conftest import Call
from tests.cli.live_runs import DEADLINE_S, ROOT, Engine, started, until
from tests.journal.disks import small_disk

SETTINGS: Final = """
[warmup]
bars_min = 3
bars_after_gap_min = 1
[instrument_gates]
bars_min = 3
[regime]
prob_milli_min = 0
entropy_milli_max = 3000
settle_bars = 1
[trend]
signal_milli_min = 0
adx_milli_min = 0
[mean_revert]
signal_milli_min = 0
[plan]
stop_bps = 3000
target_bps = 9000
hold_s_max = 20000
"""
"""Under which a position is opened in the first minutes and held for hours."""

DISK_BYTES: Final = 1_200_000_000
"""A little more than the engine wants free before it enters."""

NO_MEMORY_S: Final = 3.0
"""So long an engine that gets no more memory is watched."""

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the home will be."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def run(tmp_path: Path) -> tuple[str, ...]:
    """The words of a session that soon has a position."""
    config = tmp_path / "soon.toml"
    config.write_text(SETTINGS)
    return (
        "run", "--mode", "sim", "--headless", "--market", "synthetic:small", "--seed", "5",
        "--speed", "90", "--config", str(config),
    )  # fmt: skip


# --- what is seen from outside ------------------------------------------------------------------


def recorded(folder: Path) -> list[Event]:
    """What is acknowledged of a session, in order."""
    with JournalReader(folder) as reader:
        return [decode_event(decode_envelope(entry.data)) for entry in reader]


def wait_for(folder: Path, wanted: Callable[[Event], bool]) -> Event:
    """The first such event that is acknowledged."""
    end = time.monotonic() + DEADLINE_S
    with JournalReader(folder) as reader:
        for block in reader.follow_blocks(poll_s=0.02, stop=lambda: time.monotonic() > end):
            for entry in block or ():
                event = decode_event(decode_envelope(entry.data))
                if wanted(event):
                    return event
    raise AssertionError("it was never said")


def at_exchange(home: Path, path: str, body: dict[str, Any] | None = None) -> Any:
    """What the simulation's own controls answer."""
    rest = json.loads((home / "desks/main/simulated-exchange.json").read_text())["rest"]
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{rest}/sim/{path}", data), timeout=DEADLINE_S) as answer:
        return json.loads(answer.read())


def is_flat(home: Path) -> bool:
    """Whether the exchange's own ledger is."""
    return not any(row["units"] for row in at_exchange(home, "ledger"))


def until_flat(home: Path) -> None:
    """Wait until nothing is held at the exchange."""
    end = time.monotonic() + DEADLINE_S
    while not is_flat(home):
        assert time.monotonic() < end, at_exchange(home, "account")


def said_health(what: str) -> Callable[[Event], bool]:
    """An incident of the process that names a measurement."""

    def wanted(event: Event) -> bool:
        unwell = isinstance(event, IncidentRaised) and event.code == "PROCESS_UNHEALTHY"
        return unwell and what in str(getattr(event, "evidence", ""))

    return wanted


def ends_well(axiom: Call, engine: Engine) -> None:
    """It ends in order, and what it recorded is whole and derives the same again."""
    engine.told(signal.SIGTERM)
    code, document = engine.answer()
    assert code == 0, document
    replays(axiom, document["session"])


def replays(axiom: Call, session: str) -> None:
    """The chain is whole, and the facts lead to the recorded derivations."""
    assert axiom("verify", session, "--json").document["ok"]
    assert axiom("replay", session, "--json").document["identical"]


# --- E10: every level by every way under every fault --------------------------------------------


def by_verb(axiom: Call, home: Path, level: str | None) -> None:
    """``axiom halt``, as a person types it."""
    flags = [] if level is None else [f"--{level.lower()}"]
    answer = axiom("halt", "enough", *flags)
    assert answer.code == 0, answer


def by_socket(axiom: Call, home: Path, level: str | None) -> None:
    """The socket itself, by its own protocol."""
    request = CommandRequest("HALT", None, level, "enough", None, f"socket-{level}")
    assert ask(runtime_folders(home, "main"), request).outcome == "ACCEPTED"


def by_file(axiom: Call, home: Path, level: str | None) -> None:
    """A file in the desk's folder, on the engine's own disk."""
    write_kill_file(kill_files(home, "main", ())[0], level, "enough")


@contextmanager
def full_disk(axiom: Call, home: Path, engine: Engine) -> Iterator[None]:
    """No byte is free on the disk of the home; it is again at the end."""
    ballast = home / "ballast"
    with open(ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
        for size in (1 << 24, 4_096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    continue
    until(axiom, lambda said: said["disk_full"])
    yield
    ballast.unlink()


@contextmanager
def dead_feed(axiom: Call, home: Path, engine: Engine) -> Iterator[None]:
    """The sockets stand and say nothing: no frame, no heartbeat, no order update."""
    at_exchange(home, "faults", {"kind": "silent_socket"})
    wait_for(
        engine.folder,
        lambda said: isinstance(said, IncidentRaised) and said.code == "POSITION_BLIND",
    )
    yield


@contextmanager
def frozen_screen(axiom: Call, home: Path, engine: Engine) -> Iterator[None]:
    """A terminal UI that follows the session is stopped in the middle, its terminal unread."""
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "cli.main", "tui", engine.folder.name, "--home", str(home)],
        cwd=ROOT, env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        end, seen = time.monotonic() + DEADLINE_S, b""
        while b"SIM" not in seen:
            assert time.monotonic() < end, seen
            if select.select([ours], [], [], 0.2)[0]:
                seen += os.read(ours, 65_536)
        child.send_signal(signal.SIGSTOP)
        yield
    finally:
        child.kill()
        child.wait(DEADLINE_S)
        os.close(ours)


WAYS: Final = (by_verb, by_socket, by_file)
FAULTS: Final = {full_disk: by_file, dead_feed: by_socket, frozen_screen: by_verb}
"""Each fault, with the way that presses first: the first FLATTEN is what makes the account flat."""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.__name__)
def test_each_level_by_each_way_under_each_fault(
    axiom: Call, home: Path, run: tuple[str, ...], fault: Any
) -> None:
    """E10: with a position held, each of the three levels is taken by the engine by each way, and
    journaled; the last one leaves the exchange's own ledger flat; then the session ends in
    order."""
    ways = sorted(WAYS, key=lambda way: way is not FAULTS[fault])
    cases = 0
    with contextlib.ExitStack() as stack:
        if fault is full_disk:
            stack.enter_context(small_disk(home, DISK_BYTES))
        engine = stack.enter_context(started(home, *run))
        until(axiom, lambda said: said["positions"])
        with fault(axiom, home, engine):
            for level in LEVELS:
                assert not is_flat(home)
                for count, way in enumerate(ways, 1):
                    way(axiom, home, level)
                    _taken(engine.folder, level, count)
                    cases += 1
            until_flat(home)
        until(axiom, lambda said: not (said["positions"] or said["orders"]))
        ends_well(axiom, engine)
    sys.stdout.write(f"E10: {cases} presses under {fault.__name__}\n")
    assert cases == len(LEVELS) * len(WAYS)


def _taken(folder: Path, level: str | None, count: int = 1) -> None:
    """So many commands of a level are journaled, and accepted."""
    asked: set[str] = set()
    answered: list[str] = []

    def heard(said: Event) -> bool:
        if isinstance(said, OperatorCommand) and (said.verb, said.value) == ("HALT", level):
            asked.add(said.command_id)
        if isinstance(said, CommandAnswered) and said.command_id in asked:
            answered.append(said.outcome)
        return len(answered) >= count

    wait_for(folder, heard)
    assert answered == ["ACCEPTED"] * count


def test_an_engine_that_stood_still_carries_out_no_old_wish(
    axiom: Call, home: Path, run: tuple[str, ...]
) -> None:
    """Stopped for longer than a command lives: to be armed, asked before, is not so much as
    journaled; a halt, asked with it, is carried out when the engine comes to it."""
    with started(home, *run) as engine:
        until(axiom, lambda said: said["cycles"])
        engine.told(signal.SIGSTOP)
        folders = runtime_folders(home, "main")
        for deadline_s, request in (
            (LIMITS.life_s + 1, CommandRequest("ARM", None, None, "", "SIM", "old-arm")),
            (0.5, CommandRequest("HALT", None, None, "too long", None, "old-halt")),
        ):
            with pytest.raises(NoAnswer):
                ask(folders, request, deadline_s)
        engine.told(signal.SIGCONT)
        _taken(engine.folder, None)
        assert b"old-halt" in b"".join(entries_of(engine.folder))
        assert b"old-arm" not in b"".join(entries_of(engine.folder))
        assert axiom("arm", "--confirm", "SIM").code == 1  # halted, and heard
        ends_well(axiom, engine)


# --- E11: the process's own limits --------------------------------------------------------------


def limited(engine: Engine, what: int, soft: int) -> tuple[int, int]:
    """Set a limit of the running process from outside; gives what it was."""
    before = resource.prlimit(engine.child.pid, what)
    resource.prlimit(engine.child.pid, what, (soft, before[1]))
    return before


def address_space_bytes(pid: int) -> int:
    """What a process has mapped."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def entries_of(folder: Path) -> list[bytes]:
    """What is acknowledged, to the byte."""
    with JournalReader(folder) as reader:
        return [bytes(entry.data) for entry in reader]


def goes_on_and_exits(
    axiom: Call, home: Path, run: tuple[str, ...], before: Engine, kept: list[bytes]
) -> None:
    """The next start goes on with the session: nothing that was acknowledged is lost, the position
    is found at the exchange, the exits leave, and all of it replays."""
    with started(home, *run) as again:
        assert again.folder == before.folder
        until(axiom, lambda said: said["positions"])
        by_verb(axiom, home, FLATTEN)
        until_flat(home)
        until(axiom, lambda said: not (said["positions"] or said["orders"]))
        assert entries_of(again.folder)[: len(kept)] == kept
        ends_well(axiom, again)


def test_without_descriptors_it_holds_and_says_so_and_exits_when_it_can(
    axiom: Call, home: Path, run: tuple[str, ...]
) -> None:
    """E11: in the middle of the day no descriptor is left. PROCESS_UNHEALTHY; a kill file that
    cannot be read halts, a signal cancels, the position keeps its stop; with descriptors again the
    file's level is read, and the exits leave."""
    with started(home, *run) as engine:
        until(axiom, lambda said: said["positions"])
        before = limited(engine, resource.RLIMIT_NOFILE, 3)
        wait_for(engine.folder, said_health("DESCRIPTORS"))
        by_file(axiom, home, FLATTEN)
        _taken(engine.folder, None)
        engine.told(signal.SIGUSR2)
        _taken(engine.folder, CANCEL)
        assert not is_flat(home)
        limited(engine, resource.RLIMIT_NOFILE, before[0])
        _taken(engine.folder, FLATTEN)
        until_flat(home)
        ends_well(axiom, engine)


def test_an_engine_whose_journal_takes_no_more_ends_with_one_line(
    axiom: Call, home: Path, run: tuple[str, ...]
) -> None:
    """E11, E02: no file may grow any more: nothing can be journaled, so nothing is decided: exit
    code 2 and one line. The exchange keeps the position as a broker would, and the next start goes
    on."""
    with started(home, *run) as engine:
        until(axiom, lambda said: said["positions"])
        kept = entries_of(engine.folder)
        limited(engine, resource.RLIMIT_FSIZE, 1)
        code, complaint = engine.answer()
        lines = [line for line in complaint.splitlines() if line.startswith("axiom: ")]
        assert (code, lines) == (EXIT_COULD_NOT_RUN, complaint.splitlines()[-1:])
        assert "JOURNAL" in lines[0]
        assert not is_flat(home)
    goes_on_and_exits(axiom, home, run, engine, kept)


def test_an_engine_without_memory_says_so_and_what_it_acknowledged_is_kept(
    axiom: Call, home: Path, run: tuple[str, ...]
) -> None:
    """E11, E02: little address space is left: PROCESS_UNHEALTHY, and the engine goes on; then none
    is, and it may go on or die of it. Nothing that was acknowledged is lost, and the next start
    goes on with the position."""
    with started(home, *run) as engine:
        until(axiom, lambda said: said["positions"])
        taken = address_space_bytes(engine.child.pid)
        limited(engine, resource.RLIMIT_AS, taken + 64 * 1024 * 1024)
        wait_for(engine.folder, said_health("ADDRESS_SPACE_MB"))
        by_verb(axiom, home, None)
        kept = entries_of(engine.folder)
        limited(engine, resource.RLIMIT_AS, taken)
        with contextlib.suppress(subprocess.TimeoutExpired):
            engine.child.wait(NO_MEMORY_S)
        if engine.child.returncode == EXIT_COULD_NOT_RUN:
            assert engine.child.stderr is not None
            said = engine.child.stderr.read().splitlines()
            assert [line for line in said if line.startswith("axiom: ")] == said[-1:]
        engine.kill()
    goes_on_and_exits(axiom, home, run, engine, kept)
