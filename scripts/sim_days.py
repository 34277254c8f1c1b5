"""Days of ``axiom run --mode sim`` at high speed with faults by chance, judged from the outside.

Lives here: the program that runs one market day a seed, each in a home and at an exchange of its
own, and holds the journal against the exchange's own books. May import: the checks beside it,
events and journal. Always holds: engine and exchange are processes that are only started, asked,
killed and read; what is found wrong names the seed that shows it; a fault kind that never fired and
a day without an order (of a machine that could not keep up) are named, so that nobody takes them
for withstood.

    python -m scripts.sim_days                       20 seeds, a whole day each
    python -m scripts.sim_days --seeds 7 8 --at 14:30
    python -m scripts.sim_days --seeds 7 --keep DIR  the homes stay, to be looked at

Start reading at ``day``, then ``scripts.sim_checks``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from adapters.exchange_sim.faults import KINDS
from adapters.markets.synthetic_random import SplitMix64, substream
from cli.simulation import ACCOUNT_NAME, LOG_NAME, NOTE_NAME
from events.envelope import decode_envelope
from events.feed import TimerTick
from events.governance import IncidentRaised
from events.registry import decode_event
from journal.reader import read_entries
from scripts.sim_checks import CHECKS, KEPT, Day, dropped, not_judged, open_at_end

ROOT: Final = Path(__file__).resolve().parents[1]
SETTINGS: Final = Path(__file__).with_suffix(".toml")
SEEDS: Final = tuple(range(1, 21))
SPEED: Final = 250
"""Market seconds a second at which two cores keep up with the market below."""

MARKET: Final = "synthetic:small"
CLOSE_S: Final = 56_400
"""The derivatives' close, 15:40 IST, in seconds after midnight."""

ANSWER_S: Final = 60.0
SPARE_S: Final = 120.0
"""What a run may take beyond its share of the day."""

_STREAM: Final = 0x0DA5


# --- the processes -------------------------------------------------------------------------------


def asked(rest: str, path: str) -> Any:
    """What a control of the exchange answers."""
    address = urlsplit(rest)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=ANSWER_S)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def axiom(*words: str) -> list[str]:
    """The command line of the program beside this one."""
    return [sys.executable, "-P", "-m", "cli.main", *words]


class Plan(msgspec.Struct, frozen=True):
    """When what is killed, in seconds after the market's time began to run; None: not at all."""

    engine_s: float | None
    exchange_s: float | None


def plan_of(seed: int, length_s: float) -> Plan:
    """The engine dies in every second day, the exchange in every tenth, at a moment by chance."""
    random = SplitMix64(substream(seed, _STREAM))
    at_s = length_s * random.between(150, 850) / 1_000
    return Plan(at_s if seed % 2 else None, at_s if seed % 10 == 0 else None)


def day(seed: int, home: Path, at: str, speed: int, length_s: float) -> Day:
    """Run one day, and read what is left of it."""
    plan, kills, books = plan_of(seed, length_s), 0, None
    command = axiom(
        "run", "--mode", "sim", "--market", MARKET, "--seed", str(seed), "--speed", str(speed),
        "--at", at, "--faults", f"seed:{seed}", "--headless", "--json", "--home", str(home),
        "--config", str(SETTINGS),
    )  # fmt: skip
    desk = home / "desks/main"
    with (home / "engine.txt").open("w") as said:
        engine = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
        try:
            _until_begun(engine, desk / NOTE_NAME)
            if plan.engine_s is not None and _still_runs(engine, plan.engine_s):
                engine.kill()
                engine.wait()
                kills += 1
                engine = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=said)
            if plan.exchange_s is not None and _still_runs(engine, plan.exchange_s):
                note = json.loads((desk / NOTE_NAME).read_text())
                books = asked(note["rest"], "/sim/account")
                os.kill(note["pid"], signal.SIGKILL)
            code = engine.wait(length_s + SPARE_S)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            engine.kill()
            engine.wait()
    killed = books is not None
    account = _left(desk / ACCOUNT_NAME) if books is None else books
    said_last = (home / "engine.txt").read_text()
    text = said_last + (desk / LOG_NAME).read_text()
    found = Day(seed, code, text, kills, killed, speed, account=account)
    found.answer = _document(said_last)
    _read(found, home)
    return found


def _document(said: str) -> dict[str, Any] | None:
    """The engine's last document, between what it said; None where it gave none."""
    start, end = said.rfind("\n{\n"), said.rfind("\n}")
    if not 0 <= start < end:
        return None
    found: dict[str, Any] = json.loads(said[start : end + 2])
    return found


