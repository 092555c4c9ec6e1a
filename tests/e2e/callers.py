"""Callers of real servers: what they present, and what they get to hear."""

import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtls_middleware.testing import ClientCertificate, RegionalCA
from tests.e2e.processes import HOST

TIMEOUT = 30.0
"""Seconds that a caller waits for a server."""

CUSTOM_NAME = "caller.example.com"
"""Of callers of the authority ``custom``, who come through intermediates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PKI:
    """Hold the authorities of a test run, and the files of a server.

    Attributes:
        region: whose clients are known.
        stranger: whose clients are not.
        server_ca: signed the server's certificate.
        certificate: PEM of the server.
        key: PEM of its key.
        trust: PEM of `region`.
        folder: for the files of callers.
    """

    region: RegionalCA
    stranger: RegionalCA
    server_ca: RegionalCA
    certificate: Path
    key: Path
    trust: Path
    folder: Path

    def caller(
        self, client: ClientCertificate | None = None, *, version: ssl.TLSVersion | None = None
    ) -> ssl.SSLContext:
        """Return the context of a caller with one certificate or none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.server_ca.der)
        if client is not None:
            context.load_cert_chain(*client.write(self.folder, client.fingerprint_sha256))
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context


def make_pki(folder: Path) -> PKI:
    """Make the authorities of a test run."""
    region, server_ca = RegionalCA("us-east-1"), RegionalCA("servers")
    certificate, key = server_ca.server().write(folder, "server")
    return PKI(
        region=region,
        stranger=RegionalCA("eu-west-1"),
        server_ca=server_ca,
        certificate=certificate,
        key=key,
        trust=region.write(folder),
        folder=folder,
    )


def get(
    port: int, context: ssl.SSLContext | None = None, path: str = "/", headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return what `echo` saw of a request on a new connection, when the body was read; nothing if it told nothing."""
    connection = (
        http.client.HTTPConnection(HOST, port, timeout=TIMEOUT)
        if context is None
        else http.client.HTTPSConnection(HOST, port, timeout=TIMEOUT, context=context)
    )
    try:
        connection.request("GET", path, headers=headers or {})
        return _last_line(connection.getresponse().read())
    finally:
        connection.close()


def is_refused(port: int, context: ssl.SSLContext) -> bool:
    """Return whether the connection ends without an answer."""
    try:
        get(port, context)
    except (ssl.SSLError, ConnectionError):
        return True
    return False


def connect(
    port: int, context: ssl.SSLContext, *, session: ssl.SSLSession | None = None, host: str = HOST
) -> ssl.SSLSocket:
    """Return a TLS connection for requests written by hand."""
    plain = socket.create_connection((HOST, port), timeout=TIMEOUT)
    try:
        return context.wrap_socket(plain, server_hostname=host, session=session)
    except BaseException:
        plain.close()
        raise


def ask(connection: socket.socket, request: bytes) -> dict[str, Any]:
    """Send a request and return what `echo` saw of it; the request asks the server to close the connection."""
    connection.sendall(request)
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    return _last_line(answer.read())


def _last_line(body: bytes) -> dict[str, Any]:
    lines = body.splitlines()
    facts = json.loads(lines[-1]) if lines else {}
    assert isinstance(facts, dict)
    return facts
