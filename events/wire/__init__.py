"""Wire codecs: pure functions between a broker's bytes and numbers, no socket, no clock.

Lives here: one module a wire format, each with the codec name and version that a ``FeedFrame``
carries. May import: msgspec and the standard library's pure parts. Always holds: any bytes give a
result or the module's one typed error; what was encoded here decodes to the same numbers.
Start reading at ``kite.walk``.
"""
