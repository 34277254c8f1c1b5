"""S01, S08: a canary secret in every place where one can be, and none of it in any output.

``PLACES`` is the list of the places. The day is of real processes against the simulated exchange:
recording, PAPER and LIVE, logins, a watchdog, verbs that crash, with every debug switch on and with
faults; what came out is searched byte by byte, and so is what its formats hide.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from adapters.markets.synthetic import SyntheticMarket
from events.broker import AuthStatus
from events.envelope import encode_envelope
from events.registry import BY_STRUCT
from journal.seal import seal_session
from journal.writer import JournalWriter
from tests.adapters.kite import broker
from tests.cli.canary import CHARS, PART, Search, forms, texts_of, value
from tests.cli.canary_children import issued
from tests.cli.canary_day import (
    CHILDREN,
    Desks,
    Receiver,
    Running,
    Said,
    ask,
    command_lines,
    sent_on,
    until,
)
from tests.cli.time_server import time_server

KEY_VARIABLE, SECRET_VARIABLE = "AXIOM_KITE_API_KEY", "AXIOM_KITE_API_SECRET"
TOKEN_VARIABLE = "AXIOM_KITE_ACCESS_TOKEN"
BOT = "7012345678"

PLACES = {
    "api key": "AXIOM_KITE_API_KEY, the token file, the login page's address, each header",
    "api secret": "AXIOM_KITE_API_SECRET, and in the checksums",
    "wrong api secret": "AXIOM_KITE_API_SECRET of a login that is refused",
    "access token": "AXIOM_KITE_ACCESS_TOKEN, each header, the socket's address",
    "issued 0": "what the exchange gives, 60 words: request tokens in the redirect's address and "
    "pasted; access tokens in the token file, headers, the socket's address, the end of a login; "
    "public_token and enctoken in the answer to a login",
    "checksum": "of each login's form and of each order update, as the exchange made it",
    "bot token": "the file that alerts.toml names, and the address of each message to the chat",
    "webhook path": "alerts.toml, and the address of each message",
    "webhook query": "the same address's query",
    "bot token of a broken file": "an alerts.toml that is refused",
    "password": "typed into the prompt of --paste: the broker's page alone is told it",
    "pasted address": "an answer of a login, given as a word of the command line",
    "other login": "another login's answer, typed into the prompt of --paste",
    "setting": "a secret in the configuration file, where none belongs",
    "address service": "the query of live.egress_url",
    "netrc": "the password for this machine in a .netrc",
    "proxy": "the password in HTTPS_PROXY",
}
"""Every place where a secret can be. TOTP and the user's password: the person types them at the
broker's own page, the program never has them. Cookies: neither client keeps one."""

ACCOUNT = ("api key", "api secret", "access token")
MAY = {
    "kite-token.toml": ("api key", *issued()),  # the token file
    "alerts.toml": ("webhook path", "webhook query"),  # written by the person, 0600
}
"""The files of a home that hold secrets: 0600, and each its own secrets alone."""


def secrets(checksums: Path) -> dict[str, str]:
    """All of them, by their names."""
    found = {name: value(name) for name in PLACES if name not in ("issued 0", "checksum")}
    lines = checksums.read_text().split() if checksums.exists() else []
    made = {f"checksum {number}": line for number, line in enumerate(lines)}
    return {**found, **issued(), **made}


# --- the day --------------------------------------------------------------------------------------


