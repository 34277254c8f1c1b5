"""The common options reach a verb resolved, and what cannot be resolved is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

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
