"""Every reason has a caller, or a setting, that brings it about: through the real middleware."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mtls_middleware import Reason, TrustError
from mtls_middleware.testing import KeyKind, MTLSTestClient, RegionalCA
from mtls_middleware.testing.callers import RECIPES
from mtls_middleware.testing.plugin import DataActionClient

NAMES = ["fastapi_service:app", "wsgi_service:application"]
ORGANIZATION = "0b0e4a5c-1f7d-4c2e-9a55-2f3f7c1d8e90"


def digicert(ca: RegionalCA, folder: Path) -> dict[str, str | None]:
    """Return settings that trust the CA as if it were DigiCert's, and pin another client."""
    return {
        "MTLS_AUTHORITIES": "digicert",
        "MTLS_TRUST": f"digicert={ca.write(folder / 'root.pem')}",
        "MTLS_PINS": ca.client().fingerprint_sha256,
        "MTLS_CERT_NAMES": None,
    }


def nothing(_ca: RegionalCA, _folder: Path) -> dict[str, str | None]:
    return {}


ENVIRONMENTS: Mapping[Reason, Callable[[RegionalCA, Path], Mapping[str, str | None]]] = {
    Reason.SOURCE_UNTRUSTED: lambda _ca, _folder: {"MTLS_SOURCE": "nginx"},
    Reason.NOT_PINNED: digicert,
    Reason.REVOCATION_UNKNOWN: lambda _ca, _folder: {"MTLS_REVOCATION": "require", "MTLS_CRL_URLS": None},
    Reason.ORGANIZATION_MISMATCH: lambda _ca, _folder: {"MTLS_ORGANIZATION_IDS": ORGANIZATION},
    Reason.CALLER_SECRET_MISMATCH: lambda _ca, _folder: {"MTLS_CALLER_SECRET": "a-secret-of-the-integration"},
}


def reason_of(client: MTLSTestClient) -> Any:
    return client.post("/actions/lookup").json().get("reason")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reason", RECIPES, ids=str)
def test_a_caller_is_refused_for_each_reason(
    data_action_client: DataActionClient, regional_ca: RegionalCA, tmp_path: Path, name: str, reason: Reason
) -> None:
    environ = ENVIRONMENTS.get(reason, nothing)(regional_ca, tmp_path)

    assert reason_of(data_action_client(name, environ=environ).refused_as(reason)) == reason


def test_every_reason_has_a_recipe_or_says_why_not(data_action_client: DataActionClient) -> None:
    client = data_action_client(NAMES[0])
    missing = set(Reason) - set(RECIPES)

    assert missing == {Reason.TRUST_UNAVAILABLE, Reason.INTERNAL_ERROR}
    for reason in missing:
        with pytest.raises(ValueError, match="no caller can bring about"):
            client.refused_as(reason)


@pytest.mark.parametrize("reason", [reason for reason, recipe in RECIPES.items() if recipe.needs], ids=str)
def test_what_cannot_be_under_these_settings_says_what_it_needs(reason: Reason) -> None:
    with pytest.raises(ValueError, match=f"{reason} needs "):
        MTLSTestClient(lambda _environ, _start: []).refused_as(str(reason))


def test_no_reason_of_that_name(data_action_client: DataActionClient) -> None:
    with pytest.raises(ValueError, match="certificate_mising"):
        data_action_client(NAMES[0]).refused_as("certificate_mising")


def test_trust_that_ended_is_told_at_once(data_action_client: DataActionClient, tmp_path: Path) -> None:
    ended = RegionalCA(not_before=RegionalCA().now - timedelta(days=9), not_after=RegionalCA().now - timedelta(days=1))

    with pytest.raises(TrustError, match="no anchor that is valid now"):
        data_action_client(NAMES[0], environ={"MTLS_TRUST": str(ended.write(tmp_path)), "MTLS_CRL_URLS": None})


@pytest.mark.parametrize(
    ("keywords", "reason"),
    [
        pytest.param({"key": KeyKind.RSA1024}, "issuer_untrusted", id="weak key"),
        pytest.param({"key": KeyKind.ED25519}, "issuer_untrusted", id="unusual key"),
        pytest.param({"is_ca": True}, "purpose_mismatch", id="a CA"),
        pytest.param({"key_usage": ["key_encipherment"]}, "purpose_mismatch", id="no signatures"),
        pytest.param({"names": "dataactions.example.com"}, "region_mismatch", id="another name"),
        pytest.param({"names": None, "common_names": ["a", "b"]}, "region_mismatch", id="two common names"),
        pytest.param({"serial_number": -1}, "certificate_malformed", id="negative serial number"),
        pytest.param({"stranger": True, "expired": True}, "issuer_untrusted", id="a stranger, and expired"),
        pytest.param({"revoked": True}, "certificate_revoked", id="revoked"),
    ],
)
def test_keywords_make_certificates_bad(
    data_action_client: DataActionClient, keywords: Mapping[str, Any], reason: str
) -> None:
    assert reason_of(data_action_client(NAMES[0]).with_certificate(**keywords)) == reason
