"""S01: who we are to the broker: one order, a private file, and refusals without a key in them."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kite.credentials import (
    CONTROLLED,
    KEY_VARIABLE,
    TOKEN_VARIABLE,
    CredentialError,
    Credentials,
    TokenExpired,
    credentials,
    forget_token,
    from_environment,
    ist_text,
    new_credentials,
    ns_of,
    planned_expiry,
    read_token,
    token_path,
    write_token,
)
from adapters.kite.secret import Secret
from engine.rulebook import NS_PER_DAY, NS_PER_S, ist_ns

KEY, TOKEN, OTHER = "canarykey0001", "canarytoken0002", "canaryother0003"
LOGIN = ist_ns(20261126, "08:41:07")
NOW = ist_ns(20261126, "09:00")


def kept(token: str = TOKEN, key: str = KEY, login: int = LOGIN) -> Credentials:
    """What a login gave."""
    return new_credentials(Secret(key), Secret(token), "AB1234", login)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a desk keeps its token; nothing is there yet."""
    folder = tmp_path / "desk"
    folder.mkdir(mode=0o700)
    return token_path(folder)


@contextmanager
def refused(*words: str, expired: bool = False) -> Iterator[None]:
    """Expects one line with the words, in which no key stands, also not in what led to it."""
    with pytest.raises(TokenExpired if expired else CredentialError) as caught:
        yield
    line = str(caught.value)
    assert [word for word in words if word not in line] == []
    assert "\n" not in line
    chain: BaseException | None = caught.value
    while chain is not None:
        assert not [text for text in (KEY, TOKEN, OTHER) if text in str(chain)]
        chain = chain.__cause__ or (None if chain.__suppress_context__ else chain.__context__)


def test_the_file_reads_back_as_it_was_written(path: Path) -> None:
    """Key, token, user and times come back, and the mode is 0600 whatever the umask."""
    before = os.umask(0)
    try:
        write_token(path, kept())
    finally:
        os.umask(before)
    found = read_token(path)
    assert found == kept()
    assert found is not None
    assert ist_text(found.expires_ns or 0) == "2026-11-27 06:00"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_later_login_takes_the_place_of_an_earlier(path: Path) -> None:
    """The file is replaced whole, also beside the rest of a login that died."""
    write_token(path, kept())
    path.with_name(f".{path.name}.{os.getpid()}").write_text("half")
    write_token(path, kept(OTHER))
    assert read_token(path) == kept(OTHER)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666, 0o601])
def test_a_file_that_others_reach_is_refused(path: Path, mode: int) -> None:
    """S06: any right for group or world is a refusal that says what to do."""
    write_token(path, kept())
    path.chmod(mode)
    with refused("chmod 600", f"mode {mode:03o}"):
        credentials(path, NOW, {})


@pytest.mark.parametrize("name", CONTROLLED)
@pytest.mark.parametrize("depth", [0, 2])
def test_under_version_control_nothing_is_written_or_read(
    tmp_path: Path, name: str, depth: int
) -> None:
    """A folder of any system, near or far above, refuses the file both ways."""
    folder = tmp_path.joinpath(*["below"] * depth)
    folder.mkdir(parents=True, exist_ok=True)
    path = token_path(folder)
    write_token(path, kept())
    (tmp_path / name).mkdir() if depth else (tmp_path / name).write_text("gitdir: elsewhere")
    with refused("under version control", "--home"):
        write_token(path, kept())
    with refused("under version control"):
        credentials(path, NOW, {})


def test_a_link_does_not_hide_the_repository(tmp_path: Path) -> None:
    """A home that is a link into a checkout is seen for what it is."""
    (tmp_path / "checkout/.git").mkdir(parents=True)
    (tmp_path / "home").symlink_to(tmp_path / "checkout")
    with refused("under version control"):
        write_token(token_path(tmp_path / "home"), kept())
    assert not token_path(tmp_path / "checkout").exists()


def test_what_is_no_plain_file_of_ours_is_refused(path: Path, tmp_path: Path) -> None:
    """A link, a folder and a pipe under the name are refused, and none is waited for."""
    write_token(tmp_path / "real", kept())
    path.symlink_to(tmp_path / "real")
    with refused("symbolic link"):
        read_token(path)
    path.unlink()
    path.mkdir()
    with refused("not a plain file"):
        read_token(path)
    path.rmdir()
    os.mkfifo(path, 0o600)
    with refused("not a plain file"):
        read_token(path)


BROKEN = [
    b"", b"access_token = ", b"\xff\xfe", b"x = 1\n", b"# " + b"x" * 20_000,
    f'access_token = "{TOKEN}"\napi_key = "{KEY}"\n'.encode(),
    f'access_token = "{TOKEN}\n'.encode(),
]  # fmt: skip


@pytest.mark.parametrize("data", BROKEN)
def test_a_file_that_is_none_is_refused(path: Path, data: bytes) -> None:
    """Each wrong content is one line, in which none of it stands."""
    path.touch(0o600)
    path.write_bytes(data)
    with refused("axiom login"):
        credentials(path, NOW, {})


