"""For FastAPI: callers as dependencies, and mutual TLS in the OpenAPI document."""

from mtls_middleware.fastapi.callers import DataAction, DataActionCaller, MTLSCaller, OptionalDataActionCaller
from mtls_middleware.fastapi.documentation import document_mutual_tls

__all__ = [
    "DataAction",
    "DataActionCaller",
    "MTLSCaller",
    "OptionalDataActionCaller",
    "document_mutual_tls",
]
