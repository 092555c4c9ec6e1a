"""HTTP for what refreshes trust, as types: answers, failures, deadlines, and the proxies of the environment."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from mtls_middleware._io.forks import waiting

SESSION_SECONDS = 30.0
"""For a whole session: resolving, connecting, TLS and every request and answer in it."""

BODY_BYTES = 1_000_000
"""Of one answer, as it comes and after decompression."""

LATEST_END: ContextVar[float | None] = ContextVar("last", default=None)
"""When everything must be over that this thread does `within` some seconds, by the monotonic clock."""


Resolve = Callable[[str, int], Iterable[str]]
"""Return the addresses that may be contacted for a host and a port, or raise `HTTPFailure`."""


class FailureKind(StrEnum):
    """The kind of an HTTP failure."""

    URL = "url"
    """It is no http or https address."""
    UNKNOWN_HOST = "unknown_host"
    ADDRESS_REFUSED = "address_refused"
    """A rule of ours forbids the addresses of the host."""
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    """A step, or the whole session, took too long."""
    TLS = "tls"
    """The server's certificate is not trusted here, or the handshake failed."""
    PROXY = "proxy"
    """The proxy of the environment refused, or cannot be used."""
    TOO_LARGE = "too_large"
    GARBLED = "garbled"
    """It broke off, or is not HTTP as it should be."""


class HTTPFailure(Exception):  # noqa: N818 - not an error of ours: it is what happened on the network
    """An exchange without a complete answer.

    Attributes:
        kind: what kept it away.
        detail: one clause for the log; it holds no header and no credential, but perhaps text of the other side.
    """

    def __init__(self, kind: FailureKind, detail: str) -> None:
        self.kind = kind
        self.detail = detail
        super().__init__(detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A complete answer of any status. Redirects are answers too: nothing is followed.

    Attributes:
        status: HTTP status code.
        headers: by lower-case name; the values of repeated ones are joined by commas.
        body: decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment at which everything must be over.

    Attributes:
        end: by the clock.
        clock: seconds, never going back.
    """

    end: float
    clock: Callable[[], float]

    def bound(self, seconds: float) -> float:
        """Return as much of these seconds as is left.

        Raises:
            HTTPFailure: nothing is left.
        """
        left = self.end - self.clock()
        if left <= 0:
            raise HTTPFailure(FailureKind.TIMEOUT, "the time for the whole exchange is used up")
        return min(seconds, left)


class Session(Protocol):
    """A session: requests one after another, until its time is used up."""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        body_bytes: int = BODY_BYTES,
    ) -> Response:
        """Send a request, and read its answer.

        Args:
            method: such as ``GET``.
            url: http or https.
            headers: beside those that every request has.
            content: of the request.
            body_bytes: the longest answer that is taken.

        Raises:
            HTTPFailure: there is no complete answer.
        """


class OpenSession(Protocol):
    """Open a session: `open_session`, or a double of it in tests."""

    def __call__(
        self, *, seconds: float = SESSION_SECONDS, resolve: Resolve | None = None
    ) -> AbstractContextManager[Session]:
        """Open it; the arguments are those of `open_session`."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Bound all sessions together that this thread opens in the block: what comes too late fails as a timeout does."""
    end, outer = time.monotonic() + seconds, LATEST_END.get()
    token = LATEST_END.set(end if outer is None else min(end, outer))
    try:
        yield
    finally:
        LATEST_END.reset(token)


def left_of(seconds: float) -> float:
    """Return as much of these seconds as is left to this thread `within` others; none or less where they are over."""
    latest = LATEST_END.get()
    return seconds if latest is None else min(seconds, latest - time.monotonic())


def look_up(host: str, port: int) -> tuple[str, ...]:
    """Ask the system's resolver, which keeps its own limits of time; a fork does not wait for it.

    Raises:
        HTTPFailure: it knows no address.
    """
    try:
        with waiting():
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise HTTPFailure(FailureKind.UNKNOWN_HOST, f"the name of the host cannot be resolved ({error})") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def proxy_of(url: str) -> str | None:
    """Return the proxy that the environment names for an address (HTTPS_PROXY, NO_PROXY …), or None."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if not parts.hostname or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")
