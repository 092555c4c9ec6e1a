"""Which addresses of revocation lists are followed: they stand in certificates, so they are somebody else's choice.

A certificate that passed every other check may still name an address inside of the operator's network. So a name is
resolved here, and only what it resolves to now is contacted: public addresses, and what the operator allows.
"""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from mtls_middleware._trust.http import Resolve, look_up
from mtls_middleware._trust.report import Unusable
from mtls_middleware.display import displayed

ADDRESS_CHARACTERS = 2_048
"""Of one address."""

_PORTS = {"http": 80, "https": 443}
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last four bytes

IPAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Place:
    """Hold the parts of an http or https address that decide whether it is followed.

    Attributes:
        scheme: lower case.
        host: lower case, without brackets.
        port: also where the address does not write it.
    """

    scheme: str
    host: str
    port: int


def place_of(address: str) -> Place:
    """Take an address apart.

    Raises:
        Unusable: it is no plain http or https address.
    """
    if len(address) > ADDRESS_CHARACTERS or not address.isascii() or not address.isprintable() or " " in address:
        raise Unusable("is not a plain address")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Unusable(f"is not an address ({displayed(str(error))})") from error
    if parts.scheme not in _PORTS:
        raise Unusable("is neither http nor https")
    if not host or "@" in parts.netloc or port == 0:
        raise Unusable("has no host, or names a user")
    return Place(parts.scheme, host, port or _PORTS[parts.scheme])


def is_followed(address: str) -> bool:
    """Return whether this is an address that could be fetched at all; LDAP's are not."""
    try:
        place_of(address)
    except Unusable:
        return False
    return True


class AddressPolicy:
    """Decide where a list may be fetched from."""

    def __init__(
        self, *, networks: Iterable[Network] = (), listed: Iterable[str] = (), resolver: Resolve = look_up
    ) -> None:
        """Prepare.

        Args:
            networks: private ones that may be contacted.
            listed: addresses that the operator wrote down; their hosts may have any address.
            resolver: returns the addresses of a host.
        """
        self._networks = tuple(networks)
        self._hosts = frozenset((place.host, place.port) for place in map(place_of, listed))
        self._resolver = resolver

    def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """Return the addresses of a host that may be contacted.

        Raises:
            Unusable: there are none.
            HTTPFailure: the name is not known.
        """
        found = tuple(self._resolver(host, port))
        if (host.lower(), port) in self._hosts:
            return found
        allowed = tuple(address for address in found if self._allows(ip_address(address.partition("%")[0])))
        if not allowed:
            raise Unusable(f"leads to {', '.join(found[:2])}, which is not public: MTLS_CRL_NETWORKS can allow it")
        return allowed

    def require_name(self, place: Place) -> None:
        """Check what can be checked where a proxy resolves the name: an address that is written out.

        Raises:
            Unusable: it is not public.
        """
        if (place.host, place.port) in self._hosts:
            return
        written = _written_out(place.host)
        if place.host == "localhost" or place.host.endswith(".localhost"):
            raise Unusable("leads to this machine")
        if written is not None and not self._allows(written):
            raise Unusable(f"leads to {written}, which is not public: MTLS_CRL_NETWORKS can allow it")

    def _allows(self, address: IPAddress) -> bool:
        inner = _inner(address)
        return is_public(inner) or any(inner in network or address in network for network in self._networks)


def is_public(address: IPAddress) -> bool:
    """Return whether anybody on the internet has this address."""
    return address.is_global and not address.is_multicast


def _inner(address: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 one only wraps, for that is where the connection goes."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None) or address


def _written_out(host: str) -> IPAddress | None:
    """Read an address in any of the forms that resolvers take, such as 127.1 and 0x7f000001."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
