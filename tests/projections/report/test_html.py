"""projections/report/html.py: one page, offline, harmless, the same bytes for the same rows."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st
from msgspec.structs import replace

from projections.report.day import day_report
from projections.report.escape import text
from projections.report.html import MARKER, page
from projections.report.inputs import Inputs
from projections.report.week import WeekInputs, week_report

HOSTILE = (
    "</style></svg><script>alert(1)</script>",
    '" onload="alert(1)',
    "' onmouseover='x",
    "<img src=x onerror=alert(1)>",
    "--><!-- &lt;",
    "\u202egnp.exe\x1b[31m\x00",
)
ALLOWED = set(
    "html head meta title style body header h1 h2 h3 p nav a main section figure figcaption dl div "
    "dt dd table thead tbody tr th td code span i wbr svg line text rect path".split()
)


class Page(HTMLParser):
    """The tags and attributes of a page, and whether they nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in ("meta", "wbr", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag that closes itself."""
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        """Tags end in order."""
        assert self.open.pop() == tag, tag


def faults(html: str) -> list[str]:
    """What a page must not hold: scripts, handlers, anything from outside."""
    read = Page(html)
    found = [f"tag {tag}" for tag in sorted(read.tags - ALLOWED)]
    for name, value in read.attributes:
        if name.startswith("on"):
            found.append(f"handler {name}")
        if name in ("src", "href", "srcset", "action", "data") and not (value or "").startswith(
            "#"
        ):
            found.append(f"{name} {value}")
    found += re.findall(r"@import|url\(|https?:", html)
    return found


def with_text(given: Inputs, words: str) -> Inputs:
    """Every text of the journal replaced, but the ones that the code reads."""
    read = {"outcome", "stage", "kind", "verdict", "halts", "blockers", "mode"}

    def changed(row: dict[str, Any]) -> dict[str, Any]:
        return {
            name: words if isinstance(value, str) and name not in read else value
            for name, value in row.items()
        }

    rows = {
        name: tuple(changed(row) for row in found)
        for name, found in given.rows.items()
        if isinstance(found, tuple)
    }
    return replace(given, session=words, rows=rows)


def test_a_full_page_is_clean(given: Inputs, week_given: WeekInputs) -> None:
    """No script, no handler, nothing from outside; tags nest; the policy forbids every load."""
    for html in (page(day_report(given)), page(week_report(week_given))):
        assert html.startswith(MARKER)
        assert faults(html) == []
        assert Page(html).open == []
        assert "default-src 'none'" in html


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_text_stays_text(given: Inputs, words: str) -> None:
    """Names, reasons, commands and settings of a journal add no tag and no attribute."""
    html = page(day_report(with_text(given, words)))
    assert faults(html) == []
    plain = Page(page(day_report(given)))
    assert Page(html).tags <= plain.tags | ALLOWED
    assert words not in html
    assert not any(not (one.isprintable() or one == "\n") for one in html)


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_text_stays_text_in_a_week(week_given: WeekInputs, words: str) -> None:
    """Sessions, settings, reasons for leaving one out, and why an input is absent."""
    sessions = tuple(with_text(one, words).without("quality", words) for one in week_given.sessions)
    hostile = replace(week_given, sessions=sessions, left_out=((words, words),))
    html = page(week_report(hostile))
    assert faults(html) == []
    assert words not in html
    assert not any(not (one.isprintable() or one == "\n") for one in html)


def test_canary_a_script_is_found() -> None:
    """Canary: a page with a script, a handler and an image from outside has its faults."""
    found = faults(
        '<p onclick="x">a</p><script src="http://a/b"></script><style>@import "x"</style>'
    )
    assert len(found) == 5


def test_canary_unescaped_text_is_found(given: Inputs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Canary: without the escaping, the hostile text is a fault of the page."""
    monkeypatch.setattr("projections.report.html.text", str)
    report = day_report(with_text(given, "<script>x</script>"))
    with pytest.raises(AssertionError):
        assert faults(page(report)) == []


def test_same_rows_same_bytes(given: Inputs, week_given: WeekInputs) -> None:
    """Twice the same page."""
    assert page(day_report(given)) == page(day_report(given))
    assert page(week_report(week_given)) == page(week_report(week_given))


def test_charts_are_well_formed(given: Inputs, week_given: WeekInputs) -> None:
    """Each inline SVG parses, has a label, and no mark without a place."""
    html = page(day_report(given)) + page(week_report(week_given))
    charts = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(charts) >= 6
    for chart in charts:
        root = ElementTree.fromstring(chart)
        assert root.get("aria-label")
        places = re.findall(r' (?:x|y|d|width)="([^"]*)"', chart)
        assert not [place for place in places if re.search(r"[a-z]|None", place)]


@drawn(st.text())
def test_escaped_text_has_no_markup(words: str) -> None:
    """Whatever it is, no character of it can end a tag or an attribute, or does not print."""
    shown = text(words)
    assert not set(shown) & set("<>\"'")
    assert shown.isprintable()
