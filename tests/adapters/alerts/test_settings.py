"""The alerts' own file: private or refused, checked whole, and no fault quotes what is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.alerts.settings import AlertsError, Timing, read_settings

CANARY = "8123456:AAcanaryCanaryCANARY"
GOOD = f"""
[telegram]
token = "{CANARY}"
chat_id = -100200
[webhook]
url = "https://hooks.example.org/{CANARY}"
[timing]
silent_s = 20
expect = "live"
"""


def written(folder: Path, text: str, mode: int = 0o600) -> Path:
    """The file as a person writes it."""
    path = folder / "alerts.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_good_file(tmp_path: Path) -> None:
    """Both ways out, with the secrets as such; what is not said has its default."""
    settings = read_settings(written(tmp_path, GOOD))
    assert settings.telegram is not None
    assert settings.webhook is not None
    assert settings.telegram.token.reveal() == CANARY
    assert settings.telegram.chat_id == "-100200"
    assert settings.timing == Timing(silent_s=20, expect="live")
    assert CANARY not in repr(settings)


def test_a_token_in_a_file_of_its_own(tmp_path: Path) -> None:
    """Beside the configuration, private too."""
    token = tmp_path / "token"
    token.write_text(f"{CANARY}\n")
    path = written(tmp_path, '[telegram]\ntoken_file = "token"\nchat_id = "@desk"\n')
    token.chmod(0o640)
    with pytest.raises(AlertsError, match="chmod 600"):
        read_settings(path)
    token.chmod(0o600)
    settings = read_settings(path)
    assert settings.telegram is not None
    assert settings.telegram.token.reveal() == CANARY


WRONG = [
    (f'token = "{CANARY}\n', "is not TOML"),
    (f'[telegram]\ntoken = "{CANARY}"\n', "chat_id"),
    (f'[telegram]\ntoken = "{CANARY}"\nchat_id = 1\nmore = 2\n', "unknown field"),
    ("[telegram]\nchat_id = 1\n", "one of token and token_file"),
    (f'[telegram]\ntoken = "{CANARY}"\ntoken_file = "x"\nchat_id = 1\n', "one of token"),
    ('[telegram]\ntoken = "your_token"\nchat_id = 1\n', "placeholder"),
    (f'[telegram]\ntoken = "a/{CANARY}"\nchat_id = 1\n', "separator"),
    ('[telegram]\ntoken_file = "none"\nchat_id = 1\n', "cannot be read"),
    (f'[webhook]\nurl = "http://hooks.example.org/{CANARY}"\n', "https"),
    (f'[webhook]\nurl = "file:/{CANARY}"\n', "https"),
    (f'[webhook]\nurl = "https://user:{CANARY}@example.org/"\n', "https"),
    (f'[webhook]\nurl = "https://example.org/{CANARY} x"\n', "character"),
    (f'[webhook]\nurl = "https://[{CANARY}/"\n', "no address"),
    (f'[webhook]\nurl = "https://example.org:{CANARY}/"\n', "no address"),
    ("[timing]\nsilent_s = 0\n", "silent_s"),
    ("[timing]\nstart_by_hhmm = 975\n", "HHMM"),
    ("[other]\n", "unknown field"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_wrong_file_is_refused_without_its_secrets(tmp_path: Path, text: str, said: str) -> None:
    """S01: one line with the place, and nothing of what stood there, in the whole chain."""
    with pytest.raises(AlertsError, match=said) as refused:
        read_settings(written(tmp_path, text))
    error: BaseException | None = refused.value
    while error is not None:
        assert CANARY not in str(error)
        error = error.__cause__


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    """S06: it holds secrets."""
    with pytest.raises(AlertsError, match="chmod 600"):
        read_settings(written(tmp_path, GOOD, mode))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A link, a folder, nothing, something endless."""
    (tmp_path / "link").symlink_to(written(tmp_path, GOOD))
    for name in ("link", "none", "."):
        with pytest.raises(AlertsError):
            read_settings(tmp_path / name)
    with pytest.raises(AlertsError, match="longer than"):
        read_settings(written(tmp_path, "#" * 20_000))


def test_plain_http_is_for_this_machine_alone(tmp_path: Path) -> None:
    """Loopback by each of its names."""
    for host in ("127.0.0.1:1", "localhost", "[::1]:80"):
        assert read_settings(written(tmp_path, f'[webhook]\nurl = "http://{host}/x"\n')).webhook
