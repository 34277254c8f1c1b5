"""The verbs: one file each, named after the verb, exposing ``command``, a ``click.Command``.

Lives here: what each verb does and nothing that another verb needs. May import: everything, inside
the function that runs; at the top of the file only click and ``cli``. Always holds: every file is a
row of ``cli.table.VERBS`` and has ``--help`` with an example.
A verb returns its exit code (None is 0) and raises ``cli.errors.UserError`` when it could not run.
"""
