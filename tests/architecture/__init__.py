"""Is the house as it is drawn: imports, purity, packaging, style. Every check has a canary."""
