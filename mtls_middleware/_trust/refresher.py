"""When trust is refreshed: soon after a file changed, and from time to time; one at a time, on a thread aside."""

import logging
import threading
import time
import weakref
from collections.abc import Callable

from mtls_middleware._io.forks import follow_forks, undisturbed
from mtls_middleware._trust.schedule import Draw, jittered
from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.logging import named

POLL_SECONDS = 2.0
"""Between two questions whether something changed, at most; asking costs one stat a file."""

HURRY_SECONDS = 0.25
"""The same while a source has never answered, and another process may be asking it."""

POLL_JITTER = (0.75, 1.0)
"""Part of that time to wait, so that processes that began together do not ask together for ever."""

POLLS = 4
"""Questions in an interval, at least: what becomes due just after a refresh must not wait for the next one."""

JITTER = 0.1
"""Part of the interval by which refreshes move, so that many workers do not move together."""

CLOSE_SECONDS = 5.0
"""How long `close` waits for a refresh under way. The thread ends after it in any case."""

Wait = Callable[[threading.Event, float], bool]
"""Wait for an event, but not longer than some seconds; return whether it was set."""

_log = logging.getLogger("mtls_middleware.trust")


class Refresher:
    """A daemon thread that calls `refresh`. An exception is logged, and never ends the thread.

    The thread keeps no reference between two ticks: a refresher that nobody holds ends by itself.
    """

    def __init__(
        self,
        refresh: Callable[[], object],
        changed: Callable[[], bool],
        interval: float,
        poll: Callable[[], float] = lambda: POLL_SECONDS,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Draw = jittered,
        wait: Wait = threading.Event.wait,
    ) -> None:
        """Prepare; nothing runs before `start`.

        Args:
            refresh: reads everything again.
            changed: says cheaply whether there is something new to read.
            interval: seconds between refreshes if nothing changes; a jitter is added.
            poll: returns the seconds between two questions to `changed`, at most.
            clock: seconds, never going back.
            draw: a number between two others.
            wait: how the thread waits.
        """
        self._refresh = refresh
        self._changed = changed
        self._interval = interval
        self._poll = poll
        self._clock = clock
        self._draw = draw
        self._wait = wait
        self._complaint: str | None = None
        self._due = 0.0
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._refreshing = threading.Lock()
        follow_forks(self)

    @property
    def is_running(self) -> bool:
        """Return whether there is a thread that has not been told to end."""
        return self._thread is not None

    def start(self) -> None:
        """Begin the thread, unless it runs."""
        with self._starting:
            if self._thread is not None:
                return
            stop = threading.Event()
            self._plan()
            thread = threading.Thread(
                target=_run,
                args=(weakref.ref(self), stop, self._wait),
                name="mtls-middleware-trust",
                daemon=True,
            )
            thread.start()
            self._stop, self._thread = stop, thread

    def close(self) -> None:
        """End the thread. `start` may follow."""
        with self._starting:
            stop, thread = self._stop, self._thread
            self._stop = self._thread = None
        if stop is None or thread is None:
            return
        stop.set()
        if thread is not threading.current_thread():
            thread.join(CLOSE_SECONDS)

    def refresh_now(self, refresh: Callable[[], object] | None = None) -> None:
        """Refresh in the caller's thread, after the refresh that may be under way. What it raises is the caller's."""
        # This lock stands for "one at a time" and guards no data, so it may be held while a refresh waits.
        with self._refreshing, undisturbed():
            self._plan()
            (refresh or self._refresh)()

    def after_fork(self) -> None:
        """Go on in a child of the process, where neither the thread nor the holders of locks exist."""
        was_running = self.is_running
        self._starting = threading.Lock()
        self._refreshing = threading.Lock()
        self._stop = self._thread = None
        if was_running:
            self.start()

    def tick(self) -> float:
        """Refresh if it is time to, and return the seconds until the next tick."""
        poll = POLL_SECONDS
        try:
            if self._clock() >= self._due or self._changed():
                self.refresh_now()
                if self._complaint is not None:
                    self._complaint = None
                    _log.error("trust is refreshed again", extra=named(EventName.TRUST_REFRESH))
            poll = self._poll()
        except BaseException as error:  # noqa: BLE001 - keep going; cryptography's panics are no Exception
            self._complain(error)
        poll = min(poll, self._interval / POLLS) * self._draw(*POLL_JITTER)
        return max(0.0, min(poll, self._due - self._clock()))

    def _plan(self) -> None:
        self._due = self._clock() + self._interval * self._draw(1 - JITTER, 1 + JITTER)

    def _complain(self, error: BaseException) -> None:
        """Log it once: the same failure comes again every few seconds."""
        complaint = repr(error)
        if complaint != self._complaint:
            self._complaint = complaint
            _log.error(
                "trust could not be refreshed; the last good trust stays",
                exc_info=error,
                extra=named(EventName.TRUST_REFRESH),
            )


def _run(reference: weakref.ref[Refresher], stop: threading.Event, wait: Wait) -> None:
    seconds = 0.0
    while not wait(stop, seconds):
        refresher = reference()
        if refresher is None:
            return
        seconds = refresher.tick()
        del refresher
