"""Tests of the market sources."""
