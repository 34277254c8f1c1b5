"""The golden sessions re-derive to what is pinned, and nothing but a true waiver changes that."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

import pytest

import replay.session
import scripts.goldens
from engine.gates import strategy
from events.envelope import decode_envelope
from journal.reader import JournalReader
from scripts.goldens import (
    GOLDENS,
    PINS,
    WAIVERS,
    GoldenError,
    Judgement,
    Pin,
    expected,
    folder_of,
    judge,
    judge_all,
    load_pins,
    load_waivers,
    main,
    write_pins,
    write_waiver,
)
from tests.replay.make_goldens import RECIPES

SIZE_BYTES_MAX = 2_000_000
OTHER_CODE = "f" * 64
WHO = ("--who", "a quant", "--why", "the range family is gone")


@pytest.mark.parametrize("pin", load_pins(), ids=lambda pin: pin.name)
def test_a_golden_is_as_expected(pin: Pin) -> None:
    """E05: it verifies to its pinned head, and re-derives to its digest or to the last waiver's."""
    judged = judge(pin, load_waivers())
    assert judged.problem is None
    assert judged.report is not None
    assert judged.report.outcome in ("identical", "other_engine")
    assert judged.report.derivations > 100


def test_the_goldens_are_small_and_hold_the_kinds() -> None:
    """At least three sessions, under 2 MB together, with 30 kinds of entry between them."""
    pins = load_pins()
    assert {pin.name for pin in pins} >= set(RECIPES)
    files = [p for pin in pins for p in folder_of(pin).iterdir()]
    size = sum(p.stat().st_size for p in files)
    assert len(pins) >= 3
    assert size < SIZE_BYTES_MAX
    assert {p.suffix for p in files} == {".axs"}
    seen: set[str] = set()
    for pin in pins:
        with JournalReader(folder_of(pin)) as reader:
            seen.update(decode_envelope(entry.data).kind for entry in reader)
    sys.stdout.write(f"{len(pins)} goldens, {size:,} bytes, {len(seen)} kinds of entry\n")
    assert seen >= {"FillApplied", "FrameRejected", "ExitSignalled", "SessionResumed", "TailCut"}
    assert len(seen) >= 30


def test_sessions_of_earlier_engines_are_among_them() -> None:
    """Two goldens begin with a digest that no present code has, and are other_engine."""
    old = [pin for pin in load_pins() if pin.name not in RECIPES]
    judged = [judge(pin, load_waivers()) for pin in old]
    assert len(old) >= 2
    assert {j.report.outcome for j in judged if j.report is not None} == {"other_engine"}


# --- a change of derivations ---------------------------------------------------------------------


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An engine of other code in which no family is ever allowed, and a copy of the waivers."""
    monkeypatch.setattr(strategy, "regime_allows", lambda family, regime, live: False)
    for module in (replay.session, scripts.goldens):
        monkeypatch.setattr(module, "own_code_digest", lambda: OTHER_CODE)
    return shutil.copytree(WAIVERS, tmp_path / "waivers")


def _one(name: str, waivers: Path) -> Judgement:
    (pin,) = [pin for pin in load_pins() if pin.name == name]
    return judge(pin, load_waivers(waivers))


def _next(slug: str) -> str:
    """The name of the waiver after those that are there."""
    return f"{len(load_waivers()) + 1:04d}-{slug}.toml"


def test_canary_a_changed_derivation_needs_a_waiver(changed: Path) -> None:
    """The golden is refused, and every trade that is lost is in what a waiver would hold."""
    judged = _one("trades", changed)
    assert judged.problem is not None
    assert "Needs a waiver" in judged.problem
    assert judged.change is not None
    lost = [line for line in judged.change.decisions if line.startswith("lost ")]
    assert len(lost) == 2
    assert "TRADE" in lost[0]
    assert "N8_STRATEGY_SELECT" in lost[0]


@pytest.mark.slow
def test_a_waiver_makes_the_change_the_expected(
    changed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With its waiver the changed engine passes; the engine before it does not any more."""
    assert main([], GOLDENS, changed) == 1
    assert "waive SLUG" in capsys.readouterr().err
    assert main(["waive", "no-families", *WHO], GOLDENS, changed) == 0
    assert [name for name, _ in load_waivers(changed)][-1] == _next("no-families")
    assert main([], GOLDENS, changed) == 0
    monkeypatch.undo()
    judged = _one("trades", changed)
    assert judged.problem is not None
    assert "re-derives to" in judged.problem


def test_canary_a_waiver_that_says_less_is_refused(changed: Path) -> None:
    """A line of its decision diff taken out, or another first difference: not what replay finds.
    What stands in brackets is the replay's own words, which may become better."""
    path = write_waiver("less", "a quant", "why not", judge_all(waivers=changed), changed)
    text = path.read_text()
    assert _one("trades", changed).problem is None
    path.write_text(text.replace("CHANGED_GATE", "GATE"))
    assert _one("trades", changed).problem is None
    for given in (
        "\n".join(line for line in text.splitlines() if '"lost ' not in line),
        text.replace("first_divergence = ", 'first_divergence = "" # '),
        text.replace(" TRADE_APPROVED ", " TRADE_REFUSED "),
    ):
        path.write_text(given)
        told = f"{path.name} does not say what replay finds"
        assert (path.name, _one("trades", changed).problem) == (_next("less"), told)


