"""The machine's own settings: one section, strict, apart from the core's."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from cli.load import load_config, load_machine
from cli.machine import MachineError, MachineSettings, machine_settings, setting_rows
from engine.config import DEFAULTS
from tests.cli.conftest import Call

GOOD: dict[str, str | int] = {
    "account": "AB1234",
    "egress_address": "2001:db8::1",
    "egress_url": "https://address.example.org",
    "ntp_host": "time.example.org:123",
    "underlyings": "SENSEX, NIFTY",
    "expiries": 3,
    "strikes_each_side": 12,
}


def test_a_section_is_read_and_the_core_never_sees_it(tmp_path: Path) -> None:
    """The same file gives both; neither has the other's settings."""
    file = tmp_path / "my.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in GOOD.items()]
    file.write_text("\n".join(["[live]", *lines, "[risk]", "lots_max = 3", ""]))
    assert load_machine(file) == msgspec.convert(GOOD, MachineSettings)
    assert load_machine(file).names == ("SENSEX", "NIFTY")
    assert load_config(file).risk.lots_max == 3
    assert load_machine(None) == MachineSettings()
    assert not hasattr(DEFAULTS, "live")


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"egress": "x"}, "unknown setting live.egress"),
        ({"account": 3}, "is a word in quotes"),
        ({"account": "a b"}, "letters, digits"),
        ({"egress_address": "example.org"}, "live.egress_address"),
        ({"egress_url": "ftp://x"}, "must begin with https://"),
        ({"egress_url": "https://a.example/?key=x"}, "no user, no query"),
        ({"egress_url": "https://u:p@a.example/"}, "no user, no query"),
        ({"egress_url": "http://example.org"}, "must begin with https://"),
        ({"ntp_host": "a b"}, "live.ntp_host"),
        ({"underlyings": "NIFTY,DOW"}, "names 'DOW'"),
        ({"underlyings": "NIFTY,NIFTY"}, "each once"),
        ({"underlyings": ""}, "names ''"),
        ({"expiries": "2"}, "live.expiries is a whole number"),
        ({"expiries": True}, "live.expiries is a whole number"),
        ({"expiries": 0}, "out of bounds"),
        ({"strikes_each_side": 61}, "out of bounds"),
        ({"at_end": "SELL"}, "at_end is LEAVE or FLATTEN"),
        ("x", "must be a section"),
    ],
)
def test_a_setting_of_no_use_is_refused(section: object, says: str) -> None:
    """One line that names the key."""
    with pytest.raises(MachineError, match=says):
        machine_settings({"live": section})


def test_they_are_shown_and_checked_with_the_others(axiom: Call, tmp_path: Path) -> None:
    """``config show`` lists them with their origin, ``config check`` judges them."""
    file = tmp_path / "my.toml"
    file.write_text("[live]\naccount = 'AB1234'\n")
    rows = {row["key"]: row for row in axiom("config", "show", "--config", file, "--json").document}
    assert rows["live.account"]["value"] == "AB1234"
    assert rows["live.account"]["origin"] == str(file)
    assert rows["live.ntp_host"]["origin"] == "default"
    assert len(setting_rows(MachineSettings())) == 10
    good = axiom("config", "check", file, "--json")
    assert good.document["settings"] == [{"key": "live.account", "value": "AB1234", "default": ""}]
    file.write_text("[live]\naccounts = 'AB1234'\n")
    assert axiom("config", "check", file).code == 1
