"""The options that every verb takes, declared once.

Lives here: ``common_options``, ``recorded_options``, and the value they hand to a verb. May import:
click, ``cli.paths``, ``cli.errors``. Always holds: a verb gets a home that is absolute and a desk
id that is one. Start reading at ``common_options``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.errors import UserError
from cli.paths import (
    DEFAULT_DESK,
    HOME_VARIABLE,
    LATEST,
    check_desk,
    resolve_home,
    resolve_session,
)

Verb = TypeVar("Verb", bound=Callable[..., Any])


@dataclass(frozen=True)
class Common:
    """What the common options say: where, which desk, which configuration, what kind of answer."""

    home: Path
    desk: str
    config: Path | None
    json: bool

    def session(self, name: str) -> Path:
        """The folder of the session called ``name`` (id, path or ``latest``), or ``UserError``."""
        return resolve_session(self.home, self.desk, name)


def common_options(verb: Verb) -> Verb:
    """Add ``--home --desk --config --json`` to a verb, which receives them as ``common: Common``.

    Goes between ``@click.command`` and the verb's own function. ``UserError`` when the desk is not
    an id, the home cannot be one, or the configuration is not a file.
    """

    @functools.wraps(verb)
    def with_common(
        *arguments: Any,
        home: str | None,
        desk: str,
        config: str | None,
        json: bool,
        **named: Any,
    ) -> Any:
        common = Common(resolve_home(home), check_desk(desk), _config_file(config), json)
        return verb(*arguments, common=common, **named)

    for option in reversed(_OPTIONS):
        with_common = option(with_common)
    return with_common  # type: ignore[return-value]


def anew_option(verb: Verb) -> Verb:
    """``--anew`` of a verb that asks a projection."""
    return click.option(
        "--anew", is_flag=True, help="Build the tables from the journal first, whatever is there."
    )(verb)


def sessions_option(verb: Verb) -> Verb:
    """``--sessions`` of a verb that asks several sessions at once."""
    return click.option(
        "--sessions", "select", metavar="SELECT", multiple=True,
        help="Of many: ids, days (2026-11-20), months (2026-11), DAY..DAY, all; repeatable.",
    )(verb)  # fmt: skip


def named_sessions(common: Common, session: str | None, select: tuple[str, ...]) -> list[Path]:
    """The folders of ``--sessions``, or of the one session that was named, the latest by default.
    Raises ``UserError``, also where both were given."""
    if not select:
        return [common.session(session or LATEST)]
    if session is not None:
        raise UserError(f"--sessions and the session '{session}' were given: leave one out")
    from cli.chosen import chosen_sessions

    return chosen_sessions(common, select)


def recorded_options(verb: Verb) -> Verb:
    """As ``common_options``, for a verb that answers from what was recorded, or reads no setting:
    a configuration is refused, since it would be ignored."""

    @functools.wraps(verb)
    def without_config(*arguments: Any, common: Common, **named: Any) -> Any:
        if common.config is not None:
            path = click.get_current_context().command_path
            raise UserError(
                f"'{path}' reads no configuration: leave --config out; 'axiom whatif' runs a"
                " session under another one"
            )
        return verb(*arguments, common=common, **named)

    return common_options(without_config)  # type: ignore[return-value]


def _config_file(text: str | None) -> Path | None:
    """The absolute path of ``--config``; its contents are read by who needs them."""
    if text is None:
        return None
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "is not there"
        raise UserError(f"the configuration {text} {what}: --config takes a TOML file")
    return path


_OPTIONS = (
    click.option("--home", metavar="DIR", help=f"Where everything is kept (else {HOME_VARIABLE})."),
    click.option(
        "--desk", metavar="ID", default=DEFAULT_DESK, show_default=True, help="Which desk."
    ),
    click.option("--config", metavar="FILE", help="A TOML file over the defaults."),
    click.option("--json", is_flag=True, help="One JSON document on standard output."),
)
