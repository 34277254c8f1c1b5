"""Whether it can trade at this moment, and if not, what stands in the way.

Lives here: the two lines at the head of Home, and the plots of price and result. May import:
events, projections.live, tui's pure parts. Always holds: what no entry of the journal says is
unknown and says so; a reason is its code and the table's sentence; silence of the source leaves
nothing certain. Start reading at ``verdict_lines``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from events.reasons import BY_CODE
from projections.live.view import LiveView, UnderlyingView
from tui import fmt
from tui.store import Frame
from tui.view.phase import phase_of
from tui.view.text import Line, Role, Span, crop, span
from tui.view.why import short_stage

BREAKERS: Final[dict[str, str]] = {
    "GOV_FEED_BREAKER": "feed",
    "GOV_REJECT_BURST": "refusals",
    "GOV_ENTRY_BURST": "entries",
    "RISK_REPEAT_FIRE": "repeated firing",
    "FEED_UNTRUSTED": "malformed frames",
    "GOV_CYCLES_MISSED": "cycles",
}
"""The budgets that close the way for a while, by the code that says so."""

OPEN_STATES: Final = ("READY", "DEGRADED")
"""States of readiness in which entries may be made."""

CLOSED_PHASES: Final = ("PRE", "NO-ENTRY", "AUCTION", "FLATTEN", "CLOSED", "HOLIDAY")


class Verdict(msgspec.Struct, frozen=True):
    """A shape with its role, the headline, and why."""

    shape: str
    role: Role
    word: str
    why: str


def verdict_of(frame: Frame) -> Verdict:
    """The first thing that stands in the way of any entry, else what the stages say."""
    view = frame.view
    if frame.behind is not None and frame.live:
        return Verdict("?", "unknown", "NOT KNOWN", "the session is still being caught up with")
    if view.session is None or frame.no_data:
        return Verdict("?", "unknown", "NOT KNOWN", "the journal says nothing of this moment")
    if view.closed is not None:
        return Verdict("✗", "bad", "NO ENTRIES", f"the session is closed: {view.closed}")
    barred = _barred(view)
    if barred is not None:
        return Verdict("✗", "bad", "NO ENTRIES", barred)
    phase = phase_of(view, frame.now_ts).word
    if phase in CLOSED_PHASES:
        return Verdict("✗", "bad", "NO ENTRIES", f"the phase of the session is {phase}")
    text, all_wait = _stages_text(view)
    if view.governance.readiness is None and view.session.mode != "BACKTEST":
        return Verdict("?", "unknown", "NOT KNOWN", f"readiness was not said yet; {text}")
    if view.governance.readiness == "DEGRADED":
        return Verdict("▲", "warn", "ENTRIES ALLOWED", f"degraded; {text}")
    if all_wait:
        return Verdict("◐", "degraded", "ENTRIES ALLOWED", text)
    return Verdict("●", "ok", "ENTRIES ALLOWED", text)


def _barred(view: LiveView) -> str | None:
    """What bars every entry, by readiness, by a halt, by the risk state."""
    said = view.governance
    if said.readiness is not None and said.readiness not in OPEN_STATES:
        return f"{said.readiness}{_told(said.blockers)}"
    halts = view.watch.halts or ()
    if halts:
        return f"halted{_told(halts)}"
    if said.state not in (None, "NORMAL"):
        return f"risk is {said.state}{_told((said.state_reason or '',))}"
    return None


def _told(codes: tuple[str, ...]) -> str:
    """The first code with its sentence, and how many more there are."""
    if not codes or not codes[0]:
        return ""
    row = BY_CODE.get(codes[0])
    text = f": {codes[0]}" if row is None else f": {codes[0]} {row.sentence}"
    return text if len(codes) == 1 else f"{text} (+{len(codes) - 1} more)"


def _stages_text(view: LiveView) -> tuple[str, bool]:
    """Which underlyings wait, each with its stage, and whether all do."""
    if not view.underlyings:
        return "no underlying yet", True
    waits = [
        f"{row.name} {short_stage(row.episode.last.made.stage)} {row.episode.last.made.reason}"
        for row in view.underlyings
        if row.episode is not None and row.episode.last.made.outcome != "TRADE"
    ]
    if not waits:
        return "no stage stops an underlying", False
    text = f"{len(waits)} of {len(view.underlyings)} wait: {', '.join(waits)}"
    return text, len(waits) == len(view.underlyings)


def breakers_of(view: LiveView) -> tuple[str, ...]:
    """The breakers that are open, by readiness, halts and the last decisions."""
    codes = {*view.governance.blockers, *(view.watch.halts or ())}
    codes |= {one.reason or "" for row in view.underlyings for one in row.stages}
    return tuple(name for code, name in BREAKERS.items() if code in codes)


def verdict_lines(frame: Frame, width: int) -> tuple[Line, ...]:
    """The headline with its reason; below it what else a trader asks at once."""
    verdict = verdict_of(frame)
    head: Line = (
        (f"  {verdict.shape} {verdict.word} ", verdict.role),
        span(f" {verdict.why}", "text"),
    )
    spans: list[Span] = [("  ", "text")]
    for piece in (*_governance(frame), *_trouble(frame), *_next(frame)):
        if sum(len(text) for text, _ in spans) + len(piece[0]) + 3 > width:
            break
        spans.extend((piece, ("   ", "text")))
    return crop(head, width), crop(tuple(spans), width)


def _governance(frame: Frame) -> tuple[Span, ...]:
    said = frame.view.governance
    if said.readiness is None:
        ready: Span = ("readiness n/a", "dim")
        session = frame.view.session
        if session is None or session.mode != "BACKTEST":
            ready = ("readiness ?", "unknown")
    else:
        role: Role = "ok" if said.readiness == "READY" else "warn"
        lasted = fmt.age(frame.age_ns(said.readiness_ts))
        ready = span(f"readiness {said.readiness} for {lasted}", role)
    risk = frame.view.risk
    state = said.state or (None if risk is None else risk.status)
    return ready, span(f"risk {state or '?'}", "text" if state == "NORMAL" else "warn")


def _trouble(frame: Frame) -> tuple[Span, ...]:
    view = frame.view
    if view.session is None:
        return (("incidents ?", "unknown"), ("breakers ?", "unknown"))
    open_ = [one for one in view.watch.incidents if one.is_open]
    unseen = sum(one.unseen for one in open_)
    told = f"incidents {len(open_)} open" + (f", {unseen} not acknowledged" if unseen else "")
    breakers = breakers_of(view)
    tripped = f"breakers {', '.join(breakers)}" if breakers else "breakers closed"
    return (
        (told, "warn" if open_ else "text"),
        span(tripped, "bad" if breakers else "text"),
    )


def _next(frame: Frame) -> tuple[Span, ...]:
    """The next scheduled event and the next phase, each with the time to it."""
    view = frame.view
    found: list[Span] = []
    events = () if view.hours is None else view.hours.events
    coming = next(((kind, at) for kind, at in events if at > frame.now_ts), None)
    if coming is not None:
        left = fmt.countdown(coming[1] - frame.now_ts)
        found.append(span(f"event {coming[0]} {fmt.clock(coming[1])[:5]} in {left}", "warn"))
    elif view.hours is not None:
        found.append(("no event ahead today" if events else "no event today", "dim"))
    phase = phase_of(view, frame.now_ts)
    if phase.left_ns is not None:
        found.append(span(f"{phase.next_word} in {fmt.countdown(phase.left_ns)}"))
    return tuple(found)


# --- plots ---------------------------------------------------------------------------------------

PLOT_ROWS: Final = 4


def plot_lines(frame: Frame, row: UnderlyingView | None, width: int) -> tuple[Line, ...]:
    """Price of an underlying and result of the account side by side, each below its own words."""
    half = (width - 4) // 2
    money = frame.view.money
    closes = () if row is None else row.closes_paise
    name = "PRICE" if row is None else f"{row.name} by bar"
    price = _plot(name, closes, fmt.price, half)
    net = _plot("NET P&L by bar", money.net_by_bar_paise, fmt.gain, half)
    return tuple(
        (("  ", "text"), *left, ("  ", "text"), *right)
        for left, right in zip(price, net, strict=True)
    )


def _plot(
    name: str, values: tuple[int, ...], show: Callable[[int | None], str], width: int
) -> tuple[Line, ...]:
    """Words in the first row, blocks below; the newest value stands at the right."""
    if not values:
        blank = crop((), width)
        return (crop((span(f"{name}  no bar yet", "dim"),), width), *(blank,) * (PLOT_ROWS - 1))
    words = f"{name}  {show(min(values))} to {show(max(values))}  last {show(values[-1])}"
    rows = fmt.plot(values, width, PLOT_ROWS - 1)
    return (crop((span(words, "dim"),), width), *(crop(((one, "up"),), width) for one in rows))
