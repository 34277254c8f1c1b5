"""Sources of market data behind one interface: a seeded synthetic market, a recorded chain day.

Lives here: generators and readers that yield Kite binary frames. May import: events, engine.exact,
engine.options, engine.rulebook. Always holds: integers and the exact arithmetic only, so that equal
identity gives equal frames on any machine. Start reading at ``port.py``.
"""
