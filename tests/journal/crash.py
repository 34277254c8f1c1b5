"""A whole session on the simulated disk, failed at any step, and what must hold of what is left.

The session is made, written, paused, resumed, closed, sealed and recorded, through the same calls
as the engine's. The checker knows only what was said, what was acknowledged and what another
process has read; it is simpler than what it checks.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from journal.close import close_session
from journal.errors import (
    JournalClosed,
    JournalCorrupt,
    JournalError,
    JournalMissing,
    WriterFailed,
)
from journal.ledger import read_ledger
from journal.log import WriterOptions
from journal.manifest import Manifest, read_manifest, write_manifest
from journal.reader import JournalReader
from journal.session_folder import ledger_path, make_session_folder, sessions_folder
from journal.simulated import APPLIES, Fault, Mode, SimulatedDisk, SimulatedFiles, Step
from journal.writer import JournalWriter
from tests.journal.journals import UID, Group, flat, make_group, make_groups

HOME = Path("/axiom")
NAME = f"2025-08-29-paper-{UID}"
FOLDER = sessions_folder(HOME, "main") / NAME
LEDGER = ledger_path(HOME, "main")
MANIFEST = Manifest(NAME, UID, "2025-08-29", "paper", "axiom", "3", "x", "h", 1, 2)
GROUPS = make_groups([2, 1, 3, 1, 2, 1])
OPTIONS = WriterOptions(
    segment_size_bytes=150, block_size_bytes=60, linger_ms=0, idle_sync_ms=3_600_000
)
"""Blocks of one or two entries, segments of two or three groups, no mark that a timer makes."""

SECTOR_BYTES = 64
"""Smaller than any real one, so that a block spans several; a watermark's slot fills one."""


class Trace:
    """What the outside knows of a session."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.acknowledged = 0
        self.seen = 0
        self.final_asked = False
        self.closed = False
        self.recorded = False
        self.wrong: list[str] = []
        self.on_acknowledged: Callable[[], None] | None = None


def say(writer: JournalWriter, trace: Trace, groups: list[Group]) -> None:
    """Append groups, each acknowledged before the next."""
    for group in groups:
        trace.said += group
        last = writer.append(group)
        assert writer.wait_durable(last, 60)
        trace.acknowledged = last
        if trace.on_acknowledged is not None:
            trace.on_acknowledged()


@contextlib.contextmanager
def ending(writer: JournalWriter) -> Iterator[None]:
    """The writer's thread ends with the work, whatever happened."""
    try:
        yield
    finally:
        with contextlib.suppress(JournalError):
            writer.close(final=False)


def begin(files: SimulatedFiles, trace: Trace) -> JournalWriter:
    """A session's folder, its first half, a pause, and the writer that goes on."""
    make_session_folder(FOLDER.parent, day="2025-08-29", mode="paper", uid=UID, files=files)
    write_manifest(FOLDER, MANIFEST, files=files)
    writer = JournalWriter.create(FOLDER, UID, options=OPTIONS, files=files)
    with ending(writer):
        say(writer, trace, GROUPS[:3])
        writer.close(final=False)
    writer, tail = JournalWriter.resume(FOLDER, session_uid=UID, options=OPTIONS, files=files)
    if tail.head_seq != trace.acknowledged:
        trace.wrong.append(f"a pause of {trace.acknowledged} entries resumed at {tail.head_seq}")
    return writer


def work(files: SimulatedFiles, trace: Trace) -> None:
    """The life of a session, from its folder to its line in the ledger."""
    writer = begin(files, trace)
    with ending(writer):
        say(writer, trace, GROUPS[3:])
        trace.final_asked = True
        writer.close()
        trace.closed = True
    close_session(FOLDER, LEDGER, files=files)
    trace.recorded = True


def look(disk: SimulatedDisk, trace: Trace) -> None:
    """Another process reads the session: what it has read may never go away again."""
    files = SimulatedFiles(disk)
    try:
        with JournalReader(FOLDER, files=files) as reader:
            read = [entry.data for entry in reader]
    except JournalMissing:
        read = []
    except JournalError as error:
        trace.wrong.append(f"a reader beside the writer: {error}")
        return
    finally:
        files.end_process()
    if read != trace.said[: len(read)]:
        trace.wrong.append("a reader read what was not said")
    trace.seen = max(trace.seen, len(read))


