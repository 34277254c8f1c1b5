"""The session's tokens: checksum, single use, the 06:00 flush, the second login."""

from __future__ import annotations

import pytest

from adapters.exchange_sim.errors import KiteError
from adapters.exchange_sim.exchange import Exchange
from adapters.exchange_sim.spec import AccountSpec
from adapters.exchange_sim.tokens import checksum
from engine.rulebook import NS_PER_S, ist_ns
from tests.adapters.exchange_sim.bench_market import DAY, ROWS, RULEBOOK

NINE = ist_ns(DAY, "09:00:00")


def exchange() -> Exchange:
    """An exchange of one user."""
    return Exchange(ROWS, RULEBOOK, DAY, AccountSpec("AB1234", "key", "secret", "first"))


def login(one: Exchange, now: int) -> str:
    """A whole login at a time: the access token."""
    request = one.login(now)
    form = {
        "api_key": "key",
        "request_token": request,
        "checksum": checksum("key", request, "secret"),
    }
    return str(one.session_token(now, form)["access_token"])


def test_the_checksum_is_the_published_one() -> None:
    """The test vector of the broker's documents."""
    assert checksum("my_api_key", "my_request_token", "my_api_secret") == (
        "9d183880c6b1b8cbef59720852c4b880eefc4de66027736a55bc5c51fcdc7464"
    )


def test_a_login_gives_the_session_of_the_documents() -> None:
    """Every field, with an empty refresh token and a naive login time; the profile has no token."""
    one = exchange()
    request = one.login(NINE)
    form = {
        "api_key": "key",
        "request_token": request,
        "checksum": checksum("key", request, "secret"),
    }
    session = one.session_token(NINE, form)
    assert set(session) == {
        *("user_id", "user_name", "user_shortname", "email", "user_type", "broker", "exchanges"),
        *("products", "order_types", "avatar_url", "api_key", "access_token", "public_token"),
        *("enctoken", "refresh_token", "silo", "login_time", "meta"),
    }
    assert (session["refresh_token"], session["login_time"]) == ("", "2026-11-20 09:00:00")
    profile = one.profile(NINE)
    assert [name for name in profile if "token" in name or name == "api_key"] == []


def test_a_request_token_is_good_once_and_for_minutes() -> None:
    """A second exchange, a late one and a wrong checksum are refused, as TokenException."""
    one = exchange()
    request = one.login(NINE)
    right = checksum("key", request, "secret")
    form = {"api_key": "key", "request_token": request, "checksum": right}
    one.session_token(NINE, form)
    late = one.login(NINE)
    wrong = one.login(NINE)
    cases = [
        (NINE, form),
        (
            NINE + 300 * NS_PER_S,
            {**form, "request_token": late, "checksum": checksum("key", late, "secret")},
        ),
        (NINE, {**form, "request_token": wrong, "checksum": "00"}),
        (NINE, {**form, "api_key": "other"}),
    ]
    for now, given in cases:
        with pytest.raises(KiteError) as refused:
            one.session_token(now, given)
        assert (refused.value.http_status, refused.value.error_type) == (403, "TokenException")


def test_a_second_login_kills_the_first_token() -> None:
    """Only the newest lives, the one from before the first login included."""
    one = exchange()
    assert one.token_ok(NINE, "key", "first")
    second = login(one, NINE)
    third = login(one, NINE)
    alive = [one.token_ok(NINE, "key", token) for token in ("first", second, third)]
    assert alive == [False, False, True]
    assert not one.token_ok(NINE, "other", third)


def test_tokens_die_at_six_in_the_morning() -> None:
    """A token of the day lives until the next 06:00; one from before six dies at six."""
    one = exchange()
    six = ist_ns(20261121, "06:00:00")
    assert one.token_ok(six - 1, "key", "first")
    assert not one.token_ok(six, "key", "first")
    early = login(one, ist_ns(DAY, "05:59:00"))
    assert not one.token_ok(ist_ns(DAY, "06:00:00"), "key", early)


def test_logging_out_and_a_logout_elsewhere_leave_no_token() -> None:
    """Both ways; a dead token cannot log out again."""
    one = exchange()
    assert one.invalidate(NINE, "key", "first") is True
    assert not one.token_ok(NINE, "key", "first")
    with pytest.raises(KiteError) as refused:
        one.invalidate(NINE, "key", "first")
    assert refused.value.message == "Incorrect `api_key` or `access_token`."
    token = login(one, NINE)
    one.logout_elsewhere()
    assert not one.token_ok(NINE, "key", token)
