"""projections/tables.py: one word, one meaning."""

from __future__ import annotations

import re

from projections import tables
from projections.glossary import GLOSSARY


def test_every_word_of_the_glossary_is_used() -> None:
    """The glossary holds no column that no table has."""
    used = {column.name for table in tables.TABLES for column in table.columns}
    assert used == set(GLOSSARY)


def test_names_carry_their_unit() -> None:
    """Money, times and quantities name their unit, and their comment repeats it."""
    units = {"_paise": "paise", "_ms": "ms", "_ns": "ns", "_bps": "bps", "_bytes": "bytes"}
    for column in GLOSSARY.values():
        for ending, word in units.items():
            if column.name.endswith(ending) and column.name != "vix_paise":
                assert word in column.comment, column.name
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in GLOSSARY)


def test_no_table_names_a_column_twice() -> None:
    """A table's columns are distinct."""
    for table in tables.TABLES:
        names = [column.name for column in table.columns]
        assert len(names) == len(set(names)), table.name
