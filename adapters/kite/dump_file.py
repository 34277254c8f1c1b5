"""The day's list of instruments on disk: kept once it was fetched, found again by its day.

Lives here: names, writing and reading, and the day's list from wherever it is. May import:
adapters.kite.instruments, engine.rulebook. Always holds: a name says day and second (IST) of the
fetch, so that no copy makes an old list new; files are 0600 and whole or absent; nothing is written
over; only a list that was read without a fault is kept.
Start reading at ``todays_dump``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from adapters.kite.instruments import Dump, DumpError, plain_digest, read_dump
from engine.rulebook import NS_PER_S, day_of, hhmmss_of, ist_ns

FOLDER: Final = "instruments"
"""Where in a home the lists are kept, whatever the desk."""

NAME: Final = re.compile(r"instruments-([0-9]{8})-([0-9]{6})\.csv")
FILE_MODE: Final = 0o600


class KeptDump(NamedTuple):
    """A list on disk and when it was fetched (ns UTC, to the second)."""

    path: Path
    fetched_ns: int

    @property
    def day(self) -> int:
        """The day (yyyymmdd, IST) on which it was fetched."""
        return day_of(self.fetched_ns)


def todays_dump(
    folder: Path,
    day: int,
    underlyings: Sequence[str],
    now_ns: Callable[[], int],
    fetch: Callable[[], bytes],
) -> Dump:
    """The list of ``day``: the one that is kept, else what ``fetch`` gives now, kept from here on.

    Raises ``DumpError`` for a list that is refused (a kept one too: it is never fetched over
    silently), ``OSError``, and what ``fetch`` raises.
    """
    kept = kept_dumps(folder)
    if any(one.day == day for one in kept):
        return read_kept(folder, day, underlyings)
    data, fetched_ns = fetch(), now_ns()
    dump = read_dump(data, day, fetched_ns, underlyings, _older_digest(kept, day))
    keep_dump(folder, data, fetched_ns)
    return dump


def read_kept(folder: Path, day: int, underlyings: Sequence[str]) -> Dump:
    """The newest kept list of a day. Raises ``DumpError`` and ``OSError``."""
    kept = latest_dump(folder, day)
    older = _older_digest(kept_dumps(folder), day)
    return read_dump(kept.path.read_bytes(), day, kept.fetched_ns, underlyings, older)


def _older_digest(kept: Sequence[KeptDump], day: int) -> str | None:
    """That of the newest list of an earlier day; None where there is none that can be read."""
    earlier = [one for one in kept if one.day < day]
    if not earlier:
        return None
    try:
        return plain_digest(earlier[-1].path.read_bytes())
    except DumpError:
        return None  # a damaged old list is no ground to refuse a good new one


def keep_dump(folder: Path, data: bytes, fetched_ns: int) -> KeptDump:
    """Write a list, as it was received, into ``folder`` (which must be there), durably.

    Raises ``OSError``; ``FileExistsError`` where one of that second is kept already.
    """
    second = hhmmss_of(fetched_ns).replace(":", "")
    path = folder / f"instruments-{day_of(fetched_ns)}-{second}.csv"
    new = folder / f".{path.name}.new-{os.getpid()}"
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(new, path)  # unlike a rename it replaces nothing
    finally:
        new.unlink(missing_ok=True)
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(at)
    finally:
        os.close(at)
    return KeptDump(path, fetched_ns // NS_PER_S * NS_PER_S)


def kept_dumps(folder: Path) -> list[KeptDump]:
    """The lists in a folder, the one fetched first at the front; none where there is no folder."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    found = []
    for name in names:
        match = NAME.fullmatch(name)
        if match is not None:
            day, at = match.groups()
            try:
                fetched = ist_ns(int(day), f"{at[:2]}:{at[2:4]}:{at[4:]}")
            except ValueError:
                continue  # a name of our form with a day or time that is none is not ours
            found.append(KeptDump(folder / name, fetched))
    return sorted(found, key=lambda one: one.fetched_ns)


def latest_dump(folder: Path, day: int) -> KeptDump:
    """The newest list of a day. Raises ``DumpError`` (FILE_OLD) where none of that day is kept."""
    found = kept_dumps(folder)
    of_day = [one for one in found if one.day == day]
    if of_day:
        return of_day[-1]
    newest = f"; the newest is of {found[-1].day}" if found else ""
    raise DumpError("FILE_OLD", f"no instruments of {day} are kept in {folder}{newest}: fetch them")
