"""B02, S01: whatever a call meets becomes a row of the table, and no secret leaves with it."""

from __future__ import annotations

import datetime
import gzip
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.kite import calls
from adapters.kite.calls import Caller, Timeouts, WriteFenced
from adapters.kite.credentials import CredentialError, Credentials
from adapters.kite.errors import CANCEL, PLACE, READ, Verdict
from adapters.kite.roots import TALKATIVE, BadRoot
from tests.adapters.kite.rest_server import (
    DEADLINE_S,
    KEY,
    PATIENT,
    QUICK,
    TOKEN,
    Canned,
    RestServer,
    login,
    refusal,
)

HTML = Canned(status=502, body=b"<html>Bad gateway</html>", content_type="text/html")


@pytest.fixture
def server() -> Iterator[RestServer]:
    """A server that answers like a broker."""
    with RestServer() as running:
        yield running


def caller(root: str, timeouts: Timeouts = PATIENT, **options: Any) -> Caller:
    """A caller that may write."""
    return Caller(login, may_write=True, root=root, timeouts=timeouts, **options)


def place(client: Any) -> Any:
    """What an order message asks of the client."""
    return client.place_order("regular", "NFO", "X", "BUY", 65, "NRML", "LIMIT", tag="t1")


ANSWERS: dict[str, tuple[Canned, Timeouts, Verdict, str | None, int | None]] = {
    "token": (
        refusal("TokenException", 403), PATIENT, Verdict("REFUSED", "TOKEN"), "TokenException", 403
    ),
    "margin, a class the client does not have": (
        refusal("MarginException", 400), PATIENT, Verdict("REFUSED", "MARGIN"),
        "MarginException", 400,
    ),
    "holding": (
        refusal("HoldingException", 428), PATIENT, Verdict("REFUSED", "HOLDING"),
        "HoldingException", 428,
    ),
    "no class at all": (
        refusal(None, 400), PATIENT, Verdict("UNKNOWN", "GENERAL"), "GeneralException", 400
    ),
    "input at a server's status": (
        refusal("InputException", 500), PATIENT, Verdict("UNKNOWN", "GENERAL"),
        "InputException", 500,
    ),
    "rate": (
        refusal("NetworkException", 429, "Too many requests"), PATIENT,
        Verdict("UNKNOWN", "RATE"), "NetworkException", 429,
    ),
    "a new class": (
        refusal("QuantumException", 400), PATIENT, Verdict("UNKNOWN", "NEW"),
        "QuantumException", 400,
    ),
    "a new status": (
        refusal("InputException", 418), PATIENT, Verdict("UNKNOWN", "NEW"), "InputException", 418
    ),
    "html": (HTML, PATIENT, Verdict("UNKNOWN", "NETWORK"), "DataException", 502),
    "html at a refusing status": (
        Canned(status=403, body=b"<html>", content_type="text/html"), PATIENT,
        Verdict("UNKNOWN", "DATA"), "DataException", 403,
    ),
    "no content type": (
        Canned({"order_id": "1"}, manner="bare"), PATIENT, Verdict("UNKNOWN", "DATA"),
        "KeyError", 200,
    ),
    "no JSON": (
        Canned(body=b"{'order_id'"), PATIENT, Verdict("UNKNOWN", "DATA"), "DataException", 200
    ),
    "JSON that is no object": (
        Canned(body=b"[1, 2]"), PATIENT, Verdict("UNKNOWN", "DATA"), "AttributeError", 200
    ),
    "nested beyond measure": (
        Canned(body=b"[" * 100_000), PATIENT, Verdict("UNKNOWN", "DATA"), "RecursionError", 200
    ),
    "success without data": (
        Canned(body=b'{"status": "success"}'), PATIENT, Verdict("UNKNOWN", "DATA"), "KeyError", 200
    ),
    "success without an order": (
        Canned({}), PATIENT, Verdict("UNKNOWN", "DATA"), "KeyError", 200
    ),
    "success at a status that is none": (
        Canned({"order_id": "1"}, 500), PATIENT, Verdict("UNKNOWN", "DATA"), "StrangeAnswer", 500
    ),
    "a redirect": (
        Canned({"order_id": "1"}, 302, location="/elsewhere"), PATIENT,
        Verdict("UNKNOWN", "REDIRECT"), "DataException", 302,
    ),
    "accepted, and no answer": (
        Canned(manner="drop"), PATIENT, Verdict("UNKNOWN", "NETWORK"), "ConnectionError", None
    ),
    "cut short": (
        Canned({"order_id": "1"}, manner="cut"), PATIENT, Verdict("UNKNOWN", "DATA"),
        "ProtocolError", 200,
    ),
    "silence": (
        Canned(manner="hang"), QUICK, Verdict("UNKNOWN", "TIMEOUT"), "ReadTimeout", None
    ),
    "a drip": (
        Canned({"order_id": "1"}, manner="drip"), QUICK, Verdict("UNKNOWN", "DATA"),
        "AnswerTooSlow", 200,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_every_answer_has_its_row(server: RestServer, name: str) -> None:
    """B02: the broker's class where it gives one, the real status, its own words; nothing is
    raised, and the request was made once."""
    answer, timeouts, verdict, error_class, status = ANSWERS[name]
    server.answers["/orders/regular"] = answer
    one = caller(server.root, timeouts)
    reply = one.call(PLACE, place)
    one.close()
    assert (reply.verdict, reply.error_class, reply.http_status) == (verdict, error_class, status)
    assert reply.data is None
    assert [asked.method for asked in server.asked] == ["POST"]


def test_a_good_answer(server: RestServer) -> None:
    """What the client returns, with no verdict; compressed bodies too."""
    one = caller(server.root)
    assert one.call(PLACE, place).data == "1000000"
    reply = one.call(READ, lambda client: client.profile())
    assert (reply.data, reply.verdict, reply.http_status) == ({"user_id": "AB1234"}, None, 200)
    one.close()
    headers = {key.lower(): value for key, value in server.asked[-1].headers.items()}
    assert headers["authorization"] == f"token {KEY}:{TOKEN}"
    assert headers["x-kite-version"] == "3"


def test_a_compressed_body(server: RestServer) -> None:
    """gzip, as the dump of instruments comes."""
    rows = b"instrument_token,tradingsymbol\n" + b"1,A\n" * 50_000
    with socket.create_server(("127.0.0.1", 0)) as listener:
        packed = gzip.compress(rows)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                head = (
                    "HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Encoding: gzip\r\n"
                    f"Content-Length: {len(packed)}\r\nConnection: close\r\n\r\n"
                )
                connection.sendall(head.encode() + packed)

        thread = threading.Thread(target=answer)
        thread.start()
        one = caller(f"http://127.0.0.1:{listener.getsockname()[1]}")
        reply = one.call(READ, lambda client: client._get("market.instruments.all"))
        thread.join(DEADLINE_S)
        one.close()
    assert reply.data == rows


def test_a_body_without_end(server: RestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body longer than any the broker has is given up."""
    monkeypatch.setattr(calls, "BODY_BYTES_MAX", 100_000)
    for size, fault in ((90_000, None), (200_000, Verdict("UNKNOWN", "DATA"))):
        server.answers["/user/profile"] = Canned("x" * size)
        one = caller(server.root)
        assert one.call(READ, lambda client: client.profile()).verdict == fault
        one.close()


def test_no_connection_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """B02: a refused connection, an unknown host and a login that is not there leave nothing
    behind them: NOT_SENT."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    one = caller(f"http://127.0.0.1:{port}")
    reply = one.call(PLACE, place)
    assert (reply.verdict, reply.error_class) == (
        Verdict("NOT_SENT", "CONNECT"),
        "NewConnectionError",
    )

    def no_such_host(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown host")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_host)
    unknown = caller("https://broker.invalid").call(PLACE, place)
    assert unknown.verdict == Verdict("NOT_SENT", "CONNECT")

    def nobody() -> Credentials:
        raise CredentialError("there is no access token: give 'axiom login'")

    without = Caller(nobody, may_write=True, root="http://127.0.0.1:9").call(CANCEL, place)
    assert without.verdict == Verdict("NOT_SENT", "TOKEN")
    assert without.message == "there is no access token: give 'axiom login'"


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's side for ``localhost``, with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoded = serialization.Encoding.PEM
    pem = key.private_bytes(
        encoded, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "pair.pem").write_bytes(pem + certificate.public_bytes(encoded))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pair.pem")
    return context


def test_a_certificate_is_looked_at(tmp_path: Path) -> None:
    """S01: a server that cannot prove who it is gets no byte of a request: NOT_SENT, and the token
    stays here."""
    heard: list[bytes] = []
    context = self_signed(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(DEADLINE_S)
                try:
                    with context.wrap_socket(connection, server_side=True) as secure:
                        heard.append(secure.recv(65536))
                except OSError:
                    heard.append(b"")

        thread = threading.Thread(target=serve)
        thread.start()
        one = caller(f"https://localhost:{listener.getsockname()[1]}")
        reply = one.call(PLACE, place)
        one.close()
        thread.join(DEADLINE_S)
    assert reply.verdict == Verdict("NOT_SENT", "CONNECT")
    assert reply.error_class == "SSLCertVerificationError"
    assert heard == [b""]


def test_a_reading_client_cannot_write(server: RestServer) -> None:
    """PAPER: the fence of a client that may only read refuses every request but a GET, whatever
    reaches the client."""
    one = Caller(login, may_write=False, root=server.root)
    for ask in (
        place,
        lambda client: client.modify_order("regular", "1", quantity=1),
        lambda client: client.cancel_order("regular", "1"),
        lambda client: client.place_autoslice_order("regular", "NFO", "X", "BUY", 1, "NRML", "SL"),
        lambda client: client.convert_position("NFO", "X", "BUY", "day", 1, "NRML", "MIS"),
        lambda client: client.invalidate_access_token(),
    ):
        reply = one.call(PLACE, ask)
        assert reply.error_class == WriteFenced.__name__
        assert reply.verdict == Verdict("NOT_SENT", "PERMISSION")
    assert server.asked == []
    assert one.call(READ, lambda client: client.profile()).verdict is None
    # What is asked by a POST and changes nothing is no writing; its neighbour is not asked.
    server.answers["/margins/basket"] = Canned({"final": {"total": 1}})
    assert one.call(READ, lambda client: client.basket_order_margins([])).verdict is None
    reply = one.call(PLACE, lambda client: client.order_margins([]))
    assert reply.error_class == WriteFenced.__name__
    one.close()


@pytest.mark.parametrize("manner", ["good", "refused", "html", "echo", "dead"])
def test_no_secret_leaves(
    server: RestServer, caplog: pytest.LogCaptureFixture, capfd: Any, manner: str
) -> None:
    """S01: with every logger at DEBUG, neither a log, nor a stream, nor a reply, nor the client
    between calls holds the key or the token, even where the broker's answer does."""
    logging.getLogger().setLevel(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(logging.DEBUG)
    echo = f"wrong token {KEY}:{TOKEN} " + "x" * 280 + TOKEN
    server.answers["/user/profile"] = {
        "good": Canned({"user_id": "AB1234"}),
        "refused": refusal("TokenException", 403, echo),
        "html": Canned(status=502, body=echo.encode(), content_type="text/html"),
        "echo": refusal(f"X{TOKEN}", 400, echo),
        "dead": Canned(manner="drop"),
    }[manner]
    with caplog.at_level(logging.DEBUG):
        one = caller(server.root)
        reply = one.call(READ, lambda client: client.profile())
        logging.getLogger("kiteconnect.connect").debug("canary of the capture")
        held = vars(one._client)
        levels = [logging.getLogger(name).level for name in TALKATIVE]
    streams = capfd.readouterr()
    seen = "\n".join((caplog.text, streams.out, streams.err, repr(reply), repr(held), repr(one)))
    one.close()
    assert (reply.verdict is None) is (manner == "good")
    assert min(levels) >= logging.WARNING
    for secret in (KEY, TOKEN, TOKEN[:12]):
        assert secret not in seen


def test_a_secret_that_the_broker_repeats_is_in_no_record(server: RestServer) -> None:
    """S01: rows that quote the login (a message of an order, an id) come with three stars in it."""
    server.answers["/orders"] = Canned([{"order_id": f"1{TOKEN}", "status_message": f"{KEY} no"}])
    one = caller(server.root)
    reply = one.call(READ, lambda client: client.orders())
    one.close()
    assert reply.data == [{"order_id": "1***", "status_message": "*** no"}]


def test_the_client_s_debug_mode_is_fenced_too(
    server: RestServer,
    caplog: pytest.LogCaptureFixture,
    capfd: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S01: with the client's own debug on, the root logger at DEBUG and http.client printing, no
    header and no address is shown: production cannot be talked into it from outside."""
    monkeypatch.setattr("http.client.HTTPConnection.debuglevel", 1)
    with caplog.at_level(logging.DEBUG):
        one = caller(server.root)
        one._client.debug = True
        assert one.call(READ, lambda client: client.profile()).verdict is None
        one.close()
    streams = capfd.readouterr()
    assert (caplog.text, streams.out, streams.err) == ("", "", "")


def test_canary_http_client_prints_headers_without_the_fence(
    server: RestServer, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Canary: the same switch prints the token where the class asks it."""
    one = caller(server.root)
    for name in ("HTTPConnection", "HTTPSConnection"):
        monkeypatch.delattr(f"urllib3.connection.{name}.debuglevel")
    monkeypatch.setattr("http.client.HTTPConnection.debuglevel", 1)
    one.call(READ, lambda client: client.profile())
    one.close()
    assert TOKEN in capfd.readouterr().out


def test_canary_the_client_s_debug_mode_leaks(
    server: RestServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Canary: the official client in its debug mode does print the token, and this grep sees
    it."""
    one = caller(server.root)
    one._client.debug = True
    logging.getLogger("kiteconnect.connect").setLevel(logging.DEBUG)
    with caplog.at_level(logging.DEBUG):
        one.call(READ, lambda client: client.profile())
    one.close()
    logging.getLogger("kiteconnect.connect").setLevel(logging.WARNING)
    assert TOKEN in caplog.text


def test_the_environment_changes_nothing(
    server: RestServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A proxy or a .netrc of the machine would send orders from another address, or as another
    person: neither is read."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    one = caller(server.root)
    assert one.call(READ, lambda client: client.profile()).verdict is None
    one.close()
    assert server.asked[0].headers["Authorization"] == f"token {KEY}:{TOKEN}"


def test_the_address_family_is_pinned(server: RestServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with both families is spoken to by IPv4 unless told otherwise, whichever comes first;
    told IPv6, an IPv4 address is not taken."""
    port = int(server.root.rpartition(":")[2])
    families = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: families)
    one = caller(f"http://localhost:{port}")
    assert one.call(READ, lambda client: client.profile()).verdict is None
    one.close()
    families.pop(0)
    other = caller(f"http://localhost:{port}", local_address="::")
    assert other.call(READ, lambda client: client.profile()).verdict == Verdict(
        "NOT_SENT", "CONNECT"
    )
    other.close()
    assert len(server.asked) == 1


@pytest.mark.parametrize("root", ["http://broker.example", "https://h/path", "ftp://h", "x"])
def test_where_the_broker_may_be(root: str) -> None:
    """Nothing is spoken in the clear but to this machine itself, and no path is dropped
    silently."""
    with pytest.raises(BadRoot):
        caller(root)


def test_the_client_is_imported_late() -> None:
    """The official client's import costs a second and starts a reactor: importing the adapter
    does not import it."""
    import subprocess

    check = (
        "import sys, adapters.kite.broker, adapters.kite.worker;"
        "sys.exit('kiteconnect' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
