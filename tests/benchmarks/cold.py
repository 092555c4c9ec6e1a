"""A certificate that is seen for the first time, beside the one signature that it takes to verify it."""

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.verification import PolicyBuilder

from mtls_middleware import Accepted, Guard
from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.connection import Connection
from mtls_middleware._core.scope import connection_of
from mtls_middleware._core.sources import decoders
from mtls_middleware._core.sources.decoders import unquoted
from mtls_middleware.testing import ClientCertificate, KeyKind, RegionalCA
from tests.benchmarks.calls import COMMON, PROXY, Call, Site, clients
from tests.benchmarks.table import Table

CERTIFICATES = 120
KINDS = {KeyKind.RSA2048: "rsa2048", KeyKind.RSA4096: "rsa4096", KeyKind.P256: "ecdsap256", KeyKind.P384: "ecdsap384"}
"""Keys of roots, and the names that `openssl speed` has for them."""

MICROSECOND = 1e-6

ANY_CHAIN = {
    **PROXY,
    "MTLS_SOURCE": "aws-alb-passthrough",
    "MTLS_HEADER": "X-SSL-Client-Cert",
    "MTLS_VERIFY_HEADER": "X-SSL-Client-Verify",
    "MTLS_VERIFY_VALUE": "SUCCESS",
    "MTLS_AUTHORITIES": "custom",
    "MTLS_CERT_NAMES": "custom=dataactions.prod.us-east-1.mypurecloud.com",
}
"""A caller under a root of one's own, whose header holds its intermediates too."""


def table(certificates: int = CERTIFICATES) -> Table:
    """Measure, and describe."""
    rows = []
    for kind, algorithm in KINDS.items():
        with _site(kind) as site:
            accepted, limit, library = _accepted(site, site.ca, certificates)
            refused = _refused(site, kind, certificates)
        rows.append(
            (
                str(kind),
                _openssl_speed(algorithm),
                f"{accepted / limit:.2f}",
                f"{library / limit:.2f}",
                *(f"{seconds / accepted:.2f}" for seconds in refused),
            )
        )
    for kind in (KeyKind.RSA4096, KeyKind.P256):
        with _site(kind) as site:
            accepted, limit, library = _accepted(site, site.ca.intermediate(key=kind), certificates)
        rows.append((f"{kind}, one intermediate", "", f"{accepted / limit:.2f}", f"{library / limit:.2f}", *[""] * 4))
    return Table(
        title="A certificate for the first time",
        text=(
            "From the headers to the verdict (percent-encoded PEM, RSA-2048 leaf), as a multiple of what cannot be "
            "saved: one verification with each CA's key, and decoding and reading the certificates. The goal is 1.50. "
            "*Library*: the same for `cryptography`'s own path verification alone, in which no name, purpose, marker "
            "or list is looked at. *openssl*: what `openssl speed` says of one verification, in microseconds, for "
            "comparison with other machines. Refusals are shown as a multiple of the acceptance; their goal is 2.00."
        ),
        head=("root", "openssl", "accepted", "library", "stranger", "forged", "expired", "other region"),
        rows=rows,
        after=(
            "What is above the library's figure is the price of once: two names and six extensions are read strictly, "
            "the key's strength, purpose, name and lists are looked at, and the address of the revocation list is "
            "learned. It is paid once for each certificate and each renewal of trust, in 0.2 to 0.4 ms. In "
            "instructions as callgrind counts them, of 2,240,000 under a P-256 root: 1,130,000 the library's "
            "verification, 415,000 to read the certificate (two names 145,000, their text 107,000, extensions 66,000), "
            "130,000 to decode the header, 97,000 to look into revocation lists, 77,000 for the identity, 63,000 for "
            "the lists' addresses, 61,000 for key, times and purpose. No single item is left that would bring it to "
            "the goal; the text of the names is made at once, because that proves that they can be decoded."
        ),
    )


def ratio(kind: KeyKind, certificates: int) -> float:
    """Return what an acceptance takes, as a multiple of what cannot be saved."""
    with _site(kind) as site:
        accepted, limit, _ = _accepted(site, site.ca, certificates)
    return accepted / limit


