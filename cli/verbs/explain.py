"""``axiom explain``: what a reason code, a gate or a stage means, and what to do about it.

Lives here: looking a word up in the reason table and the gate catalogue, and showing the row. May
import: ``cli``, events. Always holds: the answer is the table's row, so it says what every other
surface says; nothing of a desk or a session is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import UserError, one_line
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from events.gates import GateSpec
    from events.reasons import ReasonSpec

CLOSE_MAX: Final = 5
PASSES: Final = {
    "AT_MOST": "at most the limit",
    "AT_LEAST": "at least the limit",
    "IS_TRUE": "true",
}


@click.command(name="explain")
@click.argument("code")
@recorded_options
def command(code: str, common: Common) -> None:
    """Explain a reason code: what it means, which gate gives it, its evidence, what to do.

    CODE is a reason code such as FEED_GAP, the name of a gate such as link_age, or a stage such as
    N5_REGIME_OK or N5, in any case.

    \b
    Examples:
        axiom explain FEED_GAP
        axiom explain link_age --json
        axiom explain N5_REGIME_OK
    """
    from cli.output import show, write_json

    document = _document(code.strip())
    if common.json:
        write_json(document)
    else:
        show(_text(document))


def _document(word: str) -> dict[str, Any]:
    """The row of a code, a gate or a stage, as the JSON answer has it. Raises ``UserError``."""
    from events.gates import BY_GATE
    from events.reasons import BY_CODE, STAGES

    reason, gate = BY_CODE.get(word.upper()), BY_GATE.get(word.lower())
    if reason is not None:
        return _reason(reason)
    if gate is not None:
        return _gate(gate)
    stage = next((one for one in STAGES if word.upper() in (one, one.partition("_")[0])), None)
    if stage is not None:
        return _stage(stage)
    raise UserError(_unknown(word, [*BY_CODE, *BY_GATE, *STAGES]))


def _reason(row: ReasonSpec) -> dict[str, Any]:
    from cli.output import plain
    from events.gates import CONTRACT_FILTERS, GATES

    # A contract's first filter stands in the evidence of the gate that found none left.
    given = "CONTRACT_NONE_LEFT" if row.code in CONTRACT_FILTERS else row.code
    gates = [one.gate for one in GATES if given in one.codes]
    return {**plain(row), "stage_title": _title(row.stage), "gates": gates}


def _gate(row: GateSpec) -> dict[str, Any]:
    from cli.output import plain
    from events.reasons import BY_CODE

    codes = [plain(BY_CODE[code]) for code in row.codes]
    return {**plain(row), "stage_title": _title(row.stage), "codes": codes}


def _stage(stage: str) -> dict[str, Any]:
    from cli.output import plain
    from events.gates import GATES
    from events.reasons import BY_CODE, STAGES

    gates = [plain(one) for one in GATES if one.stage == stage]
    codes = [plain(one) for one in BY_CODE.values() if one.stage == stage]
    place = STAGES.index(stage) + 1
    return {"stage": stage, "stage_title": _title(stage), "place": place, "of": len(STAGES),
            "gates": gates, "codes": codes}  # fmt: skip


def _title(stage: str) -> str | None:
    """What a stage asks; None for what is not a stage of a decision."""
    from events.reasons import STAGE_TITLES, STAGES

    return dict(zip(STAGES, STAGE_TITLES, strict=True)).get(stage)


def _unknown(word: str, known: list[str]) -> str:
    import difflib

    from cli.output import clean

    by_case = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(by_case), n=3, cutoff=0.6)
    # A person often remembers one word of a code: then every code with that word is close.
    close += [name for name in by_case if word and word.lower() in name and name not in close]
    close = close[:CLOSE_MAX]
    hint = f"did you mean {' or '.join(by_case[name] for name in close)}? " if close else ""
    return (
        f"there is no reason code, gate or stage '{clean(one_line(word))}'; {hint}"
        f"v1.reasons ('axiom query') and docs/REASONS.md list them"
    )


def _text(document: dict[str, Any]) -> str:
    """The answer for a person."""
    if "place" in document:
        return _stage_text(document)
    return _gate_text(document) if "sense" in document else _reason_text(document)


def _reason_text(row: dict[str, Any]) -> str:
    from cli.output import pairs

    title = f" ({row['stage_title']})" if row["stage_title"] is not None else ""
    lines: list[tuple[str, object]] = [
        ("stage", f"{row['stage']}{title}"),
        ("kind", row["kind"]),
        ("gates", ", ".join(row["gates"]) or None),
        ("evidence", ", ".join(row["evidence"]) or None),
        ("what to do", row["what_to_do"]),
        ("since", row["since"]),
        ("retired", row["retired"]),
        ("formerly", row["legacy_code"]),
    ]
    shown = pairs((name, value) for name, value in lines if value is not None)
    return f"{row['code']} ({row['number']}): {row['sentence']}\n{shown}"


def _stage_text(row: dict[str, Any]) -> str:
    from cli.output import table

    head = f"{row['stage']}: {row['stage_title']} (stage {row['place']} of {row['of']}, in order)"
    gates = [[one["gate"], one["title"]] for one in row["gates"]]
    codes = [[one["code"], one["kind"], one["sentence"]] for one in row["codes"]]
    shown = [table(("gate", "what it asks"), gates)] if gates else []
    shown += [table(("code", "kind", "sentence"), codes)] if codes else []
    return "\n\n".join([head, *shown])


def _gate_text(row: dict[str, Any]) -> str:
    from cli.output import pairs, table

    shown = pairs(
        [
            ("stage", f"{row['stage']} ({row['stage_title']})"),
            ("passes when", PASSES[row["sense"]]),
            ("unit", row["unit"]),
        ]
    )
    fields = ("code", "kind", "sentence", "what_to_do")
    codes = table(fields, [[one[field] for field in fields] for one in row["codes"]])
    return f"{row['gate']}: {row['title']}\n{shown}\n\n{codes}"