def run(fault: Fault | None) -> tuple[SimulatedDisk, SimulatedFiles, Trace, JournalError | None]:
    """The session with a fault; another process reads it at the step of the fault, and again when
    it is over. The error that the session met, if any."""
    disk, trace = SimulatedDisk(sector_bytes=SECTOR_BYTES), Trace()

    def beside(step: Step) -> None:
        if fault is not None and step.number == fault.step:
            look(disk, trace)

    def slowly(step: Step) -> None:
        acknowledged = trace.acknowledged
        for survivor in itertools.islice(disk.survivors(), 4):
            trace.wrong += check(survivor, trace)
        if trace.acknowledged != acknowledged:
            trace.wrong.append(f"acknowledged while {step.verb} {step.name} lasts")

    def after_all() -> None:
        """A writer that goes on after the disk has failed promises something: is it there?"""
        if files.fired and fault is not None and fault.mode in (Mode.EIO, Mode.ENOSPC):
            for survivor in itertools.islice(disk.survivors(), 2):
                trace.wrong += check(survivor, trace)

    files = SimulatedFiles(disk, fault, before_step=beside, while_slow=slowly)
    trace.on_acknowledged = after_all
    met: JournalError | None = None
    try:
        work(files, trace)
    except JournalError as error:
        met = error
        if isinstance(error, WriterFailed):
            trace.wrong.append(f"named as a mistake of ours: {error}")
    except OSError as error:
        trace.wrong.append(f"an error without a name: {error!r}")
    files.end_process()
    return disk, files, trace, met


def check(disk: SimulatedDisk, trace: Trace, *, go_on: bool = False) -> list[str]:
    """What is wrong with a disk that a crash or an error left, given what was promised.

    Opens it as the next process would, so it changes the disk; then the power goes at once, and
    what the opening promised must be there too. ``go_on``: write to the end after that.
    """
    files = SimulatedFiles(disk)
    wrong = [f"{disk.label}: {what}" for what in _checked(files, trace, go_on)]
    files.end_process()
    return wrong


def _checked(files: SimulatedFiles, trace: Trace, go_on: bool) -> Iterator[str]:
    promised = max(trace.acknowledged, trace.seen)
    yield from _ledger_wrong(files, trace)
    try:
        writer, tail = JournalWriter.resume(FOLDER, options=OPTIONS, files=files)
    except JournalMissing:
        if promised:
            yield f"{promised} promised entries are gone with their journal"
        return
    except JournalClosed:
        if not trace.final_asked:
            yield "closed, and nobody closed it"
        yield from _closing_wrong(files, trace.said)
        return
    except JournalError as error:
        yield f"does not open: {error}"
        return
    with ending(writer):
        writer.close(final=False)
    files.end_process()
    if trace.closed:
        yield "open, and its closing was acknowledged"
    if tail.head_seq < promised:
        yield f"recovered {tail.head_seq} of {promised} promised entries"
    yield from _power_cut_wrong(files, trace.said, tail.head_seq)
    if go_on:
        yield from _rest_wrong(files, trace.said[: tail.head_seq], bool(tail.incomplete))


def _closing_wrong(files: SimulatedFiles, said: list[bytes]) -> Iterator[str]:
    """A final block without all that follows it: the next process finishes the closing."""
    try:
        close_session(FOLDER, LEDGER, files=files)
    except JournalError as error:
        yield f"does not close: {error}"
        return
    finally:
        files.end_process()
    yield from _power_cut_wrong(files, said, len(said))


def _power_cut_wrong(files: SimulatedFiles, said: list[bytes], count: int) -> Iterator[str]:
    """What there is now must be there after a power cut too, with nothing unsynced surviving."""
    yield from _entries_wrong(files, said, count)
    powerless = SimulatedFiles(next(iter(files.disk.survivors())))
    for wrong in _entries_wrong(powerless, said, count):
        yield f"after the next power cut: {wrong}"


def _entries_wrong(files: SimulatedFiles, said: list[bytes], count: int) -> Iterator[str]:
    """The journal must hold exactly the first ``count`` entries of what was said."""
    try:
        with JournalReader(FOLDER, files=files) as reader:
            read = [entry.data for entry in reader]
    except JournalMissing:
        read = []
    except JournalError as error:
        yield f"does not read: {error}"
        return
    if read != said[:count]:
        same = sum(a == b for a, b in zip(read, said[:count], strict=False))
        yield f"{len(read)} entries read, {count} expected, {same} of them right"


def _ledger_wrong(files: SimulatedFiles, trace: Trace) -> Iterator[str]:
    try:
        records = read_ledger(LEDGER, files=files)
        read_manifest(FOLDER, files=files)
    except JournalError as error:
        yield f"the ledger or the manifest: {error}"
        return
    if trace.recorded and [record.session for record in records] != [NAME]:
        yield "the ledger has lost its acknowledged record"


