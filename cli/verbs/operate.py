"""The verbs with which an operator speaks to the engine that runs, one row each.

Lives here: the table of words, the click command of a row, the kill file of ``halt --file``. May
import: ``cli``, ``adapters.control``, ``engine.commands``, the reason table. Always holds: what the
engine answered is the exit code: 0 accepted, 1 refused, 2 not known; a halt asks nothing first.
Start reading at ``WORDS``, then ``_give``; verbs that stand elsewhere give theirs by ``give``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click
from msgspec.structs import replace

from adapters.control.protocol import ACCEPTED, PENDING, CommandAnswer, CommandRequest
from cli.errors import EXIT_BAD, EXIT_GOOD, UserError, one_line
from cli.options import Common, recorded_options
from engine.commands import BY_VERB, checked, word_of
from events.session import OperatorCommand

if TYPE_CHECKING:
    from adapters.control.client import ControlError

Folders = tuple[Path, ...]


class Flag(NamedTuple):
    """A flag and the command's value that it stands for; ``{}`` in it is the flag's own, which the
    help calls ``metavar``."""

    name: str
    value: str
    help: str
    metavar: str = "ID"


class Word(NamedTuple):
    """One verb of the program: its command, what it is about, its flags, how its reason is given.

    ``reason`` is None (by --why alone), ``REASON`` (must be given) or ``[REASON]`` (may be). Of
    several flags that are given the last of the row counts; ``one``: exactly one must be given.
    """

    name: str
    verb: str
    about: str | None
    reason: str | None
    flags: tuple[Flag, ...]
    one: bool
    text: str
    example: str


_CLOSE: Final = "Also close every position."

WORDS: Final = (
    Word("approve", "APPROVE", "ID", None, (), False,
         "Approve an entry that waits for a person.\n\nEvery gate is asked again first.",
         "axiom approve 3f9a1c2b7d40"),
    Word("reject", "REJECT", "ID", None, (), False,
         "Turn down an entry that waits for a person.", "axiom reject 3f9a1c2b7d40 --why late"),
    Word("arm", "ARM", None, None, (), False,
         "Let approved entries be sent for a while.", "axiom arm --confirm LIVE"),
    Word("disarm", "DISARM", None, None, (), False,
         "Let no approved entry be sent.", "axiom disarm"),
    Word("halt", "HALT", None, "[REASON]",
         (Flag("--cancel", "CANCEL", "Also cancel every working order."),
          Flag("--flatten", "FLATTEN", _CLOSE)), False,
         "Halt: no new entry, until 'axiom resume'. Asks for nothing, and works before anything is"
         " written.\n\nExits, stops and reconciliation go on. With --file a file says it, to an"
         " engine that cannot be asked, and to the next one at its start.",
         "axiom halt 'the index feed is wrong' --cancel"),
    Word("resume", "RESUME", None, "REASON", (), False,
         "Let entries go on after a halt.", "axiom resume 'feed looked at, prices agree'"),
    Word("flatten", "FLATTEN", None, None, (), False,
         "Cancel every order and close every position.\n\nWith --emergency a process of its own"
         " does it from the broker's books, whatever the engine does: long positions are sold,"
         " shorts, those of pairs apart, only with --include-short; 0 when the broker shows the"
         " account flat, else 1 with what to do by hand. GTT orders are not touched.",
         "axiom flatten --confirm SIM"),
    Word("exit", "EXIT", "POSITION", None, (), False,
         "Close one position, and nothing else: no other position or order is touched, and entries"
         " go on.\n\nPOSITION is its whole id: 'axiom ask trades' lists them. It leaves as by any"
         " exit: its stop is cancelled, then it is sold, priced again until it is. A pair goes as a"
         " whole, its sold leg first. One that is not held, or leaves already, is refused.",
         "axiom exit 3f9a1c2b7d40e651 --why 'results tonight'"),
    Word("resolve", "RESOLVE", "INTENT", None,
         (Flag("--lapsed", "LAPSED", "It did not happen: no order of it is at the broker."),
          Flag("--order", "ORDER:{}", "It is this order of the broker."),
          Flag("--holds", "HOLDS:{}", "Of its position the broker holds so many units.", "UNITS")),
         True,
         "Say what became of an order whose fate is unknown, or of an order or a position that the"
         " broker does not show.\n\n--holds is taken where the broker's last two books say the"
         " same, and needs --why: what is missing counts as sold by others, at the lower of bid and"
         " cost, and the result is marked as unconfirmed.",
         "axiom resolve 9c41d07e5b22aa10 --order 251120000123456"),
    Word("adopt", "ADOPT", "ORDER", None, (), False,
         "Manage an order or position that is not ours from here on.",
         "axiom adopt 251120000123456"),
    Word("ack", "ACK", "INCIDENT", None, (), False,
         "Say that a person has seen an incident.", "axiom ack I3 --why 'router restarted'"),
    Word("promote", "PROMOTE", "STRATEGY", None,
         (Flag("--research", "RESEARCH", "Back to research."),
          Flag("--paper", "PAPER", "To paper: also out of quarantine."),
          Flag("--pilot", "PILOT:{}", "To LIVE under the risk profile PILOT.", "NAMED"),
          Flag("--live", "LIVE:{}", "To LIVE.", "NAMED"),
          Flag("--retired", "RETIRED", "Out of use for good.")), True,
         "Move a strategy in its lifecycle.\n\nNAMED is CODE:PARAMETERS, and :ALGO where there is"
         " an algo id: 'axiom config show --strategies' tells it. LIVE enters with that code and"
         " those parameters alone. --pilot and --live need the evidence as --why.",
         "axiom promote trend.v1 --pilot 1f0c6a2b9d3e:77aa01c2d3e4 --why 'paper since June: W12'"),
    Word("quarantine", "QUARANTINE", "STRATEGY", None, (), False,
         "Let a strategy enter no more, in any mode; its positions are exited by their plan.",
         "axiom quarantine trend.v1 --why 'loses since Monday'"),
    Word("stop", "STOP", None, None,
         (Flag("--flatten", "FLATTEN", "Close every position first."),
          Flag("--leave-protected", "LEAVE_PROTECTED", "Leave positions with their stops.")), True,
         "End the session of the engine that runs.", "axiom stop --leave-protected --confirm SIM"),
)  # fmt: skip
"""Every verb of this file, in the order of the contract."""

FILE: Final = "--file"
EMERGENCY: Final = "--emergency"
REST: Final = "--rest"
SHORTS: Final = "--include-short"
EXTRA: Final[dict[str, tuple[tuple[str, str | None, str], ...]]] = {
    "halt": ((FILE, None, "Leave the kill file, asking no engine."),),
    "flatten": (
        (EMERGENCY, None, "By a process of its own, from the broker's books, without the engine."),
        (SHORTS, None, "With --emergency: also buy back what is short and no pair's."),
        (REST, "URL", "With --emergency: another address of the broker's REST interface."),
    ),
}
"""Options that are no value of the command: name, what it takes (None: a flag), help."""
JUDGED_BY_THE_ENGINE: Final = ("CMD_NOT_IN_MODE", "CMD_WHILE_HALTED")
"""Refusals that are the engine's to give and its journal's to keep."""


def _command(word: Word) -> click.Command:
    """The click command of a row."""

    @recorded_options
    def run(common: Common, **given: Any) -> int:
        return _give(word, common, given)

    for parameter in reversed(tuple(_parameters(word))):
        run = parameter(run)
    text = (
        f"{word.text}\n\nExit code 0 when the engine accepted it, 1 when it refused, 2 when no"
        f" engine answered.\n\n\b\nExample:\n    {word.example}"
    )
    return click.command(name=word.name, help=text)(run)


def _parameters(word: Word) -> Iterator[Callable[[Any], Any]]:
    """Arguments first, then the flags of the row, then those that every verb has."""
    if word.about is not None:
        yield click.argument("subject", metavar=word.about)
    if word.reason is not None:
        needed = word.reason == "REASON"
        yield click.argument("why", metavar=word.reason, required=needed)
    for flag in word.flags:
        kind: dict[str, Any] = (
            {"metavar": flag.metavar} if "{}" in flag.value else {"is_flag": True}
        )
        yield click.option(flag.name, _name(flag.name), help=flag.help, **kind)
    for name, metavar, text in EXTRA.get(word.name, ()):
        kind = {"is_flag": True} if metavar is None else {"metavar": metavar}
        yield click.option(name, _name(name), help=text, **kind)
    if word.reason is None:
        yield click.option("--why", metavar="TEXT", help="Kept in the journal.")
    yield click.option(
        "--confirm", metavar="WORD", help="The word of the mode, if it is asked for."
    )
    yield click.option("--id", "command_id", metavar="ID", help="Ask again about this command.")


def _name(flag: str) -> str:
    """What click calls a flag."""
    return flag.lstrip("-").replace("-", "_")


def stop_engine(common: Common, flag: str) -> int:
    """``axiom stop`` with one of its flags, which asks for its word as there."""
    word = next(one for one in WORDS if one.name == "stop")
    flags = {_name(one.name): one.name == flag for one in word.flags}
    return _give(word, common, {**flags, "why": None, "confirm": None, "command_id": None})


# --- giving a command -----------------------------------------------------------------------------


def _give(word: Word, common: Common, given: dict[str, Any]) -> int:
    """Check what was typed, ask the engine, say what it answered."""
    from adapters.control.place import runtime_folders
    from engine.commands import kept

    value, why = _value(word, given), kept(given["why"] or "")
    if given.get(_name(EMERGENCY)):
        from cli.emergency import run_emergency

        rest, shorts = given[_name(REST)], given[_name(SHORTS)]
        return run_emergency(common, rest, given["confirm"], why, include_short=shorts)
    for name in (REST, SHORTS):
        if given.get(_name(name)):
            raise UserError(f"{name} belongs to 'axiom flatten {EMERGENCY}'")
    folders = runtime_folders(common.home, common.desk)
    if given.get(_name(FILE)):
        return _leave_file(common, folders, value, why)
    subject, confirm, id_ = given.get("subject"), given["confirm"], given["command_id"]
    return give(common, word.verb, subject, value, why, confirm, id_)


def give(
    common: Common,
    verb: str,
    subject: str | None,
    value: str | None,
    why: str,
    confirm: str | None,
    command_id: str | None,
) -> int:
    """Give one command to the engine of the desk; its answer is told, and is the exit code. The
    word of the mode is asked for where it is needed and was not given. Raises ``UserError``."""
    from adapters.control.place import runtime_folders

    folders = runtime_folders(common.home, common.desk)
    request = request_of(verb, subject, value, why, confirm, command_id)
    if confirm is None and BY_VERB[verb].dangerous:
        request = replace(request, word=_asked_word(common, folders, request))
    answer = _answer(common, folders, request)
    _show(common, verb, answer)
    return EXIT_GOOD if answer.outcome == ACCEPTED else EXIT_BAD


def _value(word: Word, given: dict[str, Any]) -> str | None:
    """The command's value by the flags that were given."""
    there = [(flag, given[_name(flag.name)]) for flag in word.flags if given[_name(flag.name)]]
    if word.one and len(there) != 1:
        names = _listed([flag.name for flag in word.flags])
        raise UserError(f"give one of {names}; see 'axiom {word.name} --help'")
    if not there:
        return None
    flag, text = there[-1]
    return flag.value.format(text)


