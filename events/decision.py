"""Derivations of the decision cycle.

Lives here: regime, gates, screening, candidate, decision. May import: events.base. Always holds:
``GatesEvaluated.official`` has exactly the eleven stages in declared order; each cycle of each
underlying ends in exactly one ``DecisionMade``; a verdict is PASS, BLOCK or UNKNOWN.
"""

from __future__ import annotations

from events.base import Event, Record


class RegimeAssessed(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The regime of one underlying after a declared bar.

    ``probs_milli`` are per mille in the order of ``labels`` and sum to 1000; ``entropy_milli`` is
    Shannon entropy in milli-nats; ``regime`` follows ``leader`` only after ``leader_bars`` bars
    (hysteresis); ``unstable`` lists the reasons for which the regime may not be traded. The
    features are in thousandths: ADX, separation of the averages in ATR (``drift``, and downwards
    ``fall``), realised volatility against its reference (``level``).
    """

    underlying: str
    regime: str
    leader: str
    leader_bars: int
    labels: tuple[str, ...]
    probs_milli: tuple[int, ...]
    entropy_milli: int
    unstable: tuple[str, ...]
    adx_milli: int
    drift_milli: int
    fall_milli: int
    level_milli: int


class DayTypeAssessed(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The kind of day so far: ``UNKNOWN``, ``TREND_DAY``, ``RANGE_DAY`` or ``VOLATILE_DAY``; said
    when it changes, and when it is locked for the rest of the day.

    ``before`` is the kind until then, ``switches`` how often it has changed today, its first
    naming apart, ``locked`` whether it may change no more: None in what was upcast from version 1,
    which knew none of them.
    """

    underlying: str
    day_type: str
    range_bps: int
    move_bps: int
    before: str | None
    switches: int | None
    locked: bool | None


class GateRow(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One gate: verdict, reason code where it is no pass, and the numbers in the gate's own unit.

    ``margin`` is room to spare, negative where missed. ``age_ms`` is the age of the oldest input.
    ``marks`` names what weakens the evidence (a relaxing policy row, an estimate, an unsure rule).
    """

    gate: str
    verdict: str
    reason: str | None
    observed: int | None
    limit: int | None
    margin: int | None
    age_ms: int | None
    marks: tuple[str, ...]


class StageVerdict(Record, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """One stage: its first non-pass decides. ``depends_on`` names the stage whose input failed.

    ``gate`` is the gate that decided, None when all passed or an upstream stage failed. ``rows``
    decide, in order; ``evidence`` explains and decides nothing (each refused family's own reason).
    """

    stage: str
    verdict: str
    reason: str | None
    gate: str | None
    depends_on: str | None
    rows: tuple[GateRow, ...]
    evidence: tuple[GateRow, ...]


class GatesEvaluated(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """All verdicts of one cycle of one underlying.

    ``official`` has eleven stages, all gates inside them. ``assumed`` holds N8-N11 as they would
    have judged the best-ranked family and contract where an earlier stage failed; these count in no
    funnel. ``assumed_contract`` is an instrument index.
    """

    cycle: int
    underlying: str
    snapshot_seq: int
    official: tuple[StageVerdict, ...]
    assumed: tuple[StageVerdict, ...]
    assumed_family: str | None
    assumed_contract: int | None


class ContractsScreened(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Every contract looked at in a cycle, in parallel arrays; said when it differs from the last.

    ``first_filter`` is the index into ``filters`` of the first that failed, -1 for none;
    ``masks`` has a bit for each failed filter; ``scores_milli`` is -1 where none was given.
    """

    cycle: int
    underlying: str
    family: str
    direction: str
    filters: tuple[str, ...]
    contracts: tuple[int, ...]
    first_filter: tuple[int, ...]
    masks: tuple[int, ...]
    scores_milli: tuple[int, ...]
    selected: int | None


class CandidateProposed(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """A contract with its plan, before sizing. Prices in paise, greeks per unit.

    ``delta_milli`` is per mille; ``theta_paise_day`` a calendar day; ``vega_paise_point`` a
    volatility point.
    """

    cycle: int
    underlying: str
    family: str
    strategy_id: str
    contract: int
    side: str
    entry_paise: int
    stop_paise: int
    target_paise: int
    trail_paise: int
    iv_milli: int | None
    delta_milli: int | None
    theta_paise_day: int | None
    vega_paise_point: int | None
    signal_milli: int
    score_milli: int


class DecisionMade(Event, frozen=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """The one end of a cycle: ``TRADE`` or ``NO_TRADE`` with its stage and terminal reason.

    A TRADE has stage ``N11_FINAL_DECISION`` and reason ``TRADE_APPROVED``.
    """

    cycle: int
    underlying: str
    outcome: str
    stage: str
    reason: str
    family: str | None
    strategy_id: str | None
    regime: str
    day_type: str
    gates_seq: int
    snapshot_seq: int
    contract: int | None
    intent_id: str | None
