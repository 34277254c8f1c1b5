"""``axiom watchdog``: a process of its own that tells a person what the engine cannot.

Lives here: the verb: its configuration, its lock, its turns. May import: ``cli``, adapters.alerts.
Always holds: one watchdog a desk; it ends by being stopped, or with the session where that was
asked for; no line that it says holds a secret.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from cli.errors import UserError, told_as_user_error
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from adapters.alerts.settings import Settings

TURN_S: Final = 1.0
LOCK_NAME: Final = "watchdog.lock"
MODES: Final = ("live", "paper", "sim", "record", "none")


@click.command(name="watchdog")
@click.option("--alerts", metavar="FILE", help="Where alerts go (else alerts.toml in the home).")
@click.option("--expect", type=click.Choice(MODES), help="The mode whose session must begin.")
@click.option("--until-closed", is_flag=True, help="End when the session that runs is closed.")
@recorded_options
def command(common: Common, alerts: str | None, expect: str | None, until_closed: bool) -> None:
    """Watch a desk and send alerts, by Telegram and a webhook.

    It reads the journal and looks at the process: incidents of severity 1 and 2, an order whose
    fate is unknown, an approval that is wanted, no session by 09:10 on a trading day, an engine
    that is silent or gone. FILE is private (chmod 600); docs/OPERATING.md shows one.

    \b
    Example:
        axiom watchdog --expect live
    """
    from adapters.alerts.channels import Dispatcher, channels_of
    from cli.load import load_rulebook
    from cli.output import say
    from cli.watching import Watching
    from journal.errors import JournalLocked
    from journal.lock import FileLock

    settings = _settings(common, alerts, expect)
    channels = channels_of(settings)
    rulebook = load_rulebook(common)
    try:
        lock = FileLock.take(_lock_path(common))
    except JournalLocked as error:
        raise UserError(
            f"a watchdog of desk '{common.desk}' runs already: {error.message}"
        ) from error
    dispatcher = Dispatcher(channels, say, time.sleep)
    watching = Watching(
        common.home, common.desk, settings.timing, rulebook, dispatcher, time.time_ns
    )
    ways = ", ".join(one.name for one in channels) or "no channel, so news is said here alone"
    say(f"watching desk '{common.desk}': {ways}")
    try:
        watching.turn()
        while not (until_closed and watching.closed):
            time.sleep(TURN_S)
            watching.turn()
    finally:
        watching.close()
        lock.release()


def _settings(common: Common, alerts: str | None, expect: str | None) -> Settings:
    from msgspec.structs import replace

    from adapters.alerts.settings import FILE_NAME, AlertsError, Settings, Timing, read_settings

    path = common.home / FILE_NAME if alerts is None else Path(alerts).expanduser()
    with told_as_user_error(AlertsError):
        if alerts is None and not path.exists():
            settings = Settings(None, None, Timing())
        else:
            settings = read_settings(path)
    wanted = expect or settings.timing.expect
    if wanted not in MODES:
        raise UserError(f"{path}: timing.expect is one of {', '.join(MODES)}")
    return replace(settings, timing=replace(settings.timing, expect=wanted))


def _lock_path(common: Common) -> Path:
    from cli.paths import desk_folder, make_private

    return make_private(desk_folder(common.home, common.desk)) / LOCK_NAME
