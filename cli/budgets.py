"""How many order messages an account may send: the smaller of the setting and the broker's row.

Lives here: ``order_budgets``. May import: ``cli``, adapters.kite.rate, engine.rulebook. Always
holds: nothing here touches the 8 in any rolling second, which is code; what is kept back for exits
shrinks with a budget and is never all of it, nor nothing.
"""

from __future__ import annotations

from typing import Final

from adapters.kite.rate import DEFAULT_BUDGETS, Budgets
from cli.errors import UserError
from cli.machine import MachineSettings
from engine.rulebook import Rulebook, broker_rules

EXITS_SHARE: Final = 6
"""At most one message in so many is kept for exits, where a budget is small."""


def order_budgets(settings: MachineSettings, rulebook: Rulebook, day: int) -> Budgets:
    """The budgets of a day (yyyymmdd). A limit without a row is the setting's. Raises ``UserError``
    for a row that leaves an entry or an exit nothing."""
    rules = broker_rules(rulebook, day)
    minute = _least(settings.orders_per_minute, rules.minute_max)
    of_day = _least(settings.orders_per_day, rules.day_max)
    try:
        return Budgets(
            minute=minute,
            day=of_day,
            exits_minute=_for_exits(DEFAULT_BUDGETS.exits_minute, minute),
            exits_day=_for_exits(DEFAULT_BUDGETS.exits_day, of_day),
        )
    except ValueError as error:
        raise UserError(
            f"{minute} order messages a minute and {of_day} a day are no budget ({error}):"
            " look at order.rate_minute and order.rate_day with 'axiom rulebook show'"
        ) from error


def _least(setting: int, row: int | None) -> int:
    return setting if row is None else min(setting, row)


def _for_exits(most: int, budget: int) -> int:
    return max(1, min(most, budget // EXITS_SHARE))
