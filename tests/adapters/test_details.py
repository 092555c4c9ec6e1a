"""What the log says of a refusal: why there is no chain, in words, and who stands behind a trusted proxy."""

import pytest
from cryptography import x509

from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.adapters.cases import Case, http
from tests.adapters.site import (
    NGINX,
    NGINX_PEER,
    NOW,
    Site,
    over_tls,
    regional_ca,
    stranger_ca,
    through_nginx,
)

UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")


def critical() -> ClientCertificate:
    return regional_ca().client(extra_extensions=[x509.Extension(UNKNOWN.oid, True, UNKNOWN)])


def logged(caplog: pytest.LogCaptureFixture, name: str) -> object:
    (record,) = [record for record in caplog.records if record.getMessage().startswith("refused ")]
    return vars(record).get(f"mtls_{name}")


@pytest.mark.parametrize(
    ("client", "words"),
    [
        (RegionalCA("eu-west-1", now=NOW).client(), "no root here is named CN=Genesys Cloud eu-west-1 Root CA"),
        (stranger_ca().client(), "did not sign it: another one has the same name"),
        (critical(), "its CA is known here, but the verifier says: "),
    ],
    ids=["another name", "another key", "an extension"],
)
def test_no_chain_is_explained(
    site: Site, caplog: pytest.LogCaptureFixture, client: ClientCertificate, words: str
) -> None:
    http(site.guard(), over_tls(client))
    detail = str(logged(caplog, "detail"))

    assert words in detail
    assert "candidates exhausted" not in detail
    assert detail.startswith("no certificate chain to an anchor of genesys: ")


NGINX_NET = {**NGINX_PEER, "MTLS_TRUSTED_PROXIES": "10.0.0.0/24"}
BEHIND = through_nginx(None, secret=None)


@pytest.mark.parametrize(
    ("settings", "case", "expected"),
    [
        (NGINX, through_nginx(None).with_headers(("X-Forwarded-For", "6.6.6.6, 203.0.113.9")), "203.0.113.9"),
        (NGINX, BEHIND.with_headers(("X-Forwarded-For", "203.0.113.9")), None),
        (NGINX, through_nginx(None), None),
        (NGINX_NET, BEHIND.with_headers(("X-Forwarded-For", "203.0.113.9, 10.0.0.6:80")), "203.0.113.9"),
        (
            NGINX_PEER,
            BEHIND.with_headers(("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-For", "[fd00::1]")),
            "[fd00::1]",
        ),
        ({}, Case(tls={}).with_headers(("X-Forwarded-For", "203.0.113.9")), None),
    ],
    ids=["a secret", "no secret", "no header", "a peer, and a second proxy", "two headers", "no proxy"],
)
def test_the_caller_behind_a_trusted_proxy_is_named(
    site: Site, caplog: pytest.LogCaptureFixture, settings: dict[str, str], case: Case, expected: str | None
) -> None:
    http(site.guard(settings), case)

    assert logged(caplog, "forwarded_for") == expected
    assert str(logged(caplog, "peer")).startswith("10.0.0.5")
