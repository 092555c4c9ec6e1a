"""How a refusal looks on the wire (RFC 9457): the only table from reason to status."""

import json
import re
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

from mtls_middleware._core.connection import Connection, Interface
from mtls_middleware._core.decision import Reason

_CORRELATION_HEADER = b"inin-correlation-id"

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
    return problem(_STATUS.get(reason, HTTPStatus.FORBIDDEN), reason, correlation_id)


def problem(status: HTTPStatus, reason: Reason | None, correlation_id: str | None) -> ProblemResponse:
    """Return status and reason only: the body is shown to whoever wrote the action."""
    body, retry = _prepared(status, reason)
    if correlation_id is not None:
        body = f'{body.removesuffix("}")}, "correlationId": {json.dumps(correlation_id)}}}'
    headers = (
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *retry,
    )
    return ProblemResponse(status=status, headers=headers, body=body.encode("ascii"))


@cache
def _prepared(status: HTTPStatus, reason: Reason | None) -> tuple[str, tuple[tuple[bytes, bytes], ...]]:
    """Return what all answers with the same reason share: the body without a correlation id, and further headers."""
    facts = {} if reason is None else {"reason": str(reason)}
    retry = ((b"retry-after", b"%d" % RETRY_AFTER_SECONDS),) if status is HTTPStatus.SERVICE_UNAVAILABLE else ()
    return json.dumps({"status": status.value, "title": status.phrase, **facts}), retry


def correlation_id(connection: Connection) -> str | None:
    """Return the first correlation id that is nothing but letters, digits and hyphens."""
    for name, value in connection.headers:
        if len(name) == len(_CORRELATION_HEADER) and name.lower() == _CORRELATION_HEADER:
            text = value.decode("latin-1")
            for copy in text.split(",") if connection.interface is Interface.WSGI else (text,):
                if _CORRELATION_ID.fullmatch(presented := copy.strip(" \t")):
                    return presented
    return None
