"""``axiom status``: the running engine in one screen.

Lives here: the verb. May import: adapters.control, ``cli``. Always holds: what is shown is what the
engine said of itself, with its age; where no engine answers, that is said and nothing else.
Start reading at ``command``.
"""

from __future__ import annotations

from typing import Any, Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError
from cli.options import Common, recorded_options

STALE_MS: Final = 5_000
"""An engine says how it is each second; after this its silence is the news."""


@click.command("status", epilog="Example: axiom status --json")
@recorded_options
def command(common: Common) -> int:
    """How the engine of a desk is: readiness, latency, counts, ages. It is not asked twice.

    Exit code 1 where it has said nothing for five seconds, 2 where no engine runs.
    """
    from adapters.control.client import ControlError, NoEngine, ask_status
    from adapters.control.place import runtime_folders

    try:
        answer = ask_status(runtime_folders(common.home, common.desk))
    except NoEngine as error:
        raise UserError(
            f"no engine of desk '{common.desk}' runs: 'axiom run --mode sim' starts one,"
            " 'axiom sessions' lists what was"
        ) from error
    except ControlError as error:
        raise UserError(
            f"{error}; 'axiom sessions' shows whether its session still runs"
        ) from error
    status, age_ms = answer.status, answer.age_ms
    if status is None or age_ms is None:
        raise UserError("the engine is starting and has said nothing yet: ask again in a second")
    document = {
        "session": status.session,
        "mode": status.mode,
        "readiness": status.readiness,
        "reasons": list(status.reasons),
        "seq": status.seq,
        "session_ts": status.session_ts,
        "age_ms": age_ms,
        **{figure.name: figure.value for figure in status.figures},
    }
    _show(document, common)
    return EXIT_BAD if age_ms > STALE_MS else EXIT_GOOD


def _show(document: dict[str, Any], common: Common) -> None:
    from cli.output import ist_time, pairs, show, write_json

    if common.json:
        write_json(document)
        return
    stale = document["age_ms"] > STALE_MS
    rows = [(name, _text(name, value, ist_time)) for name, value in document.items()]
    if stale:
        rows.insert(0, ("STALE", f"nothing said for {document['age_ms'] // 1_000} s"))
    show(pairs(rows))


def _text(name: str, value: Any, ist_time: Any) -> Any:
    if name == "session_ts":
        return f"{ist_time(value)} IST"
    return ", ".join(value) or "-" if isinstance(value, list) else value
