"""The dated rulebook as data: rows in TOML with their sources, and how they are read.

Lives here: one TOML file a subject, ``load.py``. May import: events, engine.rulebook. Always holds:
every row has a source in words; a row without a first-hand one is marked unsure. Start reading at
``load.load_rows``.
"""
