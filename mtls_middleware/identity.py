"""Who called: the believed end of ``PresentedChain`` → ``VerifiedChain`` → ``ClientIdentity``."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NoReturn, Protocol, TypeAlias

from mtls_middleware.members import require_members

IDENTITY_KEY = "mtls.identity"
"""Where both middlewares put the `ClientIdentity` of an accepted call, and None in every other call that passes."""

REJECTED_KEY = "mtls.rejected"
"""Where they put the `Rejected` of a call that passes without an identity: it tells why there is none."""

_A2WSGI_SCOPE = "asgi.scope"
"""Where a2wsgi keeps the ASGI scope, with what an ASGI middleware around it has put there."""


class Authority(StrEnum):
    """Who vouches for a caller; the first two are the choices of the integration's configuration window."""

    __module__ = "mtls_middleware"

    GENESYS = "genesys"
    DIGICERT = "digicert"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientIdentity:
    """A caller whose certificate passed every check.

    It proves the *region* that called, not the organisation: all customers of a region share its certificate.

    Attributes:
        region: AWS region name of the anchor or pin that vouched, such as ``us-east-1``; None for ``custom``.
        authority: who vouched.
        dns_names: every dNSName of the subject alternative name, as written; empty where only a CN matched.
        subject: RFC 4514. Text from a certificate: data, never markup.
        issuer: RFC 4514.
        serial_number: positive.
        fingerprint_sha256: of the certificate's DER, lower-case hex.
        not_before: aware, UTC.
        not_after: aware, UTC.
        organization_id: the caller's organisation (lower-case UUID), set only where ``MTLS_ORGANIZATION_IDS`` is.
        source: the name of the source that handed the certificate over, such as ``tls`` or ``nginx``.
        uris: every URI of the subject alternative name, as written, such as a SPIFFE ID.
    """

    __module__ = "mtls_middleware"

    region: str | None
    authority: Authority
    dns_names: tuple[str, ...]
    subject: str
    issuer: str
    serial_number: int
    fingerprint_sha256: str
    not_before: datetime
    not_after: datetime
    organization_id: str | None
    source: str
    uris: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        require_members(self, authority=Authority)

    @property
    def x5t_s256(self) -> str:
        """Return what the ``cnf`` claim of an access token that is bound to this certificate has as ``x5t#S256``.

        RFC 8705 §3.1: the SHA-256 of the certificate's DER in base64url, without padding.
        """
        return urlsafe_b64encode(bytes.fromhex(self.fingerprint_sha256)).rstrip(b"=").decode("ascii")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> NoReturn:
        """Refuse to be read from a request, where a caller could write its own identity.

        FastAPI ignores a ``Depends`` inside a union and reads such a parameter from the body.
        """
        raise TypeError(
            "a ClientIdentity is never read from, or written to, a body: in place of `DataActionCaller | None` write "
            "OptionalDataActionCaller, in place of a bare ClientIdentity DataActionCaller; to answer with an identity, "
            "put those of its fields that you need into a model of yours"
        )


class HasScope(Protocol):
    """A request of an ASGI framework."""

    @property
    def scope(self) -> Mapping[str, object]:
        """The ASGI scope."""
        ...


class HasEnviron(Protocol):
    """A request of Flask, Werkzeug, WebOb or Bottle."""

    @property
    def environ(self) -> Mapping[str, object]:
        """The WSGI environ."""
        ...


class HasEnv(Protocol):
    """A request of Falcon in WSGI."""

    @property
    def env(self) -> Mapping[str, object]:
        """The WSGI environ."""
        ...


class HasMeta(Protocol):
    """A request of Django; in ASGI it has a scope, too."""

    @property
    def META(self) -> Mapping[str, object]:  # noqa: N802 - Django's name
        """The WSGI environ."""
        ...


Call: TypeAlias = Mapping[str, object] | HasScope | HasEnviron | HasEnv | HasMeta
"""An ASGI scope, a WSGI environ, or a framework's request that holds one of them."""


def caller(call: Call) -> ClientIdentity:
    """Return who called.

    Only what a middleware of this package found out is believed, never what a caller sent.

    Args:
        call: a request of Starlette, FastAPI, Litestar, Quart, Django, Flask or Falcon, an ASGI scope, or a WSGI
            environ.

    Raises:
        LookupError: the call has no accepted identity: in report mode, on an exempt path, or without the middleware.
            The message says which.
        TypeError: it is nothing of the kind.
    """
    result = _result(call)
    identity = result.get(IDENTITY_KEY)
    if isinstance(identity, ClientIdentity):
        return identity
    raise LookupError(f"this call has no accepted identity: {_why_none(result)}")


def optional_caller(call: Call) -> ClientIdentity | None:
    """Return who called, or None where nobody was accepted: in report mode, and on exempt paths.

    Args:
        call: as for `caller`.

    Raises:
        TypeError: it is nothing of the kind.
    """
    identity = _result(call).get(IDENTITY_KEY)
    return identity if isinstance(identity, ClientIdentity) else None


def _result(call: Call) -> Mapping[str, object]:
    """Return the scope or environ in which the middleware left its result."""
    holders = (getattr(call, name, None) for name in ("scope", "environ", "env", "META"))
    found = next((holder for holder in (*holders, call) if isinstance(holder, Mapping)), None)
    if found is None:
        raise TypeError(f"a {type(call).__name__} is no request, ASGI scope or WSGI environ")
    scope = found.get(_A2WSGI_SCOPE)
    return scope if IDENTITY_KEY not in found and isinstance(scope, Mapping) else found


def _why_none(result: Mapping[str, object]) -> str:
    if IDENTITY_KEY not in result:
        return (
            "no MTLSMiddleware or MTLSWSGIMiddleware has judged it, or a bridge between ASGI and WSGI has dropped the "
            "result"
        )
    rejected = result.get(REJECTED_KEY)
    reason = getattr(rejected, "reason", "")
    match getattr(rejected, "disposition", ""):
        case "reported":
            return f"report mode let it through, although it would be refused ({reason}); optional_caller returns None"
        case "unprotected":
            return f"its path needs no certificate, and none was accepted ({reason}); optional_caller returns None"
        case _:
            return "no certificate was accepted; optional_caller returns None"


for _public in (caller, optional_caller):
    _public.__module__ = "mtls_middleware"
