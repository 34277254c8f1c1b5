"""``axiom whatif``: the same facts under another configuration.

Lives here: the verb. May import: everything, when it runs. Always holds: both runs are sessions
under ``derived/`` of the desk; neither is in the ledger, and neither is ever ``latest``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli import __version__
from cli.differences import SHOWN, tell_differences
from cli.errors import UserError, told_as_user_error
from cli.load import load_config
from cli.options import Common, common_options
from cli.output import clean, say, show
from cli.paths import desk_folder, make_private

if TYPE_CHECKING:
    from engine.config import Config
    from replay.whatif import Unrecorded, WhatIf

DERIVED = "derived"


@click.command("whatif", epilog="Example: axiom whatif latest --config wider.toml --json")
@click.argument("session")
@common_options
def command(session: str, common: Common) -> None:
    """Run a SESSION's facts under the settings of --config, and list which decisions differ.

    The baseline is the recorded configuration through the same paper broker. Each difference
    names the gate that judged otherwise, or the earlier difference that it follows from.
    """
    from cli.run import session_progress, told_as_engine_fault
    from journal.errors import JournalError
    from replay.session import ReplayError
    from replay.whatif import whatif

    if common.config is None:
        raise UserError("what if what? give the other settings with --config FILE")
    folder = common.session(session)
    path = common.config
    derived = desk_folder(common.home, common.desk) / DERIVED

    def other(recorded: Config) -> Config:
        config = load_config(path, recorded)
        make_private(derived)  # not before: a file that cannot be read changes nothing
        return config

    with (
        told_as_user_error(ReplayError, JournalError),
        told_as_engine_fault(),
        session_progress("whatif", folder) as move,
    ):
        found = whatif(folder, derived, other, program=f"axiom {__version__}", on_progress=move)
    if not found.changed:
        say(f"{path} changes nothing of the recorded configuration")
    if common.json:
        from cli.output import write_json

        write_json(_document(found))
    else:
        _tell(found)


def _document(found: WhatIf) -> dict[str, Any]:
    import msgspec

    diff: dict[str, Any] = msgspec.to_builtins(found.diff)
    return {
        "session": found.session.name,
        "baseline": found.baseline.name,
        **diff,
        "not_recorded": found.not_recorded,
        "not_recorded_instruments": [msgspec.to_builtins(one) for one in found.unrecorded],
        "changed": list(found.changed),
        "folder": str(found.session),
        "baseline_folder": str(found.baseline),
    }


def _tell(found: WhatIf) -> None:
    for line in found.changed:
        show(clean(line))
    tell_differences(found.diff)
    _tell_unrecorded(found.unrecorded)
    show(f"the run is a session to ask (axiom why {found.session}), the baseline one beside it;")
    show(f"both may be deleted, as may all of {found.session.parent}")


def _tell_unrecorded(unrecorded: tuple[Unrecorded, ...]) -> None:
    """Instruments of which nobody can say anything, those that would have been looked at first."""
    show(f"instruments without a recorded quote (UNKNOWN NOT_RECORDED): {len(unrecorded)}")
    first = sorted(unrecorded, key=lambda one: not one.looked_at)
    for one in first[:SHOWN]:
        looked = ", looked at by the other configuration" if one.looked_at else ""
        show(f"  {clean(one.tradingsymbol)} of {clean(one.underlying)}{looked}")
    if len(first) > SHOWN:
        show(f"  and {len(first) - SHOWN} more: use --json")
