"""A synthetic day projected and asked: what ingest costs, how fast the questions are.

Lives here: the making of the projection, the timed questions, the counts that must hold. May
import: the bench, the rooms. Always holds: the day is journaled by ``run_market`` with a decision
each second and sealed; a day whose decisions are not cycles times underlyings, or one of them
without a reason, has no figure; ingest is CPU time of this process, an answer is wall time of one
question on an open reader, asked over and over with windows by chance of a fixed seed.
Run from the checkout: ``python -m bench.projections [PROFILE] [--asked N] [--json FILE]``; the
profile ``full`` has more than 5 million ticks and a million gate rows.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import duckdb
import msgspec

from adapters.markets.synthetic import PROFILES, SyntheticMarket
from bench.day import make
from bench.measure import common_options, cost_of, machine, say, write_report
from projections.duck.projector import ensure_projection
from projections.duck.publish import ticks_folder
from projections.duck.query import open_reader
from projections.duck.questions import BY_NAME, QUESTIONS, Question

INGEST_MIN: Final = 50_000
QUESTION_MS_MAX: Final = 150
ASOF_MS_MAX: Final = 500
TICK_BYTES_MAX: Final = 40.0
OPEN_S, CLOSE_S = 33_300, 55_800
"""09:15 and 15:30 IST, seconds after midnight."""

ASOF: Final = (
    "SELECT count(*), count(t.ltp_paise) FROM v1.decisions d ASOF LEFT JOIN "
    "(SELECT ts, ltp_paise, underlying FROM v1.ticks WHERE instrument IN "
    "(SELECT instrument FROM v1.instruments WHERE instrument_kind = 'INDEX')) t "
    "ON t.underlying = d.underlying AND d.ts >= t.ts"
)
"""The index's last price at each decision, by the time of both."""


class Report(msgspec.Struct, frozen=True):
    """Everything that was measured; milliseconds are wall time, seconds CPU time."""

    profile: str
    seed: int
    machine: str
    ticks: int
    decisions: int
    gate_rows: int
    projected_cpu_s: float
    gate_rows_a_cpu_s: int
    tick_bytes: float
    file_mb: float
    cadence_ms: int
    asked: int
    question_p50_ms: float
    question_p99_ms: float
    scan_p99_ms: float
    slowest: list[tuple[str, float]]
    asof_ms: float
    entries_filled: int
    trails_whole: int


