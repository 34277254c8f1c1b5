"""Panes: the body of the screen, one for each question.

Lives here: one pane a module. May import: textual, tui's view models and widgets. Always holds: a
pane paints only when it is the active one, from one frame, and owns no data but where its cursor
is. Start reading at ``pane.py``.
"""
