"""TLS between two contexts in memory."""

import ssl
from pathlib import Path

from mtls_middleware.testing import ClientCertificate, RegionalCA


def shake(
    server: ssl.SSLContext,
    client: ssl.SSLContext,
    *,
    name: str | None = "localhost",
    session: ssl.SSLSession | None = None,
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Return the server's and the client's end after the handshake; raise what either raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_end = server.wrap_bio(to_server, to_client, server_side=True)
    client_end = client.wrap_bio(to_client, to_server, server_hostname=name, session=session)
    waiting = [client_end, server_end]
    while waiting:
        end = waiting.pop(0)
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(end)
    return server_end, client_end


def client_context(
    server_ca: RegionalCA,
    folder: Path,
    client: ClientCertificate | None = None,
    *,
    version: ssl.TLSVersion | None = None,
) -> ssl.SSLContext:
    """Return a context of a caller that trusts one CA and presents one certificate or none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=server_ca.der)
    context.check_hostname = False
    if client is not None:
        context.load_cert_chain(*client.write(folder, client.fingerprint_sha256))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context