def _rest_wrong(files: SimulatedFiles, said: list[bytes], group_open: bool) -> Iterator[str]:
    """The session goes on: one more group (or the rest of the open one), then its end."""
    rest = make_group(len(said) + 1, 2)
    if group_open:
        rest = tuple(flat(GROUPS)[len(said) :][:1]) or rest
    try:
        writer, _ = JournalWriter.resume(FOLDER, options=OPTIONS, files=files)
        with ending(writer):
            writer.append(rest)
            writer.close()
        close_session(FOLDER, LEDGER, files=files)
    except JournalError as error:
        yield f"does not go on: {error}"
        return
    finally:
        files.end_process()
    yield from _power_cut_wrong(files, [*said, *rest], len(said) + len(rest))


def steps_of_a_session() -> list[Step]:
    """The steps of a session that nothing disturbs."""
    _, files, trace, met = run(None)
    assert met is None and trace.recorded and not trace.wrong
    return files.steps


def faults(steps: list[Step], modes: tuple[Mode, ...], every: int = 1) -> Iterator[Fault]:
    """Every fault that can happen to a session: each mode at each step that it applies to, and a
    disk that stays broken or full from there on."""
    for mode in modes:
        applying = [step for step in steps if step.verb in APPLIES[mode]]
        for step in applying[:: every if len(applying) > every else 1]:
            yield Fault(step.number, mode)
            if mode in (Mode.EIO, Mode.ENOSPC):
                yield Fault(step.number, mode, lasting=True)


def judge(fault: Fault, *, thin: int = 1) -> tuple[int, list[str]]:
    """(disks examined, what is wrong) of one fault: of what may survive it nothing, everything,
    and every ``thin``-th of the rest."""
    disk, files, trace, met = run(fault)
    look(disk, trace)
    wrong = list(trace.wrong)
    if not files.fired:
        wrong.append("the fault did not happen")
    if fault.mode in (Mode.SHORT, Mode.SLOW) and met is not None:
        wrong.append(f"the session ended for a disk that works: {met}")
    cases = 0
    for number, survivor in enumerate(disk.survivors()):
        if number < 2 or number % thin == fault.step % thin:
            wrong += check(survivor, trace, go_on=number < 2)
            cases += 1
    if fault.mode is not Mode.CRASH:
        disk.label = "the process alone died"
        wrong += check(disk, trace, go_on=True)
        cases += 1
    return cases, [f"{fault} at {files.steps[fault.step]}: {what}" for what in wrong]


def rotten() -> Iterator[tuple[str, list[str]]]:
    """(place, what is wrong) for a bit turned in every third byte of what was acknowledged."""
    files, trace = SimulatedFiles(SimulatedDisk(sector_bytes=SECTOR_BYTES)), Trace()
    writer = begin(files, trace)
    with ending(writer):
        say(writer, trace, GROUPS[3:])
        writer.close(final=False)
    files.end_process()
    for name in ("000001.axj", "000002.axj"):
        size = len(files.disk.everything().find(FOLDER / name).cached)
        for offset in range(0, size, 3):
            disk = files.disk.everything()
            disk.rot(FOLDER / name, offset, 1 << offset % 8)
            yield f"{name} {offset}", _rot_wrong(disk, trace)


def _rot_wrong(disk: SimulatedDisk, trace: Trace) -> list[str]:
    """Damage in what was acknowledged is refused by name, or it hit nobody's bytes."""
    files = SimulatedFiles(disk)
    try:
        writer, tail = JournalWriter.resume(FOLDER, options=OPTIONS, files=files)
    except JournalCorrupt:
        return []
    with ending(writer):
        writer.close(final=False)
    if tail.head_seq < trace.acknowledged:
        return [f"opened with {tail.head_seq} of {trace.acknowledged} acknowledged entries"]
    return list(_entries_wrong(files, trace.said, tail.head_seq))


def judge_reopening(fault: Fault, *, thin: int = 1) -> tuple[int, list[str]]:
    """(disks examined, what is wrong) when the machine crashes again at each step of opening what
    the first fault left."""
    disk, files, trace, _ = run(fault)
    look(disk, trace)
    wrong, cases = list(trace.wrong), 0
    for number, survivor in enumerate(disk.survivors()):
        if number % thin:
            continue
        for step in itertools.count():
            second = SimulatedFiles(survivor.everything(), Fault(step, Mode.CRASH))
            with contextlib.suppress(JournalError):
                writer, _ = JournalWriter.resume(FOLDER, options=OPTIONS, files=second)
                with ending(writer):
                    writer.close(final=False)
            second.end_process()
            if step >= len(second.steps):
                break
            for left in itertools.islice(second.disk.survivors(), 0, None, thin):
                wrong += check(left, trace)
                cases += second.fired
    return cases, [f"{fault} at {files.steps[fault.step]}: {what}" for what in wrong]
