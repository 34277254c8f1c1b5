"""Text from a journal, made harmless on a page.

Lives here: ``text``. May import: html. Always holds: nothing that was journaled can end a tag, an
attribute or a comment, or turn the direction of what stands behind it; characters that do not print
are shown by their escape. Start reading at ``text``.
"""

from __future__ import annotations

import html


def text(value: object) -> str:
    """A value as the text of an element or of an attribute in double quotes."""
    shown = "".join(
        one if one.isprintable() else one.encode("unicode_escape", "replace").decode()
        for one in str(value)
    )
    return html.escape(shown, quote=True)
