"""The broker's account on this machine: its name, its lock, and where its messages are counted.

Lives here: whose account a session is, and what the user's runtime folder has of it. May import:
everything it wires. Always holds: an account is named by the broker's own user id, whatever the
home and the desk, so that two homes of a user meet in one lock and one count; what the environment
says has no part in it. Another user of this machine, and another machine, are not seen here.
Start reading at ``own_account``, then ``account_lock``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from adapters.control.place import PlaceUnsafe, account_folders, make_folder
from adapters.kite.broker import KiteReads
from cli.errors import UserError
from cli.machine import MachineSettings
from events.broker import AuthStatus
from journal.errors import JournalError, JournalLocked
from journal.lock import take_account_lock

ASKS: Final = 3
ASK_AGAIN_S: Final = 1.0
UNKNOWN: Final = "UNKNOWN"
_NAME: Final = re.compile(r"[a-z0-9-]{1,64}")


def named(user_id: str | None) -> str | None:
    """A user id as the name of an account here; None for none, or for one that is no name."""
    name = (user_id or "").lower().replace("_", "-")
    return name if _NAME.fullmatch(name) else None


def differs(settings: MachineSettings, name: str) -> str | None:
    """What is wrong where ``live.account`` names another account than the broker's; one line."""
    wanted = named(settings.account)
    if wanted in (None, name):
        return None
    return (
        f"live.account is {settings.account}, and the login is of account {name}:"
        " log in to that account, or mend the setting"
    )


def login_told(reads: KiteReads, now_ns: int) -> AuthStatus:
    """What the broker says of the login; asked again where that was no answer, since a start comes
    in one burst of questions."""
    told = reads.auth(now_ns)
    for _ in range(ASKS - 1):
        if told.status != UNKNOWN:
            break
        reads.rest(ASK_AGAIN_S)
        told = reads.auth(now_ns)
    return told


def own_account(told: AuthStatus, settings: MachineSettings) -> str:
    """The name of the account by what the broker says of the login. Raises ``UserError`` where it
    does not take it, and for another account than the one that is set."""
    name = named(told.account)
    if told.status == UNKNOWN:
        raise UserError(f"the broker does not say whose login this is ({told.fault}): try again")
    if told.status != "OK" or name is None:
        raise UserError(
            f"the broker does not take the login ({told.status} {told.fault}): axiom login"
        )
    fault = differs(settings, name)
    if fault is not None:
        raise UserError(fault)
    return name


def counting_folder(account: str) -> Path:
    """Where every process of this user counts the account's messages; made. Raises ``UserError``
    where no place is ours alone."""
    faults = []
    for folder in account_folders(account):
        try:
            return make_folder(folder)
        except PlaceUnsafe as unsafe:
            faults.append(str(unsafe))
    raise UserError(f"account {account} has no place of its own: {'; '.join(faults)}")


@contextmanager
def account_lock(account: str) -> Iterator[None]:
    """The account is this process's alone, in every place where another may look. Raises
    ``UserError``."""
    counting_folder(account)  # one place at least
    with ExitStack() as held:
        for folder in account_folders(account):
            try:
                held.enter_context(take_account_lock(make_folder(folder)))
            except PlaceUnsafe:
                continue  # nobody of ours can use it either
            except JournalLocked as error:
                raise UserError(
                    f"ACCOUNT_SHARED: another engine on this machine trades account {account}"
                    f" ({error})"
                ) from error
            except JournalError as error:
                raise UserError(f"the lock of account {account}: {error}") from error
        yield
