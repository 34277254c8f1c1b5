"""``axiom doctor``: rows with codes, exit codes, and what a person is told to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.doctor.table import CHECKS
from tests.cli.conftest import Call

ONLY_LIVE = {check.code for check in CHECKS if check.only_live}


def test_a_sound_machine_is_ready_for_backtests(axiom: Call, home: Path) -> None:
    """Every check but LIVE's own, in order; warnings do not make it bad."""
    answer = axiom("doctor", "--json")
    assert answer.code == 0, answer
    document = answer.document
    assert (document["ok"], document["live"]) == (True, False)
    codes = [row["code"] for row in document["checks"]]
    assert codes == [check.code for check in CHECKS if check.code not in ONLY_LIVE]
    assert {row["verdict"] for row in document["checks"]} <= {"ok", "warn"}
    text = axiom("doctor")
    assert text.code == 0
    assert "ready for backtests and replays: 0 bad" in text.out


def test_live_is_refused_with_every_reason(axiom: Call, home: Path) -> None:
    """Exit 1, all the checks, each bad one with what to do."""
    answer = axiom("doctor", "--live", "--json")
    assert answer.code == 1
    rows = answer.document["checks"]
    assert [row["code"] for row in rows] == [check.code for check in CHECKS]
    bad = {row["code"]: row for row in rows if row["verdict"] == "bad"}
    assert {"LIVE_LOGIN", "LIVE_ADDRESS", "ACCOUNT_SHARED", "LIVE_INSTRUMENTS"} <= set(bad)
    assert all(row["what_to_do"] for row in bad.values())
    text = axiom("doctor", "--live")
    assert text.code == 1
    assert "not ready for LIVE" in text.out
    assert text.out.count("to do: ") >= len(bad)


def test_a_configuration_at_fault_is_one_bad_row(axiom: Call, home: Path, tmp_path: Path) -> None:
    """The other checks are made all the same."""
    file = tmp_path / "my.toml"
    file.write_text("[live]\negress_adress = '203.0.113.7'\n")
    answer = axiom("doctor", "--config", file, "--json")
    assert answer.code == 1
    bad = [row for row in answer.document["checks"] if row["verdict"] == "bad"]
    assert [row["code"] for row in bad] == ["LIVE_CONFIG"]
    assert "unknown setting live.egress_adress" in bad[0]["sentence"]


def test_the_address_that_is_given_is_compared(axiom: Call, home: Path, tmp_path: Path) -> None:
    """With the configured one; nobody is asked."""
    file = tmp_path / "my.toml"
    file.write_text("[live]\negress_address = '203.0.113.7'\n")
    for address, verdict in (("203.0.113.7", "ok"), ("203.0.113.8", "bad")):
        rows = axiom("doctor", "--live", "--config", file, "--address", address, "--json")
        row = next(r for r in rows.document["checks"] if r["code"] == "LIVE_ADDRESS")
        assert row["verdict"] == verdict


@pytest.mark.parametrize("host", ["a host", "host:1;rm", ""])
def test_a_time_server_that_is_none_is_one_line(axiom: Call, home: Path, host: str) -> None:
    """Exit 2 where it cannot be a host; an empty one asks this machine's own service."""
    if host:
        assert "live.ntp_host" in axiom("doctor", "--ntp", host).refusal
    else:
        assert axiom("doctor", "--ntp", host).code == 0