class Day:
    """The faulty day: its exchange, its desks, and what is done there."""

    def __init__(self, desks: Desks, receiver: Receiver, clock: str) -> None:
        self.desks = desks
        self.receiver = receiver
        self.checksums = desks.private / "checksums"
        self._configure(receiver, clock)
        self.exchange = desks.start("exchange", by=CHILDREN, stdin=subprocess.PIPE)
        pipe = self.exchange.child.stdin
        assert pipe is not None
        account = {name.replace(" ", "_"): value(name) for name in ACCOUNT}
        account["checksums"] = str(self.checksums)
        pipe.write(f"{json.dumps(account)}\n".encode())
        pipe.close()
        line = until(lambda: _first_json(self.exchange.out), "the exchange serves")
        self.rest, self.ws = line["rest"], line["ws"]

    def _configure(self, receiver: Receiver, clock: str) -> None:
        private, home = self.desks.private, self.desks.home
        (private / "netrc").write_text(f"machine 127.0.0.1 login x password {value('netrc')}\n")
        (private / "bot").write_text(f"{BOT}:{value('bot token')}\n")
        (home / "alerts.toml").write_text(
            f'[telegram]\ntoken_file = "{private / "bot"}"\nchat_id = 1\n'
            f'address = "{receiver.root}"\n[webhook]\nurl = "{receiver.root}/'
            f'{value("webhook path")}?sig={value("webhook query")}"\n[timing]\nsilent_s = 2\n'
        )
        (private / "broken.toml").write_text(
            f'[telegram]\ntoken = "{BOT}:{value("bot token of a broken file")}"\nchat = 1\n'
        )
        for path in (private / "netrc", private / "bot", private / "broken.toml",
                     home / "alerts.toml"):  # fmt: skip
            path.chmod(0o600)
        (private / "nifty.toml").write_text(
            f'[live]\nunderlyings = "NIFTY"\naccount = "demo"\nntp_host = "{clock}"\n'
        )
        (private / "setting.toml").write_text(f'[live]\napi_secret = "{value("setting")}"\n')
        (private / "service.toml").write_text(
            f'[live]\negress_url = "https://a.example/?key={value("address service")}"\n'
        )

    @property
    def roots(self) -> tuple[str, ...]:
        return ("--rest", self.rest, "--ws", self.ws)

    @property
    def config(self) -> tuple[str, ...]:
        return ("--config", str(self.desks.private / "nifty.toml"))

    def fault(self, kind: str, **settings: object) -> None:
        """Plan one, from now on."""
        ask(f"{self.rest}/sim/faults", {"kind": kind, **settings})

    def faults_on(self) -> list[str]:
        """What is wrong with the exchange now."""
        return list(ask(f"{self.rest}/sim/faults")["on"])

    def see(self, kind: str) -> None:
        """Until a fault has begun."""
        until(lambda: kind in self.faults_on(), kind)

    # --- logins

    def paste(self, desk: str, typed: str | None = None, **named: object) -> Said:
        """A login from another machine: the page's answer, or something else, is pasted."""
        words = ("login", "--paste", "--rest", self.rest, "--page", f"{self.rest}/connect/login")
        one = self.desks.start(*words, "--desk", desk, stdin=subprocess.PIPE, **named)  # type: ignore[arg-type]
        page = one.until("/connect/login?").split()[-1]
        if typed is None:
            ask(f"{self.rest}/sim/app", {"redirect_url": "http://127.0.0.1:1/"})
            typed = sent_on(page)
        one.child.communicate(f"{typed}\n".encode(), 60)
        said = Said(one.words, one.ended(), one.out.read_bytes(), one.err.encode())
        self.desks.said.append(said)
        return said

    def browse(self, desk: str) -> int:
        """A login on this machine: the browser comes back by itself."""
        one = self.desks.start("login", "--port", "0", "--rest", self.rest, "--page",
                               f"{self.rest}/connect/login", "--desk", desk)  # fmt: skip
        start = one.until(" in a browser on this machine").split("open ")[-1].split()[0]
        port = urlsplit(start).port
        ask(f"{self.rest}/sim/app", {"redirect_url": f"http://127.0.0.1:{port}/"})
        back = sent_on(sent_on(start))
        assert parse_qs(urlsplit(back).query)["status"] == ["success"]
        with urllib.request.urlopen(back, timeout=60) as page:
            assert b"Logged in" in page.read()
        return one.ended()

    def token(self, desk: str) -> Path:
        return self.desks.home / "desks" / desk / "kite-token.toml"

    def copy_token(self, source: str, target: str) -> None:
        """A person brings the day's login to another desk."""
        self.token(target).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(self.token(source), self.token(target))


def _first_json(path: Path) -> dict[str, str] | None:
    lines = [line for line in path.read_text().splitlines() if line.startswith('{"rest"')]
    found: dict[str, str] | None = json.loads(lines[0]) if lines else None
    return found


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """A desk's folder with everything in it, and nothing that has happened yet."""
    root = tmp_path_factory.mktemp("day")
    named = {
        KEY_VARIABLE: value("api key"), SECRET_VARIABLE: value("api secret"),
        "NETRC": str(root / "private/netrc"), "XDG_RUNTIME_DIR": str(root / "run"),
        "HTTPS_PROXY": f"http://user:{value('proxy')}@127.0.0.1:1",
    }  # fmt: skip
    (root / "run").mkdir(mode=0o700)
    with time_server() as clock, Receiver() as receiver, Desks(root, named) as desks:
        yield Day(desks, receiver, clock)


