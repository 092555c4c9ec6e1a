"""Which paths are data action calls.

Servers, proxies and frameworks do not agree on what a path is, and a caller may use that. So a path is protected if
*any* reading of it is, and exempt only if *every* reading is.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from mtls_middleware._core.connection import Connection, Interface

_AMBIGUOUS = re.compile(r"\.\.|//|;|%2f|%5c|\\", re.IGNORECASE)
_ORIGIN = re.compile(r"\A[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_PARAMETERS = re.compile(r";[^/]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """Hold path prefixes. They match on whole segments, and case counts.

    Attributes:
        protected: such as ``/actions``; ``/`` is everything.
        exempt: what is let through without an identity all the same.
    """

    protected: tuple[str, ...] = ("/",)
    exempt: tuple[str, ...] = ()

    @property
    def is_total(self) -> bool:
        """Return whether every path needs an identity, however it is read."""
        return "/" in self.protected and not self.exempt

    def covers(self, connection: Connection) -> bool:
        """Return whether the request needs an accepted identity."""
        if self.is_total:
            return True
        readings = frozenset(_understood(_as_given(connection)))
        if connection.root_path:
            mounted = frozenset(_with_root(readings, connection))
            readings |= mounted | frozenset(_understood(mounted))
        if not any(_lies_in(reading, self.protected) for reading in readings):
            return False
        exempt = all(_lies_in(reading, self.exempt) and not _AMBIGUOUS.search(reading) for reading in readings)
        return not exempt


def _as_given(connection: Connection) -> Iterator[str]:
    paths = [connection.path]
    if connection.raw_path is not None:
        raw = re.split(r"[?#]", connection.raw_path.decode("latin-1"), maxsplit=1)[0]
        paths += [raw, unquote(raw)]
    for path in paths:
        yield path
        yield _ORIGIN.sub("", path, count=1) or "/"


def _understood(paths: Iterable[str]) -> Iterator[str]:
    for path in frozenset(paths):
        for form in (path, unquote(path)):
            yield form
            yield _normalised(form)


def _with_root(paths: Iterable[str], connection: Connection) -> Iterator[str]:
    """Read paths with or without the prefix under which the application is mounted, whatever they hold."""
    root = connection.root_path.rstrip("/")
    for path in paths:
        if connection.interface is Interface.ASGI and (path == root or path.startswith(root + "/")):
            yield path[len(root) :] or "/"
        else:
            yield root + "/" + path.lstrip("/")


def _normalised(path: str) -> str:
    return posixpath.normpath("/" + _PARAMETERS.sub("", path.replace("\\", "/")).lstrip("/"))


def _lies_in(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(prefix in {"/", path} or path.startswith(prefix + "/") for prefix in prefixes)
