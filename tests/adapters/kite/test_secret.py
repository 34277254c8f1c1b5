"""S01: a secret is shown, encoded and copied nowhere, and few may reveal one."""

from __future__ import annotations

import ast
import copy
import io
import json
import logging
import pickle
import re
import string
import traceback
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kite.secret import HIDDEN, Secret, masked, why_not_secret
from tests.architecture.source import ROOMS, ROOT, python_files
from tests.architecture.test_style import functions

CANARY = "canary7Q2x9TqLw"

SHOWN: dict[str, Callable[[Secret], object]] = {
    "str": str,
    "repr": repr,
    "format": lambda one: f"{one}{one!r}{one:>20}",
    "percent": lambda one: "%s %r %20s" % (one, one, one),  # noqa: UP031
    "in a container": lambda one: f"{[one]} {(one,)} { {'key': one} }",
    "in an error": lambda one: str(ValueError(one)),
    "template": lambda one: string.Template("$x").substitute(x=one),
    "ascii": ascii,
    "json default": lambda one: json.dumps({"x": one}, default=str),
}
REFUSED: dict[str, Callable[[Secret], object]] = {
    "json": lambda one: json.dumps([one]),
    "msgspec json": lambda one: msgspec.json.encode([one]),
    "msgspec msgpack": lambda one: msgspec.msgpack.encode({"x": one}),
    "msgspec builtins": msgspec.to_builtins,
    "pickle": pickle.dumps,
    "pickle 0": lambda one: pickle.dumps(one, protocol=0),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "bytes": bytes,  # type: ignore[dict-item]
    "len": len,  # type: ignore[dict-item]
    "list": list,  # type: ignore[dict-item]
    "concatenation": lambda one: "x" + one,  # type: ignore[operator]
    "hash": hash,
    "vars": vars,
    "subclass": lambda _: type("Shown", (Secret,), {}),
}


@pytest.mark.parametrize("way", SHOWN)
def test_shown_anywhere_it_is_three_stars(way: str) -> None:
    """S01: each way of turning a secret into text gives ``***`` and nothing of it."""
    text = str(SHOWN[way](Secret(CANARY)))
    assert HIDDEN in text
    assert CANARY not in text


@pytest.mark.parametrize("way", REFUSED)
def test_no_encoder_or_copy_takes_it(way: str) -> None:
    """S01: each encoder and each way to a second one is a TypeError that does not hold the text."""
    with pytest.raises(TypeError) as caught:
        REFUSED[way](Secret(CANARY))
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_canary_the_text_itself_passes_every_way() -> None:
    """The same ways do show a plain text: the tests above look at something."""
    assert all(CANARY in str(way(CANARY)) for way in SHOWN.values())  # type: ignore[arg-type]
    assert CANARY.encode() in msgspec.json.encode([CANARY])


def test_logs_and_tracebacks_with_locals_do_not_hold_it() -> None:
    """S01: a log of it at DEBUG, and a traceback that shows every local, have three stars."""
    stream = io.StringIO()
    log = logging.Logger("test", logging.DEBUG)
    log.addHandler(logging.StreamHandler(stream))
    held = Secret(CANARY)
    log.debug("%s %r", held, {"token": held})
    try:
        _fail(held)
    except RuntimeError as error:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        stream.write("".join(told.format()))
    assert "token = ***" in stream.getvalue()
    assert CANARY not in stream.getvalue()


def _fail(token: Secret) -> None:
    raise RuntimeError(f"with {token}")


@given(a=st.text(max_size=20), b=st.text(max_size=20))
def test_secrets_are_equal_as_their_texts_are(a: str, b: str) -> None:
    """Equality is of the text, never with a plain text, and an empty one is false."""
    assert (Secret(a) == Secret(b)) is (a == b)
    assert Secret(a) == Secret(a)
    assert Secret(a) != a
    assert bool(Secret(a)) is bool(a)
    assert Secret(a).reveal() == a


@pytest.mark.parametrize(
    "text",
    ["", "your_api_key", "YOUR-TOKEN", "yourapikey", "my_token", "enter_key_here", "<api key>",
     "<key>", "xxxxxxxx", "***", "...", "changeme", "api_key", "kite_access_token", "TODO", "none",
     "two words", "line\nbreak", "k\x00", "clé", "x" * 513],
)  # fmt: skip
def test_what_is_no_secret_is_told(text: str) -> None:
    """Placeholders and texts that no key has are refused, without the text in the sentence."""
    why = why_not_secret(text)
    assert why
    assert len(text) < 4 or text not in why


@pytest.mark.parametrize(
    "text", ["demo", "myx83hdq0s7e1zpa", "putk29dla0xmq71z", "a1b2c3d4e5f60718", "k" * 512, "x-1"]
)
def test_what_may_be_one_passes(text: str) -> None:
    """Random keys that begin like a word, and the simulated exchange's own, are taken."""
    assert why_not_secret(text) is None


