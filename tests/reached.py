"""What the engine says in the whole run of the tests: every code reached, every envelope canonical.

Lives here: a pytest plugin. It looks over the shoulder of whatever gives a reason, collects the
codes over all worker processes and, when all tests ran, fails the run if a code of the table was
never reached. Always holds: an event of the core that is not canonical, or whose gate gives a code
that is not its own, fails the test that made it.
Start reading at ``watch`` and ``Reached.see``.
"""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import pytest

import cli.doctor.table
import engine.commands
import engine.core
import engine.cycle
import engine.decide
import engine.exits
import engine.paper
from adapters.alerts import words
from adapters.control import server
from cli.doctor.check import Row
from events import canonical, registry
from events.base import Event
from events.decision import ContractsScreened, GateRow, GatesEvaluated, StageVerdict
from events.gates import BY_GATE
from events.reasons import BY_CODE, REASONS

NOT_REACHED: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "UPSTREAM_N1_MARKET_OPEN",
            "UPSTREAM_N2_FEED_FRESH",
            "UPSTREAM_N6_RISK_OK",
            "UPSTREAM_N7_GOVERNANCE_LOCKS_OK",
            "UPSTREAM_N11_FINAL_DECISION",
        ),
        "no stage takes an input from this one, so none can miss it",
    ),
}
"""Codes that no test can reach, with the reason. May only shrink."""

KINDS_OF_VERDICT: Final = {"BLOCK": ("BLOCK", "HALT"), "UNKNOWN": ("UNKNOWN",)}
CHECKED_FULLY: Final = 100
"""Events of a kind, a process, that are checked field by field; the others by their bytes alone."""

ERRORS: Final = (
    registry.UnknownKindError,
    registry.VersionTooNewError,
    registry.PayloadError,
    engine.core.CoreFault,
)
"""Errors whose message begins with their code."""

GATE_MODULES: Final = tuple(name for name in sys.modules if name.startswith("engine.gates."))


def codes_of_stage(stage: StageVerdict) -> Iterator[str]:
    """The codes of a stage and of its gates."""
    for given in (stage.reason, *(row.reason for row in (*stage.rows, *stage.evidence))):
        if given is not None:
            yield given


def codes_of(event: Event) -> Iterator[str]:
    """Every reason code that an event carries."""
    if isinstance(event, GatesEvaluated):
        for stage in (*event.official, *event.assumed):
            yield from codes_of_stage(stage)
    elif isinstance(event, ContractsScreened):
        failed = 0
        for mask in event.masks:
            failed |= mask
        yield from (code for bit, code in enumerate(event.filters) if failed >> bit & 1)
    elif type(event).__name__ == "FrameRejected":
        yield "FRAME_REFUSED"
    else:
        for name in ("reason", "exit_reason", "code"):
            code = getattr(event, name, None)
            if code is not None:
                yield code
        yield from getattr(event, "unstable", ())
        # Features that are not known, each with its code behind its name.
        yield from (line.rpartition(" ")[2] for line in getattr(event, "unknown", ()))
        yield from getattr(event, "reasons", ())


def fault_of(row: GateRow) -> str | None:
    """What is wrong with a gate's row by the two tables; None where nothing is."""
    spec = BY_GATE.get(row.gate)
    if spec is None:
        return f"gate {row.gate} is not in the catalogue"
    if row.verdict == "PASS":
        return None if row.reason is None else f"gate {row.gate} passes with {row.reason}"
    if row.reason not in spec.codes:
        return f"gate {row.gate} gives {row.reason}, which is not one of its codes"
    if BY_CODE[row.reason].kind not in KINDS_OF_VERDICT[row.verdict]:
        return f"gate {row.gate} says {row.verdict} with {row.reason}, which is of another kind"
    return None


