"""The market port under the name that the sources beside it use.

Lives here: nothing of its own. May import: engine.ports.
"""

from __future__ import annotations

from engine.ports import Market, MarketError, MarketFrame

__all__ = ["Market", "MarketError", "MarketFrame"]
