"""The simulated exchange and broker: Kite Connect v3 in pure logic, and a server that speaks it.

Lives here: the sans-I/O exchange (``exchange.py`` and its parts) and its server. May import:
events, the pure leaves of the engine, other adapters. Always holds: what the broker's documents
say is done as they say; what they leave open is a named setting. Start reading at
``exchange.Exchange``.
"""
