"""The terminal: looking at a session and asking it why.

Lives here: the Textual app, screens, widgets and pure view models. May import: ``events``, the
journal's reader, ``projections.live``; replay and control come in as ports. Always holds: what is
on screen is in the journal, a stale number looks stale, and closing it stops nothing.
Start reading at ``app.py``.
"""
