"""Which addresses of lists are followed: public ones, and what the operator allows."""

import socket
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.fetch import AddressPolicy, Endpoint, endpoint_of, is_followed
from mtls_middleware._io.files import InputError
from tests.claims import raises_at_most, runs_through

ENDPOINTS = {
    "http://crl.example/a.crl": Endpoint("http", "crl.example", 80),
    "https://CRL.example:8443/a?b": Endpoint("https", "crl.example", 8443),
    "HTTP://[2001:db8::1]/": Endpoint("http", "2001:db8::1", 80),
    "http://192.0.2.1:8080/a.crl": Endpoint("http", "192.0.2.1", 8080),
}


@pytest.mark.parametrize(("address", "endpoint"), ENDPOINTS.items())
def test_an_address_is_taken_apart(address: str, endpoint: Endpoint) -> None:
    assert endpoint_of(address) == endpoint


@pytest.mark.parametrize(
    "address",
    [
        "ldap://crl.example/cn=CA",
        "file:/etc/passwd",
        "ftp://crl.example/a.crl",
        "crl.example/a.crl",
        "//crl.example/a.crl",
        "http:///a.crl",
        "http://",
        "http://user@crl.example/",
        "http://user:secret@crl.example/",
        "http://@crl.example/",
        "http://crl.example:0/",
        "http://crl.example:99999/",
        "http://crl.example:x/",
        "http://[::1/",
        "http://[nonsense]/",
        "http://crl.example/a b",
        "http://crl.example/a\r\nHost: b",
        "http://crl.ex\u00e4mple/",
        "http://crl.example/" + "a" * 2048,
        "",
    ],
)
def test_anything_else_is_not_followed(address: str) -> None:
    assert not is_followed(address)


@given(st.text() | st.text().map("http://".__add__))
def test_any_text_is_an_address_or_not(address: str) -> None:
    raises_at_most(InputError, lambda: endpoint_of(address))


PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.5",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "255.255.255.255",
    "224.0.1.1",
    "198.18.0.1",
    "::1",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "ff0e::1",
    "::ffff:10.0.0.5",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:5",
    "2002:a00:5::1",
    "2001:0:1:1:0:0:f5ff:fffa",
]
PUBLIC = ["8.8.8.8", "151.101.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


def resolving(*addresses: str, **options: object) -> AddressPolicy:
    return AddressPolicy(resolver=lambda _host, _port: addresses, **options)  # type: ignore[arg-type] # keywords


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_is_not_followed_to_an_address_that_is_not_public(address: str) -> None:
    with pytest.raises(InputError, match="not public: MTLS_CRL_NETWORKS can allow it"):
        resolving(address).resolve("crl.example", 80)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_name_is_followed_to_a_public_address(address: str) -> None:
    assert resolving(address).resolve("crl.example", 80) == (address,)


def test_only_the_public_ones_of_several_addresses_are_contacted() -> None:
    assert resolving("10.0.0.5", "8.8.8.8", "::1").resolve("crl.example", 80) == ("8.8.8.8",)


def test_a_name_without_address_is_not_followed() -> None:
    with pytest.raises(InputError):
        resolving().resolve("crl.example", 80)


@pytest.mark.parametrize("address", ["10.0.0.5", "::ffff:10.0.0.5", "64:ff9b::a00:5"])
def test_a_private_network_can_be_allowed(address: str) -> None:
    policy = resolving(address, networks=[ip_network("10.0.0.0/24")])
    assert policy.resolve("crl.example", 80) == (address,)


def test_an_allowed_network_allows_no_other() -> None:
    with pytest.raises(InputError):
        resolving("10.0.1.5", networks=[ip_network("10.0.0.0/24"), ip_network("fc00::/7")]).resolve("crl.example", 80)


def test_an_allowed_network_of_ipv6_allows_its_addresses() -> None:
    assert resolving("fd00::5", networks=[ip_network("fd00::/8")]).resolve("x", 80) == ("fd00::5",)


def test_the_host_of_a_listed_address_may_be_private() -> None:
    policy = resolving("10.0.0.5", listed=["http://crl.corp.example/a.crl"])
    assert policy.resolve("CRL.corp.example", 80) == ("10.0.0.5",)


@pytest.mark.parametrize(("host", "port"), [("crl.corp.example", 443), ("other.corp.example", 80)])
def test_no_other_host_or_port_may(host: str, port: int) -> None:
    with pytest.raises(InputError):
        resolving("10.0.0.5", listed=["http://crl.corp.example/a.crl"]).resolve(host, port)


OWN = [
    "127.0.0.1",
    "127.0.0.1.",
    "10.0.0.5.",
    "[::1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::1]",
    "[fec0::1]",
    "[fe80::1%25eth0]",
    "192.0.0.192",
    "localhost",
    "localhost.",
    "LOCALHOST.",
    "a.localhost",
    "a.localhost.",
    "localhost.localdomain",
    "ip6-localhost",
    "ip6-loopback.",
]


@pytest.mark.parametrize("host", OWN)
def test_a_private_address_that_is_written_out_goes_through_no_proxy(host: str) -> None:
    with pytest.raises(InputError, match="leads to"):
        resolving().require_name(endpoint_of(f"http://{host}/a.crl"))


UNUSUAL = [
    "127.1",
    "10.5",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x",
    "0177.0.0.1",
    "127.0.0.01",
    "127.0.0.08",
    "127.0.0.1.1",
    "1.2.3.256",
    "crl.example.1",
    "crl.example.0x1",
    "%31%32%37.0.0.1",
    "127.0.0.%31",
    "8.8.8.8\\.127.0.0.1",
    "127.0.0.1..",
    "localhost..",
    ".localhost",
    "a..example",
    ".",
    "crl.example;a",
    "[::1%25lo%25]a",
    "[v1.x]",
    "[v1.x:y]",
]


@pytest.mark.parametrize("end", ["", "."])
@pytest.mark.parametrize("host", UNUSUAL)
def test_a_host_that_others_could_take_for_another_one_is_not_followed(host: str, end: str) -> None:
    assert not is_followed(f"http://{host}{end}/a.crl")


def test_every_spelling_of_an_ipv4_address_that_a_resolver_takes_is_plain_or_refused() -> None:
    for written in UNUSUAL:
        try:
            socket.inet_aton(written)
        except OSError:
            continue
        with pytest.raises(InputError, match="writes an IP address in an unusual way"):
            endpoint_of(f"http://{written}/")


@pytest.mark.parametrize("written", ["http://crl.example./a.crl", "http://CRL.EXAMPLE./a.crl"])
def test_a_dot_at_the_end_of_a_host_means_nothing(written: str) -> None:
    assert endpoint_of(written) == Endpoint("http", "crl.example", 80)
    policy = resolving("10.0.0.5", listed=[written])
    assert policy.resolve("crl.example", 80) == policy.resolve("crl.example.", 80) == ("10.0.0.5",)
    policy.require_name(endpoint_of("http://crl.example/b.crl"))


def test_a_listed_address_that_nobody_can_follow_is_left_out() -> None:
    with pytest.raises(InputError):
        resolving("10.0.0.5", listed=["http://127.1/a.crl"]).resolve("127.1", 80)


@pytest.mark.parametrize("host", ["crl.example", "8.8.8.8", "2606:4700::1111"])
def test_other_names_are_the_proxys_to_judge(host: str) -> None:
    runs_through(resolving().require_name, Endpoint("http", host, 80))


def test_a_listed_address_goes_through_a_proxy() -> None:
    runs_through(resolving(listed=["http://10.0.0.5/a.crl"]).require_name, Endpoint("http", "10.0.0.5", 80))
