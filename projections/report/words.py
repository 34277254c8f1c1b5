"""Small sayings that several sections share: counts, shares, the day's money, the last moment.

Lives here: functions from inputs or numbers to words and numbers. May import: events, projections.
Always holds: a share is cut, not rounded, so that 100 % means all; the text of a code is
``projections.why``'s. Start reading at ``absence``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from events import gates
from projections import why
from projections.report.inputs import Absent, Inputs, Row


def absence(given: Inputs, name: str) -> str | None:
    """Why an input is absent; None where it is there."""
    special = {"stories": given.stories, "parity": given.parity}
    found = special[name] if name in special else given.get(name)
    return found.reason if isinstance(found, Absent) else None


def money_of(given: Inputs) -> Row:
    """Gross, charges and net of the account's day in paise: the summary's, else the last state's;
    None where the session has neither."""
    session = given.one("session") or {}
    row: Row = session
    if session.get("realised_paise") is None:
        states = given.all("risk_states")
        row = states[-1] if states else {}
    gross, charges = row.get("realised_paise"), row.get("charges_paise")
    known = gross is not None and charges is not None
    net = gross - charges if gross is not None and charges is not None else None
    return {
        "gross_paise": gross if known else None,
        "charges_paise": charges if known else None,
        "net_paise": net,
    }


def total_of(rows: Iterable[Row]) -> int:
    total = 0
    for row in rows:
        total += row["count"]
    return total


def count_of(number: int, one: str, many: str | None = None) -> str:
    """``1 trade``, ``12,345 trades``."""
    return f"{why.indian(number)} {one if number == 1 else many or one + 's'}"


def percent(part: int, whole: int) -> str:
    """A share with one decimal, cut and not rounded: 100 % means all of it."""
    permille = 1000 * part // whole if whole else 0
    return f"{permille // 10}.{permille % 10} %"


def without_desk(given: Inputs, what: str) -> str:
    """Why a session has no rows of what only an engine beside a machine and a broker records."""
    mode = (given.one("session") or {}).get("mode", "of unknown mode")
    if mode == "BACKTEST":
        return (
            f"This session is a BACKTEST: no machine and no broker stands beside it, so no {what} "
            "is recorded."
        )
    return f"This {mode} session recorded no {what}."


def codes_text(codes: str) -> str:
    return " ".join(why.reason_text(code) for code in codes.split(",") if code)


def with_next(rows: Sequence[Row], end: int) -> list[tuple[Row, int]]:
    """Each row with the time of the next one, the last one with the end."""
    ends = [*(row["ts"] for row in rows[1:]), end]
    return [(row, max(row["ts"], after)) for row, after in zip(rows, ends, strict=False)]


def end_ts(given: Inputs) -> int:
    """The last moment that anything is known of, ns UTC."""
    session, span = given.one("session") or {}, given.one("span") or {}
    times = [session.get("closed_ts"), span.get("to_ts"), session.get("ts")]
    for name in ("readiness", "risk_states", "risk_transitions"):
        times += [row["ts"] for row in given.all(name)[-1:]]
    return max((ts for ts in times if ts is not None), default=0)


def measure(value: int | None, unit: str | None) -> str | None:
    """A gate's number with its unit, None for none."""
    return None if value is None else why.amount(value, unit or "")


def reason_or_none(code: str | None) -> str | None:
    return None if code is None else why.reason_text(code)


def unit_of(gate: str | None) -> str | None:
    """The unit of a gate's numbers, by the catalogue."""
    spec = gates.BY_GATE.get(gate) if gate else None
    return spec.unit if spec else None


def is_flag(gate: str | None) -> bool:
    """Whether a gate asks for yes or no: its margin is no distance."""
    spec = gates.BY_GATE.get(gate) if gate else None
    return spec is not None and spec.sense == "IS_TRUE"


def wide_words(paragraph: str) -> str:
    """A paragraph of several lines as one."""
    return " ".join(paragraph.split())
