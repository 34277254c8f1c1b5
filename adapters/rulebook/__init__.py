"""The dated rulebook as data: rows in TOML with sources, and how they are read, added and checked.

Lives here: one TOML file a subject; ``load`` (rows and where they came from), ``overlay`` (a desk's
own rows, appended), ``catalogue`` (every rule with its unit, values and scopes), ``check`` (what is
wrong on a day). May import: events, engine.rulebook. Always holds: every row has a source in words;
a row without a first-hand one is marked unsure. Start reading at ``load.load_all``.
"""
