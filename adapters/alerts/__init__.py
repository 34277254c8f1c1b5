"""Alerts: what a person must hear of an engine, said by another process than the engine.

Lives here: what is news (``news``), what is said of it and how often (``post``), its words
(``words``), the ways out (``channels``) and their configuration (``settings``). May import: events,
``engine.rulebook``'s calendar, ``adapters.kite.secret``. Always holds: everything comes from the
journal or from looking at the process, nothing from the engine's memory; no message and no line of
a log holds a secret; a way out that fails is told on the others and ends nothing. Start reading at
``news.py``, then ``post.py``.
"""
