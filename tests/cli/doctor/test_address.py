"""Asking which address we come from: one server on loopback, and nobody it would send us to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cli.doctor.address import ANSWER_BYTES_MAX, ask_address


@contextmanager
def server(code: int, body: bytes, location: str = "") -> Iterator[tuple[str, list[str]]]:
    """Answers every request so; gives its address and the paths that were asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(code)
            if location:
                self.send_header("Location", location)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is said."""

    with HTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.server_port}", asked
        finally:
            listener.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("code", "body", "address"),
    [
        (200, b"203.0.113.7\n", "203.0.113.7"),
        (200, b"2001:DB8::1", "2001:db8::1"),
        (200, b"<html>203.0.113.7</html>", None),
        (200, b"", None),
        (200, b"1" * (ANSWER_BYTES_MAX * 4), None),
        (200, b"\xff\xfe", None),
        (403, b"203.0.113.7", None),
        (500, b"203.0.113.7", None),
    ],
)
def test_only_an_address_is_an_answer(code: int, body: bytes, address: str | None) -> None:
    """Plain text, one address, from an answer that is good."""
    with server(code, body) as (url, _):
        assert ask_address(url) == address


def test_nobody_else_is_asked() -> None:
    """A redirect is not followed; a server that is not there says nothing."""
    with server(200, b"203.0.113.7") as (other, asked):
        with server(302, b"", location=other) as (url, _):
            assert ask_address(url) is None
        assert asked == []
    assert ask_address(other) is None
