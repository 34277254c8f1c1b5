"""What makes a result depend on anything but its input, as seen in the syntax tree.

Lives here: the checker behind test_purity.py, its tables first. May import: names.py, which follows
renamings, and set_order.py, which knows sets. Always holds: it errs towards reporting; a line that
is sound in spite of it says why in a comment ``# pure: <reason>``.

What it cannot see, since it reads one module's text and follows no value:
- a function, set or module that arrives as an argument, out of a container or from another module
  of ours (that module is checked where it stands; a set from it shows only by its annotation);
- a name or an attribute whose text is computed, other than constants added up;
- float arithmetic whose result is kept: ``+ - * /`` and ``sqrt`` are fixed by IEEE 754, and the
  order in which a loop adds is the order of what it loops over;
- a struct's field whose type hides a dict behind a name (test_purity.py asks msgspec too);
- the text of an object without words of its own, such as a function: it shows an address;
- what a package that the import table allows does inside: msgspec, and polars for the markets;
- text whose lower or upper case differs between the Unicode tables of two Pythons;
- ``assert`` under ``python -O``, recursion limits, memory: they end a run, they change no value.
The matrix of hash seeds, zones, locales and Pythons (docs/RELEASE.md) is the test of the rest.
Start reading at ``impurities``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.architecture.names import Names, last_name, text_of, unquoted
from tests.architecture.set_order import order_taken

EXACT_MATH = frozenset(("sqrt", "floor", "frexp", "ldexp", "isfinite"))
"""What IEEE 754 or plain arithmetic fixes; the rest of ``math`` differs between libm builds."""

WRONG_MODULES = {
    "time": "reads the clock",
    "timeit": "reads the clock",
    "sched": "reads the clock",
    "random": "is chance",
    "secrets": "is chance",
    "uuid": "is chance and the machine's address",
    "locale": "follows the machine's locale",
    "gettext": "follows the machine's locale",
    "platform": "reads the environment",
    "getpass": "reads the environment",
    "zoneinfo": "follows the machine's zone files",
    "threading": "gives order to the scheduler",
    "_thread": "gives order to the scheduler",
    "multiprocessing": "gives order to the scheduler",
    "concurrent": "gives order to the scheduler",
    "queue": "gives order to the scheduler",
    "gc": "shows when memory is freed",
    "weakref": "shows when memory is freed",
    "importlib": "imports by name",
    "runpy": "imports by name",
    "pkgutil": "imports by name",
    "builtins": "reaches for a builtin by another name",
    "ctypes": "reaches into memory",
    "inspect": "reaches into frames",
    "pickle": "runs what it reads",
    "marshal": "differs between Pythons",
    "statistics": "reduces floats in an order of its own",
    "cmath": "is libm",
    "decimal": "has a context outside the state",
    "unicodedata": "differs between Pythons",
}
"""Modules wrong on every journaled path, in the core or beside it."""

AMBIENT_MODULES = dict.fromkeys(
    "os posix io pathlib shutil tempfile glob fnmatch fileinput linecache mmap fcntl stat".split(),
    "touches files",
) | dict.fromkeys(
    "sys site sysconfig signal subprocess atexit resource logging warnings traceback asyncio "
    "selectors select socket ssl http urllib email contextvars faulthandler tracemalloc "
    "numpy polars pandas pyarrow duckdb scipy".split(),
    "reaches outside the core",
)
"""Modules wrong in the core alone; a market may read a file and a table."""

LOOKED_UP = {
    "open": "reads or writes a file",
    "input": "asks the terminal",
    "print": "writes to the terminal",
    "breakpoint": "stops for a person",
    "globals": "reaches for module state",
    "locals": "reaches for names by their text",
    "vars": "reaches for names by their text",
    "setattr": "changes by name what should be frozen",
    "delattr": "changes by name what should be frozen",
    "object": "shows its address",
    "io.open": "reads or writes a file",
    "types.FunctionType": "makes code",
    "types.CodeType": "makes code",
    "operator.attrgetter": "reaches for names by their text",
    "operator.methodcaller": "reaches for names by their text",
}
"""Builtins and the library's names that the core must not even mention."""

