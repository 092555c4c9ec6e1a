"""What happened, as frozen values, and the protocol of those who want to know."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from mtls_middleware._core.decision import Accepted, Decision, Rejected
from mtls_middleware.identity import ClientIdentity
from mtls_middleware.members import require_members


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAccepted:
    """An accepted call.

    Attributes:
        identity: who called.
        cached: the verdict on the certificate was known from an earlier call.
    """

    identity: ClientIdentity
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRejected:
    """A rejected call to a protected path. All texts are unbelieved.

    Attributes:
        rejected: the reason, the detail and the certificate.
        source: name of the configured source.
        peer: as the server tells it, perhaps rewritten.
        forwarded_for: returns the caller, as a trusted proxy names it, or None where there is no such proxy; it looks
            for it when it is asked, since of a flood hardly any refusal is shown.
        path: decoded.
        correlation_id: where the call carried a well-formed one.
    """

    rejected: Rejected
    source: str
    peer: str
    path: str
    correlation_id: str | None
    forwarded_for: Callable[[], str | None] = field(default=lambda: None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustReplaced:
    """New trust in force.

    Attributes:
        version: of the snapshot.
        anchors: their number.
        pins: their number.
        lists: CRLs.
        warnings: one sentence each.
    """

    version: int
    anchors: int
    pins: int
    lists: int
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshFailed:
    """A refresh of trust that failed; what was in force stays in force.

    Attributes:
        problems: one sentence each.
    """

    problems: tuple[str, ...]


class Severity(StrEnum):
    """The severity of a notice."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class EventName(StrEnum):
    """The name of what a log line is about: stable, for structured logs. An all-clear has the name of its complaint."""

    CALL_REFUSED = "call_refused"
    CALLS_NOT_LOGGED = "calls_not_logged"
    CALLS_ACCEPTED = "calls_accepted"
    HANDSHAKE_REFUSED = "handshake_refused"
    CONNECTION_CLOSED = "connection_closed"
    TRUST_REPLACED = "trust_replaced"
    TRUST_WARNING = "trust_warning"
    TRUST_REFRESH = "trust_refresh"
    TRUST_EXPIRY = "trust_expiry"
    TRUST_IN_TLS = "trust_in_tls"
    PIN_CHANGED = "pin_changed"
    ROOT_RENEWED = "root_renewed"
    OTHER_REGION = "other_region"
    API_REQUEST = "api_request"
    STATE = "state"
    START = "start"
    DEPLOYMENT = "deployment"
    REPORT_MODE = "report_mode"
    HOOK = "hook"
    STATUS_PAGE = "status_page"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message to operators that is not about a single call."""

    event: EventName
    severity: Severity
    text: str

    def __post_init__(self) -> None:
        require_members(self, severity=Severity, event=EventName)


Event = CallAccepted | CallRejected | TrustReplaced | RefreshFailed | Notice


ACCEPTED = "accepted"
"""Stands among the reasons where there was none."""

NOBODY = "none"
"""Stands where no region, or no authority, is known. No region and no authority is called so."""


class Decided(NamedTuple):
    """The metric key of a decision. Each part is one of a closed set: nothing in it is a caller's text.

    Attributes:
        reason: of the refusal, or ``accepted``.
        region: AWS region name of an accepted caller, else ``none``.
        authority: who vouched for an accepted caller, else ``none``.
        mode: the mode by which it was decided.
        cached: an acceptance whose verdict was known from an earlier call.
    """

    reason: str
    region: str
    authority: str
    mode: str
    cached: bool

    @classmethod
    def of(cls, decision: Decision, mode: str) -> "Decided":
        """Return as what a decision counts."""
        if isinstance(decision, Accepted):
            return cls.accepted(decision.identity, mode, cached=decision.cached)
        return cls(str(decision.reason), NOBODY, NOBODY, str(mode), cached=False)

    @classmethod
    def accepted(cls, identity: ClientIdentity, mode: str, *, cached: bool) -> "Decided":
        """Return as what an acceptance counts."""
        return cls(ACCEPTED, identity.region or NOBODY, str(identity.authority), str(mode), cached)


DecisionCounts = Mapping[Decided, int]


def by_reason(totals: DecisionCounts) -> dict[str, int]:
    """Return how often each reason, or ``accepted``, was decided."""
    numbers: dict[str, int] = defaultdict(int)
    for decided, number in totals.items():
        numbers[decided.reason] += number
    return dict(numbers)


class RefreshSource(StrEnum):
    """A source that trust is refreshed from."""

    FILES = "files"
    API = "api"
    LISTS = "lists"


class RefreshResult(StrEnum):
    """The result of refreshing a source; a source that failed keeps its last good answer."""

    SUCCESS = "success"
    FAILURE = "failure"


class Refreshed(NamedTuple):
    """The metric key of a refresh, once for each source."""

    source: RefreshSource
    result: RefreshResult


class Hook:
    """A listener that ignores everything. Called on the thread where it happens: be quick, and raise nothing."""

    @property
    def enabled(self) -> bool:
        """Return whether it would do anything with an accepted call now: one that would not costs them nothing."""
        return True

    def __call__(self, event: Event, /) -> None:
        """Take one event."""

    def summarize(self, *, flush: bool = False) -> None:
        """Publish what was held back, where it is time to; called every few seconds.

        Args:
            flush: do not wait until it is time; nobody will call again.
        """

    def after_fork(self) -> None:
        """Forget what is the parent's to publish."""
