"""Run daphne so that it asks for client certificates, and hands over the certificate and the real peer.

On the command line ``python -m mtls_middleware.servers.daphne --client-ca roots.pem --endpoint
ssl:8443:privateKey=key.pem:certKey=cert.pem main:app`` instead of ``daphne …``: all other options are daphne's, and
``--client-required`` ends the handshake of a caller without a certificate. In code use `Server`.

It goes with HTTP/1.1, HTTP/2 and WebSocket. No TLS session is resumed. Request trailers are no headers in Twisted.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import daphne.server  # type: ignore[import-untyped]  # daphne ships no types; before Twisted, whose reactor it chooses
from daphne.cli import CommandLineInterface  # type: ignore[import-untyped]
from OpenSSL import SSL, crypto
from twisted.internet.address import UNIXAddress
from twisted.internet.endpoints import serverFromString

from mtls_middleware._core.connection import TRANSPORT_SCOPE_KEY, Transport
from mtls_middleware.servers.pyopenssl import ConnectionFacts
from mtls_middleware.servers.scope import TLSObject, tls_extension


class Server(daphne.server.Server):  # type: ignore[misc]  # daphne ships no types
    """daphne's server, which asks for client certificates on each ``ssl:`` endpoint.

    Args:
        client_ca: PEM file of the CA certificates that handshakes are verified with; None asks for no certificate.
        client_required: whether the handshake of a caller without a certificate ends.
        options: of daphne's own server.
    """

    def __init__(self, *, client_ca: Path | None = None, client_required: bool = False, **options: Any) -> None:  # noqa: ANN401 - they are daphne's
        super().__init__(**options)
        self._client_ca = client_ca
        self._client_required = client_required

    def run(self) -> None:
        """Serve until told to stop."""
        # Daphne has no setting for it; it takes the function from its module when it begins to listen.
        daphne.server.serverFromString = self._endpoint
        super().run()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:  # noqa: ANN401 - daphne ships no types
        """Start the application for a request or a WebSocket, and tell it the facts of its connection."""
        transport = _transport_of(protocol)
        facts: dict[str, Any] = {TRANSPORT_SCOPE_KEY: _peer_of(transport)}
        connection = transport.getHandle() if hasattr(transport, "getPeerCertificate") else None
        if connection is not None:
            tls = tls_extension(cast("TLSObject", ConnectionFacts(connection)))
            facts["extensions"] = {**(scope.get("extensions") or {}), "tls": tls}
        return super().create_application(protocol, {**scope, **facts})

    def _endpoint(self, reactor: Any, description: str) -> Any:  # noqa: ANN401 - endpoints have no common class
        if self._client_ca is not None:
            reactor = _AsksForCertificates(reactor, self._client_ca, required=self._client_required)
        return serverFromString(reactor, description)  # type: ignore[no-untyped-call]  # Twisted has few types


class CommandLine(CommandLineInterface):  # type: ignore[misc]  # daphne ships no types
    """daphne's command line, with options for client certificates."""

    def run(self, args: Sequence[str]) -> None:
        """Serve until told to stop."""
        ours = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        for parser in (ours, self.parser):  # daphne's own is told for its help
            parser.add_argument("--client-ca", type=Path, help="PEM file of CA certificates of clients")
            parser.add_argument("--client-required", action="store_true", help="Refuse clients without certificate")
        options, rest = ours.parse_known_args(args)
        if options.client_required and options.client_ca is None:
            self.parser.error("--client-required needs --client-ca")
        self.server_class = partial(Server, client_ca=options.client_ca, client_required=options.client_required)
        super().run(rest)


class _AsksForCertificates:
    """Wrap the reactor: each TLS port that is opened through it asks for a client certificate.

    The ``ssl:`` endpoints of Twisted have no word for it.
    """

    def __init__(self, reactor: Any, client_ca: Path, *, required: bool) -> None:  # noqa: ANN401 - a reactor is a module
        self._reactor = reactor
        self._client_ca = client_ca
        self._verify = SSL.VERIFY_PEER | (SSL.VERIFY_FAIL_IF_NO_PEER_CERT if required else 0)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a reactor has
        return getattr(self._reactor, name)

    def listenSSL(self, port: int, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = "") -> Any:  # noqa: ANN401, N802, N803 - IReactorSSL
        context = contextFactory.getContext()
        context.set_verify(self._verify)
        context.load_verify_locations(str(self._client_ca))
        context.load_client_ca(str(self._client_ca).encode())
        # An anchor may be signed by a CA that is not trusted.
        context.get_cert_store().set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        return self._reactor.listenSSL(port, factory, contextFactory, backlog, interface)


def _transport_of(protocol: Any) -> Any:  # noqa: ANN401 - neither daphne nor Twisted has a common class
    """Return the transport below a WebSocket, a request of HTTP/1.1, or a request of HTTP/2."""
    channel = getattr(protocol, "channel", protocol)  # a WebSocket has none, it speaks for itself
    return getattr(channel, "_conn", channel).transport  # a stream of HTTP/2 does not tell its connection otherwise


def _peer_of(transport: Any) -> Transport:  # noqa: ANN401 - of Twisted
    """Return the peer at the other end of the wire; Twisted keeps it from the moment of accepting."""
    address = transport.getPeer()
    connection = transport.getHandle() if hasattr(transport, "getPeerCertificate") else None
    return Transport(
        peer=None if isinstance(address, UNIXAddress) else (str(address.host), int(address.port)),
        asks=connection is None or connection.get_context().get_verify_mode() != SSL.VERIFY_NONE,
    )


if __name__ == "__main__":
    CommandLine().run(sys.argv[1:])
