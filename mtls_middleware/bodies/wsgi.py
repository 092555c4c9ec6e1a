"""Request bodies in WSGI.

`Body` knows how each server hands over a body: PEP 3333 has no chunked ones, and no way to stop waiting for a caller.
"""

import errno
import os
import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from io import BytesIO
from tempfile import SpooledTemporaryFile
from threading import Thread, Timer
from typing import IO, TYPE_CHECKING, Any

from mtls_middleware.bodies import MAX_DISCARDED_BYTES, PATIENCE, PIECE_BYTES
from mtls_middleware.bodies.spool import extended, forget

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_SOCKETS = ("gunicorn.socket", "werkzeug.socket")

_A2WSGI = "a2wsgi"
_GRANIAN = "granian"
"""It neither has timeouts nor shows its connection."""

_SERVE = "mtls_middleware"

_UWSGI = "uwsgi.version"
"""A key that uWSGI sets; no header is called so."""

_ROUTER_PASSES_CHUNKS = "http-chunked-input"
"""The option of uWSGI's http router without which chunks end in it."""


class RequestBody:
    """The body of one request, as its server hands it over.

    Attributes:
        is_chunked: it came without a length.
    """

    def __init__(self, environ: "WSGIEnvironment") -> None:
        self._environ = environ
        self._input: Any = environ.get("wsgi.input")
        self._server = type(self._input).__module__.partition(".")[0]
        self._uwsgi: Any = import_module("uwsgi") if _UWSGI in environ else None
        self.is_chunked = str(environ.get("HTTP_TRANSFER_ENCODING")).strip().lower() == "chunked"
        length = str(environ.get("CONTENT_LENGTH") or "")
        self._length = int(length) if length.isascii() and length.isdecimal() else 0

    @property
    def is_next_request(self) -> bool:
        """Return whether the server takes what is left of the body for the next request: cheroot does."""
        return self.is_chunked and self._server == "cheroot"

    @property
    def closes_silently(self) -> bool:
        """Return whether the server closes the connection without having said so: uWSGI does, after each answer."""
        return self._uwsgi is not None

    def spool(self, limit: int) -> IO[bytes] | None:
        """Return the whole of a chunked body, at its beginning, or as much as shows that it is longer than `limit`.

        None where the server does not say where such a body ends.
        """
        read = self._reader()
        if read is None:
            return None
        body: IO[bytes] = BytesIO()
        try:
            while body.tell() <= limit and (piece := read(min(PIECE_BYTES, limit + 1))):
                body = extended(body, piece)
        except BaseException:
            forget(body)
            raise
        return body

    def discard(self) -> bool:
        """Read and drop the body, within bounds; return whether nothing of it is left."""
        if not self.is_chunked and not self._length:
            return True
        if self._server == _SERVE:
            self._input.refuse()
            return True
        read, connection = self._reader(), self._connection()
        if read is None:
            return False
        if connection is not None:
            with PATIENCE.waiting() as seconds, _readable_for(seconds, connection):
                return self._read_away(read)
        if self._server == _GRANIAN and "HTTP_EXPECT" not in self._environ:
            # Its answer ends the reading, at the latest.
            aside = Thread(target=self._read_away, args=(read,), daemon=True)
            with PATIENCE.waiting() as seconds:
                aside.start()
                aside.join(seconds)
            return not aside.is_alive()
        return False

    def _read_away(self, read: Callable[[int], bytes]) -> bool:
        left = MAX_DISCARDED_BYTES if self.is_chunked else min(self._length, MAX_DISCARDED_BYTES)
        # Bodies end in the middle, or are not chunked as they say: each server has exceptions of its own for that.
        with suppress(Exception):
            while left > 0:
                piece = read(min(PIECE_BYTES, left))
                if not piece:
                    return self.is_chunked
                left -= len(piece)
            return not self.is_chunked and self._length <= MAX_DISCARDED_BYTES
        return False

    def leave(self) -> None:
        """Discard what an application left of the body, or close the connection.

        Raises:
            ConnectionResetError: the server closes the connection, and logs nothing.
        """
        if not self.discard():
            raise ConnectionResetError(errno.ECONNRESET, "a request body that nobody read")

    def _reader(self) -> Callable[[int], bytes] | None:
        """Return what reads some bytes, and nothing behind the end; None where nobody knows where that is."""
        ends = self._environ.get("wsgi.input_terminated") or isinstance(self._input, BytesIO | SpooledTemporaryFile)
        if not self.is_chunked or ends or self._server == _A2WSGI:
            return getattr(self._input, "read", None)
        if self._uwsgi is None or ("UWSGI_ROUTER" in self._environ and _ROUTER_PASSES_CHUNKS not in self._uwsgi.opt):
            return None
        return lambda _: self._uwsgi.chunked_read()

    def _connection(self) -> Any:  # noqa: ANN401 - a socket, a file or a descriptor
        """Return the caller's connection, or its descriptor; None where the server keeps it to itself.

        Also None where reading would invite a body that the caller holds back (RFC 9110 §10.1.1). Servers whose sockets
        can be had have invited it before.
        """
        if not str(self._environ.get("SERVER_PROTOCOL", "")).startswith("HTTP/1."):
            return None  # many requests share it
        handed_over = [*(self._environ.get(key) for key in _SOCKETS), getattr(self._input, "rfile", None)]
        found = next((one for one in handed_over if hasattr(one, "fileno")), None)
        if found is None and self._uwsgi is not None and "HTTP_EXPECT" not in self._environ:
            return self._uwsgi.connection_fd()
        return found


@contextmanager
def _readable_for(seconds: float, connection: Any) -> Iterator[None]:  # noqa: ANN401 - a socket, a file or a descriptor
    """Let nothing be read from a connection after some seconds; reading in a block ends then.

    A caller who is silent meets a timeout before, where the server handed over its socket: an answer over TLS can still
    be written then. Timeouts do not end a caller who sends a byte from time to time.
    """
    descriptor = connection if isinstance(connection, int) else connection.fileno()
    timed = connection if hasattr(connection, "settimeout") else None
    before = None if timed is None else timed.gettimeout()
    own = socket.socket(fileno=os.dup(descriptor))
    timer = Timer(seconds, _end_reading, [own])
    timer.daemon = True
    timer.start()
    try:
        if timed is not None:
            timed.settimeout(seconds / 2)
        yield
    finally:
        timer.cancel()
        own.close()
        if timed is not None:
            timed.settimeout(before)


def _end_reading(connection: socket.socket) -> None:
    with suppress(OSError):  # it was closed at this moment
        connection.shutdown(socket.SHUT_RD)


class Closing:
    """An answer, with a step of ours after it."""

    def __init__(self, answer: Iterable[bytes], step: Callable[[], object]) -> None:
        self._answer = answer
        self._step = step

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """Close the answer, and take the step; servers call this in every case."""
        try:
            if hasattr(self._answer, "close"):
                self._answer.close()
        finally:
            self._step()
