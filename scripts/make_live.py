"""Writes ``docs/LIVE.md`` from the table of checks, or checks that the page is up to date.

Lives here: the page's text and the command. May import: cli.doctor, events. Always holds: the page
is a function of the tables alone. Start reading at ``page_text``.

    python -m scripts.make_live            write the page
    python -m scripts.make_live --check    exit 1 when it is not what the tables say
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from cli.doctor.table import CHECKS
from cli.machine import MachineSettings, setting_rows
from events.reasons import BY_CODE

ROOT: Final = Path(__file__).resolve().parents[1]
PAGE: Final = ROOT / "docs" / "LIVE.md"
COMMAND: Final = "python -m scripts.make_live"

INTRODUCTION: Final = """\
# What LIVE needs

LIVE begins only while every line of this table holds. `axiom doctor --live` looks at all of them
(exit code 0 when they hold, 1 when one does not); starting LIVE looks again, and refuses with the
codes of those that do not. What cannot be found out counts as not holding. Without `--live` the
same checks say whether this machine is ready for anything else. Then a person types LIVE
(`--confirm LIVE`), and where the configuration waives the resting stops, WAIVER and a reason
(`docs/ORDERS.md`).

An account is named by the user id that the broker's profile says; a `live.account` of another one
is refused. Its lock and the count of its order messages lie in the user's runtime folder
(`/tmp/axiom-UID/account-NAME`, the lock in `/run/user/UID/axiom` too), so that engines, the
emergency and every home and desk of one user of this machine meet there. Another user of the
machine and another machine do not: what they send is seen as orders of others, their login ends
ours, and then nothing is entered. A restart of the machine may empty that folder: the day's count
then begins anew.

Settings of the machine stand in the section `[live]` of the configuration file; no session depends
on them and no journal holds them:

"""

CLOSING: Final = f"""
This page is made by `{COMMAND}` from `cli/doctor/table.py`, `cli/machine.py` and
`events/reasons.py`: change those.
"""


def page_text() -> str:
    """The whole page."""
    settings = ["| setting | is |", "|---|---|"]
    settings += [f"| `{r['key']}` | {r['description']} |" for r in setting_rows(MachineSettings())]
    lines = ["| code | has to hold | when it does not | what to do |", "|---|---|---|---|"]
    for check in CHECKS:
        spec = BY_CODE[check.code]
        lines.append(f"| `{check.code}` | {check.title} | {spec.sentence} | {spec.what_to_do} |")
    return INTRODUCTION + "\n".join([*settings, "", *lines]) + "\n" + CLOSING


def is_current(page: Path = PAGE) -> bool:
    """Whether the page is there and says what the tables say."""
    return page.is_file() and page.read_text(encoding="utf-8") == page_text()


def main(arguments: list[str], page: Path = PAGE) -> int:
    """Write the page, or check it; gives the exit code."""
    if arguments == ["--check"]:
        if is_current(page):
            return 0
        sys.stderr.write(f"docs/{page.name} is not up to date: run {COMMAND}\n")
        return 1
    if arguments:
        sys.stderr.write(f"{arguments[0]} is not known: the only option is --check\n")
        return 2
    page.write_text(page_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
