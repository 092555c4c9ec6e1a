"""DigiCert's real intermediate, which is third-party and stays outside of the repository."""

from pathlib import Path

import certifi
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._core.binding import Binding
from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.decision import Reason
from mtls_middleware._core.snapshot import Anchor, AuthorityTrust, build_trust
from mtls_middleware.identity import Authority
from tests.core.certs import NOW, reason
from tests.core.limbo import TEST_VECTORS

pytestmark = pytest.mark.skipif(
    TEST_VECTORS is None,
    reason="DigiCert's certificates are not ours: set TEST_VECTORS to the folder that holds digicert/",
)


def _intermediate() -> x509.Certificate:
    assert TEST_VECTORS is not None
    path = Path(TEST_VECTORS) / "digicert" / "DigiCertAssuredIDClientCAG2.pem"
    return x509.load_pem_x509_certificate(path.read_bytes())


def _trust(root: str) -> AuthorityTrust:
    bundle = x509.load_pem_x509_certificates(Path(certifi.where()).read_bytes())
    (anchor,) = (one for one in bundle if one.subject.rfc4514_string().startswith(f"CN={root},"))
    binding = Binding(Authority.DIGICERT)
    return build_trust(
        Authority.DIGICERT,
        anchors=[Anchor(certificate=anchor, binding=binding, origin="certifi")],
        names={},
        max_chain=5,
    )


@pytest.mark.filterwarnings("ignore")  # of other roots in certifi
@pytest.mark.parametrize(
    ("root", "expected"),
    [
        pytest.param("DigiCert Assured ID Root G2", Reason.PURPOSE_MISMATCH, id="its root"),
        pytest.param("DigiCert Global Root G2", Reason.ISSUER_UNTRUSTED, id="another root"),
    ],
)
def test_the_intermediate_is_known_by_its_root_and_is_no_caller(root: str, expected: Reason) -> None:
    chain = parse_chain([_intermediate().public_bytes(Encoding.DER)])
    assert reason(chain, _trust(root), NOW) is expected
