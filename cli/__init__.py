"""The composition root: the one place that knows every room and wires them together.

Lives here: the program ``axiom``, its verbs (one file each in ``verbs/``), common options, paths,
configuration, one-line errors. May import: everything, but a verb imports what it needs when it
runs, so that ``axiom --help`` stays quick. Always holds: exit 0 is done and good, 1 done and the
answer is bad, 2 could not run; whatever goes wrong is one line on standard error.
Start reading at ``main.py``, then ``verbs/__init__.py``.
"""

__version__ = "0.1.0"
