"""The broker Kite: who we are to it, its feed, its REST.

Lives here: ``secret`` and ``credentials`` (who we are), ``login`` (a day's access token), ``link``
(the feed's decisions, pure) and ``ticker`` (its sockets). May import: events, engine.ports and the
pure leaves of engine; kiteconnect inside functions only, since its import costs a second;
websockets. Always holds: no key and no token reaches an argument, a log, the journal or a screen.
Start reading at ``ticker.py``, then ``link.py``.
"""