def live_through(day: Day) -> None:
    """The processes of the day, one after the other and beside each other."""
    desks, less = day.desks, (TOKEN_VARIABLE,)
    variables = {TOKEN_VARIABLE: value("access token")}
    record = desks.start("record", *day.config, *day.roots, "--desk", "record", more=variables)
    record.until(": begins (")
    assert record.core_limit() == "0"
    assert mistakes(day) > 8
    # This login ends the token of the recording: 403, a second login elsewhere.
    assert day.paste("paper").code == 0
    day.copy_token("paper", "live")
    record.child.kill()  # its watchdog tells that it is gone
    engines = [
        desks.start("run", "--mode", "paper", "--headless", "--for", "10m", *day.config, *day.roots,
                    "--desk", "paper", less=less),
        desks.start("live", day.rest, day.ws, "run", "--mode", "live", "--confirm", "LIVE",
                    "--headless", "--for", "10m", *day.config, "--desk", "live", by=CHILDREN),
    ]  # fmt: skip
    for engine in engines:
        engine.until(": begins (")
    faulty_stretch(day, engines)
    for engine in engines:
        engine.child.send_signal(signal.SIGTERM)
    assert [engine.ended() for engine in engines] == [0, 0], [e.err[-2_000:] for e in engines]
    aftermath(day)


def faulty_stretch(day: Day, engines: list[Running]) -> None:
    """Faults of every kind that raise something, planned at once; a login in their middle."""
    day.fault("server_error", after="1s", **{"for": "2s"}, count=50)
    day.fault("malformed_frames", after="2s", **{"for": "1s"})
    day.fault("socket_drop", after="3s")
    day.fault("token_expiry", after="4s")
    day.see("token_expiry")
    for engine in engines:
        engine.until("feed: login: ")
    assert day.browse("paper") == 0
    day.copy_token("paper", "live")
    day.fault("lost_acknowledgement", count=2, requests=["all"])
    day.fault("accepted_but_timed_out", count=1, requests=["all"], hold_ms=8_000)
    until(lambda: ask(f"{day.rest}/sim/clients"), "the engines are back")
    for _ in range(3):
        ask(f"{day.rest}/sim/order", bought())
    desks = day.desks
    assert desks.run("status", "--json", "--desk", "live").code == 0
    assert desks.run("halt", "a look", "--desk", "paper", "--json").code in (0, 1, 2)
    day.fault("half_open_socket", **{"for": "2s"})
    day.fault("second_login", after="3s", **{"for": "1s"})
    day.fault("rest_dead", after="4s", **{"for": "2s"})
    day.see("rest_dead")
    until(lambda: "rest_dead" not in day.faults_on(), "the last fault is over")


