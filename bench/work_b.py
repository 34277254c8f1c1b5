"""WORK-B: 184-byte packets, appended durably and read back: the journal, LMDB and SQLite.

Lives here: the command, the peers as a table, medians and their print. May import: the bench, the
rooms, lmdb inside its peer. Always holds: every run is a process of its own on one and the same
Python, interleaved with the others; rates are packets per CPU second of all threads; what is read
back is compared with what was given, by count, order and CRC, or the run fails.
Run from the checkout: ``python -m bench.work_b [--packets N] [--reps R] [--json FILE]``.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench import environment
from bench.measure import Cost, common_options, cost_of, in_process, machine, say, write_report
from bench.work_a_data import BURST, bursts, check_size, frames_of
from engine.core import fact_bytes
from events.envelope import decode_envelope
from events.feed import FeedFrame
from events.registry import decode_event
from events.wire.kite import (
    CODEC_NAME,
    CODEC_VERSION,
    FULL_SIZE,
    decode_frame,
    packet_spans,
    unpack_full_run,
    unpack_run,
    walk,
)
from journal.reader import JournalReader
from journal.seal import seal_session
from journal.writer import JournalWriter

UID: Final = "0123456789ab"
PER_COMMIT: Final = 500
"""Packets that LMDB and SQLite write in one synced commit."""

KEY_BYTES: Final = 8


class Run(msgspec.Struct, frozen=True):
    """One run of one peer. ``reads`` are CPU costs by what was done on reading."""

    peer: str
    machine: str
    packets: int
    append: Cost
    reads: dict[str, Cost]
    stored_bytes: int


class Row(msgspec.Struct, frozen=True):
    """A peer's medians, in packets per CPU second; ``append_wall`` per second of wall time."""

    peer: str
    what: str
    runs: int
    append: int
    append_wall: int
    reads: dict[str, int]
    bytes_each: float


class Report(msgspec.Struct, frozen=True):
    """All that is said of one call."""

    packets: int
    seed: int
    machine: str
    rows: list[Row]
    left_out: str | None


class Target(msgspec.Struct, frozen=True):
    """What the project asks of itself, in packets per CPU second."""

    peer: str
    figure: str
    at_least: int


FRAMES: Final = "axiom, frames of 200"
SEALED: Final = "sealed: "
CHAINED, HOT, DEPTH = "verified", "decoded", "decoded with depth"
TICKS: Final = "complete ticks"
TARGETS: Final = (
    Target(FRAMES, "append", 1_500_000),
    Target(FRAMES, HOT, 900_000),
    Target(FRAMES, DEPTH, 450_000),
    Target(FRAMES, SEALED + HOT, 900_000),
    Target(FRAMES, SEALED + DEPTH, 450_000),
)

Frames = Sequence[tuple[int, bytes]]
"""(ts, bytes) of the frames that the packets come in."""


# --- the journal ---------------------------------------------------------------------------------


def run_frames(frames: Frames, folder: Path) -> Run:
    """A frame an entry, as the engine does it: encoded, chained, synced as it gathers."""
    append = cost_of(lambda: _append(folder, (data for _, data in frames)))
    stored = _size(folder, "*.axj")
    packets, crc = len(frames) * BURST, _crc_of(data for _, data in frames)
    reads = dict(_read_costs(folder, packets, crc))
    seal_session(folder)
    reads |= {SEALED + name: cost for name, cost in _read_costs(folder, packets, crc)}
    return Run(FRAMES, machine(), packets, append, reads, stored)


def run_packets(frames: Frames, folder: Path) -> Run:
    """A packet an entry and a group: what the chain and the batching cost without frames."""
    packets = packets_of(frames)
    append = cost_of(lambda: _append(folder, packets))
    read = cost_of(lambda: check(_stored(folder), packets))
    return Run(
        "axiom, a packet an entry", machine(), len(packets), append, {CHAINED: read},
        _size(folder, "*.axj"),
    )  # fmt: skip


def _append(folder: Path, contents: Iterable[bytes]) -> None:
    """Every content as a fact of its own; durable at return."""
    with JournalWriter.create(folder, UID) as writer:
        for seq, data in enumerate(contents, 1):
            frame = FeedFrame(0, CODEC_NAME, CODEC_VERSION, False, len(data), None, data)
            writer.append((fact_bytes(seq, seq, frame),))


def _stored(folder: Path) -> Iterator[bytes]:
    """The frames of a journal, its CRCs and chain verified."""
    with JournalReader(folder) as reader:
        for entry in reader:
            event = decode_event(decode_envelope(entry.data))
            assert isinstance(event, FeedFrame)
            yield event.data


