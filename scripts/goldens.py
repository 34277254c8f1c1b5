"""The golden sessions: what they must replay to, and what may change that.

Lives here: the pins, the waivers, the judgement between them, and the command. May import: events,
journal, replay, cli's words. Always holds: a golden's expected digest is the recorded one, followed
through the waivers in order, so a derivation that changes needs a waiver; the last waiver's
decision diff is what replay finds now, so a waiver cannot say less than what changed.

    python -m scripts.goldens                     judge every golden: exit 0, or 1 with the reason
    python -m scripts.goldens waive SLUG --who WHO --why WHY
                                                  write the waiver for what has changed

Start reading at ``judge``.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from cli.output import ist_time
from engine.runner import own_code_digest
from events.envelope import decode_envelope
from events.session import SessionOpened
from events.upcast import current_event
from journal.errors import JournalError
from journal.reader import JournalReader
from journal.verify import verify_session
from replay.decisions import Difference
from replay.session import ReplayError, ReplayReport, replay_session

ROOT: Final = Path(__file__).resolve().parents[1]
GOLDENS: Final = ROOT / "tests" / "replay" / "goldens"
PINS: Final = "pins.toml"
WAIVERS: Final = ROOT / "docs" / "waivers"
COMMAND: Final = 'python -m scripts.goldens waive SLUG --who WHO --why "WHY"'

DIFF_KINDS: Final = ("gained", "lost", "reason_changed", "size_changed")
T = TypeVar("T")
_SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")


class Pin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A golden and what it holds: it never changes. ``digest`` is over the recorded derivations."""

    name: str
    uid: str
    code_digest: str
    entries: int
    head_hash: str
    digest: str


class WaivedGolden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one waiver allows one golden: from one digest to the next.

    ``comparison``, ``first_divergence`` and ``decisions`` (one line each) are of the recorded
    derivations against the new ones, whatever earlier waivers allowed already.
    """

    name: str
    from_digest: str
    to_digest: str
    comparison: str
    first_divergence: str
    decisions: tuple[str, ...]


class Waiver(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who let derivations change, and why; ``code_digest`` is of the code that made the new."""

    who: str
    why: str
    code_digest: str
    golden: tuple[WaivedGolden, ...]


class GoldenError(Exception):
    """A pin or a waiver that cannot be used: one line that names it."""


class Judgement(msgspec.Struct, frozen=True):
    """A golden under the present code: ``problem`` is None where it is as expected.

    ``change`` is what a waiver would have to hold, where only that is missing.
    """

    pin: Pin
    report: ReplayReport | None
    problem: str | None
    change: WaivedGolden | None = None


# --- pins and waivers ----------------------------------------------------------------------------


def load_pins(goldens: Path = GOLDENS) -> list[Pin]:
    """The pins by name. Raises ``GoldenError``."""
    path = goldens / PINS
    tree = _read(path) if path.exists() else {}
    return [_converted(row, Pin, path) for row in tree.get("golden", [])]


def write_pins(pins: Iterable[Pin], goldens: Path = GOLDENS) -> None:
    """Write the pins, by name."""
    lines = [
        "# What each golden session holds, as recorded. A line is never changed: a derivation",
        "# that changes needs a waiver under docs/waivers/.",
    ]
    for pin in sorted(pins, key=lambda one: one.name):
        lines += ["", "[[golden]]", *_fields(pin)]
    (goldens / PINS).write_text("\n".join(lines) + "\n", encoding="utf-8")


def load_waivers(folder: Path = WAIVERS) -> list[tuple[str, Waiver]]:
    """(file name, waiver) in order: their numbers run from 1. Raises ``GoldenError``."""
    waivers = []
    for number, path in enumerate(sorted(folder.glob("*.toml")), start=1):
        if not path.name.startswith(f"{number:04}-"):
            raise GoldenError(f"{path.name}: the waivers' numbers run, {number:04} is next")
        waiver = _converted(_read(path), Waiver, path)
        if not waiver.who.strip() or not waiver.why.strip():
            raise GoldenError(f"{path.name}: a waiver says who and why")
        waivers.append((path.name, waiver))
    return waivers


