"""What would have had to be otherwise: the least change of limits, as JSON and as one sentence.

Lives here: the words and the keys of ``axiom why --counterfactual``. May import: ``cli``,
projections, replay. Always holds: what was not proved by running it is not said to trade.
Start reading at ``ask``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.errors import told_as_user_error

if TYPE_CHECKING:
    from replay.least_change import Answer, Move, Obstacle


def ask(folder: Path, decision_seq: int) -> dict[str, Any]:
    """``least_change``, ``proved`` and what goes with them, about a blocked decision.

    ``UserError`` where the session cannot be taken back to it, or this code decides otherwise.
    """
    from cli.run import session_progress
    from journal.errors import JournalError
    from replay.least_change import least_change
    from replay.session import ReplayError

    with (
        told_as_user_error(ReplayError, JournalError),
        session_progress("why", folder) as move,
    ):
        return document(least_change(folder, decision_seq, on_progress=move))


def told(folder: Path, decision_seq: int) -> str:
    """The sentence alone, for a screen; where there is no answer, why there is none."""
    from journal.errors import JournalError
    from replay.least_change import least_change
    from replay.session import ReplayError

    try:
        return sentence(least_change(folder, decision_seq))
    except (ReplayError, JournalError) as error:
        return f"{error}."


def nothing_to_change() -> dict[str, Any]:
    """The keys of a decision that is a trade."""
    sentence = "It traded: nothing would have had to be otherwise."
    return {"least_change": None, "proved": False, "obstacles": [], "counterfactual": sentence}


def document(answer: Answer) -> dict[str, Any]:
    """The keys of the contract. ``least_change`` is null where nothing within bounds trades."""
    import msgspec

    change: dict[str, Any] | None = None
    if answer.moves is not None:
        change = {
            "limits": [msgspec.to_builtins(one) for one in answer.moves],
            "relative_milli": answer.relative_milli,
            "trade": msgspec.to_builtins(answer.trade),
        }
    return {
        "least_change": change,
        "proved": answer.proved,
        "obstacles": [msgspec.to_builtins(one) for one in answer.obstacles],
        "counterfactual": sentence(answer),
    }


def sentence(answer: Answer) -> str:
    """One sentence: what would have traded under which limits, or what no limit moves."""
    if answer.moves is None or answer.trade is None:
        first, *others = answer.obstacles
        also = f"; {', '.join(one.gate for one in others)} stood in the way too" if others else ""
        return (
            "No limit within its bounds, changed at this decision, would have made it a trade:"
            f" {_standing(first)}{also}."
        )
    trade = answer.trade
    lots = f"{trade.lots} lot" + ("s" if trade.lots != 1 else "")
    moves = " and ".join(_moved(one) for one in answer.moves)
    proof = ", proved by running that cycle" if answer.proved else ""
    return (
        f"It would have been {trade.side} {lots} of {trade.tradingsymbol} with {moves}{proof};"
        " at this decision alone, all before it as it was: 'axiom whatif' tells of the whole day."
    )


def _moved(move: Move) -> str:
    gates = f" ({', '.join(move.gates)})" if move.gates else ""
    return f"{move.setting} at {move.new} instead of {move.old}{gates}"


def _standing(one: Obstacle) -> str:
    what = "" if one.of_degree else " is not a matter of degree"
    return f"{one.gate}{what} ({one.reason}): {one.why}"
