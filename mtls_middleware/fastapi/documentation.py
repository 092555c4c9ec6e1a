"""Mutual TLS in the OpenAPI document: FastAPI's own models refuse the type ``mutualTLS``, so it is added afterwards."""

from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from enum import Enum
from typing import Any

from fastapi import FastAPI, routing
from fastapi.dependencies.models import Dependant

from mtls_middleware._core.connection import Connection, Interface
from mtls_middleware._core.decision import Reason
from mtls_middleware._core.protection import Protection
from mtls_middleware._core.response import refusal
from mtls_middleware.asgi import MTLSMiddleware
from mtls_middleware.errors import ConfigurationError
from mtls_middleware.fastapi.callers import DataAction, any_caller, data_action_caller_or_none
from mtls_middleware.settings import Settings

SCHEME = "mutualTLS"
PROBLEM = "MTLSProblem"

Document = dict[str, Any]


class _Need(Enum):
    """Whether an operation asks for a client certificate."""

    NEVER = "never"
    OPTIONAL = "optional"
    ALWAYS = "always"


def document_mutual_tls(app: FastAPI, *, settings: Settings | None = None) -> None:
    """Show which routes ask for a client certificate, and how they refuse, in ``/openapi.json`` and ``/docs``.

    These are the routes with a dependency of ours, and those that the `MTLSMiddleware` of the application protects.

    Args:
        app: whose document; what it held stays. A mounted application has a document of its own.
        settings: of the middleware; None where it was added by ``app.add_middleware``.

    Raises:
        ConfigurationError: the application writes OpenAPI 3.0, which has no such scheme.
    """
    if isinstance(app.openapi, _Documented):
        return
    if app.openapi_version.startswith("3.0"):
        raise ConfigurationError([f"openapi_version={app.openapi_version!r} has no mutualTLS: it came with 3.1.0"])
    app.openapi = _Documented(app, app.openapi, settings)  # type: ignore[method-assign]  # FastAPI's way to extend it


class _Documented:
    """The application's OpenAPI document, with mutual TLS written into a copy of it."""

    def __init__(self, app: FastAPI, original: Callable[[], Document], settings: Settings | None) -> None:
        self._app = app
        self._original = original
        self._settings = settings
        self._seen: Document | None = None
        self._written: Document = {}

    def __call__(self) -> Document:
        original = self._original()
        if original is not self._seen:  # it stays the same until the routes change
            self._written = _documented(deepcopy(original), self._app, _protection(self._app, self._settings))
            self._seen = original
        return self._written


def _documented(document: Document, app: FastAPI, protection: Protection | None) -> Document:
    needs = [
        (operation, need)
        for route in _routes(app)
        for operation in _operations(document, route)
        if (need := _need(route, protection, app.root_path)) is not _Need.NEVER
    ]
    if not needs:
        return document
    components = document.setdefault("components", {})
    components.setdefault("securitySchemes", {}).setdefault(SCHEME, _SCHEME)
    components.setdefault("schemas", {}).setdefault(PROBLEM, _PROBLEM)
    for operation, need in needs:
        given: list[Document] = operation["security"] if "security" in operation else document.get("security", [])
        operation["security"] = _security(given, need)
        for status, reasons in _REASONS.items():
            _describe(operation.setdefault("responses", {}).setdefault(str(status), {}), reasons)
    return document


def _routes(app: FastAPI) -> Iterable[Any]:
    """Return routes with what they inherit from their routers; newer versions of FastAPI join the two only here."""
    join: Callable[[Any], Iterable[Any]] = getattr(routing, "iter_route_contexts", iter)
    return join(app.routes)


def _operations(document: Document, route: Any) -> Iterator[Document]:  # noqa: ANN401 - two kinds of routes
    path = document.get("paths", {}).get(getattr(route, "path_format", None), {})
    for method in getattr(route, "methods", None) or ():
        if method.lower() in path:
            yield path[method.lower()]


def _need(route: Any, protection: Protection | None, root_path: str) -> _Need:  # noqa: ANN401 - as above
    calls = tuple(_calls(getattr(route, "dependant", None)))
    path: str = route.path_format
    if any(call is any_caller or isinstance(call, DataAction) for call in calls):
        return _Need.ALWAYS
    if protection is not None:
        if protection.covers(_connection(path, root_path)):
            return _Need.ALWAYS
        fixed, parameter, _ = path.partition("{")
        if parameter and any(prefix.startswith(fixed) for prefix in protection.protected):
            return _Need.OPTIONAL
    return _Need.OPTIONAL if data_action_caller_or_none in calls else _Need.NEVER


def _connection(path: str, root_path: str) -> Connection:
    return Connection(interface=Interface.ASGI, path=path, raw_path=None, root_path=root_path, headers=(), client=None)


def _calls(dependant: Dependant | None) -> Iterator[object]:
    if dependant is not None:
        yield dependant.call
        for dependency in dependant.dependencies:
            yield from _calls(dependency)


def _protection(app: FastAPI, settings: Settings | None) -> Protection | None:
    """Return what the middleware of the application protects; None where there is none."""
    ours: object = MTLSMiddleware
    for middleware in app.user_middleware:
        if settings is None and middleware.cls is ours:
            settings = _settings(**middleware.kwargs)
            if settings is None:
                return Protection()  # the middleware refuses everything
    return Protection(protected=settings.protect, exempt=settings.exempt) if settings is not None else None


def _settings(*, settings: Any = None, guard: Any = None) -> Settings | None:  # noqa: ANN401 - of any middleware
    """Return what the middleware goes by; None where it cannot be configured."""
    given: Settings | None = settings if guard is None else guard.settings
    try:
        return given if given is not None else Settings.from_env()
    except ConfigurationError:
        return None


def _security(given: list[Document], need: _Need) -> list[Document]:
    """Ask for a certificate beside each of the alternatives there are (OpenAPI 3.1 §4.8.10)."""
    with_certificate = [{**requirement, SCHEME: []} for requirement in given or [{}]]
    return with_certificate if need is _Need.ALWAYS else [*(given or [{}]), *with_certificate]


def _describe(response: Document, reasons: tuple[Reason, ...]) -> None:
    if "$ref" in response:
        return  # shared with others: it stays as the application wrote it
    response.setdefault("description", "Refused: " + ", ".join(reasons))
    response.setdefault("content", {}).setdefault(
        "application/problem+json", {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}
    )


def _reasons_by_status() -> dict[int, tuple[Reason, ...]]:
    statuses = {reason: refusal(reason, None).status.value for reason in Reason}
    return {
        status: tuple(reason for reason in Reason if statuses[reason] == status)
        for status in sorted(set(statuses.values()))
    }


_REASONS = _reasons_by_status()

_SCHEME: Document = {
    "type": "mutualTLS",
    "description": "The client certificate of a Genesys Cloud data action, or of another caller that is allowed.",
}

_PROBLEM: Document = {
    "title": "Problem",
    "description": "A refusal (RFC 9457).",
    "type": "object",
    "required": ["status", "title", "reason"],
    "properties": {
        "status": {"type": "integer", "enum": list(_REASONS), "description": "The HTTP status."},
        "title": {"type": "string", "description": "The phrase of the HTTP status."},
        "reason": {"type": "string", "enum": [str(reason) for reason in Reason]},
        "correlationId": {"type": "string", "description": "ININ-Correlation-Id of the call."},
    },
}
