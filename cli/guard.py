"""The watchdog beside a run: started where alerts are configured, and left alive by a death.

Lives here: ``watchdog_beside``. May import: ``cli``, adapters.alerts' file name. Always holds: the
watchdog is no child that goes with the engine; it ends by itself once the session is closed, and
where one watches the desk already, that one stays.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from adapters.alerts.settings import FILE_NAME
from cli.options import Common
from cli.output import say
from cli.paths import desk_folder, make_private

LOG_NAME: Final = "watchdog.log"
END_WAIT_S: Final = 5.0

_left: Final[list[subprocess.Popen[bytes]]] = []
"""Watchdogs that outlive the run: a session that was not closed is what they are for."""


@contextmanager
def watchdog_beside(common: Common) -> Iterator[None]:
    """A watchdog of the desk for as long as its session lasts; its lines go to the desk's log."""
    child = _start(common) if (common.home / FILE_NAME).exists() else None
    try:
        yield
    except BaseException:
        if child is not None:
            _left.append(child)
        raise
    if child is not None:
        try:
            child.wait(END_WAIT_S)
        except subprocess.TimeoutExpired:
            _left.append(child)


def _start(common: Common) -> subprocess.Popen[bytes] | None:
    words = ["watchdog", "--until-closed", "--expect", "none"]
    words += ["--home", str(common.home), "--desk", common.desk]
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        folder = make_private(desk_folder(common.home, common.desk))
        log = os.open(folder / LOG_NAME, flags, 0o600)
    except OSError as error:
        say(f"no watchdog: {LOG_NAME} cannot be written ({error.strerror})")
        return None
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "cli.main", *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(log)
