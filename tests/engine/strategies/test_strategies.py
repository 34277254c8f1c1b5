"""Families and their signals: who may trade what, and when each says so."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from engine.config import Config, merge
from engine.gates.strategy import best_ranked, judge_signal
from engine.strategies import FAMILIES, family_named, family_of, mean_revert, regime_allows, trend
from engine.strategies.signal import Signal
from engine.view import View
from events.gates import BY_GATE
from events.orders import IntentApproved
from tests.engine.build import at_trade, view_of, with_config
from tests.engine.fabricated import SmallMarket, relaxed, run_core, small_facts
from tests.engine.gates.cases import regime

TREND, MEAN_REVERT, DEFINED_RISK = FAMILIES


def _view(
    away: float, fast: float, adx: float, rsi: float, **config: dict[str, int | bool]
) -> View:
    """A view ``away`` ATRs from the day's average, the fast average ``fast`` ATRs above the slow
    one and a tenth of an ATR behind the close in its direction."""
    view = view_of(with_config(at_trade().state, **config))
    slot = view.slot
    assert slot is not None
    assert slot.indicators is not None
    atr, line = 1_000.0, 2_400_000.0
    close = line + away * atr
    ind = replace(
        slot.indicators, bars=50, close_paise=int(close), atr_paise=atr, adx_average=adx,
        ema_fast_paise=close - (0.1 * atr if fast > 0 else -0.1 * atr), gain=rsi, loss=100.0 - rsi,
    )  # fmt: skip
    ind = replace(ind, ema_slow_paise=ind.ema_fast_paise - fast * atr)
    return replace(view, slot=replace(slot, indicators=ind), line_paise=line)


def _trend(away: float, fast: float, adx: float = 30.0, least: int = 22_000) -> Signal:
    return trend.signal(_view(away, fast, adx, 50.0, trend={"adx_milli_min": least}))


def _revert(away: float, rsi: float, least: int = 1_500) -> Signal:
    return mean_revert.signal(_view(away, 0.5, 30.0, rsi, mean_revert={"stretch_milli_min": least}))


def test_every_family_has_its_gate_and_its_id() -> None:
    """Each family's evidence gate is in the catalogue, and its id and its name are found again."""
    for family in FAMILIES:
        assert BY_GATE[family.gate].stage == "N8_STRATEGY_SELECT"
        assert family_of(family.strategy_id) is family
        assert family_named(family.name) is family
    with pytest.raises(KeyError):
        family_named("MARTINGALE")
    with pytest.raises(KeyError):
        family_of("martingale.v1")


def test_settings_reach_their_family() -> None:
    """Each family reads its own switch and its own least strength."""
    for family, section in zip(FAMILIES, ("trend", "mean_revert", "defined_risk"), strict=True):
        off = merge(Config(), {section: {"enabled": False, "signal_milli_min": 123}})
        assert family.enabled(Config())
        assert not family.enabled(off)
        assert family.signal_min_milli(off) == 123
        assert all(one.enabled(off) for one in FAMILIES if one is not family)


@pytest.mark.parametrize(("away", "fast", "want"), [(1.0, 0.8, "UP"), (-1.0, -0.8, "DOWN")])
def test_a_trend_is_joined_in_its_direction(away: float, fast: float, want: str) -> None:
    """Averages, the day's average price and the last bar agree and ADX is high: that direction."""
    assert _trend(away, fast).direction == _trend(away, fast).lean == want


@pytest.mark.parametrize(
    ("away", "fast", "adx"),
    [(-1.0, 0.8, 30.0), (1.0, -0.8, 30.0), (1.0, 0.8, 21.9), (17.0, 0.8, 30.0), (1.0, 0.0, 30.0)],
    ids=["below the line", "averages against it", "weak", "run away", "no separation"],
)
def test_a_trend_that_does_not_agree_is_left(away: float, fast: float, adx: float) -> None:
    """One of them against it and there is a lean, but no direction."""
    signal = _trend(away, fast, adx)
    assert signal.direction is None
    assert signal.lean == ("UP" if fast >= 0 else "DOWN")


def test_a_trend_that_pauses_is_left() -> None:
    """A close on the wrong side of the fast average is no moment to join."""
    view = _view(1.0, 0.8, 30.0, 50.0)
    slot = view.slot
    assert slot is not None
    assert slot.indicators is not None
    ahead = replace(slot.indicators, ema_fast_paise=slot.indicators.close_paise + 1.0)
    assert trend.signal(replace(view, slot=replace(slot, indicators=ahead))).direction is None