class Reached:
    """The codes seen in one process, and the checks on what was seen."""

    def __init__(self) -> None:
        self.codes: set[str] = set()
        self._seen: Counter[str] = Counter()

    def note(self, events: Iterable[Event]) -> set[str]:
        """Take note of the codes of events; gives them."""
        codes = {code for event in events for code in codes_of(event)}
        self.codes |= codes & BY_CODE.keys()
        return codes

    def note_stage(self, stage: StageVerdict) -> None:
        """Take note of the codes of a stage's verdict."""
        self.codes |= set(codes_of_stage(stage)) & BY_CODE.keys()

    def note_checks(self, rows: Iterable[Row]) -> None:
        """Take note of the codes of checks that found something bad."""
        self.codes |= {row.code for row in rows if row.verdict == "bad"} & BY_CODE.keys()

    def note_words(self, message: str) -> None:
        """Take note of the code that an error's message begins with."""
        self.codes |= {message.partition(":")[0]} & BY_CODE.keys()

    def see(self, data: bytes, event: Event) -> None:
        """Take note of one event and its envelope; raises ``AssertionError`` where it is wrong."""
        kind = type(event).__name__
        self._seen[kind] += 1
        codes = self.note((event,))
        if kind in ("DecisionMade", "GatesEvaluated", "OrderChanged", "ExitSignalled"):
            unknown = codes - BY_CODE.keys()
            assert not unknown, f"{kind} carries {sorted(unknown)}, which the table lacks"
        if self._seen[kind] > CHECKED_FULLY:
            return
        assert canonical.check_envelope(data) == event
        canonical.check_event(event)
        if isinstance(event, GatesEvaluated):
            stages = (*event.official, *event.assumed)
            faults = [fault_of(row) for one in stages for row in (*one.rows, *one.evidence)]
            assert not any(faults), [fault for fault in faults if fault]


def watch(reached: Reached) -> None:
    """Look over the shoulder of whatever gives a reason.

    The core's encoding sees all that a session says; the judges, rules and steps are also looked at
    alone, as a test of one of them calls it.
    """
    _look(engine.core, "encode_envelope", lambda data, given: reached.see(data, given[-1]))
    _look(engine.decide, "decide", lambda outcome, _: reached.note(outcome.events))
    for module, name in (
        (engine.exits, "decide_exits"),
        (engine.paper, "decide_fills"),
        (engine.paper, "decide_lapses"),
    ):
        _look(module, name, lambda events, _: reached.note(events))
    for module in (engine.cycle, *(sys.modules[name] for name in GATE_MODULES)):
        for name in ("stage_of", "upstream"):
            if hasattr(module, name):
                _look(module, name, lambda verdict, _: reached.note_stage(verdict))
    for name in ("checked", "unconfirmed"):
        _look(engine.commands, name, lambda code, _: reached.note_words(code or ""))
    _look(cli.doctor.table, "run_checks", lambda rows, _: reached.note_checks(rows))
    _look(words, "text_of", lambda _, given: reached.note_words(given[0].news.code))
    _look(server.ControlServer, "_refuse", lambda _, given: reached.note_words(given[-1]))
    for error in ERRORS:
        _look(error, "__init__", lambda _, given: reached.note_words(str(given[0])))


def _look(owner: object, name: str, see: Callable[[Any, tuple[Any, ...]], object]) -> None:
    """Replace a function by one that does the same and then shows what it gave and was given."""
    function = getattr(owner, name)

    @functools.wraps(function)
    def seen(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        see(result, arguments)
        return result

    setattr(owner, name, seen)


def missing(codes: set[str]) -> list[str]:
    """Codes in force that were not reached and are not excused, in the order of the table."""
    wanted = [row.code for row in REASONS if row.retired is None]
    return [code for code in wanted if code not in codes and code not in NOT_REACHED]


# --- pytest ---------------------------------------------------------------------------------------

REACHED: Final = pytest.StashKey[Reached]()
SENT: Final = "codes_reached"


def pytest_configure(config: pytest.Config) -> None:
    """Begin to watch."""
    config.stash[REACHED] = Reached()
    watch(config.stash[REACHED])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take over what a worker process has seen."""
    sent = getattr(node, "workeroutput", {}).get(SENT, ())
    node.config.stash[REACHED].codes |= set(sent)


def whole_run(config: pytest.Config) -> bool:
    """Whether every test was asked for, the slow ones apart."""
    option = config.option
    chosen = (option.keyword, option.collectonly, option.maxfail, getattr(option, "lf", False))
    return (
        (
            config.args == [str(config.rootpath / "tests")]
            or config.args == config.getini("testpaths")
        )
        and not any(chosen)
        and option.markexpr in ("", "not slow")
    )


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In a worker, hand over what was seen; after a whole run, fail where a code is missing."""
    config = session.config
    codes = config.stash[REACHED].codes
    if hasattr(config, "workeroutput"):
        config.workeroutput[SENT] = sorted(codes)
    elif exitstatus == pytest.ExitCode.OK and whole_run(config) and missing(codes):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say which codes were not reached, or are reached although excused."""
    if not whole_run(config):
        return
    codes = config.stash[REACHED].codes
    lost = missing(codes)
    if lost:
        terminalreporter.write_sep("=", "reason codes that no test reached", red=True)
        terminalreporter.write_line(" ".join(lost))
    found = sorted(codes & NOT_REACHED.keys())
    if found:
        terminalreporter.write_line(f"reached, take it out of tests/reached.py: {' '.join(found)}")
