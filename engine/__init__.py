"""The core: state in, facts in, derivations out; nothing else goes in and nothing else comes out.

Lives here: state, reducers, gates, indicators, option maths, risk, paper fills, the rulebook and
the ports. May import: ``events``; ``runner.py`` alone may also import ``journal``, and it is the
one impure module. Always holds: no clock, file, random number, environment or log is read; the
same facts give the same bytes on any machine. Start reading at ``state.py``, then ``core.py``.
"""
