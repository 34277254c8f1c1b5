"""Thresholds worth a look: which limit stood alone in the way, and the what-if that tries another.

Lives here: from sole blockers to suggestions. May import: projections. Always holds: a suggestion
is a command for a person to run, never applied; a value to try is inside the bound that the table
of limits gives; where the size of a step cannot be told from the gate's numbers, the command asks
for the least change instead. Start reading at ``suggestions``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from projections import why
from projections.report.inputs import Inputs, Row, Threshold, Thresholds
from projections.report.words import is_flag

HHMM: Final = "hhmm"
"""The end of a setting that is a time of day: no share of it can be taken."""
FILE: Final = "try.toml"


class _Worst(NamedTuple):
    """The session in which a gate was alone most often, with the middle one of its decisions."""

    session: Inputs
    row: Row


def suggestions(sessions: Sequence[Inputs], thresholds: Thresholds) -> list[Row]:
    """One row a gate that was ever alone in the way, the most frequent first.

    ``setting`` is None where no setting moves the gate.
    """
    found: dict[tuple[str, str], list[_Worst]] = {}
    for one in sessions:
        for row in _middle_rows(one):
            found.setdefault((row["gate"], row["reason"]), []).append(_Worst(one, row))
    rows = [_suggestion(seen, thresholds) for seen in found.values()]
    return sorted(rows, key=lambda row: (-row["alone"], row["gate"], row["reason"]))


def _middle_rows(one: Inputs) -> list[Row]:
    """The row of the middle decision of each gate; with one or two it is the nearest one's."""
    middle: dict[tuple[str, str], Row] = {}
    for row in one.all("sole"):
        if row["gate"] is not None:
            middle[row["gate"], row["reason"]] = row
    return list(middle.values())


def _suggestion(seen: list[_Worst], thresholds: Thresholds) -> Row:
    worst = max(seen, key=lambda one: (one.row["sole"], one.session.session))
    row, session = worst.row, worst.session.session
    alone = 0
    for one in seen:
        alone += one.row["sole"]
    head = {
        "gate": row["gate"],
        "reason": row["reason"],
        "alone": alone,
        "sessions": len(seen),
        "text": why.reason_text(row["reason"]),
    }
    limits = [one for one in thresholds.movable if _concerns(one, row)]
    if not limits:
        fixed = dict(thresholds.fixed)
        note = fixed.get(row["gate"], "no setting is known to move it")
        return {**head, "setting": None, "note": note}
    for limit in limits:
        value = _value(worst.session, limit.setting)
        new = None if value is None else _to_try(limit, value, row)
        if new is not None:
            return {**head, **_with_value(session, limit.setting, value, new, row["sole"])}
    limit = limits[0]
    return {
        **head,
        "setting": limit.setting,
        "value": _value(worst.session, limit.setting),
        "try_value": None,
        "note": "Asks for the least change that would have traded at one of these decisions.",
        "command": f"axiom why {session} --underlying {row['underlying']} "
        f"--at {why.ist_iso(row['ts'])[11:]} --counterfactual",
    }


def _concerns(limit: Threshold, row: Row) -> bool:
    """Of limits that belong to a family, only those of the family that was chosen."""
    if row["gate"] not in limit.gates:
        return False
    return limit.family is None or limit.family == row["family"]


def _value(one: Inputs, setting: str) -> str | None:
    """The last value of a setting in the session."""
    values = [row["value"] for row in one.all("settings") if row["key"] == setting]
    return values[-1] if values else None


def _to_try(limit: Threshold, value: str, row: Row) -> str | None:
    """The value that lets the middle decision through, None where it cannot be told.

    A setting and its gate need not share a unit, so the setting is moved by the same share.
    """
    if limit.toward == "ON":
        return "true" if value.lower() == "false" else None
    seen, asked = row["observed"], row["limit_value"]
    if (
        limit.setting.endswith(HHMM)
        or is_flag(row["gate"])
        or seen is None
        or not asked
        or asked < 0
        or seen < 0
    ):
        return None
    if not value.isdecimal() or (seen > asked) != (limit.toward == "UP"):
        return None
    old = int(value)
    new = -(-old * seen // asked) if limit.toward == "UP" else old * seen // asked
    new = min(new, limit.bound) if limit.toward == "UP" else max(new, limit.bound)
    loosens = new > old if limit.toward == "UP" else new < old
    return str(new) if loosens else None


def _with_value(session: str, setting: str, value: str | None, new: str, sole: int) -> Row:
    section, _, name = setting.partition(".")
    file = f"[{section}]\\n{name} = {new}\\n"
    return {
        "setting": setting,
        "value": value,
        "try_value": new,
        "note": f"Would let about half of that session's {why.indian(sole)} past this gate.",
        "command": f"printf '{file}' > {FILE} && axiom whatif {session} --config {FILE}",
    }
