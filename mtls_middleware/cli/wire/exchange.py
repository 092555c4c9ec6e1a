"""Raw HTTP over TLS or a plain socket, with the time of each step, within bounds of size and time."""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from mtls_middleware._core.decision import Reason
from mtls_middleware.cli.wire import http2
from mtls_middleware.cli.wire.answer import Answer, Bounded, Failure, NoAnswer, NoAnswerError, read_answer
from mtls_middleware.cli.wire.message import Request, Target, Version, written
from mtls_middleware.cli.wire.tls import Alert, TLSFacts, facts_of, note_requests
from mtls_middleware.observing.handshakes import in_words

_UNREACHABLE_AT = ("DNS", "connect")


class Line(Protocol):
    """What carries a request to the target, and an answer back."""

    def exchange(self, target: Target, request: Request, context: ssl.SSLContext | None) -> Answer | NoAnswer:
        """Send a request on a connection of its own; never raise for what the other side does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondsLeft:
    """The seconds that are left.

    Attributes:
        end: by the clock.
        clock: returns seconds, and never goes back.
    """

    end: float
    clock: Callable[[], float] = time.monotonic

    def __call__(self) -> float:
        """Return what is left; never nothing.

        Raises:
            TimeoutError: nothing is left.
        """
        left = self.end - self.clock()
        if left <= 0:
            raise TimeoutError
        return left


@dataclass(slots=True, kw_only=True)
class Exchange:
    """What was seen, step by step.

    Attributes:
        seconds: that each step took, in their order.
        address: of the server.
        tls: what TLS agreed on; None where it is not spoken, or did not get that far.
        answer: None where there was none.
        step: in which it failed; empty where it did not.
        error: what failed.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    address: str = ""
    tls: TLSFacts | None = None
    answer: Answer | None = None
    step: str = ""
    error: Exception | None = None

    @property
    def result(self) -> Answer | NoAnswer:
        """Return the answer, or why there is none."""
        return replace(self.answer or self._no_answer(), asked=None if self.tls is None else self.tls.asked)

    def _no_answer(self) -> NoAnswer:
        detail = str(self.error)
        match self.error:
            case NoAnswerError(no_answer=known):
                return known
            case _ if self.step in _UNREACHABLE_AT:
                failure = Failure.UNREACHABLE
            case TimeoutError():
                failure, detail = Failure.TIMEOUT, ""
            case ssl.SSLCertVerificationError() as error:
                failure, detail = Failure.UNTRUSTED, in_words(error)
            case ssl.SSLError() as error if not isinstance(error, ssl.SSLEOFError):
                alert = Alert.of(error)
                failure = Failure.DEMANDED if alert.reason is Reason.CERTIFICATE_MISSING else Failure.HANDSHAKE
                detail = alert.words
            case _ if self.step == "TLS":
                failure = Failure.HANDSHAKE
            case http.client.RemoteDisconnected():
                failure, detail = Failure.CLOSED, ""
            case http.client.HTTPException() | ValueError() as error:
                failure, detail = Failure.NO_HTTP, type(error).__name__
            case _:
                failure = Failure.CLOSED
        return NoAnswer(failure=failure, detail=detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketLine:
    """Real sockets.

    Attributes:
        timeout: seconds that one exchange may take in all.
    """

    timeout: float

    def exchange(self, target: Target, request: Request, context: ssl.SSLContext | None) -> Answer | NoAnswer:
        """Send a request on a connection of its own."""
        is_http2 = request.message.version is Version.HTTP_2
        if is_http2 and not target.is_tls:
            return NoAnswer(failure=Failure.NOT_OFFERED)
        return call_once(target, request if is_http2 else written(request), context, timeout=self.timeout).result


def call_once(
    target: Target,
    request: bytes | Request,
    context: ssl.SSLContext | None,
    *,
    timeout: float,
    progress: Callable[[str], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> Exchange:
    """Send a request, and return what was seen; what the other side does raises nothing.

    Args:
        target: what is called.
        request: its bytes, of HTTP/1; or what to send over HTTP/2.
        context: of TLS; None for plain HTTP.
        timeout: seconds for all of it; only the system's resolver keeps its own limits.
        progress: gets the name of each step when it begins.
        clock: seconds, never going back.
    """
    seen = Exchange()
    steps = _Steps(seen, progress, clock)
    remaining = SecondsLeft(end=clock() + timeout, clock=clock)
    try:
        _converse(target, request, context if target.is_tls else None, remaining, steps)
    except (OSError, ValueError, http.client.HTTPException, NoAnswerError) as error:
        seen.step, seen.error = steps.name, error
    steps.end()
    return seen


class _Steps:
    """The time of one step after the other."""

    def __init__(self, seen: Exchange, progress: Callable[[str], None], clock: Callable[[], float]) -> None:
        self.seen = seen
        self.name = ""
        self._progress = progress
        self._clock = clock
        self._began = clock()

    def begin(self, name: str) -> None:
        self.end()
        self.name = name
        self._progress(name)
        self._began = self._clock()

    def end(self) -> None:
        if self.name:
            self.seen.seconds[self.name] = self._clock() - self._began


def _converse(
    target: Target, request: bytes | Request, context: ssl.SSLContext | None, remaining: SecondsLeft, steps: _Steps
) -> None:
    host, port = target.address or (target.host, target.port)
    steps.begin("DNS")
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    steps.begin("connect")
    with _connected(found, remaining, steps.seen) as plain:
        if context is None:
            steps.seen.answer = converse(plain, request, remaining, steps.begin)
            return
        steps.begin("TLS")
        context.set_alpn_protocols(["http/1.1"] if isinstance(request, bytes) else [http2.ALPN, "http/1.1"])
        requests = note_requests(context)
        plain.settimeout(remaining())
        with context.wrap_socket(plain, server_hostname=target.host) as connection:
            steps.seen.tls = facts_of(connection, requests)
            steps.seen.answer = converse(connection, request, remaining, steps.begin)


def _connected(found: list[Any], remaining: SecondsLeft, seen: Exchange) -> socket.socket:
    """Connect to the first address that answers."""
    problem: OSError = OSError("no address")
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        seen.address = f"{address[0]}:{address[1]}" if ":" not in address[0] else f"[{address[0]}]:{address[1]}"
        try:
            connection.settimeout(remaining())
            connection.connect(address)
            # Otherwise Nagle's 40 ms look like the server's.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            problem = error
        else:
            return connection
    raise problem


def converse(
    connection: socket.socket, request: bytes | Request, remaining: Callable[[], float], begin: Callable[[str], None]
) -> Answer:
    """Send a request on a new connection, and return what comes back.

    Raises:
        OSError, ValueError, HTTPException, NoAnswerError: there is no answer.
    """
    begin("first byte")
    if isinstance(request, Request):
        return http2.converse(connection, request, remaining)
    stream = io.BufferedReader(Bounded(connection, remaining))
    broken: OSError | None = None
    try:
        connection.sendall(request)
    except OSError as error:
        broken = error  # a server that refuses early may have answered, or sent an alert, before it hung up
    try:
        stream.peek(1)
        begin("answer")
        return read_answer(stream, request.partition(b" ")[0].decode("ascii"))
    except OSError as error:
        # An alert says more than a broken pipe, and time more than either.
        raise (error if broken is None or isinstance(error, ssl.SSLError | TimeoutError) else broken) from error
