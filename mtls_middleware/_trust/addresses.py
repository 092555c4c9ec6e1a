"""Which addresses of revocation lists are followed: they stand in certificates, so they are somebody else's choice.

A certificate that passed every other check may still name an address inside of the operator's network. So a name is
resolved here, and only what it resolves to now is contacted: public addresses, and what the operator allows.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from mtls_middleware._trust.http import Resolve, look_up
from mtls_middleware._trust.report import Unusable
from mtls_middleware._trust.special_networks import is_public, unwrapped
from mtls_middleware.display import displayed

ADDRESS_CHARACTERS = 2_048
"""Of one address."""

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_OWN_NAMES = ("localhost", "ip6-localhost", "ip6-loopback")
_OWN_DOMAINS = (".localhost", ".localdomain")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

IPAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Place:
    """Hold the parts of an http or https address that decide whether it is followed.

    Attributes:
        scheme: lower case.
        host: lower case, without brackets and without a dot at its end.
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
    if not host or "@" in parts.netloc or port == 0 or ("[" in parts.netloc and ":" not in host):
        raise Unusable("has no host, or names a user")
    return Place(parts.scheme, _host_of(host), port or _PORTS[parts.scheme])


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
        self._hosts = frozenset((place.host, place.port) for place in map(place_of, filter(is_followed, listed)))
        self._resolver = resolver

    def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """Return the addresses of a host that may be contacted.

        Raises:
            Unusable: there are none.
            HTTPFailure: the name is not known.
        """
        found = tuple(self._resolver(host, port))
        if (host.lower().removesuffix("."), port) in self._hosts:
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
        try:
            written = ip_address(place.host.partition("%")[0])
        except ValueError:
            if place.host in _OWN_NAMES or place.host.endswith(_OWN_DOMAINS):
                raise Unusable("leads to this machine") from None
            return
        if not self._allows(written):
            raise Unusable(f"leads to {written}, which is not public: MTLS_CRL_NETWORKS can allow it")

    def _allows(self, address: IPAddress) -> bool:
        inner = unwrapped(address)
        return is_public(inner) or any(inner in network or address in network for network in self._networks)


def _host_of(written: str) -> str:
    """Return a host in the one way that everybody reads alike: no resolver and no proxy takes it for another one.

    Raises:
        Unusable: it is written in a way that some read as a name, and others as an address.
    """
    host = written.removesuffix(".")
    if ":" in host:
        try:
            IPv6Address(host.partition("%")[0])
        except ValueError as error:
            raise Unusable("is not an address (no host is written like this)") from error
        return host
    if not _NAME.fullmatch(host):
        raise Unusable("is not an address (no host is written like this)")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):  # so it is an IPv4 address, or takes itself for one
        try:
            IPv4Address(host)
        except ValueError as error:
            raise Unusable("writes an IP address in an unusual way") from error
    return host
