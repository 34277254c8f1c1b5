"""The guards around every test hold."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cli.paths import resolve_home


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "2001:db8::1"])
def test_canary_another_machine_is_out_of_reach(host: str) -> None:
    """Connecting to, or looking up, anything but loopback raises before a packet is sent."""
    with pytest.raises(RuntimeError, match="only loopback"):
        socket.create_connection((host, 9), timeout=0.1)


def test_loopback_is_within_reach() -> None:
    """A server of the test's own can be spoken to."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as client,
    ):
        assert client.getpeername() == server.getsockname()


def test_a_test_has_a_home_of_its_own(own_home: Path) -> None:
    """Neither the home of the person nor a home of an earlier run is used."""
    assert Path.home() == own_home
    assert resolve_home(None, os.environ) == own_home / "axiom"