WRONG_NAMES = {
    "__import__": "imports by name",
    "eval": "runs text",
    "exec": "runs text",
    "compile": "runs text",
    "hash": "differs with PYTHONHASHSEED",
    "id": "is an address",
    "pow": "is libm: write the product",
    "complex": "is libm",
    "operator.pow": "is libm: write the product",
    "operator.ipow": "is libm: write the product",
    "operator.matmul": "is a reduction whose order is not ours",
    "datetime.datetime.now": "reads the clock",
    "datetime.datetime.utcnow": "reads the clock",
    "datetime.datetime.today": "reads the clock",
    "datetime.date.today": "reads the clock",
    "os.environ": "reads the environment",
    "os.environb": "reads the environment",
    "os.getenv": "reads the environment",
    "os.cpu_count": "reads the environment",
    "os.getpid": "reads the environment",
    "os.getcwd": "reads the environment",
    "os.urandom": "is chance",
    "sys.argv": "reads the environment",
    "sys.platform": "reads the environment",
    "sys.byteorder": "reads the environment",
    "sys.flags": "reads the environment",
    "sys.version_info": "reads the environment",
    "sys.modules": "imports by name",
    "object.__repr__": "shows an address",
    "object.__str__": "shows an address",
    "object.__hash__": "is an address",
    "zlib.compress": "differs between builds of zlib",
    "zlib.compressobj": "differs between builds of zlib",
    "datetime.datetime.fromtimestamp": "depends on the machine's time zone",
    "datetime.date.fromtimestamp": "depends on the machine's time zone",
} | {
    f"calendar.{name}": "follows the machine's locale"
    for name in (
        "month_name month_abbr day_name day_abbr TextCalendar HTMLCalendar LocaleTextCalendar "
        "LocaleHTMLCalendar calendar prcal month prmonth"
    ).split()
}
"""Names wrong on every journaled path, called or not: ``sorted(x, key=id)`` is no better."""

WRONG_ATTRIBUTES = {
    "environ": "reads the environment",
    "getenv": "reads the environment",
    "utcnow": "reads the clock",
    "st_mtime": "reads the clock of a file",
    "st_mtime_ns": "reads the clock of a file",
    "urandom": "is chance",
    "shuffle": "is chance",
    "default_rng": "is chance",
    "iterdir": "has the order of the file system",
    "rglob": "has the order of the file system",
    "scandir": "has the order of the file system",
    "listdir": "has the order of the file system",
    "strftime": "follows the machine's locale",
    "strptime": "follows the machine's locale",
    "tzset": "depends on the machine's time zone",
    "__repr__": "may show an address",
    "__hash__": "differs with PYTHONHASHSEED",
    "__pow__": "is libm: write the product",
    "__rpow__": "is libm: write the product",
    "__dict__": "reaches for names by their text",
    "__builtins__": "reaches for a builtin by another name",
    "__globals__": "reaches for module state",
    "__subclasses__": "follows what happens to be imported",
    "__code__": "reaches into code",
    "__closure__": "reaches into code",
}
"""Attributes wrong whatever they are asked of."""
FILE_CALLS = frozenset("read_text read_bytes write_text write_bytes".split())
"""What reads or writes a file, of whatever it is asked."""
CLOCK_CALLS = frozenset(("now", "today"))
"""Wrong when called on anything; ``state.now`` is a field."""
ZONE_CALLS = frozenset(("astimezone", "timestamp", "mktime", "localtime"))

REDUCTIONS = frozenset(
    "sum mean std var dot vdot inner matmul einsum cumsum cumprod cum_sum cum_prod nansum nanmean "
    "prod product median average quantile corr cov ewm_mean rolling_mean rolling_sum rolling_std "
    "rolling_var fsum sumprod".split()
)
LIBM_METHODS = frozenset(
    "exp expm1 log log1p log2 log10 pow power sin cos tan tanh arctan cbrt hypot erf".split()
)
OWN_MATHS = "engine.exact."

