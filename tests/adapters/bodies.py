"""Requests with bodies, as WSGI servers hand them over."""

import errno
import io
from collections.abc import Callable, Iterable, Mapping
from typing import IO, TYPE_CHECKING, Any

from mtls_middleware import MTLSWSGIMiddleware
from tests.adapters.cases import wsgi_environ
from tests.adapters.site import Site, good_client, over_tls

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True, "REQUEST_METHOD": "POST"}
UWSGI = {"HTTP_TRANSFER_ENCODING": "chunked", "uwsgi.version": b"2.0.31", "wsgi.input": io.BufferedReader(io.BytesIO())}


class Start:
    """The callable with which an application begins its answer."""

    status = ""
    headers: Mapping[str, str] = {}

    def __call__(self, status: str, headers: list[tuple[str, str]], exc_info: object = None, /) -> Callable[..., None]:
        assert exc_info is None
        self.status, self.headers = status, dict(headers)
        return lambda _: None


class Application:
    """Read the body as Django does: as many bytes as there are by its length."""

    def __init__(self) -> None:
        self.environ: WSGIEnvironment = {}
        self.body: bytes | None = None
        self.left: bytes | None = None

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        self.environ = environ
        self.body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [])
        return [b"ok"]


def served(site: Site, environ: dict[str, Any], *, accepted: bool = True, **settings: str) -> tuple[int, Application]:
    """Return the status, and the application with what it saw."""
    app = Application()
    case = over_tls(good_client() if accepted else None, environ=environ)
    start = Start()
    answer: Any = MTLSWSGIMiddleware(app, guard=site.guard(**settings))(wsgi_environ(case), start)
    list(answer)
    if app.environ:
        app.left = app.environ["wsgi.input"].read() if app.environ["wsgi.input"] is not environ["wsgi.input"] else None
    if hasattr(answer, "close"):
        answer.close()
    return int(start.status[:3]), app


class Broken:
    """A body whose caller goes away."""

    def read(self, _: int) -> bytes:
        raise ConnectionResetError


class FullDisk(io.BytesIO):
    """Stand for a temporary file on a disk that is full."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def no_folder() -> IO[bytes]:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")


NO_DISK: dict[str, Callable[[], IO[bytes]]] = {"read-only": no_folder, "full": FullDisk}
"""What stands for `TemporaryFile` on machines where nothing can be kept on disk."""
