"""Widgets: what puts lines and tables on a terminal.

Lives here: the grid for live tables and the line widgets. May import: textual, tui's view models.
Always holds: a widget is given finished lines and repaints only what changed; foreign text is never
parsed as markup. Start reading at ``grid.py``.
"""
