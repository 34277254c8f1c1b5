"""The login, the address and the account: found, wrong, unknown; and never a key in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.kite.credentials import new_credentials, token_path, write_token
from adapters.kite.secret import Secret
from cli.account import account_lock
from cli.doctor import broker
from engine.rulebook import ist_ns
from tests.cli.doctor.place import DAY, context

KEY, TOKEN = "kq7canarykey0001", "canarytoken7f3a9d21"
LOGIN = ist_ns(DAY, "08:30")


def _login(home: Path, at_ns: int = LOGIN, user: str = "AB1234") -> Path:
    path = token_path(home / "desks" / "main")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_token(path, new_credentials(Secret(KEY), Secret(TOKEN), user, at_ns))
    return path


def test_a_login_of_today(tmp_path: Path) -> None:
    """Good with its planned end; missing or loose is bad for LIVE, a warning otherwise."""
    assert broker.login(context(tmp_path)).verdict == "warn"
    assert broker.login(context(tmp_path, live=True)).verdict == "bad"
    path = _login(tmp_path)
    found = broker.login(context(tmp_path, live=True))
    assert found.verdict == "ok"
    assert "until 2026-08-12 06:00 IST" in found.sentence
    path.chmod(0o644)
    assert "may be read by others" in broker.login(context(tmp_path, live=True)).sentence


def test_a_login_that_does_not_last(tmp_path: Path) -> None:
    """Of yesterday it is over at six; of four in the morning it ends before the close."""
    _login(tmp_path, ist_ns(20260810, "08:30"))
    found = broker.login(context(tmp_path, live=True))
    assert found.verdict == "bad"
    assert "expired at 2026-08-11 06:00" in found.sentence
    _login(tmp_path, ist_ns(DAY, "04:00"))
    early = context(tmp_path, live=True, now_ns=lambda: ist_ns(DAY, "05:00"))
    assert "before the close" in broker.login(early).sentence


def test_a_token_of_the_environment_does_not_say_how_long_it_holds(tmp_path: Path) -> None:
    """Unknown, which LIVE takes as bad."""
    environment = {"AXIOM_KITE_API_KEY": KEY, "AXIOM_KITE_ACCESS_TOKEN": TOKEN}
    assert broker.login(context(tmp_path, environment=environment)).verdict is None


ADDRESS = {"egress_address": "203.0.113.7"}
URL = {**ADDRESS, "egress_url": "https://address.example.org"}


@pytest.mark.parametrize(
    ("settings", "seen", "verdict", "says"),
    [
        ({}, None, None, "is not set"),
        (ADDRESS, None, None, "nobody was asked"),
        (ADDRESS, "203.0.113.7", "ok", "203.0.113.7"),
        (ADDRESS, "203.0.113.8", "bad", "the broker knows 203.0.113.7"),
        (ADDRESS, "here", None, "no address"),
        ({"egress_address": "2001:db8::1"}, "2001:0db8:0::0001", "ok", "2001:db8::1"),
        ({"egress_address": "2001:db8::1"}, "203.0.113.7", "bad", "leave from 203.0.113.7"),
    ],
)
def test_the_address_that_the_caller_found(
    tmp_path: Path, settings: dict[str, str], seen: str | None, verdict: str | None, says: str
) -> None:
    """Compared as addresses, not as texts; nobody outside is asked (the stand-in would fail)."""
    found = broker.address(context(tmp_path, settings=settings, seen_address=seen))
    assert found.verdict == verdict
    assert says in found.sentence


@pytest.mark.parametrize(
    ("said", "verdict"), [("203.0.113.7", "ok"), ("198.51.100.1", "bad"), (None, None)]
)
def test_the_address_by_whom_the_configuration_names(
    tmp_path: Path, said: str | None, verdict: str | None
) -> None:
    """Asked only where nobody found it before."""
    asked: list[str] = []

    def ask(url: str) -> str | None:
        asked.append(url)
        return said

    assert broker.address(context(tmp_path, settings=URL, ask_address=ask)).verdict == verdict
    assert asked == [URL["egress_url"]]
    broker.address(context(tmp_path, settings=URL, ask_address=ask, seen_address="203.0.113.7"))
    assert len(asked) == 1


def test_an_account_has_one_engine(tmp_path: Path) -> None:
    """By the login's user, or as configured; held by an engine of another desk or home is bad."""
    assert broker.account(context(tmp_path)).verdict is None
    named = context(tmp_path, settings={"account": "AB1234"})
    assert broker.account(named).verdict == "ok"
    with account_lock("ab1234"):
        assert broker.account(named).verdict == "bad"
        assert (
            broker.account(context(tmp_path / "other", settings={"account": "AB1234"})).verdict
            == "bad"
        )
        assert broker.account(context(tmp_path, settings={"account": "zz9"})).verdict == "ok"
        _login(tmp_path)
        assert broker.account_name(context(tmp_path)) == "ab1234"
        assert broker.account(context(tmp_path)).verdict == "bad"
    assert broker.account(named).verdict == "ok"


def test_a_setting_that_names_another_account_is_bad(tmp_path: Path) -> None:
    """B06: live.account against the login's own user: in other letters it is the same, and another
    one is told; it never stands in for the login's."""
    _login(tmp_path)
    for word, verdict in (("ab1234", "ok"), ("AB1234", "ok"), ("ZZ9", "bad")):
        found = broker.account(context(tmp_path, settings={"account": word}))
        assert found.verdict == verdict
        assert ("live.account is ZZ9" in found.sentence) is (verdict == "bad")
    assert broker.account_name(context(tmp_path, settings={"account": "ZZ9"})) == "ab1234"


def test_no_key_is_ever_shown(tmp_path: Path) -> None:
    """Good, loose, torn, of the environment and in conflict: no sentence holds the canaries."""
    path = _login(tmp_path)
    said = [broker.login(context(tmp_path)), broker.account(context(tmp_path))]
    other = {"AXIOM_KITE_API_KEY": "otherkey77", "AXIOM_KITE_ACCESS_TOKEN": TOKEN}
    said.append(broker.login(context(tmp_path, environment=other)))
    path.chmod(0o644)
    said.append(broker.login(context(tmp_path)))
    path.chmod(0o600)
    path.write_text(path.read_text()[:-20])
    said.append(broker.login(context(tmp_path, live=True)))
    assert [one.verdict for one in said[2:]] == ["warn", "warn", "bad"]
    for one in said:
        text = f"{one.sentence} {one.to_do}"
        assert KEY not in text
        assert TOKEN not in text
        assert "otherkey77" not in text
