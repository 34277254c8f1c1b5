"""What the screen is told of a replay."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.diverged import First, ReplayDocument, _told, first_divergence


def test_a_session_that_replays_identical(session: Path) -> None:
    """Nothing differs: there is no seq."""
    assert first_divergence(session) is None


def test_a_session_that_is_none(tmp_path: Path) -> None:
    """One line, whatever the replay said."""
    with pytest.raises(ValueError, match="did not end"):
        first_divergence(tmp_path)


def test_what_a_report_means() -> None:
    """A divergence is its seq; other code and a damaged journal are lines."""
    assert _told(ReplayDocument(False, first_divergence=First(7))) == 7
    assert _told(ReplayDocument(True)) is None
    with pytest.raises(ValueError, match="other code"):
        _told(ReplayDocument(False))
    with pytest.raises(ValueError, match="damaged"):
        _told(ReplayDocument(False, problem="torn"))
