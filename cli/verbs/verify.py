"""``axiom verify``: is a session what was written?

Lives here: the verb over the stand-alone verifier. May import: ``cli``, journal. Always holds: it
only reads; every problem is named with its place; exit 1 is reserved for a session that is not what
was written, a folder that holds none is exit 2.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError
from cli.options import Common, common_options

if TYPE_CHECKING:
    from journal.verify import Problem, VerifyReport

_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")
_OWN_FILES: Final = ("watermark", "manifest.json")


@click.command(name="verify")
@click.argument("session")
@click.option("--head", metavar="HASH", help="The head hash you kept elsewhere, to compare with.")
@common_options
def command(session: str, head: str | None, common: Common) -> int:
    """Check a session's integrity: chain, CRCs, seals, group marks, manifest, ledger.

    Exit code 1 when anything is not as it was written. A folder copied without its desk's ledger is
    a note, not a problem.

    \b
    Example:
        axiom verify latest --json
    """
    from cli.output import write_json
    from journal.session_folder import ledger_of
    from journal.verify import verify_session

    if head is not None and not _HASH.fullmatch(head):
        raise UserError(f"--head takes a head hash of 64 hex digits, not '{head}'")
    folder = common.session(session)
    report = verify_session(folder, ledger=ledger_of(folder))
    if _holds_nothing(folder, report):
        raise UserError(f"{folder} holds no journal: give a session's folder or id")
    answer = _answer(folder, report, head)
    if common.json:
        write_json(answer)
    else:
        _show(answer)
    return EXIT_GOOD if answer["ok"] else EXIT_BAD


def _holds_nothing(folder: Path, report: VerifyReport) -> bool:
    """No segment, no other file of a session, and no ledger that says there was one."""
    only = [problem.code for problem in report.problems] == ["JOURNAL_MISSING"]
    return only and not any((folder / name).exists() for name in _OWN_FILES)


def _answer(folder: Path, report: VerifyReport, head: str | None) -> dict[str, Any]:
    problems = [_problem(problem) for problem in report.problems]
    if head is not None and head.lower() != report.head_hash:
        message = f"the head hash is {report.head_hash}, not {head.lower()}"
        problems.append(
            {"code": "HEAD_DIFFERS", "message": message, "file": None, "offset": None, "seq": None}
        )
    return {
        "session": folder.name,
        "ok": not problems,
        "closed": report.closed,
        "entries": report.entries,
        "head_hash": report.head_hash,
        "problems": problems,
        "notes": list(report.notes),
    }


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
    verdict = "intact" if answer["ok"] else "NOT intact"
    end = "closed" if answer["closed"] else "open"
    show(f"{answer['session']} is {verdict}: {answer['entries']} entries, {end}")
    show(f"head {answer['head_hash']}")
