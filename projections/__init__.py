"""Read models: what the journal says, in the shape somebody asks for. All of them are disposable.

Lives here: ``rows.py`` (envelope to rows, pure), ``live/`` (the in-memory model behind screens),
``duck/`` (contracts, projector, queries). May import: ``events``, ``journal``, the engine's pure
types; ``rows.py`` and ``live/`` never import duckdb. Always holds: incremental equals rebuilt; a
projection never feeds the engine. Start reading at ``rows.py``.
"""
