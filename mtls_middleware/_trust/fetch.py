"""One revocation list from the network: a plain GET, bounded in size, time and redirects, and only to where it may go.

Plain http is good enough: a list is believed by its signature.
"""

from collections.abc import Callable
from urllib.parse import urljoin

from mtls_middleware._trust import http
from mtls_middleware._trust.addresses import AddressPolicy, Place, place_of
from mtls_middleware._trust.crl import CRL_BYTES
from mtls_middleware._trust.report import Unusable
from mtls_middleware.display import displayed

SECONDS = 60.0
"""For one list, with all redirects; 20 MB come in that time at 3 Mbit/s."""

REDIRECTS = 2

_OK = 200
_REDIRECTIONS = (301, 302, 303, 307, 308)
_HEADERS = {"accept": "application/pkix-crl, */*;q=0.1"}


class Fetcher:
    """Fetch lists. It keeps nothing between two of them: no connection, no cookie."""

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        open_session: http.OpenSession = http.open_session,
        proxy_of: Callable[[str], str | None] = http.proxy_of,
        seconds: float = SECONDS,
        body_bytes: int = CRL_BYTES,
    ) -> None:
        """Prepare.

        Args:
            policy: where connections may go.
            open_session: the way to the network.
            proxy_of: the proxy that is used for an address.
            seconds: for one list.
            body_bytes: of one list.
        """
        self._policy = policy
        self._open_session = open_session
        self._proxy_of = proxy_of
        self._seconds = seconds
        self._body_bytes = body_bytes

    def __call__(self, address: str) -> bytes:
        """Return the content of an answer with status 200.

        Raises:
            Unusable: there is none, or it may not be asked for.
        """
        try:
            with self._open_session(seconds=self._seconds, resolve=self._policy.resolve) as session:
                return self._follow(session, address)
        except http.HTTPFailure as failure:
            raise Unusable(f"cannot be fetched: {displayed(failure.detail)}") from failure

    def _follow(self, session: http.Session, address: str) -> bytes:
        place = self._require_allowed(address)
        for _ in range(REDIRECTS + 1):
            response = session.request("GET", address, headers=_HEADERS, body_bytes=self._body_bytes)
            if response.status == _OK:
                return response.body
            if response.status not in _REDIRECTIONS:
                raise Unusable(f"answers with status {response.status}")
            address = _next(address, response)
            if self._require_allowed(address).scheme != place.scheme:
                raise Unusable("leads to another scheme")
        raise Unusable(f"leads from one address to the next, more than {REDIRECTS} times")

    def _require_allowed(self, address: str) -> Place:
        """Check an address before anything is sent; where no proxy stands between, `resolve` goes on from here."""
        place = place_of(address)
        if self._proxy_of(address) is not None:
            self._policy.require_name(place)
        return place


def _next(address: str, response: http.Response) -> str:
    try:
        return urljoin(address, response.headers.get("location", ""))
    except ValueError as error:
        raise Unusable(f"leads to what is not an address ({displayed(str(error))})") from error
