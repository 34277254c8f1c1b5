"""``axiom demo``: a simulated trading day through the real pipeline.

Lives here: the verb. May import: everything, when it runs. Always holds: the day runs as any
backtest does; replay and projection follow its journal from processes of their own while it is
written, and what they say is what is shown.
Start reading at ``command``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError
from cli.load import load_config, load_rulebook, open_market
from cli.options import Common, common_options
from cli.output import say
from cli.run import (
    SEED_MAX,
    called_as,
    close_day,
    figures,
    run_day,
    rupees,
    stop_children,
    told_when_interrupted,
    writable_sessions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

MARKET: Final = "synthetic"
DEFAULT_SEED: Final = 1
CADENCE_MS: Final = 5_000
FOLLOWER_WAIT_S: Final = 600
SHOWN: Final = 12
FUNNEL_SQL: Final = (
    "SELECT stage, reason, count(*) AS n FROM v1.decisions GROUP BY ALL ORDER BY n DESC, stage"
)


@click.command("demo", epilog="Example: axiom demo --headless --json")
@click.option("--seed", type=click.IntRange(0, SEED_MAX), default=DEFAULT_SEED, show_default=True)
@click.option("--headless", is_flag=True, help="No terminal UI at the end.")
@common_options
def command(seed: int, headless: bool, common: Common) -> int:
    """Trade a whole simulated day at full speed, explain it, and replay it bit for bit.

    Decisions every 5 seconds of market time, on a synthetic day of Friday 20 November 2026. Ends in
    the terminal UI on that day unless --headless, --json or no terminal.
    """
    rulebook = load_rulebook(common)
    config = load_config(common.config)
    market = open_market(MARKET, common, rulebook, seed=seed, cadence_ms=CADENCE_MS)
    writable_sessions(common)
    say(
        f"A simulated trading day ({market.day}, seed {seed}): three indices, futures, option "
        "chains; decisions every 5 seconds."
    )
    started = time.monotonic()
    followers: list[subprocess.Popen[bytes]] = []
    with told_when_interrupted(common, MARKET) as begun:

        def on_open(folder: Path) -> None:
            begun(folder)
            followers.extend(_follow(folder))

        try:
            report = run_day(common, market, config, rulebook, on_open=on_open)
            verdict = _verdict(followers[0])
            _wait(followers[1], "the projection")
        finally:
            stop_children(followers)
        close_day(common, report.folder)
        funnel = _funnel(report.folder)
    took = time.monotonic() - started
    document = {**figures(report), "funnel": funnel, "replay": verdict}
    if common.json:
        from cli.output import write_json

        write_json(document)
    else:
        _tell(document, took)
    identical = verdict.get("identical") is True
    from cli.screen import on_terminal

    if identical and not (headless or common.json) and on_terminal():
        return _screen(report.folder, common)
    return EXIT_GOOD if identical else EXIT_BAD


def _follow(folder: Path) -> list[subprocess.Popen[bytes]]:
    """The two readers of the running journal, each a process of its own."""
    commands: tuple[Sequence[str], ...] = (
        ("replay", str(folder), "--follow"),
        ("projections.duck.projector", str(folder), "--follow"),
    )
    return [
        subprocess.Popen(
            [sys.executable, "-P", "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for arguments in commands
    ]


def _wait(child: subprocess.Popen[bytes], what: str) -> bytes:
    try:
        answer, complaint = child.communicate(timeout=FOLLOWER_WAIT_S)
    except subprocess.TimeoutExpired as error:
        child.kill()
        raise UserError(f"{what} did not finish in {FOLLOWER_WAIT_S} s") from error
    if child.returncode not in (EXIT_GOOD, EXIT_BAD):
        line = complaint.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise UserError(f"{what} failed: {line[0]}")
    return answer


def _verdict(child: subprocess.Popen[bytes]) -> dict[str, Any]:
    """What the replay that followed the run says, with the keys of ``axiom replay``."""
    import msgspec

    tree: dict[str, Any] = msgspec.json.decode(_wait(child, "the replay"))
    tree.pop("decisions", None)
    return tree


def _funnel(folder: Path) -> list[dict[str, Any]]:
    from projections.duck.projector import ensure_projection
    from projections.duck.query import run_query

    return run_query(ensure_projection(folder), FUNNEL_SQL).objects()


def _tell(document: dict[str, Any], took_s: float) -> None:
    click.echo("", err=True)
    say("Why no trade, by stage and reason:")
    funnel = document["funnel"]
    for row in funnel[:SHOWN]:
        click.echo(f"{row['n']:>7,}  {row['stage']:<24} {row['reason']}")
    if len(funnel) > SHOWN:
        click.echo(
            f"         and {len(funnel) - SHOWN} more: axiom why latest --from 09:15 --to 15:40"
        )
    replay = document["replay"]
    click.echo(
        f"{document['ticks']:,} ticks, {document['decisions']:,} decisions, "
        f"{document['trades']} trades, net of charges {rupees(document['pnl_paise'])}"
    )
    click.echo(
        f"replay: {replay['outcome']} (identical: {str(replay['identical']).lower()}), "
        f"{replay['derivations']:,} derivations compared"
    )
    click.echo(f"session: {document['session']}")
    click.echo(f"head: {document['head_hash']} (keep it elsewhere: axiom verify --head)")
    say(f"took {took_s:.0f} s; ask on: {called_as()} why latest --underlying NIFTY --at 11:30")


def _screen(folder: Path, common: Common) -> int:
    from cli.screen_ports import ports_of
    from tui.ports import Opened
    from tui.run import run

    ports = ports_of(common, Opened(folder.name, folder, False))
    return run(folder, live=False, ports=ports, ports_of=partial(ports_of, common))
