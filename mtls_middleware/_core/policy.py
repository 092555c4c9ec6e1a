"""Who may call: the name that belongs to the anchor or the pin that names the region; the organisation; its secret."""

from dataclasses import dataclass, replace

from mtls_middleware._core.boundary import Secret
from mtls_middleware._core.certificate import VerifiedChain
from mtls_middleware._core.connection import Fields
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.trust import AuthorityTrust, Binding
from mtls_middleware.identity import Authority, ClientIdentity

_COLON = ":"


def identify(chain: VerifiedChain, trust: AuthorityTrust, source: str) -> ClientIdentity:
    """Find out which region, or which ``custom`` caller, a verified chain stands for.

    Raises:
        RejectionError: ``region_mismatch``, ``not_pinned``.
    """
    leaf = chain.leaf
    region = _pinned_region(chain, trust) if trust.authority is Authority.DIGICERT else _named_region(chain, trust)
    return ClientIdentity(
        region=region,
        authority=trust.authority,
        dns_names=leaf.dns_names or (),
        uris=leaf.uris,
        subject=leaf.subject,
        issuer=leaf.issuer,
        serial_number=leaf.leaf.serial_number,
        fingerprint_sha256=leaf.fingerprint_sha256,
        not_before=leaf.leaf.not_valid_before_utc,
        not_after=leaf.not_after,
        organization_id=None,
        source=source,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerPolicy:
    """The checks of what the certificate cannot prove: whose call it is. Empty means: any organisation of the region.

    Attributes:
        organization_ids: allowed ones, lower-case UUIDs; empty where none is asked for.
        organization_header: where the caller names its organisation.
        secret: what the integration's credentials add; None where none is asked for.
    """

    organization_ids: frozenset[str] = frozenset()
    organization_header: str = "ININ-Organization-Id"
    secret: Secret | None = None

    @property
    def headers(self) -> frozenset[str]:
        """Return the names of the headers that are read."""
        return self.hidden | ({self.organization_header} if self.organization_ids else frozenset())

    @property
    def hidden(self) -> frozenset[str]:
        """Return the names of those that the application must not see."""
        return frozenset({self.secret.header} if self.secret else ())

    def admit(self, identity: ClientIdentity, fields: Fields) -> ClientIdentity:
        """Check organisation and caller secret, and add the organisation to the identity.

        Raises:
            RejectionError: ``organization_mismatch``, ``caller_secret_mismatch``.
        """
        if self.organization_ids:
            presented = (fields[self.organization_header].single or b"").decode("latin-1").lower()
            if presented not in self.organization_ids:
                raise RejectionError(
                    Reason.ORGANIZATION_MISMATCH,
                    f"{self.organization_header} must be one of MTLS_ORGANIZATION_IDS, once; it is {presented[:64]!r}",
                )
            identity = replace(identity, organization_id=presented)
        if self.secret is not None and not self.secret.matches(fields[self.secret.header].single):
            sent = "wrong" if fields[self.secret.header].is_present else "missing"
            raise RejectionError(Reason.CALLER_SECRET_MISMATCH, f"{self.secret.header} is {sent}")
        return identity


def _pinned_region(chain: VerifiedChain, trust: AuthorityTrust) -> str:
    presented = chain.leaf.fingerprint_sha256
    pin = trust.pins.get(presented)
    if pin is None:
        raise RejectionError(
            Reason.NOT_PINNED,
            f"DigiCert signed it, but its SHA-256 {presented} is not "
            f"{'in MTLS_PINS, or listed by the certificates API' if trust.regions_with_api_pins else 'in MTLS_PINS'}; "
            "the same intermediate signs for strangers",
        )
    return pin.region


def _named_region(chain: VerifiedChain, trust: AuthorityTrust) -> str | None:
    """Match the certificate's names with those of what the anchor is bound to (RFC 6125 §6.4.1, without wildcards).

    A URI has a colon and a DNS name has none, so that neither ever counts as the other.
    """
    presented = _names(chain, trust.authority)
    bindings = trust.bindings(chain.anchor)
    for binding, names in trust.names.items():
        if binding in bindings and not names.isdisjoint(presented):
            return binding.region
    raise RejectionError(Reason.REGION_MISMATCH, _mismatch(presented, bindings, trust, chain.leaf.uris))


def _names(chain: VerifiedChain, authority: Authority) -> frozenset[str]:
    if chain.leaf.dns_names is not None:
        names = frozenset(_folded(name) for name in chain.leaf.dns_names if _COLON not in name)
        # The SPIFFE X.509-SVID standard, §2: a certificate with more than one URI names nobody.
        is_named_by_uri = authority is Authority.CUSTOM and len(chain.leaf.uris) == 1
        return names | {uri for uri in chain.leaf.uris if is_named_by_uri and _COLON in uri}
    if authority is Authority.GENESYS and len(chain.leaf.common_names) == 1:
        return frozenset(map(_folded, chain.leaf.common_names))
    return frozenset()


def _folded(name: str) -> str:
    """Ignore the case of ASCII letters only (RFC 4343): Unicode would make a Kelvin sign a ``k``."""
    return name.lower() if name.isascii() else name


def _mismatch(
    presented: frozenset[str], bindings: frozenset[Binding], trust: AuthorityTrust, uris: tuple[str, ...]
) -> str:
    """Return what was seen and what would be accepted, in front: a log line has room for 256 characters."""
    wanted = " or ".join(sorted(name for binding in bindings for name in trust.names.get(binding, ())))
    bound = " and ".join(sorted(map(str, bindings)))
    for name in sorted(presented & trust.known_names.keys()):
        region = trust.known_names[name]
        if all(binding.region != region for binding in bindings):  # an override would give callers the wrong region
            return (
                f"{name} is the name of {region}, but the root that signed it is bound to {bound} in MTLS_TRUST: "
                f"if that is the root of {region}, bind it so"
            )
    expected = f"the name of {bound} is {wanted or 'not known'}"
    if not presented:
        is_ambiguous = trust.authority is Authority.CUSTOM and len(uris) > 1
        return f"it has no DNS name{', and several URIs, which name nobody' if is_ambiguous else ''}; {expected}"
    cures = " or ".join(f"MTLS_CERT_NAMES={binding}={min(presented)}" for binding in sorted(bindings, key=str))
    others = f" ({len(presented) - 1} other names in it)" if len(presented) > 1 else ""
    return f"{cures} would accept it{others}; {expected}"
