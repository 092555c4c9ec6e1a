"""The first line of each file in the state folder: what is in the file, since when, and an HMAC that proves it.

Without the HMAC, whoever can write there could put an older CRL in place of the newest, with a time of today: a process
that starts would believe that it was asked for just now, and ask nobody.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from mtls_middleware._io.files import InputError, parse_object
from mtls_middleware._io.store import Kind

VERSION = 1

LINE_BYTES = 8_192
"""Of one line; its longest part is an address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLine:
    """What a line says of its file.

    Attributes:
        key: of the entry.
        at: when it was put there, UTC.
        digest: SHA-256 of the content.
        is_current: written with the secret that new entries are written with, if any.
    """

    key: str
    at: datetime
    digest: bytes
    is_current: bool = True


class EntryLines:
    """Writes such lines, and reads them."""

    def __init__(self, keys: Iterable[bytes], *, seals_all: bool) -> None:
        """Prepare.

        Args:
            keys: prove answers of the API, the first also new ones.
            seals_all: they prove entries of every other kind, too.
        """
        self._keys = tuple(hashlib.sha256(b"mtls-middleware state\0" + key).digest() for key in keys)
        self._seals_all = seals_all

    def can_write(self, kind: Kind) -> bool:
        """Return whether entries of a kind may be kept: answers of the API only with an HMAC."""
        return kind is not Kind.API or bool(self._keys)

    def written(self, kind: Kind, key: str, content: bytes, at: datetime) -> bytes:
        """Return the line of an entry, with its end."""
        moment, digest = at.isoformat(), hashlib.sha256(content).digest()
        payload: dict[str, object] = {
            "version": VERSION,
            "kind": str(kind),
            "key": key,
            "at": moment,
            "sha256": digest.hex(),
        }
        if self._is_sealed(kind):
            payload["hmac"] = _mac(kind, key, moment, digest, self._keys[0])
        return json.dumps(payload).encode("ascii") + b"\n"

    def read(self, kind: Kind, line: bytes) -> EntryLine | None:
        """Read a line; None where an earlier release wrote it without the HMAC that is expected now.

        Raises:
            InputError: it is none, or nobody proves it.
        """
        payload = parse_object(line)
        key, at, mac = payload.get("key"), payload.get("at"), payload.get("hmac")
        if payload.get("version") != VERSION or payload.get("kind") != kind or not isinstance(key, str):
            raise InputError("is no entry of this version")
        digest, moment = digest_of(payload), _moment(at)
        if not self._is_sealed(kind):
            return EntryLine(key=key, at=moment, digest=digest)
        if mac is None and kind is not Kind.API:
            return None
        given = mac.encode("utf-8", "surrogatepass") if isinstance(mac, str) else b""
        right = [_mac(kind, key, str(at), digest, one).encode("ascii") for one in self._keys]
        matches = [hmac.compare_digest(given, one) for one in right]
        if not any(matches):
            raise InputError("was written with another secret, or was tampered with")
        return EntryLine(key=key, at=moment, digest=digest, is_current=matches[0])

    def _is_sealed(self, kind: Kind) -> bool:
        return kind is Kind.API or (self._seals_all and bool(self._keys))


def digest_of(payload: dict[str, object]) -> bytes:
    """Return the SHA-256 that a line gives.

    Raises:
        InputError: there is none.
    """
    text = payload.get("sha256")
    try:
        digest = bytes.fromhex(text if isinstance(text, str) else "")
    except ValueError as error:
        raise InputError("is damaged") from error
    if len(digest) != hashlib.sha256().digest_size:
        raise InputError("is damaged")
    return digest


def _mac(kind: Kind, key: str, at: str, digest: bytes, secret: bytes) -> str:
    """Return the HMAC; that of answers of the API has always been without its kind."""
    facts = [VERSION, key, at] if kind is Kind.API else [VERSION, str(kind), key, at]
    return hmac.new(secret, json.dumps(facts).encode("ascii") + digest, "sha256").hexdigest()


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(text if isinstance(text, str) else "")
        if moment.tzinfo is None:
            raise InputError("does not say when it was written")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError("does not say when it was written") from error
