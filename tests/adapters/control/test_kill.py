"""E10: the kill switch works with a full disk, a dead feed, a frozen screen, a stuck engine: each
fault under each way to press it, at each level."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.control.client import ControlError, ask
from adapters.control.kill import (
    FILE_BYTES_MAX,
    SIGNALS,
    UNANSWERED_MAX,
    KillSwitch,
    parse_kill_text,
    read_kill_file,
    write_kill_file,
)
from engine.commands import CANCEL, FLATTEN, LEVELS, LIVE, checked
from events.governance import CommandAnswered
from events.session import OperatorCommand
from tests.adapters.control.desk import Desk, asking, running, until


def halt(id_: str = "c-1", level: str | None = None) -> OperatorCommand:
    """A HALT as a channel makes it."""
    return OperatorCommand("HALT", "asha", "", None, level, id_, "SOCKET")


def accepted(verb: str, id_: str) -> CommandAnswered:
    """The engine's yes."""
    return CommandAnswered(id_, verb, "ACCEPTED", "CMD_ACCEPTED")


def is_halted(kill: KillSwitch) -> bool:
    """What the order route asks, anew."""
    return kill.halted


def until_halted(kill: KillSwitch, what: str) -> None:
    """Wait until no entry may leave."""
    until(lambda: kill.halted, what)


# --- E10: each fault under each press -----------------------------------------------------------


def by_socket(desk: Desk, level: str | None) -> None:
    """Asks, and does not wait for an answer that may not come."""

    def asked() -> None:
        with contextlib.suppress(ControlError):
            ask((desk.folder,), asking("HALT", "c-kill", value=level))

    threading.Thread(target=asked, daemon=True).start()


def by_desk_file(desk: Desk, level: str | None) -> None:
    """The place in the desk's folder."""
    write_kill_file(desk.files[0], level, "by hand")


def by_runtime_file(desk: Desk, level: str | None) -> None:
    """The place beside the socket."""
    write_kill_file(desk.files[1], level, "by hand")


def by_signal(desk: Desk, level: str | None) -> None:
    """SIGUSR1 or SIGUSR2, from outside as any process would send it."""
    number = next(number for number, asked in SIGNALS.items() if asked == level)
    os.kill(os.getpid(), number)


@contextmanager
def healthy(desk: Desk) -> Iterator[None]:
    """Nothing is wrong."""
    desk.obliging = True
    yield


@contextmanager
def engine_stuck(desk: Desk) -> Iterator[None]:
    """The engine's thread waits for a disk that is full or dead: it takes nothing from its inbox,
    and answers nothing."""
    yield


@contextmanager
def inbox_full(desk: Desk) -> Iterator[None]:
    """A dead feed's last burst filled the inbox, and nobody empties it."""
    while desk.sink(halt("filler")):
        continue
    yield


@contextmanager
def screen_frozen(desk: Desk) -> Iterator[None]:
    """The terminal's own connection has asked for its status and never reads."""
    from tests.adapters.control.test_server import raw

    with raw(desk) as frozen:
        frozen.sendall(b"AXCT\0\1\0\0\0\7\x91\xa6stat")
        yield


@contextmanager
def socket_gone(desk: Desk) -> Iterator[None]:
    """The thread of the socket is dead and its file is gone."""
    desk.server.close()
    yield


Way = Callable[[Desk, str | None], None]
WAYS: tuple[tuple[Way, tuple[str | None, ...]], ...] = (
    (by_socket, LEVELS),
    (by_desk_file, LEVELS),
    (by_runtime_file, LEVELS),
    (by_signal, tuple(SIGNALS.values())),
)
FAULTS = (healthy, engine_stuck, inbox_full, screen_frozen, socket_gone)


