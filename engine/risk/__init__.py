"""Risk: the limits, what is held against them, and the states that they lead to.

Lives here: ``limits`` (the table of limits and its profiles), ``day`` (the day's result and what
follows from it), ``portfolio`` (greeks and stress of what is held), ``states`` (the table of risk
states) and ``machine`` (what moves between them). May import: events, engine. Always holds: money
is paise, greeks are paise for a stated move; nothing here can hold back an exit; what is not known
is None and blocks. The gates that ask are ``engine.gates.risk`` and ``engine.gates.sizing``.
Start reading at ``limits``, then ``states``.
"""
