"""Everything that is trusted at one moment: anchors, pins, what they are bound to, and the cache of verdicts.

A snapshot is immutable, built in the background and replaced in one step. Its verdicts die with it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.verification import PolicyBuilder, Store

from mtls_middleware._core.certificate import fingerprint
from mtls_middleware._core.crl import CRLSet
from mtls_middleware._core.decision import RevocationState
from mtls_middleware._core.extensions import ca_extensions, leaf_extensions
from mtls_middleware._core.pin import Pin
from mtls_middleware.identity import Authority, ClientIdentity
from mtls_middleware.members import require_members

DIGICERT_DEPTH = 2
"""Intermediates between a DigiCert root and the leaf: one today, one to spare."""

CUSTOM_DEPTH = 8
"""Intermediates between a ``custom`` root and the leaf, at most. However many are presented, deeper than that the
search only goes round in CAs that signed each other, until the engine gives up and has not seen the short chain."""

CAPACITY = 1024
"""Verdicts; a region calls with one certificate, or two while it rotates."""

Presented = tuple[bytes, ...]
"""The bytes as presented: the key of a verdict. Nothing of one certificate's verdict serves another."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Binding:
    """An authority and, for ``genesys`` and for pins of ``digicert``, one region of it.

    Attributes:
        authority: who vouches.
        region: AWS region name; None for ``custom``, and for what serves all regions of ``digicert``.
    """

    authority: Authority
    region: str | None = None

    def __post_init__(self) -> None:
        require_members(self, authority=Authority)

    def __str__(self) -> str:
        """Return the prefix that an operator would write."""
        return self.region or str(self.authority)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """Trust one CA certificate for what it is bound to.

    Attributes:
        certificate: as read from the operator's file.
        binding: what it vouches for.
        origin: the file, for messages.
        not_before: start of its life.
        not_after: end of it.
    """

    certificate: x509.Certificate
    binding: Binding
    origin: str
    not_before: datetime = field(init=False, repr=False, compare=False)
    not_after: datetime = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Each call that is judged in full asks for them, and the certificate makes them anew each time.
        object.__setattr__(self, "not_before", self.certificate.not_valid_before_utc)
        object.__setattr__(self, "not_after", self.certificate.not_valid_after_utc)

    @property
    def fingerprint_sha256(self) -> str:
        """Return the SHA-256 of the DER in lower-case hex."""
        return fingerprint(self.certificate.public_bytes(Encoding.DER))

    def is_valid(self, now: datetime) -> bool:
        """Return whether `now` lies in its life."""
        return self.not_before <= now <= self.not_after

    def __reduce__(self) -> tuple[Any, ...]:
        return _anchor_from_pickle, (self.certificate.public_bytes(Encoding.DER), self.binding, self.origin)


