"""The outside: where facts come from and where orders go.

Lives here: sources of market data in ``markets/``, the broker in ``kite/``, the simulated exchange,
operators in ``control/``, alerts. May import: ``events``, ``engine.ports`` and the pure leaves
``engine.exact``, ``engine.options``, ``engine.rulebook``, ``engine.commands``. Always holds: an
adapter reports and obeys, it never decides; what a market makes is fixed by its seed or its file.
Start reading at ``markets/port.py``.
"""
