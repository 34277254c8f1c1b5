"""Tests of the live read model."""
