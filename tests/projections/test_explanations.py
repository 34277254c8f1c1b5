"""Explanations agree: one decision has one code and one text, whoever asks.

Over whole small days: what SQL holds, what ``why`` answers, what the terminal UI shows of the live
model, what the day report says, what an alert would say, and the table of reasons. They agree by
construction (``why.sentence`` over ``events/reasons.py``); this is the proof.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from adapters.alerts.news import News
from adapters.alerts.post import BEGAN, Message
from adapters.alerts.words import fields_of, text_of
from cli.main import main
from events import reasons
from events.decision import DecisionMade
from events.envelope import decode_envelope
from journal.reader import JournalReader
from projections import why
from projections.duck.ask import opened
from projections.duck.projector import ensure_projection
from projections.duck.query import run_query
from projections.duck.report import read_day
from projections.live.model import LiveModel
from projections.live.view import DecisionLine
from projections.report.day import day_report
from projections.report.inputs import Absent
from projections.report.model import document
from tests.projections.duck.journals import write_session
from tui.ports import Ports
from tui.view.why import gates_of, reason_sentence

GOLDENS = Path(__file__).parents[1] / "replay" / "goldens"


class Said(NamedTuple):
    """A decision in one surface's words."""

    stage: str
    reason: str
    text: str


Surface = dict[int, Said]
"""seq of the decision to what is said of it."""


class Day(NamedTuple):
    """A day in the words of each surface; ``meanings`` are the codes' texts in SQL,
    ``report`` the day report as JSON."""

    surfaces: dict[str, Surface]
    meanings: dict[str, str]
    report: dict[str, Any]


def in_sql(published: Path) -> Surface:
    """What a SELECT finds."""
    rows = run_query(published, "SELECT seq, stage, reason, sentence FROM v1.decisions").rows
    return {seq: Said(*rest) for seq, *rest in rows}


def in_why(published: Path) -> Surface:
    """What ``axiom why`` answers about each decision."""
    with opened(published) as ask:
        answers = [ask.answer(row) for row in ask.rows("decisions", "true ORDER BY seq")]
    return {one.decision.seq: Said(one.stage, one.reason, one.sentence) for one in answers}


def live_lines(folder: Path) -> Iterator[DecisionLine]:
    """Each decision as the live model has it right after its entry."""
    model = LiveModel()
    with JournalReader(folder) as reader:
        for entry in reader:
            envelope = decode_envelope(entry.data)
            model.fold(envelope)
            if envelope.kind == "DecisionMade":
                episodes = (row.episode for row in model.view().underlyings)
                (line,) = (e.last for e in episodes if e is not None and e.last.seq == envelope.seq)
                yield line


def on_screen(folder: Path) -> Surface:
    """What the terminal UI says of each, in the words that the program gives it."""
    return {
        line.seq: Said(line.made.stage, line.made.reason, why.sentence(line.made, gates_of(line)))
        for line in live_lines(folder)
    }


def disagreements(surfaces: dict[str, Surface]) -> list[str]:
    """Decisions that two surfaces do not put the same, one a line."""
    (first, base), *others = surfaces.items()
    found = []
    for name, surface in others:
        for seq in sorted(base.keys() | surface.keys()):
            if base.get(seq) != surface.get(seq):
                found.append(f"{seq}: {first} {base.get(seq)}, {name} {surface.get(seq)}")
    return found


DAYS = ("invented", "generated", pytest.param("two_underlyings", marks=pytest.mark.slow))