INTEGER_UNITS = ("paise", "units", "lots", "lot", "count", "packets", "_ns", "_ms", "_bytes")
"""Units in which the house counts and never measures (units come last in a name)."""
INTEGER_CALLS = frozenset(("len", "int", "floor", "ord"))

UNORDERED_TYPES = frozenset(
    "dict Dict set Set frozenset FrozenSet AbstractSet MutableSet list List Mapping "
    "MutableMapping MutableSequence defaultdict OrderedDict Counter ChainMap bytearray deque "
    "Any object".split()
)
STRUCT_BASES = frozenset(("Struct", "Record", "Event"))
STRUCT_WORDS = frozenset(("frozen", "array_like", "forbid_unknown_fields", "gc", "tag"))
CHANGES = frozenset(
    "append extend insert add update setdefault pop popitem clear remove discard appendleft "
    "sort reverse".split()
)
NATIVE_FORMAT = re.compile(r"^[@=]?[\dxcbB?hHiIlLqQnNefdspP ]+$")
LOCALE_FORMAT = re.compile(r"\{[^{}]*:[^{}]*n\}|%[aAbBcpxX]")

WAIVER = re.compile(r"#\s*pure:\s*\S+")


class Impurity(NamedTuple):
    """One place and what is wrong with it."""

    line: int
    what: str


def impurities(
    source: str, *, arithmetic_only: bool = False, caches: bool = False
) -> list[Impurity]:
    """Everything impure in a module's source, by line, lines with a waiver left out.

    With ``arithmetic_only`` a file may be read and a method may be asked for its time zone: the
    module stands on the journaled path without being part of the core. With ``caches`` a struct may
    hold a dict: it is a look-up beside the state that is never encoded.
    """
    tree = ast.parse(source)
    lines = source.splitlines()
    names = Names(tree)
    found = {Impurity(line, what) for line, what in order_taken(tree, names)}
    found.update(_arithmetic(tree, names), _everywhere(tree, names), _formats(tree, names))
    if not arithmetic_only:
        found.update(_ambient(tree, names), _module_state(tree))
        found.update(() if caches else _payloads(tree, names))
    return sorted(i for i in found if not WAIVER.search(lines[i.line - 1]))


# --- arithmetic ----------------------------------------------------------------------------------


def _arithmetic(tree: ast.Module, names: Names) -> Iterator[Impurity]:
    """Float operations that differ between machines: powers, libm, sums of the library."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Pow):
            yield Impurity(node.lineno, "the ** operator: write the product")
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            yield Impurity(node.lineno, "the @ operator: a reduction whose order is not ours")
        elif isinstance(node, ast.Constant) and isinstance(node.value, complex):
            yield Impurity(node.lineno, "a complex number: its functions are libm")
        elif isinstance(node, ast.Call):
            yield from _arithmetic_call(node, names)
        elif isinstance(node, ast.ImportFrom) and node.module == "math":
            for alias in node.names:
                yield from _math(node.lineno, alias.name)
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            for origin in sorted(names.origins(node)):
                module, _, name = origin.rpartition(".")
                if module == "math":
                    yield from _math(node.lineno, name)
                elif origin == "sum" and id(node) not in called:
                    yield Impurity(node.lineno, "sum without its call: what it adds is not seen")


def _math(line: int, name: str) -> Iterator[Impurity]:
    if name not in EXACT_MATH:
        yield Impurity(line, f"math.{name}: use engine.exact")


def _arithmetic_call(node: ast.Call, names: Names) -> Iterator[Impurity]:
    origins = names.origins(node.func)
    if "sum" in origins and not _counts(node):
        yield Impurity(node.lineno, "sum(): write a loop, or say that these are integers")
    for origin in origins:
        module, _, name = origin.rpartition(".")
        if module == "math" and not isinstance(node.func, ast.Name | ast.Attribute):
            yield from _math(node.lineno, name)
    name = last_name(node.func)
    if not isinstance(node.func, ast.Attribute) or any(o.startswith(OWN_MATHS) for o in origins):
        return
    ufunc = name == "reduce" and last_name(node.func.value) in ("add", "multiply")
    if ufunc or name in REDUCTIONS:
        yield Impurity(node.lineno, f".{name}(): a reduction whose order is not ours")
    elif name in LIBM_METHODS and not any(o.startswith("math.") for o in origins):
        yield Impurity(node.lineno, f".{name}(): libm, use engine.exact")


def _counts(node: ast.Call) -> bool:
    """Does a sum add integers, by its elements? ``sum(p.pnl_paise for p in …)`` does."""
    element = node.args[0] if node.args else None
    starts = [*node.args[1:], *(keyword.value for keyword in node.keywords)]
    if isinstance(element, ast.GeneratorExp | ast.ListComp):
        element = element.elt
    return element is not None and _is_integer(element) and all(map(_is_integer, starts))


def _is_integer(node: ast.expr) -> bool:
    """An integer by its kind, or by a name whose unit is one that is only counted."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int)
    if isinstance(node, ast.BinOp):
        exact = isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.FloorDiv | ast.Mod)
        return exact and _is_integer(node.left) and _is_integer(node.right)
    if isinstance(node, ast.IfExp):
        return _is_integer(node.body) and _is_integer(node.orelse)
    if isinstance(node, ast.Call):
        return last_name(node.func) in INTEGER_CALLS or last_name(node.func).endswith(INTEGER_UNITS)
    if isinstance(node, ast.Compare):
        return True
    return last_name(node).endswith(INTEGER_UNITS)


