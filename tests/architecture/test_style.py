"""The house style, as far as a machine can see it: sizes, words, docstrings, swallowed errors."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from tests.architecture.source import ROOMS, ROOT, python_files, repository_files

FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 700
ONE_FILE = {"journal/verify.py": 900}
"""Files that must stay one: a stranger copies the verifier alone. With their own limits."""

TEXT_BYTES_MAX = 4_000_000

LONG_FUNCTIONS: dict[str, int] = {}
"""Functions longer than the limit, ``path:name`` to lines. They may only shrink; add none."""

BOUNDARIES = {
    "adapters/alerts/channels.py": "post_json",  # the network: an error is a kind, without its text
    "adapters/kite/ticker.py": "Ticker._run",  # the thread: an error is a fact and ends the feed
    "cli/main.py": "run",  # the process: an error becomes one line
    "adapters/kite/calls.py": "Caller.call",  # other people's code: an error is a row of a table
    "adapters/kite/login.py": "_asked",  # other people's code: an error is a kind, without its text
    "adapters/kite/worker.py": "guarded",  # the threads: an error becomes a fact
    "journal/writer.py": "JournalWriter._run",  # the thread: an error reaches every caller
}
"""The only functions that may catch Exception and go on, by file."""

EVERYWHERE = (*ROOMS, "tests", "bench", "scripts")
ROOM_PHRASES = ("Lives here:", "May import:", "Always holds:", "Start reading at")

# Written in pieces, so that this file does not find itself.
MACHINE = re.compile(
    "|".join(
        (
            *(f"(?<![\\w.*])/{folder}/" for folder in ("wo" + "rk", "ro" + "ot", "fa" + "rm")),
            "/home/" + r"\w",
            "/opt/" + "pypi",
            "/tmp/" + "(brief|v)/",
            "pythonho" + "sted",
            r"pypi\.org" + "/simple",
            "registry" + r"\.npmjs",
            "deb" + r"\.debian",
            r"\." + "library",
            "--(extra-)?index" + "-url",
            r"(^|\s)--find" + "-links",
            "file" + "://",
        )
    )
)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Check = Callable[[ast.Module, str], Iterator[str]]


@lru_cache(maxsize=1)
def nodes_of(tree: ast.Module) -> tuple[ast.AST, ...]:
    """Every node of a file; each check looks at all of them."""
    return tuple(ast.walk(tree))


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Every function with its dotted name, methods and nested ones included."""
    for node in _statements(tree):
        if isinstance(node, Function | ast.ClassDef):
            name = f"{prefix}{node.name}"
            if isinstance(node, Function):
                yield name, node
            yield from functions(node, f"{name}.")
        else:
            yield from functions(node, prefix)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """What holds statements in a node, and they alone: no function stands in an expression."""
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        held = getattr(node, field, ())
        yield from held if isinstance(held, list) else ()


