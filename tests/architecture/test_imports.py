"""The arrows between the rooms, as a table, and the walk that finds an arrow that is not in it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.source import (
    OTHERS,
    ROOMS,
    ROOT,
    imports,
    is_under,
    module_name,
    python_files,
)

PURE_LIBRARY = frozenset(
    "__future__ abc array base64 binascii bisect calendar collections contextlib copy "
    "dataclasses datetime enum fractions functools hashlib heapq itertools json keyword math "
    "operator re string struct textwrap tomllib types typing unicodedata zlib".split()
)
"""What the core may take from the standard library: nothing that reads or touches the outside."""

ANY = None


class Row(NamedTuple):
    """What the modules under ``module`` may import; the longest matching row counts.

    ``stdlib`` limits the standard library too where it is not ANY.
    """

    module: str
    rooms: tuple[str, ...]
    packages: tuple[str, ...] = ("msgspec",)
    stdlib: frozenset[str] | None = ANY


CORE = ("events", "engine")
LEAVES = (
    "engine.ports", "engine.exact", "engine.options", "engine.rulebook",
    "engine.charges",  # docs/decisions/0015
    "engine.commands",  # docs/decisions/0011
)  # fmt: skip
READERS = ("events", "journal", "engine", "projections")

TABLE = (
    Row("events", ("events",), stdlib=PURE_LIBRARY),
    Row("journal", ("journal", "events.envelope"), ("msgspec", "zstandard")),
    Row("journal.verify", (), ("zstandard",)),  # a verifier of one file that stands alone
    Row("journal.verify_pack", ()),  # and one of a pack, which finds the other beside it
    Row("engine", CORE, stdlib=PURE_LIBRARY),
    Row("engine.runner", (*CORE, "journal")),
    Row("projections", READERS),
    Row("projections.ticks", READERS, ("msgspec", "polars", "pyarrow")),
    Row("projections.duck", READERS, ("msgspec", "duckdb", "pyarrow", "polars")),
    Row("replay", (*CORE, "journal", "projections.rows", "replay"), ("msgspec", "polars")),
    Row(
        "replay.notebook",  # docs/decisions/0008
        (*CORE, "journal", "projections.rows", "projections.tables", "projections.ticks", "replay"),
        ("msgspec", "polars"),
    ),
    Row("adapters", ("events", *LEAVES, "adapters"), ("msgspec", "holidays")),
    Row(
        "adapters.markets",
        ("events", *LEAVES, "adapters"),
        ("msgspec", "polars", "pyarrow", "holidays"),
    ),
    Row(
        "adapters.kite",
        ("events", *LEAVES, "adapters"),
        ("msgspec", "kiteconnect", "websockets"),
    ),
    Row("adapters.exchange_sim", ("events", *LEAVES, "adapters"), ("msgspec", "aiohttp")),
    Row(
        "tui",
        ("events", "journal.reader", "journal.errors", "projections.live", "tui"),
        ("msgspec", "textual", "rich"),
    ),
    Row(
        "cli",
        ROOMS,
        ("click", "duckdb", "holidays", "msgspec", "platformdirs", "polars", "pyarrow"),
    ),
)

NOBODY = {
    "engine.runner": ("replay", "cli"),
    "events.past": ("events",),
    "projections.duck": ("projections.duck", "cli"),
}
"""Modules that only these may import, whatever the table says about the rest of their room."""


class Violation(NamedTuple):
    """An arrow that is not in the table."""

    place: str
    name: str


def row_of(module: str) -> Row:
    """The most specific row of the table for a module."""
    rows = [row for row in TABLE if is_under(module, row.module)]
    assert rows, f"{module} belongs to no row"
    return max(rows, key=lambda row: len(row.module))


def allowed(module: str, name: str) -> bool:
    """May ``module`` import ``name``?"""
    row = row_of(module)
    top = name.partition(".")[0]
    if top in OTHERS:
        return False
    if top in ROOMS:
        return _arrow(module, row, name)
    if top in row.packages:
        return True
    return _library(row, top)


def _arrow(module: str, row: Row, name: str) -> bool:
    for guarded, importers in NOBODY.items():
        if is_under(name, guarded) and not any(is_under(module, i) for i in importers):
            return is_under(module, guarded)
    # `from journal import reader` asks for journal.reader; `import journal` for all of it.
    return any(is_under(name, room) for room in row.rooms)


def _library(row: Row, top: str) -> bool:
    return top in (sys.stdlib_module_names if row.stdlib is ANY else row.stdlib)


def violations(root: Path, files: tuple[Path, ...]) -> list[Violation]:
    """Every import of ``files`` (relative to ``root``) that the table does not allow."""
    found = []
    for path in files:
        module = module_name(path)
        tree = ast.parse((root / path).read_text(), str(path))
        for name, line in imports(tree, module, is_package=path.name == "__init__.py"):
            if not allowed(module, name):
                found.append(Violation(f"{path}:{line}", name))
    return found


def test_every_import_is_an_arrow_of_the_table() -> None:
    """No room imports what the table does not allow it."""
    found = violations(ROOT, python_files(*ROOMS))
    assert not found, "\n".join(f"{place} may not import {name}" for place, name in found)


FORBIDDEN = [
    ("events/a.py", "import engine.state", "engine.state"),
    ("events/a.py", "import time", "time"),
    ("events/wire/a.py", "import numpy", "numpy"),
    ("journal/a.py", "from events import market", "events.market"),
    ("journal/a.py", "from engine.state import State", "engine.state.State"),
    ("journal/verify.py", "from journal import block", "journal.block"),
    ("journal/verify_pack.py", "from journal import verify", "journal.verify"),
    ("engine/gates.py", "from journal.reader import JournalReader", "journal.reader.JournalReader"),
    ("engine/gates.py", "from . import runner", "engine.runner"),
    ("engine/gates.py", "def f():\n    import random", "random"),
    ("engine/gates.py", "import os.path", "os.path"),
    ("engine/gates.py", "import logging, asyncio", "logging"),
    ("engine/gates.py", "from events.past import bar_v1", "events.past.bar_v1"),
    ("engine/runner.py", "import duckdb", "duckdb"),
    ("engine/runner.py", "import textual.app", "textual.app"),
    ("projections/rows.py", "import duckdb", "duckdb"),
    ("projections/live/model.py", "from projections.duck import views", "projections.duck.views"),
    ("projections/duck/a.py", "from engine.runner import run", "engine.runner.run"),
    ("replay/a.py", "from adapters.markets import port", "adapters.markets.port"),
    ("replay/a.py", "import projections.duck.query", "projections.duck.query"),
    ("replay/a.py", "from projections import ticks", "projections.ticks"),
    ("replay/notebook.py", "import duckdb", "duckdb"),
    ("adapters/markets/a.py", "from engine.state import State", "engine.state.State"),
    ("adapters/markets/a.py", "import journal.writer", "journal.writer"),
    ("tui/app.py", "from journal.writer import JournalWriter", "journal.writer.JournalWriter"),
    ("tui/app.py", "import replay.session", "replay.session"),
    ("cli/a.py", "import tests.conftest", "tests.conftest"),
    ("cli/a.py", "import kiteconnect", "kiteconnect"),
]


@pytest.mark.parametrize(("path", "source", "name"), FORBIDDEN)
def test_canary_a_forbidden_arrow_is_found(
    tmp_path: Path, path: str, source: str, name: str
) -> None:
    """A planted file with one forbidden import is reported with its place and its name."""
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text(source + "\n")
    found = violations(tmp_path, (Path(path),))
    assert name in [violation.name for violation in found]
    assert all(violation.place.startswith(f"{path}:") for violation in found)


ALLOWED = [
    ("events/a.py", "import msgspec\nfrom math import sqrt\nfrom . import base"),
    ("journal/a.py", "import os\nfrom events.envelope import Envelope"),
    ("engine/gates.py", "from engine.state import State\nfrom events import decision"),
    ("engine/runner.py", "import time\nfrom journal.writer import JournalWriter"),
    ("adapters/markets/a.py", "import polars\nfrom engine.exact import exp"),
    ("tui/app.py", "from journal.reader import JournalReader\nimport textual"),
    ("cli/verbs/a.py", "import tui.app\nfrom projections.duck import query"),
]


@pytest.mark.parametrize(("path", "source"), ALLOWED)
def test_an_arrow_of_the_table_is_allowed(tmp_path: Path, path: str, source: str) -> None:
    """The check does not refuse everything: what the table allows passes."""
    planted = tmp_path / path
    planted.parent.mkdir(parents=True)
    planted.write_text(source + "\n")
    assert violations(tmp_path, (Path(path),)) == []


LOADED = "import importlib, sys; [importlib.import_module(m) for m in sys.argv[1:]]"


def loaded(*modules: str) -> set[str]:
    """The top-level packages in a fresh process that has imported ``modules``."""
    report = f"{LOADED}; print(*{{m.partition('.')[0] for m in sys.modules}})"
    words = [sys.executable, "-c", report, *modules]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_engine_process_loads_no_reader() -> None:
    """Not even by way of others: a slow or broken reader's library cannot touch the engine."""
    seen = loaded("engine.runner", "journal.writer")
    assert {"engine", "journal", "msgspec"} <= seen
    assert seen & {"duckdb", "textual", "polars", "numpy", "pyarrow", "kiteconnect"} == set()


def test_canary_a_loaded_library_is_seen() -> None:
    """The same question about a process that did import one."""
    assert "duckdb" in loaded("duckdb")


def test_every_row_of_the_table_stands_in_a_room() -> None:
    """A misspelt row would never match anything; each begins with a room's name."""
    assert {row.module.partition(".")[0] for row in TABLE} == set(ROOMS)