def expected(
    pin: Pin, waivers: Iterable[tuple[str, Waiver]]
) -> tuple[str, tuple[str, WaivedGolden] | None]:
    """The digest that a golden must re-derive to, and the last (file name, waiver) that says so.

    Raises ``GoldenError`` for a waiver that does not begin where the one before it ended.
    """
    digest, last = pin.digest, None
    for name, waiver in waivers:
        for one in waiver.golden:
            if one.name == pin.name:
                if one.from_digest != digest:
                    raise GoldenError(
                        f"{name}: {pin.name} is at {digest[:12]}, not at {one.from_digest[:12]}"
                    )
                digest, last = one.to_digest, (name, one)
    return digest, last


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise GoldenError(f"{path.name}: {error}") from error


def _converted(tree: Any, kind: type[T], path: Path) -> T:
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise GoldenError(f"{path.name}: {error}") from error


def _fields(struct: msgspec.Struct) -> Iterator[str]:
    """A struct's fields as TOML; a tuple has a line for each of its texts."""
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, tuple):
            yield f"{name} = [" + ("" if value else "]")
            if value:
                yield from (f"    {json.dumps(text)}," for text in value)
                yield "]"
        else:
            yield f"{name} = {json.dumps(value)}"


# --- judging -------------------------------------------------------------------------------------


def folder_of(pin: Pin, goldens: Path = GOLDENS) -> Path:
    """Where a golden's session lies."""
    return goldens / pin.name


def opened_of(folder: Path) -> tuple[str, SessionOpened]:
    """(uid, first fact) of a session. Raises the journal's errors and ``GoldenError``."""
    with JournalReader(folder) as reader:
        for entry in reader:
            event = current_event(decode_envelope(entry.data))
            if isinstance(event, SessionOpened):
                return reader.session_uid or "", event
            break
    raise GoldenError(f"{folder.name}: no session begins there")


def pin_of(folder: Path) -> Pin:
    """The pin of a session that was just recorded. Raises ``GoldenError`` if it is not whole."""
    checked, (uid, opened) = verify_session(folder), opened_of(folder)
    if not checked.ok:
        raise GoldenError(f"{folder} does not verify: {checked.problems}")
    report = replay_session(folder)
    return Pin(
        folder.name,
        uid,
        opened.code_digest,
        checked.entries,
        checked.head_hash,
        report.recorded_digest,
    )


def judge(pin: Pin, waivers: Sequence[tuple[str, Waiver]], goldens: Path = GOLDENS) -> Judgement:
    """Verify and replay one golden, and hold it against its pin and the waivers."""
    folder = folder_of(pin, goldens)
    checked = verify_session(folder)
    if not checked.ok or (checked.entries, checked.head_hash) != (pin.entries, pin.head_hash):
        return Judgement(pin, None, f"is not the session that was pinned: {checked.problems}")
    try:
        uid, opened = opened_of(folder)
        report = replay_session(folder)
        digest, last = expected(pin, waivers)
    except (JournalError, ReplayError, GoldenError) as error:
        return Judgement(pin, None, str(error))
    if (uid, opened.code_digest, report.recorded_digest) != (pin.uid, pin.code_digest, pin.digest):
        return Judgement(pin, report, "is not the session that was pinned: its identity differs")
    return _judged(pin, report, digest, last)


def _judged(
    pin: Pin, report: ReplayReport, digest: str, last: tuple[str, WaivedGolden] | None
) -> Judgement:
    change = change_of(pin, report, digest)
    if report.outcome == "diverged":
        return Judgement(pin, report, f"diverged under its own code: {change.first_divergence}")
    if report.digest != digest:
        what = f"re-derives to {report.digest[:12]}, not to {digest[:12]}"
        where = change.first_divergence or "no recorded field differs"
        count = len(change.decisions)
        return Judgement(
            pin, report, f"{what}: {where}; {count} decisions differ. Needs a waiver", change
        )
    if last is not None and _what(last[1]) != _what(change):
        return Judgement(pin, report, f"{last[0]} does not say what replay finds")
    return Judgement(pin, report, None)


def _what(change: WaivedGolden) -> tuple[str, ...]:
    """What a waiver tells, without the causes in brackets and the values: those are the words of
    the replay of its day, and an honest waiver outlives them."""
    place = " ".join(change.first_divergence.split()[:3])
    return place, *(line.partition(" (")[0] for line in change.decisions)


