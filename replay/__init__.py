"""Proof and questions about the past: the same core over the same facts.

Lives here: re-derivation and comparison, the first divergence, what-if, time travel. May import:
``events``, ``journal``, ``engine``, ``projections.rows``. Always holds: only facts are fed, every
derivation is compared with what was recorded, and nothing here can reach a broker.
Start reading at ``session.py``.
"""