# --- names that must not be mentioned ------------------------------------------------------------


def _everywhere(tree: ast.Module, names: Names) -> Iterator[Impurity]:
    """The clock, chance, locale and addresses: wrong on every journaled path."""
    yield from _imports(tree, WRONG_MODULES)
    yield from _mentions(tree, names, WRONG_NAMES)
    ordered = _sorted_arguments(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and id(node) not in ordered:
            if node.attr in WRONG_ATTRIBUTES:
                yield Impurity(node.lineno, f".{node.attr} {WRONG_ATTRIBUTES[node.attr]}")
            elif node.attr == "random" and names.origins(node):
                yield Impurity(node.lineno, ".random is chance")
        elif isinstance(node, ast.Call):
            yield from _reached_by_text(node, names)
            yield from _locale_encoding(node, names)
            if isinstance(node.func, ast.Attribute) and node.func.attr in CLOCK_CALLS:
                yield Impurity(node.lineno, f".{node.func.attr}() reads the clock")
        elif isinstance(node, ast.keyword) and node.arg == "key":
            if isinstance(node.value, ast.Name) and node.value.id == "repr":
                yield Impurity(node.value.lineno, "repr as a key may be an address")
        elif isinstance(node, ast.Name) and node.id in ("__file__", "__debug__", "__builtins__"):
            yield Impurity(node.lineno, f"{node.id} depends on how the program was started")
        elif isinstance(node, ast.FunctionDef) and node.name == "__del__":
            yield Impurity(node.lineno, "__del__ runs when memory is freed")


def _imports(tree: ast.Module, modules: dict[str, str]) -> Iterator[Impurity]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            asked = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            asked = [node.module or ""]
            if any(alias.name == "*" for alias in node.names):
                yield Impurity(node.lineno, "import *: what it brings is not seen")
        else:
            continue
        for name in asked:
            top = name.partition(".")[0]
            if top in modules:
                yield Impurity(node.lineno, f"import of {name}: {modules[top]}")


def _mentions(tree: ast.Module, names: Names, table: dict[str, str]) -> Iterator[Impurity]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute | ast.Call):
            if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                continue
            for origin in sorted(names.origins(node) & table.keys()):
                yield Impurity(node.lineno, f"{origin} {table[origin]}")
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                origin = f"{node.module}.{alias.name}"
                if origin in table:
                    yield Impurity(node.lineno, f"{origin} {table[origin]}")


