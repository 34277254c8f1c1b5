"""S07: the control socket. Nobody but our user is heard, a hostile asker ends alone, and a command
is one command however often it is asked."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections import deque
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.control.client import NoAnswer, NoEngine, ask, ask_status
from adapters.control.protocol import (
    ANSWER_BYTES_MAX,
    MAGIC,
    REQUEST_BYTES_MAX,
    VERSION,
    CommandAnswer,
    CommandRequest,
    Fault,
    Frames,
    Status,
    StatusRequest,
    answer_of,
    frame,
)
from adapters.control.server import ControlBusy, Limits, peer_uid
from adapters.session.clock import NS_PER_S
from events.governance import CommandAnswered
from tests.adapters.control.desk import DEADLINE_S, Desk, asking, running, until
from tests.adapters.control.test_protocol import header

QUICK = Limits(idle_s=0.2, answer_s=0.3)
STATUS = Status("2026-11-20-sim-0", "SIM", "READY", (), 12, 34, (), (), ())


def raw(desk: Desk) -> socket.socket:
    """A connection that speaks as it likes."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(str(desk.server.path))
    sock.settimeout(DEADLINE_S)
    return sock


def everything(sock: socket.socket) -> bytes:
    """What comes until the other end hangs up."""
    got = b""
    try:
        while data := sock.recv(4096):
            got += data
    except ConnectionResetError:
        return got
    return got


def answers_in(data: bytes) -> list[object]:
    """The answers in what came."""
    return [answer_of(payload) for payload in Frames(ANSWER_BYTES_MAX).feed(data)]


def in_background(desk: Desk, request: CommandRequest) -> tuple[threading.Thread, list[object]]:
    """Ask from another thread; the answer is in the list once the thread has ended."""
    got: list[object] = []
    thread = threading.Thread(target=lambda: got.append(ask((desk.folder,), request)))
    thread.start()
    return thread, got


# --- commands -------------------------------------------------------------------------------------


def test_a_command_reaches_the_engine_and_its_answer_comes_back(root: Path) -> None:
    """With who asks as the system knows him, what was said as given, and the entry that answers."""
    with running(root) as desk:
        thread, got = in_background(desk, asking("ACK", "c-7", subject="I3", why="seen  it"))
        command = desk.next()
        assert (command.verb, command.subject, command.why) == ("ACK", "I3", "seen  it")
        assert (command.command_id, command.channel) == ("c-7", "SOCKET")
        assert got == []
        desk.answer(command, "REFUSED", "CMD_SUBJECT_UNKNOWN")
        thread.join(DEADLINE_S)
        assert got == [CommandAnswer("c-7", "REFUSED", "CMD_SUBJECT_UNKNOWN", 1)]


def test_no_answer_before_the_journal_has_it(root: Path) -> None:
    """An engine that takes a command and cannot journal: PENDING at the deadline, not a guess; the
    same id asked again later gets the answer."""
    with running(root, limits=QUICK) as desk:
        request = asking("DISARM", "c-1")
        assert ask((desk.folder,), request) == CommandAnswer("c-1", "PENDING", None, None)
        desk.answer(desk.next())
        until(lambda: ask((desk.folder,), request).outcome == "ACCEPTED")
        assert desk.inbox.empty()


def test_the_same_id_is_one_command(root: Path) -> None:
    """From many connections, before and after the answer: one command, the same answer to each."""
    with running(root) as desk:
        request = asking("DISARM", "c-1")
        asked = [in_background(desk, request) for _ in range(8)]
        command = desk.next()
        until(lambda: len(desk.server._commands["c-1"].deadlines) == 8)
        desk.answer(command)
        for thread, _ in asked:
            thread.join(DEADLINE_S)
        assert [got for _, got in asked] == [[ask((desk.folder,), request)]] * 8
        assert desk.inbox.empty()
        other = ask((desk.folder,), asking("DISARM", "c-1", why="another"))
        assert other == CommandAnswer("c-1", "REFUSED", "CMD_ID_REUSED", None)


REFUSED = [
    (asking("HALTS"), "CMD_UNKNOWN"),
    (asking("HALT", value="HARD"), "CMD_VALUE"),
    (asking("HALT", why="\x1b[2J"), "CMD_TEXT"),
    (asking("HALT", ""), "CMD_TEXT"),
    (asking("RESUME", word="SIM"), "CMD_WHY_MISSING"),
    (asking("RESUME", why="good again"), "CMD_NOT_CONFIRMED"),
    (asking("FLATTEN", word="LIVE"), "CMD_NOT_CONFIRMED"),
    (asking("PROMOTE", subject="TREND", value="UP"), "CMD_VALUE"),
]