@contextmanager
def signals_as_before() -> Iterator[None]:
    """What the tests' own process does about the two signals comes back."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.slow
def test_each_fault_under_each_press(root: Path) -> None:
    """E10: no entry may leave, at once and without a journal; the command reaches the engine as
    soon as that takes one, and only a RESUME that is accepted lifts it."""
    cases = 0
    for fault, (way, levels) in itertools.product(FAULTS, WAYS):
        if fault is socket_gone and way is by_socket:
            continue  # that is what the other ways are for
        for level in levels:
            place = root / f"{cases}"
            (place / "run").mkdir(parents=True, mode=0o700)
            with signals_as_before(), running(place, room=4) as desk, fault(desk):
                desk.kill.hear_signals()
                way(desk, level)
                until_halted(desk.kill, f"{fault.__name__}, {way.__name__}")
                assert desk.kill.level == level
                _journals_after(desk, level)
            cases += 1
    sys.stdout.write(f"E10: {cases} cases of fault, way and level\n")
    assert cases == len(FAULTS) * 11 - 3


def _journals_after(desk: Desk, level: str | None) -> None:
    """The engine is well again: it takes the halt, once; then a RESUME releases."""
    desk.obliging = True
    while not desk.inbox.empty():
        desk.answer(desk.inbox.get_nowait())
    until(lambda: any(one.command_id != "filler" for one in desk.taken))
    (ours,) = [one for one in desk.taken if one.command_id != "filler"]
    assert checked(ours, LIVE, halted=False) is None
    assert (ours.verb, ours.value) == ("HALT", level)
    until(lambda: not any(file.exists() for file in desk.files))
    assert is_halted(desk.kill)
    desk.kill.answered(accepted("RESUME", "r-1"))
    assert not is_halted(desk.kill)


# --- the latch ----------------------------------------------------------------------------------


def test_the_strongest_level_stays_in_force() -> None:
    """A weaker press after a stronger one takes nothing back."""
    for order in itertools.permutations(LEVELS):
        kill = KillSwitch(lambda command: True)
        for number, level in enumerate(order):
            assert kill.press(halt(f"c-{number}", level))
        assert kill.level == FLATTEN
        kill.close()
        assert is_halted(kill), "what is pressed stays pressed"


def test_only_an_accepted_resume_releases() -> None:
    """Not a refused one, not another verb, and not one that came before the newest press."""
    kill = KillSwitch(lambda command: True)
    kill.press(halt("c-1"))
    kill.answered(accepted("HALT", "c-1"))
    kill.answered(CommandAnswered("r-1", "RESUME", "REFUSED", "CMD_WHY_MISSING"))
    kill.answered(accepted("ARM", "a-1"))
    assert is_halted(kill)
    kill.press(halt("c-2", CANCEL))
    kill.answered(accepted("RESUME", "r-2"))
    assert is_halted(kill), "c-2 stands behind r-2 in the journal, or is not there yet"
    assert kill.level == CANCEL
    kill.answered(accepted("HALT", "c-2"))
    kill.answered(accepted("RESUME", "r-3"))
    assert not is_halted(kill)
    kill.close()


def test_presses_without_end_are_bounded() -> None:
    """The same level again and again: in force, and no more is kept than a few; a stronger one is
    always taken."""
    kill = KillSwitch(lambda command: False)
    taken = [kill.press(halt(f"c-{number}")) for number in range(1_000)]
    assert taken.count(True) == UNANSWERED_MAX
    assert kill.press(halt("c-f", FLATTEN))
    assert kill.level == FLATTEN
    kill.close()


def test_a_press_never_waits(root: Path) -> None:
    """With nobody to read the wakings: as from a signal handler that interrupts anything."""
    kill = KillSwitch(lambda command: False)
    for number in range(100_000):
        kill.press(halt(f"c-{number}"))
        kill._wake()
    assert kill.halted
    kill.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_switch_whose_thread_dies_is_pressed() -> None:
    """Nobody watches it any more: no entry may leave."""

    def broken(command: OperatorCommand) -> NoReturn:
        raise ZeroDivisionError

    kill = KillSwitch(broken)
    kill.start()
    assert not is_halted(kill)
    kill._queue.append(halt())
    kill._wake()
    until(lambda: not kill.alive)
    assert is_halted(kill)
    kill.close()


# --- the file -----------------------------------------------------------------------------------


def test_a_file_that_stands_at_the_start_is_in_force_before_anything_else(root: Path) -> None:
    """A machine that went down halted comes up halted: before ``start`` returns."""
    desk = Desk(root)
    write_kill_file(desk.files[0], CANCEL, "over the weekend")
    desk.kill.start()
    assert (desk.kill.halted, desk.kill.level) == (True, CANCEL)
    command = desk.next()
    assert (command.why, command.channel) == ("over the weekend", "FILE")
    desk.close()


def test_a_file_is_one_halt_and_is_kept_beside(root: Path) -> None:
    """However often it is looked at; after the answer it is out of the way, and can be read."""
    with running(root) as desk:
        write_kill_file(desk.files[0], FLATTEN, "enough")
        command = desk.next()
        assert desk.files[0].exists(), "it stands until the journal has it"
        desk.answer(command)
        until(lambda: not desk.files[0].exists())
        assert "enough" in desk.files[0].with_name("KILL.taken").read_text()
        assert desk.inbox.empty()


def test_the_same_halt_in_every_place_is_one_command(root: Path) -> None:
    """What one look finds is one halt, of the strongest level."""
    desk = Desk(root)
    desk.folder.mkdir(parents=True)
    write_kill_file(desk.files[0], None, "weak")
    write_kill_file(desk.files[1], FLATTEN, "strong")
    desk.kill.start()
    command = desk.next()
    assert (command.value, command.why) == (FLATTEN, "strong")
    desk.answer(command)
    until(lambda: not any(file.exists() for file in desk.files))
    assert desk.inbox.empty()
    desk.close()


def test_what_a_shell_writes_late_counts(root: Path) -> None:
    """The name is there before its content: the halt is in force, and the level follows."""
    with running(root) as desk:
        handle = os.open(desk.files[0], os.O_WRONLY | os.O_CREAT)
        first = desk.next()
        assert first.value is None
        os.write(handle, b"FLATTEN and why")
        os.close(handle)
        desk.answer(first)
        until(lambda: desk.kill.level == FLATTEN)
        # A look may fall between the new time of a file and its new size: still no level, no harm.
        values = [desk.next().value]
        if values == [None]:
            values.append(desk.next().value)
        assert values[-1] == FLATTEN


def test_what_is_written_while_the_file_is_taken_away_counts(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the very moment at which an empty file is renamed, a shell writes FLATTEN into it."""
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        if self.name == "KILL" and not self.read_text():
            self.write_text("FLATTEN late")
        return rename(self, target)

    with running(root) as desk:
        monkeypatch.setattr(Path, "rename", late)
        desk.files[0].touch()
        desk.answer(desk.next())
        second = desk.next()
        assert (second.value, second.why) == (FLATTEN, "late")


