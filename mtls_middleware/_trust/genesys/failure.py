"""What may be wrong between here and the certificates API, told so that an operator knows what to do."""

import re
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from mtls_middleware._io.files import InputError, Object, parse_object
from mtls_middleware._io.http import FailureKind, HTTPFailure, Response
from mtls_middleware.display import displayed

PERMISSION = "integrations:actionCertificate:view"
"""What a role of the OAuth client must hold."""

CORRELATION_HEADER = "inin-correlation-id"

_CORRELATION_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_SHOWN = 80
"""Characters shown of a text of the other side."""

_INTERCEPTED = (
    "if a proxy inspects TLS, add its root to the system's trust store or name it in SSL_CERT_FILE; otherwise check "
    "the clock of this machine"
)
_IN_BETWEEN = "a captive portal or a proxy answers in its place: let this machine reach the host over HTTPS"


class FailureReason(StrEnum):
    """The reason of a failure: stable names for logs and tools."""

    CREDENTIALS = "credentials"
    PERMISSION = "permission"
    RATE_LIMIT = "rate_limit"
    SERVER = "server"
    """It says itself that it cannot (5xx)."""
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    TLS = "tls"
    PROXY = "proxy"
    INTERCEPTED = "intercepted"
    """Somebody else answers: a redirect, or a web page."""
    ANSWER = "answer"
    """It is the API, but not as it is known."""


class GenesysFailure(Exception):  # noqa: N818 - not an error of ours: the last good answer stays in force
    """A failure of a region's certificates API, and what to do.

    Attributes:
        reason: what is wrong.
        text: one clause about what happened.
        next_step: one clause about what the operator can do.
        correlation_id: of the answer, for Genesys support; None where there was no answer or no such header.
        not_before: when the API may be asked again, if it asked for a pause; set by `CertificatesAPI.poll`.
    """

    def __init__(
        self,
        reason: FailureReason,
        text: str,
        next_step: str,
        *,
        correlation_id: str | None = None,
    ) -> None:
        self.reason = reason
        self.text = text
        self.next_step = next_step
        self.correlation_id = correlation_id
        self.not_before: datetime | None = None
        reference = f" (ININ-Correlation-Id {correlation_id})" if correlation_id else ""
        super().__init__(f"{text}{reference}: {next_step}")


def correlation_id_of(response: Response) -> str | None:
    """Return the answer's correlation id, if it has a well-formed one."""
    value = response.headers.get(CORRELATION_HEADER, "")
    return value if _CORRELATION_ID.fullmatch(value) else None


def no_answer(host: str, failure: HTTPFailure) -> GenesysFailure:
    """Return what it means that there was no complete answer from a host."""
    reason, next_step = _no_answer(host, failure.kind)
    return GenesysFailure(reason, f"{host} gave no answer: {failure.detail}", next_step)


def json_of(host: str, response: Response) -> Object:
    """Return the JSON object of an answer.

    Raises:
        GenesysFailure: there is none.
    """
    content_type = response.headers.get("content-type", "")
    correlation_id = correlation_id_of(response)
    if "json" not in content_type.lower():
        shown = displayed(content_type, _SHOWN) or "no content type"
        text = f"{host} answered {response.status} with {shown} instead of JSON"
        raise GenesysFailure(FailureReason.INTERCEPTED, text, _IN_BETWEEN, correlation_id=correlation_id)
    try:
        return parse_object(response.body)
    except InputError as error:
        raise unexpected(host, response, f"its answer {error}") from error


def require_answer(host: str, response: Response) -> None:
    """Check that a host answers as one of Genesys, good or bad.

    Raises:
        GenesysFailure: it asks for patience, it is out of order, or it points elsewhere.
    """
    correlation_id = correlation_id_of(response)
    match response.status:
        case 429:
            raise GenesysFailure(
                FailureReason.RATE_LIMIT,
                f"{host} answered 429: too many requests with these credentials",
                "nothing has to be done; if it lasts, give this application an OAuth client of its own",
                correlation_id=correlation_id,
            )
        case status if status >= 500:  # noqa: PLR2004 - RFC 9110 §15.6
            text = f"{host} answered {status}: it is out of order"
            next_step = "nothing has to be done; if it lasts, see the status page of Genesys Cloud"
            raise GenesysFailure(FailureReason.SERVER, text, next_step, correlation_id=correlation_id)
        case status if status // 100 == 3:  # noqa: PLR2004 - RFC 9110 §15.4
            where = displayed(response.headers.get("location", "nowhere"), _SHOWN)
            text = f"{host} answered {status} and points to {where}; no redirect is followed"
            raise GenesysFailure(FailureReason.INTERCEPTED, text, _IN_BETWEEN, correlation_id=correlation_id)
        case _:
            return


def unexpected(host: str, response: Response, text: str) -> GenesysFailure:
    """Return what it means that a host answers unlike the API that we know."""
    return GenesysFailure(
        FailureReason.ANSWER,
        f"{host} answered {response.status}, but {text}",
        "if a newer version of mtls-middleware does not read it either, report it",
        correlation_id=correlation_id_of(response),
    )


def _no_answer(host: str, kind: FailureKind) -> tuple[FailureReason, str]:
    match kind:
        case FailureKind.TLS:
            return FailureReason.TLS, _INTERCEPTED
        case FailureKind.PROXY:
            return FailureReason.PROXY, "check HTTPS_PROXY and NO_PROXY"
        case FailureKind.TIMEOUT:
            return FailureReason.TIMEOUT, f"let this machine reach {host} on port 443, or set HTTPS_PROXY"
        case FailureKind.UNKNOWN_HOST | FailureKind.UNREACHABLE | FailureKind.ADDRESS_REFUSED | FailureKind.URL:
            return FailureReason.UNREACHABLE, f"let this machine reach {host} on port 443, or set HTTPS_PROXY"
        case FailureKind.TOO_LARGE | FailureKind.GARBLED:
            return FailureReason.ANSWER, "if it lasts, see whether a proxy changes the answers"
        case _:
            assert_never(kind)
