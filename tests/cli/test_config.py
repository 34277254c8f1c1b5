"""``axiom config``: what is in force and from where, and what a file's check says."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.config import Config, flatten, merge, setting_specs
from engine.policy import POLICY
from engine.strategies import FAMILIES
from tests.cli.conftest import Call


def write(folder: Path, text: str) -> Path:
    """A configuration file."""
    path = folder / "my.toml"
    path.write_text(text)
    return path


def test_every_setting_is_shown_with_its_default(axiom: Call) -> None:
    """One row a setting, its value that of the core, its origin the default."""
    rows = axiom("config", "show", "--json").document
    core = {row["key"]: row["value"] for row in rows if not row["key"].startswith("live.")}
    assert core == {setting.key: setting.value for setting in flatten(Config())}
    assert {row["origin"] for row in rows} == {"default"}
    text = axiom("config", "show").out
    assert [spec.key for spec in setting_specs() if spec.key not in text] == []


def test_a_file_is_the_origin_of_what_it_names(axiom: Call, tmp_path: Path) -> None:
    """Also where it repeats the default; everything else stays a default."""
    path = write(tmp_path, "[risk]\ntrades_day_max = 2\nlots_max = 5\n")
    rows = axiom("config", "show", "--config", path, "--json").document
    named = {
        row["key"]: (row["value"], row["origin"]) for row in rows if row["origin"] != "default"
    }
    assert named == {"risk.trades_day_max": (2, str(path)), "risk.lots_max": (5, str(path))}
    effective = flatten(merge(Config(), {"risk": {"trades_day_max": 2}}))
    core = [row["value"] for row in rows if not row["key"].startswith("live.")]
    assert core == [setting.value for setting in effective]


def test_what_a_promotion_has_to_name_is_printed(axiom: Call, tmp_path: Path) -> None:
    """A row a strategy: this program's code, the file's parameters, the algo id where there is one;
    a parameter that is another is another word. Not together with the policy."""
    config = tmp_path / "a.toml"
    config.write_text('[orders]\nalgo_id = "A7"\n[trend]\nadx_milli_min = 7\n')
    plain = axiom("config", "show", "--strategies", "--json").document
    own = axiom("config", "show", "--strategies", "--json", "--config", config).document
    assert [row["strategy"] for row in plain] == [one.strategy_id for one in FAMILIES]
    for row, other in zip(plain, own, strict=True):
        assert row["named"] == f"{row['code']}:{row['parameters']}"
        assert other["named"] == f"{other['code']}:{other['parameters']}:A7"
        assert (row["parameters"] != other["parameters"]) == (row["family"] == "TREND")
    line = axiom("config", "show", "--strategies", "--policy").refusal
    assert "give one of --policy and --strategies" in line


def test_the_policy_table_is_printed_row_by_row(axiom: Call) -> None:
    """Each relaxation with its gate, when it applies, its limit and why."""
    rows = axiom("config", "show", "--policy", "--json").document
    assert [row["name"] for row in rows] == [row.name for row in POLICY]
    assert set(rows[0]) == {"name", "gate", "when", "limit_ms", "why"}
    text = axiom("config", "show", "--policy").out
    assert all(row.why in text for row in POLICY)


def test_a_good_file_passes(axiom: Call, tmp_path: Path) -> None:
    """Exit 0 with what the file changes."""
    path = write(tmp_path, "[risk]\ntrades_day_max = 2\n")
    answer = axiom("config", "check", path, "--json")
    assert answer.code == 0
    assert answer.document["ok"] is True
    assert answer.document["settings"] == [{"key": "risk.trades_day_max", "value": 2, "default": 6}]
    assert "settings that it changes: 1" in axiom("config", "check", path).out
    assert axiom("config", "check", write(tmp_path, "")).code == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[risk]\ntrades = 2\n", "unknown setting risk.trades"),
        ("[luck]\nmore = 2\n", "unknown section [luck]"),
        ("[risk]\ntrades_day_max = -1\n", "out of bounds"),
        ("[risk]\ntrades_day_max = '2'\n", "risk.trades_day_max is a whole number, not '2'"),
        ("[risk]\ntrades_day_max = true\n", "risk.trades_day_max is a whole number, not True"),
        ("[trend]\nenabled = 1\n", "trend.enabled is true or false, not 1"),
        ("risk = 2\n", "must be a section"),
        ("[session]\nlast_entry_hhmm = 1510\n", "must not be after"),
    ],
)
def test_canary_a_file_that_a_run_would_refuse_is_bad(
    axiom: Call, tmp_path: Path, text: str, said: str
) -> None:
    """Exit 1 by the check; exit 2 by whoever was to run with it."""
    path = write(tmp_path, text)
    answer = axiom("config", "check", path)
    assert (answer.code, answer.out) == (1, "")
    assert said in answer.err
    document = axiom("config", "check", path, "--json").document
    assert document["ok"] is False
    assert said in document["problems"][0]
    assert said in axiom("config", "show", "--config", path).refusal


def test_what_cannot_be_read_could_not_be_checked(axiom: Call, tmp_path: Path) -> None:
    """No file, a folder, half a file, bytes: one line, exit 2."""
    assert "cannot be read" in axiom("config", "check", tmp_path / "none.toml").refusal
    assert "cannot be read" in axiom("config", "check", tmp_path).refusal
    assert "is not TOML" in axiom("config", "check", write(tmp_path, "[risk")).refusal
    path = tmp_path / "bytes.toml"
    path.write_bytes(b"\xff\xfe")
    assert "cannot be read" in axiom("config", "check", path).refusal
