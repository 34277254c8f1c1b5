"""The common options reach a verb resolved, and what cannot be resolved is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Call
from tests.cli.test_main import call


def test_the_common_options_reach_the_verb(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Home and configuration are absolute, the desk and the flag as given, arguments beside."""
    config = tmp_path / "a.toml"
    config.touch()
    words = ["--home", str(tmp_path), "--desk", "two", "--config", str(config), "--json", "x"]
    assert call("where", *words) == 0
    assert capfd.readouterr().out == f"{tmp_path}|two|{config}|True|x\n"


def test_the_defaults(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Desk main, no configuration, text; the home from the environment."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path))
    assert call("where") == 0
    assert capfd.readouterr().out == f"{tmp_path}|main|None|False|latest\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--desk", "../x"], "not a desk id"),
        (["--config", "/no/such.toml"], "is not there: --config takes a TOML file"),
        (["--config", "/"], "is a folder"),
    ],
)
def test_what_cannot_be_resolved_is_refused(
    capfd: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """One line, exit 2, before the verb runs."""
    assert call("where", *words) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err


IGNORING = (
    "replay", "verify", "why", "query", "at", "journal info", "journal cat", "journal tail",
    "journal seal", "tui", "sessions", "config check", "import chain", "backup", "restore",
    "explain", "diff", "export", "halt", "resume", "approve", "reject", "ack",
    "adopt", "quarantine", "exit",
)  # fmt: skip
"""Every verb that reads no configuration."""


@pytest.mark.parametrize("verb", IGNORING)
def test_a_configuration_that_would_be_ignored_is_refused(
    axiom: Call, tmp_path: Path, verb: str
) -> None:
    """One line, exit 2, before anything is looked at."""
    config = tmp_path / "a.toml"
    config.write_text("[risk]\nnonsense = 1\n")
    to = ["--to", str(tmp_path / "t")] if verb == "export" else []
    words = {"diff": ["a", "b"], "at": ["a", "1"], "sessions": [], "tui": []}.get(verb, ["a"])
    line = axiom(*verb.split(), *words, *to, "--config", config, "--home", tmp_path).refusal
    assert f"'axiom {verb}' reads no configuration" in line


def test_a_home_that_is_a_file_or_lies_in_one_is_refused(axiom: Call, tmp_path: Path) -> None:
    """Named in one line, before anything is looked for in it."""
    file = tmp_path / "file"
    file.touch()
    for home in (file, file / "deeper"):
        assert f"{file} is a file, not a folder" in axiom("sessions", "--home", home).refusal
