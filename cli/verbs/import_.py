"""``axiom import``: look at a recorded file before anything trades on it.

Lives here: ``chain``. May import: ``cli``, adapters' reports. Always holds: the file is only read;
what is described is the market that a backtest of the same file would see.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, told_as_user_error
from cli.load import load_rulebook
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from adapters.markets.chain_report import ChainReport


@click.group(name="import")
def command() -> None:
    """Check and describe a recorded file.

    \b
    Example:
        axiom import chain NIFTY_option_chain_2025-08-29.parquet
    """


@command.command(name="chain")
@click.argument("file", type=click.Path(path_type=Path))
@recorded_options
def import_chain(file: Path, common: Common) -> int:
    """Check and describe a day of option-chain snapshots (Parquet).

    Exit code 1 when the day contradicts its own schema or the exchange's rules; oddities that a
    good day has are notes. Nothing is copied: trade on it with 'axiom backtest chain:FILE'.

    \b
    Example:
        axiom import chain NIFTY_option_chain_2025-08-29.parquet --json
    """
    from adapters.markets.chain_report import describe_chain
    from cli.output import plain, write_json
    from engine.ports import MarketError

    with told_as_user_error(MarketError):
        report = describe_chain(file.expanduser(), load_rulebook(common))
    if common.json:
        write_json({"file": str(file), "ok": not report.problems, **plain(report)})
    else:
        _show(file, report)
    return EXIT_BAD if report.problems else EXIT_GOOD


def _show(file: Path, report: ChainReport) -> None:
    from cli.output import clean, ist_time, pairs, show
    from engine.rulebook import iso_day

    gaps = ", ".join(f"{ist_time(g.from_ts)} to {ist_time(g.to_ts)}" for g in report.gaps)
    ages = f"{report.stamp_age_s_median} s in the median, {report.stamp_age_s_max} s at worst"
    show(
        pairs(
            [
                ("file", file),
                ("underlying", report.underlying),
                ("day", iso_day(report.day)),
                ("snapshots", report.snapshots),
                ("from, to", f"{ist_time(report.first_ts)} to {ist_time(report.last_ts)} IST"),
                ("rows", report.rows),
                ("contracts", report.contracts),
                ("expiries", ", ".join(map(iso_day, report.expiries))),
                ("packets", report.packets),
                ("index prints", f"{report.index_prints} (estimated)"),
                ("quiet pages", report.quiet_pages),
                ("stale pages", report.stale_pages),
                ("gaps", gaps or "none"),
                ("age of stamps", ages),
                ("content", report.content_digest),
            ]
        )
    )
    for problem in report.problems:
        show(clean(f"PROBLEM {problem}"))
    for note in report.notes:
        show(clean(f"note: {note}"))
