r"""Which paths need an identity.

A path is open only if it has exactly one reading, because servers, proxies and routers strip, fold, merge and decode
paths, each in its own way. The readings of a path are: path and raw path, as given and decoded up to twice, each also
in NFKC, without what follows a ``;`` in a segment, and up to a ``?`` or ``#``; all of that with and without the mount
point (``root_path``, ``SCRIPT_NAME``). A path is protected if any reading is ambiguous (it holds a control, format or
zero-width character, U+FFFD, which stands for undecodable bytes, a lone surrogate, a backslash, an encoded slash or
backslash, an empty or dot segment, or is excessive in length, in combining marks or in layers of encoding; a slash at
the end is no segment), or lies under a protected prefix, compared without case, without the blanks around a segment,
with any punctuation as ``_``, and with or without an extension at the end. It is exempt only if every reading lies
under an exempt prefix exactly, and none is ambiguous or holds a ``;``.
"""

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from unicodedata import combining, normalize
from urllib.parse import quote, unquote

from mtls_middleware._core.connection import Connection, Interface

_PLAIN = re.compile(r"(?:/[A-Za-z0-9_~@:+,()$!*'=&-][A-Za-z0-9_~@:+,()$!*'=&.-]*)*/?")
"""Paths with one reading: printable ASCII, nothing encoded, no ``;``, and no segment that begins with a dot."""

_AMBIGUOUS = re.compile(
    r"/ *(?:/|\.\.? *(?:/|\Z))|\\|%2[fF]|%5[cC]|\A[^/]"
    "|[\ufffd\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0]"  # replacement; of no width
)
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")

_MAX_LENGTH = 16_384
"""Characters of a path. RFC 9110 §4.1 asks for 8,000 octets."""

_PILE = bytes([1]) * 31
"""More combining marks in a row than text has (UAX #15, stream-safe); sorting them takes quadratic time."""

_GROWTH = 6
"""By how much NFKC may lengthen a path; one letter becomes up to 18."""

_PARAMETERS = re.compile(r";[^/]*")
_DELIMITERS = re.compile(r"[?#]")

_EXTENSION = re.compile(r"\.[^./]*/?\Z")
"""``.json`` and the like, which some frameworks take for a format, and cut off."""

