"""Every benchmark on a day of seconds, so that none can rot."""
