"""What of revocation outlives a process: last good lists, and the certificates that their addresses came from."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware._trust import pem
from mtls_middleware._trust.report import Unusable
from mtls_middleware._trust.store import Kind, Store

CHAIN_BYTES = 131_072
"""PEM of one chain that is kept; four RSA-4096 certificates take 9,000. What a longer one teaches comes with calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptList:
    """Hold a list as another process, or an earlier one, found it.

    Attributes:
        origin: address or path.
        content: the bytes of the list.
        at: when they came from there.
        is_new: whether this process has not seen them yet.
    """

    origin: str
    content: bytes
    at: datetime
    is_new: bool


class ListStore:
    """Put lists and certificates into a store, and see what others put there."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lists: dict[str, bytes] = {}
        self._chains_kept: set[str] = set()
        self._chains_seen: set[str] = set()

    def keep_list(self, origin: str, content: bytes, at: datetime) -> None:
        """Keep a list that was believed, and the time at which its place was asked."""
        self._lists[origin] = hashlib.sha256(content).digest()
        self._store.put(Kind.CRL, origin, content, at)

    def keep_chain(self, chain: Sequence[x509.Certificate], at: datetime) -> None:
        """Keep a chain, without its anchor: trust comes from the operator only."""
        key = fingerprint(chain[0].public_bytes(Encoding.DER))
        if key not in self._chains_kept:
            self._chains_kept.add(key)
            content = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain[:-1])
            if len(content) <= CHAIN_BYTES:
                self._store.put(Kind.CERTIFICATE, key, content, at)

    def lists(self) -> Iterator[KeptList]:
        """Return the lists that are kept."""
        for entry in self._store.entries(Kind.CRL):
            digest = hashlib.sha256(entry.content).digest()
            is_new = self._lists.get(entry.key) != digest
            self._lists[entry.key] = digest
            yield KeptList(origin=entry.key, content=entry.content, at=entry.at, is_new=is_new)

    def forget(self, origin: str) -> None:
        """Show what is kept of a place as new once more: it could not be judged yet."""
        self._lists.pop(origin, None)

    def chains(self) -> Iterator[tuple[str, tuple[bytes, ...]]]:
        """Return a name and the DERs, leaf first, of each chain from which nothing was learned yet."""
        entries = tuple(self._store.entries(Kind.CERTIFICATE))
        self._chains_kept &= {entry.key for entry in entries}  # what somebody spoiled, or time removed, is put anew
        for entry in entries:
            if entry.key in self._chains_seen or len(entry.content) > CHAIN_BYTES:
                continue
            try:
                yield entry.key, pem.decode(entry.content)
            except Unusable:
                continue  # somebody else wrote there; what it would teach comes again with the next call

    def learned(self, name: str) -> None:
        """Take note that a chain has taught what it can."""
        self._chains_seen.add(name)
