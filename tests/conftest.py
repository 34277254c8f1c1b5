"""What holds for every test: an own home, no network but loopback, examples that repeat.

Lives here: nothing that a single room needs. Always holds: a test that reaches for the person's
home or for another machine fails.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ("tests.reached",)

# Examples are the same in every run: a red run is then about the change, not about luck.
# HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("repeat", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("search", deadline=None, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))

LOOPBACK = ("127.", "::1", "localhost")


def refuse_other_machines(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook: raises when a test connects to, or asks the address of, another machine."""
    if event == "socket.connect":
        address = arguments[1]
    elif event == "socket.getaddrinfo":
        address = arguments
    else:
        return
    host = address[0] if isinstance(address, tuple) else None
    if isinstance(host, str) and host and not host.startswith(LOOPBACK):
        raise RuntimeError(f"a test reached for {host}: only loopback is allowed")


sys.addaudithook(refuse_other_machines)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a home of its own, so that none reads or writes the person's, nor waits for
    the lock of his accounts."""
    home = tmp_path_factory.getbasetemp() / "own-home"
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("AXIOM_HOME", str(home / "axiom"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    accounts = tmp_path_factory.getbasetemp() / "accounts"
    monkeypatch.setattr("adapters.control.place.account_roots", lambda: (accounts,))
    return home
