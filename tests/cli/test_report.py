"""``axiom report``: the page where it belongs, the same bytes again, and what it refuses."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cli.paths import make_private, sessions_folder
from engine.core import Core
from events.base import Event
from journal.segment import list_segments
from journal.writer import JournalWriter
from projections.report.day import SECTIONS as DAY_SECTIONS
from projections.report.html import MARKER
from projections.report.week import SECTIONS as WEEK_SECTIONS
from scripts.goldens import GOLDENS
from tests.cli.conftest import Call
from tests.engine.fabricated import SmallMarket, run_small
from tests.projections.builders import SessionMaker
from tests.projections.duck.journals import UID


def mode(path: Path) -> int:
    """Permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_a_day_is_one_private_file(axiom: Call, built: Path) -> None:
    """In the session's folder, 0600 in 0700; --json has the same sections and names the file."""
    answer = axiom("report", "day", "latest", "--json")
    assert answer.code == 0
    file = Path(answer.document["file"])
    assert file == built / "reports" / "day.html"
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    assert list(answer.document["sections"]) == [spec.key for spec in DAY_SECTIONS]
    html = file.read_text()
    assert html.startswith(MARKER)
    for section in answer.document["sections"].values():
        assert f"<h2>{section['title']}</h2>" in html
    parity = answer.document["sections"]["replay"]["verdict"]
    assert (parity["outcome"], parity["share"]) == ("identical", "100.00 %")
    assert parity["identical"] == parity["decisions"] == 192
    assert axiom("verify", "latest").code == 0


def test_words_agree_with_why(axiom: Call, built: Path) -> None:
    """Funnel and blockers are the ones of ``why``, code, count and text."""
    day = axiom("report", "day", "--no-replay", "--json").document["sections"]["funnel"]
    asked = axiom("why", "--from", "00:00", "--json").document
    assert day["funnel"] == asked["funnel"]
    told = [(row["gate"], row["reason"], row["sole"], row["text"]) for row in day["blockers"]]
    assert told == [(b["gate"], b["reason"], b["sole"], b["text"]) for b in asked["blockers"]]


@pytest.mark.slow
def test_the_same_session_gives_the_same_bytes(axiom: Call, built: Path, tmp_path: Path) -> None:
    """Written over itself, built anew, and from a copy of the folder in an empty home."""
    first = tmp_path / "a.html"
    assert axiom("report", "day", "latest", "--to", first).code == 0
    before = first.read_bytes()
    assert axiom("report", "day", "latest", "--to", first, "--anew").code == 0
    assert first.read_bytes() == before
    other = ("--home", tmp_path / "none", "--to", tmp_path / "b.html")
    assert axiom("report", "day", built, *other).code == 0
    assert (tmp_path / "b.html").read_bytes() == before


@pytest.mark.parametrize(
    ("there", "said"),
    [("file", "is not a report"), ("empty", "is not a report"), ("link", "is a symbolic link"),
     ("folder", "is a folder"), ("below", "is not a folder")],
)  # fmt: skip
def test_nothing_but_a_report_is_written_over(
    axiom: Call, built: Path, tmp_path: Path, there: str, said: str
) -> None:
    """One line, exit 2, before any work; what was there is there."""
    target = tmp_path / "target"
    if there == "folder":
        target.mkdir()
    elif there == "link":
        (tmp_path / "report.html").write_text(MARKER)
        target.symlink_to(tmp_path / "report.html")
    else:
        target.write_text("<!doctype html>\n<p>mine" if there != "empty" else "")
    place = target / "x.html" if there == "below" else target
    before = target.read_text() if target.is_file() else None
    for kind in ("day", "week"):
        assert said in axiom("report", kind, "latest", "--to", place).refusal
    assert (target.read_text() if target.is_file() else None) == before


def test_a_replay_that_is_left_out_is_said(axiom: Call, built: Path) -> None:
    """The section is there with its reason; in words on the terminal too."""
    answer = axiom("report", "day", "--no-replay")
    assert answer.code == 0
    assert "Replay verdict: replay: it was left out by --no-replay" in answer.out
    assert answer.out.splitlines()[-1].endswith("day.html")