def _anchor_from_pickle(der: bytes, binding: Binding, origin: str) -> Anchor:
    """Restore an anchor of a pickled `Status`: a certificate itself cannot be pickled."""
    return Anchor(certificate=x509.load_der_x509_certificate(der), binding=binding, origin=origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityTrust:
    """The anchors, pins and names that one authority's callers are judged by.

    Attributes:
        authority: whose callers.
        anchors: all of them, in and out of their lives; the verifier looks at the clock of each request.
        intermediates: configured ones, which help to build a chain.
        takes_intermediates: whether the caller's own may help too.
        names: allowed certificate names (lower case) by binding.
        pins: by fingerprint; for ``digicert`` only.
        known_names: the AWS region name of each certificate name (lower case) of the regional table.
        regions_with_api_pins: AWS regions whose pins the certificates API renews.
        verifier: the policy for chains with its store; None where there is no anchor.
    """

    authority: Authority
    anchors: tuple[Anchor, ...]
    intermediates: tuple[x509.Certificate, ...]
    takes_intermediates: bool
    names: Mapping[Binding, frozenset[str]]
    pins: Mapping[str, Pin]
    known_names: Mapping[str, str]
    regions_with_api_pins: frozenset[str]
    verifier: PolicyBuilder | None = field(compare=False)
    _bindings: Mapping[x509.Certificate, frozenset[Binding]]

    def __post_init__(self) -> None:
        require_members(self, authority=Authority)

    def bindings(self, anchor: x509.Certificate) -> frozenset[Binding]:
        """Return what the key of this anchor vouches for: a root and its reissue with the same key vouch alike."""
        return self._bindings.get(anchor, frozenset())

    def is_available(self, now: datetime) -> bool:
        """Return whether any caller of this authority could be accepted at `now`."""
        if self.authority is Authority.DIGICERT and not any(pin.is_valid(now) for pin in self.pins.values()):
            return False
        return any(anchor.is_valid(now) for anchor in self.anchors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of a verification: these bytes led to this identity under this snapshot.

    Attributes:
        identity: without what belongs to a single call, such as the organisation.
        not_before: start of the life of the whole chain, and of the CRLs that it depends on.
        not_after: end of it.
        revocation: what is known of the revocation of the chain.
        chain: the verified certificate chain, leaf first, anchor last.
    """

    identity: ClientIdentity
    not_before: datetime
    not_after: datetime
    revocation: RevocationState = RevocationState.OFF
    chain: tuple[x509.Certificate, ...] = ()

    def __post_init__(self) -> None:
        require_members(self, revocation=RevocationState)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """A cache of at most `CAPACITY` verdicts; the oldest leaves first. Each step is atomic, so threads may share it."""

    _by_presented: dict[Presented, Verdict] = field(default_factory=dict)

    def find(self, presented: Presented, now: datetime) -> Verdict | None:
        """Return the verdict on these bytes if it holds at `now`."""
        verdict = self._by_presented.get(presented)
        if verdict is None or not verdict.not_before <= now <= verdict.not_after:
            return None
        return verdict

    def keep(self, presented: Presented, verdict: Verdict) -> None:
        """Remember an acceptance."""
        if len(self._by_presented) >= CAPACITY:
            self._by_presented.pop(next(iter(tuple(self._by_presented))), None)
        self._by_presented[presented] = verdict

    def __len__(self) -> int:
        """Return how many verdicts are kept."""
        return len(self._by_presented)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustSnapshot:
    """One version of all trust, with the verdicts reached under it.

    Attributes:
        version: counts up from 1.
        built_at: by the guard's clock, UTC.
        trusts: one for each configured authority.
        crls: revocation crls, of all authorities.
        verdicts: the cache; it can never outlive the trust it came from.
    """

    version: int
    built_at: datetime
    trusts: tuple[AuthorityTrust, ...]
    crls: CRLSet = field(default_factory=CRLSet)
    verdicts: Verdicts = field(default_factory=Verdicts)

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """Return the anchors of every authority."""
        return tuple(anchor for trust in self.trusts for anchor in trust.anchors)

    @property
    def pins(self) -> tuple[Pin, ...]:
        """Return the pins of every region."""
        return tuple(pin for trust in self.trusts for pin in trust.pins.values())

    def is_available(self, now: datetime) -> bool:
        """Return whether any caller at all could be accepted at `now`."""
        return any(trust.is_available(now) for trust in self.trusts)

    def why_unavailable(self, now: datetime) -> str:
        """Return what there is, and until when it was valid, for an operator who missed the expiry."""
        lives: list[tuple[str, Pin | Anchor]] = [(f"the pin from {pin.origin}", pin) for pin in self.pins]
        lives += [(f"the anchor from {anchor.origin}", anchor) for anchor in self.anchors]
        found = [
            f"{title} is valid from {one.not_before} to {one.not_after} only"
            for title, one in lives
            if not one.is_valid(now)
        ]
        if any(trust.authority is Authority.DIGICERT and not trust.pins for trust in self.trusts):
            found.insert(0, "no client certificate is pinned yet")
        return f"nothing of what is trusted is valid now: {'; '.join(found) or 'there is no anchor'}"


def build_trust(
    authority: Authority,
    *,
    anchors: Iterable[Anchor],
    names: Mapping[Binding, frozenset[str]],
    intermediates: Iterable[x509.Certificate] = (),
    pins: Iterable[Pin] = (),
    known_names: Mapping[str, str] = MappingProxyType({}),
    max_chain: int,
) -> AuthorityTrust:
    """Prepare what one authority's callers are judged by.

    A regional root signs its leaf directly, so ``genesys`` allows no intermediate at all; ``custom`` allows as many
    as `max_chain` (leaf included) leaves room for, and no more than `CUSTOM_DEPTH`.
    """
    anchors = tuple(anchors)
    by_key: defaultdict[bytes, set[Binding]] = defaultdict(set)
    for anchor in anchors:
        by_key[_key_of(anchor.certificate)].add(anchor.binding)
    custom_depth = min(max_chain - 1, CUSTOM_DEPTH)
    depth = {Authority.GENESYS: 0, Authority.DIGICERT: DIGICERT_DEPTH, Authority.CUSTOM: custom_depth}[authority]
    verifier: PolicyBuilder | None = None
    if anchors:  # an empty store is refused
        store = Store([anchor.certificate for anchor in anchors])
        verifier = PolicyBuilder().store(store).max_chain_depth(depth)
        verifier = verifier.extension_policies(ca_policy=ca_extensions(), ee_policy=leaf_extensions())
    return AuthorityTrust(
        authority=authority,
        anchors=anchors,
        intermediates=tuple(intermediates),
        takes_intermediates=authority is not Authority.GENESYS,
        names=names,
        pins={pin.fingerprint_sha256: pin for pin in pins},
        known_names=known_names,
        regions_with_api_pins=frozenset(),
        verifier=verifier,
        _bindings={anchor.certificate: frozenset(by_key[_key_of(anchor.certificate)]) for anchor in anchors},
    )


def _key_of(certificate: x509.Certificate) -> bytes:
    public_key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return certificate.subject.public_bytes() + public_key


@dataclass(frozen=True, slots=True)
class Bound(Generic[Value]):
    """Tie a value to what it was bound to; None where the operator left the prefix out."""

    binding: Binding | None
    value: Value
