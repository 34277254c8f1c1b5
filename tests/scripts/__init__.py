"""Tests of the programs that keep the house: goldens, matrix, releases."""
