"""The broker's side of a machine: the login, the address orders leave from, the account.

Lives here: checks. May import: ``cli``, adapters.kite's credentials, journal's names. Always holds:
no key and no token is in any sentence; nobody outside is asked who was not configured.
"""

from __future__ import annotations

import ipaddress

from adapters.control.place import account_folders
from adapters.kite.credentials import (
    CredentialError,
    Credentials,
    credentials,
    ist_text,
    token_path,
)
from cli.account import differs, named
from cli.doctor.check import Context, Outcome, bad, good, unknown, warned
from cli.doctor.sessions import is_held
from cli.paths import desk_folder
from engine.rulebook import ist_ns
from journal.lock import ACCOUNT_LOCK_NAME

DAY_ENDS_IST = "15:40"
"""A login must last until the close; the broker ends each at 06:00."""


def _found(context: Context) -> Credentials:
    path = token_path(desk_folder(context.home, context.desk))
    return credentials(path, context.now_ns(), context.environment)


def login(context: Context) -> Outcome:
    """There is a login, private, of today."""
    try:
        found = _found(context)
    except CredentialError as error:
        # A desk that only looks back needs none.
        return bad(str(error), "axiom login") if context.live else warned(str(error))
    except OSError as error:
        return unknown(f"the token file cannot be looked at: {error}")
    if found.expires_ns is None:
        text = "a token from the environment, which does not say until when it holds"
        return unknown(text, "axiom login")
    until = ist_text(found.expires_ns)
    if context.live and found.expires_ns < ist_ns(context.day, DAY_ENDS_IST):
        return bad(f"the login ends at {until} IST, before the close", "axiom login")
    return good(f"a login by {found.origin}, until {until} IST")


def address(context: Context) -> Outcome:
    """Orders leave from the address that the broker was told of."""
    wanted = context.settings.egress_address
    if not wanted:
        return unknown(
            "live.egress_address is not set: the broker takes orders from a registered address only"
        )
    seen = context.seen_address
    if seen is None and context.settings.egress_url:
        seen = context.ask_address(context.settings.egress_url)
        if seen is None:
            return unknown(f"{context.settings.egress_url} did not say an address")
    if seen is None:
        return unknown(
            f"orders are to leave from {wanted}; nobody was asked where they do",
            "set live.egress_url, or give --address with what you know",
        )
    try:
        same = ipaddress.ip_address(seen) == ipaddress.ip_address(wanted)
    except ValueError:
        return unknown(f"{seen!r} is no address")
    if not same:
        return bad(f"messages leave from {seen}, and the broker knows {wanted}")
    return good(f"messages leave from {wanted}")


def login_account(context: Context) -> str | None:
    """The account that the login was made for; None where it does not say."""
    try:
        return named(_found(context).user_id)
    except (CredentialError, OSError):
        return None


def account_name(context: Context) -> str | None:
    """The broker account as a name of this machine: the login's, else the one that is set; None
    where nobody says it."""
    return login_account(context) or named(context.settings.account)


def account(context: Context) -> Outcome:
    """No other engine of this user sends orders for the account, whatever its home and desk."""
    name = account_name(context)
    if name is None:
        return unknown("the broker's account is not known", "axiom login, or set live.account")
    fault = differs(context.settings, name)
    if fault is not None:
        return bad(fault)
    try:
        held = any(is_held(folder / ACCOUNT_LOCK_NAME) for folder in account_folders(name))
    except OSError as error:
        return unknown(f"the account's lock cannot be looked at: {error}")
    if held:
        return bad(f"another engine on this machine sends orders for account {name}")
    return good(f"no other engine of this user sends orders for account {name}")
