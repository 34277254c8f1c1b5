"""``axiom login``: the day's access token of the broker, kept for a desk; and its end.

Lives here: what is asked of the person and in which order. May import: ``cli``, adapters.kite.
Always holds: no key, secret or token is an argument, a prompt's echo or part of an answer; what can
be refused before the person has logged in is refused then. Start reading at ``command``.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError, told_as_user_error
from cli.options import Common, recorded_options

if TYPE_CHECKING:
    from adapters.kite.credentials import Credentials
    from adapters.kite.secret import Secret

DEFAULT_PORT: Final = 8765
WAIT_S: Final = 300.0
PORT_MAX: Final = 65_535


@click.command("login")
@click.option("--paste", is_flag=True, help="Paste the answer, without echo: a remote machine.")
@click.option("--forget", is_flag=True, help="End the login at the broker and remove the token.")
@click.option(
    "--port", type=click.IntRange(0, PORT_MAX), default=DEFAULT_PORT, show_default=True,
    help="Where the browser comes back to on this machine.",
)  # fmt: skip
@click.option("--rest", metavar="URL", help="Another address of the broker's REST interface.")
@click.option("--page", metavar="URL", help="Another address of the broker's login page.")
@click.argument("words", nargs=-1, metavar="", type=click.UNPROCESSED)
@recorded_options
def command(
    paste: bool, forget: bool, port: int, rest: str | None, page: str | None,
    words: tuple[str, ...], common: Common,
) -> int:  # fmt: skip
    """Log in at the broker for this day; the access token is kept in the desk's folder (0600).

    The app's redirect address at the broker must be http://127.0.0.1:PORT. Key and secret are taken
    from AXIOM_KITE_API_KEY and AXIOM_KITE_API_SECRET, else asked for without echo; the secret is
    never kept. A token ends at 06:00 IST of the next day. Exit code 1 when the broker refuses.

    \b
    Examples:
        axiom login
        axiom login --paste
        axiom login --forget
    """
    from adapters.kite.callback import LoginError
    from adapters.kite.credentials import CredentialError, token_path
    from adapters.kite.login import LoginRefused
    from adapters.kite.roots import LOGIN_PAGE, REST_ROOT, BadRoot, checked_root
    from cli.paths import desk_folder

    if words:
        # Not quoted: it is the answer of a login, most likely.
        raise UserError(
            "login takes no words: paste into the hidden prompt of --paste; what was given is in "
            "the shell's history now, so begin the login again"
        )
    if paste and forget:
        raise UserError("--paste and --forget are two things: give one of them")
    path = token_path(desk_folder(common.home, common.desk))
    with told_as_user_error(CredentialError, LoginError, BadRoot):
        rest_root = checked_root(rest, "https") if rest is not None else REST_ROOT
        login_page = checked_root(page, "https", path=True) if page is not None else LOGIN_PAGE
        try:
            if forget:
                return _forget(path, rest_root, common)
            kept = _log_in(path, rest_root, login_page, port if not paste else None)
        except LoginRefused as error:
            return _refused(str(error), common)
    return _told(kept, path, common)


def _log_in(path: Path, rest: str, page: str, port: int | None) -> Credentials:
    """Ask what is missing, send the person to the login page, exchange the answer, keep it."""
    from adapters.kite.callback import new_state
    from adapters.kite.credentials import (
        KEY_VARIABLE,
        SECRET_VARIABLE,
        TOKEN_VARIABLE,
        CredentialError,
        read_token,
        refuse_version_control,
        write_token,
    )
    from adapters.kite.login import exchange
    from cli.paths import make_private

    if TOKEN_VARIABLE in os.environ:
        raise UserError(f"{TOKEN_VARIABLE} is set and would contradict this login: unset it first")
    refuse_version_control(path)
    try:
        before = read_token(path)
    except CredentialError:
        before = None  # this login takes its place
    known = before.api_key if before is not None else None
    api_key = _secret(KEY_VARIABLE, "API key", known)
    api_secret = _secret(SECRET_VARIABLE, "API secret", None)
    make_private(path.parent)
    state = new_state()
    answer = _pasted(page, api_key, state) if port is None else _came(page, api_key, state, port)
    kept = exchange(rest, api_key, answer, api_secret, time.time_ns())
    write_token(path, kept)
    return kept


def _secret(variable: str, label: str, known: Secret | None) -> Secret:
    """From its variable, else what is known, else from the person."""
    from adapters.kite.credentials import CredentialError, from_environment
    from adapters.kite.secret import Secret, why_not_secret

    given = from_environment(variable)
    if given is not None or known is not None:
        if given is not None and known is not None and given != known:
            raise CredentialError(
                f"{variable} and the token file name different ones: unset the variable, or remove "
                "the file with 'axiom login --forget'"
            )
        found = given or known
        assert found is not None, "one of the two is there"
        return found
    if not sys.stdin.isatty():
        raise UserError(f"{variable} is not set and nobody is there to ask: set it")
    text = _hidden(f"{label} (not shown): ")
    why = why_not_secret(text)
    if why is not None:
        raise UserError(f"the {label} {why}: copy it from the app's page at the broker")
    return Secret(text)


def _hidden(prompt: str) -> str:
    """A line of the person, without echo; from a pipe as it comes. Raises ``UserError``."""
    import getpass

    if sys.stdin.isatty():
        return getpass.getpass(prompt, stream=sys.stderr).strip()
    line = sys.stdin.readline()
    if not line:
        raise UserError("nothing was pasted: give the request token on standard input")
    return line.strip()


def _pasted(page: str, api_key: Secret, state: str) -> Secret:
    """The person opens the page anywhere and pastes what came back."""
    from adapters.kite.callback import login_address, pasted_token
    from cli.output import say

    say(f"open this page, log in, and copy the address you are sent back to: "
        f"{login_address(page, api_key, state)}")  # fmt: skip
    return pasted_token(_hidden("paste it (not shown): "), state)


def _came(page: str, api_key: Secret, state: str, port: int) -> Secret:
    """The browser of this machine comes back by itself."""
    from adapters.kite.callback import Callback, login_address
    from cli.output import say

    with Callback(port, state, lambda: login_address(page, api_key, state)) as callback:
        if open_browser(callback.start):
            say(f"a browser was opened; if not, open {callback.start}")
        else:
            say(f"open {callback.start} in a browser on this machine, or use --paste")
        return callback.wait(WAIT_S)


def open_browser(address: str) -> bool:
    """Open a page where there is a screen to show it; False where there is none."""
    import webbrowser

    shown = sys.platform == "darwin" or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()
    try:
        return bool(shown) and webbrowser.open(address)
    except webbrowser.Error:
        return False


def _told(kept: Credentials, path: Path, common: Common) -> int:
    from adapters.kite.credentials import ist_text
    from cli.output import show, write_json

    assert kept.login_ns is not None, "a login has its time"
    assert kept.expires_ns is not None, "a login has its planned expiry"
    ends = ist_text(kept.expires_ns)
    document: dict[str, Any] = {
        "ok": True,
        "desk": common.desk,
        "user": kept.user_id,
        "login_time": ist_text(kept.login_ns),
        "planned_expiry": ends,
        "file": str(path),
    }
    if common.json:
        write_json(document)
    else:
        show(f"logged in as {kept.user_id or 'an unnamed user'} until {ends} IST; kept in {path}")
    return EXIT_GOOD


def _forget(path: Path, rest: str, common: Common) -> int:
    """Remove the file whatever the broker says; exit code 1 where its login may live on."""
    from adapters.kite.callback import LoginError
    from adapters.kite.credentials import CredentialError, forget_token, read_token
    from adapters.kite.login import invalidate
    from cli.output import clean, say, show, write_json

    problem: str | None = None
    try:
        kept = read_token(path)
        if kept is not None:
            invalidate(rest, kept)
    except (CredentialError, LoginError) as error:
        problem = f"{error}; a login at the broker ends at 06:00 IST by itself"
    removed = forget_token(path)
    if common.json:
        write_json({"ok": problem is None, "removed": removed, "problem": problem})
    elif problem is not None:
        say(f"the token file was removed; the login at the broker was not ended: {clean(problem)}")
    else:
        show("logged out" if removed else "there was no login to forget")
    return EXIT_BAD if problem is not None else EXIT_GOOD


def _refused(problem: str, common: Common) -> int:
    from cli.output import clean, say, write_json

    if common.json:
        write_json({"ok": False, "problem": clean(problem)})
    else:
        say(f"axiom: {problem}: begin again with 'axiom login'")
    return EXIT_BAD
