"""Networks that are not the internet: IANA's registries of special-purpose addresses, as of November 2026.

`ipaddress.is_global` answers by the Python patch version, so this table decides. A network is in it whether or not the
registry calls it globally reachable: what is reachable there are relays and helpers, which may stand in one's own
network, and nobody publishes a CRL on one.

- https://www.iana.org/assignments/iana-ipv4-special-registry
- https://www.iana.org/assignments/iana-ipv6-special-registry
- https://www.iana.org/assignments/ipv6-address-space: what is not in 2000::/3 was given to nobody.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

SPECIAL_IPV4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # "this network"; RFC 791
            "10.0.0.0/8",  # private use; RFC 1918
            "100.64.0.0/10",  # shared address space; RFC 6598
            "127.0.0.0/8",  # loopback; RFC 1122
            "169.254.0.0/16",  # link local, and metadata of clouds; RFC 3927
            "172.16.0.0/12",  # private use; RFC 1918
            "192.0.0.0/24",  # IETF protocol assignments, with 192.0.0.8, .9, .10, .170, .171; RFC 6890
            "192.0.2.0/24",  # documentation; RFC 5737
            "192.31.196.0/24",  # AS112; RFC 7535
            "192.52.193.0/24",  # AMT; RFC 7450
            "192.88.99.0/24",  # 6to4 relay; RFC 7526
            "192.168.0.0/16",  # private use; RFC 1918
            "192.175.48.0/24",  # AS112; RFC 7534
            "198.18.0.0/15",  # benchmarking; RFC 2544
            "198.51.100.0/24",  # documentation; RFC 5737
            "203.0.113.0/24",  # documentation; RFC 5737
            "224.0.0.0/4",  # multicast; RFC 5771
            "240.0.0.0/4",  # reserved, and the limited broadcast; RFC 1112, RFC 8190
        ),
    )
)

GLOBAL_UNICAST = IPv6Network("2000::/3")
"""All that IANA has given out; RFC 4291. Loopback, ::/96, 64:ff9b:1::/48, 100::/64, 5f00::/16, fc00::/7, fe80::/10,
fec0::/10 and ff00::/8 are outside."""

SPECIAL_IPV6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # IETF protocol assignments, with Teredo, AMT, ORCHID and DRIP; RFC 2928
            "2001:db8::/32",  # documentation; RFC 3849
            "2002::/16",  # 6to4, which is over; RFC 7526
            "2620:4f:8000::/48",  # AS112; RFC 7534
            "3fff::/20",  # documentation; RFC 9637
        ),
    )
)

_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last four bytes


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether this is an address of the internet; one that only wraps another is judged by that."""
    address = unwrapped(address)
    if isinstance(address, IPv4Address):
        return not any(address in network for network in SPECIAL_IPV4)
    return address in GLOBAL_UNICAST and not any(address in network for network in SPECIAL_IPV6)


def unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 one stands for, for that is where the connection goes."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address
