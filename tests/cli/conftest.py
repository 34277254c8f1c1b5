"""A home with a recorded session in it, and the program called as a person calls it.

Lives here: fixtures of the tests of the verbs. Always holds: the session behind ``home`` is made
once and copied, so that a test may do to its copy what it likes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cli.main import main
from cli.paths import make_private, sessions_folder
from journal.close import close_session
from journal.session_folder import ledger_path
from projections.duck.projector import ensure_projection
from tests.engine.fabricated import SmallMarket, relaxed, run_small

NAMES = ("NIFTY", "BANKNIFTY")
SILENT = (0, 7)
"""In the first minute no contract can be looked at; in the last nothing about one changes."""
CONFIG = relaxed(contract={"delta_milli_min": 400, "delta_milli_max": 650})
"""Trades, and rejects some contracts but not all."""


class Answer(NamedTuple):
    """How a call of the program ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)

    @property
    def refusal(self) -> str:
        """The one line of a call that could not run: nothing else was said, exit code 2."""
        assert (self.code, self.out) == (2, ""), self
        assert self.err.startswith("axiom: ")
        assert self.err.count("\n") == 1, self.err
        return self.err

    @property
    def damage(self) -> str:
        """The one line of a call whose answer is that the journal is damaged, exit code 1."""
        assert (self.code, self.out) == (1, ""), self
        assert self.err.count("\n") == 1, self.err
        return self.err


Call = Callable[..., Answer]


@pytest.fixture
def axiom(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls the program in this process, which a query that does not stop must not end."""
    monkeypatch.setattr("cli.projection.GRACE_S", 3_600.0)

    def call(*words: str | Path) -> Answer:
        capfd.readouterr()
        code = main([str(word) for word in words])
        return Answer(code, *capfd.readouterr())

    return call


@pytest.fixture(scope="session")
def recorded_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose desk ``main`` has one closed, sealed session of two underlyings. Read only."""
    home = tmp_path_factory.mktemp("recorded") / "home"
    parent = make_private(sessions_folder(home, "main"))
    report = run_small(parent, SmallMarket(minutes=8, names=NAMES, silent=SILENT), CONFIG)
    close_session(report.folder, ledger_path(home, "main"))
    return home


@pytest.fixture
def home(recorded_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own copy of that home, and the one that the program uses."""
    copy = tmp_path / "home"
    shutil.copytree(recorded_home, copy)
    monkeypatch.setenv("AXIOM_HOME", str(copy))
    return copy


@pytest.fixture
def session(home: Path) -> Path:
    """The folder of the session in the copy."""
    return only_session(home)


@pytest.fixture(scope="session")
def projected_home(recorded_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same home after its session's projection was built. Read only."""
    home = tmp_path_factory.mktemp("projected") / "home"
    shutil.copytree(recorded_home, home)
    ensure_projection(only_session(home))
    return home


@pytest.fixture
def built(projected_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The session's folder in an own copy of the projected home, which the program uses."""
    copy = tmp_path / "built"
    shutil.copytree(projected_home, copy)
    monkeypatch.setenv("AXIOM_HOME", str(copy))
    return only_session(copy)


def only_session(home: Path) -> Path:
    """The folder of the one session of a home."""
    (folder,) = sessions_folder(home, "main").iterdir()
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its name: what "nothing changed" means."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
