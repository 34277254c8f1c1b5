"""Every golden gives one digest under every hash seed, zone, locale, Python and process count."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scripts import matrix
from scripts.matrix import (
    HASH_SEEDS,
    LOCK,
    NEEDS,
    PROCESSES,
    ZONES,
    Cell,
    Python,
    all_cells,
    differences,
    environment,
    locales,
    locked,
    main,
    run_cells,
    slice_cells,
    versions,
    wanted_digests,
)

OWN = Python(".".join(map(str, sys.version_info[:3])), sys.executable)
AXES = ("hash_seed", "zone", "locale", "processes")


@pytest.mark.slow
def test_a_slice_of_the_matrix_gives_the_pinned_digests() -> None:
    """E04, E12: each seed, zone, locale and process count once, under this Python."""
    cells, wanted = slice_cells([OWN], locales()[0]), wanted_digests()
    assert len(cells) == len(HASH_SEEDS)
    assert differences(cells, run_cells(cells), wanted) == []
    sys.stdout.write(f"{len(cells)} cells x {len(wanted)} goldens: one digest each\n")


@pytest.mark.slow
def test_the_whole_matrix_of_this_python_gives_the_pinned_digests() -> None:
    """5 hash seeds, 3 zones, 2 locales, 1 and 2 processes; `make release-check` takes the other
    Pythons too."""
    cells, wanted = all_cells([OWN], locales()[0]), wanted_digests()
    assert len(cells) == 60
    assert differences(cells, run_cells(cells), wanted) == []
    sys.stdout.write(f"{len(cells)} cells x {len(wanted)} goldens: one digest each\n")


def test_the_slice_holds_every_value_of_every_axis() -> None:
    """Also when there are more Pythons than hash seeds."""
    for count in (1, 3, 7):
        ready = [Python(f"3.{11 + i}.0", "") for i in range(count)]
        cells = slice_cells(ready, ("C", "x"))
        assert {cell.python for cell in cells} == set(ready)
        for axis, values in zip(AXES, (HASH_SEEDS, ZONES, ("C", "x"), PROCESSES), strict=True):
            assert {getattr(cell, axis) for cell in cells} == set(values)


LEAKS = {
    "hash_seed": "hash('NIFTY')",
    "zone": "__import__('time').localtime(0)[:5]",
    "locale": "__import__('os').environ['LC_ALL']",
    "processes": "__import__('sys').argv[2]",
}


@pytest.mark.parametrize("axis", AXES)
def test_canary_what_leaks_into_a_digest_is_found(axis: str, tmp_path: Path) -> None:
    """A cell whose digest takes something from the axis differs in some cell, and is named."""
    cells = slice_cells([OWN], ("C", "POSIX"))
    text = f"import json; print(json.dumps({{'a': str({LEAKS[axis]})}}))"
    results = run_cells(
        cells, tmp_path, ("-I", "-c", text) if axis != "hash_seed" else ("-c", text)
    )
    first = results[0]
    assert isinstance(first, dict)
    wrong = differences(cells, results, first)
    assert wrong
    assert "a re-derives to" in wrong[0]
    assert OWN.version in wrong[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import sys; sys.exit('no room')", "did not run: no room"),
        ("print('{}')", "replayed nothing"),
        ("print('what')", "did not run: "),
    ],
)
def test_a_cell_that_gives_no_digests_is_a_difference(text: str, told: str, tmp_path: Path) -> None:
    """A child that fails, finds no golden or says something else never counts as equal."""
    cells = slice_cells([OWN], ("C", "POSIX"))[:1]
    (line,) = differences(cells, run_cells(cells, tmp_path, ("-c", text)), {"a": "b"})
    assert told in line


def test_a_python_that_is_not_there_is_no_python() -> None:
    """A name on the PATH proves nothing; too old ones and second names are passed over."""
    found = versions(["no-such-python", "false", sys.executable, sys.executable])
    assert found == {OWN.version: sys.executable}


def test_an_environment_that_cannot_be_made_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an index the reason comes back; it is told as a note and the rest goes on."""
    monkeypatch.setattr(matrix, "ENVIRONMENTS", tmp_path)
    reason = environment("3.99.0", "false")
    assert reason == "exit 1"
    monkeypatch.setattr(matrix, "versions", lambda _: {"3.99.0": "false"})
    ready, notes = matrix.pythons()
    assert ready == [OWN]
    assert notes == ["Python 3.99.0 is left out: exit 1"]


def test_only_what_a_replay_needs_is_taken_from_the_lock() -> None:
    """With its hashes, and nothing else; a lock without one of them is an error."""
    lock = LOCK.read_text()
    kept = locked(lock, NEEDS)
    assert [line.partition("==")[0] for line in kept.splitlines() if "==" in line] == list(NEEDS)
    assert kept.count("--hash=sha256:") > 10
    with pytest.raises(ValueError, match="names 0 of nothing-of-the-kind"):
        locked(lock, ["nothing-of-the-kind"])


def test_the_command_says_what_it_ran(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One closing line with the axes and the verdict; 1 where a digest is another."""
    given = dict(wanted_digests())
    monkeypatch.setattr(matrix, "run_cells", lambda cells, jobs: [given for _ in cells])
    assert main(["--own"]) == 0
    assert "60 cells" in capsys.readouterr().out.splitlines()[-1]
    given = {**given, "trades": "0" * 64}
    assert main(["--own", "--slice"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-1].endswith("5 differences")
    assert "trades re-derives to 000000000000" in out[-2]


def test_a_cell_says_itself() -> None:
    """What is needed to run it again stands in the line."""
    told = str(Cell(OWN, "42", "UTC0", "C", 2))
    for part in (OWN.version, "hash seed 42", "zone UTC0", "locale C", "2 process"):
        assert part in told
