"""``axiom sweep``: recorded sessions under every configuration of a grid.

Lives here: the verb over ``replay.sweep``. May import: everything, when it runs. Always holds: what
is kept lies under ``derived/`` of the desk, outside the ledger and ``latest``; the table of a sweep
is the same for any number of workers and however often it was stopped.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import UserError, told_as_user_error
from cli.options import Common, common_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.config import Config
    from replay.sweep import FinishedRun, SweepPlan, SweepSource

ALL: Final = "all"
FOLDER: Final = "sweeps"
WORKERS_MAX: Final = 64


@click.command("sweep")
@click.option(
    "--sessions", "first", metavar="SESSION...", multiple=True, required=True,
    help="Ids, folders, 'latest' or 'all'; several after one another, or with commas.",
)  # fmt: skip
@click.argument("more", metavar="", nargs=-1)
@click.option("--grid", metavar="FILE", required=True, help="TOML: a list of values a setting.")
@click.option(
    "--workers", metavar="N", type=click.IntRange(1, WORKERS_MAX), default=None,
    help="Processes; default: one a processor.",
)  # fmt: skip
@common_options
def command(
    first: tuple[str, ...], more: tuple[str, ...], grid: str, workers: int | None, common: Common
) -> None:
    """Run sessions' facts under every combination of a grid: one row a decision.

    The grid's values are laid over each session's own configuration (and --config, where given). A
    run that was stopped goes on where it was when the same command is given again. The table is a
    Parquet file below the desk's 'derived' folder; --json has its rows too.

    \b
    Example:
        axiom sweep --sessions latest --grid grid.toml --json
    where grid.toml says:
        [risk]
        trades_day_max = [1, 2, 4]
    """
    from cli.load import load_config, read_toml
    from cli.paths import desk_folder
    from cli.run import told_as_engine_fault
    from journal.errors import JournalError
    from replay.session import ReplayError
    from replay.sweep import SweepError, grid_of, plan_sweep

    def change(recorded: Config) -> Config:
        return load_config(common.config, recorded)

    path = Path(grid).expanduser()
    place = desk_folder(common.home, common.desk) / "derived" / FOLDER
    with told_as_user_error(SweepError, ReplayError, JournalError), told_as_engine_fault():
        values = grid_of(read_toml(path))
        plan = plan_sweep(_sources(common, (*first, *more)), values, place, change)
        count = workers or os.cpu_count() or 1
        done = _run(plan, count)
    if common.json:
        _write_document(plan, done)
    else:
        _tell(plan, done)


def _run(plan: SweepPlan, workers: int) -> Sequence[FinishedRun]:
    from cli.paths import make_private
    from cli.run import progress
    from replay.sweep import run_sweep

    make_private(plan.folder)
    with progress("sweep", 0, plan.entries) as move:
        return run_sweep(plan, workers=workers, on_entries=move)


def _sources(common: Common, words: Sequence[str]) -> list[SweepSource]:
    """The sessions as they are named, each once. ``UserError`` for one that is still written."""
    from cli.paths import list_sessions
    from cli.recorded import RUNNING, state_and_end
    from replay.sweep import SweepSource

    folders: dict[Path, None] = {}
    for name in (part for word in words for part in word.split(",")):
        found = list_sessions(common.home, common.desk) if name == ALL else [common.session(name)]
        folders.update(dict.fromkeys(folder.resolve() for folder in found))
    if not folders:
        raise UserError(f"desk '{common.desk}' has no session in {common.home}: try 'axiom demo'")
    sources = []
    for folder in folders:
        state, end = state_and_end(folder)
        if state == RUNNING:
            raise UserError(f"{folder.name} is still written: sweep it when it has ended")
        sources.append(SweepSource(folder, end.seq, end.chain))
    return sources


def _run_row(run: FinishedRun) -> dict[str, Any]:
    plan, figures = run.plan, run.figures
    return {
        "run": plan.run,
        "session": plan.session,
        "configuration": plan.configuration,
        "settings": plan.settings,
        "facts": figures.facts,
        "derivations": figures.derivations,
        "decisions": figures.decisions,
        "trades": figures.trades,
        "pnl_paise": figures.pnl_paise,
        "digest": figures.digest,
    }


def _write_document(plan: SweepPlan, runs: Sequence[FinishedRun]) -> None:
    """The document, its table row by row: it may be long."""
    import polars

    head = {
        "sweep": plan.folder.name,
        "file": str(plan.table_path),
        "resumed": sum(run.resumed for run in runs),
        "runs": [_run_row(run) for run in runs],
    }
    click.echo(json.dumps(head, indent=2)[: -len("\n}")] + ',\n  "table": [')
    table = polars.read_parquet(plan.table_path)
    last = table.height - 1
    for place, row in enumerate(table.iter_rows(named=True)):
        row["ts_ist"] = row["ts_ist"].isoformat()
        click.echo(f"    {json.dumps(row)}{',' if place < last else ''}")
    click.echo("  ]\n}")


def _tell(plan: SweepPlan, runs: Sequence[FinishedRun]) -> None:
    from cli.output import say, show, table
    from cli.run import rupees

    resumed = sum(run.resumed for run in runs)
    if resumed:
        say(f"{resumed} of {len(runs)} runs were finished before")
    keys = list(runs[0].plan.settings)
    rows = [
        [run.plan.run, run.plan.session, *run.plan.settings.values(), run.figures.decisions,
         run.figures.trades, rupees(run.figures.pnl_paise)]
        for run in runs
    ]  # fmt: skip
    show(table(["run", "session", *keys, "decisions", "trades", "result"], rows))
    show(f"table: {plan.table_path}")
