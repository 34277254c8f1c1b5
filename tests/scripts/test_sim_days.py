"""A stretch of two faulty days through the same program and the same checks as the whole days."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts import sim_days
from scripts.sim_checks import Day
from scripts.sim_days import main, plan_of

ENGINE_DIES, EXCHANGE_DIES = 3, 10
AT = "13:00"
SPEED = "400"


@pytest.mark.slow
def test_two_faulty_afternoons_hold(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One whose engine is killed and one whose exchange is: no crash, no lost event, every incident
    coded, and the last line says which kinds of faults did not fire."""
    words = ("--seeds", str(ENGINE_DIES), str(EXCHANGE_DIES), "--at", AT, "--speed", SPEED)
    code = main([*words, "--keep", str(tmp_path)])
    said = capfd.readouterr().out
    sys.stdout.write(said)
    assert code == 0, said
    first, second, last = said.splitlines()
    assert first.startswith(f"seed {ENGINE_DIES}: good") and " 1 kills," in first
    assert second.startswith(f"seed {EXCHANGE_DIES}: good") and ", exchange killed," in second
    assert last.endswith("failed seeds: none")


def test_a_day_that_is_wrong_fails_the_program(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a check says stands below the day's line, names its seed, and is exit code 1."""

    def spoilt(seed: int, *_: object) -> Day:
        account = {"now_ns": 0, "logins": 0, "faults": [], "orders": [], "trades": [],
                   "updates": []}  # fmt: skip
        answer = {"frames_dropped": int(seed == 7)}
        return Day(seed, 0, "", 0, False, 1, (), [], account, answer)

    monkeypatch.setattr(sim_days, "day", spoilt)
    assert main(["--seeds", "6", "7", "--keep", str(tmp_path)]) == 1
    said = capfd.readouterr().out
    assert "seed 6: good" in said
    assert "  seed 7: drops_counted: the engine dropped 1 frames, and told of 0" in said
    assert said.splitlines()[-1].endswith("failed seeds: [7]")


def test_half_of_the_engines_and_a_tenth_of_the_exchanges_are_killed() -> None:
    """By the seed alone, in the middle of the day."""
    plans = [plan_of(seed, 100.0) for seed in sim_days.SEEDS]
    assert sum(one.engine_s is not None for one in plans) == len(plans) // 2
    assert sum(one.exchange_s is not None for one in plans) == len(plans) // 10
    assert plans == [plan_of(seed, 100.0) for seed in sim_days.SEEDS]
    moments = [one.engine_s or one.exchange_s for one in plans]
    assert all(moment is None or 15 <= moment <= 85 for moment in moments)
