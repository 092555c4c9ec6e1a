"""Certificates for TLS servers."""

import ipaddress

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from mtls_middleware.testing import ClientCertificate, KeyKind, RegionalCA
from tests.testing.verification import NOW, path, refusal_expected


def names(server: ClientCertificate) -> list[x509.GeneralName]:
    return list(server.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def test_it_is_for_this_machine_by_default(ca: RegionalCA) -> None:
    assert names(ca.server()) == [x509.DNSName("localhost"), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]


def test_names_and_addresses_are_as_given(ca: RegionalCA) -> None:
    server = ca.server(["::1", "api.example.com"])
    assert names(server) == [x509.DNSName("api.example.com"), x509.IPAddress(ipaddress.IPv6Address("::1"))]


def test_one_name_may_be_a_text(ca: RegionalCA) -> None:
    server = ca.server("api.example.com", key=KeyKind.P384)
    (common_name,) = server.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert common_name.value == "api.example.com"


def test_it_is_for_servers_alone(ca: RegionalCA) -> None:
    usage = ca.server().certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_client_believes_it(ca: RegionalCA) -> None:
    builder = PolicyBuilder().store(Store([ca.certificate])).time(NOW)
    server = ca.server()
    assert builder.build_server_verifier(x509.DNSName("localhost")).verify(server.certificate, [])


def test_it_is_no_client(ca: RegionalCA) -> None:
    with refusal_expected():
        path(ca.server(), ca)
