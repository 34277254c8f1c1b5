"""The address that this machine's messages leave from, as somebody outside sees it.

Lives here: one question to a configured address. May import: the standard library. Always holds:
nobody is asked who was not named in the configuration; the answer is an address or none; it is
asked over the family that orders use. Start reading at ``ask_address``.
"""

from __future__ import annotations

import ipaddress
import urllib.error
import urllib.request
from typing import Final

ANSWER_BYTES_MAX: Final = 256
ASK_S_MAX: Final = 5.0


def ask_address(url: str) -> str | None:
    """The address in the answer of ``url`` (plain text); None where there is none."""
    opener = urllib.request.build_opener(_NoRedirect())
    try:
        with opener.open(url, timeout=ASK_S_MAX) as answer:
            text = answer.read(ANSWER_BYTES_MAX + 1).decode("ascii").strip()
        return str(ipaddress.ip_address(text))
    except (OSError, ValueError, urllib.error.URLError):
        return None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Whoever was named is asked, and nobody else."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None