def _left(path: Path) -> Any:
    """The books that an exchange leaves when it has ended. Raises ``TimeoutError``."""
    until = time.monotonic() + ANSWER_S
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"the exchange left no {path.name}")
        time.sleep(0.1)
    return json.loads(path.read_text())


def _until_begun(engine: subprocess.Popen[bytes], note: Path) -> None:
    """Wait until the exchange runs, or the engine has ended without one."""
    until = time.monotonic() + ANSWER_S
    while not note.exists() and engine.poll() is None and time.monotonic() < until:
        time.sleep(0.05)


def _still_runs(engine: subprocess.Popen[bytes], after_s: float) -> bool:
    """Whether it runs after so long."""
    try:
        engine.wait(after_s)
    except subprocess.TimeoutExpired:
        return True
    return False


def _read(found: Day, home: Path) -> None:
    """Each session's journal, and what verify and replay say of it."""
    found.folders = tuple(sorted((home / "desks/main/sessions").glob("20*")))
    found.entries, found.verdicts = [], []
    for folder in found.folders:
        for entry in read_entries(folder):
            envelope = decode_envelope(entry.data)
            if envelope.kind in KEPT:
                found.entries.append((envelope.ts, decode_event(envelope)))
        for verb in ("verify", "replay"):
            words = axiom(verb, str(folder), "--home", str(home), "--json")
            done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
            outcome = json.loads(done.stdout)["outcome"] if verb == "replay" and done.stdout else ""
            if done.returncode or outcome not in ("", "identical"):
                found.verdicts.append(f"{verb} of {folder.name}: exit {done.returncode} {outcome}"
                                      f" {done.stderr.strip()[-200:]}")  # fmt: skip
            found.said += done.stderr


# --- the program ---------------------------------------------------------------------------------


def faults_of(found: Day) -> set[str]:
    """The kinds that fired, by the exchange's record ``HH:MM:SS kind: what``."""
    return {line.split(" ", 1)[1].partition(":")[0] for line in found.account["faults"]}


def line_of(found: Day, wrong: Sequence[str], took_s: float) -> str:
    """One line of a day."""
    raised = Counter(one.code for one in found.of(IncidentRaised))
    missed = sum(one.missed for one in found.of(TimerTick))
    told = " ".join(f"{code}x{times}" for code, times in sorted(raised.items()))
    left = ", ".join(f"{code} {subject}" for code, subject in open_at_end(found))
    return (
        f"seed {found.seed}: {'FAILED' if wrong else 'good'}, {took_s:.0f} s,"
        f" {len(found.account['orders'])} orders, {len(found.account['trades'])} trades,"
        f" {len(found.account['updates'])} updates, {found.account['logins']} logins,"
        f" {found.kills} kills{', exchange killed' if found.exchange_killed else ''},"
        f" {missed} cycles missed, {dropped(found)} frames dropped;"
        f" {len(faults_of(found))} kinds of faults: {' '.join(sorted(faults_of(found)))};"
        f" incidents: {told or 'none'}; open in the end: {left or 'none'};"
        f" apart and told: {', '.join(not_judged(found)) or 'none'}"
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the days one after the other; 1 where something was wrong in one."""
    parser = argparse.ArgumentParser(prog="scripts.sim_days", description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--speed", type=int, default=SPEED)
    parser.add_argument("--at", default="09:15", help="market time from which the day runs (IST)")
    parser.add_argument("--keep", type=Path, help="where the homes stay")
    given = parser.parse_args(arguments)
    hours, _, minutes = given.at.partition(":")
    length_s = (CLOSE_S - int(hours) * 3_600 - int(minutes) * 60) / given.speed
    fired: set[str] = set()
    failed: list[int] = []
    idle: list[int] = []
    for seed in given.seeds:
        home = (given.keep or Path(tempfile.mkdtemp(prefix="sim-days-"))) / f"seed-{seed}"
        home.mkdir(parents=True)
        began = time.monotonic()
        found = day(seed, home, given.at, given.speed, length_s)
        wrong = [f"{check.__name__}: {text}" for check in CHECKS for text in check(found)]
        _say(line_of(found, wrong, time.monotonic() - began))
        for text in wrong:
            _say(f"  seed {seed}: {text}")
        fired |= faults_of(found)
        failed += [seed] if wrong else []
        idle += [] if any(order["tag"] for order in found.account["orders"]) else [seed]
        if given.keep is None:
            shutil.rmtree(home.parent)
    silent = [kind.name for kind in KINDS if kind.name not in fired]
    _say(
        f"{len(given.seeds)} days, {len(fired)} of {len(KINDS)} kinds of faults fired;"
        f" not fired: {' '.join(silent) or 'none'}; days without an order: {idle or 'none'};"
        f" failed seeds: {failed or 'none'}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
