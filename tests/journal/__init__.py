"""Tests of the journal: every file named for the module it tests, makers in journals.py."""
