"""The engine that recorded a session is found by its code's content, and replays it identical."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.runner import code_digest, own_code_digest
from scripts import engines
from scripts.engines import (
    TABLE,
    EngineError,
    EngineRow,
    History,
    find_commit,
    load_engines,
    main,
    pack,
    record,
    replay_with,
    whole_digest,
    write_engines,
)
from scripts.goldens import GOLDENS, Pin, load_pins
from tests.scripts.repository import Repository

ROW = EngineRow("1.2.3", "a" * 64, "b" * 64, "c" * 40, ("3.11",), ("msgspec==1",))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Three commits: the second changes the core, the third the runner and a room beside it."""
    made = Repository(tmp_path / "repository")
    made.commit({"engine/core.py": "a = 1", "events/base.py": "b", "engine/runner.py": "r = 1"})
    made.commit({"engine/core.py": "a = 2", "engine/gates/risk.py": "c = 1\n", "engine/x.py": ""})
    made.commit({"engine/runner.py": "r = 2", "cli/main.py": "m = 1"})
    return made


def test_a_commit_has_the_digest_that_its_files_have(repository: Repository) -> None:
    """Git's objects give what ``code_digest`` gives of the files, empty ones and new lines too."""
    history, seen = repository.history, set()
    for commit in repository.git("rev-list", "HEAD").split():
        repository.git("checkout", "--quiet", commit)
        assert history.digest(commit) == code_digest(repository.root)
        seen.add(history.digest(commit))
    assert len(seen) == 2


def test_the_runner_was_a_folder_once(tmp_path: Path) -> None:
    """Commits of that time have the digest that their engine gave: without the folder."""
    made = Repository(tmp_path / "repository")
    digests = [
        made.history.digest(made.commit({"engine/core.py": "a = 1", name: "r = 1"}))
        for name in ("engine/runner/x.py", "cli/main.py")
    ]
    assert digests[0] == digests[1]


def test_an_engine_is_found_by_its_content(repository: Repository) -> None:
    """Without a table, by a table that is right, and in spite of one that is wrong."""
    commits = repository.git("rev-list", "--reverse", "HEAD").split()
    history = repository.history
    first, second = history.digest(commits[0]), history.digest(commits[1])
    assert find_commit(first, [], history) == commits[0]
    right = replace(ROW, code_digest=second, commit=commits[1])
    assert find_commit(second, [right], history) == commits[1]
    for wrong in (commits[0], "d" * 40):
        row = replace(ROW, code_digest=second, commit=wrong)
        assert find_commit(second, [row], history) == commits[2]


def test_an_engine_that_is_nowhere_says_what_to_do(repository: Repository) -> None:
    """No commit has it: the history is not whole, or the release's archive is needed."""
    with pytest.raises(EngineError, match="fetch the whole history"):
        find_commit("e" * 64, [ROW], repository.history)


def test_the_present_engine_is_this_checkout_s() -> None:
    """What HEAD would give is what the running program says, once it is committed."""
    history = History()
    if history.git("status", "--porcelain", "--", "engine", "events"):
        pytest.skip("engine/ or events/ hold changes that are not committed")
    assert history.digest("HEAD") == own_code_digest()


def test_every_golden_s_engine_is_in_the_table() -> None:
    """Each pinned code digest has a row, no digest has two, and the file is as it is written."""
    rows = load_engines()
    digests = [row.code_digest for row in rows]
    assert {pin.code_digest for pin in load_pins()} <= set(digests)
    assert len(digests) == len(set(digests))


def test_the_table_is_written_as_it_is_read(tmp_path: Path) -> None:
    """Every field survives, and the file in docs/ is one that this writes."""
    path = tmp_path / "engines.toml"
    write_engines([*load_engines(), ROW], path)
    assert load_engines(path) == [*load_engines(), ROW]
    write_engines(load_engines(), path)
    assert path.read_text() == TABLE.read_text()
    path.write_text("[[engine]]\nname = 1\n")
    with pytest.raises(EngineError, match=r"engines\.toml"):
        load_engines(path)


