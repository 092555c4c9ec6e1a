"""The CRLs that are held, of each part the newest that its CA signed, and what of them outlives the process."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware._core.crl import CRL
from mtls_middleware._io.files import InputError
from mtls_middleware._io.store import Entry, Kind, Store
from mtls_middleware._trust.crl.parsing import parse_crl
from mtls_middleware._trust.files import content

LISTS = 256
"""CRLs that are held; one CA may publish many parts. With more, limited ones go first, then what ended first."""

LOWER_NUMBER = "is newer, but has a lower number than what is known"
"""How the sentence about a number that goes back begins (RFC 5280 §5.2.3 forbids it)."""

_FORGET = "if its CA was restored from a backup, run: mtls-middleware trust forget-crl {}"

_BESIDE = "\n"
"""Between an address or path and what distinguishes a CRL that is kept beside the complete one."""

CHAIN_BYTES = 131_072
"""PEM of one chain that is kept; four RSA-4096 certificates take 9,000. What a longer one teaches comes with calls."""


_Key = tuple[object, object]
"""A CA, or where a CRL came from, and the part that the CRL covers."""


class KnownCRLs:
    """The CRLs that are known. Not for several threads at once."""

    def __init__(self) -> None:
        self._signed: dict[_Key, CRL] = {}
        self._waiting: dict[_Key, CRL] = {}

    @property
    def all(self) -> tuple[CRL, ...]:
        """Return every CRL that is held."""
        return (*self._signed.values(), *self._waiting.values())

    def offer(self, one: CRL, issuers: Iterable[x509.Certificate]) -> None:
        """Add a CRL, unless something newer is held.

        Args:
            one: of unknown truth.
            issuers: known CAs. A CRL in the name of none of them waits: its CA may come with a caller.

        Raises:
            InputError: it is forged, or older than what is held.
        """
        signer = _signer_of(one, issuers)
        if signer is None:
            _hold(self._waiting, (one.origin, one.part), one)
            return
        ca = (one.issuer, _key_of(signer), _other_certificate(one))
        held = self._signed.get((ca, one.part))
        if held is not None and one.is_older_than(held):
            ages = f"{_age(one)}, not {_age(held)}"
            if one.this_update <= held.this_update:
                raise InputError(f"is older than what is known: {ages}")
            raise InputError(f"{LOWER_NUMBER}: {ages}; {_FORGET.format(held.origin)}")
        _hold(self._signed, (ca, one.part), one)
        for key, other in [*self._signed.items()]:
            if key[0] == ca and one.supersedes(other):
                del self._signed[key]

    def forget_number(self, origin: str) -> None:
        """Let a CRL with a lower number replace the ones from an origin, if its date is later. Until then they stay."""
        for crls in (self._signed, self._waiting):
            for key, one in crls.items():
                if one.origin == origin:
                    crls[key] = replace(one, number=None)

    def review(self, issuers: Iterable[x509.Certificate]) -> None:
        """Look again at CRLs that wait, now that other CAs are known. What turns out forged or old is dropped."""
        known = tuple(issuers)
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            try:
                self.offer(one, known)
            except InputError:
                continue


def require_true(one: CRL, *, issuers: Iterable[x509.Certificate], may_wait: bool) -> None:
    """Refuse a CRL that no known CA signed.

    Args:
        one: of unknown truth; its entries are not looked at.
        issuers: known CAs.
        may_wait: a CRL in the name of none of them passes: its CA may come with a caller.

    Raises:
        InputError: it is forged, or of a CA that is not known.
    """
    if _signer_of(one, issuers) is None and not may_wait:
        raise InputError("bears the name of a CA that is not known")


def _signer_of(one: CRL, issuers: Iterable[x509.Certificate]) -> x509.Certificate | None:
    named = [issuer for issuer in issuers if issuer.subject == one.issuer]
    signer = next((issuer for issuer in named if one.is_signed_by(issuer)), None)
    if named and signer is None:
        raise InputError("bears the name of a CA that did not sign it, or may not sign CRLs")
    return signer


def _hold(held: dict[_Key, CRL], key: _Key, one: CRL) -> None:
    held[key] = one
    if len(held) > LISTS:
        del held[
            min(held, key=lambda other: (not held[other].limit, held[other].next_update or held[other].this_update))
        ]


def _other_certificate(one: CRL) -> int | None:
    """Return what distinguishes a CA's CRLs of one key: one that names a single certificate of it by its number."""
    return one.authority_serial_number if one.authority_key_identifier is None else None


