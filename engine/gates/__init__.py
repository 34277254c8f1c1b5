"""The gates of the decision cycle, one module a stage's subject.

Lives here: pure functions from a cycle's view to gate rows. May import: events, engine. Always
holds: every gate of a stage is evaluated; rows stand in the catalogue's order, and the stage takes
the first that is no pass; a value that is not known is UNKNOWN and blocks. Start reading at
``rows.py``.
"""
