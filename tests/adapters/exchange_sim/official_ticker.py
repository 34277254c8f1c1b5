"""The official KiteTicker in a process of its own: Twisted's reactor runs once and never again.

Lives here: the program, run with ``python -m``. Always holds: each callback of the client is one
JSON line on standard output; each line on standard input is a call: ``[method, arguments...]``.
Start reading at ``main``.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Any

from kiteconnect import KiteTicker
from twisted.internet import reactor


def tell(event: str, *what: Any) -> None:
    """One line: the name of a callback and what it was given; times as epoch seconds."""
    print(json.dumps([event, *what], default=lambda value: value.timestamp()), flush=True)  # noqa: T201


def obey(ticker: KiteTicker) -> None:
    """Call what standard input says until it ends; then the process ends too."""
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        reactor.callFromThread(getattr(ticker, method), *arguments)
    os._exit(0)


def main() -> None:
    """Connect and tell everything."""
    root, api_key, token = sys.argv[1:]
    ticker = KiteTicker(api_key, token, root=root, reconnect_max_delay=5)
    ticker.on_connect = lambda ws, response: tell("connect")
    ticker.on_ticks = lambda ws, ticks: tell("ticks", ticks)
    ticker.on_message = lambda ws, payload, is_binary: tell(
        "message", payload.hex() if is_binary else payload.decode(), bool(is_binary)
    )
    ticker.on_order_update = lambda ws, data: tell("order", data)
    ticker.on_error = lambda ws, code, reason: tell("error", code, str(reason))
    ticker.on_close = lambda ws, code, reason: tell("close", code, str(reason))
    ticker.on_reconnect = lambda ws, attempts: tell("reconnect", attempts)
    threading.Thread(target=obey, args=(ticker,), daemon=True).start()
    ticker.connect()


if __name__ == "__main__":
    main()
