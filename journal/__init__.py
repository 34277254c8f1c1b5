"""Bytes on disk: what was said, in order, and the proof that nobody changed it since.

Lives here: blocks, segments, the writer, the reader, the watermark, recovery, locks, seals, the
ledger of sessions, the cache of checkpoints, and ``verify.py``, a verifier that stands alone. May
import: ``events`` (the envelope; never what a payload means). Always holds: an entry that was
acknowledged is read back byte for byte or the journal refuses by name.
Start reading at ``FORMAT.md``, then ``block.py``.
"""
