"""Pinned bits of the exact functions, and the scripts that made the tables and the pins."""
