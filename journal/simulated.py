# ruff: noqa: N818 (named for the condition)
"""A disk in memory that counts its steps, fails any one of them, and crashes in every legal way.

Lives here: ``SimulatedDisk`` (what would survive), ``SimulatedFiles`` (the port ``Files`` on it, as
one process sees it) and the faults. May import: files. Always holds: what was not synced may be
lost, in any combination and order, sector by sector and name by name; what a failed sync held is
never written by a later one, though it still reads as if it were; after a crash nothing works.
Start reading at ``SimulatedFiles``, then ``SimulatedDisk.survivors``.

The model: one sector (aligned) is written whole or not at all; a name is there or not; a rename
happens or does not. A drive that lies about a sync, or tears a sector, is outside it.
"""

from __future__ import annotations

import enum
import errno
import functools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from journal.files import FILE_MODE, FOLDER_MODE, How, read_whole, write_whole

SECTOR_BYTES: Final = 512
_EXHAUSTIVE_MAX: Final = 6
"""Up to so many uncertain changes every combination of them is a survivor."""


class Mode(enum.Enum):
    """What happens at a step."""

    CRASH = "the machine stops in the middle of it"
    EIO = "the disk reports an error"
    ENOSPC = "no space is left"
    SHORT = "half of the bytes are taken or given"
    SLOW = "it takes long"


class Fault(msgspec.Struct, frozen=True):
    """``mode`` happens at step ``step`` (from 0), once; with ``lasting`` at every later one too."""

    step: int
    mode: Mode
    lasting: bool = False


class Step(msgspec.Struct, frozen=True):
    """One thing asked of the disk: its number, the verb, and the file's or folder's name."""

    number: int
    verb: str
    name: str


_CHANGING: Final = "create write truncate allocate sync sync_dir rename unlink mkdir".split()
APPLIES: Final[dict[Mode, frozenset[str]]] = {
    Mode.CRASH: frozenset(_CHANGING),
    Mode.EIO: frozenset((*_CHANGING, "open", "read", "names")),
    Mode.ENOSPC: frozenset(("create", "write", "allocate", "sync", "rename", "mkdir")),
    Mode.SHORT: frozenset(("write", "read")),
    Mode.SLOW: frozenset(("write", "read", "sync", "sync_dir", "rename")),
}
"""Which steps a mode can happen to. A crash at a step that changes nothing is one at the step
before. ENOSPC at a sync is what delayed allocation does: it fails as EIO there does."""

_ERRNO: Final = {Mode.EIO: errno.EIO, Mode.ENOSPC: errno.ENOSPC}


class DiskGone(OSError):
    """The machine has crashed: this process no longer exists, as far as its disk is concerned."""

    def __init__(self) -> None:
        super().__init__(errno.ENODEV, "the simulated machine has crashed")


class _Fate(enum.Enum):
    PENDING = "the next sync writes it"
    DROPPED = "a failed sync held it: it may be there, and no later sync writes it"
    SAFE = "on the disk"


class _Change:
    """A part of a file or folder that becomes durable, or is lost, as a whole: a sector with what
    it then held, a new size, or names with what they then meant."""

    __slots__ = ("data", "fate", "names", "node", "offset", "serial", "size")

    def __init__(self, node: _Node, serial: int) -> None:
        self.node = node
        self.serial = serial
        self.fate = _Fate.PENDING
        self.offset = 0
        self.data = b""
        self.size: int | None = None
        self.names: tuple[tuple[str, _Node | None], ...] = ()


class _Node:
    """A file or a folder: what is surely on the disk, what processes see, what lies between."""

    __slots__ = ("base", "base_names", "cached", "cached_names", "changes", "is_folder", "mode")

    def __init__(self, *, is_folder: bool) -> None:
        self.is_folder = is_folder
        self.mode = FOLDER_MODE if is_folder else FILE_MODE
        self.base = b""
        self.cached = bytearray()
        self.base_names: dict[str, _Node] = {}
        self.cached_names: dict[str, _Node] = {}
        self.changes: list[_Change] = []

    def settle(self) -> None:
        """A sync that succeeded: what was pending is safe; what is safe at the front is base."""
        for change in self.changes:
            if change.fate is _Fate.PENDING:
                change.fate = _Fate.SAFE
        while self.changes and self.changes[0].fate is _Fate.SAFE:
            change = self.changes.pop(0)
            self.base = bytes(_content(bytearray(self.base), (change,)))
            _rename(self.base_names, (change,))

    def drop(self) -> None:
        """A sync that failed: the pages are marked clean without having been written."""
        for change in self.changes:
            if change.fate is _Fate.PENDING:
                change.fate = _Fate.DROPPED


