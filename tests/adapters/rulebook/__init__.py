"""Tests of the rulebook data and its loader."""