def test_a_difference_under_the_same_code_has_no_waiver(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Equal code that derives otherwise has diverged: a fault, and nothing to waive."""
    (pin,) = [pin for pin in load_pins() if pin.name == "trades"]
    monkeypatch.setattr(replay.session, "own_code_digest", lambda: pin.code_digest)
    monkeypatch.setattr(strategy, "regime_allows", lambda family, regime, live: False)
    judged = judge(pin, ())
    assert judged.problem is not None
    assert judged.problem.startswith("diverged under its own code")
    assert judged.change is None
    with pytest.raises(GoldenError, match="nothing to waive"):
        write_waiver("a", "b", "c", [judged], tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('who = "', 'who = " " # ', "says who and why"),
        ('name = "intent_approved_v1"', 'name = "nobody"', "names no golden: nobody"),
        ('from_digest = "', 'from_digest = "0', "not at 0"),
        ('why = "', 'reason = "', "unknown field"),
        ("decisions = []", "decisions = [", "0001-"),
    ],
)
def test_a_waiver_that_cannot_be_used_is_named(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    """Without a person, for no golden, from another digest, or not of the form: refused."""
    waivers = shutil.copytree(WAIVERS, tmp_path / "waivers")
    path = waivers / "0001-before-the-first-release.toml"
    path.write_text(path.read_text().replace(old, new, 1))
    problems: list[str | None]
    try:
        problems = [one.problem for one in judge_all(waivers=waivers)]
    except GoldenError as error:
        problems = [str(error)]
    assert any(problem and message in problem for problem in problems), problems


def test_waivers_are_numbered_without_a_gap(tmp_path: Path) -> None:
    """A waiver that was taken out of the middle is missed; they follow one another."""
    waivers = shutil.copytree(WAIVERS, tmp_path / "waivers")
    first = waivers / "0001-before-the-first-release.toml"
    first.rename(waivers / "0003-before-the-first-release.toml")
    with pytest.raises(GoldenError, match="0001 is next"):
        load_waivers(waivers)


@pytest.mark.parametrize("slug", ["", "Upper", "a/b", "../a"])
def test_a_waiver_s_name_is_plain(tmp_path: Path, changed: Path, slug: str) -> None:
    """A slug that is not a-z, 0-9 and - writes no file."""
    with pytest.raises(GoldenError, match="slug"):
        write_waiver(slug, "a", "b", [_one("trades", changed)], tmp_path)
    assert not list(tmp_path.glob("*.toml"))


# --- a changed golden ----------------------------------------------------------------------------


@pytest.fixture
def goldens(tmp_path: Path) -> Path:
    """A copy of one golden with its pin."""
    (pin,) = [pin for pin in load_pins() if pin.name == "trades"]
    shutil.copytree(GOLDENS / pin.name, tmp_path / "goldens" / pin.name)
    write_pins([pin], tmp_path / "goldens")
    return tmp_path / "goldens"


def test_a_golden_and_its_pin_are_written_as_they_are_read(goldens: Path) -> None:
    """The copy is as good as the original, and every field of the pin survives."""
    (pin,) = load_pins(goldens)
    assert pin in load_pins()
    assert judge(pin, load_waivers(), goldens).problem is None
    assert expected(pin, ()) == (pin.digest, None)


def test_canary_a_golden_of_other_bytes_is_found(goldens: Path) -> None:
    """A flipped byte, or a whole other session in its place, is not the one that was pinned."""
    (pin,) = load_pins(goldens)
    segment = folder_of(pin, goldens) / "000001.axs"
    sound = segment.read_bytes()
    segment.write_bytes(sound[:5_000] + bytes((sound[5_000] ^ 1,)) + sound[5_001:])
    damaged = judge(pin, (), goldens).problem
    (other,) = [one for one in load_pins() if one.name == "pages"]
    shutil.copy(folder_of(other) / "000001.axs", segment)
    replaced = judge(pin, (), goldens).problem
    for problem in (damaged, replaced):
        assert problem is not None
        assert "is not the session that was pinned" in problem


@pytest.mark.parametrize("field", ["uid", "code_digest", "head_hash", "digest"])
def test_canary_a_pin_of_other_words_is_found(goldens: Path, field: str) -> None:
    """Each field of a pin is held against the journal."""
    (pin,) = load_pins(goldens)
    text = (goldens / PINS).read_text()
    value = tomllib.loads(text)["golden"][0][field]
    (goldens / PINS).write_text(text.replace(f'{field} = "{value}"', f'{field} = "{"0" * 64}"'))
    (pin,) = load_pins(goldens)
    assert judge(pin, load_waivers(), goldens).problem is not None


def test_a_golden_without_a_pin_is_missed(goldens: Path) -> None:
    """A session that nothing is expected of, a pin without a session, no pin at all: refused."""
    shutil.copytree(goldens / "trades", goldens / "more")
    with pytest.raises(GoldenError, match="do not match: more"):
        judge_all(goldens, WAIVERS)
    shutil.rmtree(goldens / "more")
    shutil.rmtree(goldens / "trades")
    with pytest.raises(GoldenError, match="do not match: trades"):
        judge_all(goldens, WAIVERS)
    (goldens / PINS).unlink()
    with pytest.raises(GoldenError, match="none at all"):
        judge_all(goldens, WAIVERS)