def changed(path: Path, old: str, new: str) -> None:
    """Write a good file, then put ``new`` in place of ``old``."""
    write_token(path, kept())
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [("2026-11-27 06:00:00", "2026-12-27 06:00:00"), ("2026-11-26 08:41:07", "2026-11-31 08:41:07"),
     ("2026-11-26 08:41:07", "yesterday"), (KEY, "your_api_key"), (TOKEN, "xxxx"),
     ("user_id", "user"), ('"AB1234"', "7")],
)  # fmt: skip
def test_an_edited_file_is_refused(path: Path, old: str, new: str) -> None:
    """A longer life, an impossible day, a placeholder, another field: none is taken."""
    changed(path, old, new)
    with refused("axiom login"):
        credentials(path, NOW, {})


TABLE: list[tuple[str | None, str | None, bool, str]] = [
    # key, token in the environment; a file; what comes of it
    (None, None, False, "there is no access token"),
    (None, None, True, "file"),
    (KEY, None, False, "there is no access token"),
    (KEY, None, True, "file"),
    (OTHER, None, True, "name different ones"),
    (None, TOKEN, False, f"{KEY_VARIABLE} is not"),
    (None, TOKEN, True, "file"),
    (None, OTHER, True, "name different ones"),
    (KEY, TOKEN, False, "environment"),
    (KEY, TOKEN, True, "file"),
    (KEY, OTHER, True, "name different ones"),
    (OTHER, TOKEN, True, "name different ones"),
    ("your_key", TOKEN, True, "placeholder"),
    (KEY, "", False, "empty"),
]


@pytest.mark.parametrize(("key", "token", "file", "outcome"), TABLE)
def test_the_one_order_as_a_table(
    path: Path, key: str | None, token: str | None, file: bool, outcome: str
) -> None:
    """Environment, file, both, neither, equal or not: each row has its one outcome."""
    if file:
        write_token(path, kept())
    pairs = ((KEY_VARIABLE, key), (TOKEN_VARIABLE, token))
    environment = {name: value for name, value in pairs if value is not None}
    if outcome not in ("file", "environment"):
        with refused(outcome):
            credentials(path, NOW, environment)
        return
    found = credentials(path, NOW, environment)
    assert found.origin == outcome
    assert (found.api_key, found.access_token) == (Secret(KEY), Secret(TOKEN))
    assert (found.expires_ns is None) is (outcome == "environment")


def test_a_token_over_its_time_says_so(path: Path) -> None:
    """F08: to the nanosecond of 06:00 it is one; from then on it is expired, by name."""
    write_token(path, kept())
    end = planned_expiry(LOGIN)
    assert credentials(path, end - 1, {}).access_token == Secret(TOKEN)
    with refused("expired at 2026-11-27 06:00 IST", "axiom login", expired=True):
        credentials(path, end, {})


@given(login=st.integers(0, 4_000_000_000 * NS_PER_S))
def test_the_planned_expiry_is_the_next_six_in_the_morning(login: int) -> None:
    """Within a day, never now, and at 06:00 IST."""
    end = planned_expiry(login)
    assert 0 < end - login <= NS_PER_DAY
    assert ist_text(end).endswith(" 06:00")
    assert ns_of(ist_text(end) + ":00") == end


@pytest.mark.parametrize(
    "text", ["2026-02-29 00:00:00", "2026-13-01 00:00:00", "2026-11-26T08:00:00", "",
             "0001-01-01 24:00:00", "2026-11-26 08:60:00", "2026-11-26 08:00:60"],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    """Times that the calendar does not have are not bent into ones that it has."""
    assert ns_of(text) is None


def test_forgetting_removes_the_file_once(path: Path) -> None:
    """The file goes, and a second time there is nothing to remove."""
    write_token(path, kept())
    assert forget_token(path)
    assert not path.exists()
    assert not forget_token(path)


def test_what_the_broker_gives_is_looked_at_too() -> None:
    """A token that is none, and a user that is none, are not kept."""
    with refused("access_token", "nothing was kept"):
        new_credentials(Secret(KEY), Secret(""), "AB1234", LOGIN)
    assert new_credentials(Secret(KEY), Secret(TOKEN), 'x"\n', LOGIN).user_id is None


def test_a_full_disk_leaves_the_old_token(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the new one cannot be synced, the old one stays and no part of the new is left."""
    write_token(path, kept())

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_token(path, kept(OTHER))
    assert read_token(path) == kept()
    assert list(path.parent.iterdir()) == [path]


def test_a_key_of_the_environment_is_a_secret_at_once() -> None:
    """What is read from a variable has three stars from there on, and an absent one is None."""
    assert str(from_environment(KEY_VARIABLE, {KEY_VARIABLE: KEY})) == "***"
    assert from_environment(KEY_VARIABLE, {}) is None


def test_the_checkout_itself_would_be_refused() -> None:
    """This repository is one of the folders that a token must not lie in."""
    top = subprocess.run(
        ["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True
    ).stdout.strip()
    with refused("under version control"):
        read = token_path(Path(top) / "tests")
        write_token(read, kept())