def test_the_least_adx_is_a_least() -> None:
    """Exactly at the setting the trend counts."""
    assert _trend(1.0, 0.8, 22.0).direction == "UP"
    assert _trend(1.0, 0.8, 22.0, 22_001).direction is None


@pytest.mark.parametrize(
    ("away", "rsi", "want"),
    [
        (-2.0, 30.0, "UP"),
        (2.0, 70.0, "DOWN"),
        (-2.0, 38.0, "UP"),
        (2.0, 62.0, "DOWN"),
        (-2.0, 38.5, None),
        (2.0, 61.5, None),
        (-2.0, 70.0, None),
        (1.4, 70.0, None),
    ],
)
def test_a_stretch_is_faded(away: float, rsi: float, want: str | None) -> None:
    """Stretched below with a low RSI is bought, above with a high one sold; not otherwise."""
    signal = _revert(away, rsi)
    assert signal.direction == want
    assert signal.lean == ("UP" if away < 0 else "DOWN")


def test_strength_grows_and_stays_within_a_thousand() -> None:
    """Strength follows the stretch or the separation and is per mille."""
    revert = [_revert(-away, 30.0).strength_milli for away in (1.6, 2.0, 3.0, 9.0)]
    follow = [_trend(1.0, fast).strength_milli for fast in (0.2, 0.6, 1.0, 9.0)]
    for strengths in (revert, follow):
        assert strengths == sorted(strengths)
        assert strengths[0] < strengths[-2]
        assert strengths[-1] == 1000
        assert strengths[0] >= 0


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_without_its_inputs_a_strategy_says_nothing(family: object) -> None:
    """No indicators, no average price or no range: no direction, strength 0, and a lean."""
    assert family in FAMILIES
    view = _view(-2.0, 0.8, 30.0, 30.0)
    slot = view.slot
    assert slot is not None
    assert slot.indicators is not None
    still = replace(slot, indicators=replace(slot.indicators, atr_paise=0.0))
    first = replace(slot, indicators=replace(slot.indicators, bars=1))
    for one in (
        replace(view, slot=None),
        replace(view, slot=replace(slot, indicators=None)),
        replace(view, line_paise=None),
        replace(view, slot=still),
        replace(view, slot=first),
    ):
        for strategy in (trend, mean_revert):
            assert strategy.signal(one) == Signal(None, "UP", 0)


def test_the_first_family_with_a_signal_is_taken() -> None:
    """Of the families allowed the first that sees a direction speaks, else the first of all."""
    both = _view(2.0, 0.8, 30.0, 70.0, mean_revert={"stretch_milli_min": 0})
    assert judge_signal(both, FAMILIES)[1].family is TREND
    stretched = _view(2.0, -0.8, 30.0, 70.0, mean_revert={"stretch_milli_min": 0})
    assert judge_signal(stretched, FAMILIES)[1].family is MEAN_REVERT
    neither = _view(0.0, 0.0, 0.0, 50.0)
    verdict, chosen = judge_signal(neither, FAMILIES)
    assert (verdict.reason, chosen.family) == ("SIGNAL_NONE", TREND)


def test_the_best_ranked_family_is_the_likeliest() -> None:
    """For an assumed evaluation the family whose regimes have most probability is taken."""
    state = at_trade().state
    for probs, want in (
        ((501, 249, 250, 0, 0), TREND),
        ((499, 251, 250, 0, 0), MEAN_REVERT),
        ((300, 300, 0, 400, 0), DEFINED_RISK),
        ((0, 0, 0, 0, 1000), TREND),
    ):
        assert best_ranked(view_of(regime(state, probs_milli=probs))) is want
    assert regime_allows(TREND, "TREND", live=True)
    assert not regime_allows(TREND, "RANGE", live=True)


def _felt(view: View, **changes: Mapping[str, object]) -> View:
    """The view with fields of its features' families changed."""
    features = view.market.features
    assert features is not None
    changed = {name: replace(getattr(features, name), **of) for name, of in changes.items()}
    return replace(view, market=replace(view.market, features=replace(features, **changed)))


@pytest.mark.parametrize(("change", "want"), [(None, "UP"), (1, "UP"), (0, "UP"), (-1, None)])
def test_a_trend_whose_last_minutes_turned_is_left(change: int | None, want: str | None) -> None:
    """Five minutes against the averages and it is no moment to join; not known says nothing."""
    view = _felt(_view(1.0, 0.8, 30.0, 50.0), momentum={"change_5m_ppm": change})
    assert trend.signal(view).direction == want