@pytest.mark.parametrize("what", ["folder", "link", "dangling", "pipe", "closed", "huge", "binary"])
def test_whatever_stands_there_is_a_halt(root: Path, what: str) -> None:
    """A folder, a link that is not followed, a pipe that would block, a file without rights."""
    path = root / "KILL"
    if what == "folder":
        path.mkdir()
    elif what == "link":
        (root / "secret").write_text("FLATTEN the contents of another file")
        path.symlink_to(root / "secret")
    elif what == "dangling":
        path.symlink_to(root / "nowhere")
    elif what == "pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(
            {"huge": b"x" * 10 * FILE_BYTES_MAX, "binary": bytes(range(256))}.get(what, b"")
        )
        path.chmod(0 if what == "closed" else 0o600)
    found = read_kill_file(path)
    assert found is not None
    assert found.level is None
    assert "contents" not in found.why
    command = OperatorCommand("HALT", found.who, found.why, None, None, "c", "FILE")
    assert checked(command, LIVE, halted=False) is None


def test_no_file_is_no_halt(root: Path) -> None:
    """Also where the folder is missing."""
    assert read_kill_file(root / "KILL") is None
    assert read_kill_file(root / "none" / "KILL") is None


@pytest.mark.parametrize(
    ("text", "level", "why"),
    [
        ("", None, ""),
        ("HALT", None, ""),
        ("cancel\n", CANCEL, ""),
        ("FLATTEN\nthe index is wrong\n", FLATTEN, "the index is wrong"),
        ("Flatten: no", None, "Flatten: no"),
        ("please stop", None, "please stop"),
        ("HALT flatten", None, "flatten"),
    ],
)
def test_the_first_word_is_the_level(text: str, level: str | None, why: str) -> None:
    """Exactly one of the three words; anything else is the reason of a plain halt."""
    assert parse_kill_text(text) == (level, why)


@given(st.text(max_size=600))
def test_any_text_is_a_halt_that_the_engine_takes(text: str) -> None:
    """No content makes a halt that is refused."""
    level, why = parse_kill_text(text)
    assert level in LEVELS
    command = OperatorCommand("HALT", "asha", why, None, level, "", "FILE")
    assert checked(command, LIVE, halted=True) is None


def test_a_full_disk_still_takes_the_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E10: nothing can be written: the level stands in a link, which takes no space. Where not even
    that can be put there the file is there, empty, and halts; the asker is told."""

    def full(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        for level in LEVELS:
            write_kill_file(root / "KILL", level, "enough")
            found = read_kill_file(root / "KILL")
            assert found is not None
            assert (found.level, found.read) == (level, True)
        (root / "KILL").unlink()
        patched.setattr(os, "symlink", full)
        with pytest.raises(OSError, match="No space"):
            write_kill_file(root / "KILL", FLATTEN, "enough")
    found = read_kill_file(root / "KILL")
    assert found is not None
    assert found.level is None
    assert [path.name for path in root.iterdir()] == ["KILL"]


def test_a_file_that_cannot_be_opened_yet_halts_and_is_read_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E11: no descriptor is free: what stands there halts at once, stays where it is, and says its
    level as soon as it can be read."""
    none_left = True
    real = os.open

    def scarce(path: object, *rest: object) -> int:
        if none_left and Path(str(path)).name == "KILL":
            raise OSError(24, "Too many open files")
        return real(path, *rest)  # type: ignore[arg-type]

    (root / "run").mkdir(mode=0o700)
    with running(root) as desk, monkeypatch.context() as patched:
        patched.setattr(os, "open", scarce)
        by_desk_file(desk, FLATTEN)
        until_halted(desk.kill, "a file that could only be seen")
        first = desk.next()
        assert (first.value, desk.kill.level) == (None, None)
        desk.answer(first)
        none_left = False
        second = desk.next()
        assert (second.value, second.why, desk.kill.level) == (FLATTEN, "by hand", FLATTEN)
        desk.answer(second)
        until(lambda: not desk.files[0].exists(), "the file is taken away")


def test_a_file_that_cannot_be_put_there_leaves_nothing(root: Path) -> None:
    """The error passes, and no half file stays beside."""
    (root / "KILL").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_kill_file(root / "KILL", None, "")
    assert [path.name for path in root.iterdir()] == ["KILL"]
