"""The program itself: is it a release, unchanged, and checked as one.

Lives here: checks. May import: ``cli``, engine's code digest. Always holds: a build is known by the
digest of its code, never by what it calls itself.
"""

from __future__ import annotations

import tomllib
from typing import Any, Final

from cli import __version__
from cli.doctor.check import Context, Outcome, bad, good, unknown
from engine.runner import own_code_digest

ENGINES: Final = ("docs", "engines.toml")
RECORD: Final = ("build", "release-check.toml")
"""What ``make release-check`` leaves behind when every line was good."""

_SHOWN: Final = 12


def clean_build(context: Context) -> Outcome:
    """The code is that of a recorded release, and nothing of the checkout is changed."""
    ours = own_code_digest()
    table = _toml(context, ENGINES)
    if table is None:
        return unknown(
            "this program was installed without docs/engines.toml, so its release cannot be looked"
            " up",
            "run it from a checkout of a release",
        )
    names = [row.get("name") for row in table.get("engine", []) if row.get("code_digest") == ours]
    if __version__ not in names:
        return bad(
            f"the engine's code ({ours[:_SHOWN]}) is not that of release {__version__} in"
            " docs/engines.toml"
        )
    changed = context.run(("git", "-C", str(context.root), "status", "--porcelain"))
    if changed is None:
        return unknown("git does not say whether the checkout is changed")
    if changed.strip():
        return bad(f"{len(changed.strip().splitlines())} files of the checkout are changed")
    return good(f"release {__version__}, code {ours[:_SHOWN]}, nothing changed")


def release_check(context: Context) -> Outcome:
    """``make release-check`` was good for this very code."""
    ours = own_code_digest()
    record = _toml(context, RECORD)
    if record is None:
        return bad("there is no record of a good release-check")
    if (record.get("version"), record.get("code_digest")) != (__version__, ours):
        return bad(
            f"the release-check of {record.get('checked')} was of"
            f" {record.get('version')} with code {str(record.get('code_digest'))[:_SHOWN]}, not of"
            f" {__version__} with {ours[:_SHOWN]}"
        )
    return good(f"release-check was good on {record.get('checked')}")


def _toml(context: Context, place: tuple[str, ...]) -> dict[str, Any] | None:
    """A file of the checkout; None where it is not there or cannot be read as one."""
    try:
        return tomllib.loads(context.root.joinpath(*place).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return None
