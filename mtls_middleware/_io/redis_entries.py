"""An entry in an engine: a header with an HMAC, and content in parts. Nothing that comes out is believed unseen."""

import hashlib
import json
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from mtls_middleware._io.files import InputError, parse_object
from mtls_middleware._io.sealing import Seal
from mtls_middleware._io.store import Kind

VERSION = 1

CONTENT_BYTES = 20 * 1024 * 1024 + 1_000
"""Of one entry: a CRL at its cap."""

HEADER_BYTES = 8_192

PART_BYTES = 1024 * 1024
"""A long content lies there in parts."""

SLICE_BYTES = 64 * 1024
"""Of a part that one call reads, which over a slow line has its time, too."""

PLAIN_BYTES = 64 * 1024
"""Longer contents are compressed. Of a machine with a folder, one process fetches them."""

_KEYS = {"version", "kind", "key", "at", "fence", "sha256", "length", "stored"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of an entry before its content is fetched.

    Attributes:
        kind: of the entry.
        key: of the entry.
        at: when it was put, UTC, by the clock of whoever did.
        fence: the number of whoever did; only one that was given later is higher.
        sha256: of its content, in hexadecimal digits.
        length: of its content.
        stored: bytes of it in the engine; less than `length` where it is compressed.
    """

    kind: Kind
    key: str
    at: datetime
    fence: int
    sha256: str
    length: int
    stored: int

    @property
    def name(self) -> str:
        """Return its name in the engine."""
        return name_of(self.kind, self.key)

    def slice_at(self, begin: int) -> tuple[str, int, int]:
        """Return the field of the engine in which a slice of the content lies, and its first and last byte from one."""
        index, first = divmod(begin, PART_BYTES)
        return f"c:{self.name}:{index}", first + 1, first + SLICE_BYTES

    def write(self, seal: Seal) -> bytes:
        """Return it with its HMAC."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields |= {"version": VERSION, "at": self.at.isoformat()}
        return seal.sealed(self.name, json.dumps(fields).encode("ascii"))

    @classmethod
    def read(cls, seal: Seal, name: str, whole: bytes) -> Self:
        """Read a header.

        Args:
            seal: of the deployment.
            name: under which it lies.
            whole: unbelieved.

        Raises:
            InputError: it is not what `write` made for this place.
        """
        payload = parse_object(seal.opened(name, whole))
        if payload.keys() != _KEYS or payload["version"] != VERSION:
            raise InputError("is no entry of this version")
        key, at, sha256 = (str(payload[name]) for name in ("key", "at", "sha256"))
        fence, length, stored = payload["fence"], payload["length"], payload["stored"]
        if type(length) is not int or type(stored) is not int or not 0 <= stored <= length <= CONTENT_BYTES:
            raise InputError("is too large")
        if type(fence) is not int:
            raise InputError("is no entry of this version")
        try:
            moment = datetime.fromisoformat(at).astimezone(UTC)
            kind = Kind(str(payload["kind"]))
            found = cls(kind=kind, key=key, at=moment, fence=fence, sha256=sha256, length=length, stored=stored)
        except (ValueError, OverflowError) as error:
            raise InputError("is no entry of this version") from error
        if found.name != name:
            raise InputError("is damaged")
        return found

    def content_of(self, stored: bytes) -> bytes:
        """Return the content.

        Args:
            stored: its parts, one behind the other, unbelieved.

        Raises:
            InputError: they are another's, or damaged.
        """
        content = stored if self.stored == self.length else _inflated(stored, self.length)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise InputError("is damaged")
        return content


def name_of(kind: Kind, key: str) -> str:
    """Return the name of an entry in the engine."""
    return f"{kind}:{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def entry_of(kind: Kind, key: str, content: bytes, at: datetime, fence: int = 0) -> tuple[Header, list[bytes]]:
    """Return the header and the parts of an entry."""
    stored = content
    if len(content) > PLAIN_BYTES:
        deflated = zlib.compress(content, 1)
        stored = deflated if len(deflated) < len(content) else content
    header = Header(
        kind=kind,
        key=key,
        at=at,
        fence=fence,
        sha256=hashlib.sha256(content).hexdigest(),
        length=len(content),
        stored=len(stored),
    )
    return header, [stored[begin : begin + PART_BYTES] for begin in range(0, len(stored), PART_BYTES)]


def _inflated(stored: bytes, length: int) -> bytes:
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(stored, length + 1)
    except zlib.error as error:
        raise InputError("is damaged") from error
    if len(content) != length or not inflater.eof:
        raise InputError("is damaged")
    return content
