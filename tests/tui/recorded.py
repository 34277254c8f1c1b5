"""The golden sessions as the screen sees them, and as their journals have them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from events.base import Event
from events.envelope import Envelope, decode_envelope
from events.upcast import current_event
from journal.reader import JournalReader
from projections.live import LiveModel, LiveView

GOLDENS = Path(__file__).parents[1] / "replay" / "goldens"
NAMES = tuple(sorted(path.name for path in GOLDENS.iterdir() if path.is_dir()))


def entries(name: str) -> Iterator[tuple[Envelope, Event]]:
    """Every entry of a golden session, in the current shape of its kind."""
    with JournalReader(GOLDENS / name) as reader:
        for entry in reader:
            envelope = decode_envelope(entry.data)
            yield envelope, current_event(envelope)


@lru_cache(maxsize=16)
def view_of_golden(name: str) -> LiveView:
    """What a golden session amounts to at its end."""
    model = LiveModel()
    with JournalReader(GOLDENS / name) as reader:
        for entry in reader:
            model.fold_bytes(entry.data)
    return model.view()
