"""What several verbs load in the same way: configuration, rulebook, markets.

Lives here: TOML to ``Config``, the rulebook with a desk's overlay, a market from its name. May
import: everything it wires. Always holds: a fault of a file or of a name is a ``UserError`` in one
line.
Start reading at ``open_market``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cli.errors import UserError, told_as_user_error
from cli.machine import SECTION, MachineError, MachineSettings, machine_settings
from cli.options import Common
from cli.paths import desk_folder

if TYPE_CHECKING:
    from engine.config import Config
    from engine.ports import Market
    from engine.rulebook import Rulebook
    from events.base import Event

OVERLAY_NAME: Final = "rulebook.toml"
DAY_DIGITS: Final = 8


def read_toml(path: Path) -> dict[str, object]:
    """A TOML file as a tree. ``UserError`` where it cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not TOML: {error}") from error


def load_config(path: Path | None, base: Config | None = None) -> Config:
    """The defaults (or ``base``) with a configuration file laid over."""
    from engine.config import DEFAULTS, ConfigError, merge

    start = base or DEFAULTS
    if path is None:
        return start
    tree = read_toml(path)
    try:
        return merge(start, core_tree(tree))
    except (ConfigError, MachineError) as error:
        raise UserError(f"{path}: {error}") from error


def core_tree(tree: dict[str, object]) -> dict[str, object]:
    """A file's tree without this machine's own section, both of them looked at first. Raises
    ``ConfigError`` or ``MachineError``."""
    machine_settings(tree)
    check_types(tree)
    return {section: values for section, values in tree.items() if section != SECTION}


def load_machine(path: Path | None) -> MachineSettings:
    """This machine's own settings of a configuration file."""
    try:
        return machine_settings({} if path is None else read_toml(path))
    except MachineError as error:
        raise UserError(f"{path}: {error}") from error


_TYPES: Final = {"int": "a whole number", "bool": "true or false", "str": "a word in quotes"}


def check_types(tree: dict[str, object]) -> None:
    """Raise ``ConfigError`` for a known setting whose value is of another type than it has."""
    from engine.config import ConfigError, setting_specs

    for spec in setting_specs():
        section, _, name = spec.key.partition(".")
        values = tree.get(section)
        if not isinstance(values, dict) or name not in values:
            continue
        value = values[name]
        if type(value).__name__ != spec.type:
            raise ConfigError(f"{spec.key} is {_TYPES[spec.type]}, not {value!r}")


def overlay_path(common: Common) -> Path:
    """Where the desk's own rows of the rulebook stand; may not exist."""
    return desk_folder(common.home, common.desk) / OVERLAY_NAME


def load_rulebook(common: Common) -> Rulebook:
    """The package's rules with the desk's overlay, where it has one."""
    from adapters.rulebook.load import RulebookError, load_rows
    from engine.rulebook import Rulebook

    overlay = overlay_path(common)
    with told_as_user_error(RulebookError):
        return Rulebook(load_rows(overlay if overlay.is_file() else None))


def parse_day(text: str) -> int:
    """yyyymmdd of ``2026-11-20`` or ``20261120``."""
    digits = text.replace("-", "")
    if len(digits) != DAY_DIGITS or not digits.isdecimal():
        raise UserError(f"{text!r} is not a day: write it as 2026-11-20")
    from engine.rulebook import days_from_day

    try:
        days_from_day(int(digits))
    except ValueError as error:
        raise UserError(f"{text!r} is not a day: write it as 2026-11-20") from error
    return int(digits)


def open_market(
    name: str,
    common: Common,
    rulebook: Rulebook,
    *,
    seed: int,
    day: int | None = None,
    cadence_ms: int | None = None,
) -> Market:
    """A market by its name on the command line: ``synthetic``, ``synthetic:PROFILE``,
    ``chain:FILE.parquet`` or ``session:SESSION``."""
    from engine.ports import MarketError

    kind, _, rest = name.partition(":")
    if kind not in _KINDS:
        raise UserError(
            f"{name!r} is not a market: synthetic, synthetic:PROFILE, chain:FILE.parquet"
            " or session:SESSION"
        )
    if name == "synthetic:":
        raise UserError(f"{name!r} names no profile: write synthetic, or synthetic:PROFILE")
    if kind != "synthetic" and (day is not None or not rest):
        what = "names its own day: leave --from and --to out" if rest else f"write {kind}:NAME"
        raise UserError(f"{name!r}: {what}")
    with told_as_user_error(MarketError):
        return _open(kind, rest, common, rulebook, seed, day, cadence_ms)


_KINDS: Final = ("synthetic", "chain", "session")


def _open(
    kind: str,
    rest: str,
    common: Common,
    rulebook: Rulebook,
    seed: int,
    day: int | None,
    cadence_ms: int | None,
) -> Market:
    if kind == "synthetic":
        from adapters.markets.synthetic import DEFAULT_CADENCE_MS, SyntheticMarket

        cadence = cadence_ms or DEFAULT_CADENCE_MS
        return SyntheticMarket(seed, rest or "default", day, cadence_ms=cadence, rulebook=rulebook)
    if kind == "chain":
        from adapters.markets.chain import open_chain

        return open_chain(Path(rest).expanduser(), rulebook)
    from adapters.markets.recorded import RecordedMarket
    from journal.errors import JournalError
    from replay.session import ReplayError

    folder = common.session(rest)
    with told_as_user_error(JournalError, ReplayError):
        return RecordedMarket(lambda: _facts(folder), rulebook)


def _facts(folder: Path) -> Iterator[tuple[int, Event]]:
    from replay.session import facts_of_session

    for _, ts, event in facts_of_session(folder):
        yield ts, event
