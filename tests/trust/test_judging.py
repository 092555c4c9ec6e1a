"""A pin is judged on its arrival, by the trust that callers are judged by; only what is certain is said against it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from cryptography import x509

from mtls_middleware._core.pin import Pin
from mtls_middleware._trust.judging import flaws_of, judged
from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.core.certs import DAY, NOW, digicert, new_ca, regional_ca

LOWER = regional_ca().intermediate()
NAMESAKE = RegionalCA.intermediate(new_ca("X"), "Intermediate CA 1")

GOOD: Mapping[str, tuple[Callable[[], ClientCertificate], list[x509.Certificate]]] = {
    "with its chain": (LOWER.client, [LOWER.certificate]),
    "without its chain": (LOWER.client, []),
    "beside a namesake of its issuer": (LOWER.client, [NAMESAKE.certificate]),
    "to come": (lambda: LOWER.client(not_before=NOW + DAY, not_after=NOW + 9 * DAY), [LOWER.certificate]),
    "of an unknown CA": (new_ca("X").client, [LOWER.certificate]),
    "expired": (lambda: LOWER.client(expired=True), [LOWER.certificate]),
}
BAD: Mapping[str, tuple[Callable[[], ClientCertificate], list[x509.Certificate], str]] = {
    "a CA": (lambda: LOWER.client(is_ca=True), [], "it is a CA's certificate"),
    "for servers, without its chain": (lambda: LOWER.client(server_only=True), [], "lacks clientAuth"),
    "without digitalSignature": (lambda: LOWER.client(key_usage=["key_agreement"]), [], "lacks digitalSignature"),
    "a serial number of 0": (lambda: LOWER.client(serial_number=0), [LOWER.certificate], "serial number"),
    "of another root": (NAMESAKE.client, [NAMESAKE.certificate], "leads to CN=X,O=Test,C=US, which is not trusted"),
    "with an unknown critical extension": (
        lambda: LOWER.client(
            extra_extensions=[
                x509.Extension(
                    x509.ObjectIdentifier("1.2.3.4"),
                    critical=True,
                    value=x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"),
                )
            ]
        ),
        [LOWER.certificate],
        "no certificate chain to an anchor of digicert",
    ),
}


def pin(client: ClientCertificate) -> Pin:
    return Pin(
        fingerprint_sha256=client.fingerprint_sha256,
        region="us-east-1",
        not_before=client.certificate.not_valid_before_utc,
        not_after=client.certificate.not_valid_after_utc,
        origin="pin.pem",
        der=client.der,
    )


@pytest.mark.parametrize(("make", "intermediates"), GOOD.values(), ids=GOOD)
def test_what_may_pass_has_no_flaw(
    make: Callable[[], ClientCertificate], intermediates: list[x509.Certificate]
) -> None:
    found = judged(pin(make()), digicert(regional_ca(), intermediates=intermediates), NOW)
    assert (found.flaw, list(flaws_of([found]))) == ("", [])


@pytest.mark.parametrize(("make", "intermediates", "why"), BAD.values(), ids=BAD)
def test_what_never_passes_has_one(
    make: Callable[[], ClientCertificate], intermediates: list[x509.Certificate], why: str
) -> None:
    found = judged(pin(make()), digicert(regional_ca(), intermediates=intermediates), NOW)
    assert why in found.flaw
    assert list(flaws_of([found])) == [
        f"pin.pem: no caller of us-east-1 can pass with this pin, so it is not counted: {found.flaw}"
    ]


def test_a_chain_that_is_known_says_until_when_it_lasts() -> None:
    short = regional_ca().intermediate("Short", not_after=NOW + 5 * DAY)
    trust = digicert(regional_ca(), intermediates=[short.certificate])
    assert judged(pin(short.client()), trust, NOW).ends == NOW + 5 * DAY
    assert "its issuer CN=Short,O=Test,C=US is valid from" in judged(pin(short.client()), trust, NOW + 6 * DAY).flaw


def test_cas_that_sign_each_other_end_the_search() -> None:
    one = new_ca("A").intermediate("B")
    two = RegionalCA.intermediate(one, "C")
    trust = digicert(regional_ca(), intermediates=[two.certificate, one.certificate, one.certificate])
    assert "leads to CN=A,O=Test,C=US, which is not trusted" in judged(pin(two.client()), trust, NOW).flaw


def test_of_a_bare_fingerprint_nothing_is_known() -> None:
    bare = replace(pin(new_ca("X").client(server_only=True)), der=b"", not_before=None, not_after=None)
    assert judged(bare, digicert(regional_ca()), NOW) == bare
