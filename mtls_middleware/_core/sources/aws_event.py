"""AWS API Gateway's event, which Mangum leaves in the scope. The gateway writes it, and no caller can."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mtls_middleware._core.connection import Connection
from mtls_middleware._core.fields import Fields
from mtls_middleware._core.sources import pem
from mtls_middleware._core.sources.presented import Presented, malformed
from mtls_middleware._core.sources.presets import AWS_API_GATEWAY

_PLACES = ("identity", "authentication")
"""REST API and payload 1.0; HTTP API's payload 2.0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AWSEventSource:
    """Read ``requestContext.identity.clientCert`` or ``requestContext.authentication.clientCert``."""

    @property
    def name(self) -> str:
        """Return ``aws-api-gateway``."""
        return AWS_API_GATEWAY

    @property
    def shape(self) -> None:
        """Return nothing: no header is read."""

    def read(self, connection: Connection, fields: Fields, limit: int) -> Presented | None:  # noqa: ARG002 - protocol
        """Return the PEM as the gateway wrote it; no ``aws.event`` in the scope means no certificate."""
        context = _mapping(connection.event).get("requestContext")
        certificates = [
            text
            for place in _PLACES
            if (text := _mapping(_mapping(_mapping(context).get(place)).get("clientCert")).get("clientCertPem"))
        ]
        if not certificates:
            return None
        certificate, *others = certificates
        if not isinstance(certificate, str) or any(other != certificate for other in others):
            raise malformed("the event holds two certificates, or one that is no text")
        return Presented(parts=(certificate.encode("utf-8", "surrogatepass"),))

    def decode(self, presented: Presented, limit: int) -> tuple[bytes, ...]:  # noqa: ARG002 - protocol
        """Return the DER of the one certificate."""
        return (pem.single(presented.parts[0], pem.WHITE_SPACE),)

    def absence(self, connection: Connection) -> str:
        """Return whether there was an event at all."""
        return "no aws.event in the scope" if connection.event is None else "no clientCert in the aws.event"

    def complaint(self, connection: Connection, fields: Fields) -> str | None:  # noqa: ARG002 - protocol
        """Return nothing: the gateway serves no call whose verification failed."""
        return None


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - unchecked JSON
    return value if isinstance(value, Mapping) else {}
