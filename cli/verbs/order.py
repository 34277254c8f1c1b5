"""``axiom order``: one order by any of its ids or its tag, over all sessions of a desk.

Lives here: where it is looked for and how it is shown. May import: ``cli``, projections, journal.
Always holds: nothing is judged again; every session that knows the order tells its part, the one
that approved it first; each part says what its journal's check gave. Start reading at ``command``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError, told_as_user_error
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from pathlib import Path

    from projections.duck.orders import OrderStory

ID_CHARS: Final = 3
"""An id that is shorter names nothing."""


@click.command(name="order")
@click.argument("wanted", metavar="ID")
@recorded_options
def command(wanted: str, common: Common) -> int:
    """One order by any of its ids or its tag: an intent's, an exit's, a position's, ours, the
    broker's, the exchange's.

    Looks through all sessions of the desk; tables that are missing are built from the journal. Exit
    code 1 where the journal of one that knows the order does not verify.

    \b
    Examples:
        axiom order 3e0adcb5fb836bc2
        axiom order 260828000000042 --json
    """
    from cli.output import write_json
    from cli.paths import list_sessions

    if len(wanted) < ID_CHARS:
        raise UserError(f"'{wanted}' is too short for an id: give an order's, a tag or an intent's")
    folders = list_sessions(common.home, common.desk)
    found = [(folder, story) for folder in folders if (story := _story(folder, wanted)) is not None]
    if not found:
        raise UserError(
            f"no session of desk '{common.desk}' knows an order '{wanted}': "
            f"{len(folders)} were looked through"
        )
    found.sort(key=lambda one: one[1].answer is None)
    parts = [(folder.name, story, _verified(folder)) for folder, story in found]
    if common.json:
        first, *others = (_document(*part) for part in parts)
        write_json({**first, "others": others})
    else:
        for part in parts:
            _show(*part)
    return EXIT_GOOD if all(told["ok"] for _, _, told in parts) else EXIT_BAD


def _story(folder: Path, wanted: str) -> OrderStory | None:
    from cli.projection import Projection
    from projections.duck.ask import AskError
    from projections.duck.orders import find_order

    with told_as_user_error(AskError):
        projection = Projection(folder)
        story = find_order(projection.file, wanted)
    projection.say_what_was_built()
    return story


def _verified(folder: Path) -> dict[str, Any]:
    from journal.session_folder import ledger_of
    from journal.verify import verify_session

    report = verify_session(folder, ledger=ledger_of(folder))
    return {
        "ok": report.ok,
        "head_hash": report.head_hash,
        "problems": [problem.code for problem in report.problems],
    }


def _document(name: str, story: OrderStory, told: dict[str, Any]) -> dict[str, Any]:
    from cli.output import plain

    answer = story.answer
    return {
        "session": name,
        "intent_id": story.intent_id,
        "trail": plain(story.trail),
        "why": answer.sentence if answer is not None else None,
        "gates": plain(answer.gates) if answer is not None else [],
        "messages": list(story.messages),
        "people": list(story.people),
        "digests": story.digests,
        "verified": told,
    }


def _show(name: str, story: OrderStory, told: dict[str, Any]) -> None:
    from cli.output import clean, show, table

    show(f"{name}: the orders of {story.intent_id}")
    if story.answer is not None:
        show(clean(story.answer.sentence))
    else:
        show("The entry was approved in another session.")
    if story.trail:
        steps = [(s.seq, s.ts_ist[11:], s.kind, s.what) for s in story.trail]
        show("\n" + table(("seq", "time", "entry", "what"), steps))
    for title, items in (("at the broker", story.messages), ("people", story.people)):
        if items:
            show("\n" + table(("seq", title, "what"), [_row(item) for item in items]))
    digests = ", ".join(f"{key} {value[:12]}" for key, value in sorted(story.digests.items()))
    show("\n" + clean(digests))
    verdict = "verified" if told["ok"] else f"NOT verified ({', '.join(told['problems'])})"
    show(f"{verdict}, head {told['head_hash']}\n")


_HEAD: Final = ("kind", "seq", "ts", "cause", "ordinal")


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    said = ", ".join(f"{key} {value}" for key, value in item.items() if key not in _HEAD)
    return item["seq"], item["kind"], said