def change_of(pin: Pin, report: ReplayReport, digest: str) -> WaivedGolden:
    """What a waiver holds of a replay: the digests, the first difference, every decision."""
    first = report.first_divergence
    told = ""
    if first is not None:
        told = (
            f"seq {first.seq} {first.kind} {first.field}: recorded {first.recorded!r}, "
            f"replayed {first.replayed!r}"
        )
    return WaivedGolden(
        pin.name, digest, report.digest, report.comparison, told, tuple(decision_lines(report))
    )


def decision_lines(report: ReplayReport) -> Iterator[str]:
    """One line for every decision that differs from the recorded one."""
    if report.decisions is not None:
        for kind in DIFF_KINDS:
            for one in getattr(report.decisions, kind):
                yield f"{kind} {_told(one)}"


def _told(one: Difference) -> str:
    before = f"{one.before} {one.before_reason} {_size(one.before_lots, one.before_contract)}"
    after = f"{one.after} {one.after_reason} {_size(one.after_lots, one.after_contract)}"
    told = f"{ist_time(one.ts)} {one.underlying}: {before} -> {after}"
    cause = one.first_cause
    if cause is None:
        return told
    words = (cause.kind, cause.stage, cause.gate, cause.contract_filter, cause.event)
    since = "" if cause.ts == one.ts else f" since {ist_time(cause.ts)}"
    return f"{told} ({' '.join(filter(None, words))}{since})"


def _size(lots: int, contract: str | None) -> str:
    return str(lots) if contract is None else f"{lots} {contract}"


def judge_all(goldens: Path = GOLDENS, waivers: Path = WAIVERS) -> list[Judgement]:
    """Every golden, in order. Raises ``GoldenError`` where there is none or a file is unusable."""
    pins, given = load_pins(goldens), load_waivers(waivers)
    folders = {path.name for path in goldens.iterdir() if path.is_dir()} if pins else set()
    names = {pin.name for pin in pins}
    if not pins or folders != names:
        odd = ", ".join(sorted(folders ^ names)) or "none at all"
        raise GoldenError(f"pins and golden sessions do not match: {odd}")
    unknown = {one.name for _, waiver in given for one in waiver.golden} - names
    if unknown:
        raise GoldenError(f"a waiver names no golden: {', '.join(sorted(unknown))}")
    return [judge(pin, given, goldens) for pin in pins]


# --- the command ---------------------------------------------------------------------------------


def write_waiver(
    slug: str, who: str, why: str, judged: Iterable[Judgement], folder: Path = WAIVERS
) -> Path:
    """Write the waiver for every change found. Raises ``GoldenError`` if nothing changed."""
    changes = [one.change for one in judged if one.change is not None]
    if not changes:
        raise GoldenError("every golden is as expected: there is nothing to waive")
    if not _SLUG.fullmatch(slug) or not who.strip() or not why.strip():
        raise GoldenError("a waiver needs a slug of a-z, 0-9 and -, a person and a reason")
    number = len(load_waivers(folder)) + 1
    lines = [f"who = {json.dumps(who)}", f"why = {json.dumps(why)}"]
    lines.append(f"code_digest = {json.dumps(own_code_digest())}")
    for change in changes:
        lines += ["", "[[golden]]", *_fields(change)]
    path = folder / f"{number:04}-{slug}.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def main(arguments: Sequence[str], goldens: Path = GOLDENS, waivers: Path = WAIVERS) -> int:
    """Judge, or write a waiver; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.goldens")
    verbs = parser.add_subparsers(dest="verb")
    waive = verbs.add_parser("waive", help="write the waiver for what has changed")
    waive.add_argument("slug")
    waive.add_argument("--who", required=True)
    waive.add_argument("--why", required=True)
    given = parser.parse_args(arguments)
    try:
        judged = judge_all(goldens, waivers)
        if given.verb == "waive":
            path = write_waiver(given.slug, given.who, given.why, judged, waivers)
            sys.stdout.write(f"{path}\n")
            judged = judge_all(goldens, waivers)
    except GoldenError as error:
        sys.stderr.write(f"goldens: {error}\n")
        return 1
    for one in judged:
        told = one.problem or f"{one.report.outcome if one.report else ''}, as expected"
        sys.stdout.write(f"{one.pin.name}: {told}\n")
    bad = [one for one in judged if one.problem]
    if any(one.change for one in bad):
        sys.stderr.write(f"If a change is meant, say so: {COMMAND}\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