CALLERS = {
    ("adapters/alerts/channels.py", "Telegram.send"),  # into one address, for one message
    ("adapters/alerts/channels.py", "Webhook.send"),  # the address itself, for one message
    ("adapters/alerts/settings.py", "read_settings"),  # is it an address at all
    ("adapters/kite/callback.py", "login_address"),  # the key, for the person's browser
    ("adapters/kite/calls.py", "Caller.call"),  # into the client, for one call
    ("adapters/kite/credentials.py", "new_credentials"),  # is it one at all
    ("adapters/kite/credentials.py", "write_token"),  # into the file of 0600
    ("adapters/kite/login.py", "_asked"),  # to the official client
    ("adapters/kite/login.py", "exchange"),  # is the answer to our key
    ("adapters/kite/login.py", "exchange.ask"),  # to the official client
    ("adapters/kite/ticker.py", "Ticker._handshake"),  # into one address, never kept
}
"""Who may reveal a secret: where it leaves the process, and where one comes in."""


def revealing(tree: ast.Module) -> set[str]:
    """The functions of a module that name ``reveal`` at all; ``<module>`` outside of any."""
    doors = ("reveal", "_hidden")
    named = {id(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr in doors}
    named |= {id(n) for n in ast.walk(tree) if isinstance(n, ast.Constant) and n.value in doors}
    within: dict[int, str] = {}
    for name, node in functions(tree):
        within.update({id(n): name for n in ast.walk(node)})  # an inner one comes after its outer
    return {within.get(one, "<module>") for one in named}


def test_few_reveal_a_secret() -> None:
    """S01: each caller of ``reveal`` is in the list above, and each of the list calls it."""
    found = set()
    for path in python_files(*ROOMS):
        source = (ROOT / path).read_text()
        if path.as_posix() != "adapters/kite/secret.py" and re.search("reveal|_hidden", source):
            found |= {(path.as_posix(), name) for name in revealing(ast.parse(source))}
    assert found == CALLERS


@pytest.mark.parametrize(
    "source",
    ["def f(x):\n    return x.reveal()", "def f(x):\n    return getattr(x, 'reveal')()",
     "def f(x):\n    return getattr(x, '_hidden')", "def f(x):\n    return x._hidden",
     "def f(x):\n    return map(Secret.reveal, x)"],
)  # fmt: skip
def test_canary_a_planted_caller_is_found(source: str) -> None:
    """Each way to ask for the text by its name is seen."""
    assert revealing(ast.parse(source)) == {"f"}


def test_nothing_else_is_on_the_object() -> None:
    """No attribute can be hung on a secret, and it has no dictionary of attributes."""
    held: Any = Secret(CANARY)
    with pytest.raises(AttributeError):
        held.note = CANARY
    assert not hasattr(held, "__dict__")


def test_a_secret_is_taken_out_of_what_others_say() -> None:
    """S01: plain and as an address writes it, of texts and of bytes; a word such as demo stays."""
    held = Secret("canary&+%4712")
    for text in ("x canary&+%4712 y", "?access_token=canary%26%2B%254712"):
        assert "canary" not in held.out_of(text)
        assert held.out_of_bytes(text.encode()) == held.out_of(text).encode()
    assert Secret("demo").out_of("the user demo") == "the user demo"
    assert Secret("demo").out_of_bytes(b"the user demo") == b"the user demo"


NAMED = [
    "http://127.0.0.1:8765/?action=login&request_token={}&status=success", "wss://a/?api_key={}",
    "wss://a/?api_key=***&access_token={}", "{{'api_key': 'x', 'checksum': '{}'}}",
    "Authorization: token k3y:{}", "{{'Authorization': 'token {}:t0ken'}}", "Basic {}==",
    '{{"enctoken": "{}"}}', "https://api.telegram.org/bot7012345678:{}/sendMessage",
    "/bot701%3A{}/x", "public_token%3D{}", "api_secret = {}", "'accessToken': \"{}\"",
]  # fmt: skip
SENTENCES = [
    "api_key in DESK/kite-token.toml is a placeholder, not a real one: give 'axiom login'",
    "AXIOM_KITE_ACCESS_TOKEN is set and AXIOM_KITE_API_KEY is not: set both",
    "the access token expired at 2026-11-27 06:00 IST: give 'axiom login'",
    "Incorrect `api_key` or `access_token`.", "there is no access token: give 'axiom login'",
    "that is no request token and no address with one: paste the address", "basic settings",
    "the token file name different ones: unset the variable",
]  # fmt: skip


@pytest.mark.parametrize("text", NAMED)
def test_what_a_text_calls_a_secret_is_masked(text: str) -> None:
    """S01: fields of addresses, forms and JSON, headers, a bot's address: nothing of it stays."""
    shown = masked(text.format(CANARY + "0000"))
    assert CANARY[:8] not in shown
    assert HIDDEN in shown
    assert masked(shown) == shown


@pytest.mark.parametrize("text", SENTENCES)
def test_sentences_about_secrets_stay_as_they_are(text: str) -> None:
    """Our own words name a key or a token and hold none."""
    assert masked(text) == text
