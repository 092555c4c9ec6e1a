"""A TLS adapter for cheroot, the server inside CherryPy: it hands over the intermediates too.

cheroot's own adapter gives the client's certificate without what the client sent beside it. That is enough for the
certificates of data actions, which a root signed directly. Other callers may need their intermediates::

    from mtls_middleware.servers.cheroot import BuiltinSSLAdapter

    server.ssl_adapter = BuiltinSSLAdapter("server.pem", "server.key")
    server.ssl_adapter.context.load_verify_locations("US-East-1.pem")
    server.ssl_adapter.context.verify_mode = ssl.CERT_OPTIONAL

cheroot's pyOpenSSL adapter hands over nothing.
"""

import ssl
from typing import Any

from cheroot.ssl import builtin

from mtls_middleware._core.sources.tls import presented_der


class BuiltinSSLAdapter(builtin.BuiltinSSLAdapter):
    """Wrap connections by the standard library, as the class of the same name does."""

    def get_environ(  # type: ignore[override]  # cheroot's stub forgets the socket
        self, sock: ssl.SSLSocket
    ) -> dict[str, Any]:
        """Return what every environ of a connection holds, with ``SSL_CLIENT_CERT_CHAIN_0`` and so on."""
        chain = presented_der(sock)[1:]
        pems = (ssl.DER_cert_to_PEM_cert(der) for der in chain)
        return {
            **super().get_environ(sock),  # type: ignore[no-untyped-call]  # as the stub has it
            **{f"SSL_CLIENT_CERT_CHAIN_{index}": pem for index, pem in enumerate(pems)},
        }
