"""The answer of a WSGI application under `serve`: held to PEP 3333, and to its own ``Content-Length``."""

import re
from collections.abc import Callable
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING
from wsgiref.util import is_hop_by_hop

from starlette.types import Message, Scope

from mtls_middleware.display import displayed
from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.logging import LOGGER, Limiter, named

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

_STATUS = re.compile(r"([2-5][0-9]{2})(?: [\t -~\x80-\xff]*)?")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")

_LENGTH = "content-length"

_BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)

_LIMITER = Limiter()


class WSGIAnswer:
    """One answer.

    Attributes:
        is_begun: its head was passed on.
        is_whole: all of it was passed on, but for its end.
    """

    def __init__(self, scope: Scope, pass_on: Callable[[Message], None]) -> None:
        self._scope = scope
        self._pass_on = pass_on
        self._start: Message | None = None
        self._room: int | None = None
        self._has_body = True
        self.is_begun = False
        self.is_whole = False

    def run(self, application: "WSGIApplication", environ: "WSGIEnvironment") -> None:
        """Call the application, and pass on what it answers."""
        try:
            self._run(application, environ)
        except StopIteration as error:  # no future can hold one: its call would wait for ever
            raise RuntimeError("the application raised StopIteration") from error

    def _run(self, application: "WSGIApplication", environ: "WSGIEnvironment") -> None:
        pieces = application(environ, self._start_response)
        try:
            for piece in pieces:
                self._write(piece)
            self._begin()
            self.is_whole = not self._room
            if self._room:
                self._complain("too few")
        finally:
            if hasattr(pieces, "close"):
                pieces.close()

    def _start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: "OptExcInfo | None" = None,
        /,
    ) -> Callable[[bytes], object]:
        if exc_info and exc_info[1]:
            if self.is_begun:
                raise exc_info[1].with_traceback(exc_info[2])
        elif self._start is not None:
            raise RuntimeError("the application called start_response twice")
        found = _STATUS.fullmatch(status)
        if found is None:
            raise ValueError(f"the application's status is {displayed(status)!r}")
        code = int(found[1])
        fields = [(name.lower(), value) for name, value in headers if not is_hop_by_hop(name)]  # as gunicorn does
        for name, value in fields:
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):  # a line break would begin another header
                raise ValueError(f"the application's header {displayed(name)!r} has forbidden characters")
        self._has_body = self._scope["method"] != "HEAD" and code not in _BODILESS
        length = _length_of([value for name, value in fields if name == _LENGTH])
        self._room = length if self._has_body else 0
        fields = [field for field in fields if field[0] != _LENGTH]
        if length is not None and code not in _BODILESS:
            fields.append((_LENGTH, str(length)))
        encoded = [(name.encode("ascii"), value.encode("latin-1")) for name, value in fields]
        self._start = {"type": "http.response.start", "status": code, "headers": encoded}
        return self._write

    def _write(self, piece: bytes) -> None:
        if not isinstance(piece, bytes):
            raise TypeError(f"the application's answer is {type(piece).__name__}, and not bytes")
        if not piece:  # headers may change until then
            return
        self._begin()
        if self._room is not None:
            if self._has_body and len(piece) > self._room:
                self._complain("too many")
                self._has_body = False
            piece, self._room = piece[: self._room], max(0, self._room - len(piece))
        self._pass_on({"type": "http.response.body", "body": piece, "more_body": True})

    def _begin(self) -> None:
        if self._start is None:
            raise RuntimeError("the application did not call start_response")
        if not self.is_begun:
            self.is_begun = True
            self._pass_on(self._start)

    def _complain(self, what: str) -> None:
        if _LIMITER.admits(monotonic()):
            LOGGER.warning(
                "the application's answer has %s bytes for its Content-Length path=%s",
                what,
                displayed(self._scope["path"]),
                extra=named(EventName.DEPLOYMENT),
            )


def _length_of(values: list[str]) -> int | None:
    lengths = {int(value) if value.strip().isdecimal() else None for value in values}
    if not lengths:
        return None
    length = lengths.pop()
    if lengths or length is None:
        raise ValueError("the application's Content-Length is no length")
    return length
