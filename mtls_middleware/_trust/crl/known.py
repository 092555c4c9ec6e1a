"""The CRLs that are held, of each part the newest that its CA signed, and what of them outlives the process."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware._core.crl import RevocationList
from mtls_middleware._io.files import InputError
from mtls_middleware._io.store import Kind, Store
from mtls_middleware._trust.files import reading

LISTS = 256
"""Lists that are held; one CA may publish many parts. With more, the one that ended first is dropped."""

CHAIN_BYTES = 131_072
"""PEM of one chain that is kept; four RSA-4096 certificates take 9,000. What a longer one teaches comes with calls."""


class KnownCRLs:
    """Hold lists. One thread at a time."""

    def __init__(self) -> None:
        self._signed: dict[object, RevocationList] = {}
        self._waiting: dict[object, RevocationList] = {}

    @property
    def all(self) -> tuple[RevocationList, ...]:
        """Return every list that is held."""
        return (*self._signed.values(), *self._waiting.values())

    def offer(self, one: RevocationList, issuers: Iterable[x509.Certificate]) -> None:
        """Take a list in, unless something newer is held.

        Args:
            one: of unknown truth.
            issuers: known CAs. A list in the name of none of them waits: its CA may come with a caller.

        Raises:
            Unusable: it is forged, or older than what is held.
        """
        signer = _signer_of(one, issuers)
        if signer is None:
            _hold(self._waiting, one.origin, one)
            return
        place = (one.part, _key_of(signer))
        held = self._signed.get(place)
        if held is not None and (one.number < held.number or one.this_update < held.this_update):
            raise InputError(f"is older than what is known: {_age(one)}, not {_age(held)}")
        _hold(self._signed, place, one)

    def review(self, issuers: Iterable[x509.Certificate]) -> None:
        """Look again at lists that wait, now that other CAs are known. What turns out forged or old is dropped."""
        known = tuple(issuers)
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            try:
                self.offer(one, known)
            except InputError:
                continue


def require_true(one: RevocationList, *, issuers: Iterable[x509.Certificate], may_wait: bool) -> None:
    """Refuse a list that no known CA signed.

    Args:
        one: of unknown truth; its entries are not looked at.
        issuers: known CAs.
        may_wait: a list in the name of none of them passes: its CA may come with a caller.

    Raises:
        Unusable: it is forged, or of a CA that is not known.
    """
    if _signer_of(one, issuers) is None and not may_wait:
        raise InputError("bears the name of a CA that is not known")


def _signer_of(one: RevocationList, issuers: Iterable[x509.Certificate]) -> x509.Certificate | None:
    named = [issuer for issuer in issuers if issuer.subject == one.issuer]
    signer = next((issuer for issuer in named if one.is_signed_by(issuer)), None)
    if named and signer is None:
        raise InputError("bears the name of a CA that did not sign it, or may not sign CRLs")
    return signer


def _hold(held: dict[object, RevocationList], place: object, one: RevocationList) -> None:
    held[place] = one
    if len(held) > LISTS:
        del held[min(held, key=lambda other: held[other].next_update)]


def _key_of(issuer: x509.Certificate) -> bytes:
    return issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _age(one: RevocationList) -> str:
    return f"number {one.number} of {one.this_update:%Y-%m-%d %H:%M:%SZ}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCRL:
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


class CRLStore:
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

    def lists(self) -> Iterator[KeptCRL]:
        """Return the lists that are kept."""
        for entry in self._store.entries(Kind.CRL):
            digest = hashlib.sha256(entry.content).digest()
            is_new = self._lists.get(entry.key) != digest
            self._lists[entry.key] = digest
            yield KeptCRL(origin=entry.key, content=entry.content, at=entry.at, is_new=is_new)

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
                yield entry.key, reading.decode(entry.content)
            except InputError:
                continue  # somebody else wrote there; what it would teach comes again with the next call

    def learned(self, name: str) -> None:
        """Take note that a chain has taught what it can."""
        self._chains_seen.add(name)
