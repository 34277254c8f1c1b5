"""The table of checks: total, each with its code, and strict where LIVE is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.doctor import table
from cli.doctor.check import ROOT, Check, Outcome, run_command
from cli.doctor.table import CHECKS, is_good, preconditions
from events.reasons import BY_CODE, REASONS
from scripts import make_live
from tests.cli.doctor.place import context


def test_every_precondition_has_its_code_and_the_page_every_line() -> None:
    """The checks are the codes of LIVE, in their order; docs/LIVE.md is made of both."""
    codes = [check.code for check in CHECKS]
    assert sorted(codes) == sorted(row.code for row in REASONS if row.stage == "LIVE")
    numbers = {row.code: row.number for row in REASONS}
    assert len(numbers) == len(REASONS)
    page = (ROOT / "docs" / "LIVE.md").read_text()
    for check in CHECKS:
        row = f"| `{check.code}` | {check.title} | {BY_CODE[check.code].sentence} |"
        assert page.count(row) == 1, f"{check.code}: run {make_live.COMMAND}"
    assert make_live.is_current()


def test_canary_a_page_that_is_behind_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--check`` exits 1 on a missing or changed page, 0 on a made one, 2 on another word."""
    page = tmp_path / "LIVE.md"
    assert make_live.main(["--check"], page) == 1
    assert make_live.main([], page) == 0
    assert make_live.main(["--check"], page) == 0
    page.write_text(page.read_text().replace("Python", "Snake"))
    assert make_live.main(["--check"], page) == 1
    assert make_live.main(["--chek"], page) == 2
    assert make_live.COMMAND in capsys.readouterr().err


@pytest.mark.parametrize(
    ("verdict", "live", "shown"),
    [("ok", True, "ok"), ("warn", True, "warn"), ("bad", False, "bad"), (None, True, "bad"),
     (None, False, "warn")],
)  # fmt: skip
def test_what_is_not_known_is_bad_for_live_alone(
    tmp_path: Path, verdict: Any, live: bool, shown: str
) -> None:
    """And the row says whether it is known, and what to do where it is not ok."""
    check = Check("LIVE_CLOCK", "the clock", lambda _: Outcome(verdict, "so"))
    (row,) = table.run_checks(context(tmp_path, live=live), (check,))
    assert (row.verdict, row.known) == (shown, verdict is not None)
    assert (row.what_to_do is None) is (shown == "ok")
    assert is_good((row,)) is (shown != "bad")


def test_what_only_live_needs_is_left_out_without_it(tmp_path: Path) -> None:
    """A backtest has no account and no release."""
    check = Check("LIVE_BUILD", "a release", lambda _: Outcome("bad", "none"), True)
    assert table.run_checks(context(tmp_path), (check,)) == ()
    assert len(table.run_checks(context(tmp_path, live=True), (check,))) == 1


@pytest.mark.parametrize("code", [check.code for check in CHECKS])
def test_each_precondition_alone_stands_against_live(tmp_path: Path, code: str) -> None:
    """One bad row is enough, and it is named by its code."""
    checks = tuple(
        msgspec.structs.replace(
            check, look=lambda _, wrong=check.code == code: Outcome("bad" if wrong else "ok", "so")
        )
        for check in CHECKS
    )
    rows = table.run_checks(context(tmp_path, live=True), checks)
    assert [row.code for row in rows if row.verdict == "bad"] == [code]
    assert len(rows) == len(CHECKS)


def test_an_empty_machine_is_not_ready_for_live(tmp_path: Path) -> None:
    """Asked without --live the context is judged as for LIVE all the same; nothing is made."""
    found = {row.code for row in preconditions(context(tmp_path / "home"))}
    assert {
        "LIVE_CLOCK", "LIVE_INSTRUMENTS", "LIVE_LOGIN", "LIVE_ADDRESS", "ACCOUNT_SHARED",
        "LIVE_BUILD",
    } <= found  # fmt: skip
    assert not (tmp_path / "home").exists()


def test_a_check_never_raises_for_what_it_finds(tmp_path: Path) -> None:
    """A file where the home, the desk and the sessions should be: rows, not errors."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "desks").write_text("in the way")
    rows = table.run_checks(context(home, live=True))
    assert len(rows) == len(CHECKS)


def test_a_command_that_is_not_there_fails_or_hangs_says_nothing() -> None:
    """Only a good answer is one."""
    assert run_command(("axiom-no-such-command",)) is None
    assert run_command(("false",)) is None
    assert (run_command(("echo", "yes")) or "").strip() == "yes"