def _content(content: bytearray, changes: Iterable[_Change]) -> bytearray:
    for change in changes:
        if change.size is not None:
            _resize(content, change.size)
        elif change.data:
            _resize(content, max(len(content), change.offset))
            content[change.offset : change.offset + len(change.data)] = change.data
    return content


def _resize(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))


def _rename(names: dict[str, _Node], changes: Iterable[_Change]) -> dict[str, _Node]:
    for change in changes:
        for name, node in change.names:
            if node is None:
                names.pop(name, None)
            else:
                names[name] = node
    return names


class SimulatedDisk:
    """What the machine holds. Several ``SimulatedFiles`` may look at it, as processes would.

    ``capacity_bytes`` limits the bytes of all files together (None: as much as wanted).
    """

    def __init__(self, *, sector_bytes: int = SECTOR_BYTES) -> None:
        self.sector_bytes = sector_bytes
        self.capacity_bytes: int | None = None
        self.label = "as it was made"
        self._root = _Node(is_folder=True)
        self._nodes = [self._root]
        self._serial = 0
        self._locks: dict[int, int] = {}

    def used_bytes(self) -> int:
        """Bytes of the files that a name leads to."""
        return sum(len(node.cached) for node in _under(self._root) if not node.is_folder)

    def survivors(self) -> Iterator[SimulatedDisk]:
        """Disks that a crash now may leave, each once: all combinations of few changes; of many
        none, all, what came before or after any point, all but one, one alone, the files without
        each other, and a few dozen mixtures."""
        changes = sorted(
            (c for node in self._nodes for c in node.changes if c.fate is not _Fate.SAFE),
            key=lambda change: change.serial,
        )
        for kept in _combinations(changes):
            yield self._after(changes, kept)

    def everything(self) -> SimulatedDisk:
        """The disk with all that was written, as a process finds it after ``kill -9``."""
        changes = [c for node in self._nodes for c in node.changes if c.fate is not _Fate.SAFE]
        return self._after(changes, (1 << len(changes)) - 1)

    def export(self, folder: Path, to: Path) -> None:
        """Copy a folder of this disk to the real one, for tools that read only that."""
        to.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        for name, node in self.find(folder).cached_names.items():
            if node.is_folder:
                self.export(folder / name, to / name)
            else:
                (to / name).write_bytes(node.cached)

    def rot(self, path: Path, offset: int, bits: int = 1) -> None:
        """Turn bits of a byte at rest, as a medium does over the years."""
        node = self.find(path)
        assert not node.changes, "only what is at rest can rot"
        node.cached[offset] ^= bits
        node.base = bytes(node.cached)

    def find(self, path: Path) -> _Node:
        """The file or folder at a path. Raises ``FileNotFoundError``."""
        node = self._root
        for part in path.parts[1:]:
            if part not in node.cached_names:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            node = node.cached_names[part]
        return node

    def change(self, node: _Node) -> _Change:
        """A new pending change of ``node``."""
        self._serial += 1
        change = _Change(node, self._serial)
        node.changes.append(change)
        return change

    def make(self, folder: _Node, name: str, *, is_folder: bool) -> _Node:
        """A new node under a name that is not durable yet."""
        node = _Node(is_folder=is_folder)
        self._nodes.append(node)
        self.name(folder, ((name, node),))
        return node

    def name(self, folder: _Node, names: tuple[tuple[str, _Node | None], ...]) -> None:
        """Change what names of a folder mean, at once or not at all."""
        change = self.change(folder)
        change.names = names
        _rename(folder.cached_names, (change,))

    def put(self, node: _Node, offset: int, data: bytes) -> None:
        """Bytes into the cache; each sector they touch is a change with what it then holds."""
        end, sector = offset + len(data), self.sector_bytes
        if end > len(node.cached):
            self.resize(node, end)
        node.cached[offset:end] = data
        for start in range(offset - offset % sector, end, sector):
            change = self.change(node)
            change.offset = start
            change.data = bytes(node.cached[start : start + sector])

    def resize(self, node: _Node, size: int) -> None:
        """A new size, a change of its own: a file may be longer before its bytes are there."""
        change = self.change(node)
        change.size = size
        _resize(node.cached, size)

    def take_lock(self, node: _Node, handle: int) -> bool:
        return self._locks.setdefault(id(node), handle) == handle

    def drop_lock(self, node: _Node, handle: int) -> None:
        if self._locks.get(id(node)) == handle:
            del self._locks[id(node)]

    def _after(self, changes: list[_Change], kept: int) -> SimulatedDisk:
        """The disk on which, of the uncertain ``changes``, those in the mask ``kept`` survived."""
        lost = {id(c) for index, c in enumerate(changes) if not kept >> index & 1}
        after = SimulatedDisk(sector_bytes=self.sector_bytes)
        after.label = f"{len(changes) - len(lost)} of {len(changes)} changes, mask {kept:#x}"
        after._root = after._copy(self._root, lost)
        return after

    def _copy(self, node: _Node, lost: set[int]) -> _Node:
        copy = _Node(is_folder=node.is_folder)
        self._nodes.append(copy)
        changes = [change for change in node.changes if id(change) not in lost]
        copy.base = bytes(_content(bytearray(node.base), changes))
        copy.cached = bytearray(copy.base)
        for name, child in sorted(_rename(dict(node.base_names), changes).items()):
            copy.base_names[name] = self._copy(child, lost)
        copy.cached_names = dict(copy.base_names)
        return copy


