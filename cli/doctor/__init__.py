"""Is this machine ready, and what LIVE needs before it begins: one table of checks.

Lives here: the checks by what they look at, their table, and ``preconditions`` for whoever starts
LIVE. May import: everything the program wires. Always holds: a check answers and never raises for
what it finds; what cannot be found out is unknown, which LIVE takes as bad; no key and no token is
shown. Start reading at ``table.py``.
"""
