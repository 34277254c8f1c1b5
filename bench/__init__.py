"""Benchmarks against peers; see README.md. Nothing of the program imports them."""