def _listed(names: list[str]) -> str:
    """Names of which one is to be chosen."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def request_of(
    verb: str,
    subject: str | None,
    value: str | None,
    why: str,
    confirm: str | None,
    command_id: str | None,
) -> CommandRequest:
    """The command as it is sent. ``UserError`` where no engine could take it."""
    id_ = command_id or f"c{secrets.token_hex(8)}"
    command = OperatorCommand(verb, "", why, subject, value, id_, "SOCKET")
    code = checked(command, BY_VERB[verb].modes[0], halted=False)
    if code is not None and code not in JUDGED_BY_THE_ENGINE:
        raise UserError(f"{code}: {_sentence(code)}")
    return CommandRequest(verb, subject, value, why, confirm, id_)


def _asked_word(common: Common, folders: Folders, request: CommandRequest) -> str:
    """The word that the person types, knowing which engine it is about."""
    from adapters.control.client import ask_status
    from cli.output import clean, say

    with _told(common):
        status = ask_status(folders).status
    if status is None:
        raise UserError("the engine has not said yet how it is: try again in a moment")
    word = word_of(status.mode)
    if common.json:
        raise UserError(f"{request.verb} in {status.mode} needs its word: --confirm {word}")
    say(f"{status.session}: {BY_VERB[request.verb].sentence}")
    typed = click.prompt(f"Type {clean(word)} to confirm", err=True)
    if typed.strip() != word:
        raise UserError(f"that is not {word}: nothing was done")
    return word


def _answer(common: Common, folders: Folders, request: CommandRequest) -> CommandAnswer:
    from adapters.control.client import ask

    with _told(common, halt=request.verb == "HALT"):
        answer = ask(folders, request)
    if answer.outcome == PENDING:
        raise UserError(pending_line(request))
    return answer


def pending_line(request: CommandRequest) -> str:
    """The line about a command that the engine has and has not answered."""
    more = "; no entry leaves from here on" if request.verb == "HALT" else ""
    return (
        f"the engine has the command and has not journaled an answer{more}: ask again with"
        f" --id {request.command_id}"
    )


@contextmanager
def _told(common: Common, *, halt: bool = False) -> Iterator[None]:
    """Nobody there, or no answer, as one line that says what to do."""
    from adapters.control.client import ControlError

    try:
        yield
    except ControlError as error:
        raise UserError(unanswered_line(common.desk, error, halt=halt)) from error


def unanswered_line(desk: str, error: ControlError, *, halt: bool) -> str:
    """The line about an engine that is not there or does not answer, with what to do."""
    from adapters.control.client import NoEngine

    by_file = "'axiom halt --file' halts one that cannot be asked, and the next one at its start"
    if isinstance(error, NoEngine):
        to_do = by_file if halt else "'axiom run' starts one"
        return f"no engine of desk '{desk}' answers: {error}{to_do}"
    to_do = by_file if halt else "look at 'axiom journal tail'"
    return f"{error}; it may have the command: {to_do}"


def _show(common: Common, verb: str, answer: CommandAnswer) -> None:
    from cli.output import show, write_json

    reason = answer.reason or ""
    if common.json:
        row = {"verb": verb, "sentence": _sentence(reason)}
        write_json({**row, **{n: getattr(answer, n) for n in answer.__struct_fields__}})
        return
    show(answer_line(verb, answer))


def answer_line(verb: str, answer: CommandAnswer) -> str:
    """What the engine answered, as one line."""
    reason = answer.reason or ""
    entry = f" (entry {answer.seq})" if answer.seq is not None else ""
    if answer.outcome != ACCEPTED:
        return f"{verb} refused{entry}: {reason}: {_sentence(reason)}"
    # A halt that a resume leaves in force, a limit that waits: taken, and not all that is so.
    but = "" if reason == "CMD_ACCEPTED" else f", but {reason}: {_sentence(reason)}"
    return f"{verb} accepted{entry}{but}"


def _sentence(code: str) -> str:
    """What a code means and what to do, by the reason table."""
    from events.reasons import BY_CODE

    row = BY_CODE.get(code)
    return one_line(f"{row.sentence} {row.what_to_do}") if row is not None else ""


# --- the kill file --------------------------------------------------------------------------------


def _leave_file(common: Common, folders: Folders, level: str | None, why: str) -> int:
    """Put the kill file wherever an engine of the desk looks."""
    from cli.kill_files import leave_kill_files
    from cli.output import say, show, write_json

    left, failed = leave_kill_files(common, folders, level, why)
    for line in failed:
        say(f"axiom: {line}")
    if not left:
        raise UserError("the kill file could be put nowhere: stop the engine's process")
    if common.json:
        write_json({"verb": "HALT", "value": level, "files": [*map(str, left)], "failed": failed})
    else:
        show("\n".join(map(str, left)))
        say("an engine that runs halts within a second; the next one starts halted")
    return EXIT_GOOD


approve, reject, arm, disarm, halt, resume, flatten = map(_command, WORDS[:7])
exit_, resolve, adopt, ack, promote, quarantine, stop = map(_command, WORDS[7:])
