"""The machine: Python, libraries, rooms, the home and its disk.

Lives here: checks. May import: ``cli``, journal's names. Always holds: nothing is made or changed.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import stat
import sys
from pathlib import Path
from typing import Final

from cli.doctor.check import Context, Outcome, bad, good, unknown, warned
from cli.paths import list_sessions, sessions_folder
from cli.rooms import find_intruder

PYTHON_LEAST: Final = (3, 11)
PYTHON_KNOWN: Final = (3, 13)
"""The newest that the golden sessions were replayed on."""

PRIVATE: Final = 0o077
GIB: Final = 1 << 30
FREE_LEAST: Final = GIB
DAYS_WARN: Final = 10
SESSIONS_LOOKED_AT: Final = 20
_LOCKED: Final = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", re.M)


def python(context: Context) -> Outcome:
    """The running interpreter is one that the engine is known on."""
    version = sys.version_info[:2]
    text = f"Python {sys.version.split()[0]}"
    if version < PYTHON_LEAST:
        return bad(f"{text}: 3.11 or newer is needed")
    if version > PYTHON_KNOWN:
        return warned(f"{text} is newer than any that the golden sessions were replayed on")
    return good(text)


def libraries(context: Context) -> Outcome:
    """What is installed is what is locked; markers of other platforms are passed over."""
    lock = context.root / "locks" / "run.txt"
    try:
        pinned = dict(_LOCKED.findall(lock.read_text(encoding="utf-8")))
    except OSError:
        return unknown(
            "this program was installed without its lock file, so versions cannot be compared",
            "run it from a checkout: make install",
        )
    found = {name: _version(name) for name in pinned}
    other = [
        f"{name} {there} is not {pinned[name]}"
        for name, there in found.items()
        if there is not None and there != pinned[name]
    ]
    if other:
        return bad(f"other versions than locked: {'; '.join(other)}")
    missing = [name for name in _needed() if _version(name) is None]
    if missing:
        return bad(f"not installed: {', '.join(missing)}")
    return good(f"{sum(one is not None for one in found.values())} libraries, all as locked")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _needed() -> list[str]:
    """The names that the program itself asks for."""
    try:
        asked = importlib.metadata.requires("axiom-trading") or []
    except importlib.metadata.PackageNotFoundError:
        asked = []
    return [
        re.split(r"[ ;<>=!~\[]", word, maxsplit=1)[0] for word in asked if "extra ==" not in word
    ]


def rooms(context: Context) -> Outcome:
    """No other package stands in the place of one of ours."""
    intruder = find_intruder()
    return good("every room is the program's own") if intruder is None else bad(intruder)


def home(context: Context) -> Outcome:
    """The home is ours alone, and so is all that is secret in it."""
    place = context.home
    if not place.exists():
        above = next(one for one in place.parents if one.exists())
        if os.access(above, os.W_OK | os.X_OK):
            return warned(f"{place} is not there yet; it is made when it is needed")
        return bad(f"{place} is not there and cannot be made in {above}")
    for one in (place, place / "desks", place / "desks" / context.desk):
        fault = _not_private(one) if one.exists() else None
        if fault is not None:
            return bad(fault, f"chmod 700 {one}")
    if not os.access(place, os.W_OK | os.X_OK):
        return bad(f"{place} cannot be written")
    return good(f"{place} is private to its owner")


def _not_private(folder: Path) -> str | None:
    found = folder.stat()
    if found.st_uid != os.geteuid():
        return f"{folder} belongs to user {found.st_uid}, not to the one who runs this"
    loose = stat.S_IMODE(found.st_mode)
    return f"{folder} is open to others (mode {loose:03o})" if loose & PRIVATE else None


def disk(context: Context) -> Outcome:
    """Room for a day at least, reckoned by what the desk's days took."""
    place = next(one for one in (context.home, *context.home.parents) if one.exists())
    free = shutil.disk_usage(place).free
    day_bytes, days = _bytes_of_a_day(context)
    text = f"{free / GIB:.1f} GiB free"
    if day_bytes:
        text += f", {free // day_bytes} days at {day_bytes / GIB:.3f} GiB a day (of {days} days)"
    if free < max(FREE_LEAST, 2 * day_bytes):
        return bad(f"{text}: less than two days' room or {FREE_LEAST // GIB} GiB")
    if day_bytes and free // day_bytes < DAYS_WARN:
        return warned(text)
    return good(text if day_bytes else f"{text}; no session yet to reckon days by")


def _bytes_of_a_day(context: Context) -> tuple[int, int]:
    """The most that one trading day of the newest sessions took, and over how many days."""
    by_day: dict[str, int] = {}
    if sessions_folder(context.home, context.desk).is_dir():
        for folder in list_sessions(context.home, context.desk)[-SESSIONS_LOOKED_AT:]:
            day = folder.name[:10]
            by_day[day] = by_day.get(day, 0) + _size(folder)
    return max(by_day.values(), default=0), len(by_day)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            found = path.lstat()
        except FileNotFoundError:
            continue  # sealed or published anew while we looked
        total += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return total
