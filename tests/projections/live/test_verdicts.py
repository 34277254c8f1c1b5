"""What every decision is counted by: one gate away, and by how much it was missed."""

from __future__ import annotations

import msgspec

from events.decision import GateRow, GatesEvaluated, StageVerdict
from events.reasons import STAGES
from projections.live.verdicts import deciding_row, is_sole, lean_of, missed_ppm
from tests.projections.live.story import a_day, stage_verdict

WAITED_FOR = "N4_QUOTE_OK"


def gates(*blocked: str, waiting: tuple[str, ...] = (), assumed: tuple[str, ...] = ()) -> bytes:
    """Gates whose ``blocked`` stages fail by one gate each; ``assumed`` ones pass in its place."""
    official: list[StageVerdict] = []
    for stage in STAGES:
        if stage in waiting:
            official.append(stage_verdict(stage, "UNKNOWN", "UPSTREAM", None, WAITED_FOR))
        elif stage in blocked:
            row = GateRow("near_spread", "BLOCK", "QUOTE_SPREAD_WIDE", 75, 60, -15, 400, ())
            official.append(
                StageVerdict(stage, "BLOCK", "QUOTE_SPREAD_WIDE", "near_spread", None, (row,), ())
            )
        else:
            official.append(stage_verdict(stage, "PASS"))
    passed = tuple(stage_verdict(stage, "PASS") for stage in assumed)
    return msgspec.msgpack.encode(
        GatesEvaluated(1, "NIFTY", 1, tuple(official), passed, None, None)
    )


def sole(payload: bytes) -> bool:
    lean = lean_of(payload)
    assert lean is not None
    return is_sole(lean)


def test_one_gate_away_means_that_all_else_was_judged_and_passed() -> None:
    """One failed gate counts; two do not, nor one for which an unjudged stage still waits."""
    last = STAGES[-2:]
    assert sole(gates("N4_QUOTE_OK"))
    assert not sole(gates("N4_QUOTE_OK", "N6_RISK_OK"))
    assert not sole(gates())
    assert not sole(gates("N4_QUOTE_OK", waiting=last))
    assert not sole(gates("N4_QUOTE_OK", waiting=last, assumed=last[:1]))
    assert sole(gates("N4_QUOTE_OK", waiting=last, assumed=last))


def test_a_miss_is_measured_against_its_limit() -> None:
    """75 where 60 is the most is a quarter of the limit; passes and limits of 0 say nothing."""
    lean = lean_of(gates("N4_QUOTE_OK"))
    assert lean is not None
    row = deciding_row(lean, "N4_QUOTE_OK")
    assert missed_ppm(row) == 250_000
    assert deciding_row(lean, "N1_MARKET_OPEN") is None
    assert missed_ppm(None) is None
    assert row is not None
    assert missed_ppm(msgspec.structs.replace(row, limit=0)) is None
    assert missed_ppm(msgspec.structs.replace(row, margin=3)) is None


def test_the_lean_form_is_the_whole_one_cut_short() -> None:
    """Every field that is decoded equals the full decode, of every decision of a day."""
    seen = 0
    for envelope in a_day().envelopes:
        if envelope.kind != "GatesEvaluated":
            continue
        lean = lean_of(bytes(envelope.payload))
        whole = msgspec.msgpack.decode(envelope.payload, type=GatesEvaluated)
        assert lean is not None
        for short, full in zip(lean.official, whole.official, strict=True):
            assert (short.stage, short.verdict, short.gate, short.depends_on) == (
                full.stage, full.verdict, full.gate, full.depends_on,
            )  # fmt: skip
            assert [(row.gate, row.limit, row.margin) for row in short.rows] == [
                (row.gate, row.limit, row.margin) for row in full.rows
            ]
        seen += 1
    assert seen == 32


def test_what_cannot_be_read_is_none() -> None:
    """No payload, or one of another shape."""
    assert lean_of(None) is None
    assert lean_of(b"\x91\x01") is None