@contextmanager
def _site(kind: KeyKind) -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as folder:
        yield Site(Path(folder), RegionalCA("us-east-1", key=kind))


def _accepted(site: Site, issuer: RegionalCA, certificates: int) -> tuple[float, float, float]:
    """Return the seconds of an acceptance, those that cannot be saved, and those with the library's verification."""
    shown = clients(issuer, certificates)
    with site.guard(ANY_CHAIN if issuer.chain else PROXY) as guard:
        accepted = cold(guard, shown, None)
        snapshot = guard.snapshot
    verifier = snapshot.trusts[0].verifier if snapshot is not None else None
    if verifier is None:
        raise RuntimeError("no anchor was loaded")
    signatures = _median(_verification(issuer, one.certificate) for one in shown)
    if issuer.chain:
        signatures += _median(_verification(site.ca, issuer.certificate) for _ in shown)
    reading = _median(_reading(one) for one in shown)
    library = _median(_library(verifier, one) for one in shown)
    return accepted, signatures + reading, library + reading


def _refused(site: Site, kind: KeyKind, certificates: int) -> tuple[float, ...]:
    """Return the seconds of refusals: a stranger's certificate, a forged, an expired one, one of another region."""
    ca, times = site.ca, range(certificates)
    forger = RegionalCA("us-east-1", key=kind, subject=ca.certificate.subject)
    stranger = RegionalCA("stranger", key=kind)
    with site.guard(PROXY) as guard:
        return (
            cold(guard, (stranger.client() for _ in times), "issuer_untrusted"),
            cold(guard, (forger.client() for _ in times), "issuer_untrusted"),
            cold(guard, (ca.client(expired=True) for _ in times), "certificate_expired"),
            cold(guard, (ca.client(names="other.example.com") for _ in times), "region_mismatch"),
        )


def cold(guard: Guard, shown: Iterable[ClientCertificate], reason: str | None) -> float:
    """Return the median seconds of one decision, each on another certificate."""

    def decision(connection: Connection) -> Callable[[], object]:
        def decide() -> None:
            decided = guard.decide(connection)
            if (None if isinstance(decided, Accepted) else str(decided.reason)) != reason:
                raise RuntimeError(f"expected {reason}, not {decided}")

        return decide

    calls = (Call(environ={}, headers=COMMON + Site.through_proxy(client)) for client in shown)
    return _median(decision(connection_of(call.scope())) for call in calls)


def _verification(ca: RegionalCA, certificate: x509.Certificate) -> Callable[[], object]:
    key, digest = ca.certificate.public_key(), certificate.signature_hash_algorithm
    signature, signed = certificate.signature, certificate.tbs_certificate_bytes
    if digest is None:
        raise TypeError("a signature without a hash")
    match key:
        case rsa.RSAPublicKey():
            return lambda: key.verify(signature, signed, padding.PKCS1v15(), digest)
        case ec.EllipticCurvePublicKey():
            return lambda: key.verify(signature, signed, ec.ECDSA(digest))
        case _:
            raise TypeError("a root with another kind of key")


def _library(policy: PolicyBuilder, client: ClientCertificate) -> Callable[[], object]:
    leaf, *chain = (x509.load_pem_x509_certificate(text.encode()) for text in client.pems)
    now = datetime.now(UTC)
    return lambda: policy.time(now).build_client_verifier().verify(leaf, chain)


def _reading(client: ClientCertificate) -> Callable[[], object]:
    header = Site.through_proxy(client)[0][1]

    def read() -> None:
        parse_chain(decoders.pem_certificates(unquoted(header), 5))

    return read


def _median(works: Iterable[Callable[[], object]]) -> float:
    seconds = []
    for work in list(works):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return statistics.median(seconds)


def _openssl_speed(algorithm: str) -> str:
    """Return the microseconds of one verification, as the openssl of this machine measures them."""
    program = shutil.which("openssl")
    if program is None:
        return "not installed"
    said = subprocess.run(
        [program, "speed", "-seconds", "1", "-mr", algorithm], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    # RSA stands in a line +F2, ECDSA in +F4; the last field is verifications a second.
    line = next(line for line in said.splitlines() if line.startswith(("+F2", "+F4")))
    return f"{1 / float(line.split(':')[-1]) / MICROSECOND:.0f}"
