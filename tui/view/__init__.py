"""View models: from a frame to lines and tables, without a terminal.

Lives here: one module a part of the screen. May import: events, projections.live, tui's pure parts;
never textual. Always holds: the same frame gives the same lines; every line fits its width.
Start reading at ``text.py``, then ``home.py``.
"""
