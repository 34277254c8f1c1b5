"""The parameters of the regime model: weights by regime and feature, as settings of the session.

Lives here: ``RegimeModelConfig`` with the shipped model, the model of sessions that recorded none,
the weights as a table. May import: msgspec alone. Always holds: integers, in
thousandths; whatever the model is made of stands in the settings that a session's first fact has,
so that a replay, a successor and a what-if need no file.
Start reading at ``RegimeModelConfig``, then ``docs/REGIME.md``.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

LABELS: Final = ("TREND", "RANGE", "RANGE_VOLATILE", "EVENT", "PANIC")
FEATURES: Final = ("adx", "drift", "fall", "level", "push", "bias")

_MOST: Final = 20_000


def _weight(regime: str, feature: str) -> Meta:
    text = f"weight of {feature} for {regime}, thousandths a unit of feature"
    return Meta(ge=-_MOST, le=_MOST, description=text)


class RegimeModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Scores in thousandths a unit of feature, one group a regime.

    A trend is separated averages and a strong ADX in calm volatility; a range is calm and goes
    nowhere; a volatile range goes nowhere in volatility; an event is volatility above all; a panic
    is volatility that falls. ``engine.regime.Features`` says what the features are.
    """

    name: Annotated[
        str, Meta(pattern="^[A-Za-z0-9._-]{1,40}$", description="name and version of the model")
    ] = "axiom-2"
    level_reference_bps: Annotated[
        int, Meta(ge=50, le=_MOST, description="realised volatility a year that is neither high")
    ] = 950
    trend_adx_milli: Annotated[int, _weight("TREND", "adx")] = 900
    trend_drift_milli: Annotated[int, _weight("TREND", "drift")] = 1_550
    trend_fall_milli: Annotated[int, _weight("TREND", "fall")] = 0
    trend_level_milli: Annotated[int, _weight("TREND", "level")] = -1_600
    trend_push_milli: Annotated[int, _weight("TREND", "push")] = 300
    trend_bias_milli: Annotated[int, _weight("TREND", "bias")] = -600
    range_adx_milli: Annotated[int, _weight("RANGE", "adx")] = -500
    range_drift_milli: Annotated[int, _weight("RANGE", "drift")] = -1_300
    range_fall_milli: Annotated[int, _weight("RANGE", "fall")] = 0
    range_level_milli: Annotated[int, _weight("RANGE", "level")] = -3_600
    range_push_milli: Annotated[int, _weight("RANGE", "push")] = -200
    range_bias_milli: Annotated[int, _weight("RANGE", "bias")] = 2_800
    range_volatile_adx_milli: Annotated[int, _weight("RANGE_VOLATILE", "adx")] = -900
    range_volatile_drift_milli: Annotated[int, _weight("RANGE_VOLATILE", "drift")] = -700
    range_volatile_fall_milli: Annotated[int, _weight("RANGE_VOLATILE", "fall")] = 0
    range_volatile_level_milli: Annotated[int, _weight("RANGE_VOLATILE", "level")] = 1_050
    range_volatile_push_milli: Annotated[int, _weight("RANGE_VOLATILE", "push")] = -400
    range_volatile_bias_milli: Annotated[int, _weight("RANGE_VOLATILE", "bias")] = 2_600
    event_adx_milli: Annotated[int, _weight("EVENT", "adx")] = 0
    event_drift_milli: Annotated[int, _weight("EVENT", "drift")] = -500
    event_fall_milli: Annotated[int, _weight("EVENT", "fall")] = 0
    event_level_milli: Annotated[int, _weight("EVENT", "level")] = 3_000
    event_push_milli: Annotated[int, _weight("EVENT", "push")] = 200
    event_bias_milli: Annotated[int, _weight("EVENT", "bias")] = -700
    panic_adx_milli: Annotated[int, _weight("PANIC", "adx")] = 500
    panic_drift_milli: Annotated[int, _weight("PANIC", "drift")] = 750
    panic_fall_milli: Annotated[int, _weight("PANIC", "fall")] = 1_250
    panic_level_milli: Annotated[int, _weight("PANIC", "level")] = 1_700
    panic_push_milli: Annotated[int, _weight("PANIC", "push")] = 500
    panic_bias_milli: Annotated[int, _weight("PANIC", "bias")] = -3_500


SHIPPED: Final = RegimeModelConfig()

Weights = tuple[tuple[int, ...], ...]


def weights_of(model: RegimeModelConfig) -> Weights:
    """A row a regime in the order of ``LABELS``, a weight a feature in that of ``FEATURES``."""
    return tuple(
        tuple(getattr(model, f"{label.lower()}_{feature}_milli") for feature in FEATURES)
        for label in LABELS
    )


def model_of(name: str, level_reference_bps: int, rows: Weights) -> RegimeModelConfig:
    """The model of a table."""
    values = {
        f"{label.lower()}_{feature}_milli": weight
        for label, row in zip(LABELS, rows, strict=True)
        for feature, weight in zip(FEATURES, row, strict=True)
    }
    return RegimeModelConfig(name=name, level_reference_bps=level_reference_bps, **values)


FIRST: Final = model_of(
    "axiom-1",
    1_200,
    (
        (600, 1_600, 0, -900, 0, -2_200),
        (-400, -1_800, 0, -1_000, 0, 1_600),
        (-100, -1_600, 0, 1_800, 0, -100),
        (0, 200, 0, 2_400, 0, -3_000),
        (0, 0, 1_400, 2_000, 0, -4_600),
    ),
)
"""What the code held before sessions recorded their model: a journal without one is of this."""
