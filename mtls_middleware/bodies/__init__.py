"""Request bodies: a refusal reads and drops one, and a framework that needs a length is handed a chunked one whole.

Whoever is refused while it still sends gets a reset from most servers, and never sees why; a proxy says 502. So the
body is read first, within bounds that hold for all refusals of the process together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from math import inf
from time import monotonic

from mtls_middleware._core.response import ProblemResponse, problem
from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.logging import LOGGER, Limiter, named

MAX_DISCARDED_BYTES = 2_500_000
"""Of a refused request's body; where more is coming, the connection is closed."""

MAX_WAITING_SECONDS = 2.0
"""For reading them: of one refusal, and of all refusals of the process together in a short time."""

ALWAYS_SECONDS = 0.1
"""That each refusal may wait: a body often comes a moment after its head."""

RECOVERY = 0.1
"""The share of the time after which all refusals together may wait again."""

PIECE_BYTES = 65_536
"""Read at once."""

_LIMITER = Limiter()


class Patience:
    """The time that refusals wait for bodies: callers who keep silent on purpose hold workers no longer."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        """Begin with all of it.

        Args:
            clock: returns seconds, never going back.
        """
        self._clock = clock
        self._grows_since = -inf

    @contextmanager
    def waiting(self) -> Iterator[float]:
        """Return the seconds that one refusal may wait, and count what it needed."""
        begin = self._clock()
        yield max(ALWAYS_SECONDS, min(MAX_WAITING_SECONDS, (begin - self._grows_since) * RECOVERY))
        now = self._clock()
        spent = max(0.0, now - begin - ALWAYS_SECONDS)
        full = now - MAX_WAITING_SECONDS / RECOVERY
        self._grows_since = min(now, max(full, self._grows_since) + spent / RECOVERY)


PATIENCE = Patience()
"""Of the process."""


def too_large(limit: int, correlation_id: str | None) -> ProblemResponse:
    """Return the answer to an accepted call with a longer chunked body, and log it."""
    if _LIMITER.admits(monotonic()):
        LOGGER.warning(
            "answered an accepted call with 413: its chunked body has more than MTLS_MAX_CHUNKED_BODY_BYTES=%d bytes",
            limit,
            extra=named(EventName.CALL_REFUSED),
        )
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, None, correlation_id)