@pytest.fixture(scope="module", params=DAYS)
def day(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A whole day, asked everywhere."""
    parent = tmp_path_factory.mktemp("explanations")
    if request.param == "invented":
        folder = write_session(parent, cycles=40)
    else:
        folder = shutil.copytree(GOLDENS / request.param, parent / "2026-11-20-backtest-golden")
    published = ensure_projection(folder)
    surfaces = {"sql": in_sql(published), "why": in_why(published), "screen": on_screen(folder)}
    meanings = run_query(published, "SELECT code, sentence FROM v1.reasons").rows
    report = document(day_report(read_day(published, folder.name, Absent("not replayed here"))))
    return Day(surfaces, dict(meanings), report)


def test_explanations_agree(day: Day) -> None:
    """Stage, code and text of every decision are the same in SQL, in ``why`` and on the screen."""
    assert disagreements(day.surfaces) == []
    assert all(len(surface) > 60 for surface in day.surfaces.values())


def test_the_text_is_the_code_s_own(day: Day) -> None:
    """Each text holds its code's sentence from the table of reasons, and SQL has that table."""
    assert day.meanings == {spec.code: spec.sentence for spec in reasons.REASONS}
    for said in day.surfaces["sql"].values():
        assert day.meanings[said.reason] in said.text


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said._replace(text=said.text + "!"),
        lambda said: said._replace(reason="SIGNAL_NONE_AT_ALL"),
        lambda said: said._replace(stage="N0"),
    ],
)
def test_canary_another_word_is_found(day: Day, change: Callable[[Said], Said]) -> None:
    """One decision put otherwise on one surface, or missing there, is told by its seq."""
    surfaces = {name: dict(surface) for name, surface in day.surfaces.items()}
    seq = sorted(surfaces["screen"])[7]
    surfaces["screen"][seq] = change(surfaces["screen"][seq])
    (line,) = disagreements(surfaces)
    assert line.startswith(f"{seq}: ")
    del surfaces["screen"][seq]
    assert len(disagreements(surfaces)) == 1


def texts_of(node: Any) -> Iterator[tuple[str, str]]:
    """Every reason with the text beside it, anywhere in a document."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and isinstance(node.get("text"), str) and node.get("stage"):
        yield node["reason"], node["text"]
    for child in children:
        yield from texts_of(child)


def other_texts(report: dict[str, Any]) -> list[tuple[str, str]]:
    """What a report says of a code in words that are not the table's."""
    return [pair for pair in texts_of(report) if pair[1] != why.reason_text(pair[0])]


def test_the_report_says_the_same(day: Day) -> None:
    """Every reason of the day's decisions is in the report, in the table's own words; a word that
    is changed there is found."""
    assert other_texts(day.report) == []
    told = {reason for reason, _ in texts_of(day.report)}
    given = Counter(said.reason for said in day.surfaces["sql"].values())
    assert {reason for reason, _ in given.most_common(4)} <= told
    assert other_texts({"rows": [{"stage": "N1", "reason": "SIGNAL_NONE", "text": "No."}]}) != []


def test_every_alert_says_the_same() -> None:
    """A message about any code holds the table's sentence, for a person and for a program."""
    for spec in reasons.REASONS:
        message = Message(News("k", spec.code, 1, "", (), "s"), BEGAN, 0, 0, 0)
        assert fields_of(message)["sentence"] == why.reason_text(spec.code)
        assert spec.sentence in text_of(message).splitlines()


def test_every_code_has_one_text() -> None:
    """Also a code that these days never gave: the UI and ``why`` have the table's own text."""
    for spec in reasons.REASONS:
        made = DecisionMade(
            *(1, "NIFTY", "NO_TRADE", spec.stage, spec.code, None, None, "RANGE", "RANGE_DAY"),
            *(1, 1, None, None),
        )
        assert spec.sentence in why.sentence(made, None)
        assert spec.sentence in reason_sentence(made, None)


def test_the_program_gives_the_screen_the_shared_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``axiom tui`` hands the terminal UI ``why.sentence``, as ``on_screen`` above does."""
    given: list[object] = []

    def run(folder: Path, *, live: bool, ports: Ports, **_: object) -> int:
        given.append(ports.explain)
        return int(live or not folder.is_dir())

    monkeypatch.setattr("tui.run.run", run)
    folder = write_session(tmp_path, cycles=1)
    assert main(["tui", str(folder), "--home", str(tmp_path)]) == 0
    assert given == [why.sentence]
