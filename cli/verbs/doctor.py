"""``axiom doctor``: is this machine ready, and what stands against LIVE.

Lives here: the verb. May import: ``cli``. Always holds: every check is a row with its reason code;
nothing is changed, and nobody outside is asked who was not named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError
from cli.options import Common, common_options

if TYPE_CHECKING:
    from cli.doctor.check import Context

_CODE_WIDTH: Final = 18


@click.command(name="doctor")
@click.option("--live", is_flag=True, help="Judge as LIVE does: all its preconditions.")
@click.option("--ntp", metavar="HOST", help="Ask this time server (HOST or HOST:PORT).")
@click.option("--address", metavar="IP", help="The address that messages are known to leave from.")
@common_options
def command(live: bool, ntp: str | None, address: str | None, common: Common) -> int:
    """Look at everything a run needs: versions, disk, clock, rules, sessions, login.

    Exit code 1 when something is bad. With --live what cannot be found out is bad too, and the list
    is that of docs/LIVE.md.

    \b
    Examples:
        axiom doctor
        axiom doctor --live --ntp time.example.org --json
    """
    from cli.doctor.table import as_documents, is_good, run_checks
    from cli.output import clean, show, write_json

    rows = run_checks(_context(common, live, ntp, address))
    ok = is_good(rows)
    if common.json:
        write_json({"ok": ok, "live": live, "checks": as_documents(rows)})
        return EXIT_GOOD if ok else EXIT_BAD
    for row in rows:
        show(f"{row.verdict:4}  {row.code:{_CODE_WIDTH}}  {clean(row.sentence)}")
        if row.what_to_do is not None:
            show(f"{'':{_CODE_WIDTH + 6}}  to do: {clean(row.what_to_do)}")
    bad = sum(row.verdict == "bad" for row in rows)
    warned = sum(row.verdict == "warn" for row in rows)
    purpose = "LIVE" if live else "backtests and replays"
    ready = "ready" if ok else "not ready"
    show(f"{ready} for {purpose}: {bad} bad, {warned} warnings, {len(rows)} checks")
    return EXIT_GOOD if ok else EXIT_BAD


def _context(common: Common, live: bool, ntp: str | None, address: str | None) -> Context:
    """Where the checks look; a configuration that is at fault is a row like any other."""
    from msgspec.structs import replace

    from cli.doctor.check import Context
    from cli.load import load_config, load_machine
    from cli.machine import MachineError, MachineSettings, machine_settings
    from engine.config import DEFAULTS

    settings, fault, config = MachineSettings(), None, DEFAULTS
    try:
        config = load_config(common.config)
        settings = load_machine(common.config)
    except UserError as error:
        fault = str(error)
    if ntp is not None:
        try:
            machine_settings({"live": {"ntp_host": ntp}})
        except MachineError as error:
            raise UserError(f"--ntp: {error}") from error
        settings = replace(settings, ntp_host=ntp)
    return Context(
        common.home, common.desk, live, settings, fault, seen_address=address, config=config
    )
