"""Regional CAs and trust for the tests of the core, around one time."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._core import chain as chains
from mtls_middleware._core import policy
from mtls_middleware._core.certificate import PresentedChain, parse_chain
from mtls_middleware._core.decision import Reason, RejectionError
from mtls_middleware._core.pin import Pin
from mtls_middleware._core.trust import Anchor, AuthorityTrust, Binding, build_trust
from mtls_middleware.identity import Authority
from mtls_middleware.testing import ClientCertificate, RegionalCA
from mtls_middleware.testing.signing import name_of

Result = TypeVar("Result")

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)

REGION = "us-east-1"
NAME = "dataactions.prod.us-east-1.mypurecloud.com"
GENESYS = Binding(Authority.GENESYS, REGION)
CUSTOM = Binding(Authority.CUSTOM)
DIGICERT = Binding(Authority.DIGICERT)


def new_ca(
    subject: str = "Regional Root", *, not_before: datetime | None = None, not_after: datetime | None = None
) -> RegionalCA:
    """Make a CA whose keys nobody else has."""
    return RegionalCA(
        REGION, cert_name=NAME, subject=name_of(subject), now=NOW, not_before=not_before, not_after=not_after
    )


@cache
def regional_ca() -> RegionalCA:
    """Return one CA for all tests that do not change it."""
    return new_ca()


@cache
def good_client() -> ClientCertificate:
    """Return a client of `regional_ca` that every check accepts."""
    return regional_ca().client()


def anchor(ca: RegionalCA | x509.Certificate, binding: Binding = GENESYS) -> Anchor:
    certificate = ca.certificate if isinstance(ca, RegionalCA) else ca
    return Anchor(certificate=certificate, binding=binding, origin="root.pem")


def genesys(*cas: RegionalCA, names: Iterable[str] = (NAME,)) -> AuthorityTrust:
    """Trust regional roots for one region."""
    return build_trust(
        Authority.GENESYS, anchors=[anchor(ca) for ca in cas], names={GENESYS: frozenset(names)}, max_chain=5
    )


def custom(
    *cas: RegionalCA,
    names: Iterable[str] = (NAME,),
    max_chain: int = 5,
    intermediates: Iterable[x509.Certificate] = (),
) -> AuthorityTrust:
    return build_trust(
        Authority.CUSTOM,
        anchors=[anchor(ca, CUSTOM) for ca in cas],
        names={CUSTOM: frozenset(names)},
        intermediates=intermediates,
        max_chain=max_chain,
    )


def digicert(
    *cas: RegionalCA, pins: Iterable[Pin] = (), intermediates: Iterable[x509.Certificate] = ()
) -> AuthorityTrust:
    return build_trust(
        Authority.DIGICERT,
        anchors=[anchor(ca, DIGICERT) for ca in cas],
        names={},
        pins=pins,
        intermediates=intermediates,
        max_chain=5,
    )


def pin(client: ClientCertificate, region: str = REGION) -> Pin:
    return Pin(
        fingerprint_sha256=client.fingerprint_sha256, region=region, not_before=None, not_after=None, origin="pin.pem"
    )


def with_unknown_key(certificate: x509.Certificate) -> bytes:
    """Return a certificate whose key is of a kind that nobody knows; its signature breaks."""
    elliptic, unknown = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06072a8648ce3d0209")
    return certificate.public_bytes(Encoding.DER).replace(elliptic, unknown, 1)


def ders(client: ClientCertificate, *others: x509.Certificate) -> list[bytes]:
    """Return what a caller presents: its chain, or `others` in place of it."""
    return [client.der, *(link.public_bytes(Encoding.DER) for link in others or client.chain)]


def presented(client: ClientCertificate, *others: x509.Certificate) -> PresentedChain:
    return parse_chain(ders(client, *others))


def outcome(act: Callable[[], Result]) -> Result | Reason:
    """Return what comes out, or the reason of the refusal."""
    try:
        return act()
    except RejectionError as rejection:
        return rejection.reason


def reason(chain: PresentedChain | ClientCertificate, trust: AuthorityTrust, now: datetime = NOW) -> Reason | None:
    """Return why a chain is refused; None where it is accepted."""
    leaf = presented(chain) if isinstance(chain, ClientCertificate) else chain
    result = outcome(lambda: policy.identify(chains.verify(leaf, trust, now), trust, "tls"))
    return result if isinstance(result, Reason) else None
