"""The program ``axiom``: one group whose verbs are loaded when they are called.

Lives here: the entry point, the lazy group, and the boundary where every error becomes one line and
an exit code. May import: click, ``cli`` and adapters.kite.secret. Always holds: standard output
carries answers only, and nobody sees a traceback unless AXIOM_DEBUG is 1; what an error calls a
secret is masked; no process of this program leaves a core file. Start reading at ``main``.
"""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final, TextIO

import click

from cli import __version__
from cli.errors import (
    EXIT_COULD_NOT_RUN,
    EXIT_GOOD,
    Interrupted,
    UserError,
    one_line,
)
from cli.rooms import find_intruder
from cli.table import GROUPS, VERBS, Verb

PROGRAM: Final = "axiom"
COMPLETION_VARIABLE: Final = "_AXIOM_COMPLETE"
INTERRUPTED: Final = "interrupted; nothing more was done: give the command again"

_TO_DO: Final = {
    errno.ENOSPC: "free some space, or choose another disk with --home or --to",
    errno.EDQUOT: "free some space, or choose another disk with --home or --to",
    errno.EROFS: "choose a place that can be written with --home or --to",
    errno.EACCES: "look at its permissions and at those of the folders above it",
    errno.EPERM: "look at its permissions and at those of the folders above it",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}
"""What a person can do about what the operating system refused."""

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
    if arguments is None:
        _begin_again_in_utf8()
    # A core file would hold the memory, and a key or a token in it. Children inherit the limit.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    closed = _closed_streams()
    if closed is not None:
        return _fail(closed)
    intruder = find_intruder()
    if intruder is not None:
        return _fail(intruder)
    group = build_group()
    if COMPLETION_VARIABLE in os.environ:
        group.main(prog_name=PROGRAM)  # the shell asks for completions; click answers and exits
    words = sys.argv[1:] if arguments is None else arguments
    return run(group, words or ["--help"])


def _closed_streams() -> str | None:
    """Give standard input and error a place where the shell closed them; refuse a closed output.

    The first file opened would take the number of a closed stream, and be written into.
    """
    if sys.stdin is None:
        sys.stdin = _null_device("r")
    refused = sys.stdout is None
    if refused:
        sys.stdout = _null_device("w")
    if sys.stderr is None:
        sys.stderr = _null_device("w")
    return "standard output is closed: send it to a file or to /dev/null" if refused else None


def _null_device(mode: str) -> TextIO:
    """Nothing to read, nowhere to write; open as long as the process is."""
    return open(os.devnull, mode, encoding="utf-8")  # type: ignore[return-value]


def _begin_again_in_utf8() -> None:
    """Where the locale's encoding is not UTF-8, run the same command in Python's UTF-8 mode.

    The libraries that read Parquet and databases take paths as UTF-8 whatever the locale says.
    What a terminal cannot show is replaced, as before.
    """
    if sys.getfilesystemencoding().lower() == "utf-8" or sys.flags.utf8_mode:
        return
    encoding = sys.stdout.encoding if sys.stdout is not None else "ascii"
    os.environ.setdefault("PYTHONIOENCODING", f"{encoding}:replace")
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def run(group: click.Group, arguments: Sequence[str]) -> int:
    """Run one command; every way it can end becomes an exit code, with at most one line said."""
    with _remembered_interrupts() as interrupts:
        try:
            code = _invoke(group, arguments)
            sys.stdout.flush()
        except Exception as error:  # noqa: BLE001 - the process boundary: nothing may pass it as a traceback
            # A library may turn an interrupt into an error of its own, as DuckDB does.
            stopped = bool(interrupts) and not isinstance(error, Interrupted)
            return _fail(INTERRUPTED) if stopped else _ended(error)
        except KeyboardInterrupt:
            return _fail(INTERRUPTED)
    return code


@contextmanager
def _remembered_interrupts() -> Iterator[list[int]]:
    """SIGINT raises ``KeyboardInterrupt`` as always, and is also in the list that is given.

    Somebody who ignores it (a shell's background job) or hears it himself is left alone.
    """
    heard: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        signal.default_int_handler(number, frame)

    ours = threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, hear)
    try:
        yield heard
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _ended(error: Exception) -> int:
    """The exit code of a command that ended with an error, and its line."""
    if isinstance(error, UserError):
        return _fail(_masked(str(error)), error.exit_code)
    if isinstance(error, click.ClickException):
        return _fail(_masked(_describe(error)))
    if isinstance(error, EOFError) or isinstance(error.__context__, EOFError):
        return _fail("a question was asked and nobody is there to answer: give it as a flag")
    if isinstance(error, click.Abort):
        return _fail(INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        return _reader_left()
    if isinstance(error, MemoryError):
        return _fail("out of memory: give it more (ulimit -v, the service's limit, the machine)")
    told = _describe_os(error) if isinstance(error, OSError) else _internal(error)
    return _fail(_masked(told))


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


def _masked(text: str) -> str:
    """An error's text without what it calls a secret: it may quote an address that was pasted, or
    be a library's. Imported now, since until the rooms are looked at nothing of one may be."""
    from adapters.kite.secret import masked

    return masked(text)


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
    """What the operating system refused, on which file, and what to do where that is known."""
    reason = error.strerror or str(error) or type(error).__name__
    what = f"{error.filename}: {reason}" if error.filename is not None else reason
    todo = _TO_DO.get(error.errno or 0)
    return f"{what}; {todo}" if todo is not None else what


def _internal(error: Exception) -> str:
    """An unexpected error as one line; the traceback goes before it when AXIOM_DEBUG is 1."""
    if os.environ.get("AXIOM_DEBUG") == "1":
        click.echo(_masked("".join(traceback.format_exception(error))), err=True, nl=False)
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
