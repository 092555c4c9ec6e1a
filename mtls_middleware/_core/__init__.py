"""The pure core: bytes, values and `now` come in, a decision goes out.

Nothing here opens a file, waits, logs, or reads a clock.
"""
