"""The dependency of docs/frameworks.md that compares a token's ``cnf`` claim with the certificate (RFC 8705)."""

from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.fastapi.clients import calling
from tests.fastapi.test_frameworks import code, execute

ID = "spiffe://example.org/billing"
ROOT = RegionalCA("custom")


def client() -> ClientCertificate:
    return ROOT.client(names=None, other_sans=[x509.UniformResourceIdentifier(ID)])


Call = Callable[..., tuple[int, Any]]

CALLER, OTHER = client(), client()


def thumbprint(certificate: ClientCertificate) -> str:
    """Return what an authorization server writes."""
    return urlsafe_b64encode(sha256(certificate.der).digest()).decode().strip("=")


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Call the application of the page with verified claims."""
    environment = {
        "AUTHORITIES": "custom",
        "TRUST": str(ROOT.write(tmp_path / "root.pem")),
        "CERT_NAMES": f"custom={ID}",
        "REVOCATION": "off",
        "STATE": "off",
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"MTLS_{name}", value)
    made = execute(code("FastAPI")[1])

    def call(claims: Mapping[str, Any], caller: ClientCertificate = CALLER) -> tuple[int, Any]:
        made["app"].dependency_overrides[made["verified_claims"]] = lambda: claims
        answer = calling(made["app"], caller).get("/accounts")
        return answer.status_code, answer.json()

    return call


def test_a_token_of_the_caller_is_let_in(call: Call) -> None:
    assert call({"cnf": {"x5t#S256": thumbprint(CALLER)}}) == (200, {"uris": [ID]})


OTHERS: Mapping[str, Mapping[str, Any]] = {
    "no claim": {},
    "null": {"cnf": None},
    "no object": {"cnf": thumbprint(CALLER)},
    "an empty object": {"cnf": {}},
    "a thumbprint that is null": {"cnf": {"x5t#S256": None}},
    "an empty thumbprint": {"cnf": {"x5t#S256": ""}},
    "a list": {"cnf": {"x5t#S256": [thumbprint(CALLER)]}},
    "of another certificate": {"cnf": {"x5t#S256": thumbprint(OTHER)}},
    "with padding": {"cnf": {"x5t#S256": thumbprint(CALLER) + "="}},
    "by SHA-1": {"cnf": {"x5t": thumbprint(CALLER)}},
}


@pytest.mark.parametrize("claims", OTHERS.values(), ids=OTHERS)
def test_every_other_token_is_refused(call: Call, claims: Mapping[str, Any]) -> None:
    assert call(claims)[0] == 401


def test_a_token_of_another_certificate_with_the_same_name_is_refused(call: Call) -> None:
    assert call({"cnf": {"x5t#S256": thumbprint(CALLER)}}, OTHER)[0] == 401


@pytest.mark.usefixtures("call")
def test_without_a_token_that_was_verified_nobody_is_let_in() -> None:
    made = execute(code("FastAPI")[1])
    assert calling(made["app"], CALLER).get("/accounts").status_code == 401
