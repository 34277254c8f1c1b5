"""Shapes as they were: structs that a journal may hold and that nothing writes any more.

Lives here: one module a (kind, version), moved here word for word when the kind got a new version.
May import: events.base and other past shapes. Always holds: never edited, and imported by
``registry`` and ``upcast`` only, so no decision can depend on an old shape.
Start reading at ``events.upcast``.
"""
