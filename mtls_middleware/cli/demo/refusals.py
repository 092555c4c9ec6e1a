"""Why handshakes were refused, taken from the log of the embedded server: the caller is told nothing."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

_FACTS = re.compile(r'verify_code=(\d+) verify_message="([^"]*)"')

_QUIET = ("mtls_middleware", "uvicorn", "uvicorn.error", "asyncio")


class HandshakeRefusals(logging.Handler):
    """Keep the newest line about a refused handshake."""

    def __init__(self) -> None:
        super().__init__()
        self._last = ("", "")

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line of the TLS layer; leave out others."""
        found = _FACTS.search(record.getMessage())
        if found is not None:
            self._last = (found[1], found[2])

    def clear(self) -> None:
        """Forget what was kept."""
        self._last = ("", "")

    def last(self) -> tuple[str, str]:
        """Return OpenSSL's verify code and message; both empty where nothing was logged."""
        return self._last


@contextmanager
def listening() -> Iterator[HandshakeRefusals]:
    """Keep the servers' lines out of the terminal, and those about handshakes at hand."""
    handler = HandshakeRefusals()
    loggers = [logging.getLogger(name) for name in _QUIET]
    before = [(logger, logger.propagate, logger.handlers[:]) for logger in loggers]
    for logger in loggers:
        logger.propagate = False
        logger.handlers = [handler]
    try:
        yield handler
    finally:
        for logger, propagate, handlers in before:
            logger.propagate, logger.handlers = propagate, handlers
