"""Proof and questions about the past: the same core over the same facts.

Lives here: re-derivation and comparison, the first divergence, what-if, time travel. May import:
``events``, ``journal``, ``engine``, ``projections.rows``. Always holds: only facts are fed, every
derivation is compared with what was recorded, and nothing here can reach a broker.
Start reading at ``session.py``; ``open_session`` is for notebooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replay.notebook import RecordedSession, open_session

__all__ = ["RecordedSession", "open_session"]


def __getattr__(name: str) -> Any:
    """The notebook's names, loaded when they are asked for: no other module needs polars."""
    if name not in __all__:
        raise AttributeError(f"module 'replay' has no attribute {name!r}")
    from replay import notebook

    return getattr(notebook, name)
