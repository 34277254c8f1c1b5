"""The in-memory read model behind the screens: envelopes in, one immutable view out.

Lives here: the fold over a journal's envelopes, the last quote of each instrument, and the frozen
structs a screen shows. May import: ``events`` and the engine's pure types (the rulebook); never
duckdb, textual, a clock or a file. Always holds: memory is bounded whatever is folded; an envelope
that cannot be read is counted and shown, never a crash; nothing is guessed, unknown is ``None``.
Start reading at ``view.py``, then ``model.py``.
"""

from projections.live.model import LiveModel
from projections.live.view import LiveView

__all__ = ["LiveModel", "LiveView"]
