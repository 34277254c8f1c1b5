"""The verdicts again: a second, naive implementation of the decision logic, beside the engine.

Lives here: ``rules`` (the day's rulebook), ``black`` (Black-76 and bisection), ``book`` (a journal
folded), ``chain`` (forward and volatilities), ``gates`` (a table gate -> function), ``contracts``
and ``sizing`` (N10, N11), ``decision`` (stages, intent, comparison). May import: ``events``, the
parsing of settings in ``engine.config``, the standard library; no other code of the engine, so that
no mistake can be shared. Always holds: plain loops, dicts and floats; slow and obvious wins.

Re-decided: quotes from the frames' packets, feed health, hours, charges, expiries, parity forward,
volatilities, greeks; books of positions, sold legs, orders, account, streaks, cooldowns; every row
of N1 to N11 with its limit, margin, age, marks and reason; the assumed stages; the screening with
masks and scores; candidate, decision, intents with their ids, sold legs.

Taken as given from the journal: bars with their indicators (``BarClosed``), features
(``FeaturesDerived``), regime and day type as assessed, that a feed gap began or ended
(``FeedHealthChanged``), which ticks were held, dropped or not believed (``TicksJudged``), halts and
the risk state (``RiskTransitioned``), orders' ends, fills, exits and the event that a position
closed or was settled. Not followed, refused by name: sessions in real time or at a broker,
approvals, amended hours, moved strategies.
Start reading at ``decision.check``.
"""