def _reached_by_text(node: ast.Call, names: Names) -> Iterator[Impurity]:
    """``getattr`` with a text that is wrong as an attribute, or on a module with any text."""
    called = names.origins(node.func)
    if not called & {"getattr", "operator.attrgetter", "operator.methodcaller"}:
        return
    texts = {text_of(argument) for argument in node.args} - {""}
    for text in sorted(texts & (WRONG_ATTRIBUTES.keys() | CLOCK_CALLS | ZONE_CALLS | {"pow"})):
        yield Impurity(node.lineno, f"reaches for {text} by its text")
    if "getattr" in called and node.args and names.origins(node.args[0]) & names.modules:
        yield Impurity(node.lineno, "reaches into an import by a name's text")


def _locale_encoding(node: ast.Call, names: Names) -> Iterator[Impurity]:
    """A file opened as text in whatever encoding the machine's locale has."""
    texts = [text_of(argument) for argument in node.args[1:2]]
    texts += [text_of(keyword.value) for keyword in node.keywords if keyword.arg == "mode"]
    name = last_name(node.func)
    as_text = name in ("read_text", "write_text") or (
        bool(names.origins(node.func) & {"open", "io.open"}) and not any("b" in t for t in texts)
    )
    if as_text and not any(keyword.arg == "encoding" for keyword in node.keywords):
        yield Impurity(node.lineno, f"{name}() without an encoding follows the machine's locale")


def _sorted_arguments(tree: ast.Module) -> set[int]:
    """The callees of ``sorted(folder.iterdir())`` and the like: their order is not used."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) == "sorted" and not node.keywords:
            found.update(id(a.func) for a in node.args if isinstance(a, ast.Call))
    return found


# --- formats -------------------------------------------------------------------------------------


def _formats(tree: ast.Module, names: Names) -> Iterator[Impurity]:
    """Text and bytes whose form is the machine's: locale grouping, native byte order."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
            last = node.format_spec.values[-1] if isinstance(node.format_spec, ast.JoinedStr) else 0
            if isinstance(last, ast.Constant) and str(last.value).endswith("n"):
                yield Impurity(node.lineno, "the format n follows the machine's locale")
        elif isinstance(node, ast.Call) and node.args:
            yield from _format_call(node, names)


def _format_call(node: ast.Call, names: Names) -> Iterator[Impurity]:
    origins = names.origins(node.func)
    if "format" in origins and len(node.args) > 1 and text_of(node.args[1]).endswith("n"):
        yield Impurity(node.lineno, "the format n follows the machine's locale")
    elif isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        if LOCALE_FORMAT.search(text_of(node.func.value)):
            yield Impurity(node.lineno, "the format n follows the machine's locale")
    elif any(o.startswith("struct.") for o in origins) and NATIVE_FORMAT.match(
        text_of(node.args[0])
    ):
        yield Impurity(node.lineno, "a struct format without < or > has the machine's order")


# --- what only the core must not do --------------------------------------------------------------


