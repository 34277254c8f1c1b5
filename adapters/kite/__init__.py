"""The broker Kite: who we are to it, its feed, its REST.

Lives here: ``secret`` and ``credentials`` (who we are), ``login`` (a day's access token), ``link``
(the feed's decisions, pure) and ``ticker`` (its sockets); ``reports`` (the broker's objects),
``errors`` (its faults, one table), ``rate`` and ``rate_file`` (how often), ``order_form`` (what may
leave), ``calls`` (the fenced client), ``broker`` (the ports), ``history``, ``worker`` (threads);
``instruments`` (the daily list, pure) and ``dump_file`` (where it is kept).
May import: events, engine.ports and the pure leaves of engine; kiteconnect inside functions only,
since its import costs a second; websockets. Always holds: no key and no token reaches an argument,
a log, the journal or a screen; what is not certainly refused or unsent is UNKNOWN.
Start reading at ``ticker.py`` and ``link.py`` for the feed, at ``broker.py`` for orders.
"""
