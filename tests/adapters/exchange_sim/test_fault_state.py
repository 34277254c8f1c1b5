"""A plan unfolds: begins, hits, ends, each on the record with its time."""

from __future__ import annotations

from adapters.exchange_sim.fault_state import RECORD_MAX, FaultState
from adapters.exchange_sim.faults import read_script
from engine.rulebook import NS_PER_S, ist_ns

DAY = 20261120
START = ist_ns(DAY, "09:15")


def state(script: str) -> FaultState:
    """The state of a script that starts at 09:15."""
    return FaultState(read_script(script, DAY, START))


def test_a_lasting_fault_is_on_from_its_moment_to_its_end() -> None:
    """Nothing before, on between, off after; what is due next is always the nearest of the two."""
    faults = state("[[fault]]\nkind='rest_dead'\nafter='10s'\nfor='5s'")
    assert faults.due_ns() == START + 10 * NS_PER_S
    assert faults.begin(START + 9 * NS_PER_S) == []
    assert [on.fault.kind for on in faults.begin(START + 10 * NS_PER_S)] == ["rest_dead"]
    assert faults.on("sockets_dead", "rest_dead") is not None
    assert faults.due_ns() == START + 15 * NS_PER_S
    assert faults.end(START + 14 * NS_PER_S) == []
    assert len(faults.end(START + 15 * NS_PER_S)) == 1
    assert faults.on("rest_dead") is None and faults.due_ns() is None
    assert [line.text() for line in faults.record] == [
        "09:15:10 rest_dead: begins",
        "09:15:15 rest_dead: ends",
    ]


def test_a_counted_fault_hits_its_requests_so_many_times() -> None:
    """Two hits on place and none on others; then it is over without an end in time."""
    faults = state("[[fault]]\nkind='too_many_requests'\ncount=2\nrequests=['place']")
    faults.begin(START)
    assert faults.strike(START, "too_many_requests", "orders") is None
    assert faults.strike(START, "too_many_requests", "place") is not None
    assert faults.strike(START, "too_many_requests", "place") is not None
    assert faults.strike(START, "too_many_requests", "place") is None
    assert faults.on("too_many_requests") is None and faults.kinds_on() == ()
    assert len(faults.end(START)) == 1


def test_what_happens_once_is_never_on() -> None:
    """It is given at its beginning and leaves nothing behind but a line."""
    faults = state("[[fault]]\nkind='socket_drop'")
    assert len(faults.begin(START)) == 1
    assert faults.kinds_on() == () and faults.due_ns() is None
    assert [line.what for line in faults.record] == ["happens"]


def test_somebody_can_stop_a_fault_and_overlapping_ones_go_on() -> None:
    """Of two of a kind both stop; one of another kind stays."""
    faults = state(
        "[[fault]]\nkind='rest_dead'\n[[fault]]\nkind='rest_dead'\nfor='9s'\n"
        "[[fault]]\nkind='silent_socket'"
    )
    faults.begin(START)
    faults.stop("rest_dead")
    assert len(faults.end(START)) == 2
    assert faults.kinds_on() == ("silent_socket",)


def test_a_share_hits_about_that_often_and_the_same_each_time() -> None:
    """A quarter of 4,000 chances, within a tenth, and the same ones from the same seed."""
    script = "[[fault]]\nkind='malformed_frames'\nshare_per_mille=250"
    hits = []
    for faults in (state(script), state(script)):
        faults.begin(START)
        hits.append([faults.chance(START, "malformed_frames") is not None for _ in range(4_000)])
    assert hits[0] == hits[1]
    assert 900 <= sum(hits[0]) <= 1_100


def test_the_record_is_bounded() -> None:
    """Past its limit the oldest lines go."""
    faults = state("")
    for number in range(RECORD_MAX + 3):
        faults.note(number, "rest_dead", str(number))
    assert len(faults.record) == RECORD_MAX and faults.record[0].what == "3"