@pytest.mark.parametrize(("request_", "code"), REFUSED, ids=[code for _, code in REFUSED])
def test_what_is_not_fit_does_not_reach_the_engine(
    root: Path, request_: CommandRequest, code: str
) -> None:
    """Its code comes back, nothing is journaled, nothing is halted."""
    with running(root) as desk:
        answer = ask((desk.folder,), request_)
        assert answer == CommandAnswer(request_.command_id, "REFUSED", code, None)
        assert desk.inbox.empty()
        assert not desk.kill.halted


def test_a_full_inbox_is_said(root: Path) -> None:
    """CMD_BUSY where the engine has no room, and where too many wait for it; never a lost one."""
    with running(root, room=2, limits=Limits(answer_s=0.1, waiting=2)) as desk:
        outcomes = [ask((desk.folder,), asking("DISARM", f"c-{n}")).reason for n in range(4)]
        assert outcomes == [None, None, "CMD_BUSY", "CMD_BUSY"]
        desk.answer(desk.next())
        until(lambda: ask((desk.folder,), asking("DISARM", "c-0")).outcome == "ACCEPTED")
        assert ask((desk.folder,), asking("DISARM", "c-3")).outcome == "PENDING"


def test_a_command_that_comes_too_late_is_refused(root: Path) -> None:
    """Older than its life, or of a time to come: CMD_EXPIRED, and the engine never hears of it.
    At its last moment it is handed on with that moment; what stops or closes has none."""
    life_ns, now_ns = int(Limits().life_s * NS_PER_S), [10**12]
    with running(root, obliging=True, boot=lambda: now_ns[0]) as desk, raw(desk) as sock:

        def sent(verb: str, id_: str, asked_ns: int) -> object:
            word = "SIM" if verb in ("ARM", "FLATTEN") else None
            request = replace(asking(verb, id_, why="so", word=word), asked_ns=asked_ns)
            sock.sendall(frame(request))
            return answers_in(sock.recv(4096))[0]

        for number, asked_ns in enumerate((now_ns[0] - life_ns - 1, now_ns[0] + 1, 0)):
            late = sent("ARM", f"c-{number}", asked_ns)
            assert late == CommandAnswer(f"c-{number}", "REFUSED", "CMD_EXPIRED", None)
        assert desk.taken == []
        assert sent("ARM", "c-9", now_ns[0] - life_ns) == CommandAnswer(
            "c-9", "ACCEPTED", "CMD_ACCEPTED", 1
        )
        assert desk.until_ns == {"c-9": now_ns[0]}
        for verb in ("HALT", "FLATTEN", "DISARM"):
            assert sent(verb, f"c-{verb}", 0) != late
        assert [command.verb for command in desk.taken[1:]] == ["HALT", "FLATTEN", "DISARM"]
        assert desk.until_ns["c-FLATTEN"] is desk.until_ns["c-DISARM"] is None
        assert desk.kill.halted


def test_what_the_engine_takes_too_late_is_told(root: Path) -> None:
    """Whoever waits hears CMD_EXPIRED, and the same id asked again is answered the same."""
    with running(root) as desk:
        request = asking("ARM", "c-1", word="SIM")
        thread, got = in_background(desk, request)
        desk.next()
        desk.server.expired("c-1")
        thread.join(DEADLINE_S)
        expired = CommandAnswer("c-1", "REFUSED", "CMD_EXPIRED", None)
        assert got == [expired] == [ask((desk.folder,), request)]
        assert desk.inbox.empty()


def test_a_status_is_the_last_one_published(root: Path) -> None:
    """Nothing before the first; then the newest with its age, without a word to the engine."""
    now = [100.0]
    with running(root, clock=lambda: now[0]) as desk:
        assert ask_status((desk.folder,)).status is None
        desk.server.publish(STATUS)
        now[0] += 1.5
        answer = ask_status((desk.folder,))
        assert (answer.status, answer.age_ms) == (STATUS, 1500)
        assert desk.inbox.empty()


# --- who is heard ---------------------------------------------------------------------------------


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    """The real credentials of a socket are ours."""
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert peer_uid(one) == os.getuid()


def test_another_user_is_dropped_unread(root: Path) -> None:
    """S07: whoever is not us gets no answer, and nothing of what he says is looked at."""
    with running(root, peer=lambda sock: os.getuid() + 1) as desk:
        with raw(desk) as sock:
            assert everything(sock) == b""
        with pytest.raises(NoAnswer, match="broke"):
            ask((desk.folder,), asking())
        assert desk.inbox.empty()
        assert not desk.kill.halted


