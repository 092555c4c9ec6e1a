"""How a refusal looks on the wire (RFC 9457): the only table from reason to status."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from mtls_middleware._core.connection import Connection, Interface
from mtls_middleware._core.decision import Reason

CORRELATION_HEADER = "inin-correlation-id"

RETRY_AFTER_SECONDS = 30
"""The refusal is ours, not the caller's: it may come again soon."""

_CORRELATION_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

_STATUS = {
    Reason.TRUST_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.REVOCATION_UNKNOWN: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.CERTIFICATE_TOO_LARGE: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    Reason.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""All others are 403: a 401 would make the service fetch a new token and call again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemResponse:
    """An HTTP response: names in lower case, values and body in ASCII."""

    status: HTTPStatus
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def refusal(reason: Reason, correlation_id: str | None) -> ProblemResponse:
    """Return the answer to a refused call."""
    return problem(_STATUS.get(reason, HTTPStatus.FORBIDDEN), {"reason": str(reason)}, correlation_id)


def problem(status: HTTPStatus, facts: Mapping[str, str], correlation_id: str | None) -> ProblemResponse:
    """Return status and facts only: the body is shown to whoever wrote the action."""
    own = {} if correlation_id is None else {"correlationId": correlation_id}
    body = json.dumps({"status": status.value, "title": status.phrase, **facts, **own}).encode("ascii")
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"%d" % RETRY_AFTER_SECONDS))
    return ProblemResponse(status=status, headers=tuple(headers), body=body)


def correlation_id(connection: Connection) -> str | None:
    """Return the first correlation id that is nothing but letters, digits and hyphens."""
    return next(filter(_CORRELATION_ID.fullmatch, _presented(connection)), None)


def _presented(connection: Connection) -> Iterator[str]:
    for name, value in connection.headers:
        if len(name) == len(CORRELATION_HEADER) and name.decode("latin-1").lower() == CORRELATION_HEADER:
            text = value.decode("latin-1")
            copies = text.split(",") if connection.interface is Interface.WSGI else [text]
            yield from (copy.strip(" \t") for copy in copies)
