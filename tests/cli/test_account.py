"""B06, J11: an account has one lock and one count, whatever home and desk, by the broker's name."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.control.place import account_folders, account_roots, make_folder
from adapters.kite.credentials import Credentials
from adapters.kite.rate_file import OrderBudget
from adapters.kite.secret import Secret
from cli.account import (
    account_lock,
    counting_folder,
    differs,
    login_told,
    named,
    own_account,
)
from cli.emergency import _account_folder
from cli.errors import UserError
from cli.machine import machine_settings
from cli.options import Common
from events.broker import AuthStatus
from journal.lock import ACCOUNT_LOCK_NAME, take_account_lock

DAY = 20261120


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, ...]:
    """Two places of this user, of which the second cannot be made yet."""
    places = (tmp_path / "first", tmp_path / "none" / "second")
    monkeypatch.setattr("adapters.control.place.account_roots", lambda: places)
    return places


def test_the_places_are_the_user_s_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two engines with other homes, desks and variables look at the same places, which are not
    below a home."""
    uid = os.getuid()
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/elsewhere")
    found = account_roots()
    assert found == (Path(f"/tmp/axiom-{uid}"), Path(f"/run/user/{uid}/axiom"))
    assert [one.name for one in account_folders("ab1234")] == ["account-ab1234"]


def test_an_account_is_held_in_every_place(roots: tuple[Path, ...]) -> None:
    """Held: a second holder is refused with ACCOUNT_SHARED and one line, also where it finds the
    second place alone; another account is free; let go, it may be taken again."""
    roots[1].parent.mkdir(mode=0o700)
    with account_lock("ab1234"):
        with (
            pytest.raises(UserError, match=f"ACCOUNT_SHARED.*{os.getpid()}") as refused,
            account_lock("ab1234"),
        ):
            pass
        assert "\n" not in str(refused.value)
        for folder in account_folders("ab1234"):
            assert (folder / ACCOUNT_LOCK_NAME).is_file()
        with account_lock("zz9"):
            pass
    with (
        take_account_lock(make_folder(account_folders("ab1234")[1])),
        pytest.raises(UserError, match="ACCOUNT_SHARED"),
        account_lock("ab1234"),
    ):
        pass
    with account_lock("ab1234"):
        pass


def test_without_a_place_of_its_own_an_account_is_refused(roots: tuple[Path, ...]) -> None:
    """No lock and no count where others could be in it: one line, nothing begun."""
    roots[0].mkdir(mode=0o755)
    roots[0].chmod(0o755)
    for use in (lambda: counting_folder("ab1234"), lambda: account_lock("ab1234").__enter__()):
        with pytest.raises(UserError, match=r"no place of its own.*open to others"):
            use()


def test_two_homes_share_one_count(roots: tuple[Path, ...]) -> None:
    """Eight messages in a second for the account, over the counts of two processes with homes of
    their own."""
    now = [10**12]
    counts = [
        OrderBudget(counting_folder("ab1234"), clock=lambda: now[0], day=lambda: DAY)
        for _ in ("one home", "another")
    ]
    sent = sum(counts[turn % 2].reserve(is_exit=True) == 0 for turn in range(30))
    assert sent == 8


def test_an_account_is_named_by_the_broker_s_own_word() -> None:
    """The profile's user; a login that is not taken, or a setting of another account, is refused
    with one line."""
    ours = machine_settings({"live": {"account": "AB1234"}})
    none, other = machine_settings({}), machine_settings({"live": {"account": "ZZ9"}})
    told = AuthStatus("OK", "AB1234", None, None)
    assert own_account(told, ours) == own_account(told, none) == "ab1234"
    with pytest.raises(UserError, match=r"live\.account is ZZ9.*account ab1234"):
        own_account(told, other)
    with pytest.raises(UserError, match=r"EXPIRED TOKEN.*axiom login"):
        own_account(AuthStatus("EXPIRED", "AB1234", None, "TOKEN"), ours)
    with pytest.raises(UserError, match=r"does not say whose login this is \(RATE\): try again"):
        own_account(AuthStatus("UNKNOWN", "AB1234", None, "RATE"), ours)
    assert differs(none, "ab1234") is None
    assert [named(one) for one in ("AB_12", "", None, "../x", "a" * 65)] == ["ab-12"] + [None] * 4


def test_the_emergency_counts_where_the_engine_does(tmp_path: Path) -> None:
    """By the login's user, from any home; where only the broker says it, and nobody answers, by
    the setting; where nobody says it, for the desk."""

    def login(user_id: str | None) -> Callable[[], Credentials]:
        return lambda: Credentials(Secret("k"), Secret("s"), user_id, None, None, "environment")

    def folder(user_id: str | None, config: Path | None = None) -> Path:
        common = Common(tmp_path / "home", "main", config, json=False)
        return _account_folder(common, "LIVE", "http://127.0.0.1:1", login(user_id))

    assert folder("AB1234") == counting_folder("ab1234")
    config = tmp_path / "axiom.toml"
    config.write_text('[live]\naccount = "ZZ9"\n')
    assert folder("AB1234", config) == counting_folder("ab1234")
    assert folder(None, config) == counting_folder("zz9")
    assert folder(None) == tmp_path / "home" / "desks" / "main"


def test_a_login_of_which_nobody_says_anything_is_asked_about_again() -> None:
    """A start is a burst of questions, of which the broker may turn one down: asked again after a
    second, three times at most, and once where it was answered."""
    ok, rate = AuthStatus("OK", "A", None, None), AuthStatus("UNKNOWN", "A", None, "RATE")
    dead = AuthStatus("EXPIRED", "A", None, "TOKEN")

    class Reads:
        def __init__(self, answers: list[AuthStatus]) -> None:
            self.answers, self.rests = answers, 0

        def auth(self, now_ns: int) -> AuthStatus:
            return self.answers.pop(0)

        def rest(self, seconds: float) -> None:
            self.rests += 1

    for answers, want, rests in (
        ([ok], ok, 0), ([dead], dead, 0), ([rate, ok], ok, 1), ([rate, rate, rate, ok], rate, 2),
    ):  # fmt: skip
        reads: Any = Reads(answers)
        assert (login_told(reads, 0), reads.rests) == (want, rests)
