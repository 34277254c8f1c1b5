"""Adding to an overlay: private, append-only, whole or not at all, two adders both kept."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.rulebook.load import OPEN_ENDED, RulebookError, load_rows, read_overlay
from adapters.rulebook.overlay import append_row
from engine.rulebook import Rulebook
from events.session import RuleRow

WHEN = "2026-11-26T03:00:00Z"


def _row(value: int = 50, first: int = 20261201, source: str = "a circular") -> RuleRow:
    return RuleRow("lot", "NIFTY", first, OPEN_ENDED, value, "units", source, False)


def test_rows_are_appended_and_never_edited(tmp_path: Path) -> None:
    """What stood stands byte for byte; the later row wins; who and when stand with it; 0600."""
    path = tmp_path / "rulebook.toml"
    append_row(path, _row(50), "ana", WHEN)
    before = path.read_bytes()
    append_row(path, _row(45, 20261210), "bo", WHEN)
    assert path.read_bytes().startswith(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [(one.row.value, one.who, one.added) for one in read_overlay(path)] == [
        (50, "ana", WHEN),
        (45, "bo", WHEN),
    ]
    book = Rulebook(load_rows(path))
    days = (20261130, 20261201, 20261209, 20261210)
    assert [book.require("lot", "NIFTY", day).value for day in days] == [65, 50, 50, 45]
    assert sorted(os.listdir(tmp_path)) == ["rulebook.toml"]


def test_a_file_written_by_hand_is_kept_and_made_private(tmp_path: Path) -> None:
    """Without a newline at its end, and readable by all: the new row begins on its own line."""
    path = tmp_path / "rulebook.toml"
    path.write_text(
        '[[row]]\nname = "lot"\nscope = "NIFTY"\nfrom = 20261201\nvalue = 50\nunit = "units"\n'
        'source = "by hand"'
    )
    path.chmod(0o644)
    append_row(path, _row(45), "bo", WHEN)
    assert [one.who for one in read_overlay(path)] == [None, "bo"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@settings(max_examples=60)
@given(st.text(min_size=1, max_size=60), st.text(min_size=1, max_size=20))
def test_any_text_comes_back_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, source: str, who: str
) -> None:
    """Quotes, backslashes, other scripts: what is printable reads back as written, the rest is
    refused in one line and nothing is written."""
    path = tmp_path_factory.mktemp("overlay") / "rulebook.toml"
    good = all(text.strip() and text.isprintable() for text in (source, who))
    if not good:
        with pytest.raises(RulebookError, match=r"\A[^\n]+\Z"):
            append_row(path, _row(source=source), who, WHEN)
        assert not path.exists()
        return
    append_row(path, _row(source=source), who, WHEN)
    (one,) = read_overlay(path)
    assert (one.row.source, one.who) == (source, who)


def test_a_damaged_overlay_is_not_added_to(tmp_path: Path) -> None:
    """One line, and the file as it was; nor is a link followed."""
    path = tmp_path / "rulebook.toml"
    path.write_text("[[row]\n")
    with pytest.raises(RulebookError, match="not TOML"):
        append_row(path, _row(), "ana", WHEN)
    assert path.read_text() == "[[row]\n"
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    with pytest.raises(RulebookError, match="no regular file"):
        append_row(link, _row(), "ana", WHEN)


def test_two_who_add_at_once_both_have_added(tmp_path: Path) -> None:
    """Sixteen rows from eight threads: all are there, and the file reads whole."""
    path = tmp_path / "rulebook.toml"
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(append_row, path, _row(n), "ana", WHEN) for n in range(1, 17)]:
            done.result()
    assert sorted(int(one.row.value) for one in read_overlay(path)) == list(range(1, 17))


@pytest.mark.parametrize("step", ["fsync", "rename"])
def test_a_failure_at_any_step_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A full disk at the sync or the rename: the old rows stand, nothing else lies about."""
    path = tmp_path / "rulebook.toml"
    append_row(path, _row(50), "ana", WHEN)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space"):
        append_row(path, _row(45), "bo", WHEN)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["rulebook.toml"]
