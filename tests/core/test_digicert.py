"""DigiCert's real intermediate, which is third-party and stays outside of the repository."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from mtls_middleware._core.certificate import parse_chain
from mtls_middleware._core.decision import Reason
from mtls_middleware._core.trust import Anchor, AuthorityTrust, Binding, build_trust
from mtls_middleware._trust.files.digicert_root import default_root
from mtls_middleware.identity import Authority
from mtls_middleware.testing import RegionalCA
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


def _trust(root: x509.Certificate) -> AuthorityTrust:
    binding = Binding(Authority.DIGICERT)
    return build_trust(
        Authority.DIGICERT,
        anchors=[Anchor(certificate=root, binding=binding, origin="here")],
        names={},
        max_chain=5,
    )


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        pytest.param(default_root(), Reason.PURPOSE_MISMATCH, id="the root that is shipped"),
        pytest.param(RegionalCA(now=NOW).certificate, Reason.ISSUER_UNTRUSTED, id="another root"),
    ],
)
def test_the_intermediate_is_known_by_its_root_and_is_no_caller(root: x509.Certificate, expected: Reason) -> None:
    chain = parse_chain([_intermediate().public_bytes(Encoding.DER)])
    assert reason(chain, _trust(root), NOW) is expected
