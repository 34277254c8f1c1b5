"""``axiom config``: the settings in force with their origin, the policy table, a file's check.

Lives here: ``show``, ``check``, and ``set``, which asks the engine that runs. May import: ``cli``,
engine's configuration and policy. Always holds: every setting of the core is listed, once, in the
order of its key; a file is judged by the same code that a run reads it with.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cli.errors import EXIT_BAD, EXIT_GOOD, UserError
from cli.load import core_tree, load_config, load_machine, read_toml
from cli.machine import MachineError, setting_rows
from cli.options import Common, common_options, recorded_options

if TYPE_CHECKING:
    from engine.config import Config

DEFAULT: Final = "default"
_CHANGE: Final = ("key", "value", "default")


@click.group(name="config")
def command() -> None:
    """The configuration in force and its origin, the check of a file, a limit of the engine that
    runs.

    \b
    Examples:
        axiom config show --config my.toml
        axiom config check my.toml
        axiom config set risk.trades_day_max 2 --reason "budget day"
    """


@command.command(name="show")
@click.option("--policy", is_flag=True, help="The relaxations outside LIVE instead, row by row.")
@click.option("--strategies", is_flag=True, help="What a promotion of each strategy has to name.")
@common_options
def show_config(policy: bool, strategies: bool, common: Common) -> None:
    """Every setting with its value and the origin of it: default, or the file that sets it.

    \b
    Examples:
        axiom config show --config my.toml --json
        axiom config show --policy
        axiom config show --strategies --config my.toml
    """
    from cli.output import show, table, write_json

    if policy and strategies:
        raise UserError("give one of --policy and --strategies")
    rows = _policy_rows() if policy else _setting_rows(common.config)
    if strategies:
        rows = _strategy_rows(common.config)
    if common.json:
        write_json(rows)
        return
    show(table(list(rows[0]), [list(row.values()) for row in rows]))


def _strategy_rows(file: Path | None) -> list[dict[str, Any]]:
    """Each strategy with this program's code and the file's parameters, as ``promote`` names
    them."""
    from engine.runner import own_code_digest
    from engine.strategies import FAMILIES
    from engine.strategies.lifecycle import DIGEST_CHARS, NAMED, parameters_of

    config, code = load_config(file), own_code_digest()[:DIGEST_CHARS]
    rows = []
    for family in FAMILIES:
        words = (code, parameters_of(config, family.name), config.orders.algo_id)
        rows.append(
            {
                "strategy": family.strategy_id,
                "family": family.name,
                "code": words[0],
                "parameters": words[1],
                "algo_id": words[2] or None,
                "named": NAMED.join(word for word in words if word),
            }
        )
    return rows


@command.command(name="set")
@click.argument("key")
@click.argument("value")
@click.option("--reason", required=True, help="Why; kept in the journal.")
@click.option("--id", "command_id", metavar="ID", help="Ask again about this command.")
@recorded_options
def set_limit(key: str, value: str, reason: str, command_id: str | None, common: Common) -> int:
    """Tell the engine that runs that a limit of entries is another from here on.

    KEY is a limit or switch of entries ('axiom config show' lists them), or risk.profile. In LIVE a
    tighter limit acts at once; a looser one is told to wait (RISK_LIMIT_DEFERRED): write it into
    the configuration file, and the next session opens with it. In other modes both act. No halt
    ends by a limit. Exit code 0 when the engine accepted it, 1 when it refused, 2 when no engine
    answered.

    \b
    Example:
        axiom config set risk.trades_day_max 2 --reason "budget day"
    """
    from cli.verbs.operate import give
    from engine.commands import SET, SET_PREFIX, SUBJECT_UNKNOWN, VALUE, is_id, kept
    from engine.config import setting_specs
    from engine.risk.command import change_of, settable_keys
    from events.session import OperatorCommand

    if not reason.strip():
        raise UserError("CMD_WHY_MISSING: say why with --reason")
    if key not in settable_keys():
        raise UserError(
            f"{SUBJECT_UNKNOWN}: {key!r} is no limit of entries; see 'axiom config show' for keys"
            " of [risk], and docs/RISK.md"
        )
    said = f"{SET_PREFIX}{value}"
    change = change_of(OperatorCommand("SET", "", reason, key, said, "", "SOCKET"))
    if change is None or not is_id(value):
        raise UserError(f"{VALUE}: {value!r} is no value of {key}; see 'axiom config show'")
    spec, (wanted,) = next(one for one in setting_specs() if one.key == key), change.settings
    if spec.type == "int" and not (spec.least or 0) <= int(wanted.value) <= (spec.most or 0):
        raise UserError(f"{VALUE}: {key} is {spec.least} to {spec.most}, not {value}")
    return give(common, SET, key, said, kept(reason.strip()), None, command_id)


@command.command(name="check")
@click.argument("file", type=click.Path(path_type=Path))
@recorded_options
def check_config(file: Path, common: Common) -> int:
    """Check a configuration FILE: exit code 1 when a run would refuse it.

    \b
    Example:
        axiom config check my.toml --json
    """
    from cli.output import clean, say, show, table, write_json
    from engine.config import DEFAULTS, ConfigError, merge

    tree = read_toml(file)
    problems: list[str] = []
    changed: list[dict[str, Any]] = []
    try:
        changed = _changes(merge(DEFAULTS, core_tree(tree)))
        changed += [
            {name: row[name] for name in _CHANGE}
            for row in setting_rows(load_machine(file))
            if row["value"] != row["default"]
        ]
    except (ConfigError, MachineError) as error:
        problems.append(str(error))
    if common.json:
        write_json(
            {"file": str(file), "ok": not problems, "problems": problems, "settings": changed}
        )
    elif problems:
        say(f"{file}: {problems[0]}")
    else:
        show(clean(f"{file} is good; settings that it changes: {len(changed)}"))
        if changed:
            show(table(_CHANGE, [list(row.values()) for row in changed]))
    return EXIT_BAD if problems else EXIT_GOOD


def _setting_rows(file: Path | None) -> list[dict[str, Any]]:
    """All settings in force; the origin of one is the file when the file names it."""
    named = set() if file is None else _named(read_toml(file))
    return [
        {**row, "origin": str(file) if row["key"] in named else DEFAULT}
        for row in (*_rows(load_config(file)), *setting_rows(load_machine(file)))
    ]


def _rows(config: Config) -> list[dict[str, Any]]:
    from engine.config import flatten, setting_specs

    return [
        {
            "key": spec.key,
            "value": setting.value,
            "origin": DEFAULT,
            "default": spec.default,
            "least": spec.least,
            "most": spec.most,
            "description": spec.description,
        }
        for spec, setting in zip(setting_specs(), flatten(config), strict=True)
    ]


def _changes(config: Config) -> list[dict[str, Any]]:
    return [
        {name: row[name] for name in _CHANGE}
        for row in _rows(config)
        if row["value"] != row["default"]
    ]


def _named(tree: dict[str, object]) -> set[str]:
    """The dotted keys that a file gives a value, equal to the default or not."""
    return {
        f"{section}.{name}"
        for section, values in tree.items()
        if isinstance(values, dict)
        for name in values
    }


def _policy_rows() -> list[dict[str, Any]]:
    from cli.output import plain
    from engine.policy import POLICY

    return [plain(row) for row in POLICY]