def _read_costs(folder: Path, packets: int, crc: int) -> Iterator[tuple[str, Cost]]:
    """What reading costs, all of it verified: the bytes alone, the fields that the engine uses, all
    numbers with depth, ticks as objects. Raises on a wrong answer."""

    def verified() -> None:
        found = _crc_of(_stored(folder))
        assert found == crc, "what was read is not what was appended"

    def decoded() -> None:
        count = 0
        for data in _stored(folder):
            for run in walk(data).runs:
                for _fields in unpack_run(data, run):
                    count += 1
        assert count == packets, (count, packets)

    def with_depth() -> None:
        count = 0
        for data in _stored(folder):
            for run in walk(data).runs:
                for _fields in unpack_full_run(data, run):
                    count += 1
        assert count == packets, (count, packets)

    def complete() -> None:
        count = sum(len(decode_frame(data)) for data in _stored(folder))
        assert count == packets, (count, packets)

    yield CHAINED, cost_of(verified)
    yield HOT, cost_of(decoded)
    yield DEPTH, cost_of(with_depth)
    yield TICKS, cost_of(complete)


# --- the others ----------------------------------------------------------------------------------


def run_sqlite(frames: Frames, folder: Path) -> Run:
    """SQLite in WAL mode with FULL sync, a commit each 500 packets."""
    packets = packets_of(frames)
    folder.mkdir()
    path = folder / "journal.sqlite"

    def append() -> None:
        with _connection(path) as connection:
            for first in range(0, len(packets), PER_COMMIT):
                chunk = packets[first : first + PER_COMMIT]
                connection.execute("BEGIN")
                connection.executemany(
                    "INSERT INTO entry VALUES (?, ?)", enumerate(chunk, first + 1)
                )
                connection.execute("COMMIT")

    def read() -> None:
        with _connection(path) as connection:
            rows = connection.execute("SELECT seq, packet FROM entry ORDER BY seq")
            check((packet for _, packet in rows), packets)

    cost, read_cost = cost_of(append), cost_of(read)
    size = _size(folder, "*")
    return Run("SQLite, WAL FULL", machine(), len(packets), cost, {"crc checked": read_cost}, size)


class _connection:  # noqa: N801 - a context manager read as a word
    """A database opened with the settings of an order journal, closed at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> sqlite3.Connection:
        self._open = sqlite3.connect(self._path, isolation_level=None)
        self._open.execute("PRAGMA journal_mode = WAL")
        self._open.execute("PRAGMA synchronous = FULL")
        self._open.execute(
            "CREATE TABLE IF NOT EXISTS entry (seq INTEGER PRIMARY KEY, packet BLOB NOT NULL)"
        )
        return self._open

    def __exit__(self, *_: object) -> None:
        self._open.close()


def run_lmdb(frames: Frames, folder: Path) -> Run:
    """LMDB with its default sync, a transaction each 500 packets."""
    import lmdb

    packets = packets_of(frames)
    room = max(len(packets) * FULL_SIZE * 4, 1 << 24)

    def append() -> None:
        with lmdb.open(str(folder), map_size=room) as store:
            for first in range(0, len(packets), PER_COMMIT):
                with store.begin(write=True) as change:
                    for seq, packet in enumerate(packets[first : first + PER_COMMIT], first + 1):
                        change.put(seq.to_bytes(KEY_BYTES, "big"), packet, append=True)

    def read() -> None:
        with lmdb.open(str(folder), map_size=room, readonly=True) as store, store.begin() as view:
            check((packet for _, packet in view.cursor()), packets)

    cost, read_cost = cost_of(append), cost_of(read)
    used = sum(path.stat().st_blocks * 512 for path in folder.iterdir())
    name = f"LMDB {lmdb.__version__}, synced"
    return Run(name, machine(), len(packets), cost, {"crc checked": read_cost}, used)


# --- what was given, and whether it came back ----------------------------------------------------


def packets_of(frames: Frames) -> list[bytes]:
    """The packets alone, without frame and length words."""
    return [
        data[at : at + size] for _, data in frames for at, size in packet_spans(data)
    ]  # fmt: skip


def check(found: Iterable[bytes], given: Sequence[bytes]) -> None:
    """Every packet in its place, by a running CRC, as a reader that trusts nothing would."""
    crc = count = 0
    for packet in found:
        crc = zlib.crc32(packet, crc)
        count += 1
    assert (count, crc) == (len(given), _crc_of(given)), "what was read is not what was appended"


def _crc_of(parts: Iterable[bytes]) -> int:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc


def _size(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern))


PEERS: Final[dict[str, tuple[str, Callable[[Frames, Path], Run]]]] = {
    "frames": ("a frame an entry, synced as it gathers, chain included", run_frames),
    "packets": ("the same without frames: 184 bytes an entry and a group", run_packets),
    "sqlite": (f"executemany, {PER_COMMIT} a commit", run_sqlite),
    "lmdb": (f"put, {PER_COMMIT} a commit", run_lmdb),
}


# --- the command ---------------------------------------------------------------------------------


def measure(python: str, peers: Sequence[str], options: argparse.Namespace) -> list[list[Run]]:
    """The runs of each peer, one round of all peers after the other."""
    arguments = [f"--packets={options.packets}", f"--seed={options.seed}"]
    if options.folder is not None:
        arguments.append(f"--folder={options.folder}")
    runs: list[list[Run]] = [[] for _ in peers]
    for turn in range(options.reps):
        for peer, mine in zip(peers, runs, strict=True):
            say(f"  run {turn + 1}: {peer}")
            said = in_process(python, "bench.work_b", [f"--peer={peer}", *arguments])
            mine.append(msgspec.json.decode(said, type=Run))
    return runs


def row_of(what: str, runs: Sequence[Run]) -> Row:
    """Medians of one peer's runs."""
    count = runs[0].packets

    def rate(seconds: Iterable[float]) -> int:
        return int(count / statistics.median(seconds))

    return Row(
        peer=runs[0].peer,
        what=what,
        runs=len(runs),
        append=rate(run.append.cpu_s for run in runs),
        append_wall=rate(run.append.wall_s for run in runs),
        reads={
            name: rate(run.reads[name].cpu_s for run in runs)
            for name in runs[0].reads
        },
        bytes_each=round(runs[0].stored_bytes / count, 1),
    )  # fmt: skip


