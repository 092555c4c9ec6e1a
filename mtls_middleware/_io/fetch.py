"""Requests to the network: how a session is opened, which addresses may be contacted, and how a CRL is fetched.

The addresses of CRLs stand in certificates, so they are somebody else's choice. Plain http is good enough for a CRL: it
is believed by its signature.
"""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urljoin, urlsplit

from mtls_middleware._io import http
from mtls_middleware._io.files import InputError
from mtls_middleware._io.http import LATEST_END, SESSION_SECONDS, Deadline, Resolve, Session, look_up
from mtls_middleware._io.special_networks import is_public, unwrapped
from mtls_middleware.display import displayed

CRL_SECONDS = 60.0
"""For one CRL, with all redirects; 20 MB come in that time at 3 Mbit/s."""

REDIRECTS = 2

_OK, _TOO_MANY, _SERVER_ERROR = 200, 429, 500
_REDIRECTIONS = (301, 302, 303, 307, 308)
_HEADERS = {"accept": "application/pkix-crl, */*;q=0.1"}

ADDRESS_CHARACTERS = 2_048
"""Of one address."""

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_OWN_NAMES = ("localhost", "ip6-localhost", "ip6-loopback")
_OWN_DOMAINS = (".localhost", ".localdomain")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

IPAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_IMPORTED_LATE = ("mtls_middleware._io.http_client", "encodings.idna")
"""The second by the interpreter, with the first name of a host that it resolves."""

CRL_BYTES = 20 * 1_048_576
"""Bytes of one CRL; 100,000 entries take 4 to 5 million."""


@contextmanager
def open_session(
    *,
    seconds: float = SESSION_SECONDS,
    resolve: Resolve | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Session]:
    """Open a session: TLS with the system's trust store, the environment's proxies, no cookies, no redirects.

    Args:
        seconds: for everything in it together; only the system's resolver keeps its own limits.
        resolve: instead of the system's resolver: the place for a rule on addresses. A proxy of the environment is
            resolved without it, and then resolves the rest itself; `proxy_of` tells beforehand.
        clock: seconds, never going back.

    Raises:
        HTTPFailure: from its requests.
    """
    prepare()
    from mtls_middleware._io.http_client import open_until  # noqa: PLC0415 - httpcore2 only when it is used

    end, last = clock() + seconds, LATEST_END.get()
    with open_until(Deadline(end if last is None else min(end, last), clock), resolve) as session:
        yield session


UNREACHED = "cannot be fetched"
"""Begins the message where no whole answer came."""


class OverloadedError(InputError):
    """The host says that it cannot answer anybody now: 429, or a 5xx."""


class Fetcher:
    """A client that fetches CRLs. It keeps nothing between two of them: no connection, no cookie."""

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        open_session: http.OpenSession = open_session,
        proxy_of: Callable[[str], str | None] = http.proxy_of,
        seconds: float = CRL_SECONDS,
        body_bytes: int = CRL_BYTES,
    ) -> None:
        """Prepare."""
        self._policy = policy
        self._open_session = open_session
        self._proxy_of = proxy_of
        self._seconds = seconds
        self._body_bytes = body_bytes

    def __call__(self, address: str) -> bytes:
        """Return the content of an answer with status 200.

        Raises:
            OverloadedError: the host says that it cannot answer now.
            InputError: there is none, or it may not be asked for.
        """
        try:
            with self._open_session(seconds=self._seconds, resolve=self._policy.resolve) as session:
                return self._follow(session, address)
        except http.HTTPFailure as failure:
            raise InputError(f"{UNREACHED}: {displayed(failure.detail)}") from failure

    def _follow(self, session: http.Session, address: str) -> bytes:
        endpoint = self._require_allowed(address)
        for _ in range(REDIRECTS + 1):
            response = session.request("GET", address, headers=_HEADERS, body_bytes=self._body_bytes)
            if response.status == _OK:
                return response.body
            if response.status not in _REDIRECTIONS:
                if response.status == _TOO_MANY or response.status >= _SERVER_ERROR:
                    raise OverloadedError(f"answers with status {response.status}")
                raise InputError(f"answers with status {response.status}")
            address = _next(address, response)
            if self._require_allowed(address).scheme != endpoint.scheme:
                raise InputError("leads to another scheme")
        raise InputError(f"leads from one address to the next, more than {REDIRECTS} times")

    def _require_allowed(self, address: str) -> Endpoint:
        """Check an address before anything is sent; where no proxy stands between, `resolve` goes on from here."""
        endpoint = endpoint_of(address)
        if self._proxy_of(address) is not None:
            self._policy.require_name(endpoint)
        return endpoint


