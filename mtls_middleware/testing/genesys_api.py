"""A certificates API of Genesys Cloud, for tests: in memory, or as a small ASGI application."""

from __future__ import annotations

import base64
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.types import Receive, Scope, Send

from mtls_middleware.testing.leaves import ClientCertificate

if TYPE_CHECKING:
    import httpx2

CERTIFICATES_PATH = "/api/v2/integrations/actions/certificates"
PERMISSION = "integrations:actionCertificate:view"

_FORM = "application/x-www-form-urlencoded"
_NO_PERMISSION = "Unable to perform the requested action. You are missing the following permission(s): "


@dataclass(frozen=True, slots=True, kw_only=True)
class APICall:
    """A request that arrived.

    Attributes:
        method: such as ``GET``.
        path: without the query.
        query: of single values.
        headers: by lower-case name, secrets included: it is a test.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class APIAnswer:
    """An answer.

    Attributes:
        status: HTTP status code.
        headers: names and values.
        body: as it is sent.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def json(cls, value: object, status: int = 200, **headers: str) -> APIAnswer:
        """Answer with JSON; underscores in the names of headers stand for hyphens."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(
            status=status, headers={"content-type": "application/json", **named}, body=json.dumps(value).encode("utf-8")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    authority: str
    status: str
    certificate: str


class GenesysAPI:
    """A double of Genesys Cloud's API for one organization: it issues tokens and lists certificates.

    Attributes:
        client_id: of its OAuth client.
        client_secret: belongs to it.
        calls: every request so far.
        permissions: of the OAuth client.
        page_size: entries on a page of a listing.
        token_life: what ``expires_in`` says.
        idle_timeout: after which an unused token is refused, as for organizations under HIPAA; None for never.
    """

    def __init__(
        self,
        *,
        client_id: str = "5f0c1c0e-0000-4000-8000-000000000001",
        client_secret: str = "a secret of the testing kit",  # noqa: S107 - it opens nothing
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Begin with nothing listed.

        Args:
            client_id: what a caller must send.
            client_secret: what a caller must send.
            clock: the present, aware; tokens live by it.
        """
        self.client_id = client_id
        self.client_secret = client_secret
        self.calls: list[APICall] = []
        self.permissions: set[str] = {PERMISSION}
        self.page_size = 25
        self.token_life = timedelta(hours=24)
        self.idle_timeout: timedelta | None = None
        self._clock = clock
        self._entries: list[_Entry] = []
        self._tokens: dict[str, tuple[datetime, datetime]] = {}
        self._number = 0
        self._next: deque[APIAnswer | Exception | None] = deque()

    def add(
        self,
        client: ClientCertificate | str,
        *,
        authority: str = "DigiCert",
        status: str = "Current",
        root: x509.Certificate | None = None,
    ) -> None:
        """List a certificate.

        Args:
            client: the certificate with its chain, or the text of the entry.
            authority: ``DigiCert``, with the chain in the entry, or ``Genesys``, the leaf alone.
            status: ``Current`` or ``Upcoming``.
            root: the end of the chain in the entry.
        """
        text = client if isinstance(client, str) else entry_text(client, authority=authority, root=root)
        self._entries.append(_Entry(authority=authority, status=status, certificate=text))

    def clear(self) -> None:
        """List nothing more."""
        self._entries.clear()

    def revoke_tokens(self) -> None:
        """Refuse every token that was issued so far."""
        self._tokens.clear()

    def answer_next(self, *answers: APIAnswer | Exception | None) -> None:
        """Answer the next requests like this, whatever they ask for.

        Args:
            answers: None for the usual answer; an exception is raised by the transport.
        """
        self._next.extend(answers)

    def transport(self) -> httpx2.BaseTransport:
        """Return a transport that leads here, whatever the host is."""
        import httpx2  # noqa: PLC0415 - httpx2 only when it is used

        def handle(request: httpx2.Request) -> httpx2.Response:
            answer = self.answer(request.method, str(request.url), request.headers, request.content)
            return httpx2.Response(answer.status, headers=answer.headers, stream=httpx2.ByteStream(answer.body))

        return httpx2.MockTransport(handle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application."""
        if scope["type"] != "http":
            raise RuntimeError(f"no {scope['type']} here")
        body = bytearray()
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        url = f"{scope['path']}?{scope['query_string'].decode('ascii')}"
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        answer = self.answer(scope["method"], url, headers, bytes(body))
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": answer.body})

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> APIAnswer:
        """Answer one request."""
        parts = urlsplit(url)
        call = APICall(
            method=method,
            path=parts.path,
            query=dict(parse_qsl(parts.query)),
            headers={name.lower(): value for name, value in headers.items()},
        )
        self.calls.append(call)
        self._number += 1
        planned = self._next.popleft() if self._next else None
        if isinstance(planned, Exception):
            raise planned
        answer = self._route(call, body) if planned is None else planned
        return APIAnswer(
            status=answer.status,
            headers={"inin-correlation-id": f"00000000-0000-4000-8000-{self._number:012}", **answer.headers},
            body=answer.body,
        )

    def _route(self, call: APICall, body: bytes) -> APIAnswer:
        match call.method, call.path:
            case "POST", "/oauth/token":
                return self._token(call, body)
            case "GET", "/api/v2/integrations/actions/certificates":
                return self._listing(call)
            case _:
                return _error(404, "not.found", "The requested resource was not found.")

    def _token(self, call: APICall, body: bytes) -> APIAnswer:
        expected = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode("ascii")
        if call.headers.get("authorization") != f"Basic {expected}":
            error = {"error": "invalid_client", "description": "client not found: invalid_client"}
            return APIAnswer.json({**error, "error_description": error["description"]}, status=401)
        is_form = call.headers.get("content-type") == _FORM
        if not is_form or parse_qs(body.decode("ascii", "replace")).get("grant_type") != ["client_credentials"]:
            return APIAnswer.json({"error": "unsupported_grant_type"}, status=400)
        now = self._clock()
        token = f"testing-{self._number:06}"
        self._tokens[token] = (now + self.token_life, now)
        return APIAnswer.json(
            {"access_token": token, "token_type": "bearer", "expires_in": int(self.token_life.total_seconds())}
        )

    def _listing(self, call: APICall) -> APIAnswer:
        if not self._is_welcome(call.headers.get("authorization", "")):
            return _error(401, "bad.credentials", "Invalid login credentials.")
        if PERMISSION not in self.permissions:
            return _error(403, "missing.any.permissions", f"{_NO_PERMISSION}[{PERMISSION}]")
        wanted = call.query.get("status", "").lower()
        entities = [entry for entry in self._entries if wanted in {"", entry.status.lower()}]
        return APIAnswer.json(self._page(entities, call.query))

    def _is_welcome(self, authorization: str) -> bool:
        token, now = authorization.removeprefix("Bearer "), self._clock()
        if token not in self._tokens:
            return False
        ends, used = self._tokens[token]
        if now >= ends or (self.idle_timeout is not None and now - used > self.idle_timeout):
            return False
        self._tokens[token] = (ends, now)
        return True

    def _page(self, entities: list[_Entry], query: Mapping[str, str]) -> dict[str, object]:
        number = int(query.get("pageNumber", "1"))
        pages = max(1, -(-len(entities) // self.page_size))
        start = (number - 1) * self.page_size

        def uri(page: int) -> str:
            return f"{CERTIFICATES_PATH}?{urlencode({**query, 'pageNumber': page})}"

        listing: dict[str, object] = {
            "entities": [
                {
                    "signingAuthority": entry.authority,
                    "certificate": entry.certificate,
                    "status": entry.status,
                    "type": "Client",
                }
                for entry in entities[start : start + self.page_size]
            ],
            "pageSize": self.page_size,
            "pageNumber": number,
            "total": len(entities),
            "pageCount": pages,
            "firstUri": uri(1),
            "lastUri": uri(pages),
            "selfUri": uri(number),
        }
        if number < pages:
            listing["nextUri"] = uri(number + 1)
        return listing


def entry_text(client: ClientCertificate, *, authority: str = "DigiCert", root: x509.Certificate | None = None) -> str:
    """Write a certificate as the API does: DigiCert's chain with CRLF and no final one, or a leaf and blank lines."""
    if authority.lower() == "genesys":
        return client.pem + "\n"
    links: Iterable[x509.Certificate] = (client.certificate, *client.chain, *([root] if root is not None else []))
    pems = (link.public_bytes(Encoding.PEM).decode("ascii") for link in links)
    return "".join(pems).replace("\n", "\r\n").removesuffix("\r\n")


def _error(status: int, code: str, message: str) -> APIAnswer:
    return APIAnswer.json({"message": message, "code": code, "status": status, "details": [], "errors": []}, status)
