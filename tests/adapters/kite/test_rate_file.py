"""B06: two processes count into one file, and no fault of the file holds an exit up."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.kite.rate import NS_PER_MINUTE, ORDERS_A_SECOND, Budgets
from adapters.kite.rate_file import OrderBudget, since_start_ns, times_of, today
from engine.rulebook import NS_PER_S
from tests.adapters.kite.test_rate import most_in_a_window

ROOT = Path(__file__).resolve().parents[3]
DAY = 20261008


class Hands:
    """A clock that moves when somebody waits, and a day that is set."""

    def __init__(self) -> None:
        self.now = 10 * NS_PER_MINUTE
        self.day = DAY

    def budget(self, folder: Path, budgets: Budgets | None = None) -> OrderBudget:
        return OrderBudget(
            folder, budgets or Budgets(), lambda: self.now, lambda: self.day, self.wait
        )

    def wait(self, seconds: float) -> None:
        self.now += int(seconds * NS_PER_S)


def test_two_budgets_are_one_count(tmp_path: Path) -> None:
    """B06: what one process sends another has counted, by the second, the minute and the day."""
    hands = Hands()
    engine, emergency = hands.budget(tmp_path), hands.budget(tmp_path)
    assert [engine.reserve(is_exit=False) for _ in range(6)] == [0] * 6
    assert engine.reserve(is_exit=False) == NS_PER_S + 1
    assert [emergency.reserve(is_exit=True) for _ in range(2)] == [0, 0]
    assert emergency.reserve(is_exit=True) == NS_PER_S + 1 == engine.reserve(is_exit=True)
    hands.now += NS_PER_S + 1
    assert emergency.reserve(is_exit=True) == 0
    assert os.stat(tmp_path / f"order-messages-{DAY}").st_mode & 0o777 == 0o600


def test_a_storm_over_processes(tmp_path: Path) -> None:
    """B06: four processes that send as fast as they may never put more than 8 into a second."""
    storm = (
        "import sys, pathlib\n"
        "from adapters.kite.rate_file import OrderBudget\n"
        "budget = OrderBudget(pathlib.Path(sys.argv[1]), day=lambda: 20261008)\n"
        "print(sum(budget.reserve(is_exit=True) == 0 for _ in range(200)))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", storm, str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    counted = sum(int(process.communicate(timeout=60)[0]) for process in processes)
    assert [process.returncode for process in processes] == [0] * 4
    times = list(times_of((tmp_path / f"order-messages-{DAY}").read_bytes()))
    assert len(times) == counted >= ORDERS_A_SECOND
    assert times == sorted(times)
    assert most_in_a_window(times, NS_PER_S) <= ORDERS_A_SECOND


def test_the_day_s_count_and_its_end(tmp_path: Path) -> None:
    """The day's budget ends for entries before it ends for exits, and a new day begins at none,
    with the old file gone."""
    hands = Hands()
    budget = hands.budget(tmp_path, Budgets(day=10, exits_day=3))
    for _ in range(7):
        hands.now += NS_PER_S
        assert budget.reserve(is_exit=False) == 0
    hands.now += NS_PER_S
    assert budget.reserve(is_exit=False) is None
    assert [budget.reserve(is_exit=True) for _ in range(4)] == [0, 0, 0, None]
    hands.day += 1
    hands.now += 2 * NS_PER_S
    assert budget.reserve(is_exit=False) == 0
    assert [p.name for p in tmp_path.iterdir()] == [f"order-messages-{DAY + 1}"]


def test_a_restart_of_the_machine(tmp_path: Path) -> None:
    """After a restart the clock begins anew: the day's count stays, the windows are empty."""
    hands = Hands()
    budgets = Budgets(day=20, exits_day=3)
    for _ in range(8):
        assert hands.budget(tmp_path, budgets).reserve(is_exit=True) == 0
    hands.now = NS_PER_S
    assert hands.budget(tmp_path, budgets).reserve(is_exit=False) == 0
    assert (tmp_path / f"order-messages-{DAY}").stat().st_size == 9 * 8


@pytest.mark.parametrize("bytes_left", [1, 7])
def test_a_record_cut_short(tmp_path: Path, bytes_left: int) -> None:
    """A record that a death cut short is written over: the count goes on from whole ones."""
    hands = Hands()
    budget = hands.budget(tmp_path)
    budget.reserve(is_exit=True)
    path = tmp_path / f"order-messages-{DAY}"
    path.write_bytes(path.read_bytes() + b"\x7f" * bytes_left)
    assert budget.reserve(is_exit=True) == 0
    assert times_of(path.read_bytes()) == (hands.now, hands.now)


def test_a_full_disk_stops_entries_and_no_exit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """E10: an entry that cannot be counted does not go; an exit goes, and is counted in memory, so
    that the ceiling holds."""
    hands = Hands()
    budget = hands.budget(tmp_path)
    assert budget.reserve(is_exit=False) == 0

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "pwrite", full)
    assert budget.reserve(is_exit=False) is None
    assert [budget.reserve(is_exit=True) for _ in range(8)] == [0] * 7 + [NS_PER_S + 1]
    monkeypatch.undo()
    hands.now += NS_PER_S + 1
    assert budget.reserve(is_exit=False) == 0


def test_what_is_counted_in_memory_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E10: exits that went while the disk was full are of the day's budget and leave it with the
    day."""
    hands = Hands()
    budget = hands.budget(tmp_path, Budgets(day=6, exits_day=3))
    assert budget.reserve(is_exit=False) == 0
    monkeypatch.setattr(os, "pwrite", lambda *_: 3)
    assert [budget.reserve(is_exit=True) for _ in range(6)] == [0] * 5 + [None]
    monkeypatch.undo()
    assert hands.budget(tmp_path).reserve(is_exit=True) == 0
    hands.day += 1
    hands.now += 2 * NS_PER_S
    assert budget.reserve(is_exit=False) == 0


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """A folder where the file should be, a link to elsewhere: entries stop, exits go."""
    hands = Hands()
    (tmp_path / "a" / f"order-messages-{DAY}").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / f"order-messages-{DAY}").symlink_to(tmp_path / "elsewhere")
    for name in ("a", "b"):
        budget = hands.budget(tmp_path / name)
        assert budget.reserve(is_exit=False) is None
        assert budget.reserve(is_exit=True) == 0
    assert not (tmp_path / "elsewhere").exists()


def test_a_holder_that_stands_still(tmp_path: Path) -> None:
    """A process stopped with the file locked delays an exit by a fifth of a second, not for
    ever."""
    hands = Hands()
    budget = hands.budget(tmp_path)
    budget.reserve(is_exit=True)
    before = hands.now
    handle = os.open(tmp_path / f"order-messages-{DAY}", os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert budget.reserve(is_exit=False) is None
        assert budget.reserve(is_exit=True) == 0
    finally:
        os.close(handle)
    assert NS_PER_S // 3 < hands.now - before < NS_PER_S // 2
    assert budget.reserve(is_exit=False) == 0


def test_the_real_clocks() -> None:
    """Time since the start goes forward; the day is one."""
    assert 0 < since_start_ns() <= since_start_ns()
    assert 20260101 < today() < 21000101
