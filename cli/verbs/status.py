"""``axiom status``: the running engine in one screen.

Lives here: the verb. May import: adapters.control, ``cli``. Always holds: what is shown is what the
engine said of itself, with its age; where no engine answers, that is said and nothing else.
Start reading at ``command``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from adapters.control.protocol import Status

STALE_MS: Final = 5_000
"""An engine says how it is each second; after this its silence is the news."""

APPROVALS: Final = "approvals"
INCIDENTS: Final = "incidents"


@click.command("status", epilog="Example: axiom status --json")
@recorded_options
def command(common: Common) -> int:
    """How the engine of a desk is: readiness, latency, counts, ages, and what waits for a person:
    approvals that are asked for and incidents that are open, each with its id.

    It is not asked twice. Exit code 1 where it has said nothing for five seconds, 2 where no engine
    runs.
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
    _show(_document(status, age_ms), common)
    return EXIT_BAD if age_ms > STALE_MS else EXIT_GOOD


def _document(status: Status, age_ms: int) -> dict[str, Any]:
    """The keys of ``--json``."""
    return {
        "session": status.session,
        "mode": status.mode,
        "readiness": status.readiness,
        "reasons": list(status.reasons),
        "seq": status.seq,
        "session_ts": status.session_ts,
        "age_ms": age_ms,
        **{figure.name: figure.value for figure in status.figures},
        APPROVALS: [_named(one) for one in status.approvals],
        INCIDENTS: [_named(one) for one in status.incidents],
    }


def _named(row: Any) -> dict[str, Any]:
    """A row's fields by their names."""
    return {name: getattr(row, name) for name in row.__struct_fields__}


def _show(document: dict[str, Any], common: Common) -> None:
    from cli.output import ist_time, pairs, show, write_json

    if common.json:
        write_json(document)
        return
    stale = document["age_ms"] > STALE_MS
    listed = (APPROVALS, INCIDENTS)
    rows = [(n, _text(n, value, ist_time)) for n, value in document.items() if n not in listed]
    if stale:
        rows.insert(0, ("STALE", f"nothing said for {document['age_ms'] // 1_000} s"))
    show(pairs(rows))
    _show_approvals(document[APPROVALS])
    _show_incidents(document[INCIDENTS])


def _show_approvals(approvals: list[dict[str, Any]]) -> None:
    """What waits for a person, with what he approves, and the words for it."""
    from cli.output import show, table
    from cli.run import rupees

    if not approvals:
        return
    heads = ("approval", "strategy", "side", "contract", "units", "from", "to", "stop", "target",
             "risk", "expires_s")  # fmt: skip
    prices = ("low_paise", "high_paise", "stop_paise", "target_paise", "risk_paise")
    rows = [
        [*(one[name] for name in ("request_id", "strategy", "side", "contract", "units")),
         *(rupees(one[name]) for name in prices), one["expires_s"]]
        for one in approvals
    ]  # fmt: skip
    legs = "".join(
        f"\n{one['request_id']} sells {one['sold_contract']} against it,"
        f" for {rupees(one['sold_low_paise'])} or more"
        for one in approvals
        if one["sold_contract"] is not None
    )
    show(f"\n{table(heads, rows)}{legs}\naxiom approve ID or axiom reject ID answers one")


def _show_incidents(incidents: list[dict[str, Any]]) -> None:
    """What is open, the worst first."""
    from cli.output import ist_time, show, table

    if not incidents:
        return
    heads = ("incident", "severity", "code", "subject", "since", "acknowledged")
    rows = [
        [one["incident_id"], one["severity"], one["code"], one["subject"],
         f"{ist_time(one['since_ts'])} IST", "yes" if one["acknowledged"] else "no"]
        for one in incidents
    ]  # fmt: skip
    show(
        f"\n{table(heads, rows)}\naxiom explain CODE says what to do, axiom ack ID that it is seen"
    )


def _text(name: str, value: Any, ist_time: Any) -> Any:
    if name == "session_ts":
        return f"{ist_time(value)} IST"
    return ", ".join(value) or "-" if isinstance(value, list) else value
