"""The connection to Valkey or Redis: what it costs is bounded, and what fails is a sentence, never an exception."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Any, TypeVar

import redis

from mtls_middleware._io import forks
from mtls_middleware._io.forks import follow_forks, waiting
from mtls_middleware._io.http import left_of, within
from mtls_middleware._io.redis_connections import CALL_SECONDS, CONNECTIONS, answering_client
from mtls_middleware._io.redis_troubles import LATE, Trouble, is_answer, trouble_of, wrong_protocol
from mtls_middleware.engine import Engine

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds in which an engine that did not answer is left alone; doubled with each failure, and jittered."""

_JITTERED = random.SystemRandom().uniform

_Found = TypeVar("_Found")


class AwayError(Exception):
    """The engine did not do what was asked; `problems` has why."""


class Doing(StrEnum):
    """What is asked of the engine, as its problem says it."""

    READ = "read"
    WRITE = "written"
    LOCK = "locked"


class EngineClient:
    """A client that connects when it is first used, and anew after each failure. Threads share it."""

    def __init__(
        self,
        engine: Engine,
        password: Callable[[], str],
        *,
        seconds: Callable[[], float] = time.monotonic,
        draw: Callable[[float, float], float] = _JITTERED,
    ) -> None:
        """Prepare; nobody is asked yet.

        Args:
            engine: where it is.
            password: returns the password, empty for none; it is asked for each connection.
            seconds: never go back.
            draw: for jitter.
        """
        self._engine = engine
        self._password = password
        self._seconds = seconds
        self._draw = draw
        self._troubles: dict[str, Trouble] = {}
        self._begin()
        follow_forks(self)

    def _begin(self) -> None:
        self._client: Any = None  # one of three of the library
        self._connecting: threading.Thread | None = None
        self._opening = threading.Lock()
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._failures = 0
        self._left_alone_until = float("-inf")

    @property
    def problems(self) -> tuple[str, ...]:
        """Return one sentence for each thing that does not work, with the first reason since it worked."""
        return tuple(f"state in {self.shown} cannot be {what}: {why}" for what, why in [*self._troubles.items()])

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """Return what does not work, after a while in which that may still be found out."""
        if self._connecting is not None:
            self._connecting.join(2 * CALL_SECONDS)
        return tuple(self._troubles.values())

    @property
    def shown(self) -> str:
        """Return the address, without user and password."""
        return self._engine.shown

    def call(self, doing: Doing, act: Callable[[Any], _Found], *, seconds: float = CALL_SECONDS) -> _Found:
        """Do something with the client of the library, within these seconds and what is left to this thread.

        Raises:
            AwayError: it failed, or is left alone after a failure.
        """
        seconds = left_of(seconds)
        if self._seconds() < self._left_alone_until or seconds <= 0:
            raise AwayError
        try:
            with within(seconds), waiting(), _held(self._slots):
                found = act(self._connected())
        except Exception as error:  # noqa: BLE001 - however the library or the engine fails, there is just no engine
            self._fail(doing, error)
            raise AwayError from None
        self._failures = 0
        self._troubles.pop(_USED, None)
        self._troubles.pop(doing, None)
        return found

    def close(self) -> None:
        """End the connections. The next call makes new ones."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def rest(self) -> None:
        """End the connections where no thread can live: there the process may be frozen now, and they die meanwhile."""
        if forks.why_no_thread() is not None:
            self.close()

    def after_fork(self) -> None:
        """Leave the parent its connections."""
        self._begin()

    def _connected(self) -> Any:  # noqa: ANN401 - one of three clients of the library
        with _held(self._opening):
            if self._client is None:
                self._client = self._open()
            return self._client

    def _open(self) -> Any:  # noqa: ANN401 - as above
        """Return a client that has answered. The resolver knows no bound, so it is asked on a thread of its own."""
        if forks.why_no_thread() is not None:
            return self._attempt()
        if self._connecting is not None and self._connecting.is_alive():
            raise TimeoutError(LATE)
        results: list[Any] = []
        seconds = left_of(CALL_SECONDS)

        def connect() -> None:
            try:
                with within(seconds):
                    results.append(answering_client(self._engine, self._password))
            except Exception as error:  # noqa: BLE001 - it is raised on the thread that waits
                results.append(error)
                self._explain(error)

        self._connecting = threading.Thread(target=connect, name="mtls-middleware-state", daemon=True)
        try:
            self._connecting.start()
        except RuntimeError:  # no more threads, or the interpreter ends: the last report is written all the same
            self._connecting = None
            return self._attempt()
        self._connecting.join(seconds)
        if not results:
            raise TimeoutError(LATE)
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]

    def _attempt(self) -> Any:  # noqa: ANN401 - as above
        try:
            return answering_client(self._engine, self._password)
        except Exception as error:
            self._explain(error)
            raise

    def _explain(self, error: Exception) -> None:
        """Find out whether the port speaks another protocol. It may come after who waits has been told something."""
        if not is_answer(error) and (found := wrong_protocol(self._engine)) is not None:
            self._troubles[_USED] = found

    def _fail(self, doing: Doing, error: Exception) -> None:
        """Remember why, and connect anew: a name may lead elsewhere by now."""
        refused = isinstance(error, redis.ResponseError)
        self._troubles.setdefault(doing if refused else _USED, trouble_of(error))
        if not refused:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures, 10))
            self._failures += 1
            self._left_alone_until = self._seconds() + pause * self._draw(1.0, 2.0)
        with suppress(Exception):  # it is broken already
            self.close()


_USED = "used"


@contextmanager
def _held(lock: "threading.Lock | threading.Semaphore") -> Iterator[None]:
    """Hold a lock that guards no data, so it may be held while a connection is made; who waits has a bound, too."""
    if not lock.acquire(timeout=max(0.0, left_of(CALL_SECONDS))):
        raise TimeoutError(LATE)
    try:
        yield
    finally:
        lock.release()