def _ambient(tree: ast.Module, names: Names) -> Iterator[Impurity]:
    """Files, the terminal, threads, the zone: what stands between the core and its input."""
    yield from _imports(tree, AMBIENT_MODULES)
    yield from _mentions(tree, names, _called_objects(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = last_name(node.func)
            if isinstance(node.func, ast.Attribute) and name in ZONE_CALLS:
                yield Impurity(node.lineno, f".{name}() depends on the machine's time zone")
            elif isinstance(node.func, ast.Attribute) and name in FILE_CALLS:
                yield Impurity(node.lineno, f".{name}() reads or writes a file")
        elif isinstance(node, ast.Global):
            yield Impurity(node.lineno, "global: state outside the state")
        elif isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield Impurity(node.lineno, "async: order is not ours")
        elif isinstance(node, ast.ClassDef):
            yield from _unfrozen(node, names)


def _called_objects(tree: ast.Module) -> dict[str, str]:
    """The table of names, without ``object`` where it is only an annotation or a base."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    made = any(isinstance(c.func, ast.Name) and c.func.id == "object" for c in calls)
    return LOOKED_UP if made else {k: v for k, v in LOOKED_UP.items() if k != "object"}


def _unfrozen(node: ast.ClassDef, names: Names) -> Iterator[Impurity]:
    for decorator in node.decorator_list:
        call = decorator.func if isinstance(decorator, ast.Call) else decorator
        keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
        frozen = any(k.arg == "frozen" and _is_true(k.value) for k in keywords)
        made = last_name(call) == "dataclass" or "dataclasses.dataclass" in names.origins(call)
        if made and not frozen:
            yield Impurity(node.lineno, f"the dataclass {node.name} is not frozen")


def _is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _module_state(tree: ast.Module) -> Iterator[Impurity]:
    """What outlives the state: a name of the module, a class or a function that a function
    changes, a default or an attribute of a class that can be changed."""
    held = {
        last_name(target)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }
    kinds = (ast.ClassDef, ast.FunctionDef)
    lasting = {node.name for node in ast.walk(tree) if isinstance(node, kinds)} | {"cls"}
    for node in ast.walk(tree):
        if isinstance(node, ast.arguments):
            for default in (*node.defaults, *filter(None, node.kw_defaults)):
                if _can_change(default):
                    yield Impurity(default.lineno, "a default that can change outlives the call")
        elif isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.Assign | ast.AnnAssign) and _can_change(part.value):
                    yield Impurity(part.lineno, "an attribute of a class that can change")
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.Lambda):
            outer = held - _local_names(function)
            for node in ast.walk(function):
                for line in _changed(node, outer, lasting):
                    yield Impurity(line, "changes what outlives the call: state outside the state")


def _local_names(function: ast.FunctionDef | ast.Lambda) -> set[str]:
    stored = {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return stored | {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}


def _can_change(node: ast.expr | None) -> bool:
    """A list, a dict or a set, made here."""
    made = isinstance(node, ast.Call) and last_name(node.func) in UNORDERED_TYPES - {"frozenset"}
    return made or isinstance(node, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp)


def _changed(node: ast.AST, outer: set[str], lasting: set[str]) -> Iterator[int]:
    """The line, where ``node`` changes one of ``outer`` or sets an attribute of what lasts."""
    changed: ast.expr | None = None
    if isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
        changed = node.value
        outer = outer | lasting
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        changed = node.func.value if node.func.attr in CHANGES else None
    elif isinstance(node, ast.Call) and last_name(node.func) == "next" and node.args:
        changed = node.args[0]
    if isinstance(changed, ast.Name) and changed.id in outer:
        yield changed.lineno


def _payloads(tree: ast.Module, names: Names) -> Iterator[Impurity]:
    """Structs with a field that has no order or can change; such a value given to an encoder."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and _is_struct(node, names):
            for field in node.body:
                if isinstance(field, ast.AnnAssign):
                    yield from _unordered(field, node.name)
        elif isinstance(node, ast.Call) and last_name(node.func).startswith("encode"):
            unordered = (ast.Dict, ast.DictComp, ast.Set, ast.SetComp)
            if any(isinstance(part, unordered) for given in node.args for part in ast.walk(given)):
                yield Impurity(node.lineno, "encodes a dict or a set: it has no canonical bytes")


def _is_struct(node: ast.ClassDef, names: Names) -> bool:
    origins = {origin.rpartition(".")[2] for base in node.bases for origin in names.origins(base)}
    based = bool((origins | {last_name(base) for base in node.bases}) & STRUCT_BASES)
    return based or any(keyword.arg in STRUCT_WORDS for keyword in node.keywords)


def _unordered(field: ast.AnnAssign, struct: str) -> Iterator[Impurity]:
    for part in ast.walk(unquoted(field.annotation)):
        if isinstance(part, ast.Name | ast.Attribute) and last_name(part) in UNORDERED_TYPES:
            what = f"{struct}.{last_name(field.target)} holds a {last_name(part)}: use a tuple"
            yield Impurity(field.lineno, what)