def test_nobody_at_the_other_end_is_nobody(root: Path) -> None:
    """A peer that the kernel cannot name is no friend."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as alone:
        assert peer_uid(alone) == -1


def test_the_asker_believes_only_his_own_user(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's socket in our place is not an engine."""
    with running(root, obliging=True) as desk:
        monkeypatch.setattr("adapters.control.client.peer_uid", lambda sock: os.getuid() + 1)
        with pytest.raises(NoEngine):
            ask((desk.folder,), asking())


# --- what is no request ---------------------------------------------------------------------------


def test_a_browser_is_told_nothing(root: Path) -> None:
    """S07: a request of HTTP is hung up on without a byte."""
    with running(root, obliging=True) as desk, raw(desk) as sock:
        sock.sendall(b"POST /halt HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        assert everything(sock) == b""
        assert not desk.kill.halted


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (header(REQUEST_BYTES_MAX + 1), "OVERSIZE"),
        (header(1, version=9), "OTHER_VERSION"),
        (header(3) + b"\x91\xa1x", "MALFORMED"),
        (frame(StatusRequest())[:-1] + b"\xc1", "MALFORMED"),
    ],
)
def test_a_wrong_frame_is_named_and_ends_the_connection(root: Path, data: bytes, code: str) -> None:
    """S07: an oversize frame by its header alone. What came before it was answered."""
    with running(root) as desk, raw(desk) as sock:
        sock.sendall(frame(StatusRequest()) + data)
        answers = answers_in(everything(sock))
        assert isinstance(answers[-1], Fault)
        assert answers[-1].code == code
        assert len(answers) == 2


def test_half_a_frame_is_waited_for_and_then_dropped(root: Path) -> None:
    """S07: who stops in the middle is hung up on; the engine is asked by others meanwhile."""
    with running(root, obliging=True, limits=QUICK) as desk:
        for size in (1, len(MAGIC), 9, 11):
            with raw(desk) as sock:
                sock.sendall(frame(asking("DISARM", "c-half"))[:size])
                assert ask((desk.folder,), asking("DISARM", f"c-{size}")).outcome == "ACCEPTED"
                assert everything(sock) == b""
        assert "c-half" not in [command.command_id for command in desk.taken]


def test_a_connection_that_says_nothing_is_dropped(root: Path) -> None:
    """Idle is over after its time; one that waits for an answer is not idle."""
    with running(root, limits=QUICK) as desk, raw(desk) as silent:
        assert everything(silent) == b""
        assert desk.server._connections == set()


def test_who_waits_for_an_answer_is_not_idle(root: Path) -> None:
    """The engine takes longer than a silent connection may last: the asker is still there."""
    with running(root, limits=Limits(idle_s=0.1, answer_s=DEADLINE_S)) as desk:
        thread, got = in_background(desk, asking("DISARM"))
        command = desk.next()
        for _ in range(2):
            with raw(desk) as silent:
                assert everything(silent) == b"", "it was dropped, and the asker was not"
        desk.answer(command)
        thread.join(DEADLINE_S)
        assert [answer.outcome for answer in got] == ["ACCEPTED"]  # type: ignore[attr-defined]
        assert desk.server._commands["c-1"].command == command
        assert desk.inbox.empty()


def test_a_thousand_connections(root: Path) -> None:
    """S07: the engine keeps its few, the newest; a command among them is answered."""
    held: deque[socket.socket] = deque()
    with running(root, obliging=True) as desk:
        most = 0
        for number in range(1_000):
            held.append(raw(desk))
            if number % 2:
                held[-1].sendall(frame(StatusRequest())[:7])
            if len(held) > 300:
                held.popleft().close()
            most = max(most, len(desk.server._connections))
            if number % 250 == 0:
                answer = ask((desk.folder,), asking("DISARM", f"c-{number}"))
                assert answer.outcome == "ACCEPTED"
        sys.stdout.write(f"1,000 connections, {most} held at most\n")
        assert most <= desk.server._limits.connections
        for sock in held:
            sock.close()
        assert ask((desk.folder,), asking("DISARM", "c-last")).outcome == "ACCEPTED"
        assert desk.server.alive


def test_who_asks_and_does_not_fetch_ends_alone(root: Path) -> None:
    """A slow reader holds a bounded number of answers, then his connection; others go on."""
    with running(root, obliging=True, limits=Limits(requests=1_000_000)) as desk:
        desk.server.publish(STATUS)
        with raw(desk) as slow:
            slow.settimeout(0.5)
            with pytest.raises(OSError):  # reset, a broken pipe, or nothing more is taken
                slow.sendall(frame(StatusRequest()) * 5_000_000)
            held = [len(one.out) for one in list(desk.server._connections)]
            assert max(held, default=0) <= desk.server._limits.out_bytes
            assert ask((desk.folder,), asking("DISARM", "c-1")).outcome == "ACCEPTED"
        assert desk.server.alive


