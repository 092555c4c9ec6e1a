"""The certificates API of one region: which client certificates data actions use, and how often it is asked."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from urllib.parse import urlencode, urljoin, urlsplit

from mtls_middleware._io.fetch import open_session
from mtls_middleware._io.files import InputError
from mtls_middleware._io.http import HTTPFailure, OpenSession, Response, Session
from mtls_middleware._trust.genesys.failure import (
    PERMISSION,
    FailureReason,
    GenesysFailure,
    correlation_id_of,
    json_of,
    no_answer,
    require_answer,
    unexpected,
)
from mtls_middleware._trust.genesys.listing import CertificateStatus, ListedCertificate, by_fingerprint, parse_page
from mtls_middleware._trust.genesys.pace import Pace
from mtls_middleware._trust.genesys.token import Token, Tokens
from mtls_middleware.display import displayed
from mtls_middleware.observing.events import EventName
from mtls_middleware.observing.logging import named
from mtls_middleware.regions import Region

PATH = "/api/v2/integrations/actions/certificates"

POLL_SECONDS = 30.0
"""For a whole poll: a token and three listings."""

PAGES = 10
"""Of one listing; today one page holds all."""

CERTIFICATES = 200
"""Of one poll; today there are at most four."""

URI_CHARACTERS = 2_048
"""Of the address of a next page."""

_ASKED_FOR = (None, CertificateStatus.CURRENT, CertificateStatus.UPCOMING)
_WORTH_ANOTHER = {FailureReason.SERVER, FailureReason.ANSWER}
"""After these, another listing may still be answered well."""

_log = logging.getLogger("mtls_middleware.trust")


@dataclass(frozen=True, slots=True, kw_only=True)
class APIResponse:
    """The answer to one poll.

    Attributes:
        region: AWS region name.
        certificates: each once.
        warnings: one sentence for each thing that was not understood.
        failure: what went wrong with a part; None where every listing was answered.
    """

    region: str
    certificates: tuple[ListedCertificate, ...]
    warnings: tuple[str, ...] = ()
    failure: GenesysFailure | None = None

    @property
    def is_complete(self) -> bool:
        """Return whether a certificate that is not here was not listed."""
        return self.failure is None and not self.warnings


@dataclass(slots=True)
class _Gathered:
    certificates: list[ListedCertificate] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class CertificatesAPI:
    """A client of one region's certificates API, with the token of an OAuth client. Not for several threads at once."""

    def __init__(
        self,
        region: Region,
        client_id: str,
        *client_secrets: str,
        open_session: OpenSession = open_session,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            region: where the organization lives.
            client_id: of an OAuth client with the grant type Client Credentials.
            client_secrets: the secret, or two while it is replaced.
            open_session: the way to the network.
            clock: the present, aware; tokens and delays are counted by it.
        """
        self._region = region
        self._open_session = open_session
        self._clock = clock
        self._tokens = Tokens(region, client_id, client_secrets, clock)
        self._pace = Pace()

    def poll(self) -> APIResponse:
        """Ask for all certificates, within `POLL_SECONDS`.

        Raises:
            GenesysFailure: no listing was answered.
        """
        try:
            with self._open_session(seconds=POLL_SECONDS) as session:
                answer = self._gather(session)
        except GenesysFailure as failure:
            failure.not_before = self._pace.paused_until
            raise
        if answer.failure is not None:
            answer.failure.not_before = self._pace.paused_until
        return answer

    def _gather(self, session: Session) -> APIResponse:
        gathered = _Gathered()
        failure: GenesysFailure | None = None
        self._token(session)  # without one, no listing is worth a try
        for asked_for in _ASKED_FOR:
            try:
                self._list(session, asked_for, gathered)
            except GenesysFailure as error:
                failure = error
                if error.reason not in _WORTH_ANOTHER:
                    break
        if failure is not None and not gathered.certificates:
            raise failure
        return APIResponse(
            region=self._region.aws_region,
            certificates=by_fingerprint(gathered.certificates),
            warnings=tuple(dict.fromkeys(gathered.warnings)),
            failure=failure,
        )

    def _list(self, session: Session, asked_for: CertificateStatus | None, gathered: _Gathered) -> None:
        host = self._region.api_host
        query = {"type": "Client"} if asked_for is None else {"status": asked_for.capitalize(), "type": "Client"}
        target = f"{PATH}?{urlencode(query)}"
        seen: set[str] = set()
        while target:
            seen.add(target)
            response = self._authorized(session, target)
            try:
                page = parse_page(json_of(host, response), asked_for)
            except InputError as error:
                raise unexpected(host, response, str(error)) from error
            gathered.certificates += page.certificates
            gathered.warnings += (f"{host}: {warning}" for warning in page.warnings)
            if len(gathered.certificates) > CERTIFICATES:
                raise unexpected(host, response, f"it lists more than {CERTIFICATES} certificates")
            target = _next_target(host, response, page.next_uri)
            if target in seen or (target and len(seen) == PAGES):
                raise unexpected(host, response, f"its pages do not end after {len(seen)}")

    def _authorized(self, session: Session, target: str) -> Response:
        """Send a request with a token; with a new one if it is refused."""
        host = self._region.api_host
        for _ in range(2):
            headers = {"Authorization": self._token(session).authorization}
            response = self._send(session, "GET", host, target, headers=headers)
            if response.status != HTTPStatus.UNAUTHORIZED:
                break
            self._tokens.discard()
        if response.status != HTTPStatus.OK:
            raise self._refusal(host, response)
        return response

    def _token(self, session: Session) -> Token:
        return self._tokens.current(partial(self._send, session))

    def _send(
        self, session: Session, method: str, host: str, target: str, *, headers: Mapping[str, str], content: bytes = b""
    ) -> Response:
        self._pace.require_no_pause(host, self._clock())
        headers = {"Accept": "application/json", **headers}
        try:
            response = session.request(method, f"https://{host}{target}", headers=headers, content=content)
        except HTTPFailure as failure:
            raise no_answer(host, failure) from failure
        args = (method, host, displayed(target), response.status, correlation_id_of(response) or "none")
        _log.info(
            "%s https://%s%s was answered with %d (ININ-Correlation-Id %s).", *args, extra=named(EventName.API_REQUEST)
        )
        self._pace.note(response, self._clock())
        require_answer(host, response)
        return response

    def _refusal(self, host: str, response: Response) -> GenesysFailure:
        code = json_of(host, response).get("code")
        shown = f" ({displayed(code, 64)})" if isinstance(code, str) else ""
        correlation_id = correlation_id_of(response)
        if response.status == HTTPStatus.UNAUTHORIZED:
            return GenesysFailure(
                FailureReason.CREDENTIALS,
                f"{host} answered 401{shown} to a token that {self._region.login_host} has just given",
                f"check that the organization lives in {self._region.aws_region} and that the OAuth client is active",
                correlation_id=correlation_id,
            )
        if response.status == HTTPStatus.FORBIDDEN:
            return GenesysFailure(
                FailureReason.PERMISSION,
                f"{host} answered 403{shown}: the OAuth client may not list certificates",
                f"assign it a role with the permission {PERMISSION}",
                correlation_id=correlation_id,
            )
        return unexpected(host, response, f"nothing that the certificates API is known to answer{shown}")


def _next_target(host: str, response: Response, next_uri: str | None) -> str:
    """Return path and query of the next page, or nothing. The token goes to no other host."""
    if next_uri is None:
        return ""
    try:
        parts = urlsplit(urljoin(f"https://{host}{PATH}", next_uri))
        is_ours = (parts.scheme, parts.netloc) == ("https", host) and len(next_uri) <= URI_CHARACTERS
    except ValueError:
        is_ours = False
    if not is_ours:
        raise unexpected(host, response, f"its nextUri {displayed(next_uri, 80)} leads elsewhere")
    return f"{parts.path}?{parts.query}"
