"""Tests of ``replay/``."""
