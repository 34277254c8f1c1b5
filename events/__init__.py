"""The vocabulary: what can be said in a journal, and nothing that does anything.

Lives here: the envelope and its canonical bytes, every event struct, reason codes, the closed
registry of (kind, version), past shapes with their upcasters, and ``wire/``, the pure codec of the
broker's binary frames. May import: msgspec and the standard library's pure parts. Always holds:
structs are frozen, fields have no default, money is integer paise, time is integer ns UTC.
Start reading at ``envelope.py``, then ``registry.py``.
"""
