"""How often the regime is named by its right name: the two made tables of ``docs/REGIME.md``.

Lives here: the synthetic profiles with the spell that each is for, their run under a model, the
page's two made parts. May import: adapters, engine, events. Always holds: a profile is run by the
core alone under the default configuration, once a model; only bars inside the spell are counted.

    python -m scripts.regimes              write the page's parts
    python -m scripts.regimes --check      write nothing; exit code 1 where they are not up to date

Start reading at ``CASES``, then ``shares``.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from adapters.markets.synthetic import SyntheticMarket
from adapters.rulebook.load import load_rows
from engine.config import Config
from engine.core import Core
from engine.opening import fresh_account, opening_facts, session_opened
from engine.regime import NEUTRAL
from engine.regime_model import FEATURES, FIRST, LABELS, SHIPPED, RegimeModelConfig, weights_of
from engine.rulebook import Rulebook
from engine.schedule import facts_of
from events.decision import RegimeAssessed

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "REGIME.md"
DATE: Final = 20261120
SEEDS: Final = (1, 2)
CADENCE_MS: Final = 60_000
NS_PER_S: Final = 1_000_000_000


class Case(msgspec.Struct, frozen=True):
    """A profile, the spell of it that is looked at, and the regime that it should be called."""

    profile: str
    spell: str
    wanted: str


CASES: Final = (
    Case("trend", "TREND_UP", "TREND"),
    Case("fall", "TREND_DOWN", "TREND"),
    Case("range", "RANGE", "RANGE"),
    Case("volatile", "VOLATILE_RANGE", "RANGE_VOLATILE"),
    Case("event", "EVENT", "EVENT"),
    Case("panic", "PANIC", "PANIC"),
)


def shares(case: Case, model: RegimeModelConfig, seeds: tuple[int, ...] = SEEDS) -> Counter[str]:
    """Bars of the case's spell by the regime in force after them."""
    counted: Counter[str] = Counter()
    book = Rulebook(load_rows(years=(DATE // 10_000, DATE // 10_000 + 1)))
    rows = book.rows_for(DATE)
    config = replace(Config(), regime_model=model)
    for seed in seeds:
        market = SyntheticMarket(seed, case.profile, DATE, cadence_ms=CADENCE_MS, rulebook=book)
        inside = [one for one in market.schedule() if one.regime.name == case.spell]
        opened, core = session_opened(market, config, rows, ""), Core()
        opening = opening_facts(opened, fresh_account(config, DATE), market, rows)
        facts = facts_of(market.frames(), market.cycle_rule, market.open_ns, market.close_ns)
        for ts, fact in (*((market.anchor_ns, one) for one in opening), *facts):
            for derived in core.step(core.state.seq + 1, ts, fact):
                event, at_s = derived.entry.event, (ts - market.open_ns) // NS_PER_S
                if isinstance(event, RegimeAssessed) and any(
                    one.start_s <= at_s < one.end_s for one in inside
                ):
                    counted[event.regime] += 1
    return counted


def per_cent(counted: Counter[str], regime: str) -> int:
    """Share of a regime, in whole per cent, rounded down."""
    return counted[regime] * 100 // counted.total()


# --- the page ------------------------------------------------------------------------------------


def model_table() -> str:
    """A row a regime, a weight a feature."""
    rows = [
        f"| {label} | {' | '.join(f'{weight:,}' for weight in row)} |"
        for label, row in zip(LABELS, weights_of(SHIPPED), strict=True)
    ]
    head = f"| `{SHIPPED.name}` | {' | '.join(FEATURES)} |"
    return "\n".join((head, f"|---|{'---|' * len(FEATURES)}", *rows))


def shares_table() -> str:
    """A row a profile: the share of its right name before and now, and all names now."""
    rows = []
    for case in CASES:
        first, now = shares(case, FIRST), shares(case, SHIPPED)
        named = " | ".join(f"{per_cent(now, label)} %" for label in (*LABELS, NEUTRAL))
        rows.append(
            f"| `{case.profile}` | {case.wanted} | {now.total()} | {per_cent(first, case.wanted)} %"
            f" | **{per_cent(now, case.wanted)} %** | {named} |"
        )
    names = " | ".join((*LABELS, NEUTRAL))
    head = f"| profile | should be | bars | `{FIRST.name}` | `{SHIPPED.name}` | {names} |"
    return "\n".join((head, f"|---|---|---|---|---|{'---|' * (len(LABELS) + 1)}", *rows))


def put(text: str, mark: str, part: str) -> str:
    """The text with the part between its marks."""
    begin, end = f"<!-- {mark} -->", f"<!-- end of {mark} -->"
    head, _, rest = text.partition(begin)
    _, found, tail = rest.partition(end)
    if not found:
        raise ValueError(f"{PAGE.name} has no marks {begin} and {end}")
    return f"{head}{begin}\n\n{part}\n\n{end}{tail}"


def page(text: str) -> str:
    """The page with both made parts as they are now."""
    return put(put(text, "model", model_table()), "shares", shares_table())


def main(arguments: list[str]) -> int:
    """Write the page, or check it. Exit code 1: it is not up to date."""
    text = PAGE.read_text(encoding="utf-8")
    wanted = page(text)
    if "--check" in arguments:
        return 0 if wanted == text else 1
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
