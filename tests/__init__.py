"""The mirror of the rooms: ``tests/<room>/test_<module>.py``. Where a new test goes: README.md.

Every folder in here has an ``__init__.py``: without it ``tests/events`` would be imported as
``events`` and hide the room it tests (tests/architecture/test_packaging.py shows it).
"""
