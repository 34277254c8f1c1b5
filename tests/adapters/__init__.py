"""Tests of the outside: market sources and the rulebook data."""
