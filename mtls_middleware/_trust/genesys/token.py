"""OAuth tokens for the certificates API: client credentials (RFC 6749 §4.4), kept until shortly before they end."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mtls_middleware._io.http import Response
from mtls_middleware._trust.genesys.failure import FailureReason, GenesysFailure, correlation_id_of, json_of, unexpected
from mtls_middleware.display import displayed
from mtls_middleware.regions import Region

MARGIN = timedelta(seconds=60)
"""A token is not used in the last minute of its life: a request and a clock may be slow."""

SHORTEST = timedelta(seconds=300)
LONGEST = timedelta(seconds=172_800)
"""Lives that an OAuth client of Genesys Cloud can be given; an answer without `expires_in` gets the shortest."""

_TOKEN = re.compile(r"[A-Za-z0-9\-._~+/]{1,8192}=*")
"""RFC 6750 §2.1, bounded."""

_BODY = b"grant_type=client_credentials"
_UNKNOWN_CLIENT = "invalid_client"

Send = Callable[..., Response]
"""Send a request: method, host, path, and `headers` and `content` by keyword."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token.

    Attributes:
        authorization: value of the header that carries it.
        use_until: by the clock of the guard.
    """

    authorization: str = field(repr=False)
    use_until: datetime


class Tokens:
    """The tokens of one OAuth client: one as long as it is accepted, then the next."""

    def __init__(
        self, region: Region, client_id: str, client_secrets: tuple[str, ...], clock: Callable[[], datetime]
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            region: whose login host is asked.
            client_id: of the OAuth client.
            client_secrets: tried in turn, so that a secret can be replaced without a gap.
            clock: the present, aware.

        Raises:
            ValueError: there is no secret.
        """
        if not client_secrets:
            raise ValueError("there is no client secret")
        self._region = region
        self._client_id = client_id
        self._client_secrets = client_secrets
        self._clock = clock
        self._token: Token | None = None

    def current(self, send: Send) -> Token:
        """Return the token, asked for if there is none that serves.

        Raises:
            GenesysFailure: the login host gives none.
        """
        if self._token is None or self._clock() >= self._token.use_until:
            self._token = self._new(send)
        return self._token

    def discard(self) -> None:
        """Forget the token: it was refused, whatever its life was said to be."""
        self._token = None

    def _new(self, send: Send) -> Token:
        for secret in self._client_secrets[:-1]:
            try:
                return self._ask(secret, send)
            except GenesysFailure as failure:
                if failure.reason is not FailureReason.CREDENTIALS:
                    raise
        return self._ask(self._client_secrets[-1], send)

    def _ask(self, secret: str, send: Send) -> Token:
        host = self._region.login_host
        credentials = base64.b64encode(f"{self._client_id}:{secret}".encode()).decode("ascii")
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/x-www-form-urlencoded"}
        asked_at = self._clock()
        response = send("POST", host, "/oauth/token", headers=headers, content=_BODY)
        if response.status != 200:  # noqa: PLR2004 - RFC 6749 §5.1
            raise self._refusal(host, response)
        return self._parse(host, response, asked_at)

    def _parse(self, host: str, response: Response, asked_at: datetime) -> Token:
        answer = json_of(host, response)
        value, kind, seconds = (answer.get(name) for name in ("access_token", "token_type", "expires_in"))
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise unexpected(host, response, "without a well-formed access_token")
        if kind is not None and not (isinstance(kind, str) and kind.lower() == "bearer"):
            raise unexpected(host, response, "its token_type is not bearer")
        return Token(authorization=f"Bearer {value}", use_until=asked_at + _life(seconds) - MARGIN)

    def _refusal(self, host: str, response: Response) -> GenesysFailure:
        told = json_of(host, response).get("error")
        error = told if isinstance(told, str) else ""
        correlation_id = correlation_id_of(response)
        variables = "MTLS_GENESYS_CLIENT_ID and MTLS_GENESYS_CLIENT_SECRET"
        if error == _UNKNOWN_CLIENT or response.status == 401:  # noqa: PLR2004 - RFC 6749 §5.2
            return GenesysFailure(
                FailureReason.CREDENTIALS,
                f"{host} does not accept the OAuth client",
                f"check {variables}, and that the organization lives in {self._region.aws_region}",
                correlation_id=correlation_id,
            )
        if error in {"unauthorized_client", "unsupported_grant_type", "invalid_grant", "invalid_request"}:
            return GenesysFailure(
                FailureReason.CREDENTIALS,
                f"{host} gives the OAuth client no token ({error})",
                "give it the grant type Client Credentials, or make a new one with it",
                correlation_id=correlation_id,
            )
        shown = f"with the error {displayed(error, 64)}" if error else "without an error that is known"
        return unexpected(host, response, f"{shown} instead of a token")


def _life(seconds: object) -> timedelta:
    """Return how long a token lives; what cannot be believed is the shortest, for a new token costs one request."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return SHORTEST
    if not seconds >= 0:
        return SHORTEST
    return timedelta(seconds=min(seconds, LONGEST.total_seconds()))
