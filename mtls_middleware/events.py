"""What happened, as frozen values, and the protocol of those who want to know."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from mtls_middleware._core.decision import Rejected
from mtls_middleware.identity import ClientIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAccepted:
    """Tell that a call was accepted.

    Attributes:
        identity: who called.
        cached: the verdict on the certificate was known from an earlier call.
    """

    identity: ClientIdentity
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRejected:
    """Tell that a call to a protected path was rejected. All texts are unbelieved.

    Attributes:
        rejected: the reason, the detail and the certificate.
        source: name of the configured source.
        peer: as the server tells it, perhaps rewritten.
        path: decoded.
        correlation_id: where the call carried a well-formed one.
    """

    rejected: Rejected
    source: str
    peer: str
    path: str
    correlation_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustReplaced:
    """Tell that new trust is in force.

    Attributes:
        version: of the snapshot.
        anchors: their number.
        pins: their number.
        lists: revocation lists.
        warnings: one sentence each.
    """

    version: int
    anchors: int
    pins: int
    lists: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshFailed:
    """Tell that trust could not be refreshed; what was in force stays in force.

    Attributes:
        problems: one sentence each.
    """

    problems: tuple[str, ...]


class Severity(StrEnum):
    """Say how loud a notice is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Tell an operator something that is not about a single call."""

    severity: Severity
    text: str


Event = CallAccepted | CallRejected | TrustReplaced | RefreshFailed | Notice


class Hook(Protocol):
    """Take every event, on the thread where it happens: be quick, and raise nothing."""

    def __call__(self, event: Event, /) -> None:
        """Take one event."""