_PUNCTUATION = str.maketrans(dict.fromkeys(string.punctuation.replace("/", ""), "_"))
"""CherryPy takes all of it for ``_``, to find a method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """The path prefixes of an application. They match on whole segments.

    Attributes:
        protected: such as ``/actions``; ``/`` is everything. Compared without case.
        exempt: what is let through without an identity all the same. Compared exactly.
    """

    protected: tuple[str, ...] = ("/",)
    exempt: tuple[str, ...] = ()
    _folded: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _exact: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_folded", tuple(map(_handler, self.protected)))
        encoded = tuple(map(quote, self.exempt))  # so the raw path has them
        object.__setattr__(self, "_exact", tuple(dict.fromkeys(self.exempt + encoded)))

    @property
    def is_total(self) -> bool:
        """Return whether every path needs an identity, however it is read."""
        return "/" in self.protected and not self.exempt

    def covers(self, connection: Connection) -> bool:
        """Return whether the request needs an accepted identity."""
        if self.is_total:
            return True
        readings = _readings(connection)
        if readings is None:
            return True
        if not any(self._protects(reading) for reading in readings):
            return False
        return not all(self._exempts(reading) for reading in readings)

    def missing_exemption(self, connection: Connection) -> str | None:
        """Return the prefix that, added to the exempt ones, would exempt a covered request.

        There is one only where a mount point is all that keeps the path from being exempt: with it, or without it, the
        path lies under an exempt prefix. It is made of the exempt prefix and the mount point, not of the path.
        """
        for root in filter(None, (_root(connection), _cut_off(connection))) if self.exempt else ():
            shorter = (prefix.removeprefix(root) for prefix in self.exempt if prefix.startswith(f"{root}/"))
            for prefix in (*(root + prefix for prefix in self.exempt), *shorter):
                if not Protection(protected=self.protected, exempt=(*self.exempt, prefix)).covers(connection):
                    return prefix
        return None

    def _protects(self, reading: str) -> bool:
        forms = (reading, _EXTENSION.sub("", reading)) if "." in reading else (reading,)
        return any(_lies_in(_handler(form), self._folded) for form in forms)

    def _exempts(self, reading: str) -> bool:
        return ";" not in reading and _lies_in(reading, self._exact)


def is_ambiguous(path: str) -> bool:
    """Return whether a path may be read in more than one way, whatever is protected."""
    return not path.isprintable() or _AMBIGUOUS.search(path) is not None


def _readings(connection: Connection) -> frozenset[str] | None:
    """Return every reading of a path; None where one is ambiguous."""
    path = "/" if connection.path == "" else connection.path
    raw = path if connection.raw_path is None else _text(connection.raw_path)
    root = _root(connection)
    if max(map(len, (path, raw, root))) > _MAX_LENGTH:
        return None
    if raw == path and _PLAIN.fullmatch(path):
        paths = texts = frozenset((path,))
    elif not path.startswith("/") or is_ambiguous(_nfkc(path)):  # NFKC makes a slash of others
        return None
    else:
        paths = frozenset(_variants(path))
        texts = paths | frozenset(_variants(raw))
    if root:
        roots = frozenset((root,) if _PLAIN.fullmatch(root) else _variants(root))
        texts = frozenset(reading for root in roots for reading in _mounted(texts, root))
        if connection.interface is Interface.WSGI:
            texts |= {root + text for root in roots for text in paths}
    if any(is_ambiguous(_nfkc(text)) for text in texts):
        return None
    return texts


def _text(raw_path: bytes) -> str:
    return raw_path.partition(b"?")[0].decode("utf-8", "replace")


def _variants(path: str) -> Iterator[str]:
    """Read a path as given and decoded up to twice; what is still encoded then counts as undecodable."""
    given = {path, _nfkc(path)}
    decoded = _decoded(given)
    again = _decoded(decoded)
    if any(_ENCODED.search(form) for form in again):
        yield "/\ufffd"
    for form in given | decoded | again:
        yield form
        for text in (_PARAMETERS.sub("", form), _DELIMITERS.split(form, maxsplit=1)[0]):
            yield text
            yield _PARAMETERS.sub("", text)


def _decoded(forms: set[str]) -> set[str]:
    texts = set(map(unquote, forms))
    return texts | set(map(_nfkc, texts))


def _nfkc(text: str) -> str:
    if text.isascii():
        return text
    if _PILE in bytes(map(bool, map(combining, text))):
        return "\ufffd"
    normal = normalize("NFKC", text)
    return normal if len(normal) <= _GROWTH * len(text) else "\ufffd"


def _mounted(texts: frozenset[str], root: str) -> Iterator[str]:
    """Read paths with and without the mount point, whatever they hold."""
    segments, folded = root.count("/") + 1, _folded(root)
    for text in texts:
        yield text
        parts = text.split("/", segments)
        if _folded(unquote("/".join(parts[:segments]))) == folded:
            yield "/" + "".join(parts[segments:])
            continue
        yield root + text
        if _folded(text[: len(root)]) == folded:  # some frameworks cut it off wherever it ends
            yield "/" + text[len(root) :]


def _root(connection: Connection) -> str:
    root = connection.root_path.removesuffix("/")
    return root if root.startswith("/") or not root else f"/{root}"


def _cut_off(connection: Connection) -> str:
    """Return what somebody cut off the path without telling, as the raw path shows."""
    raw = unquote(_text(connection.raw_path or b""))
    return raw.removesuffix(connection.path) if raw.endswith(connection.path) else ""


def _folded(path: str) -> str:
    """Return a path as routers compare it that ignore case, compatibility forms or blanks around a segment."""
    if not path.isascii():
        path = _nfkc(_nfkc(path).casefold()).replace("i\u0307", "i").replace("\u0131", "i")
    path = path.casefold()
    return "/".join(map(str.strip, path.split("/"))) if " " in path else path


def _handler(path: str) -> str:
    """Return a path as routers compare it that make the name of a function of it."""
    return _folded(path).translate(_PUNCTUATION)


def _lies_in(path: str, prefixes: tuple[str, ...]) -> bool:
    return any(prefix in {"/", path} or path.startswith(prefix + "/") for prefix in prefixes)
