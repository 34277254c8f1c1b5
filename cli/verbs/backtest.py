"""``axiom backtest``: run the engine on a market under a virtual clock.

Lives here: the verb. May import: everything, when it runs. Always holds: a command owns a fresh
virtual account; its first day carries nothing, later days carry from the day before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from cli.errors import UserError
from cli.load import load_config, load_rulebook, open_market, parse_day
from cli.options import Common, common_options
from cli.output import say
from cli.run import SEED_MAX, close_day, figures, run_day, rupees, told_when_interrupted

if TYPE_CHECKING:
    from engine.ports import Market
    from engine.rulebook import Rulebook
    from engine.runner import RunReport
    from events.session import SessionOpened

DAYS_MAX = 400


@click.command(
    "backtest",
    epilog="Example: axiom backtest synthetic --seed 7 --from 2026-11-19 --to 2026-11-20; after a"
    " crash: axiom backtest synthetic --resume SESSION",
)
@click.argument("market")
@click.option(
    "--seed",
    type=click.IntRange(0, SEED_MAX),
    default=7,
    show_default=True,
    help="Of synthetic markets.",
)
@click.option("--from", "first", metavar="DAY", help="First trading day (synthetic markets).")
@click.option("--to", "last", metavar="DAY", help="Last trading day, included.")
@click.option(
    "--cadence-ms",
    type=click.IntRange(min=100, max=3_600_000),
    help="Decision cadence of a synthetic market (its own is 1000).",
)
@click.option(
    "--resume", "crashed", metavar="SESSION", help="Go on with a session whose engine died."
)
@common_options
@click.pass_context
def command(
    context: click.Context,
    market: str,
    seed: int,
    first: str | None,
    last: str | None,
    cadence_ms: int | None,
    crashed: str | None,
    common: Common,
) -> int | None:
    """Run the engine over a MARKET's days at full speed.

    MARKET is synthetic, synthetic:PROFILE, chain:FILE.parquet or session:SESSION.

    With --resume the day goes on where its engine died, under the settings it began with; seed, day
    and cadence are the session's. After a change of code, schema or rulebook it is closed as
    crashed, and a successor goes on with its account. Days that the command had still to run are
    not run.
    """
    from engine.runner import carried_from

    if crashed is not None:
        _refuse_with_resume(context, common)
        _resume(market, crashed, common)
        return None
    if not _is_synthetic(market) and _is_given(context, "seed"):
        raise UserError(f"{market!r} has no seed, its day is recorded: leave --seed out")
    rulebook = load_rulebook(common)
    config = load_config(common.config)
    days: list[dict[str, Any]] = []
    report: RunReport | None = None
    with told_when_interrupted(common, market) as on_open:
        for source in _markets(market, common, rulebook, seed, first, last, cadence_ms):
            carried = carried_from(report, source.day) if report is not None else None
            report = run_day(common, source, config, rulebook, carried=carried, on_open=on_open)
            close_day(common, report.folder)
            days.append(figures(report))
            if not common.json:
                _tell(days[-1])
    if common.json:
        from cli.output import write_json

        write_json(_document(days))
    return None


def _is_synthetic(market: str) -> bool:
    return market.partition(":")[0] == "synthetic"


def _is_given(context: click.Context, option: str) -> bool:
    """Whether an option stands on the command line; its default is not given."""
    return context.get_parameter_source(option) is not ParameterSource.DEFAULT


def _refuse_with_resume(context: click.Context, common: Common) -> None:
    """What the session settles cannot be given again."""
    options = {"seed": "--seed", "first": "--from", "last": "--to", "cadence_ms": "--cadence-ms"}
    given = [option for name, option in options.items() if _is_given(context, name)]
    if common.config is not None:
        given.append("--config")
    if given:
        raise UserError(f"--resume goes on as the session began: leave {' and '.join(given)} out")


def _resume(name: str, session: str, common: Common) -> None:
    """Go on with a crashed day to its end, and close it (or it and its successor)."""
    from cli.run import resume_day

    folder = common.session(session)
    with told_when_interrupted(common, name) as on_open:
        on_open(folder)
        report = resume_day(common, folder, lambda opened: _market_of(name, opened, common))
    day = {**figures(report), "resumed": folder.name}
    if report.folder != folder:
        say(
            f"{folder.name} is closed (of another engine, or by hand): a successor goes on; its"
            " net is the day's, its ticks, decisions and trades are its own"
        )
    if common.json:
        from cli.output import write_json

        write_json(day)
    else:
        _tell(day)


def _market_of(name: str, opened: SessionOpened, common: Common) -> Market:
    """The market of a session, by its name on the command line and what the session says of it."""
    rulebook = load_rulebook(common)
    seed = opened.market.seed or 0
    if not _is_synthetic(name):
        return open_market(name, common, rulebook, seed=seed)
    cadence_ms = opened.cycle_rule.cadence_ms
    return open_market(name, common, rulebook, seed=seed, day=opened.day, cadence_ms=cadence_ms)


def _markets(
    name: str,
    common: Common,
    rulebook: Rulebook,
    seed: int,
    first: str | None,
    last: str | None,
    cadence_ms: int | None,
) -> Iterator[Market]:
    """The days asked for, each as a market."""
    if cadence_ms is not None and not _is_synthetic(name):
        raise UserError(f"{name!r} has a cadence of its own: leave --cadence-ms out")
    if first is None and last is None:
        yield open_market(name, common, rulebook, seed=seed, cadence_ms=cadence_ms)
        return
    if first is None or last is None:
        raise UserError("give both --from and --to")
    for day in _trading_days(rulebook, parse_day(first), parse_day(last)):
        yield open_market(name, common, rulebook, seed=seed, day=day, cadence_ms=cadence_ms)


def _trading_days(rulebook: Rulebook, first: int, last: int) -> list[int]:
    from engine.rulebook import add_days, days_from_day

    count = days_from_day(last) - days_from_day(first) + 1
    if not 1 <= count <= DAYS_MAX:
        raise UserError(f"--from {first} --to {last}: give 1 to {DAYS_MAX} days, first to last")
    days = [
        day for day in (add_days(first, i) for i in range(count)) if rulebook.is_trading_day(day)
    ]
    if not days:
        raise UserError(f"no trading day from {first} to {last} in the rulebook")
    return days


def _document(days: list[dict[str, Any]]) -> dict[str, Any]:
    """One day's figures as they are; of several the sums, the last session, and each day."""
    if len(days) == 1:
        return days[0]
    sums = ("facts", "derivations", "ticks", "decisions", "trades", "pnl_paise")
    return {**days[-1], **{key: sum(day[key] for day in days) for key in sums}, "days": days}


def _tell(day: dict[str, Any]) -> None:
    click.echo(day["session"])
    say(
        f"{day['ticks']:,} ticks, {day['decisions']:,} decisions, {day['trades']} trades, "
        f"net {rupees(day['pnl_paise'])}"
    )
    say(f"head {day['head_hash']} (keep it elsewhere: axiom verify --head)")