def measure(options: argparse.Namespace) -> Report:
    """Make the day, project it, ask it. Raises ``SystemExit`` where a count does not hold."""
    market = SyntheticMarket(options.seed, options.profile, cadence_ms=options.cadence_ms)
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        say(f"making synthetic:{options.profile}")
        folder = make(Path(scratch), market).folder
        say("projecting it")
        published: list[Path] = []
        cost = cost_of(lambda: published.append(ensure_projection(folder)))
        ticks_size = sum(one.stat().st_size for one in ticks_folder(published[0]).iterdir())
        say("asking")
        with open_reader(published[0]) as reader:
            counts = counted(reader)
            times = timed(reader, options.asked, random.Random(options.seed))
            asof = min(_ms(reader, ASOF) for _ in range(3))
            filled, whole = trails(reader)
        size = published[0].stat().st_size
    every = sorted(ms for name, ms in times if not BY_NAME[name].of_ticks)
    scans = sorted(ms for name, ms in times if BY_NAME[name].of_ticks)
    return Report(
        profile=options.profile,
        seed=options.seed,
        machine=machine(),
        ticks=counts["ticks"],
        decisions=counts["decisions"],
        gate_rows=counts["gates"],
        projected_cpu_s=round(cost.cpu_s, 1),
        gate_rows_a_cpu_s=int(counts["gates"] / cost.cpu_s),
        tick_bytes=round(ticks_size / counts["ticks"], 2),
        file_mb=round(size / 1e6, 1),
        cadence_ms=options.cadence_ms,
        asked=len(times),
        question_p50_ms=round(every[len(every) // 2], 1),
        question_p99_ms=_p99(every),
        scan_p99_ms=_p99(scans),
        slowest=slowest(times),
        asof_ms=round(asof, 1),
        entries_filled=filled,
        trails_whole=whole,
    )


def _p99(ms: list[float]) -> float:
    return round(ms[max(len(ms) * 99 // 100 - 1, 0)], 1)


def counted(reader: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows by view; every cycle has one decision an underlying, and each a reason."""
    found = {
        name: _one(reader, f"SELECT count(*) FROM v1.{name}")
        for name in ("ticks", "decisions", "gates")
    }
    cycles = _one(reader, "SELECT count(*) FROM v1.timer_ticks")
    underlyings = _one(reader, "SELECT count(DISTINCT underlying) FROM v1.decisions")
    bare = _one(reader, "SELECT count(*) FROM v1.decisions WHERE coalesce(reason, '') = ''")
    if found["decisions"] != cycles * underlyings or bare:
        raise SystemExit(
            f"{found['decisions']} decisions of {cycles} cycles and {underlyings} underlyings,"
            f" {bare} without a reason: no figure"
        )
    return found


def timed(
    reader: duckdb.DuckDBPyConnection, asked: int, chance: random.Random
) -> list[tuple[str, float]]:
    """(question, ms) of each asking, windows by chance."""
    needed = {
        "intent": _one(reader, "SELECT coalesce(min(intent_id), 'none') FROM v1.intents"),
        "symbol": _one(reader, "SELECT min(tradingsymbol) FROM v1.contracts_screened"),
    }
    for question in QUESTIONS:
        _ms(reader, _sql(question, needed, chance))  # what is read for the first time is not timed
    return [
        (question.name, _ms(reader, _sql(question, needed, chance)))
        for _ in range(asked)
        for question in QUESTIONS
    ]


def _sql(question: Question, needed: dict[str, Any], chance: random.Random) -> str:
    words = [f"'{needed[name]}'" for name in question.takes if name in needed]
    if "from_ist" in question.takes:
        begin = chance.randrange(OPEN_S, CLOSE_S)
        end = chance.randrange(begin, CLOSE_S + 1)
        words += [f"from_ist := '{_clock(begin)}'", f"to_ist := '{_clock(end)}'"]
    return f"SELECT * FROM v1.{question.macro.name}({', '.join(words)})"


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}"


def slowest(times: list[tuple[str, float]]) -> list[tuple[str, float]]:
    """The five questions whose slowest answer took longest."""
    most: dict[str, float] = {}
    for name, ms in times:
        most[name] = max(most.get(name, 0.0), round(ms, 1))
    return sorted(most.items(), key=lambda one: -one[1])[:5]


def trails(reader: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Entries that were filled, and how many of them have every step from snapshot to position."""
    entries = reader.execute(
        "SELECT DISTINCT i.intent_id FROM v1.intents i JOIN v1.fills f "
        "ON substring(f.order_id, 2) = i.intent_id"
    ).fetchall()
    wanted = {"snapshot", "gates", "decision", "intent", "order", "fill", "position"}
    whole = 0
    for (intent,) in entries:
        steps = reader.execute(f"SELECT what FROM v1.order_trail('{intent}')").fetchall()
        whole += wanted <= {what for (what,) in steps}
    return len(entries), whole


def _one(reader: duckdb.DuckDBPyConnection, sql: str) -> Any:
    return reader.execute(sql).fetchall()[0][0]


def _ms(reader: duckdb.DuckDBPyConnection, sql: str) -> float:
    begun = perf_counter()
    reader.execute(sql).fetchall()
    return (perf_counter() - begun) * 1_000


def show(report: Report) -> None:
    """Print a report with what follows from it."""
    print(f"synthetic:{report.profile}, seed {report.seed}; {report.machine}")
    print(
        f"{report.ticks:,} ticks, {report.decisions:,} decisions, {report.gate_rows:,} gate rows; "
        f"projected in {report.projected_cpu_s:.1f} CPU s into {report.file_mb:.1f} MB"
    )
    print(
        f"{report.asked} answers: p50 {report.question_p50_ms} ms, p99 {report.question_p99_ms} ms,"
        f" of those that scan the ticks {report.scan_p99_ms} ms; slowest: "
        + ", ".join(f"{name} {ms} ms" for name, ms in report.slowest)
    )
    print(
        f"trails whole: {report.trails_whole} of {report.entries_filled} entries that were filled"
    )
    for name, met, found in verdicts(report):
        print(f"target of {name}: {'met' if met else 'not met'}, {found}")


def verdicts(report: Report) -> Iterator[tuple[str, bool, float]]:
    """Each target: its words, whether it is met, the figure."""
    rate = report.gate_rows_a_cpu_s
    yield f"{INGEST_MIN:,} gate rows a CPU second at least", rate >= INGEST_MIN, rate
    p99 = report.question_p99_ms
    yield f"{QUESTION_MS_MAX} ms at the p99 of the questions", p99 < QUESTION_MS_MAX, p99
    scan = report.scan_p99_ms
    yield f"{ASOF_MS_MAX} ms at the p99 of those that scan the ticks", scan < ASOF_MS_MAX, scan
    asof = report.asof_ms
    yield f"{ASOF_MS_MAX} ms of ticks ASOF decisions", asof < ASOF_MS_MAX, asof
    size = report.tick_bytes
    yield f"{TICK_BYTES_MAX:.0f} bytes a tick of Parquet at most", size < TICK_BYTES_MAX, size
    whole = report.trails_whole == report.entries_filled
    yield "every trail whole", whole, report.trails_whole


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command's options; a bad one ends the program with exit code 2 and one line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.projections", description=(__doc__ or "").split("\n", 1)[0]
    )
    names = [profile.name for profile in PROFILES]
    parser.add_argument("profile", nargs="?", choices=names, default="full")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--asked", type=int, default=20, help="times that each question is asked")
    parser.add_argument("--cadence-ms", type=int, default=1_000, help="between two decisions")
    common_options(parser)
    options = parser.parse_args(arguments)
    if options.asked < 1:
        parser.error("--asked must be at least 1")
    if options.cadence_ms < 1:
        parser.error("--cadence-ms must be at least 1")
    return options


def main(arguments: Sequence[str]) -> int:
    """0 once everything was measured, whatever the figures."""
    options = parse(arguments)
    report = measure(options)
    show(report)
    write_report(report, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
