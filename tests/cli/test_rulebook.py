"""``axiom rulebook``: what is in force and from where, what is wrong, and a row added."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from adapters.rulebook.load import load_rows
from engine.rulebook import Rulebook, ist_ns, resolve_day
from engine.scheduled import ScheduledEvent
from tests.cli.conftest import Call

ADD = ("rulebook", "add", "lot", "55", "--scope", "NIFTY", "--from", "2026-12-08")
SOURCE = ("--source", "NSE FAOP99999", "--who", "ana")


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which nothing is yet."""
    monkeypatch.setenv("AXIOM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_show_gives_the_rows_in_force_with_source_and_origin(axiom: Call) -> None:
    """Both sides of a dated change; the name's own family, the exact scope; --all every row."""
    closes = [
        {(row["scope"], row["value"]) for row in
         axiom("rulebook", "show", "--day", day, "--name", "session.fno.close", "--json").document}
        for day in ("2026-08-02", "2026-08-03")
    ]  # fmt: skip
    assert closes == [{("*", "15:30")}, {("NSE", "15:40"), ("BSE", "15:40")}]
    rows = axiom("rulebook", "show", "--day", "20261120", "--json").document
    assert all(row["source"] and row["origin"] == "package" for row in rows)
    unsure = {(row["name"], row["scope"]) for row in rows if row["unsure"]}
    assert ("rate.discount", "*") in unsure
    assert len(axiom("rulebook", "show", "--all", "--json").document) == len(load_rows())
    text = axiom("rulebook", "show", "--name", "session", "--scope", "NSE").out
    assert "session.fno.close" in text
    assert "session.cash.close" not in text
    assert "no row is in force" in axiom("rulebook", "show", "--name", "nothing").err


def test_show_names_what_stands_in_for_ended_rows(axiom: Call) -> None:
    """The strictest recent freeze is marked stale, once a scope; nothing else is, in November."""
    rows = axiom("rulebook", "show", "--day", "2026-11-26", "--json").document
    stale = [(row["name"], row["scope"], row["value"]) for row in rows if row["stale"]]
    assert sorted(stale) == [
        ("freeze", "BANKNIFTY", 600),
        ("freeze", "FINNIFTY", 1800),
        ("freeze", "MIDCPNIFTY", 2800),
        ("freeze", "NIFTY", 1800),
        ("freeze", "NIFTYNXT50", 600),
    ]


def test_a_row_is_added_shown_and_superseded(axiom: Call, own_home: Path) -> None:
    """With who and source, over the package's days; the second one over the first's."""
    first = axiom(*ADD, *SOURCE, "--json").document
    assert first["added"]["who"] == "ana"
    assert [row["origin"] for row in first["supersedes"]] == ["package"]
    second = axiom(*ADD[:3], "60", *ADD[4:], *SOURCE, "--json").document
    assert {row["value"] for row in second["supersedes"]} == {55}
    assert Path(second["file"]).stat().st_mode & 0o777 == 0o600
    shown = axiom("rulebook", "show", "--day", "2026-12-08", "--name", "lot", "--scope", "NIFTY")
    assert "overlay (ana)" in shown.out
    assert "60" in shown.out
    assert axiom("rulebook", "check", "--json", "--day", "2026-12-08").code == 1  # freeze ended


def test_the_events_that_the_page_adds_are_the_days_events(axiom: Call, own_home: Path) -> None:
    """docs/OPERATING.md, Scheduled events, line by line as it stands: the desk's own event, the
    moved one and the calendar looked up are what a session of those days is told; and before it,
    what was shipped."""
    page = (Path(__file__).parents[2] / "docs" / "OPERATING.md").read_text()
    section = page.split("## Scheduled events")[1].split("\n## ")[0]
    lines = [line.strip() for line in section.splitlines() if line.startswith("    axiom ")]
    assert len(lines) == 5
    shipped = resolve_day(Rulebook(load_rows()), 20261204).events
    assert [one.kind for one in shipped] == ["RBI"]
    for line in lines:
        assert axiom(*shlex.split(line)[1:]).code == 0, line
    book = Rulebook(load_rows(own_home / "desks" / "main" / "rulebook.toml"))
    told = {day: resolve_day(book, day) for day in (20261204, 20261207, 20261208, 20270201)}
    assert {day: one.events for day, one in told.items()} == {
        20261204: (),
        20261207: (ScheduledEvent("RBI", ist_ns(20261207, "10:00"), False),),
        20261208: (ScheduledEvent("DESK", ist_ns(20261208, "10:30"), False),),
        20270201: (ScheduledEvent("BUDGET", ist_ns(20270201, "11:00"), False),),
    }
    assert told[20270201].events_unknown == ()
    unknown = resolve_day(Rulebook(load_rows()), 20270201).events_unknown
    assert unknown == ("BUDGET",)


def test_a_row_for_all_says_whose_own_row_wins_over_it(axiom: Call) -> None:
    """The close of both exchanges has rows of its own: a row for all changes nothing for them."""
    words = ("rulebook", "add", "session.fno.close", "15:45", "--from", "2026-12-08", *SOURCE)
    answer = axiom(*words, "--json").document
    assert {row["scope"] for row in answer["yields_to"]} == {"NSE", "BSE"}
    assert "whose own row wins" in axiom(*words).err


def test_check_is_good_only_while_nothing_is_wrong(axiom: Call, own_home: Path) -> None:
    """Exit 0 in August; 1 in November, until the months' freeze rows are added; 1 for an overlay
    that others may write."""
    assert axiom("rulebook", "check", "--day", "2026-08-15").code == 0
    november = axiom("rulebook", "check", "--day", "2026-11-26", "--json")
    assert (november.code, november.document["ok"]) == (1, False)
    for finding in november.document["findings"]:
        if finding["wrong"]:
            words = ("rulebook", "add", "freeze", "600", "--scope", finding["scope"])
            assert axiom(*words, "--from", "2026-09-01", *SOURCE).code == 0
    good = axiom("rulebook", "check", "--day", "2026-11-26", "--json")
    assert (good.code, good.document["ok"]) == (0, True)
    overlay = own_home / "desks" / "main" / "rulebook.toml"
    overlay.chmod(0o666)
    opened = axiom("rulebook", "check", "--day", "2026-11-26", "--json")
    assert [one["kind"] for one in opened.document["findings"] if one["wrong"]] == ["PERMISSIONS"]
    assert opened.code == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("rulebook", "add", "lots", "5", "--from", "2026-12-01", *SOURCE), "did you mean lot?"),
        ((*ADD[:3], "0", *ADD[4:], *SOURCE), "no integer from 1"),
        ((*ADD[:3], "many", *ADD[4:], *SOURCE), "no integer from 1"),
        ((*ADD[:5], "NIFTTY", *ADD[6:], *SOURCE), "none of"),
        ((*ADD, "--source", "  "), "source must be one line"),
        ((*ADD, *SOURCE, "--to", "2026-12-01"), "before it begins"),
        ((*ADD[:7], "2026-13-08", *SOURCE), "is not a day"),
        (ADD, "Missing option '--source'"),
        (("rulebook", "add", "event.at", "10:00", "--scope", "RBI", *ADD[6:], *SOURCE), "--to"),
        (("rulebook", "add", "event.at", "10:00", *ADD[6:], *SOURCE), "of one scope"),
        (("rulebook", "show", "--all", "--day", "2026-12-01"), "leave --day out"),
        (("rulebook", "show", "--day", "tomorrow"), "is not a day"),
    ],
)
def test_bad_input_is_one_line(
    axiom: Call, own_home: Path, words: tuple[str, ...], says: str
) -> None:
    """Exit 2, what to do in the line, and nothing written."""
    assert says in axiom(*words).refusal
    assert not (own_home / "desks" / "main" / "rulebook.toml").exists()


def test_a_damaged_overlay_is_one_line(axiom: Call, own_home: Path) -> None:
    """From every subcommand, with its name and row."""
    axiom(*ADD, *SOURCE)
    overlay = own_home / "desks" / "main" / "rulebook.toml"
    overlay.write_text(overlay.read_text() + "[[row]]\nname = 1\n")
    for words in (("show",), ("check",), (*ADD[1:], *SOURCE)):
        assert "rulebook.toml, row 2" in axiom("rulebook", *words).refusal