def _under(node: _Node) -> Iterator[_Node]:
    yield node
    for child in node.cached_names.values():
        yield from _under(child)


def _combinations(changes: list[_Change]) -> list[int]:
    """Masks of the changes that survive; every one of them if they are few."""
    count = len(changes)
    if count <= _EXHAUSTIVE_MAX:
        return list(range(1 << count))
    everything = (1 << count) - 1
    masks = [0, everything]
    for index in range(count):
        before = (1 << index) - 1
        masks += [before, everything ^ before, 1 << index, everything ^ (1 << index)]
    by_node: dict[int, int] = {}
    for index, change in enumerate(changes):
        by_node[id(change.node)] = by_node.get(id(change.node), 0) | 1 << index
    for mask in by_node.values():
        masks += [mask, everything ^ mask]
    mixture = 0x9E3779B97F4A7C15
    for _ in range(32):
        # A linear congruence: mixtures that are the same in every run, without a generator.
        mixture = (mixture * 6364136223846793005 + 1442695040888963407) & ((1 << 64) - 1)
        masks.append(int.from_bytes(mixture.to_bytes(8, "big") * (count // 64 + 1)) & everything)
    return list(dict.fromkeys(masks))


class SimulatedFiles:
    """The port ``Files`` on a simulated disk, for one process; one caller at a time.

    ``steps`` is how much was asked of the disk so far, each with its number; ``fault`` happens at
    its step if its mode applies there, and ``fired`` says so. ``before_step`` is called before
    each step (not for those of other processes); ``while_slow`` while a slow one lasts.
    """

    def __init__(
        self,
        disk: SimulatedDisk,
        fault: Fault | None = None,
        *,
        before_step: Callable[[Step], None] | None = None,
        while_slow: Callable[[Step], None] | None = None,
    ) -> None:
        self.disk = disk
        self.steps: list[Step] = []
        self.fired = False
        self.crashed = False
        self._fault = fault
        self.before_step = before_step
        self._while_slow = while_slow
        self._handles: dict[int, tuple[_Node, Path]] = {}
        self._next_handle = 3

    def end_process(self) -> None:
        """Close what is open and let go of every lock, as the kernel does for the dead."""
        for handle in list(self._handles):
            self._close(handle)

    # -- the verbs -----------------------------------------------------------------------------

    def open(self, path: Path, how: How) -> int:
        folder = self.disk.find(path.parent)
        node = folder.cached_names.get(path.name)
        if node is not None and node.is_folder:
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if node is not None and how == "create":
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        if node is None and how in ("read", "edit"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        self._step("create" if node is None else "open", path)
        if node is None:
            node = self.disk.make(folder, path.name, is_folder=False)
            self._crash_now()
        self._next_handle += 1
        self._handles[self._next_handle] = (node, path)
        return self._next_handle

    def close(self, handle: int) -> None:
        self._close(handle)

    def write(self, handle: int, offset: int, data: bytes | memoryview) -> None:
        write_whole(functools.partial(self._take, handle), offset, data)

    def read(self, handle: int, offset: int, length: int) -> bytes:
        return read_whole(functools.partial(self._give, handle), offset, length)

    def size(self, handle: int) -> int:
        self._alive()
        return len(self._handles[handle][0].cached)

    def truncate(self, handle: int, size: int) -> None:
        node, path = self._handles[handle]
        self._step("truncate", path)
        if size != len(node.cached):
            self._need(size - len(node.cached))
            self.disk.resize(node, size)
        self._crash_now()

    def allocate(self, handle: int, size: int) -> None:
        node, path = self._handles[handle]
        self._step("allocate", path)
        if size > len(node.cached):
            self._need(size - len(node.cached))
            self.disk.resize(node, size)
        self._crash_now()

    def sync(self, handle: int) -> None:
        node, path = self._handles[handle]
        self._step_of_sync(node, "sync", path)

    def sync_dir(self, folder: Path) -> None:
        self._step_of_sync(self.disk.find(folder), "sync_dir", folder)

    def rename(self, source: Path, target: Path) -> None:
        assert source.parent == target.parent, "this room renames within a folder"
        folder = self.disk.find(source.parent)
        node = self.disk.find(source)
        self._step("rename", target)
        self.disk.name(folder, ((source.name, None), (target.name, node)))
        self._crash_now()

    def unlink(self, path: Path) -> None:
        folder = self.disk.find(path.parent)
        self.disk.find(path)
        self._step("unlink", path)
        self.disk.name(folder, ((path.name, None),))
        self._crash_now()

    def names(self, folder: Path) -> tuple[str, ...]:
        node = self.disk.find(folder)
        self._step("names", folder)
        return tuple(sorted(node.cached_names))

    def make_folder(self, folder: Path, *, exclusive: bool = False) -> None:
        if folder == Path(folder.anchor):
            return
        self.make_folder(folder.parent)
        parent = self.disk.find(folder.parent)
        node = parent.cached_names.get(folder.name)
        if node is not None:
            if exclusive or not node.is_folder:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
            return
        self._step("mkdir", folder)
        self.disk.make(parent, folder.name, is_folder=True)
        self._crash_now()
        self.sync_dir(folder.parent)

    def mode(self, path: Path) -> int:
        self._alive()
        return self.disk.find(path).mode

    def lock(self, handle: int, *, wait: bool = False) -> bool:
        self._alive()
        free = self.disk.take_lock(self._handles[handle][0], handle)
        assert free or not wait, "nobody else runs here: this would wait for ever"
        return free

    def unlock(self, handle: int) -> None:
        self.disk.drop_lock(self._handles[handle][0], handle)

    def free_space(self, folder: Path) -> int:
        self._alive()
        self.disk.find(folder)
        capacity = self.disk.capacity_bytes
        return (1 << 40) if capacity is None else max(0, capacity - self.disk.used_bytes())

    # -- the steps -----------------------------------------------------------------------------

    def _alive(self) -> None:
        if self.crashed:
            raise DiskGone

    def _step(self, verb: str, path: Path) -> Mode | None:
        """Count a step; raises what fails here, or gives the mode that the caller acts out."""
        self._alive()
        step = Step(len(self.steps), verb, path.name)
        if self.before_step is not None:
            self.before_step(step)
        self.steps.append(step)
        mode = self._mode_at(step)
        if mode is None:
            return None
        self.fired = True
        if mode is Mode.SLOW and self._while_slow is not None:
            self._while_slow(step)
        if mode in _ERRNO and verb not in ("write", "sync", "sync_dir"):
            raise self._error(mode)
        self.crashed = mode is Mode.CRASH
        return mode

    def _mode_at(self, step: Step) -> Mode | None:
        fault = self._fault
        if fault is None or step.verb not in APPLIES[fault.mode]:
            return None
        due = step.number == fault.step or (fault.lasting and step.number > fault.step)
        return fault.mode if due else None

    def _error(self, mode: Mode) -> OSError:
        return OSError(_ERRNO[mode], os.strerror(_ERRNO[mode]))

    def _crash_now(self) -> None:
        """After the change of the step that crashed: whether it survives is for ``survivors``."""
        if self.crashed:
            raise DiskGone

    def _need(self, more: int) -> None:
        capacity = self.disk.capacity_bytes
        if capacity is not None and more > 0 and self.disk.used_bytes() + more > capacity:
            raise self._error(Mode.ENOSPC)

    def _fitting(self, node: _Node, offset: int, count: int) -> int:
        """How many of ``count`` bytes a full disk still takes; none of some is an error."""
        capacity = self.disk.capacity_bytes
        grown = max(0, offset + count - len(node.cached))
        if capacity is None or not grown:
            return count
        fitting = count - max(0, grown - max(0, capacity - self.disk.used_bytes()))
        if fitting <= 0:
            raise self._error(Mode.ENOSPC)
        return fitting

    def _take(self, handle: int, offset: int, data: memoryview) -> int:
        node, path = self._handles[handle]
        mode = self._step("write", path)
        failing = mode in _ERRNO
        count = len(data) // 2 if failing else len(data)
        if mode is Mode.SHORT:
            count = max(1, count // 2)
        count = self._fitting(node, offset, count)
        if count:
            self.disk.put(node, offset, bytes(data[:count]))
        self._crash_now()
        if failing and mode is not None:
            raise self._error(mode)
        return count

    def _give(self, handle: int, offset: int, length: int) -> bytes:
        node, path = self._handles[handle]
        if self._step("read", path) is Mode.SHORT:
            length = max(1, length // 2)
        return bytes(node.cached[offset : offset + length])

    def _step_of_sync(self, node: _Node, verb: str, path: Path) -> None:
        mode = self._step(verb, path)
        self._crash_now()
        if mode in _ERRNO:
            if not node.is_folder:
                node.drop()
            raise self._error(mode)
        node.settle()

    def _close(self, handle: int) -> None:
        node, _ = self._handles.pop(handle)
        self.disk.drop_lock(node, handle)
