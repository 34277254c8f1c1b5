"""Verbs for the tests of the program: each ends in one of the ways a verb can end."""

from __future__ import annotations

import errno
import os

import click

from cli.errors import EXIT_BAD, UserError
from cli.options import Common, common_options

ENDINGS = {
    "good": None,
    "bad": EXIT_BAD,
    "user": UserError("there is no such\n  session: see 'axiom sessions'"),
    "refused": UserError("refused", exit_code=EXIT_BAD),
    "bug": ZeroDivisionError("a\nbug"),
    "disk": OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "journal/000001.axj"),
    "pipe": BrokenPipeError(),
    "stop": KeyboardInterrupt(),
    "abort": click.Abort(),
    "wrong": "a word",
    "exit": SystemExit(1),
}


@click.command()
@click.argument("how", type=click.Choice(list(ENDINGS)))
def end(how: str) -> object:
    """End in the way that is asked for."""
    ending = ENDINGS[how]
    if isinstance(ending, BaseException):
        raise ending
    return ending


@click.command()
def ask() -> None:
    """Ask the person at the keyboard."""
    click.prompt("really")


@click.command()
@click.argument("session", default="latest")
@common_options
def where(session: str, common: Common) -> None:
    """Show what the common options came to."""
    click.echo(f"{common.home}|{common.desk}|{common.config}|{common.json}|{session}")


@click.group()
def journal() -> None:
    """A verb with words of its own."""


@journal.command()
@common_options
def info(common: Common) -> int:
    """Answer badly."""
    return EXIT_BAD
