"""What each gate cost: paper outcomes of the decisions that it alone blocked, after charges.

Lives here: the SELECTs that are needed, and the sums over their rows. May import: projections.duck,
engine.charges, engine.rulebook. Always holds: charges are those of the engine's own function on the
rules that the session journaled, for both orders of one lot; an outcome without a quote or without
a rule is counted as not known and is never nothing.
Start reading at ``gate_costs``.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from engine.charges import charges, charges_paise
from engine.rulebook import Rulebook, RuleMissingError
from events.session import RuleRow
from projections.duck.query import QueryResult
from projections.duck.questions import BY_NAME, WINDOW, Question

Row = dict[str, Any]

_OUTCOMES: Final = BY_NAME["blocked-outcomes"]

GATE_COSTS: Final = Question(
    "gate-costs",
    "what each gate cost: the contracts of blocked-outcomes by gate and minutes, a lot each, after "
    "the charges of both orders; a negative net is a loss that the gate spared",
    _OUTCOMES.macro,
    WINDOW,
    of_ticks=True,
)
"""Asked by name alone: SQL has the outcomes before charges, as ``v1.blocked_outcomes``."""

NO_RULE: Final = "no rule for the charges"
COLUMNS: Final = (
    *("stage", "gate", "reason", "minutes", "blocked", "known", "won"),
    *("gross_lot_paise", "charges_lot_paise", "net_lot_paise", "mean_net_paise", "missing"),
)
"""``blocked`` decisions, of which ``known`` have an outcome and ``won`` one above 0; sums in paise;
``mean_net_paise`` a lot, rounded down; ``missing`` is the most frequent cause of an unknown one."""

RULES: Final = (
    "SELECT session, name, scope, valid_from, valid_to, value, unit, source, unsure "
    "FROM v1.rulebook WHERE starts_with(name, 'charge.') ORDER BY seq, ordinal"
)
DAYS: Final = "SELECT session, day FROM v1.sessions"


def outcomes_sql(macro_call: str, *, many: bool) -> str:
    """The SELECT of outcomes with what charges depend on. ``macro_call`` is ``v1.…(…)`` as it
    stands behind FROM; ``many`` where several sessions are asked."""
    of_session = "o.of_session" if many else "(SELECT any_value(session) FROM v1.sessions)"
    return (
        f"SELECT {of_session} AS of_session, o.* {'EXCLUDE (of_session)' if many else ''}, "
        f"i.exchange, i.lot_units FROM {macro_call} o LEFT JOIN v1.instruments i "
        f"ON i.tradingsymbol = o.tradingsymbol AND i.session = {of_session}"
    )


def gate_costs(
    outcomes: QueryResult, rules: QueryResult, days: QueryResult, *, many: bool
) -> QueryResult:
    """The answers of ``outcomes_sql``, ``RULES`` and ``DAYS`` as costs by gate and minutes, with
    the session in front where there are several."""
    charged = _charges_of(rules, days)
    sums: dict[tuple[Any, ...], _Sum] = {}
    for row in outcomes.objects():
        key = tuple(row[name] for name in ("of_session", "stage", "gate", "reason", "minutes"))
        sums.setdefault(key, _Sum()).add(row, charged[row["of_session"]])
    rows = tuple((*key, *sums[key].values()) for key in sorted(sums, key=str_key))
    if many:
        return QueryResult(("of_session", *COLUMNS), rows)
    return QueryResult(COLUMNS, tuple(row[1:] for row in rows))


def str_key(key: tuple[Any, ...]) -> tuple[Any, ...]:
    """An order for keys in which a stage without a gate comes before its gates."""
    return tuple("" if part is None else part for part in key)


class _Charges:
    """Charges of a session's day."""

    def __init__(self, rules: tuple[RuleRow, ...], day: int) -> None:
        self._rulebook, self._day = Rulebook(rules), day

    def of(self, row: Row) -> int | None:
        """Paise for buying a lot and selling it; None where a rule is missing."""
        total = 0
        for side, price in (("BUY", row["ask_paise"]), ("SELL", row["bid_paise"])):
            order = (row["exchange"], side, price, row["lot_units"])
            try:
                total += charges_paise(charges(self._rulebook, self._day, *order))
            except RuleMissingError:
                return None
        return total


def _charges_of(rules: QueryResult, days: QueryResult) -> dict[str, _Charges]:
    own: dict[str, list[RuleRow]] = {session: [] for session, _ in days.rows}
    for session, name, scope, begin, end, value, unit, source, unsure in rules.rows:
        rule = RuleRow(name, scope, begin, end, int(value), unit, source, unsure)
        own[session].append(rule)
    return {session: _Charges(tuple(own[session]), day) for session, day in days.rows}


class _Sum:
    """The outcomes of one gate and horizon, added up."""

    def __init__(self) -> None:
        self.blocked = self.known = self.won = self.gross = self.paid = 0
        self.missing: Counter[str] = Counter()

    def add(self, row: Row, charged: _Charges) -> None:
        """One more outcome, or one more that is not known."""
        self.blocked += 1
        gross = row["gross_lot_paise"]
        paid = None if gross is None else charged.of(row)
        if gross is None or paid is None:
            self.missing[row["missing"] or NO_RULE] += 1
            return
        self.known += 1
        self.won += gross > paid
        self.gross += gross
        self.paid += paid

    def values(self) -> tuple[int | str | None, ...]:
        """The columns behind the key."""
        missing = min(self.missing, key=lambda one: (-self.missing[one], one), default=None)
        if not self.known:
            return self.blocked, 0, 0, None, None, None, None, missing
        net = self.gross - self.paid
        mean = net // self.known
        return self.blocked, self.known, self.won, self.gross, self.paid, net, mean, missing
