"""Tests of the gates, a module a stage."""