def lines_of(node: Function) -> int:
    """From ``def`` to the last line, docstring included."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def too_long(tree: ast.Module, path: str) -> Iterator[str]:
    """Functions at or over the limit that the baseline does not know, or knows as shorter."""
    for name, node in functions(tree):
        size = lines_of(node)
        limit = LONG_FUNCTIONS.get(f"{path}:{name}", FUNCTION_LINES_MAX - 1)
        if size > limit:
            yield f"{path}:{node.lineno}: {name} has {size} lines, at most {limit}"


def unfinished(tree: ast.Module, path: str) -> Iterator[str]:
    """Code that pretends: NotImplementedError, or a function of nothing but ``pass``."""
    for node in nodes_of(tree):
        if isinstance(node, ast.Raise) and "NotImplementedError" in ast.dump(node):
            yield f"{path}:{node.lineno}: raises NotImplementedError"
        elif isinstance(node, Function) and all(isinstance(s, ast.Pass) for s in node.body):
            yield f"{path}:{node.lineno}: {node.name} does nothing"


def swallowed(tree: ast.Module, path: str) -> Iterator[str]:
    """Broad handlers that do not raise again, below a boundary; broad suppression anywhere."""
    boundary = BOUNDARIES.get(path)
    inside = {id(n) for name, f in functions(tree) if name == boundary for n in ast.walk(f)}
    for node in nodes_of(tree):
        if isinstance(node, ast.ExceptHandler):
            if _is_broad(node.type) and not _raises_again(node) and id(node) not in inside:
                yield f"{path}:{node.lineno}: catches everything: name the error, or let it pass"
        elif isinstance(node, ast.Call) and _suppresses_all(node):
            yield f"{path}:{node.lineno}: suppresses everything"


def _raises_again(node: ast.ExceptHandler) -> bool:
    """Passing the same error on, or one that names it as its cause, is no swallowing."""
    last = node.body[-1]
    if not isinstance(last, ast.Raise):
        return False
    return last.exc is None or (isinstance(last.cause, ast.Name) and last.cause.id == node.name)


def _suppresses_all(node: ast.Call) -> bool:
    named = ast.unparse(node.func).endswith("suppress")
    return named and any(_is_broad(argument) for argument in node.args)


def _is_broad(kind: ast.expr | None) -> bool:
    names = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    broad = ("Exception", "BaseException")
    return any(n is None or (isinstance(n, ast.Name) and n.id in broad) for n in names)


def without_docstring(tree: ast.Module, path: str) -> Iterator[str]:
    """Modules, and tests, that do not say what they are for."""
    if tree.body and ast.get_docstring(tree) is None:
        yield f"{path}: no docstring"
    for name, node in functions(tree):
        is_test = path.startswith("tests/") and node.name.startswith("test_")
        if is_test and ast.get_docstring(node) is None:
            yield f"{path}:{node.lineno}: {name} does not say what it proves"


def sleeping(tree: ast.Module, path: str) -> Iterator[str]:
    """Tests that wait for time to pass; ``sleep(0)``, which only yields, is none."""
    for node in nodes_of(tree) if path.startswith("tests/") else ():
        if isinstance(node, ast.Call):
            named = ast.unparse(node.func).rpartition(".")[2] == "sleep"
            if named and [ast.unparse(a) for a in node.args] != ["0"]:
                yield f"{path}:{node.lineno}: sleeps: wait for the event, with a deadline"


CHECKS = (too_long, unfinished, swallowed, without_docstring, sleeping)


def test_every_file_passes() -> None:
    """No Python file of the repository fails a check."""
    found = [fault for path in python_files(*EVERYWHERE) for fault in _faults_of(path)]
    assert not found, "\n".join(found)


def _faults_of(path: Path) -> list[str]:
    """Of all checks: parsing is most of the work."""
    tree = ast.parse((ROOT / path).read_text())
    return [fault for check in CHECKS for fault in check(tree, path.as_posix())]


PLANTED: list[tuple[Check, str]] = [
    (too_long, "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX),
    (too_long, "class A:\n    def f(self):\n" + "        x = 1\n" * FUNCTION_LINES_MAX),
    (unfinished, "def f():\n    raise NotImplementedError"),
    (unfinished, "def f():\n    raise NotImplementedError('later')"),
    (unfinished, "def f():\n    pass"),
    (swallowed, "try:\n    f()\nexcept Exception:\n    pass"),
    (swallowed, "try:\n    f()\nexcept:\n    pass"),
    (swallowed, "try:\n    f()\nexcept (OSError, BaseException):\n    g()"),
    (swallowed, "with contextlib.suppress(Exception):\n    f()"),
    (sleeping, "import time\ntime.sleep(0.1)"),
    (sleeping, "async def f():\n    await asyncio.sleep(1)"),
    (without_docstring, "x = 1"),
    (without_docstring, "'''A.'''\ndef test_f():\n    assert f()"),
]


def test_canary_a_function_anywhere_is_found() -> None:
    """In a branch, a loop, a handler, a case, a class: none can hide."""
    places = (
        "def f():\n    def x(): ...",
        "class C:\n    def x(self): ...",
        "if a:\n    pass\nelse:\n    def x(): ...",
        "for a in b:\n    pass\nelse:\n    async def x(): ...",
        "try:\n    pass\nexcept E:\n    def x(): ...",
        "try:\n    pass\nfinally:\n    def x(): ...",
        "with a:\n    def x(): ...",
        "match a:\n    case 1:\n        def x(): ...",
    )
    for source in places:
        names = [name for name, _ in functions(ast.parse(source))]
        assert names[-1].rpartition(".")[2] == "x", source


@pytest.mark.parametrize(("check", "source"), PLANTED)
def test_canary_a_planted_fault_is_found(check: Check, source: str) -> None:
    """Each check finds the fault it is for."""
    assert list(check(ast.parse(source), "tests/planted.py"))


def test_the_baseline_of_long_functions_only_shrinks() -> None:
    """Each entry names a function that exists and is exactly that long: shorten, then lower it."""
    sizes = {
        f"{path}:{name}": lines_of(node)
        for path in {key.partition(":")[0] for key in LONG_FUNCTIONS}
        for name, node in functions(ast.parse((ROOT / path).read_text()))
    }
    assert {key: sizes.get(key) for key in LONG_FUNCTIONS} == LONG_FUNCTIONS


def test_no_file_is_too_long() -> None:
    """A Python file that has grown past the limit is two files."""
    sizes = {p: (ROOT / p).read_text().count("\n") for p in python_files(*EVERYWHERE)}
    assert {
        p.as_posix(): n for p, n in sizes.items() if n >= ONE_FILE.get(p.as_posix(), FILE_LINES_MAX)
    } == {}


def test_each_room_says_what_it_is() -> None:
    """A room's docstring has four parts: contents, imports, what holds, where to start."""
    for room in ROOMS:
        docstring = ast.get_docstring(ast.parse((ROOT / room / "__init__.py").read_text())) or ""
        words = " ".join(docstring.split())
        assert [p for p in ROOM_PHRASES if p not in words] == [], room


def naming_the_machine(root: Path, files: tuple[Path, ...]) -> Iterator[str]:
    """Lines that name a folder of a maintainer's machine or the address of a package index."""
    for path in files:
        if (root / path).stat().st_size > TEXT_BYTES_MAX:
            continue
        try:
            text = (root / path).read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE.search(line):
                yield f"{path}:{number}: {line.strip()[:80]}"


def test_nothing_names_a_machine_or_an_index() -> None:
    """The repository works anywhere: no private folder, no package index address."""
    assert list(naming_the_machine(ROOT, repository_files())) == []


@pytest.mark.parametrize(
    "line",
    [
        "cd /wo" + "rk/main",
        "open('/ro" + "ot/x')",
        "--index" + "-url https://example.org",
        "https://files.pythonho" + "sted.org/a.whl",
        "find = file" + ":///srv/wheels",
        "/home/" + "somebody/axiom",
    ],
)
def test_canary_a_named_machine_is_found(tmp_path: Path, line: str) -> None:
    """Each planted line is reported; an ordinary line is not."""
    (tmp_path / "a.txt").write_text(f"an ordinary line about work/life and roots\n{line}\n")
    found = list(naming_the_machine(tmp_path, (Path("a.txt"),)))
    assert [f.split(":")[1] for f in found] == ["2"]