@pytest.mark.parametrize(
    ("change", "pace", "want"),
    [(-9, -9, None), (-9, 9, "UP"), (9, -9, "UP"), (None, -9, "UP"), (-9, None, "UP")],
)
def test_a_stretch_that_gathers_pace_is_not_faded(
    change: int | None, pace: int | None, want: str | None
) -> None:
    """Further away and faster than before: left. Slower, or coming back: faded."""
    momentum = {"change_5m_ppm": change, "acceleration_ppm": pace}
    view = _felt(_view(-2.0, 0.5, 30.0, 30.0), momentum=momentum)
    assert mean_revert.signal(view).direction == want


ALIGNMENTS = [
    (TREND, "opening_range", "side", "BELOW", "OPENING_RANGE_AGAINST"),
    (TREND, "opening_range", "side", "INSIDE", None),
    (TREND, "opening_range", "side", "ABOVE", None),
    (TREND, "higher_trend", "direction", "DOWN", "HIGHER_TREND_AGAINST"),
    (TREND, "higher_trend", "direction", "FLAT", None),
    (TREND, "higher_trend", "direction", "UP", None),
]


@pytest.mark.parametrize(("family", "gate", "field", "where", "reason"), ALIGNMENTS)
def test_a_signal_goes_with_the_day_or_is_refused(
    family: object, gate: str, field: str, where: str, reason: str | None
) -> None:
    """[BUG] ``orb_neutral_blocked``, and ``htf_dir`` that was FLAT for ever: inside the range or
    without a longer trend a signal passes, against either it does not."""
    assert family is TREND
    view = _felt(_view(1.0, 0.8, 30.0, 50.0), **{gate: {field: where}})
    rows = {row.gate: row for row in judge_signal(view, (TREND,))[0].rows}
    assert rows["signal"].verdict == "PASS"
    assert rows[gate].reason == reason


@pytest.mark.parametrize("mode", ["BACKTEST", "PAPER", "LIVE"])
def test_what_is_not_known_of_the_day_refuses_in_live(mode: str) -> None:
    """Opening range and longer trend UNKNOWN, or no features at all: LIVE refuses with each one's
    code; elsewhere the row passes and its mark says what was not known."""
    view = _view(1.0, 0.8, 30.0, 50.0)
    opened = view.state.opened
    assert opened is not None
    view = replace(view, state=replace(view.state, opened=replace(opened, mode=mode)))
    unsaid = _felt(view, opening_range={"side": "UNKNOWN"}, higher_trend={"direction": "UNKNOWN"})
    bare = replace(view, market=replace(view.market, features=None))
    for one in (unsaid, bare):
        rows = {row.gate: row for row in judge_signal(one, (TREND,))[0].rows}
        for gate, code in (
            ("opening_range", "OPENING_RANGE_UNKNOWN"),
            ("higher_trend", "HIGHER_TREND_UNKNOWN"),
        ):
            assert rows[gate].marks == (code,)
            assert rows[gate].reason == (code if mode == "LIVE" else None)
            assert rows[gate].verdict == ("UNKNOWN" if mode == "LIVE" else "PASS")


def test_a_family_is_asked_what_it_asks() -> None:
    """A reversion is not held to the opening range that it fades; without a direction a row
    passes and says so."""
    view = _view(2.0, 0.8, 30.0, 70.0)
    rows = [row.gate for row in judge_signal(view, (MEAN_REVERT,))[0].rows]
    assert "opening_range" not in rows
    assert "higher_trend" in rows
    free = _view(1.0, 0.8, 30.0, 50.0, trend={"aligned": False})
    free = _felt(free, opening_range={"side": "BELOW"}, higher_trend={"direction": "DOWN"})
    assert judge_signal(free, (TREND,))[0].verdict == "PASS"
    none = judge_signal(_view(0.0, 0.0, 0.0, 50.0), (TREND,))[0]
    marks = {row.gate: row.marks for row in none.rows}
    assert marks["opening_range"] == marks["higher_trend"] == ("NO_DIRECTION",)


def test_a_reversion_can_signal_in_a_run() -> None:
    """[BUG] ``rsi_mom`` was constant 0, so that MEAN_REVERT could never signal: here it trades."""
    assert any(
        one.strategy_id == MEAN_REVERT.strategy_id
        for one in run_core(small_facts(SmallMarket(), relaxed())).events("IntentApproved")
        if isinstance(one, IntentApproved)
    )
