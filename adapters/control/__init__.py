"""Operators and the engine that runs: a socket, a file and two signals, both ends.

Lives here: where the channel is (``place``), what is said on it (``protocol``), the engine's end
(``server``), the asker's end (``client``), the kill switch (``kill``). May import: events,
``engine.commands``. Always holds: nobody but the engine's own user is heard; whoever asks, slow or
hostile, cannot make the engine wait; a halt works before anything is journaled. Start reading at
``kill.py``, then ``server.py``.
"""