def show(report: Report) -> None:
    """Print a report as a table with what follows from it."""
    print(f"WORK-B: {report.packets:,} packets of 184 bytes, seed {report.seed}; {report.machine}")
    print("packets per CPU second of all threads, medians")
    print(f"{'peer':28}{'runs':>5}{'append':>12}{'by the wall':>13}{'bytes each':>12}")
    for row in report.rows:
        print(f"{row.peer:28}{row.runs:5}{row.append:12,}{row.append_wall:13,}", end="")
        print(f"{row.bytes_each:12,.1f}")
    print(f"{'reading':28}{'':5}{'packets':>12}")
    for row in report.rows:
        for name, rate in row.reads.items():
            print(f"{row.peer:28}{'':5}{rate:12,}  {name}")
    ours = next(row for row in report.rows if row.peer == FRAMES)
    for target in TARGETS:
        found = ours.append if target.figure == "append" else ours.reads[target.figure]
        verdict = "met" if found >= target.at_least else "not met"
        print(f"target of {target.at_least:,} for {target.figure}: {verdict}")
    for row in report.rows:
        if not row.peer.startswith("axiom"):
            verdict = "met" if ours.append > row.append else "not met"
            print(f"target ahead of {row.peer}: {verdict}, {ours.append / row.append:.2f} times")
    if report.left_out is not None:
        print(f"LMDB did not run: {report.left_out}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command's options; a bad one ends the program with exit code 2 and one line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.work_b", description=(__doc__ or "").split("\n", 1)[0]
    )
    parser.add_argument("--packets", type=int, default=1_000_000, help=f"a multiple of {BURST}")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--reps", type=int, default=3, help="runs of each peer")
    parser.add_argument("--without-lmdb", action="store_true")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    common_options(parser)
    options = parser.parse_args(arguments)
    if options.reps < 1:
        parser.error("--reps must be at least 1")
    try:
        check_size(options.packets, 1)
    except ValueError as error:
        parser.error(f"--packets: {error}")
    return options


def choose(options: argparse.Namespace) -> tuple[str, list[str], str | None]:
    """(interpreter for all, peers, why LMDB is left out or None)."""
    left_out = "it was not asked for" if options.without_lmdb else None
    if left_out is None:
        try:
            return str(environment.prepare(environment.LMDB)), list(PEERS), None
        except environment.NoEnvironmentError as error:
            left_out = str(error)
    return sys.executable, [peer for peer in PEERS if peer != "lmdb"], left_out


def main(arguments: Sequence[str]) -> int:
    """0 when everything came back as it was given; a run that did not ends the command."""
    options = parse(arguments)
    if options.peer is not None:
        frames = tuple(frames_of(bursts(options.packets, options.seed, 1), BURST))
        with tempfile.TemporaryDirectory(prefix="axiom-bench-", dir=options.folder) as scratch:
            done = PEERS[options.peer][1](frames, Path(scratch) / "journal")
        print(msgspec.json.encode(done).decode())
        return 0
    python, peers, left_out = choose(options)
    runs = measure(python, peers, options)
    rows = [row_of(PEERS[peer][0], mine) for peer, mine in zip(peers, runs, strict=True)]
    report = Report(options.packets, options.seed, runs[0][0].machine, rows, left_out)
    show(report)
    write_report(report, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