def _next(address: str, response: http.Response) -> str:
    try:
        return urljoin(address, response.headers.get("location", ""))
    except ValueError as error:
        raise InputError(f"leads to what is not an address ({displayed(str(error))})") from error


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The parts of an http or https address that decide whether it is followed.

    Attributes:
        scheme: lower case.
        host: lower case, without brackets and without a dot at its end.
        port: also where the address does not write it.
    """

    scheme: str
    host: str
    port: int


def endpoint_of(address: str) -> Endpoint:
    """Split an address.

    Raises:
        InputError: it is no plain http or https address.
    """
    if len(address) > ADDRESS_CHARACTERS or not address.isascii() or not address.isprintable() or " " in address:
        raise InputError("is not a plain address")
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InputError(f"is not an address ({displayed(str(error))})") from error
    if parts.scheme not in _PORTS:
        raise InputError("is neither http nor https")
    if not host or "@" in parts.netloc or port == 0 or ("[" in parts.netloc and ":" not in host):
        raise InputError("has no host, or names a user")
    return Endpoint(parts.scheme, _host_of(host), port or _PORTS[parts.scheme])


def is_followed(address: str) -> bool:
    """Return whether this is an address that could be fetched at all; LDAP's are not."""
    try:
        endpoint_of(address)
    except InputError:
        return False
    return True


class AddressPolicy:
    """The rule that decides where a CRL may be fetched from."""

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
        self._hosts = frozenset(
            (endpoint.host, endpoint.port) for endpoint in map(endpoint_of, filter(is_followed, listed))
        )
        self._resolver = resolver

    def resolve(self, host: str, port: int) -> tuple[str, ...]:
        """Return the addresses of a host that may be contacted.

        Raises:
            InputError: there are none.
            HTTPFailure: the name is not known.
        """
        found = tuple(self._resolver(host, port))
        if (host.lower().removesuffix("."), port) in self._hosts:
            return found
        allowed = tuple(address for address in found if self._allows(ip_address(address.partition("%")[0])))
        if not allowed:
            raise InputError(f"leads to {', '.join(found[:2])}, which is not public: MTLS_CRL_NETWORKS can allow it")
        return allowed

    def require_name(self, endpoint: Endpoint) -> None:
        """Check what can be checked where a proxy resolves the name: an address that is written out.

        Raises:
            InputError: it is not public.
        """
        if (endpoint.host, endpoint.port) in self._hosts:
            return
        try:
            written = ip_address(endpoint.host.partition("%")[0])
        except ValueError:
            if endpoint.host in _OWN_NAMES or endpoint.host.endswith(_OWN_DOMAINS):
                raise InputError("leads to this machine") from None
            return
        if not self._allows(written):
            raise InputError(f"leads to {written}, which is not public: MTLS_CRL_NETWORKS can allow it")

    def _allows(self, address: IPAddress) -> bool:
        inner = unwrapped(address)
        return is_public(inner) or any(inner in network or address in network for network in self._networks)


def _host_of(written: str) -> str:
    """Return a host in the one way that everybody reads alike: no resolver and no proxy takes it for another one.

    Raises:
        InputError: it is written in a way that some read as a name, and others as an address.
    """
    host = written.removesuffix(".")
    if ":" in host:
        try:
            IPv6Address(host.partition("%")[0])
        except ValueError as error:
            raise InputError("is not an address (no host is written like this)") from error
        return host
    if not _NAME.fullmatch(host):
        raise InputError("is not an address (no host is written like this)")
    if _NUMBER.fullmatch(host.rpartition(".")[2]):  # so it is an IPv4 address, or takes itself for one
        try:
            IPv4Address(host)
        except ValueError as error:
            raise InputError("writes an IP address in an unusual way") from error
    return host


def prepare() -> None:
    """Import what sessions import late, on this thread and now: five megabytes, for those who ask the network.

    A server that forks while another thread imports leaves that import's lock to the child, held by nobody: there, the
    same import waits for ever. Where an address is known at the start, this runs before there is another thread; where
    one is learned later, on a thread of `asking`, which no fork disturbs.
    """
    for module in _IMPORTED_LATE:
        importlib.import_module(module)