def test_a_diverged_replay_is_a_bad_answer(
    axiom: Call, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written all the same, exit 1, with the first difference; the meter is below 100 %."""
    step = Core.step

    def wrong(self: Any, seq: int, ts: int, event: Event) -> Any:
        group = step(self, seq, ts, event)
        for place, one in enumerate(group):
            if one.entry.kind == "DecisionMade" and seq > 200:
                group[place] = replace(one, data=one.data + b" ")
        return group

    monkeypatch.setattr(Core, "step", wrong)
    answer = axiom("report", "day", "--json")
    assert answer.code == 1
    told = answer.document["sections"]["replay"]
    assert told["verdict"]["outcome"] == "diverged"
    assert 0 < told["verdict"]["identical"] < told["verdict"]["decisions"]
    assert told["first_difference"]["kind"] == "DecisionMade"
    assert Path(answer.document["file"]).exists()


def test_a_session_that_cannot_be_read_leaves_an_earlier_report(axiom: Call, built: Path) -> None:
    """Without a projection, and none to be made of a damaged journal: one line, exit 1, and the
    report of before is as it was."""
    assert axiom("report", "day", "--no-replay").code == 0
    before = (built / "reports" / "day.html").read_bytes()
    segment = sorted(built.glob("*.axs"))[0]
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert axiom("report", "day", "--no-replay", "--anew").damage
    assert (built / "reports" / "day.html").read_bytes() == before


# --- sessions of every sort ------------------------------------------------------------------


class ExitsOnly(SessionMaker):
    """A session that began with the halt of one beside a quarantined session."""

    def _carried(self) -> Any:
        return replace(super()._carried(), halts=("GOV_EXITS_ONLY",))


def written(parent: Path, maker: SessionMaker, *, left_open: bool = False) -> Path:
    """An invented session on disk; one left open lacks its last groups."""
    folder = parent / f"2025-08-29-backtest-{UID}"
    groups = list(maker.groups())
    with JournalWriter.create(folder, UID) as writer:
        for group in groups[:-60] if left_open else groups:
            writer.append(group)
    return folder


@pytest.fixture
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of sessions of an empty home that the program uses."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    return make_private(sessions_folder(tmp_path / "home", "main"))


def day_of(axiom: Call, *words: str) -> Any:
    """The sections of the day's report, and every one of them there."""
    answer = axiom("report", "day", "--json", *words)
    assert answer.code in (0, 1), answer
    found = answer.document["sections"]
    assert list(found) == [spec.key for spec in DAY_SECTIONS]
    for section in found.values():
        assert (section["status"] == "SHOWN") == (section["reason"] is None)
    return found


def test_a_damaged_journal_is_a_bad_answer(axiom: Call, parent: Path) -> None:
    """Damage that the replay meets is its verdict, exit 1, and nothing counts as identical; the
    rest is told from the projection that was made before."""
    folder = run_small(parent, SmallMarket(minutes=3)).folder
    assert axiom("report", "day", "--no-replay").code == 0
    segment = list_segments(folder)[-1].path
    data = bytearray(segment.read_bytes())
    data[len(data) * 3 // 5] ^= 1
    segment.write_bytes(data)
    answer = axiom("report", "day", "latest", "--json")
    assert answer.code == 1
    told = answer.document["sections"]["replay"]
    assert (told["verdict"]["outcome"], told["verdict"]["identical"]) == ("damaged", 0)
    assert "damaged" in told["sentences"][0]
    assert answer.document["sections"]["funnel"]["status"] == "SHOWN"


def test_a_minute_without_a_trade(axiom: Call, parent: Path) -> None:
    """A session of one minute, nothing traded: a report, and the replay's verdict."""
    run_small(parent, SmallMarket(minutes=1))
    found = day_of(axiom)
    assert found["verdict"]["sentences"][0].startswith("No trade on ")
    assert found["trades"]["status"] == found["execution"]["status"] == "NOTHING"
    assert found["replay"]["verdict"]["share"] == "100.00 %"


def test_an_exits_only_session(axiom: Call, parent: Path) -> None:
    """Its verdict says that it might only exit; its halt is listed."""
    written(parent, ExitsOnly(cycles=3))
    found = day_of(axiom)
    assert any(line.startswith("Exits only: ") for line in found["verdict"]["sentences"])
    assert found["risk"]["carried_halts"][0]["halt"] == "GOV_EXITS_ONLY"
    assert found["replay"]["verdict"]["outcome"] in ("failed", "other_engine", "diverged")


def test_a_session_that_goes_on(axiom: Call, parent: Path) -> None:
    """What is recorded so far, and that it is not closed."""
    written(parent, SessionMaker(cycles=30), left_open=True)
    found = day_of(axiom, "--no-replay")
    assert found["verdict"]["session"]["state"] == "OPEN"
    assert any("not closed" in line for line in found["verdict"]["sentences"])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["troubled", "resumed", "pages"]
    + [
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("carried_over_v1", "generated", "intent_approved_v1", "two_underlyings")
    ],
)
def test_each_golden_session_has_a_report(axiom: Call, tmp_path: Path, name: str) -> None:
    """Every section, consistent with one another, and its replay's verdict."""
    session = shutil.copytree(GOLDENS / name, tmp_path / name)
    found = day_of(axiom, str(session), "--home", str(tmp_path / "none"))
    decisions = found["verdict"]["session"]["decisions"]
    assert sum(row["count"] for row in found["funnel"]["funnel"]) == decisions
    assert sum(found["heat"]["bins"]["totals"]) == decisions
    assert len(found["trades"]["trails"]) == found["verdict"]["session"]["trades"]
    assert found["replay"]["verdict"]["decisions"] == decisions
    assert found["replay"]["verdict"]["outcome"] in ("identical", "other_engine")
    commands = found["commands"]["status"]
    assert (commands == "SHOWN") == (name == "troubled")


# --- weeks -----------------------------------------------------------------------------------


def test_a_week_of_one_session(axiom: Call, built: Path, tmp_path: Path) -> None:
    """By default the latest one's week, in the desk's folder; a copy elsewhere is another one."""
    answer = axiom("report", "week", "--json")
    assert answer.code == 0
    file = Path(answer.document["file"])
    assert (file.parent, mode(file)) == (built.parent.parent / "reports", 0o600)
    assert list(answer.document["sections"]) == [spec.key for spec in WEEK_SECTIONS]
    before = file.read_bytes()
    assert axiom("report", "week", "latest").code == 0
    assert file.read_bytes() == before


def test_a_suggested_what_if_is_one(axiom: Call, built: Path, tmp_path: Path) -> None:
    """Each command that a suggestion gives can be run as it stands."""
    week = axiom("report", "week", "--json").document["sections"]["thresholds"]
    rows = week.get("suggestions", [])
    assert rows
    for row in rows:
        words = row["command"].split(" && ")[-1].split()
        assert words[0] == "axiom"
        if "&&" in row["command"]:
            file = tmp_path / "try.toml"
            text = row["command"].partition("'")[2].partition("'")[0].replace("\\n", "\n")
            file.write_text(text)
            assert axiom("config", "check", file).code == 0
        else:
            assert axiom(*words[1:]).code == 0


@pytest.mark.parametrize("select", ["all", "2025", "latest", "1999..2999"])
def test_sessions_are_selected(axiom: Call, built: Path, select: str) -> None:
    """By id, day, month, year, span, or all; one of none is refused."""
    day = built.name[:10]
    word = {"2025": day[:7], "1999..2999": f"{day}..{day}"}.get(select, select)
    answer = axiom("report", "week", "--sessions", word, "--json")
    assert [row["session"] for row in answer.document["sections"]["trends"]["days"]] == [built.name]
    assert "has no session of '1999-01'" in axiom("report", "week", "1999-01").refusal


def test_a_damaged_session_is_left_out_and_named(axiom: Call, built: Path) -> None:
    """The others are told of."""
    other = built.parent / "2025-01-01-backtest-000000000000"
    other.mkdir()
    (other / "000001.axs").write_bytes(b"no journal")
    answer = axiom("report", "week", "all", "--json")
    assert answer.code == 0
    (left,) = answer.document["sections"]["left_out"]["sessions"]
    assert left["session"] == other.name
    assert left["reason"]
    assert len(answer.document["sections"]["trends"]["days"]) == 1