def _key_of(issuer: x509.Certificate) -> bytes:
    return issuer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _age(one: CRL) -> str:
    number = "" if one.number is None else f"number {one.number} of "
    return f"{number}{one.this_update:%Y-%m-%d %H:%M:%SZ}"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCRL:
    """A CRL as another process, or an earlier one, stored it.

    Attributes:
        entry: of the store; empty where the operator had it forgotten.
        origin: address or path.
        is_new: whether this process has not seen its content yet.
    """

    entry: Entry
    origin: str
    is_new: bool

    @property
    def is_beside(self) -> bool:
        """Return whether another one from its origin may be complete."""
        return self.entry.key != self.origin


def _part_name(one: CRL) -> str:
    part = (sorted(one.addresses or ()), str(one.scope), one.variant)
    return hashlib.sha256(repr(part).encode()).hexdigest()


def _identity(entry: Entry) -> object:
    """Return what a kept CRL tells of; without its number and dates."""
    try:
        found = parse_crl(entry.read(), "")
    except InputError:
        return entry.digest
    return found.issuer, found.part


class CRLStore:
    """The CRLs and chains in a store, also those of other processes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lists: dict[str, bytes] = {}
        self._chains_kept: set[str] = set()
        self._chains_seen: set[str] = set()

    def keep_crl(self, origin: str, content: bytes, at: datetime, *, beside: CRL | None = None) -> None:
        """Keep a CRL that was believed, and the time at which its origin was asked.

        Args:
            origin: where it came from.
            content: its bytes.
            at: aware, UTC.
            beside: the CRL, where it can only revoke: it is kept beside the one from there that can confirm.
        """
        key = origin if beside is None else f"{origin}{_BESIDE}{_part_name(beside)}"
        digest = hashlib.sha256(content).digest()
        self._lists[key] = digest
        if "://" not in origin and any(
            (entry.key, entry.digest) == (key, digest) for entry in self._store.entries(Kind.CRL)
        ):
            return  # each process reads a file again and again: the same one is no news for the others
        self._store.put(Kind.CRL, key, content, at)

    def forget_crls(self, origin: str, at: datetime) -> tuple[str, ...]:
        """Forget what is kept from an origin, and the same CRLs from other origins; return these origins.

        An empty entry stays: with it, running processes do as `KnownCRLs.forget_number` does.
        """
        kept = {entry.key: _identity(entry) for entry in self._store.entries(Kind.CRL) if not entry.is_empty}
        wanted = {identity for key, identity in kept.items() if key.partition(_BESIDE)[0] == origin}
        found = [key for key, identity in kept.items() if identity in wanted]
        for key in found:
            self._store.put(Kind.CRL, key, b"", at)
        return tuple(dict.fromkeys(key.partition(_BESIDE)[0] for key in found))

    def origins(self) -> tuple[str, ...]:
        """Return the origins from which CRLs are kept."""
        entries = self._store.entries(Kind.CRL)
        return tuple(dict.fromkeys(entry.key.partition(_BESIDE)[0] for entry in entries if not entry.is_empty))

    def keep_chain(self, chain: Sequence[x509.Certificate], at: datetime) -> None:
        """Keep a chain, without its anchor: trust comes from the operator only."""
        key = fingerprint(chain[0].public_bytes(Encoding.DER))
        if key not in self._chains_kept:
            self._chains_kept.add(key)
            content = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain[:-1])
            if len(content) <= CHAIN_BYTES:
                self._store.put(Kind.CERTIFICATE, key, content, at)

    def crls(self) -> Iterator[KeptCRL]:
        """Return the CRLs that are kept."""
        for entry in self._store.entries(Kind.CRL):
            is_new = self._lists.get(entry.key) != entry.digest
            self._lists[entry.key] = entry.digest
            yield KeptCRL(entry=entry, origin=entry.key.partition(_BESIDE)[0], is_new=is_new)

    def content(self, kept: KeptCRL) -> bytes:
        """Return the bytes of a CRL that is kept.

        Raises:
            InputError: they cannot be read now, and it is new once more.
        """
        try:
            return kept.entry.read()
        except InputError:
            self.show_again(kept)
            raise

    def show_again(self, kept: KeptCRL) -> None:
        """Return it as new once more: it could not be judged yet."""
        self._lists.pop(kept.entry.key, None)

    def chains(self) -> Iterator[tuple[str, tuple[bytes, ...]]]:
        """Return a name and the DERs, leaf first, of each chain from which nothing was learned yet."""
        entries = tuple(self._store.entries(Kind.CERTIFICATE))
        self._chains_kept &= {entry.key for entry in entries}  # what somebody spoiled, or time removed, is put anew
        for entry in entries:
            if entry.key in self._chains_seen:
                continue
            try:
                chain = entry.read()
                if len(chain) <= CHAIN_BYTES:
                    yield entry.key, content.decode(chain)
            except InputError:
                continue  # somebody else wrote there; what it would teach comes again with the next call

    def learned(self, name: str) -> None:
        """Remember that a chain has taught what it can."""
        self._chains_seen.add(name)