def test_a_release_is_recorded_once_and_from_what_is_committed(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row names HEAD and its digest; a second row of a name, and code not in HEAD, are no."""
    path, head = tmp_path / "engines.toml", repository.git("rev-parse", "HEAD")
    write_engines([], path)
    monkeypatch.setattr("scripts.matrix.pythons", lambda: ([], []))
    with pytest.raises(EngineError, match="commit them first"):
        record("1.0.0", repository.history, path)
    monkeypatch.setattr(engines, "own_code_digest", lambda: code_digest(repository.root))
    row = record("1.0.0", repository.history, path)
    assert (row.commit, row.code_digest) == (head, code_digest(repository.root))
    assert row.packages[0].startswith("msgspec==")
    assert load_engines(path) == [row]
    with pytest.raises(EngineError, match="recorded already"):
        record("1.0.0", repository.history, path)


def test_a_digest_may_be_named_by_its_head() -> None:
    """Eight characters that mean one engine; fewer, or none that fits, are refused."""
    rows = [ROW, replace(ROW, code_digest="ab" * 32)]
    assert whole_digest("abababab", rows) == "ab" * 32
    for head in ("aaaaaaa", "ffffffff", ""):
        with pytest.raises(EngineError, match="engines: give 8 or more"):
            whole_digest(head, rows)


def test_an_engine_is_packed_whole(repository: Repository, tmp_path: Path) -> None:
    """The archive holds the commit's files, of that commit, whatever is checked out."""
    first = repository.git("rev-list", "--reverse", "HEAD").split()[0]
    pack(first, tmp_path / "engine.tar", repository.history)
    with tarfile.open(tmp_path / "engine.tar") as archive:
        content = archive.extractfile("engine/core.py")
        assert content is not None
        assert content.read() == b"a = 1"
        assert "engine/gates/risk.py" not in archive.getnames()


REPLAY = """
import sys
print('{"outcome": "identical"}')
sys.exit(%d)
"""


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_old_code_s_word_is_passed_on(
    repository: Repository, tmp_path: Path, code: int
) -> None:
    """Its report and its exit code, 0 or 1; one that could not run is named by its commit."""
    files = {"replay/__init__.py": "", "replay/__main__.py": REPLAY % code}
    commit = repository.commit(files)
    if code == 2:
        with pytest.raises(EngineError, match=f"{commit[:12]} did not replay it"):
            replay_with(commit, tmp_path, repository.history)
        return
    ended, report = replay_with(commit, tmp_path, repository.history)
    assert (ended, json.loads(report)) == (code, {"outcome": "identical"})


def test_an_engine_from_before_there_was_a_replay_says_so(
    repository: Repository, tmp_path: Path
) -> None:
    """It recorded, and has nothing to replay with."""
    with pytest.raises(EngineError, match="from before there was one"):
        replay_with("HEAD", tmp_path, repository.history)


BEFORE_REPLAY = ("intent_approved_v1",)
"""Goldens of an engine from before there was a replay: it recorded, and can do no more."""
REPLAYABLE = [pin for pin in load_pins() if pin.name not in BEFORE_REPLAY]


@pytest.mark.slow
@pytest.mark.parametrize("pin", REPLAYABLE, ids=lambda pin: pin.name)
def test_a_golden_is_identical_under_the_code_that_recorded_it(pin: Pin) -> None:
    """That code, taken out of the history and run, gives every byte again."""
    history = History()
    try:
        commit = find_commit(pin.code_digest, load_engines(), history)
        _, report = replay_with(commit, GOLDENS / pin.name, history)
    except EngineError as error:
        pytest.skip(str(error))
    told = json.loads(report)
    assert (told["outcome"], told["digest"]) == ("identical", pin.digest)


def test_the_command_lists_and_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each engine with its place; a folder without a session, or an unknown digest, is exit 2."""
    assert main(["list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(load_engines())
    for words in (["replay", str(tmp_path)], ["pack", "ffffffff", str(tmp_path / "x")]):
        assert main(words) == 2
        err = capsys.readouterr().err
        assert err.startswith("engines: ")
        assert err.count("\n") == 1