def test_too_many_requests_end_a_connection(root: Path) -> None:
    """FLOOD, after as many answers as are allowed."""
    with running(root, limits=Limits(requests=3)) as desk, raw(desk) as sock:
        sock.sendall(frame(StatusRequest()) * 4)
        answers = answers_in(everything(sock))
        assert len(answers) == 4
        assert answers[-1] == Fault("FLOOD", VERSION)


def test_a_halt_that_is_repeated_without_end_is_bounded(root: Path) -> None:
    """A flood of halts with ids of their own: in force, answered busy, and nothing grows."""
    with running(root, room=1, limits=Limits(answer_s=0.0, requests=10_000)) as desk:
        with raw(desk) as sock:
            for number in range(200):
                sock.sendall(frame(asking("HALT", f"c-{number}")))
            got = b""
            while got.count(b"CMD_BUSY") < 100:
                got += sock.recv(4096)
        assert desk.kill.halted
        assert len(desk.kill._unanswered) <= 65


# --- the engine is never touched ------------------------------------------------------------------


def test_what_the_engine_calls_returns_whatever_the_thread_does(root: Path) -> None:
    """Publishing and answering never wait: not before the start, not with nobody to take it."""
    desk = Desk(root)
    for number in range(20_000):
        desk.server.publish(STATUS)
        desk.server.answered(CommandAnswered(f"c-{number}", "ACK", "ACCEPTED", ""), number)
    assert len(desk.server._answers) == desk.server._limits.remembered
    desk.close()
    desk.server.answered(CommandAnswered("late", "ACK", "ACCEPTED", ""), 1)


def test_old_answers_are_forgotten_and_open_commands_never(root: Path) -> None:
    """What is kept is bounded; a command that the engine has not answered stays known."""
    with running(root, limits=Limits(remembered=3, answer_s=0.05)) as desk:
        assert ask((desk.folder,), asking("DISARM", "open")).outcome == "PENDING"
        desk.next()
        for number in range(6):
            thread, _ = in_background(desk, asking("DISARM", f"c-{number}"))
            desk.answer(desk.next())
            thread.join(DEADLINE_S)
        until(lambda: len(desk.server._commands) == 3)
        assert "open" in desk.server._commands


# --- the socket's file ----------------------------------------------------------------------------


def test_the_socket_is_ours_alone_and_goes_at_the_end(root: Path) -> None:
    """0600 in a folder of 0700, and no file is left."""
    with running(root) as desk:
        path = desk.server.path
        assert path is not None
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert not path.exists()
    with pytest.raises(NoEngine):
        ask_status((desk.folder,))


def test_a_deserted_socket_is_replaced_and_a_served_one_is_not(root: Path) -> None:
    """The file that a dead engine left does not stop the next one; a living engine does."""
    with running(root, obliging=True) as desk:
        second = Desk(root)
        with pytest.raises(ControlBusy, match="another engine"):
            second.server.start()
        second.close()
        path = desk.server.path
        assert path is not None
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(path))
    left.close()
    with running(root, obliging=True) as desk:
        assert ask((desk.folder,), asking("DISARM")).outcome == "ACCEPTED"


def test_a_runtime_folder_that_goes_away_is_made_again(root: Path) -> None:
    """Logging out takes the folder; the engine is found again, in the same place or the next."""
    with running(root, obliging=True) as desk:
        path = desk.server.path
        assert path is not None
        path.unlink()
        path.parent.rmdir()

        def found() -> bool:
            try:
                return ask_status((desk.folder,)).status is None
            except NoEngine:
                return False

        until(found, "it did not listen again")


def test_the_next_folder_is_taken_where_the_best_cannot_be(root: Path) -> None:
    """And the asker, who looks in both, finds it there."""
    (root / "file").touch()
    bad = root / "file" / "desk"
    with running(root, first=(bad,)) as desk:
        assert ask_status((bad, desk.folder)).status is None


def test_an_engine_that_takes_no_connection_has_a_deadline(root: Path) -> None:
    """A frozen engine's socket: the asker is told, and does not wait for ever."""
    folder = root / "run"
    folder.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as frozen:
        frozen.bind(str(folder / "control.sock"))
        frozen.listen(0)
        with pytest.raises(NoAnswer, match="did not answer in time"):
            ask_status((folder,), 0.2)
        with pytest.raises(NoAnswer, match="takes no connection"):
            ask_status((folder,), 0.2)  # the first one still has the only place in the queue