def bought() -> dict[str, object]:
    """An order of the broker's own application: a lot of an option near the money."""
    options = [row for row in SyntheticMarket(3, "small").instruments() if row.kind == "CE"]
    row = options[len(options) // 2]
    return {"exchange": row.exchange, "tradingsymbol": row.tradingsymbol, "quantity": row.lot_units,
            "transaction_type": "BUY", "product": "NRML", "order_type": "MARKET",
            "market_protection": "5", "validity": "DAY"}  # fmt: skip


def mistakes(day: Day) -> int:
    """What a person does wrong with a secret in hand; gives how many."""
    desks, private = day.desks, day.desks.private
    pasted = f"http://127.0.0.1:8765/?request_token={value('pasted address')}&status=success"
    elsewhere = f"http://127.0.0.1:8765/?request_token={value('other login')}&state=another"
    bare, token = ("login", "--paste", "--rest", day.rest), {TOKEN_VARIABLE: value("access token")}
    seen = ("record", "--for", "2s", *day.config, *day.roots, "--desk", "other")
    said = [
        desks.run("login", pasted),
        desks.run(pasted),
        desks.run("login", "--port", pasted),
        desks.run("run", "--mode", "paper", *day.roots, "--config", str(private / "setting.toml")),
        desks.run("config", "show", "--config", str(private / "service.toml")),
        desks.run("watchdog", "--alerts", str(private / "broken.toml")),
        desks.run(*bare, "--json", "--desk", "none", typed=f"{value('password')}!?\n"),
        day.paste("none", elsewhere),
        day.paste("none", more={SECRET_VARIABLE: value("wrong api secret")}),
        desks.run("crash", "rest", *bare, "--desk", "none", typed="request1234\n", by=CHILDREN),
        desks.run("crash", "rest", *seen, by=CHILDREN, more=token),
    ]  # fmt: skip
    for one in said:
        assert one.code in (1, 2), one
    said.append(desks.run("crash", "socket", *seen, by=CHILDREN, more=token))
    day.fault("server_error", count=1, requests=["session"])
    said.append(day.paste("none"))
    day.fault("lost_acknowledgement", count=1, requests=["session"])
    said.append(day.paste("none"))
    return len(said)


def aftermath(day: Day) -> None:
    """What is asked of the sessions afterwards, and the last logins."""
    desks, rest = day.desks, ("--rest", day.rest)
    for words in (
        ("journal", "cat", "latest", "--json", "--desk", "live"),
        ("journal", "cat", "latest", "--json", "--desk", "paper"),
        ("why", "--json", "--desk", "paper"),
        ("at", "latest", "50", "--json", "--desk", "live"),
        ("sessions", "--json", "--desk", "live"),
        ("query", "SELECT * FROM v1.decisions", "--json", "--desk", "live"),
        ("export", "latest", "--to", str(desks.root / "export"), "--desk", "live"),
        ("backup", str(desks.root / "backup"), "--desk", "paper"),
        ("doctor", "--live", "--json", "--desk", "live", *day.config),
        ("config", "show", "--json", *day.config),
        ("flatten", "--emergency", *rest, "--confirm", "SIM", "--json", "--desk", "live"),
    ):
        said = desks.run(*words)
        assert said.code in (0, 1), said
    assert desks.screen("tui", "latest", "--desk", "live", keys=("b", "\r", "?", "\x1b", "q"))
    day.fault("server_error", count=1, requests=["session"])
    assert desks.run("login", "--forget", *rest, "--desk", "live").code == 1
    assert desks.run("login", "--forget", *rest, "--desk", "paper").code == 0
    assert day.paste("last").code == 0


def outputs(day: Day) -> Iterator[tuple[str, bytes]]:
    """Everything that came out, each with a name."""
    desks = day.desks
    for folder in ("home", "logs", "streams", "export", "backup"):
        for name, data in texts_of(desks.root / folder):
            yield f"{folder}/{name}", PAGE.sub(b"", data) if folder == "streams" else data
    for number, body in enumerate(day.receiver.bodies):
        yield f"alert {number}", body
    for number, drawn in enumerate(desks.screens):
        yield f"screen {number}", drawn
    for line in sorted(desks.command_lines):
        yield f"command line {line[:80]!r}", line


def allowed(name: str) -> tuple[str, ...]:
    """The secrets that an output may hold."""
    file = name.rpartition("/")[2]
    return MAY.get(file, ()) if name.startswith("home/") else ()


PAGE = re.compile(rb"/connect/login\?v=3&api_key=\w+&redirect_params=state%3D[\w-]+$", re.MULTILINE)
"""The page that --paste has the person open, on standard error: the broker wants the key in it."""

PASTED_WORDS = ("pasted address",)
"""What a person gave as a word of the command line: the program cannot take it back."""


@pytest.mark.slow
def test_no_output_of_a_faulty_day_holds_a_secret(day: Day) -> None:
    """S01, S08: with every debug switch on and faults of every kind, no stream, log, journal,
    database, Parquet file, report, backup, alert, screen or command line holds any of the secrets,
    or eight characters of an end of one, plain, in hex, in base64 or as an address writes it."""
    began = time.monotonic()
    live_through(day)
    search = Search(secrets(day.checksums))
    leaks, seen, size, met = {}, [], 0, set()
    for name, data in outputs(day):
        may = PASTED_WORDS if name.startswith("command line") else allowed(name)
        found = search.names_in(data, may)
        if found:
            leaks[name] = found
        seen.append(name)
        size += len(data)
        met |= {word for word in HAPPENED if word in data}
    kinds = {kind: sum(kind in name for name in seen) for kind in KINDS}
    sys.stdout.write(
        f"{len(seen)} outputs, {size:,} bytes, {kinds}, {len(search)} forms,"
        f" {time.monotonic() - began:.0f} s\n"
    )
    assert leaks == {}
    assert min(kinds.values()) > 0, kinds
    assert met == HAPPENED
    went_as_it_should(day)


KINDS = ("(journal)", "session.duckdb (tables)", ".parquet (tables)", "alert ", "screen ",
         "command line ", "watchdog.log", "logs/", "streams/", "backup/", "emergency")  # fmt: skip


HAPPENED = frozenset(
    (b"feed: error: bad /?api_key=***", b"feed: unreadable: no JSON", b"feed: login: the broker",
     b"TICKER_FAILED", b"[SEV1] ALERT_ENGINE_GONE", b"as sent to /?api_key=***",
     b"request_token=***", b"cannot be read (RuntimeError)")
)  # fmt: skip
"""What the outputs do say, since it was met."""


def went_as_it_should(day: Day) -> None:
    """The secrets were there, debug logging was on, and the faults were met."""
    desks, receiver = day.desks, day.receiver
    assert any(value("webhook path") in path for path in receiver.paths)
    assert any(f"/bot{BOT}:{value('bot token')}/" in path for path in receiver.paths)
    logs = "".join(path.read_text(errors="replace") for path in desks.logs.iterdir())
    assert logs.count("debug logging is on") > 20
    assert value("api key") in day.token("last").read_text()
    for path in (*desks.home.rglob("kite-token.toml"), desks.home / "alerts.toml"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


# --- canaries of the search itself ----------------------------------------------------------------

LEAK = value("planted")
EVENT = AuthStatus("OK", f"x{LEAK}x", None, None)


def _plant_journal(folder: Path) -> None:
    """A session with the secret in one event, sealed: nothing of it is plain on the disk."""
    spec = BY_STRUCT[AuthStatus]
    with JournalWriter.create(folder / "session", "0123456789ab") as writer:
        writer.append([encode_envelope(1, spec.kind, spec.version, 1, 1, EVENT)])
        writer.close()
    seal_session(folder / "session")


def _plant_database(folder: Path) -> None:
    with duckdb.connect(str(folder / "session.duckdb")) as base:
        base.execute("CREATE TABLE t AS SELECT ?::VARCHAR || i AS x FROM range(1000) r(i)", [LEAK])


def _plant_parquet(folder: Path) -> None:
    pq.write_table(pa.table({"x": [LEAK.encode()] * 9}), folder / "a.parquet", compression="zstd")


def _plant(data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / "a.log").write_bytes(data)


def _b64(data: bytes) -> bytes:
    return b"Basic " + base64.b64encode(data)


PLANTED: dict[str, Callable[[Path], object]] = {
    "plain": _plant(f"GET /?access_token={LEAK}".encode()),
    "its beginning": _plant(f"token {LEAK[:PART]}...".encode()),
    "its end": _plant(f"token ...{LEAK[-PART:]}".encode()),
    "hex": _plant(LEAK.encode().hex().encode()),
    "HEX": _plant(LEAK.encode().hex().upper().encode()),
    **{f"base64 at {n}": _plant(_b64(b"k" * n + LEAK.encode() + b"z")) for n in range(3)},
    "gzip": _plant(gzip.compress(LEAK.encode())),
    "zstd": _plant(zstandard.compress(b"x" * 99 + LEAK.encode())),
    "a sealed journal": _plant_journal,
    "a database": _plant_database,
    "Parquet": _plant_parquet,
}


@pytest.mark.parametrize("kind", PLANTED)
def test_canary_a_planted_secret_is_found(tmp_path: Path, kind: str) -> None:
    """S01: the search finds a secret in each kind of output, and nothing where there is none."""
    PLANTED[kind](tmp_path)
    for secret, expected in ((LEAK, ["planted"]), (value("another"), [])):
        search = Search({"planted": secret})
        found = {name for _, data in texts_of(tmp_path) for name in search.names_in(data)}
        assert sorted(found) == expected


def test_canary_a_secret_in_an_argument_is_seen() -> None:
    """S08: the command line of a process is among what is looked at."""
    words = [sys.executable, "-c", "print(flush=True); input()", LEAK]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()  # from here on it is the program, and no copy of this one
        lines = [line for pid, line in command_lines() if pid == child.pid]
        child.communicate(b"\n")
    assert [Search({"planted": LEAK}).names_in(line) for line in lines] == [["planted"]]


def test_canary_a_secret_with_signs_is_found_as_an_address_writes_it() -> None:
    """A form for what an address escapes."""
    assert b"%26%2B" in next(form for form in forms(b"a&+b/c=d") if b"%26" in form)
    assert len(value("x")) == CHARS


@pytest.mark.slow
def test_canary_without_the_fence_the_switches_show_secrets(tmp_path: Path) -> None:
    """S01: the same switches print key, request token and checksum of a login where the fence is
    taken away: the day looks where something would be."""
    named = {KEY_VARIABLE: broker.KEY, SECRET_VARIABLE: broker.SECRET}
    with broker.Broker() as one, Desks(tmp_path, named) as desks:
        words = ("login", "--paste", "--rest", one.root)
        fenced = desks.run(*words, "--desk", "live", typed=f"{broker.REQUEST}\n")
        bare = desks.run("unfenced", *words, typed=f"{broker.REQUEST}\n", by=CHILDREN)
    assert (fenced.code, bare.code) == (0, 0)
    assert broker.REQUEST.encode() not in fenced.out + fenced.err
    assert broker.REQUEST.encode() in bare.out
