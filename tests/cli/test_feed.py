"""F09: what a feed's waits come from is known from the journal alone."""

from __future__ import annotations

from adapters.session.clock import SessionClock, wall_ns
from cli.demo_login import demo_login
from cli.feed import JITTER_SEED, Feed, jitter_seed
from events.base import Event
from events.feed import HealthObserved
from tests.adapters.kite.test_link import TEN, begun
from tests.adapters.kite.world import World

NOBODY = "ws://127.0.0.1:1"


def test_the_seed_is_a_fact_before_the_first_attempt() -> None:
    """The first fact of a feed is its seed, whatever becomes of the connection."""
    facts: list[Event] = []
    seed = jitter_seed("20261120 http://127.0.0.1:1")
    feed = Feed(demo_login, NOBODY, facts.append, SessionClock(wall_ns()), seed)
    assert facts == []
    feed.start(())
    feed.stop()
    first = facts[0]
    assert isinstance(first, HealthObserved)
    assert (first.what, first.status, first.observed) == (JITTER_SEED, "OK", seed)
    assert first.observed <= first.limit


def _attempts(seed: int) -> list[int]:
    """When a link tries, ms, while nobody answers for ten minutes."""
    world = World(seed=seed)
    world.answer = lambda _: 0
    begun(world, TEN).run(600_000)
    return [at for at, _ in world.opens]


def test_the_waits_follow_from_the_fact() -> None:
    """With the seed of the fact every attempt is told again to the millisecond; with another seed
    they are others."""
    fact = HealthObserved(JITTER_SEED, "OK", jitter_seed("20261120 a"), 1 << 32)
    told = _attempts(fact.observed)
    assert len(told) > 5
    assert told == _attempts(fact.observed)
    assert told != _attempts(jitter_seed("20261121 a"))
