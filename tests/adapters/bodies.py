"""Requests with bodies, as WSGI servers hand them over."""

import errno
import io
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

from mtls_middleware import MTLSWSGIMiddleware
from mtls_middleware.bodies import spool
from mtls_middleware.bodies.spool import SPOOL_BYTES
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


class FullDisk(io.FileIO):
    """Stand for a temporary file on a disk that takes some bytes more, and fails in closing, as quotas and NFS do."""

    def __init__(self, path: Path, room: int) -> None:
        super().__init__(path, "w+")
        self._room = room

    def write(self, piece: Any, /) -> int:
        if not self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = super().write(piece[: self._room])
        self._room -= written
        return written

    def close(self) -> None:
        was_open = not self.closed
        super().close()
        if was_open:
            raise OSError(errno.EDQUOT, "Disk quota exceeded")


def no_folder(**_: int) -> IO[bytes]:
    raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """Keep temporary files on a file system of this size; where none can be mounted, no file may be longer."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        with longest_file(size):
            yield
        return
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(folder))
            yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def longest_file(size: int) -> Iterator[None]:
    """Let no file of this process become longer."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


@contextmanager
def full_disk(folder: Path, size: int) -> Iterator[None]:
    """Let a disk fill up, and fail in closing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "TemporaryFile", lambda **_: FullDisk(folder / "body", size))
        yield


NO_ROOM: dict[str, Callable[[Path, int], AbstractContextManager[None]]] = {
    "a small file system": small_disk,
    "a limit of the process": lambda _, size: longest_file(size),
    "a disk that fails in closing": full_disk,
}
"""By name: what has room for some bytes of a body, and no more."""

ROOM = [4_096, 700_000, SPOOL_BYTES, SPOOL_BYTES + 4_096, 2_000_000, 4_000_000]
"""Bytes after which a disk is full."""

LONG_BODY = b"".join(b"%08d\n" % number for number in range(400_000))
"""No part of which looks like another one."""
