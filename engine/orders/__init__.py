"""Orders at a broker: their protocol, as pure rules over journaled facts.

Lives here: the order route, what messages are wanted, how reports, books and answers are taken in,
protective stops, exits, the kill switch, reconciliation, incidents. May import: events, engine.
Always holds: an entry is sent once and never again; UNKNOWN is a state that only a report or a
person ends; filled quantity is cumulative; working sells never exceed what is held; nothing here
sends: ``outbox`` says what should leave, the runner journals its start and lets it go.
Start reading at ``protocol.decide_orders``, then ``reports``.
"""
