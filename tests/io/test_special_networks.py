"""Which addresses are of the internet: each row of IANA's registries, and what stands around it."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtls_middleware._io.special_networks import SPECIAL_IPV4, SPECIAL_IPV6, is_public


def _words(text: str) -> list[str]:
    return text.split()


REGISTRY_IPV4 = _words("""
0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.0.0/29
192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32 192.0.0.171/32 192.0.0.192/32 192.0.2.0/24 192.31.196.0/24
192.52.193.0/24 192.88.99.0/24 192.88.99.2/32 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24
203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 255.255.255.255/32
""")
REGISTRY_IPV6 = _words("""
::1/128 ::/128 ::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001::/32 2001:1::1/128 2001:1::2/128
2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48 2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16
2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8 ::ffff:0:0:0/96 4000::/3 200::/7 400::/6
""")
AROUND = _words("""
1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0
172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.1.255 192.0.3.0 192.31.195.255 192.31.197.0 192.52.192.255
192.52.194.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 192.175.47.255 192.175.49.0 198.17.255.255
198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255
2001:200:: 2001:db7:ffff:ffff:ffff:ffff:ffff:ffff 2001:db9:: 2001:ffff:: 2003:: 2000:: 2620:4f:7fff:: 2620:4f:8001::
3ffe:ffff:: 3fff:1000:: 2a00:1450::1
""")


@pytest.mark.parametrize("written", [*REGISTRY_IPV4, *REGISTRY_IPV6])
def test_no_address_of_a_special_network_is_public(written: str) -> None:
    network = ip_network(written)
    for address in (network[0], network[network.num_addresses // 2], network[-1]):
        assert not is_public(address)


@pytest.mark.parametrize("written", AROUND)
def test_the_addresses_around_them_are_public(written: str) -> None:
    assert is_public(ip_address(written))


def test_each_row_of_the_table_is_one_of_the_registry() -> None:
    assert {str(row) for row in (*SPECIAL_IPV4, *SPECIAL_IPV6)} <= {*REGISTRY_IPV4, *REGISTRY_IPV6}
    assert [one for one in REGISTRY_IPV4 if not any(IPv4Network(one).subnet_of(row) for row in SPECIAL_IPV4)] == []


@given(st.ip_addresses(v=4))
def test_an_address_that_wraps_another_is_judged_by_it_or_not_public(inner: IPv4Address) -> None:
    for wrapping in ("::ffff:0:0", "64:ff9b::"):
        assert is_public(IPv6Network(f"{wrapping}/96")[int(inner)]) is is_public(inner)
    for wrapping in ("::", "2001::", "64:ff9b:1::", "::ffff:0:0:0"):
        assert not is_public(IPv6Network(f"{wrapping}/96")[int(inner)])
    assert not is_public(IPv6Address(0x2002 << 112 | int(inner) << 80 | 1))


@given(st.ip_addresses())
def test_what_every_python_calls_own_is_not_public(address: IPv4Address | IPv6Address) -> None:
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        assert not is_public(address)
