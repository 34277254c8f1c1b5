"""The verdict of a replay as a report holds it.

Lives here: the replay of a session and what of it a report shows. May import: replay, journal,
projections, ``cli``. Always holds: nothing that depends on this machine's speed is in it; a damaged
journal is a verdict, and a bad one. Start reading at ``parity_of``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from projections.report.inputs import Difference, Parity
    from replay.session import ReplayReport


def parity_of(folder: Path, published: Path) -> Parity:
    """Replay a session and compare. Raises ``AskError`` where the projection cannot be opened."""
    from cli.run import session_progress
    from journal.errors import JournalCorrupt, JournalError
    from replay.session import ReplayError, replay_session

    try:
        with session_progress("replay", folder) as move:
            report = replay_session(folder, on_progress=move)
    except JournalCorrupt as error:
        return _failed("damaged", published, error)
    except (ReplayError, JournalError) as error:
        return _failed("damaged" if getattr(error, "damage", False) else "failed", published, error)
    return _parity(report, published)


def _failed(outcome: Literal["damaged", "failed"], published: Path, error: Exception) -> Parity:
    from projections.duck.report import count_decisions
    from projections.report.inputs import no_verdict

    return no_verdict(outcome, count_decisions(published), str(error))


def _parity(report: ReplayReport, published: Path) -> Parity:
    from projections.duck.report import count_decisions
    from projections.report.inputs import Parity

    first, diff = report.first_divergence, report.decisions
    decisions = count_decisions(published, report.head_seq + 1)
    identical = decisions
    changes: tuple[tuple[str, int], ...] = ()
    if diff is not None:
        found = {
            "trades gained": len(diff.gained),
            "trades lost": len(diff.lost),
            "reasons changed": len(diff.reason_changed),
            "sizes changed": len(diff.size_changed),
        }
        changes = tuple((name, count) for name, count in found.items() if count)
        identical = max(decisions - diff.count, 0)
    elif first is not None:
        identical = count_decisions(published, first.seq)
    return Parity(
        outcome=report.outcome,
        decisions=decisions,
        identical=identical,
        facts=report.facts,
        derivations=report.derivations,
        comparison=report.comparison,
        recorded_digest=report.recorded_digest,
        digest=report.digest,
        recorded_code=report.makings.code[0],
        code=report.makings.code[1],
        first=_first(report),
        changes=changes,
        problem=None,
    )


def _first(report: ReplayReport) -> Difference | None:
    from projections.report.inputs import Difference

    first = report.first_divergence
    if first is None:
        return None
    return Difference(
        first.seq, first.kind, first.field, repr(first.recorded), repr(first.replayed), first.cause
    )
