"""``axiom replay``: re-derive a session from its facts and compare.

Lives here: the verb. May import: everything, when it runs. Always holds: the chain is checked
first, by the reader, on the way; a session under other code is compared by its decisions and is no
failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, told_as_user_error
from cli.options import Common, recorded_options
from cli.output import say

if TYPE_CHECKING:
    from pathlib import Path

    from journal.errors import JournalCorrupt
    from replay.divergence import Link
    from replay.session import ReplayReport, Until


@click.command("replay", epilog="Example: axiom replay latest --until 11:30 --json")
@click.argument("session")
@click.option("--until", metavar="SEQ|TIME", help="Stop after this entry or session time.")
@recorded_options
def command(session: str, until: str | None, common: Common) -> int:
    """Re-derive everything from a SESSION's facts and compare it with what was recorded.

    Equal bytes: identical, exit 0. A difference under equal code: diverged, exit 1. Under other
    code: other_engine with the decisions that differ, exit 0. A damaged journal: exit 1.
    """
    from cli.run import session_progress
    from journal.errors import JournalCorrupt, JournalError
    from replay.session import ReplayError, replay_session

    folder = common.session(session)
    limit = _until(folder, until)
    with told_as_user_error(ReplayError, JournalError):
        try:
            with session_progress("replay", folder) as move:
                report = replay_session(folder, until=limit, on_progress=move)
        except JournalCorrupt as error:
            return _damaged(error, common)
    if common.json:
        from cli.output import write_json

        write_json(document(report))
    else:
        _tell(report)
    return EXIT_BAD if report.outcome == "diverged" else EXIT_GOOD


def _damaged(error: JournalCorrupt, common: Common) -> int:
    """A bad answer, not a failure to run: the same keys, of which only the problem is known."""
    from replay.session import ReplayReport

    say(f"axiom: the journal is damaged, so its replay proves nothing: {error}")
    if common.json:
        from cli.output import write_json

        keys = [name for name in ReplayReport.__struct_fields__ if name != "decisions"]
        write_json({**dict.fromkeys(keys), "identical": False, "problem": str(error)})
    return EXIT_BAD


def _until(folder: Path, text: str | None) -> Until | None:
    if text is None:
        return None
    from cli.output import parse_place
    from replay.session import Until

    seq, ts = parse_place(text, folder)
    return Until(seq, ts)


def document(report: ReplayReport) -> dict[str, Any]:
    """The report with the keys of the contract; the decision diff only where there is one."""
    import msgspec

    tree: dict[str, Any] = msgspec.to_builtins(report)
    if report.decisions is None:
        del tree["decisions"]
    return tree


def _tell(report: ReplayReport) -> None:
    from cli.differences import tell_makings

    click.echo(report.outcome)
    say(
        f"{report.facts:,} facts, {report.derivations:,} derivations compared by "
        f"{report.comparison}, {report.ticks_per_s:,} ticks per CPU second"
    )
    if report.unrecorded:
        say(f"{report.unrecorded} derivations of the last group were never written: a crash")
    first = report.first_divergence
    if first is not None:
        say(
            f"first difference: seq {first.seq} {first.kind} {first.field}: recorded "
            f"{first.recorded!r}, replayed {first.replayed!r}, caused by fact {first.cause}"
        )
        _tell_chain(first.chain)
    tell_makings(report.makings, ("recorded by", "here"))
    diff = report.decisions
    if diff is not None:
        same = "; every derivation is the same" if report.identical else ""
        say(
            f"recorded by other code: trades gained {len(diff.gained)}, lost {len(diff.lost)}, "
            f"sizes changed {len(diff.size_changed)}, reasons changed {len(diff.reason_changed)}"
            f"{same}"
        )
        say(
            f"to replay with the engine that recorded it, code {report.makings.code[0]}: "
            "docs/engines.toml says where it is, docs/REPLAY_OLD.md how"
        )


def _tell_chain(chain: tuple[Link, ...]) -> None:
    """What the entry that differs follows from, nearest first."""
    from projections.why import ist_iso

    for link in chain:
        packet = "" if link.packet is None else f", packet {link.packet} of {link.instrument}"
        say(f"  from seq {link.seq} {link.kind} {ist_iso(link.ts)[11:]}{packet}")
