"""``axiom export``: a session as Parquet for any tool, or what people outside ask for.

Lives here: the verb. May import: ``cli``, projections. Always holds: it writes into a folder that
is new or empty, so that no export is a mixture of two; the same session gives the same bytes.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError, told_as_user_error
from cli.options import Common, anew_option, recorded_options

_SECOND_NS: Final = 1_000_000_000


@click.command(name="export")
@click.argument("session")
@click.option(
    "--to", "target", metavar="DIR", required=True, type=click.Path(path_type=Path),
    help="A folder that is new or empty.",
)  # fmt: skip
@click.option(
    "--compliance", is_flag=True,
    help="Instead: every order with its unbroken chain, and the journal that proves it.",
)  # fmt: skip
@click.option(
    "--legacy",
    is_flag=True,
    help="Instead: the files of the bot before, as far as they mean what they meant.",
)
@click.option(
    "--incident", metavar="ID",
    help="Instead: a redacted window of the journal around this incident (I1, I2, ...).",
)  # fmt: skip
@click.option(
    "--around", metavar="TIME", default="1m", show_default=True,
    help="Of --incident: so long before and behind it, 30s or 5m.",
)  # fmt: skip
@click.option("--from", "begin", metavar="T", help="Instead: such a window from this time on.")
@click.option("--until", "end", metavar="T", help="And up to this one, included.")
@click.option("--frames", is_flag=True, help="Of a window: with the bytes of its ticks.")
@anew_option
@recorded_options
def command(
    session: str,
    target: Path,
    compliance: bool,
    legacy: bool,
    incident: str | None,
    around: str,
    begin: str | None,
    end: str | None,
    frames: bool,
    anew: bool,
    common: Common,
) -> int:
    """Write the ticks and every contract of a SESSION as Parquet files into a folder.

    With --compliance the pack for an auditor: each order from tick to fill, what to keep and how
    long, the sealed journal, and a verifier that needs nothing else of ours. It is of a closed
    session. Exit code 1: an order's chain is broken, and the pack says where.

    With --incident, or --from and --until (IST), a window of the journal to hand to others:
    accounts, addresses, people and keys are taken out and listed, and what is left proves what it
    can. With --legacy gate_status.jsonl, blocked_candidates.jsonl, incidents.jsonl and
    sla_check.json. docs/COMPLIANCE.md tells all of these.

    \b
    Example:
        axiom export latest --to day --json
        axiom export latest --to pack --compliance
        axiom export latest --to bundle --incident I1 --around 5m
        axiom export latest --to old --legacy
        axiom export latest --to window --from 11:30 --until 11:32
    """
    from cli.recorded import first_fact

    folder = common.session(session)
    first_fact(folder)  # nothing is made in a folder that holds no session
    place = _empty(target)
    windowed = incident is not None or begin is not None or end is not None
    kinds = (("--compliance", compliance), ("--legacy", legacy), ("a window", windowed))
    _must_be_one(kinds, twice=incident is not None and (begin or end) is not None)
    if frames and not windowed:
        raise UserError("--frames goes with --incident, or with --from and --until")
    if windowed:
        return _window(folder, place, common, (incident, around, begin, end), frames=frames)
    if legacy:
        return _legacy(folder, place, common)
    if compliance:
        return _compliance(folder, place, common)
    return _contracts(folder, place, common, anew=anew)


def _contracts(folder: Path, place: Path, common: Common, *, anew: bool) -> int:
    from cli.output import say, show, table, write_json
    from journal.errors import JournalError
    from projections.duck.export import export_session
    from projections.duck.store import ProjectionError

    unsaid: list[str] = []  # said with the answer, so that a refusal stays one line
    hear = say if sys.stderr.isatty() else unsaid.append
    with told_as_user_error(JournalError, ProjectionError):
        files = export_session(folder, place, say=hear, anew=anew)
    for line in unsaid:
        say(line)
    rows = [
        {"file": str(f.file), "contract": f.contract, "rows": f.rows, "sha256": f.sha256}
        for f in files
    ]
    if common.json:
        write_json({"session": folder.name, "files": rows})
    else:
        show(table(("file", "rows"), [(row["file"], row["rows"]) for row in rows]))
        show(f"{len(rows)} files in {place}")
    return EXIT_GOOD


def _compliance(folder: Path, place: Path, common: Common) -> int:
    from cli.output import show, write_json
    from cli.run import session_progress
    from projections.packs.compliance import write_compliance_pack

    with _pack_errors(), session_progress("export", folder) as move:
        pack = write_compliance_pack(folder, place, on_seq=move)
    complete = pack.orders - len(pack.broken)
    if common.json:
        write_json(
            {
                "session": pack.session,
                "files": _files(place, pack.files),
                "orders": pack.orders,
                "complete": complete,
                "broken": [
                    {"order_id": order_id, "missing": list(missing)}
                    for order_id, missing in pack.broken
                ],
                "head_hash": pack.head_hash,
                "pack_sha256": pack.pack_sha256,
            }
        )
    else:
        for order_id, missing in pack.broken:
            show(f"BROKEN {order_id}: {', '.join(missing)}")
        show(f"{complete} of {pack.orders} orders with an unbroken chain, in {place}")
        show(f"head {pack.head_hash}\npack {pack.pack_sha256}")
        show(f"check it: python {place / 'verify.py'} {place}")
    return EXIT_BAD if pack.broken else EXIT_GOOD


def _must_be_one(kinds: tuple[tuple[str, bool], ...], *, twice: bool) -> None:
    """One kind of export a folder."""
    asked = [name for name, wanted in kinds if wanted]
    if len(asked) > 1:
        raise UserError(f"{' and '.join(asked)} are two exports: give each a folder of its own")
    if twice:
        raise UserError("give --incident, or --from and --until, not both")


def _legacy(folder: Path, place: Path, common: Common) -> int:
    from cli.output import show, table, write_json
    from cli.run import session_progress
    from projections.packs.legacy import write_legacy_files

    with _pack_errors(), session_progress("export", folder) as move:
        told = write_legacy_files(folder, place, on_seq=move)
    if common.json:
        files = _files(place, told.files)
        rows = {str(place / name): count for name, count in told.rows.items()}
        write_json(
            {
                "session": told.session,
                "files": [{**one, "rows": rows.get(str(one["file"]))} for one in files],
            }
        )
    else:
        show(table(("file", "rows"), [(str(place / name), n) for name, n in told.rows.items()]))
        show(f"what is gone and what is different: {place / 'LEGACY.txt'}")
    return EXIT_GOOD


def _window(
    folder: Path,
    place: Path,
    common: Common,
    asked: tuple[str | None, str, str | None, str | None],
    *,
    frames: bool,
) -> int:
    from cli.output import parse_time, show, table, write_json
    from cli.recorded import first_fact
    from cli.verbs.run import seconds_of
    from projections.packs.incident import Window, write_incident_bundle

    incident, around, begin, end = asked
    day = first_fact(folder).day
    window = Window(
        from_ts=parse_time(begin, day) if begin is not None else None,
        to_ts=parse_time(end, day) if end is not None else None,
        incident_id=incident,
        around_ns=int(seconds_of(around)) * _SECOND_NS,
    )
    with _pack_errors():
        bundle = write_incident_bundle(folder, place, window, frames=frames)
    if common.json:
        write_json(
            {
                "session": bundle.session,
                "files": _files(place, bundle.files),
                "entries": bundle.entries,
                "first_seq": bundle.first_seq,
                "last_seq": bundle.last_seq,
                "redacted": bundle.redacted,
                "head_hash": bundle.head_hash,
                "pack_sha256": bundle.pack_sha256,
            }
        )
    else:
        rows = [tuple(one.values()) for one in bundle.redacted]
        if rows:
            show(table(("entry", "field", "taken out", "times"), rows))
        show(f"{bundle.entries} entries, seq {bundle.first_seq} to {bundle.last_seq}, in {place}")
        show(f"pack {bundle.pack_sha256}")
        show(f"check it: python {place / 'verify.py'} {place}")
    return EXIT_GOOD


def _pack_errors() -> AbstractContextManager[None]:
    """What a pack refuses, as one line."""
    from events.registry import PayloadError, UnknownKindError, VersionTooNewError
    from journal.errors import JournalError
    from projections.packs.files import PackError

    return told_as_user_error(
        JournalError, PackError, PayloadError, UnknownKindError, VersionTooNewError
    )


def _files(place: Path, files: dict[str, dict[str, object]]) -> list[dict[str, object]]:
    return [{"file": str(place / name), **files[name]} for name in sorted(files)]


def _empty(target: Path) -> Path:
    """The folder to write to, absolute; ``UserError`` when something is in it or in its way."""
    place = target.expanduser().absolute()
    if place.is_dir():
        if any(place.iterdir()):
            raise UserError(f"{place} is not empty: give a folder that is new or empty")
    elif place.exists() or place.is_symlink():
        raise UserError(f"{place} is not a folder: give one that is new or empty")
    return place
