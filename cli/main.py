"""The program ``axiom``: one group whose verbs are loaded when they are called.

Lives here: the entry point, the lazy group, and the boundary where every error becomes one line and
an exit code. May import: click and ``cli``; no other room. Always holds: standard output carries
answers only, and nobody sees a traceback unless AXIOM_DEBUG is 1. Start reading at ``main``.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import Final

import click

from cli import __version__
from cli.errors import (
    EXIT_COULD_NOT_RUN,
    EXIT_GOOD,
    EXIT_INTERRUPTED,
    UserError,
    one_line,
)
from cli.rooms import find_intruder
from cli.table import GROUPS, VERBS, Verb

PROGRAM: Final = "axiom"
COMPLETION_VARIABLE: Final = "_AXIOM_COMPLETE"

HELP: Final = """\
A trading engine for Indian index options whose journal replays bit for bit.

\b
    axiom demo          a whole simulated trading day, explained and replayed
    axiom VERB --help   what a verb does, with an example

Exit codes: 0 done and good, 1 done and the answer is bad, 2 could not run.
"""


class LazyGroup(click.Group):
    """A group that knows its verbs from a table and imports one only when it is called."""

    def __init__(self, verbs: Iterable[Verb], **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]
        self._verbs = {verb.name: verb for verb in verbs}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of the verbs, in the order of the table."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command behind a verb, imported now; None when there is no such verb."""
        verb = self._verbs.get(cmd_name)
        return None if verb is None else load(verb)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, but an unknown verb is answered with the verbs that look like it."""
        name = args[0]
        if name not in self._verbs and not name.startswith("-"):
            raise UserError(_unknown_verb(name, self._verbs))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs under their headings, from the table alone."""
        for group in GROUPS:
            rows = [(v.name, v.summary) for v in self._verbs.values() if v.group == group]
            if rows:
                with formatter.section(group):
                    formatter.write_dl(rows)


def load(verb: Verb) -> click.Command:
    """Import a verb's file and return its command."""
    module, _, attribute = verb.target.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    if not isinstance(command, click.Command):
        raise TypeError(f"{verb.target} is not a click command")
    return command


def build_group(verbs: Iterable[Verb] = VERBS) -> LazyGroup:
    """The group ``axiom`` over a table of verbs."""
    group = LazyGroup(
        verbs,
        name=PROGRAM,
        help=HELP,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    version = click.version_option(__version__, "--version", message="axiom %(version)s")
    return version(group)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program on ``arguments`` (default: the command line) and return its exit code."""
    intruder = find_intruder()
    if intruder is not None:
        return _fail(intruder)
    group = build_group()
    if COMPLETION_VARIABLE in os.environ:
        group.main(prog_name=PROGRAM)  # the shell asks for completions; click answers and exits
    words = sys.argv[1:] if arguments is None else arguments
    return run(group, words or ["--help"])


def run(group: click.Group, arguments: Sequence[str]) -> int:
    """Run one command; every way it can end becomes an exit code, with at most one line said."""
    try:
        code = _invoke(group, arguments)
        sys.stdout.flush()
    except UserError as error:
        return _fail(str(error), error.exit_code)
    except click.ClickException as error:
        return _fail(_describe(error))
    except (click.Abort, EOFError, KeyboardInterrupt) as error:
        if isinstance(error, EOFError) or isinstance(error.__context__, EOFError):
            return _fail("a question was asked and nobody is there to answer: give it as a flag")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return _reader_left()
    except OSError as error:
        return _fail(_describe_os(error))
    except Exception as error:  # noqa: BLE001 - the process boundary: nothing may pass it as a traceback
        return _fail(_internal(error))
    return code


def _invoke(group: click.Group, arguments: Sequence[str]) -> int:
    """Let click parse and call; a verb's own return value is the exit code, None is 0.

    Not ``group.main``: it answers a broken pipe with 1, which here would mean a bad answer.
    """
    try:
        with group.make_context(PROGRAM, list(arguments)) as context:
            result = group.invoke(context)
    except click.exceptions.Exit as error:
        result = error.exit_code
    except SystemExit as error:
        result = error.code
    if result is None:
        return EXIT_GOOD
    if isinstance(result, int) and not isinstance(result, bool):
        return result
    raise TypeError(f"a verb ended with {result!r}, which is not an exit code")


def _fail(message: str, code: int = EXIT_COULD_NOT_RUN) -> int:
    """Say one line on standard error; return the exit code."""
    click.echo(f"{PROGRAM}: {one_line(message)}", err=True)
    return code


def _unknown_verb(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    return f"there is no verb '{name}'; {hint}'{PROGRAM} --help' lists them"


def _describe(error: click.ClickException) -> str:
    """A usage error with the place to read on."""
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if isinstance(ctx, click.Context) else PROGRAM
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return f"'{path}' needs another word; see '{path} --help'"
    message = error.format_message().rstrip(".")
    return f"{message}; see '{path} --help'"


def _describe_os(error: OSError) -> str:
    """What the operating system refused, and on which file."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename is not None else reason


def _internal(error: Exception) -> str:
    """An unexpected error as one line; the traceback goes before it when AXIOM_DEBUG is 1."""
    if os.environ.get("AXIOM_DEBUG") == "1":
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "?"
    return (
        f"internal error: {type(error).__name__}: {error} (at {place}); please report it with the "
        f"command you gave; AXIOM_DEBUG=1 shows more"
    )


def _reader_left() -> int:
    """The reader of a pipe has gone (``axiom query … | head``): not an error, nothing more to say.

    Standard output is pointed at the null device so that the interpreter's last flush is quiet.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_GOOD


if __name__ == "__main__":
    sys.exit(main())
