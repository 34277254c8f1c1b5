"""``axiom verify``: is a session, or a whole desk, what was written?

Lives here: the verb over the stand-alone verifier. May import: ``cli``, journal. Always holds: it
only reads; every problem is named with its place; exit 1 is reserved for a session that is not what
was written, a folder that holds none is exit 2.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from journal.verify import Problem, VerifyReport

_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")
_NOWHERE: Final[dict[str, Any]] = {"file": None, "offset": None, "seq": None}
SESSIONS_NAME: Final = "sessions"
_OWN_FILES: Final = ("watermark", "manifest.json")


@click.command(name="verify")
@click.argument("session")
@click.option("--head", metavar="HASH", help="The head hash you kept elsewhere, to compare with.")
@recorded_options
def command(session: str, head: str | None, common: Common) -> int:
    """Check a session's integrity: chain, CRCs, seals, group marks, manifest, ledger.

    SESSION may also be the folder of a desk: then its ledger and every session in it are checked.

    Exit code 1 when anything is not as it was written, or a session that the desk's ledger names is
    not there. A folder copied without its desk's ledger is a note, not a problem. With --head the
    hash must be the session's, or for a desk that of one of the ledger's records.

    \b
    Example:
        axiom verify latest --json
    """
    from cli.output import write_json

    if head is not None and not _HASH.fullmatch(head):
        raise UserError(f"--head takes a head hash of 64 hex digits, not '{head}'")
    answer = _look(session, head.lower() if head is not None else None, common)
    if common.json:
        write_json(answer)
    else:
        _show(answer)
    return EXIT_GOOD if answer["ok"] else EXIT_BAD


def _look(session: str, head: str | None, common: Common) -> dict[str, Any]:
    desk = Path(session).expanduser() if os.sep in session or session == "." else None
    if desk is not None and (desk / SESSIONS_NAME).is_dir():
        return _desk(desk.absolute(), head)
    try:
        folder = common.session(session)
    except UserError:
        gone = _gone(session, common)
        if gone is None:
            raise
        return gone
    return _session(folder, head)


def _session(folder: Path, head: str | None) -> dict[str, Any]:
    """The answer for one session, and what its desk's ledger misses beside it."""
    from journal.session_folder import SESSIONS_NAME, ledger_of
    from journal.verify import missing_sessions, verify_session

    ledger, beside = ledger_of(folder), folder.resolve().parent
    report = verify_session(folder, ledger=ledger)
    if _holds_nothing(folder, report):
        raise UserError(f"{folder} holds no journal: give a session's folder or id")
    problems = [_problem(problem) for problem in report.problems]
    if ledger.exists() and beside.name == SESSIONS_NAME:
        problems += [_problem(one) for one in missing_sessions(ledger, beside)]
    if head is not None and head != report.head_hash:
        problems.append(_differs(f"the head hash is {report.head_hash}, not {head}"))
    return _answer(folder.name, report, problems)


def _gone(name: str, common: Common) -> dict[str, Any] | None:
    """The answer for a session that is not there and that the desk's ledger has closed."""
    from journal.session_folder import ledger_path, sessions_folder
    from journal.verify import read_ledger

    ledger = ledger_path(common.home, common.desk)
    if not ledger.is_file():
        return None
    records, problems, notes = read_ledger(ledger)
    for record in records:
        if record.get("session") == name:
            folder = sessions_folder(common.home, common.desk)
            message = f"the ledger names {name} and it is not in {folder}"
            missing = {"code": "SESSION_MISSING", "message": message, **_NOWHERE}
            return {
                "session": name,
                "ok": False,
                "closed": record.get("state") == "closed",
                "entries": 0,
                "head_hash": record.get("head_hash"),
                "problems": [{**missing, "file": ledger.name}, *map(_problem, problems)],
                "notes": list(notes),
            }
    return None


def _desk(desk: Path, head: str | None) -> dict[str, Any]:
    """The answer for a whole desk; its head is the hash of the ledger's last record."""
    from journal.verify import verify_desk

    report = verify_desk(desk)
    sessions = [
        _answer(name, one, [_problem(problem) for problem in one.problems])
        for name, one in report.sessions
    ]
    problems = [_problem(problem) for problem in report.problems]
    if head is not None and head not in report.hashes:
        problems.append(_differs(f"no record of the ledger has the hash {head}"))
    for one in sessions:
        problems += [{**p, "file": f"{one['session']}/{p['file']}"} for p in one["problems"]]
    return {
        "desk": desk.name,
        "ok": not problems,
        "records": len(report.hashes),
        "entries": sum(one["entries"] for one in sessions),
        "head_hash": report.hashes[-1] if report.hashes else None,
        "problems": problems,
        "notes": list(report.notes),
        "sessions": sessions,
    }


def _holds_nothing(folder: Path, report: VerifyReport) -> bool:
    """No segment, no other file of a session, and no ledger that says there was one."""
    only = [problem.code for problem in report.problems] == ["JOURNAL_MISSING"]
    return only and not any((folder / name).exists() for name in _OWN_FILES)


def _answer(name: str, report: VerifyReport, problems: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "session": name,
        "ok": not problems,
        "closed": report.closed,
        "entries": report.entries,
        "head_hash": report.head_hash,
        "problems": problems,
        "notes": list(report.notes),
    }


def _differs(message: str) -> dict[str, Any]:
    return {"code": "HEAD_DIFFERS", "message": message, **_NOWHERE}


def _problem(problem: Problem) -> dict[str, Any]:
    """A finding as an object. ``file`` is a name inside the folder, ``offset`` bytes in it."""
    return {
        "code": problem.code,
        "message": problem.message,
        "file": problem.file,
        "offset": problem.offset,
        "seq": problem.seq,
    }


def _show(answer: dict[str, Any]) -> None:
    from cli.output import clean, show

    for problem in answer["problems"]:
        places = [f"{word} {problem[word]}" for word in ("file", "offset", "seq")
                  if problem[word] is not None]  # fmt: skip
        where = f" ({', '.join(places)})" if places else ""
        show(clean(f"PROBLEM {problem['code']}: {problem['message']}{where}"))
    for note in answer["notes"]:
        show(clean(f"note: {note}"))
    if "desk" in answer:
        _show_desk(answer)
        return
    end = "closed" if answer["closed"] else "open"
    show(f"{answer['session']} is {_verdict(answer)}: {answer['entries']} entries, {end}")
    show(f"head {answer['head_hash']}")


def _verdict(answer: dict[str, Any]) -> str:
    """In a word; a session that is intact while another of its desk is gone is not called bad."""
    if answer["ok"]:
        return "intact"
    if any(problem["code"] != "SESSION_MISSING" for problem in answer["problems"]):
        return "NOT intact"
    return "intact, its desk is NOT" if answer["entries"] else "MISSING"


def _show_desk(answer: dict[str, Any]) -> None:
    from cli.output import clean, show

    for one in answer["sessions"]:
        for note in one["notes"]:
            show(clean(f"note: {one['session']}: {note}"))
    good = sum(one["ok"] for one in answer["sessions"])
    verdict = "intact" if answer["ok"] else "NOT intact"
    show(
        f"desk {answer['desk']} is {verdict}: {good} of {len(answer['sessions'])} sessions intact, "
        f"{answer['records']} in the ledger"
    )
    show(f"ledger head {answer['head_hash']} (keep it elsewhere: axiom verify --head)")
