"""Who called, as a dependency: a route asks for it by the type of a parameter, and is not run without it.

A dependency can only raise, so its exception brings its own handler along.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Annotated, Any, TypeVar

from fastapi import Depends
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketState

from mtls_middleware._core.certificate import evidence_of
from mtls_middleware._core.connection import collect
from mtls_middleware._core.decision import Disposition, Reason, Rejected, RejectionError
from mtls_middleware._core.policy import CallerPolicy
from mtls_middleware._core.response import ProblemResponse, correlation_id, refusal
from mtls_middleware._core.scope import connection_of
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.identity import IDENTITY_KEY, REJECTED_KEY, Authority, ClientIdentity
from mtls_middleware.observing.announcer import Announcer
from mtls_middleware.observing.events import EventName, Severity
from mtls_middleware.observing.logging import LimitedLog
from mtls_middleware.settings import values

Value = TypeVar("Value")

_NOBODY_JUDGED = Rejected(
    reason=Reason.TRUST_UNAVAILABLE,
    detail="no MTLSMiddleware has judged the call",
    disposition=Disposition.REFUSED,
)

_POLICY_VIOLATION = 1008
"""WebSocket close code (RFC 6455 §7.4.1)."""

_NO_MIDDLEWARE = (
    "a route asks for a caller, and no MTLSMiddleware has judged the call: "
    "app.add_middleware(MTLSMiddleware) is missing"
)

_HANDLERS_SCOPE_KEY = "starlette.exception_handlers"
"""Starlette looks a handler up here after the exception: first by class, then by status."""

_announcer = Announcer((LimitedLog(),), source="dependency")


class DataAction:
    """A dependency that demands a data action call, perhaps only of some regions or organisations.

    Write ``Annotated[ClientIdentity, Depends(DataAction(regions=["us-east-1"]))]``, or give it to the ``dependencies``
    of a route, a router or an application.

    What it does not check: the organisation is what the caller says, in a header. A caller secret proves more.
    """

    def __init__(
        self,
        *,
        regions: Iterable[str] | None = None,
        organization_ids: Iterable[str] | None = None,
        organization_header: str = "ININ-Organization-Id",
    ) -> None:
        """Read the policy of a route.

        Args:
            regions: AWS region names or login domains; None for each that the middleware accepts.
            organization_ids: UUIDs; None for any. Exactly one header must name one of them.
            organization_header: where the caller names its organisation.

        Raises:
            ConfigurationError: something is not what it should be, or nothing is allowed; every problem at once.
        """
        problems: list[str] = []
        self._regions = _parsed("regions", values.region, regions, problems)
        allowed = _parsed("organization_ids", values.organization_id, organization_ids, problems)
        self._callers = CallerPolicy(organization_ids=allowed or frozenset(), organization_header=organization_header)
        if problems:
            raise ConfigurationError(problems)

    async def __call__(self, connection: HTTPConnection) -> ClientIdentity:
        """Return the caller, or refuse the call."""
        identity = _identity(connection)
        try:
            return self._admit(connection, identity)
        except RejectionError as rejection:
            rejected = Rejected(
                reason=rejection.reason,
                detail=rejection.detail,
                disposition=Disposition.REFUSED,
                evidence=evidence_of(identity),
            )
            raise refused(connection, rejected) from rejection

    def _admit(self, connection: HTTPConnection, identity: ClientIdentity) -> ClientIdentity:
        if identity.authority is Authority.CUSTOM:
            raise RejectionError(Reason.ISSUER_UNTRUSTED, "the route asks for a data action, and a custom caller came")
        if self._regions is not None and identity.region not in self._regions:
            allowed = " or ".join(sorted(self._regions))
            raise RejectionError(
                Reason.REGION_MISMATCH, f"the route allows {allowed}; the caller is of {identity.region}"
            )
        if not self._callers.organization_ids:
            return identity
        fields = collect(connection_of(connection.scope), self._callers.headers)
        return self._callers.admit(identity, fields)


async def any_caller(connection: HTTPConnection) -> ClientIdentity:
    """Return whoever was accepted, a ``custom`` caller too, or refuse the call."""
    return _identity(connection)


async def data_action_caller_or_none(connection: HTTPConnection) -> ClientIdentity | None:
    """Return the caller of an accepted data action, or None; refuse nothing."""
    identity = connection.scope.get(IDENTITY_KEY)
    if IDENTITY_KEY not in connection.scope:
        tell_that_nobody_judged()
    if isinstance(identity, ClientIdentity) and identity.authority is not Authority.CUSTOM:
        return identity
    return None


def _identity(connection: HTTPConnection) -> ClientIdentity:
    scope = connection.scope
    identity = scope.get(IDENTITY_KEY)
    if isinstance(identity, ClientIdentity):
        return identity
    if IDENTITY_KEY not in scope:
        tell_that_nobody_judged()
        raise refused(connection, _NOBODY_JUDGED)
    rejected = scope.get(REJECTED_KEY)
    raise refused(connection, rejected if isinstance(rejected, Rejected) else _NOBODY_JUDGED)


def _parsed(
    name: str, parse: Callable[[str], Value], texts: Iterable[str] | None, problems: list[str]
) -> frozenset[Value] | None:
    if texts is None:
        return None
    if isinstance(texts, str):
        problems.append(f"{name} must be a list: write [{texts!r}]")
        return None
    parsed = set()
    for text in (texts := tuple(texts)):
        try:
            parsed.add(parse(text))
        except ValueError as error:
            problems.append(f"{name}: {text!r} {error}")
    if not texts:
        problems.append(f"{name} is empty, so nobody could call: leave it out to allow all that the middleware accepts")
    return frozenset(parsed)


class CallRefused(Exception):  # noqa: N818 - not an error of ours: it is what is wrong with a call
    """Stop a route before it runs. Where no Starlette application handles it, the server answers 500."""

    def __init__(self, answer: ProblemResponse) -> None:
        self.answer = answer
        super().__init__(f"refused with {answer.status.value}")


def refused(connection: HTTPConnection, rejected: Rejected) -> CallRefused:
    """Return what refuses a call, once it is raised, with our own answer; the log gets its line."""
    judged = connection_of(connection.scope)
    _announcer.decision(judged, replace(rejected, disposition=Disposition.REFUSED))
    return _with_handler(connection, refusal(rejected.reason, correlation_id(judged)))


def tell_that_nobody_judged() -> None:
    """Log, once, what is missing."""
    _announcer.publish_once(EventName.DEPLOYMENT, Severity.ERROR, _NO_MIDDLEWARE)


def _with_handler(connection: HTTPConnection, answer: ProblemResponse) -> CallRefused:
    """Register the handler with the application that runs the route.

    An exception of a class of its own, for no handler of the application's, be it for ``Exception``, ``HTTPException``
    or a status, must put another answer in the place of ours.
    """
    handlers: tuple[dict[Any, Any], ...] = connection.scope.get(_HANDLERS_SCOPE_KEY, ())
    for by_class in handlers[:1]:
        by_class[CallRefused] = _answer
    return CallRefused(answer)


async def _answer(connection: HTTPConnection, error: CallRefused) -> Response | None:
    answer = error.answer
    body = b"" if connection.scope.get("method") == "HEAD" else answer.body
    response = Response(body, status_code=answer.status.value)
    response.raw_headers = list(answer.headers)
    if not isinstance(connection, WebSocket):
        return response
    can_answer = "websocket.http.response" in (connection.scope.get("extensions") or {})
    if can_answer and connection.application_state is WebSocketState.CONNECTING:
        await connection.send_denial_response(response)
    else:
        await connection.close(_POLICY_VIOLATION)
    return None


# Last, because a policy is read with what stands above.

DataActionCaller = Annotated[ClientIdentity, Depends(DataAction())]
"""The caller of a data action. Never write ``DataActionCaller | None``: that is `OptionalDataActionCaller`."""

MTLSCaller = Annotated[ClientIdentity, Depends(any_caller)]
"""Any accepted caller, also of the authority ``custom``."""

OptionalDataActionCaller = Annotated[ClientIdentity | None, Depends(data_action_caller_or_none)]
"""The caller of a data action, or None. Nobody is refused."""
