"""Who called, as a dependency: a route asks for it by the type of a parameter, and is not run without it.

A dependency refuses whatever the settings say of the path, and in report mode too. It needs `MTLSMiddleware` in front,
which judges the call; nothing is judged here.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

from fastapi import Depends
from starlette.requests import HTTPConnection

from mtls_middleware._core.connection import collect
from mtls_middleware._core.decision import Disposition, Reason, Rejected, Rejection, evidence_of
from mtls_middleware._core.policy import CallerPolicy
from mtls_middleware._core.scope import connection_of
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.fastapi.refusing import refused, tell_that_nobody_judged
from mtls_middleware.identity import IDENTITY_KEY, REJECTED_KEY, Authority, ClientIdentity
from mtls_middleware.settings import values

Value = TypeVar("Value")

_NOBODY_JUDGED = Rejected(
    reason=Reason.TRUST_UNAVAILABLE,
    detail="no MTLSMiddleware has judged the call",
    disposition=Disposition.REFUSED,
)


class DataAction:
    """Ask for a data action call, perhaps only of some regions or organisations.

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
        except Rejection as rejection:
            rejected = Rejected(
                reason=rejection.reason,
                detail=rejection.detail,
                disposition=Disposition.REFUSED,
                evidence=evidence_of(identity),
            )
            raise refused(connection, rejected) from rejection

    def _admit(self, connection: HTTPConnection, identity: ClientIdentity) -> ClientIdentity:
        if identity.authority is Authority.CUSTOM:
            raise Rejection(Reason.ISSUER_UNTRUSTED, "the route asks for a data action, and a custom caller came")
        if self._regions is not None and identity.region not in self._regions:
            allowed = " or ".join(sorted(self._regions))
            raise Rejection(Reason.REGION_MISMATCH, f"the route allows {allowed}; the caller is of {identity.region}")
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


# Last, because a policy is read with what stands above.

DataActionCaller = Annotated[ClientIdentity, Depends(DataAction())]
"""The caller of a data action. Never write ``DataActionCaller | None``: that is `OptionalDataActionCaller`."""

MTLSCaller = Annotated[ClientIdentity, Depends(any_caller)]
"""Any accepted caller, also of the authority ``custom``."""

OptionalDataActionCaller = Annotated[ClientIdentity | None, Depends(data_action_caller_or_none)]
"""The caller of a data action, or None. Nobody is refused."""
