"""Parts of a session for people outside: the compliance pack, the incident bundle, the old files.

Lives here: what each holds, and how it is written. May import: events, journal, projections, the
engine's pure types; never duckdb. Always holds: everything is read from the journal itself; the
same session gives the same bytes; nothing is judged again.
Start reading at ``compliance``, ``incident`` and ``legacy``.
"""
