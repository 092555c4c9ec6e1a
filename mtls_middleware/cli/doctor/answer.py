"""What comes back: an answer, or why there is none."""

from dataclasses import dataclass
from enum import StrEnum


class Failure(StrEnum):
    """Name why there is no answer."""

    UNREACHABLE = "cannot be reached"
    UNTRUSTED = "its certificate is not trusted"
    HANDSHAKE = "the TLS handshake failed"
    DEMANDED = "a client certificate is demanded"
    CLOSED = "closed without an answer"
    TIMEOUT = "no answer in time"
    NO_HTTP = "not an HTTP answer"
    NOT_OFFERED = "this version of HTTP is not offered"
    NOT_INSTALLED = "h2 is not installed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold what came back. All of it is data from somewhere.

    Attributes:
        status: of HTTP.
        content_type: in lower case, without parameters.
        alternatives: the value of ``Alt-Svc``.
        body: its beginning.
    """

    status: int
    content_type: str = ""
    alternatives: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """Tell why there is no answer.

    Attributes:
        failure: in our words.
        detail: in those of the system.
    """

    failure: Failure
    detail: str = ""


def media_type(text: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return text.partition(";")[0].strip().lower()
