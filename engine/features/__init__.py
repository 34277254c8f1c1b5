"""Features of an underlying: what the regime, the strategies and the filters read of the market.

Lives here: one module a family, the memory that they share (``tape``), and their derivation once a
declared bar. May import: events, engine. Always holds: pure; evidence is integers in stated units;
what is not known is None and named with its reason, never 0; nothing of an earlier day stands in
where ``earlier.EARLIER`` says no. Start reading at ``derive.features_due``.
"""
